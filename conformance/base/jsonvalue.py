"""JSON with its types: strict reading, typed equality, where two values first differ."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, NoReturn

from conformance.base.printable import counted

Json = Any
"""A JSON value as `json.loads` gives it."""

MAX_DEPTH = 200
"""Levels of nested containers; deeper text is refused, so that no reader here can overflow."""

_TOKEN = re.compile(r'"(?:[^"\\]++|\\.)*+("?)|[][{}]', re.DOTALL)
"""A string, whole or cut short, or a bracket outside any string."""
_SPACE = re.compile(r"[ \t\r\n]+")
_WORD = re.compile(r"[A-Za-z0-9_-]+")


class JsonProblem(ValueError):
    """A text is not exactly one strict JSON value; the message says why and where."""


def parse(text: str) -> Any:
    """Read exactly one JSON value.

    Integers come as `int`, other numbers as `Decimal`, so that nothing is rounded.
    Duplicate keys, `NaN`, `Infinity`, raw control characters and text after the value
    raise `JsonProblem`.
    """
    if text.startswith("\ufeff"):
        raise JsonProblem("a byte-order mark at character 0")
    if _depth(text) > MAX_DEPTH:
        raise JsonProblem(f"nested deeper than {MAX_DEPTH}")
    try:
        return _decode(text)
    except json.JSONDecodeError as problem:
        raise JsonProblem(f"{problem.msg} at character {problem.pos}") from None


def parse_as_clients(text: str) -> Any:
    """Read one JSON value as most clients do: the last of duplicate keys counts, `NaN` is a number.

    Raises `JsonProblem`.
    """
    if _depth(text) > MAX_DEPTH:
        raise JsonProblem(f"nested deeper than {MAX_DEPTH}")
    try:
        return json.loads(text)
    except ValueError as problem:  # also of an integer that is too long for Python
        raise JsonProblem(str(problem)) from None


_ENDS_IN_STRING = tuple(
    f"{rest}{end}"
    for rest in ("", "n", "0000", "000", "00", "0")  # what a cut escape still lacks
    for end in ('"', '":0')
)
_ENDS_BETWEEN = (
    "",
    "0",
    ":0",
    '"":0',
    *(w[at:] for w in ("true", "false", "null") for at in (1, 2, 3)),
)


def is_beginning(text: str) -> bool:
    """Whether some JSON value begins with this text, so that more text could complete it."""
    closers, in_string = _open(text)
    ends = _ENDS_IN_STRING if in_string else _ENDS_BETWEEN
    return any(_is_value(f"{text}{end}{closers}") for end in ends)


def closes(text: str, rest: str) -> bool:
    """Whether a rest only closes what is open after a text: brackets, and white space about them.

    It need not close all of it.
    """
    closers, in_string = _open(text)
    return not in_string and closers.startswith(_SPACE.sub("", rest))


def _open(text: str) -> tuple[str, bool]:
    """Give the brackets that close a text's open containers, and whether it ends in a string."""
    stack: list[str] = []
    in_string = False
    for found in _TOKEN.finditer(text):
        match found[0]:
            case "{":
                stack.append("}")
            case "[":
                stack.append("]")
            case "}" | "]":
                stack[-1:] = []
            case _:
                in_string = not found[1]
    return "".join(reversed(stack)), in_string


def _is_value(text: str) -> bool:
    try:
        parse(text)
    except JsonProblem:
        return False
    return True


def commas_and_brackets(body: bytes) -> int:
    """Count commas and opening brackets, in strings as well.

    JSON has one value more than these at most, so this says what a body can cost before it is read.
    """
    return sum(body.count(mark) for mark in b",[{")


def is_number(value: Any) -> bool:
    """Whether a parsed value is a number; `true` is not."""
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)


def plain(value: Any) -> Any:
    """Convert a parsed value for `json.dumps` and `jsonschema`: each Decimal becomes a float."""
    match value:
        case Decimal():
            return float(value)
        case dict():
            return {key: plain(item) for key, item in value.items()}
        case list():
            return [plain(item) for item in value]
        case _:
            return value


@dataclass(frozen=True, slots=True)
class Difference:
    """The place where two values differ, and what each has there."""

    path: str
    expected: str
    actual: str


def difference(expected: Any, actual: Any, path: str = "$") -> Difference | None:
    """Find the first place where two parsed values differ, types included.

    `1` and `true` are two values. `1`, `1.0` and `1E0` are one number, and so is whatever reads as
    the same double where a decimal is expected. The order of keys does not matter.
    """
    if is_number(expected) and is_number(actual):
        same = _same_number(expected, actual)
        return None if same else Difference(path, show(expected), show(actual))
    if type(expected) is not type(actual):
        return Difference(path, show(expected), show(actual))
    if isinstance(expected, dict):
        return _object_difference(expected, actual, path)
    if isinstance(expected, list):
        for place, (left, right) in enumerate(zip(expected, actual, strict=False)):
            if found := difference(left, right, f"{path}[{place}]"):
                return found
        if len(expected) != len(actual):
            return Difference(path, counted(len(expected), "item"), counted(len(actual), "item"))
        return None
    if expected == actual:
        return None
    if isinstance(expected, str):
        return Difference(path, *show_apart(expected, actual))
    return Difference(path, show(expected), show(actual))


def same(left: Any, right: Any) -> bool:
    """Whether two parsed values are one, types included; Python's `==` takes `1` for `true`."""
    return difference(left, right) is None


def _same_number(left: int | float | Decimal, right: int | float | Decimal) -> bool:
    if left == right:
        return True
    # All digits of an integer that was written count: it may be an id. Zero has none to lose.
    if isinstance(left, int) and left:
        return False
    one, other = float(left), float(right)
    # NaN is no JSON, and yet two servers that write it have written the same.
    both_nan = math.isnan(one) and math.isnan(other)
    return both_nan or (one == other and math.isfinite(one))


def path(steps: Iterable[str | int]) -> str:
    """Write the place of a value in another as `$.days[0]["a b"]`."""
    found = "$"
    for step in steps:
        found = _step(found, step)
    return found


def show(value: Any, limit: int = 80) -> str:
    """Write a value for a person: one line of ASCII-safe JSON, cut in the middle if long."""
    text = _text(value)
    if len(text) <= limit:
        return text
    half = (limit - 3) // 2
    return f"{text[:half]}…{text[-half:]}"


def show_apart(left: str, right: str, around: int = 40) -> tuple[str, str]:
    """Write two strings for a person; of long ones, only the part around the first difference."""
    place = next(
        (at for at, (a, b) in enumerate(zip(left, right, strict=False)) if a != b),
        min(len(left), len(right)),
    )
    start = max(0, place - around // 2)

    def cut(text: str) -> str:
        piece = json.dumps(text[start : start + around])
        return f"{'…' if start else ''}{piece}{'…' if start + around < len(text) else ''}"

    if max(len(left), len(right)) <= around:
        return json.dumps(left), json.dumps(right)
    return (
        f"{cut(left)} (of {len(left)} characters)",
        f"{cut(right)} (of {len(right)}, apart at {place})",
    )


def _object_difference(
    expected: dict[str, Any], actual: dict[str, Any], path: str
) -> Difference | None:
    for key, value in expected.items():
        here = _step(path, key)
        if key not in actual:
            return Difference(here, show(value), "no such key")
        if found := difference(value, actual[key], here):
            return found
    for key in actual:
        if key not in expected:
            return Difference(_step(path, key), "no such key", show(actual[key]))
    return None


def _step(path: str, key: str | int) -> str:
    plain = isinstance(key, str) and _WORD.fullmatch(key)
    return f"{path}.{key}" if plain else f"{path}[{show(key)}]"


def _text(value: Any) -> str:
    match value:
        case Decimal():
            return str(value)  # a float could round the difference away
        case dict():
            return f"{{{', '.join(f'{json.dumps(key)}: {_text(value[key])}' for key in value)}}}"
        case list() | tuple():
            return f"[{', '.join(map(_text, value))}]"
        case _:
            return json.dumps(value)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(key for key, times in Counter(key for key, _ in pairs).items() if times > 1)
        raise JsonProblem(f"duplicate key {show(twice)}")
    return found


def _integer(digits: str) -> int | Decimal:
    # Python refuses to read very long integers; a Decimal keeps their value.
    return int(digits) if len(digits) < 4000 else Decimal(digits)


def _number(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        raise JsonProblem(f"no number has the exponent of {show(text)}") from None


def _constant(name: str) -> NoReturn:
    raise JsonProblem(f"{name} is no JSON")


def _depth(text: str) -> int:
    if text.count("{") + text.count("[") <= MAX_DEPTH:
        return 0
    deepest = depth = 0
    for token in _TOKEN.finditer(text):
        if token[0] in ("{", "["):
            depth += 1
            deepest = max(deepest, depth)
        elif token[0] in ("}", "]"):
            depth -= 1
    return deepest


def _decode(text: str) -> Any:
    try:
        return _DECODER.decode(text)
    except (JsonProblem, json.JSONDecodeError):
        raise
    except ValueError:  # an integer that is too long for Python
        return _LONG_DECODER.decode(text)


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_float=_number, parse_constant=_constant
)
_LONG_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_float=_number, parse_int=_integer, parse_constant=_constant
)
"""Slower: it is in Python that it reads each integer."""
