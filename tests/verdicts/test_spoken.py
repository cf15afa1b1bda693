"""What a sampled model's own text comes to: a truth to hold the answer to, or an honest doubt."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.base.jsonvalue import Json
from conformance.base.schema import validator
from conformance.formats import FORMATS, Format
from conformance.formats.format import text_of
from conformance.terms.case import Expectation
from conformance.terms.said import Call, Text
from conformance.verdicts.known_issues import ANSWER
from conformance.verdicts.spoken import End, Reading, read, without_end
from conformance.wires.chat.fields import asked

HERMES = FORMATS["hermes"]
MISTRAL = FORMATS["mistral"]
V11 = FORMATS["mistral-v11"]
TIME = Call(name="get_time", arguments='{"city": "Oslo"}')
LAMP = Call(name="set_lamp", arguments='{"lit": true}')
CALL = '<tool_call>\n{"name": "get_time", "arguments": {"city": "Oslo"}}\n</tool_call>'
NAMED = {"type": "function", "function": {"name": "get_time"}}


def request(*names: str, **options: Json) -> dict[str, Any]:
    tools = [{"type": "function", "function": {"name": name}} for name in names]
    return {"messages": [], **({"tools": tools} if tools else {}), **options}


ASKED = request("get_time", "set_lamp")


def hermes(text: str, **options: Json) -> Reading:
    return read(text, "ended", asked({**ASKED, **options}), HERMES)


@pytest.mark.parametrize("format", FORMATS.values(), ids=FORMATS)
@pytest.mark.parametrize("says", [[TIME], [TIME, LAMP], [Text(text="I look.\n"), TIME]])
def test_calls_in_the_models_own_form_must_be_given_as_they_are(format: Any, says: Any) -> None:
    found = read(text_of(format.write(says)), "ended", asked(ASKED), format)
    calls = tuple(one for one in says if isinstance(one, Call))
    assert found.calls == calls
    assert found.expect.calls == calls
    assert found.expect.ending == ("called",)
    assert found.odd is None


def test_a_text_without_calls_must_be_given_as_it_is() -> None:
    assert hermes("It is < 3.").expect == Expectation(
        calls=(), content="It is < 3.", ending=("finished",)
    )


QUOTES = '{"name": "set_lamp", "arguments": {"lit": "a </tool_call> <tool_call>"}}'
CLASSES = [
    ("It is late.", "ended", set()),
    ("It is late.", "cut", set()),
    (CALL, "ended", {"call"}),
    (f"I look.\n{CALL}\n{CALL}", "ended", {"call", "several-calls", "text-before-call"}),
    (f"\n{CALL}", "unknown", {"call"}),
    ("1 <", "ended", {"half-a-mark"}),
    ("1 <tool_call", "cut", {"half-a-mark"}),
    ("1 <tool_calls", "cut", set()),
    ("<tool_call>", "cut", {"call", "cut-call"}),
    (CALL[:-1], "cut", {"call", "cut-call"}),
    (CALL, "cut", {"call", "cut-behind-a-call"}),
    (f"{CALL}\nIt is <", "cut", {"call", "cut-behind-a-call", "half-a-mark"}),
    (f"{CALL}\n{CALL[:-9]}", "cut", {"call", "several-calls", "cut-call"}),
    (
        f"<tool_call>{QUOTES}</tool_call>",
        "ended",
        {"call", "several-calls", "mark-in-a-call"},
    ),
    (
        f"Hm. <tool_call>{QUOTES}</tool_call>",
        "cut",
        {"call", "several-calls", "text-before-call", "cut-call"},
    ),
    (f"<tool_call>{QUOTES[:-1]}</tool_call>", "ended", {"call", "several-calls"}),
    ('<tool_call>{"name": "fly", "arguments": {}}</tool_call>', "ended", {"call"}),
    ("</tool_call></tool_call></tool_call>", "ended", set()),
]


@pytest.mark.parametrize(("text", "end", "classes"), CLASSES)
def test_a_text_is_of_the_classes_that_trouble_parsers(
    text: str, end: End, classes: set[str]
) -> None:
    assert read(text, end, asked(ASKED), HERMES).classes == classes


@pytest.mark.parametrize(
    ("text", "format", "end", "classes"),
    [
        ('[{"name": "get_time", "arguments": {}}]', MISTRAL, "ended", {"call"}),
        ('[TOOL_CALLS] [{"name": "get_time", "argum', MISTRAL, "cut", {"call", "cut-call"}),
        ('[TOOL_CALLS]get_time[ARGS]{"city": "Os', V11, "cut", {"call", "cut-call"}),
        ("[TOOL_CALLS]get_time[ARGS]{}", V11, "cut", {"call", "cut-behind-a-call"}),
        (
            '[TOOL_CALLS] [{"name": "get_time", "arguments": {"city": "[TOOL_CALLS]"}}]',
            MISTRAL,
            "ended",
            {"call", "several-calls", "mark-in-a-call"},
        ),
        ("[TOOL_C", MISTRAL, "cut", {"half-a-mark"}),
    ],
)
def test_a_text_of_another_format_is_of_such_classes_too(
    text: str, format: Format, end: End, classes: set[str]
) -> None:
    forced = request("get_time", tool_choice="required")
    assert read(text, end, asked(forced), format).classes == classes


def test_a_list_of_no_calls_is_nothing_that_a_client_must_get_in_one_way() -> None:
    found = read("[TOOL_CALLS] []", "ended", asked(ASKED), MISTRAL)
    assert (found.calls, found.expect.broken, found.odd) == (None, True, "marks without a call")


def test_known_issues_may_name_just_these_classes() -> None:
    schema = validator("known").schema
    assert isinstance(schema, dict)
    issue = schema["$defs"]["issue"]["properties"]
    named = {*issue["every"]["enum"], *issue["sampled"]["items"]["enum"]}
    assert set().union(*(classes for _, _, classes in CLASSES)) == named - {ANSWER}


@pytest.mark.parametrize(
    ("text", "keeps"),
    [
        ('<tool_call>\n{"name": "get_time", "arguments": {"city": "Os', ("get_time",)),
        ('<tool_call>\n{"name": "get_time", "arguments": {}}', ("get_time",)),
        ('<tool_call>{"name": "get_time", "arguments": {},}</tool_call>', ("get_time",)),
        ("<tool_call>{'name': 'get_time', 'arguments': {}}</tool_call>", ("get_time",)),
        (f'{CALL}\n<tool_call>\n{{"name": "set_lamp", "arg', ("get_time", "set_lamp")),
        ('<tool_call>{"name": "get_time", "arguments": "none"}</tool_call>', ("get_time",)),
        ('<tool_call>{"name": "get_time", "arguments": {"a": 1, "a": 2}}</tool_call>', None),
        ('<tool_call>{"name": "fly", "arguments": {}}</tool_call>', ()),
        ("Calls stand between <tool_call> and </tool_call>.", ()),
        ("</tool_call>", ()),
        (
            '<tool_call>{"name": "fly", "name": "get_time", "arguments": {}}</tool_call>',
            ("get_time",),
        ),
    ],
)
def test_broken_markup_demands_no_call(text: str, keeps: tuple[str, ...] | None) -> None:
    found = hermes(text)
    wanted = ("get_time",) if keeps is None else keeps
    assert found.expect == Expectation(broken=True, keeps=wanted)
    assert found.calls is None
    assert found.odd


def test_a_broken_call_that_the_request_forbids_demands_nothing() -> None:
    text = '<tool_call>\n{"name": "get_time", '
    assert hermes(text, tool_choice="none").expect.keeps == ()
    assert hermes(text, parallel_tool_calls=False).expect.keeps == ()


def test_mistral_that_names_a_broken_call_is_held_to_the_name() -> None:
    assert read('[TOOL_CALLS]get_time[ARGS]{"city', "ended", asked(ASKED), V11).expect.keeps == (
        "get_time",
    )


def test_a_mistral_parser_may_have_a_model_of_the_later_format() -> None:
    text = text_of(V11.write([TIME]))
    assert read(text, "ended", asked(ASKED), MISTRAL).calls == (TIME,)


@pytest.mark.parametrize(
    ("text", "choice", "call"),
    [
        ('[{"name": "get_time", "parameters": {"a": 1.0}}]', "required", '{"a": 1.0}'),
        ('[{"name": "get_time", "arguments": {"a": 1.0}}]', "required", '{"a": 1.0}'),
        ('[{"name": "get_time", "parameters": {"a": 1.0}}]', NAMED, '{"a": 1.0}'),
        ('{"a": 1.0}', NAMED, '{"a": 1.0}'),
        ('<tool_call>\n{"name": "get_time", "arguments": {"a": 1.0}}\n</tool_call>', NAMED, None),
    ],
)
def test_a_forced_call_is_read_in_any_shape_to_which_a_server_binds_it(
    text: str, choice: Json, call: str | None
) -> None:
    found = hermes(text, tool_choice=choice)
    assert found.calls == (Call(name="get_time", arguments=call or '{"a": 1.0}'),)


@pytest.mark.parametrize(
    ("text", "choice"),
    [
        ("It is late.", "required"),
        ('{"city": "Oslo"}', "required"),
        ("[]", "required"),
        ('{"name": "get_time", "arguments": {}}', NAMED),
        ('[{"name": "get_time"}]', "required"),
    ],
)
def test_a_forced_call_in_no_known_shape_is_not_held_against_anyone(
    text: str, choice: Json
) -> None:
    found = hermes(text, tool_choice=choice)
    assert found.expect == Expectation(broken=True)
    assert found.odd


def test_calls_where_none_are_allowed_are_not_demanded() -> None:
    assert hermes(CALL, tool_choice="none").expect == Expectation()
    assert read(CALL, "ended", asked(request()), HERMES).expect.calls is None
    assert hermes(f"{CALL}\n{CALL}", parallel_tool_calls=False).expect == Expectation()


def test_a_text_that_the_limit_cut_ends_with_length_and_demands_no_more() -> None:
    found = read('<tool_call>\n{"name": "ge', "cut", asked(ASKED), HERMES)
    assert found.expect == Expectation(ending=("limit",))


def test_where_nothing_says_how_it_ended_calls_are_demanded_and_words_are_not() -> None:
    found = read(f"{CALL}<odd_end>", "unknown", asked(ASKED), HERMES)
    assert found.expect == Expectation(calls=(TIME,))
    stopped = read("one two", "unknown", asked({**ASKED, "stop": ["two"]}), HERMES)
    assert stopped.expect == Expectation()
    assert stopped.odd


def test_what_is_not_shown_alike_by_all_servers_is_not_demanded() -> None:
    assert hermes("Hm\ufffd").expect == Expectation()
    assert hermes("<think>Hm</think>Late.").expect.content is None
    assert hermes(f"Hm</think>{CALL}").expect.calls == (TIME,)
    assert hermes(f"<think>{CALL}</think>Late.").expect == Expectation()
    special = hermes(f"<|endoftext|>{CALL}")
    assert (special.expect.content, special.calls) == (None, (TIME,))
    assert special.odd == "it holds the special token <|endoftext|>"


@pytest.mark.parametrize(
    ("whole", "before", "text", "ended"),
    [
        ("Hi<|im_end|>", "Hi", "Hi", True),
        ("Hi</s>", "Hi", "Hi", True),
        ("Hi", "Hi", "Hi", True),  # a server that does not show it
        ("Hi there", "Hi", "Hi there", False),
        ("Hi</tool_call>", "Hi", "Hi</tool_call>", False),
        ("Hé", "H\ufffd", "Hé", False),
    ],
)
def test_the_end_of_the_sequence_is_not_part_of_the_text(
    whole: str, before: str, text: str, ended: bool
) -> None:
    assert without_end(whole, before) == (text, ended)


TEXTS = st.lists(
    st.sampled_from(
        [
            "<tool_call>",
            "</tool_call>",
            "\n",
            '{"name": "get_time", "arguments": {}}',
            "[",
            "]",
            "[TOOL_CALLS]",
            "[ARGS]",
            "[CALL_ID]",
            "get_time",
            "{",
            "}",
            '"',
            "<think>",
            "</think>",
        ]
    )
    | st.text(max_size=3),
    max_size=8,
).map("".join)
CHOICES = st.sampled_from(["auto", "none", "required", NAMED])


@given(TEXTS, CHOICES, st.sampled_from(["ended", "cut", "unknown"]), st.sampled_from([*FORMATS]))
def test_any_text_is_read(text: str, choice: Json, end: Any, name: str) -> None:
    found = read(text, end, asked({**ASKED, "tool_choice": choice}), FORMATS[name])
    for call in found.expect.calls or ():
        assert isinstance(json.loads(call.arguments), dict)
        assert call.name in ("get_time", "set_lamp")
