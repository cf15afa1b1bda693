"""A small correct server: what a conforming one does, and every fault that it can be told to have.

`speech` makes the tokens that a scripted model says, `reader` reads calls out of them as they come,
`answer` writes the chunks or the complete answer, `app` speaks HTTP, `server` runs it on loopback.
"""

from __future__ import annotations

from conformance.reference.answer import Variant
from conformance.reference.faults import FAULTS
from conformance.reference.server import Reference

__all__ = ["FAULTS", "Reference", "Variant"]
