"""`make test-tools` runs what is in this folder; pytest leaves it alone.

Its checks import tools that have an environment of their own.
"""

collect_ignore_glob = ["*.py"]
