"""Models at any OpenAI-compatible server. Nothing here is imported before one is named."""
