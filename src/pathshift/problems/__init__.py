"""Tasks: one file a family of problems, each with its floor (what blind guessing reaches)."""

from pathshift.problems.families import FAMILIES, Family, load_problems

__all__ = ["FAMILIES", "Family", "load_problems"]
