"""A model that dithers: asked the same again it says something else, and sometimes nonsense.

It calls the first tool it is offered, with arguments made up from the schema. Of every six answers
one is the call, one the call with other arguments, one has words before the call, one has words
alone, one calls twice, and one breaks off inside its own markup: in which order they are asked for
decides who gets which. Requests of a kind are counted apart, so that each kind has all six;
streams begin at the second, so that they differ from the complete answers.
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
"""Given a request and the format: what a model says."""


def dithering() -> Says:
    """Make a model that counts how often it was asked."""
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
    # It ends like a mark that begins.
    text = Text(text=f"I have thought about it {number} times, and {number} <")
    first, other = (_call(request["tools"], choice, seed) for seed in (0, number + 1))
    ways: list[list[Utterance]] = [[first], [other], [text, first], [text], [first, other]]
    if choice != "auto":
        return format.write(ways[number % 2])
    if number % 6 == len(ways):
        # A limit breaks off by itself, and this server knows what would have come behind it.
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
    """Make up a value; of what a schema may say, only the plainest is understood."""
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
