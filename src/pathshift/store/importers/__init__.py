"""Other tools' logs, one file a format, read into our records. Nothing here judges an answer.

Start at `formats.py` (the table, and how a log is recognised) and `assemble.py` (how rows become
problems with numbered samples). A reader says what the log says; where that is not whether an
answer is right, the sample's outcome is None and `rollout.ingest` has it judged.
"""
