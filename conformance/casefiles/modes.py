"""The ways to ask for a case, and which of them a run asks for."""

from __future__ import annotations

import re
from collections.abc import Iterable

from conformance.terms.case import CHARACTERS, COMPLETE, PROMPT, STREAM, Case, Mode
from conformance.terms.said import Text
from conformance.terms.server import DRAFTS, Server

INTERVALS = (5, 1000)
"""Tokens per delta: a few, so that deltas straddle marks; and all that there are."""

ALLOWED = (
    "complete, stream, prompt, or stream- and any of characters or pieces-SEED, interval-TOKENS or "
    "steps-SEED or drafts-TOKENS, stop-LENGTH in this order"
)
_NAME = re.compile(
    r"stream(-characters|-pieces-(?P<seed>[0-9]{1,18}))?"
    r"(-interval-(?P<interval>[1-9][0-9]{0,8})|-steps-(?P<steps>[0-9]{1,18})"
    rf"|-drafts-(?P<drafts>[1-{DRAFTS}]))?(-stop-(?P<stop>[1-9][0-9]{{0,2}}))?"
)


NUMBERS = ("interval", "steps", "drafts", "stop")
"""Parts of a name that are a number."""


def named(name: str) -> Mode | None:
    """Read a mode's name; `None` if no mode has it."""
    plain = {mode.name: mode for mode in (COMPLETE, PROMPT)}
    if name in plain:
        return plain[name]
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    seed = found["seed"]
    cut = f"pieces:{seed}" if seed else "characters" if found[1] else "tokens"
    return Mode(
        name=name,
        stream=True,
        cut=cut,
        **{name: int(found[name]) for name in NUMBERS if found[name]},
    )


def _listed(*names: str) -> tuple[Mode, ...]:
    return tuple(mode for name in names if (mode := named(name)))


DEFAULT = (COMPLETE, STREAM, CHARACTERS, *_listed(*(f"stream-interval-{n}" for n in INTERVALS)))
THOROUGH = (
    *DEFAULT,
    *_listed(
        *(f"stream-interval-{n}" for n in range(1, 17) if n not in INTERVALS),
        *(f"stream-characters-interval-{n}" for n in range(2, 9)),
        *(f"stream-pieces-{seed}" for seed in range(1, 5)),
        *(f"stream-stop-{length}" for length in range(1, 17)),
        *(f"stream-steps-{seed}" for seed in range(1, 5)),
    ),
)
SPECULATED = _listed(*(f"stream{cut}-drafts-{DRAFTS}" for cut in ("", "-characters")))
"""What a server that speculates is asked in any run: it was started like that for this."""
CUTS = {"default": (*DEFAULT, *SPECULATED), "thorough": (*THOROUGH, *SPECULATED)}
"""What `--cuts` asks for."""
LONG = 5_000
"""An answer with more characters than this is cut in the default ways alone.

A cut does the same to short answers, and four long ones were half of the tokens of a sweep.
"""


def of_server(server: Server, cuts: str = "default") -> tuple[Mode, ...]:
    """List the ways to ask this server for any case."""
    return tuple(mode for mode in CUTS[cuts] if _is_possible(mode, server))


def of_case(case: Case, asked: Iterable[Mode], server: Server) -> list[Mode]:
    """Choose the modes in which a case is asked: those of the run, and more of its own."""
    if length(case) > LONG:
        asked = [mode for mode in asked if mode in CUTS["default"]]
    wanted = dict.fromkeys([*asked, *case.modes])
    if case.echo is not None:
        # How an answer is cut makes no difference to the next request.
        return [mode for mode in wanted if mode in (COMPLETE, STREAM)]
    return [
        mode
        for mode in wanted
        if _is_possible(mode, server) and not (mode.stop and case.options.stop)
    ]


def length(case: Case) -> int:
    """Count the characters that the model says, except the format's own."""
    says = case.says or ()
    return sum(len(part.text if isinstance(part, Text) else part.arguments) for part in says)


def _is_possible(mode: Mode, server: Server) -> bool:
    return (
        (mode.interval is None or server.takes_interval or server.takes_steps)
        and (mode.steps is None or server.takes_steps)
        and (mode.drafts is None or server.takes_drafts)
    )
