"""Calls as JSON text: the spelling that most families share."""

from __future__ import annotations

import json

from conformance.formats.problem import Unreadable
from conformance.terms.said import Call

_DECODER = json.JSONDecoder(parse_int=str)
"""Finds where a value stops; it makes no `int`, as Python refuses one of very many digits."""


def read_value(text: str, start: int) -> tuple[str, int]:
    """Take the JSON value that begins at or after `start`: its text, and where it stops."""
    while start < len(text) and text[start] in " \t\r\n":
        start += 1
    try:
        _, stop = _DECODER.raw_decode(text, start)
    except (ValueError, RecursionError) as problem:
        raise Unreadable(f"no JSON value at character {start}: {problem}") from None
    return text[start:stop], stop


def read_calls(text: str, key: str = "arguments") -> list[Call]:
    """Read a text that is one array of calls."""
    whole, stop = read_value(text, 0)
    if not whole.startswith("[") or text[stop:].strip():
        raise Unreadable(f"calls are one array, not {text[:20]!r}")
    calls: list[Call] = []
    at = 1
    while whole[at:].lstrip() != "]":
        call, at = read_call(whole, at, key)
        calls.append(call)
        if whole[at:].lstrip().startswith(","):
            at = _after(whole, at, ",")
    return calls


def read_call(text: str, start: int, key: str = "arguments") -> tuple[Call, int]:
    """Take the object with `name` and `arguments` that begins at or after `start`.

    The arguments keep their exact text. Other keys are ignored, as by the parsers. Two names, or
    arguments twice, are refused: nothing says which is meant.
    """
    whole, stop = read_value(text, start)
    if not whole.startswith("{"):
        raise Unreadable(f"a call is an object, not {whole[:20]!r}")
    found: dict[str, str] = {}
    at = 1
    while whole[at:].lstrip() != "}":
        label, at = read_value(whole, at)
        at = _after(whole, at, ":")
        value, at = read_value(whole, at)
        named = json.loads(label)
        if named in found and named in ("name", key):
            raise Unreadable(f"a call has {named!r} twice")
        found[named] = value
        if whole[at:].lstrip().startswith(","):
            at = _after(whole, at, ",")
    missing = {"name", key} - found.keys()
    if missing:
        raise Unreadable(f"a call has no {' and no '.join(sorted(missing))}")
    name = json.loads(found["name"])
    if not isinstance(name, str):
        raise Unreadable(f"a call's name is a string, not {found['name'][:20]}")
    return Call(name=name, arguments=found[key]), stop


def write_call(call: Call) -> str:
    """Write a call as an object, in the models' own spelling."""
    name = json.dumps(call.name, ensure_ascii=False)
    return f'{{"name": {name}, "arguments": {call.arguments}}}'


def _after(text: str, start: int, character: str) -> int:
    return text.index(character, start) + 1
