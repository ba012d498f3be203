"""Text to features of a reasoning trace: pure functions, no models, no files, no records.

`paths.py` turns a completion into a key that equal paths share. The text is a model's: it is never
executed, only its first characters are read, and every pattern takes a bounded number of steps for
each of them.
"""
