"""A small correct server, which can commit any one of many faults on request.

`speech` makes the tokens that a scripted model says, `reader` reads calls from them as they come,
`reply` keeps what the client gets, `delta` and `answer` write it, `app` speaks HTTP, and `server`
runs it on loopback. `variant` lists what a server may do differently, `faults` what it may not.
"""

from __future__ import annotations

from conformance.reference.chat.faults import FAULTS
from conformance.reference.server import Reference
from conformance.reference.variant import Variant

__all__ = ["FAULTS", "Reference", "Variant"]
