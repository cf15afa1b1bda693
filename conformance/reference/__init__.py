"""A small correct server: what a conforming one does, and every fault that it can be told to have.

`speech` makes the tokens that a scripted model says, `reader` reads calls out of them as they come,
`reply` keeps what the client gets, `delta` and `answer` write it, `app` speaks HTTP, and `server`
runs it on loopback. `variant` lists what a server may do otherwise, `faults` what it may not.
"""

from __future__ import annotations

from conformance.reference.chat.faults import FAULTS
from conformance.reference.server import Reference
from conformance.reference.variant import Variant

__all__ = ["FAULTS", "Reference", "Variant"]
