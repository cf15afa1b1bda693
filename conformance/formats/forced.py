"""The shapes to which servers bind calls where a tool is forced; families may have their own."""

from __future__ import annotations

import json
from collections.abc import Sequence

from conformance.base import jsonvalue
from conformance.base.jsonvalue import JsonProblem
from conformance.formats.jsontext import read_calls
from conformance.formats.problem import Unreadable
from conformance.terms.said import Call, Piece, Script


def shapes(own: Script, calls: Sequence[Call], named: bool) -> list[Script]:
    """Write calls in each shape that vLLM may bind a model to, given the model's own.

    That is calls without white space between them (hermes from 0.30), or bare JSON: a list of
    calls, whose arguments are called `parameters` (hermes before 0.30) or `arguments` (mistral
    before v11), or the arguments alone where one function is named.
    """
    texts = [_listed(calls, key) for key in ("parameters", "arguments")]
    if named:
        texts.insert(0, calls[0].arguments)
    adjacent = tuple(piece for piece in own if piece.text.strip())
    bare: list[Script] = [(Piece("text", text),) for text in texts]
    return [adjacent, *bare] if adjacent != own else bare


def _listed(calls: Sequence[Call], key: str) -> str:
    objects = (f'{{"name": {json.dumps(call.name)}, "{key}": {call.arguments}}}' for call in calls)
    return f"[{', '.join(objects)}]"


def read(text: str, function: str | None) -> list[Call]:
    """Read bare JSON: a list of calls, or the arguments alone of a function that is named."""
    if text.lstrip().startswith("["):
        return _read_list(text)
    try:
        value = jsonvalue.parse(text)
    except JsonProblem as problem:
        raise Unreadable(f"a forced call is JSON, or has marks: {problem}") from None
    if not isinstance(value, dict) or function is None:
        raise Unreadable("a forced call is a list of calls, or an object of arguments")
    if "name" in value and value.keys() & {"arguments", "parameters"}:
        raise Unreadable("an object that may be a call, or the arguments of one")
    return [Call(name=function, arguments=text.strip())]


def _read_list(text: str) -> list[Call]:
    try:
        calls = read_calls(text)
    except Unreadable:
        calls = read_calls(text, "parameters")
    if not calls:
        raise Unreadable("a list without a call")
    return calls
