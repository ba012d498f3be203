"""What holds processes, locks or pipes begins anew in a forked child.

A data loader may fork at any time, also while another thread grades. The child then holds copies
of pipes whose other ends talk to its parent, and locks that nobody will ever release.
"""

from __future__ import annotations

import os
import weakref
from typing import Protocol


class Renewable(Protocol):
    """Something that must not be shared with a forked child."""

    def renew(self) -> None:
        """Called in the child, where no other thread runs yet. Must end no process."""


_KEPT: weakref.WeakSet[Renewable] = weakref.WeakSet()


def renewed_in_children(thing: Renewable) -> None:
    """Have `thing.renew()` called in every process that is forked from now on."""
    _KEPT.add(thing)


def _renew_all() -> None:
    for thing in list(_KEPT):
        thing.renew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_all)
