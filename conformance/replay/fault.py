"""What an engine without a model can do wrong on request, for tests of whoever has to bear it.

It is asked for where the server is started, and in no other way:
`--additional-config '{"conformance_fault": {"name": "dies", "after": 100}}'`.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

KEY = "conformance_fault"


def die() -> None:
    """End as a process does that has no memory left."""
    os.kill(os.getpid(), signal.SIGKILL)


def stall() -> None:
    """Do nothing more, and stay."""
    threading.Event().wait()


def tarry() -> None:
    """Take as long for a step as a large model on a busy machine."""
    time.sleep(0.25)


FAULTS: Mapping[str, Callable[[], None]] = {"dies": die, "stalls": stall, "is-slow": tarry}
"""What is done before each step, once enough was said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that goes wrong."""

    name: str
    after: int
    """Tokens that are said before that, in all answers together."""

    def strike(self, said: int) -> None:
        """Do it, if so many tokens were said."""
        if said >= self.after:
            FAULTS[self.name]()


def read(config: object) -> Fault | None:
    """Read what a server's additional configuration asks for; raises ValueError."""
    asked = config.get(KEY) if isinstance(config, Mapping) else None
    if asked is None:
        return None
    if not isinstance(asked, Mapping) or asked.keys() != {"name", "after"}:
        raise ValueError(f"{KEY} is {asked!r}; expected an object with name and after")
    name, after = asked["name"], asked["after"]
    if name not in FAULTS:
        raise ValueError(f"{KEY}: name is {name!r}; allowed: {', '.join(FAULTS)}")
    if type(after) is not int or after < 0:
        raise ValueError(f"{KEY}: after is {after!r}; expected a whole number from 0")
    return Fault(name=name, after=after)
