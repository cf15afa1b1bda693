"""Read YAML that people write by hand: plain data only; each problem names its line."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from jsonschema import ValidationError
from jsonschema.exceptions import best_match
from yaml.composer import Composer
from yaml.parser import Parser
from yaml.reader import Reader, ReaderError
from yaml.resolver import BaseResolver
from yaml.scanner import Scanner

from conformance.base import files
from conformance.base.schema import validator
from conformance.base.suggest import did_you_mean

MAX_BYTES = 1_000_000
MAX_DEPTH = 50
MAX_DIGITS = 300

_NULL = {"", "~", "null", "Null", "NULL"}


_BOOLEAN = {
    "true": True,
    "True": True,
    "TRUE": True,
    "false": False,
    "False": False,
    "FALSE": False,
}


# A leading zero keeps a number a string: YAML 1.1 reads 010 as 8, YAML 1.2 as 10.
_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]*)|0o[0-7]+|0x[0-9a-fA-F]+")


_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")


_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")


# PyYAML breaks lines here; editors and YAML 1.2 do not, so its line numbers would be wrong.
_ODD_BREAK = re.compile("[\x85\u2028\u2029]")


_SURROGATE = re.compile("[\ud800-\udfff]")


_KIND = {
    "object": "a mapping",
    "array": "a list",
    "string": "a string",
    "integer": "an integer",
    "number": "a number",
    "boolean": "true or false",
    "null": "null",
}


class FileProblem(Exception):
    """A file is wrong; the message reads `path:line: what was seen, and what is allowed`."""

    def __init__(self, path: Path, line: int, what: str) -> None:
        """Keep path, line and message apart, for callers that point at the place."""
        super().__init__(path, line, what)
        self.path = path
        self.line = line
        self.what = what

    def __str__(self) -> str:
        """Write the message in the form that editors and CI turn into a link."""
        return f"{self.path}:{self.line}: {self.what}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """The data of a file, and the line of each part."""

    path: Path
    value: Any
    root: yaml.Node = field(repr=False, compare=False)
    text: str = field(repr=False, compare=False)

    def line(self, *keys: str | int) -> int:
        """Find the line, from 1, where a key of a mapping or an item of a list begins.

        If there is no such place, give the line of the nearest one around it.
        """
        node, line = self.root, self.root.start_mark.line
        for key in keys:
            found = _child(node, key)
            if found is None:
                break
            line, node = found
        return line + 1

    def problem(self, what: str, *keys: str | int) -> FileProblem:
        """Make the exception for a place in this file."""
        return FileProblem(self.path, self.line(*keys), what)


def parse(path: Path) -> Document:
    """Read a file of any kind; raises `FileProblem` if it is not plain data."""
    text = _text(path)
    root = _compose(path, text)
    return Document(path=path, value=_value(path, root), root=root, text=text)


def load(
    path: Path, schema: str, *, first: Callable[[Document], None] = lambda document: None
) -> Document:
    """Read a file that `schemas/SCHEMA.json` describes; raises `FileProblem`.

    `first` runs before the schema, and may report a problem in better words.
    """
    document = parse(path)
    first(document)
    errors = list(validator(schema).iter_errors(document.value))
    if errors:
        raise _most_telling(document, errors)
    return document


def _place(keys: Iterable[str | int]) -> str:
    """Write a place in a document as `cases[0].options.n`."""
    text = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys)
    return text.removeprefix(".") or "the file"


def _child(node: yaml.Node, key: str | int) -> tuple[int, yaml.Node] | None:
    if isinstance(node, yaml.MappingNode):
        for name, value in node.value:
            if name.value == key:
                return name.start_mark.line, value
    if isinstance(node, yaml.SequenceNode) and isinstance(key, int) and key < len(node.value):
        item: yaml.Node = node.value[key]
        return item.start_mark.line, item
    return None


def _text(path: Path) -> str:
    try:
        data = files.data(path, MAX_BYTES)
    except files.Unread as problem:
        raise FileProblem(path, 1, problem.what) from None
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        seen = f"byte 0x{data[error.start]:02x} is not UTF-8"
        raise FileProblem(path, line, f"{seen}, the only encoding allowed") from error
    odd = _ODD_BREAK.search(text)
    if odd:
        line = text.count("\n", 0, odd.start()) + 1
        code = f"{ord(odd[0]):04x}"
        raise FileProblem(
            path, line, f'U+{code.upper()} as it is; write "\\u{code}" in double quotes'
        )
    return text


class _Loader(Reader, Scanner, Parser, Composer, BaseResolver):
    """PyYAML up to nodes; it refuses whatever is not plain nested data."""

    def __init__(self, text: str) -> None:
        Reader.__init__(self, text)
        Scanner.__init__(self)
        Parser.__init__(self)
        Composer.__init__(self)
        BaseResolver.__init__(self)
        self.depth = 0

    def compose_document(self) -> yaml.Node | None:
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.DocumentStartEvent) and (event.version or event.tags):
            raise _refused("a %YAML or %TAG directive; none is allowed", event)
        return super().compose_document()

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent):
            raise _refused(
                f"alias *{event.anchor}; aliases are not allowed, repeat the text", event
            )
        if event.anchor is not None:
            raise _refused(f"anchor &{event.anchor}; anchors are not allowed", event)
        if event.tag is not None:
            raise _refused(f"tag {event.tag}; tags are not allowed", event)
        if self.depth == MAX_DEPTH and isinstance(event, yaml.CollectionStartEvent):
            raise _refused(f"nested deeper than {MAX_DEPTH} levels, which is the limit", event)
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


def _refused(what: str, event: Any) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=what, problem_mark=event.start_mark)


def _compose(path: Path, text: str) -> yaml.Node:
    loader = None
    try:
        loader = _Loader(text)
        root = loader.get_single_node()
    except ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        what = (
            f"character U+{ord(text[error.position]):04X}; write it as an escape in double quotes"
        )
        raise FileProblem(path, line, what) from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        what = ", ".join(filter(None, (error.context, error.problem)))
        what = what.replace(
            "mapping values are not allowed here", "': ' in a text that is not quoted"
        )
        raise FileProblem(path, mark.line + 1 if mark else 1, what) from error
    except (ValueError, OverflowError) as error:
        # PyYAML passes "\UFFFFFFFF" to chr, and a directive's thousands of digits to int.
        line = loader.line + 1 if loader else 1
        raise FileProblem(path, line, "an escape or number out of range") from error
    if root is None:
        raise FileProblem(path, 1, "the file is empty")
    return root


def _value(path: Path, node: yaml.Node) -> Any:
    if isinstance(node, yaml.MappingNode):
        return _mapping(path, node)
    if isinstance(node, yaml.SequenceNode):
        return [_value(path, item) for item in node.value]
    return _scalar(path, node)


def _mapping(path: Path, node: yaml.MappingNode) -> dict[str, Any]:
    result: dict[str, Any] = {}
    first: dict[str, int] = {}
    for name, value in node.value:
        line = name.start_mark.line + 1
        key = _scalar(path, name) if isinstance(name, yaml.ScalarNode) else None
        if not isinstance(key, str):
            seen = name.value if isinstance(name, yaml.ScalarNode) else "a list or mapping"
            raise FileProblem(path, line, f"key {_short(seen)}; keys are strings, quote it")
        if key == "<<" and name.style is None:
            raise FileProblem(path, line, "merge key <<; not allowed, repeat the text")
        if key in result:
            what = f"duplicate key {_short(key)}, first on line {first[key]}; allowed once"
            raise FileProblem(path, line, what)
        first[key] = line
        result[key] = _value(path, value)
    return result


def _scalar(path: Path, node: yaml.Node) -> str | int | float | bool | None:
    text: str = node.value
    line = node.start_mark.line + 1
    if _SURROGATE.search(text):
        what = 'half of a surrogate pair; write the whole character, as it is or as "\\UXXXXXXXX"'
        raise FileProblem(path, line, what)
    if not isinstance(node, yaml.ScalarNode) or node.style is not None:
        return text
    if text in _NULL:
        return None
    if text in _BOOLEAN:
        return _BOOLEAN[text]
    if _NOT_FINITE.fullmatch(text):
        raise FileProblem(path, line, f"{text}; numbers are finite, quote it if it is text")
    return _number(path, line, text)


def _number(path: Path, line: int, text: str) -> str | int | float:
    """Read a plain word as a number, if it is one; else it stays a string."""
    integer = _INTEGER.fullmatch(text)
    if not integer and not _FLOAT.fullmatch(text):
        return text
    if len(text) > MAX_DIGITS:
        raise FileProblem(path, line, f"a number of {len(text)} digits; {MAX_DIGITS} are allowed")
    if integer:
        return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))
    number = float(text)
    if math.isinf(number):
        raise FileProblem(path, line, f"{text} is too large for a float")
    return number


def _most_telling(document: Document, errors: list[ValidationError]) -> FileProblem:
    """Choose the first unknown key, which may explain a missing one; else the first error."""

    def rank(error: ValidationError) -> tuple[bool, int]:
        return error.validator != "additionalProperties", document.line(*error.absolute_path)

    first = min(errors, key=rank)
    return _explain(document, best_match([first]) or first)


def _explain(document: Document, error: ValidationError) -> FileProblem:
    keys = tuple(error.absolute_path)
    where = _place(keys)
    seen: Any = error.instance
    schema: Any = error.schema
    allowed: Any = error.validator_value
    match error.validator:
        case "additionalProperties":
            unknown = next(key for key in seen if _unknown(key, schema))
            hint = did_you_mean(unknown, schema.get("properties", {}))
            return document.problem(f"unknown key {_short(unknown)}; {hint}", *keys, unknown)
        case "required":
            missing = next(key for key in allowed if key not in seen)
            return document.problem(f"{where} lacks the key {missing!r}", *keys)
        case "type":
            types = [allowed] if isinstance(allowed, str) else allowed
            options = " or ".join(_KIND[name] for name in types)
        case "enum":
            options = ", ".join(map(_short, allowed))
        case "const":
            options = _short(allowed)
        case "pattern" | "not":
            options = schema.get("description") or f"text that matches {allowed}"
        case _:
            return document.problem(f"{where}: {error.message}", *keys)
    if "propertyNames" in error.absolute_schema_path:
        return document.problem(f"key {_short(seen)} in {where}; allowed: {options}", *keys, seen)
    return document.problem(f"{where} is {_short(seen)}; allowed: {options}", *keys)


def _unknown(key: str, schema: dict[str, Any]) -> bool:
    patterns = schema.get("patternProperties", {})
    return key not in schema.get("properties", {}) and not any(re.search(p, key) for p in patterns)


def _short(value: Any) -> str:
    match value:
        case dict():
            return "a mapping"
        case list():
            return "a list"
        case str():
            return repr(value if len(value) <= 60 else value[:57] + "...")
        case _:
            return json.dumps(value)[:60]
