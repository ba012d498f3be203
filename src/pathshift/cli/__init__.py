"""One file a subcommand; thin. Nothing imports this package."""
