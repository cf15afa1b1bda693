"""A wavering model: it answers the same request differently each time, and sometimes badly.

It calls the first tool of the request, with arguments made up from the schema. Its answers follow a
cycle of six: the call, the call with other arguments, words before the call, words alone, two
calls, and a call that breaks off inside its own markup. Each kind of request has its own cycle.
Streams begin with the second answer, so that they differ from the complete answers.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import count

from conformance.base.jsonvalue import Json
from conformance.formats import Format, Inexpressible
from conformance.formats.format import text_of
from conformance.terms.said import Call, Piece, Script, Text, Utterance

Says = Callable[[Json, Format], Script]
"""From a request and the format, what a model says."""


def dithering() -> Says:
    """Make a model that counts the requests of each kind."""
    asked: dict[tuple[Json, ...], Iterator[int]] = {}

    def says(request: Json, format: Format) -> Script:
        choice = request.get("tool_choice") or "auto"
        tools = request.get("tools") or []
        if not tools or choice == "none":
            return format.write([Text(text="I have nothing to call.")])
        kind = (bool(request.get("stream")), _limited(request), tools[0]["function"]["name"])
        number = next(asked.setdefault(kind, count(int(kind[0]))))
        return _say(request, format, choice, number)

    return says


def _limited(request: Json) -> bool:
    return request.get("max_tokens") is not None


def _say(request: Json, format: Format, choice: Json, number: int) -> Script:
    # Its end looks like the beginning of a mark.
    text = Text(text=f"I have thought about it {number} times, and {number} <")
    first, other = (_call(request["tools"], choice, seed) for seed in (0, number + 1))
    ways: list[list[Utterance]] = [[first], [other], [text, first], [text], [first, other]]
    if choice != "auto":
        return format.write(ways[number % 2])
    if number % 6 == len(ways):
        # A limit cuts by itself, and this server knows what would have come after it.
        whole = format.write([first])
        return format.write([text]) if _limited(request) else _broken_off(whole)
    try:
        return format.write(ways[number % 6])
    except Inexpressible:
        return format.write([first])


def _broken_off(script: Script) -> Script:
    """Leave out the last fifth of a call, its closing mark too."""
    text = text_of(script)
    left = len(text) * 4 // 5
    kept: list[Piece] = []
    for piece in script:
        if piece.kind == "text":
            kept.append(Piece("text", piece.text[: max(0, left)]))
        elif left >= len(piece.text):
            kept.append(piece)
        left -= len(piece.text)
    return tuple(piece for piece in kept if piece.text)


def _call(tools: Json, choice: Json, seed: int) -> Call:
    named = choice["function"]["name"] if isinstance(choice, dict) else None
    functions = [tool["function"] for tool in tools]
    function = next((one for one in functions if one["name"] == named), functions[0])
    made = _made_up(function.get("parameters") or {}, seed)
    arguments = made if isinstance(made, dict) else {}
    return Call(name=function["name"], arguments=json.dumps(arguments, ensure_ascii=False))


def _made_up(schema: Json, seed: int) -> Json:
    """Make up a value; this reads only the plainest schemas."""
    if "enum" in schema:
        return schema["enum"][seed % len(schema["enum"])]
    match schema.get("type"):
        case "string":
            return f"the {seed}. wörd 🎉"
        case "integer":
            return seed
        case "number":
            return seed + 0.5
        case "boolean":
            return seed % 2 == 0
        case "array":
            return [_made_up(schema.get("items") or {}, seed)]
        case "object":
            wanted = schema.get("required") or list(schema.get("properties") or {})
            known = schema.get("properties") or {}
            return {name: _made_up(known.get(name) or {}, seed) for name in wanted}
    return None
