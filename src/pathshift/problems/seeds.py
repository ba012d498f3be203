"""One random generator for each thing that is drawn, named by what it depends on.

No state is shared: problem 7 is the same whether ten or a thousand are asked for.
"""

from __future__ import annotations

import random

from pathshift.records import digest


def generator(*parts: object) -> random.Random:
    """Generator seeded by the SHA-256 of `parts` (JSON values), the same in every process."""
    return random.Random(int(digest(*parts), 16))
