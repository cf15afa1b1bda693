"""A family is one file: what it owes beside reading and writing, and that nothing else names it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from conformance.formats import FORMATS, PARSERS, Format, Inexpressible
from conformance.formats.format import text_of
from conformance.formats.registry import format_of, parser_of, server_id
from conformance.formats.stream import Arguments, Header, Token
from conformance.reference.prompt import render
from conformance.reference.reader import makes_sense
from conformance.terms.said import Call, Text
from conformance.terms.server import Server

PACKAGE = Path(__file__).parents[2] / "conformance"
EACH = pytest.mark.parametrize("format", FORMATS.values(), ids=FORMATS)

OSLO = Call(name="get_time", arguments='{"city": "Oslo"}')
ROME = Call(name="get_time", arguments='{"city": "Rome"}')
TOOLS = [{"type": "function", "function": {"name": "get_time"}}]
ID = "aB3dE6gH9"
ASKED = [
    {"role": "user", "content": "What time is it?"},
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {
                "id": ID,
                "type": "function",
                "function": {"name": OSLO.name, "arguments": OSLO.arguments},
            }
        ],
    },
    {"role": "tool", "tool_call_id": ID, "content": "14:05"},
]


@EACH
def test_the_first_mark_begins_a_call(format: Format) -> None:
    said = [piece.text for piece in format.write([OSLO]) if piece.kind != "text"]
    assert said[:1] == [format.mark] if format.mark else said == []


@EACH
def test_the_frame_is_what_stands_around_a_call(format: Format) -> None:
    text = text_of(format.write([OSLO]))
    frame = format.frame
    assert text.startswith(frame.begin), f"frame.begin of {format.name} does not begin {text!r}"
    assert text.endswith(frame.end), f"frame.end of {format.name} does not end {text!r}"
    if frame.keys is not None:
        label, key = frame.keys
        called = f'{{"{label}": "get_time", "{key}": {OSLO.arguments}}}'
        body = f"[{called}]" if frame.listed else called
        assert text == f"{frame.begin}{body}{frame.end}"


@EACH
def test_a_call_with_broken_arguments_is_written_or_refused(format: Format) -> None:
    try:
        text = text_of(format.write([Call(name="get_time", arguments='{"city": ')]))
    except Inexpressible:
        return
    assert '{"city": ' in text


@EACH
def test_the_reader_finds_the_calls_that_are_written(format: Format) -> None:
    script = format.write([OSLO, ROME])
    tokens = [Token(piece.text, mark=piece.kind != "text") for piece in script]
    assert makes_sense(format, tokens), f"the reader of {format.name} finds half a call"
    reader = format.reader()
    events = [event for token in tokens for event in reader.read(token)]
    assert [one.name for one in events if isinstance(one, Header)] == [OSLO.name, ROME.name]
    read = "".join(one.text for one in events if isinstance(one, Arguments))
    assert read == OSLO.arguments + ROME.arguments


@EACH
def test_a_prompt_offers_tools_and_opens_the_turn(format: Format) -> None:
    prompt = render({"messages": ASKED, "tools": TOOLS}, format)
    bare = render({"messages": ASKED[:1], "tools": []}, format)
    owed = f"{format.name} owes a template with "
    assert format.offer in prompt, owed + "its offer, where there are tools"
    assert format.offer not in bare, owed + "its offer only where there are tools"
    assert prompt.rstrip().endswith(format.opener), owed + "its opener at the end"
    assert format.end in prompt, owed + "its end after a turn of the model's"
    assert "14:05" in prompt, owed + "a tool's result"
    assert OSLO.arguments in prompt, owed + "earlier calls"


@EACH
def test_a_made_id_has_the_form_that_the_format_demands(format: Format) -> None:
    if format.ids is None:
        return
    made = [format.ids.make(number) for number in (0, 1, 2**63, 2**64 - 1)]
    assert len(set(made)) == len(made)
    for id in (*made, format.ids.example):
        assert re.fullmatch(format.ids.pattern, id)


@EACH
def test_what_a_format_names_exists(format: Format) -> None:
    assert set(format.related) <= FORMATS.keys()
    assert set(format.optional) <= format.marks.keys()
    assert {one.text for one in format.sign if one.kind != "text"} <= format.marks.keys()


@EACH
def test_a_format_is_read_by_a_parser_and_a_probe_can_say_which_format_it_is(
    format: Format,
) -> None:
    assert format.parsers, f"{format.name} owes the name of a parser that reads it"
    usual = [parser for parser in format.parsers if PARSERS[parser] == format.name]
    assert usual or format.sign, (
        f"{format.name} is not what its parsers usually read: it owes a sign, by which a probe "
        "tells that a server has it"
    )
    assert format_of(format.name) is format


def server(parser: str, format: str) -> Server:
    return Server(
        url="", model="m", implementation="vllm", version="1", parser=parser, format=format
    )


def test_a_run_is_named_after_the_format_or_after_a_parser_that_is_not_its_usual_one() -> None:
    for format in FORMATS.values():
        assert server_id(server(parser_of(format), format.name)) == f"vllm-1-{format.name}"
        assert server_id(server("my_parser", format.name)) == "vllm-1-my_parser"
    assert server_id(server("my_parser", "a-format-that-was")) == "vllm-1-my_parser"


def test_text_alone_needs_no_mark() -> None:
    for format in FORMATS.values():
        assert text_of(format.write([Text(text="Hello.")])) == "Hello."


NAMES_ONE = {
    "commands/plan.py": "the default of an option",
    "engines/vllm/server.py": "a tokenizer mode of vLLM's",
    "reference/chat/faults/headers.py": "the server that shows a fault",
    "reference/fault.py": "the server that shows most faults",
}


def strings(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def test_nothing_outside_the_formats_names_a_family() -> None:
    names = (
        FORMATS.keys() | PARSERS.keys() | {mark for one in FORMATS.values() for mark in one.marks}
    )
    found = {
        str(path.relative_to(PACKAGE))
        for path in PACKAGE.rglob("*.py")
        if PACKAGE / "formats" not in path.parents
        if names & set(strings(path))
    }
    assert found == NAMES_ONE.keys()
    schemas = "".join(path.read_text("utf-8") for path in PACKAGE.glob("schemas/*.json"))
    assert [name for name in FORMATS if f'"{name}"' in schemas] == []
