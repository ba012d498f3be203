"""Models put to work on text: judges of reasoning chains.

They read what a run holds and write verdicts; they never sample for a run.
"""
