"""The claims under test and the experiments that judge them.

Holds the table of claims and its reader. Knows nothing of how a recipe samples or trains: those are
modules of their own and are imported by name, so that reading the claims stays cheap.
"""

from pathshift.lab.claims import Claim, Status, load_claims

__all__ = ["Claim", "Status", "load_claims"]
