"""Case files of earlier releases, in the words of one wire: refused, or converted."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches

import yaml

from conformance.base.jsonvalue import Json
from conformance.base.strictyaml import Document
from conformance.wires.registry import DEFAULT

WIRE = DEFAULT.name
"""The one wire of earlier releases."""
ENDINGS: Mapping[str, str] = {word: found[0] for word, found in DEFAULT.endings.items()}
OPTIONS = sorted(set(DEFAULT.neutral.values()))
LONGEST_LINE = 100

NEVER = {"model", "messages", "tools", "stream", "vllm_xargs"}
"""No options in any release."""

RENAMED_LIMITS = {"max_completion_tokens"}
"""Kept as a field of the wire alone: the case may be about the name."""

Change = tuple[int, int, str]
"""From one character of a text to another, and what stands there now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """An entry of a mapping, as it is written."""

    comments: tuple[str, ...]
    """Those above it."""
    text: str


def refuse(document: Document) -> None:
    """Raise `FileProblem` at the first word of an earlier release."""
    for place, now in _found(document.value):
        was = ".".join(map(str, place[2:]))
        fix = f"`python -m conformance check --fix {document.path}` converts it"
        raise document.problem(f"{was} is now {now}; {fix}", *place)


def _found(value: Json) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Give each place with a word of an earlier release, and today's word."""
    cases = value.get("cases") if isinstance(value, dict) else None
    for index, case in enumerate(cases if isinstance(cases, list) else ()):
        if not isinstance(case, dict):
            continue
        at = ("cases", index)
        options, expect = case.get("options"), case.get("expect")
        for name, given in options.items() if isinstance(options, dict) else ():
            if now := _now(name, given):
                yield (*at, "options", name), now
        if "body" in case:
            yield (*at, "body"), f"wire.{WIRE}"
        if isinstance(expect, dict) and "finish_reason" in expect:
            yield (*at, "expect", "finish_reason"), "expect.ending"


def _now(name: str, given: Json) -> str | None:
    """Say where an option of an earlier release stands now; `None` if it is one of today's."""
    neutral = DEFAULT.neutral.get(name)
    if name in NEVER:
        return None
    if given is None and (neutral or name in OPTIONS):
        return f"wire.{WIRE}.{name}"
    if neutral:
        return None if neutral == name else f"options.{neutral}"
    # What is nearly an option of today is misspelt.
    is_today = name in OPTIONS or get_close_matches(name, OPTIONS, n=1, cutoff=0.8)
    return None if is_today else f"wire.{WIRE}.{name}"


def converted(document: Document) -> str:
    """Write a file of an earlier release in today's words; all else in it stays as it is."""
    text, changes = document.text, list[Change]()
    for case in _items(_child(document.root, "cases")):
        if not isinstance(case, yaml.CollectionNode):
            continue
        changes += _of_request(text, case)
        changes += _of_expect(text, case)
    for start, end, new in sorted(changes, reverse=True):
        text = text[:start] + new + text[end:]
    return text


def _of_request(text: str, case: yaml.CollectionNode) -> Iterator[Change]:
    """Part `options` into those of every wire and those of one; `body` is of one."""
    neutral: list[Entry] = []
    own: list[Entry] = []
    places: list[tuple[int, int]] = []
    block = False
    for name in ("options", "body"):
        key, value = _pair(case, name)
        if key is None or not isinstance(value, yaml.MappingNode):
            continue
        nows = {option.value: _now(option.value, _plain(given)) for option, given in value.value}
        if name == "options" and not any(nows.values()):
            continue
        start, end = key.start_mark.index, key.end_mark.index
        for option, given in value.value:
            entry = Entry(comments=_comments(text[end : option.start_mark.index]), text="")
            end = _end(text, given) if value.flow_style else _end_of_line(text, _end(text, given))
            entry = replace(entry, text=text[option.start_mark.index : end])
            block = block or not value.flow_style or bool(entry.comments)
            now = nows[option.value] or option.value
            if name == "body" or now.startswith("wire.") or option.value in RENAMED_LIMITS:
                own.append(entry)
            if name == "options" and not now.startswith("wire."):
                neutral.append(_renamed(text, entry, option, given))
        places.append((start, _end(text, value) if value.flow_style else end))
    if not places:
        return
    indent = places[0][0] - text.rfind("\n", 0, places[0][0]) - 1
    in_flow = bool(case.flow_style)
    parts = [_mapping("options", neutral, None if in_flow else indent, block)] if neutral else []
    if own:
        parts.append(_wire(own, None if in_flow else indent, block))
    yield (*places[0], (", " if in_flow else f"\n{' ' * indent}").join(parts))
    for start, end in places[1:]:
        yield text.rfind("," if in_flow else "\n", 0, start), end, ""


def _mapping(key: str, entries: Sequence[Entry], indent: int | None, block: bool) -> str:
    """Write a mapping; without an indentation in one piece, to stand in the braces of another."""
    line = f"{key}: {{{', '.join(entry.text for entry in entries)}}}"
    if indent is None:
        return line
    if not block and "\n" not in line and len(line) + indent <= LONGEST_LINE:
        return line
    lines = [key + ":"]
    for entry in entries:
        lines += [*entry.comments, _indented(entry.text, indent + 2)]
    return f"\n{' ' * (indent + 2)}".join(lines)


def _wire(entries: Sequence[Entry], indent: int | None, block: bool) -> str:
    line = f"wire: {{{WIRE}: {{{', '.join(entry.text for entry in entries)}}}}}"
    if indent is None:
        return line
    if not block and "\n" not in line and len(line) + indent <= LONGEST_LINE:
        return line
    return f"wire:\n{' ' * (indent + 2)}{_mapping(WIRE, entries, indent + 2, block)}"


def _indented(text: str, indent: int) -> str:
    """Shift all lines of an entry except the first, which has no indentation of its own."""
    first, *rest = text.split("\n")
    depths = [len(line) - len(line.lstrip()) for line in rest if line.strip()]
    shift = indent + 2 - min(depths, default=0)
    moved = [" " * (len(line) - len(line.lstrip()) + shift) + line.lstrip() for line in rest]
    return "\n".join([first, *(line if line.strip() else "" for line in moved)])


def _renamed(text: str, entry: Entry, option: yaml.Node, given: yaml.Node) -> Entry:
    now = DEFAULT.neutral.get(option.value, option.value)
    function = _child(given, "function")
    if (name := _child(function, "name")) is not None:
        name_text = text[name.start_mark.index : name.end_mark.index]
        return replace(entry, text=f"{now}: {{name: {name_text}}}")
    length = option.end_mark.index - option.start_mark.index
    return replace(entry, text=now + entry.text[length:])


def _of_expect(text: str, case: yaml.Node) -> Iterator[Change]:
    _, expect = _pair(case, "expect")
    key, value = _pair(expect, "finish_reason")
    if key is None or value is None:
        return
    _, options = _pair(case, "options")
    _, stop = _pair(options, "stop")
    stops = stop is not None and _plain(stop) is not None
    yield key.start_mark.index, key.end_mark.index, "ending"
    scalars = _items(value) if isinstance(value, yaml.SequenceNode) else [value]
    for scalar in scalars:
        word = ENDINGS.get(scalar.value, scalar.value)
        if stops and word == "finished":  # the old word stood for both
            flow = isinstance(value, yaml.SequenceNode) and value.flow_style
            word = "finished, stopped" if flow else "[finished, stopped]"
        yield scalar.start_mark.index, scalar.end_mark.index, word


def _comments(text: str) -> tuple[str, ...]:
    """Give the comments between two entries."""
    return tuple(re.findall(r"#[^\r\n]*", text))


def _end_of_line(text: str, end: int) -> int:
    """Take in the comment after a value, if there is one."""
    found = re.compile(r"[ \t]+#[^\r\n]*").match(text, end)
    return found.end() if found else end


def _end(text: str, node: yaml.Node) -> int:
    """Find where a value ends, without the blank lines and comments after it."""
    end: int = node.end_mark.index
    if isinstance(node, yaml.ScalarNode):
        return len(text[:end].rstrip())
    if not isinstance(node, yaml.CollectionNode) or node.flow_style:
        return end
    last = node.value[-1]
    return _end(text, last[1] if isinstance(last, tuple) else last)


def _pair(node: yaml.Node | None, name: str) -> tuple[yaml.Node | None, yaml.Node | None]:
    for key, value in node.value if isinstance(node, yaml.MappingNode) else ():
        if key.value == name:
            return key, value
    return None, None


def _child(node: yaml.Node | None, name: str) -> yaml.Node | None:
    return _pair(node, name)[1]


def _items(node: yaml.Node | None) -> Sequence[yaml.Node]:
    return node.value if isinstance(node, yaml.SequenceNode) else ()


def _plain(node: yaml.Node) -> object:
    """Separate null from all else; what else it is makes no difference here."""
    plain = isinstance(node, yaml.ScalarNode) and node.style is None
    return None if plain and node.value in ("null", "~", "") else node
