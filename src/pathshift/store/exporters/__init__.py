"""Our records written as other tools read them, one file a format. The inverse of `importers`.

Start at `formats.py` (the table) and `judged.py` (what a writer is given and what it returns).
"""
