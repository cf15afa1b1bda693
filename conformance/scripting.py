"""From a case and a format to the script that a server is made to say."""

from __future__ import annotations

import json
from collections.abc import Sequence

from conformance.formats import FORMATS, Format, Inexpressible
from conformance.formats.format import text_of
from conformance.terms.asked import Named
from conformance.terms.case import CHARACTERS, Case, Mode
from conformance.terms.said import Call, Script, Text, Utterance
from conformance.terms.server import Server

SCRIPT_FIELD = "conformance_script"


STRANGE = "\u2021\u2620\u2702\ua66e"
"""Characters that hardly any text has."""


class NotApplicable(Exception):
    """A case makes no sense on this server in this mode; the message says why."""


def scripts_of(case: Case, server: Server) -> list[Script]:
    """Write what the model says, in each shape that a server may want; raises `NotApplicable`.

    The first is the model's own. Where a tool is forced, servers bind some models to another.
    """
    own = script_in(case, server.format)
    return [own, *_forced_shapes(case, own, FORMATS[server.format])]


def script_in(case: Case, format: str) -> Script:
    """Write what the model says in its own format; raises `NotApplicable`."""
    if case.says is None:
        if format not in case.raw:
            raise NotApplicable(f"the case spells out no text for {format}")
        return case.raw[format]
    try:
        return FORMATS[format].write(case.says)
    except Inexpressible as problem:
        raise NotApplicable(f"{format}: {problem}") from None


def formats_of(case: Case) -> list[str]:
    """List the formats in which a case makes sense."""
    found = []
    for name in FORMATS:
        if name in case.omits:
            continue
        if case.says is not None or case.raw:
            try:
                script_in(case, name)
            except NotApplicable:
                continue
        found.append(name)
    return found


def is_bound(case: Case, server: Server) -> bool:
    """Whether a grammar may bind what the model says, so that a script must be tried first."""
    bound = FORMATS[server.format].grammar
    if not case.tools:  # then a grammar keeps the marks of calls out, and nothing else
        return bound and any(piece.kind != "text" for piece in script_in(case, server.format))
    return (
        bound
        or case.options.forces
        or case.options.parallel is False
        or any(tool["function"].get("strict") for tool in case.tools)
    )


def never(length: int, script: Script | None) -> str:
    """Give a stop string of this length that is not in a script."""
    said = text_of(script or ())
    return next(character for character in STRANGE if character not in said) * length


def tokens_until(script: Script, text: str) -> int:
    """Count the tokens of a script of ASCII characters up to the end of a text in it.

    A mark counts as one token; where a vocabulary spells it out, the script is cut a little sooner.
    Raises `NotApplicable` if the script does not hold the text.
    """
    whole = text_of(script)
    if text not in whole:
        raise NotApplicable(f"the format does not write {text!r}, where the case is cut")
    left, tokens = whole.index(text) + len(text), 0
    for piece in script:
        if left > 0:
            tokens += min(left, len(piece.text)) if piece.kind == "text" else 1
        left -= len(piece.text)
    return tokens


def finished_calls(says: Sequence[Utterance], script: Script, text: str) -> tuple[Call, ...]:
    """Give the calls that are whole where a script is cut right after a text in it.

    Only what follows it shows that a call has ended, so a call counts once the next utterance has
    begun. Where the format spells something otherwise, nothing more counts.
    """
    whole = text_of(script)
    cut, at, begun = whole.index(text) + len(text), 0, 0
    for item in says:
        parts = (item.text,) if isinstance(item, Text) else (item.name, item.arguments)
        at = whole.find(parts[0], at)
        if not 0 <= at < cut:
            break
        begun += 1
        at = whole.find(parts[-1], at) + len(parts[-1])
    return tuple(item for item in says[: max(0, begun - 1)] if isinstance(item, Call))


def check_applies(case: Case, mode: Mode, server: Server) -> None:
    """Raise `NotApplicable` where a case makes no sense."""
    if case.cut_after is not None and mode.cut != "tokens":
        raise NotApplicable("a case with cut_after is cut to characters in every mode")
    names = [server.format, mode.name]
    if mode.cut != "tokens" and mode not in case.modes:
        names.append(CHARACTERS.name)  # this mode too cuts the tokens anew that the case is about
    for omitted in names:
        if omitted in case.omits:
            raise NotApplicable(case.omits[omitted])


def _forced_shapes(case: Case, own: Script, format: Format) -> list[Script]:
    says = case.says or ()
    calls = [item for item in says if isinstance(item, Call)]
    # The shapes have no place for text: in one of them the model would not say what it means.
    if not calls or len(calls) < len(says) or not case.options.forces:
        return []
    return format.forced_shapes(own, calls, isinstance(case.options.choice, Named))


def encode(script: Script, cut: str) -> str:
    """Write a script as the text that `conformance.replay` takes."""
    pieces = [[piece.kind, piece.text] for piece in script]
    return json.dumps({"v": 1, "pieces": pieces, "cut": cut}, separators=(",", ":"))
