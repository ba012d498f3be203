"""Run folders and counts in, result dataclasses out: the only joiner of store and stats."""
