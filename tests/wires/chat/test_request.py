from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from conformance.base.jsonvalue import Json
from conformance.formats import FORMATS
from conformance.formats.format import text_of
from conformance.replay.script import FIELD
from conformance.replay.script import read as read_script
from conformance.scripting import (
    SCRIPT_FIELD,
    STRANGE,
    NotApplicable,
    check_applies,
    encode,
    is_bound,
    never,
    scripts_of,
    tokens_until,
)
from conformance.terms.asked import Allowed, Named, Options
from conformance.terms.case import CHARACTERS, COMPLETE, STREAM, Case, Mode
from conformance.terms.said import Call, Piece, Text
from conformance.terms.server import Server
from conformance.wires.chat import fields
from conformance.wires.chat.request import build
from conformance.wires.wire import SPARE_TOKENS
from tests.evidence import PARIS, SCRIPTED, TOOLS

SERVER = replace(SCRIPTED, takes_interval=True)
SAMPLED = replace(SERVER, emission="sampled")
V11 = replace(SERVER, format="mistral-v11")
TIME = Call(name="get_time", arguments="{}")
CASE = Case(
    id="single/one",
    about="One call.",
    path=Path("single.yaml"),
    line=3,
    messages=({"role": "user", "content": "Hi"},),
    tools=tuple(TOOLS),
    says=(PARIS,),
)
RAW = replace(CASE, says=None, raw={"hermes": (Piece("text", "<tool_"), Piece("text", "call>"))})
NAMED = Named("get_weather")


def test_options_of_a_stream_are_asked_of_a_stream_only() -> None:
    options = {"stream_options": {"include_usage": True}}
    case = replace(CASE, wire={"chat": options})
    assert build(case, STREAM, SERVER, None)["stream_options"] == options["stream_options"]
    assert "stream_options" not in build(case, COMPLETE, SERVER, None)


def test_a_stop_string_of_a_mode_is_not_in_the_script() -> None:
    mode = Mode(name="stream-stop-3", stream=True, stop=3)
    script = (Piece("text", f"a {STRANGE[0]} b"),)
    assert build(CASE, mode, SERVER, script)["stop"] == STRANGE[1] * 3 == never(3, script)


def test_a_case_is_written_in_the_servers_format() -> None:
    assert scripts_of(CASE, SERVER) == [FORMATS["hermes"].write([PARIS])]
    assert scripts_of(CASE, V11) == [FORMATS["mistral-v11"].write([PARIS])]


def test_a_raw_text_is_said_as_it_is_and_only_in_its_format() -> None:
    assert scripts_of(RAW, SERVER) == [RAW.raw["hermes"]]
    with pytest.raises(NotApplicable, match=r"^the case spells out no text for mistral-v11$"):
        scripts_of(RAW, V11)


def test_what_a_format_cannot_say_does_not_apply() -> None:
    case = replace(CASE, says=(PARIS, Text(text="There.")))
    with pytest.raises(NotApplicable, match=r"^mistral-v11: no mark ends a call"):
        scripts_of(case, V11)


PARIS_LISTED = [
    '[{"name": "get_weather", "parameters": {"city": "Paris"}}]',
    '[{"name": "get_weather", "arguments": {"city": "Paris"}}]',
]
FORCED = [
    ("auto", (PARIS,), []),
    ("none", (PARIS,), []),
    (NAMED, (PARIS,), ['{"city": "Paris"}', *PARIS_LISTED]),
    ("required", (PARIS,), PARIS_LISTED),
    (
        "required",
        (PARIS, TIME),
        [
            '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Paris"}}\n</tool_call>'
            '<tool_call>\n{"name": "get_time", "arguments": {}}\n</tool_call>',
            '[{"name": "get_weather", "parameters": {"city": "Paris"}}, '
            '{"name": "get_time", "parameters": {}}]',
            '[{"name": "get_weather", "arguments": {"city": "Paris"}}, '
            '{"name": "get_time", "arguments": {}}]',
        ],
    ),
    ("required", (Text(text="No."),), []),
    ("required", (Text(text="I look."), PARIS), []),
]


@pytest.mark.parametrize(("choice", "says", "others"), FORCED)
def test_a_forced_call_may_have_to_be_bare_json(choice: Any, says: Any, others: list[str]) -> None:
    case = replace(CASE, says=says, options=Options(choice=choice))
    own, *found = scripts_of(case, SERVER)
    assert own == FORMATS["hermes"].write(says)
    assert [text_of(script) for script in found] == others


STRICT = {"type": "function", "function": {**TOOLS[1]["function"], "strict": True}}
BOUND = [
    ({}, False),
    ({"options": Options(choice="auto")}, False),
    ({"options": Options(choice="none")}, False),
    ({"options": Options(choice="required")}, True),
    ({"options": Options(choice=NAMED)}, True),
    ({"options": Options(parallel=False)}, True),
    ({"options": Options(parallel=True)}, False),
    ({"tools": (*TOOLS, STRICT)}, True),
    ({"options": Options(choice="required"), "tools": ()}, False),
]


@pytest.mark.parametrize(("change", "bound"), BOUND)
def test_a_grammar_may_bind_what_is_forced(change: dict[str, Any], bound: bool) -> None:
    assert is_bound(replace(CASE, **change), SERVER) is bound


@pytest.mark.parametrize("tools", [CASE.tools, ()])
def test_a_grammar_may_bind_what_a_format_says_in_any_request(tools: tuple[Json, ...]) -> None:
    case = replace(CASE, tools=tools)
    formats = [name for name in FORMATS if is_bound(case, replace(SERVER, format=name))]
    assert formats == [name for name, format in FORMATS.items() if format.grammar]


def test_a_grammar_without_tools_lets_any_text_be() -> None:
    assert not is_bound(replace(CASE, tools=(), says=(Text(text="Hi"),)), V11)


def test_a_scripted_request_carries_the_script_and_a_limit() -> None:
    (script,) = scripts_of(CASE, SERVER)
    body = build(CASE, STREAM, SERVER, script)
    assert body == {
        "model": "m",
        "messages": [{"role": "user", "content": "Hi"}],
        "tools": TOOLS,
        "temperature": 0,
        "stream": True,
        "max_completion_tokens": len(text_of(script)) + SPARE_TOKENS,
        "vllm_xargs": {SCRIPT_FIELD: encode(script, "tokens")},
    }


def test_a_case_without_tools_sends_no_tools() -> None:
    assert "tools" not in build(replace(CASE, tools=()), COMPLETE, SAMPLED, None)


def function(name: str) -> Json:
    return {"type": "function", "function": {"name": name}}


def allowed(mode: str, *names: str) -> Json:
    told = {"mode": mode, "tools": [function(name) for name in names]}
    return {"type": "allowed_tools", "allowed_tools": told}


OPTIONS: list[tuple[Options, Json, Json]] = [
    (Options(choice="required"), {}, {"temperature": 0, "tool_choice": "required"}),
    (
        Options(choice=NAMED, parallel=False),
        {},
        {"tool_choice": function("get_weather"), "parallel_tool_calls": False},
    ),
    (
        Options(choice=Allowed(("get_weather",), required=True)),
        {},
        {"tool_choice": allowed("required", "get_weather")},
    ),
    (Options(choice=Allowed(("a", "b"))), {}, {"tool_choice": allowed("auto", "a", "b")}),
    (Options(temperature=0.5, top_p=0.9), {}, {"temperature": 0.5, "top_p": 0.9}),
    (Options(), {"n": None}, {"n": None, "temperature": 0}),
    (Options(answers=2), {}, {"n": 2, "temperature": 1}),
    (Options(answers=2, temperature=0.5), {}, {"n": 2, "temperature": 0.5}),
    (Options(stop="x", seed=7), {}, {"stop": "x", "seed": 7}),
    (Options(stop=("x", "y")), {"logprobs": True}, {"stop": ["x", "y"], "logprobs": True}),
]


@pytest.mark.parametrize(("options", "own", "held"), OPTIONS)
def test_the_options_of_a_case_are_sent(options: Options, own: Json, held: Json) -> None:
    case = replace(CASE, options=options, wire={"chat": own})
    body = build(case, COMPLETE, SAMPLED, None)
    assert {key: body[key] for key in held} == held
    if not own:
        asked = fields.asked(body).options
        own_words = replace(asked, temperature=options.temperature, seed=options.seed, limit=None)
        assert own_words == options


LIMITED: list[tuple[Json, str]] = [
    ({}, "max_tokens"),
    ({"max_completion_tokens": 3}, "max_completion_tokens"),
]


@pytest.mark.parametrize(("own", "limit"), LIMITED)
def test_a_limit_of_the_case_stands(own: Json, limit: str) -> None:
    case = replace(CASE, options=Options(limit=3), wire={"chat": own})
    body = build(case, COMPLETE, SERVER, scripts_of(case, SERVER)[0])
    limits = {"max_tokens", "max_completion_tokens"} & body.keys()
    assert {key: body[key] for key in limits} == {limit: 3}


def said_by(body: Json) -> Json:
    """Read the script in a request."""
    return json.loads(body["vllm_xargs"][SCRIPT_FIELD])


def test_a_mode_says_how_the_text_is_cut() -> None:
    (script,) = scripts_of(CASE, SERVER)
    five = Mode(name="stream-interval-5", stream=True, interval=5)
    assert build(CASE, five, SERVER, script)["stream_interval"] == 5
    assert "stream_interval" not in build(CASE, STREAM, SERVER, script)
    assert "steps" not in said_by(build(CASE, five, SERVER, script))
    steps = replace(SERVER, takes_interval=False, takes_steps=True)
    assert said_by(build(CASE, five, steps, script))["steps"] == [1, 5]
    assert "steps" not in said_by(build(CASE, STREAM, steps, script))
    characters = build(CASE, CHARACTERS, SERVER, script)["vllm_xargs"][SCRIPT_FIELD]
    assert json.loads(characters)["cut"] == "characters"
    assert "stream" not in build(CASE, COMPLETE, SERVER, script)
    guessed = Mode(name="stream-drafts-3", stream=True, drafts=3)
    assert said_by(build(CASE, guessed, SERVER, script))["drafts"] == 3
    assert "drafts" not in said_by(build(CASE, STREAM, SERVER, script))


def test_uneven_steps_are_the_same_for_the_same_case_and_seed() -> None:
    (script,) = scripts_of(CASE, SERVER)
    first, second = (Mode(name="x", stream=True, steps=seed) for seed in (1, 2))
    asked = [
        said_by(build(case, mode, SERVER, script))["steps"]
        for case in (CASE, CASE, replace(CASE, id="a/other"))
        for mode in (first, second)
    ]
    assert asked[:2] == asked[2:4]
    assert len({tuple(one) for one in asked}) == 4
    assert {number for one in asked for number in one} == set(range(1, 9))
    assert read_script(json.dumps({"v": 1, "cut": "tokens", "pieces": [], "steps": asked[0]})).steps


def test_a_request_shares_nothing_with_its_case() -> None:
    build(CASE, COMPLETE, SAMPLED, None)["messages"].append("more")
    assert CASE.messages == ({"role": "user", "content": "Hi"},)


APPLIES = [
    ({}, SERVER, None),
    ({"omits": {"hermes": "no such text"}}, SERVER, "no such text"),
    ({"omits": {"hermes": "no such text"}}, V11, None),
    ({"omits": {"stream": "one token"}}, SERVER, "one token"),
    ({"omits": {"complete": "one token"}}, SERVER, None),
    ({"sampled": False}, SERVER, None),
]


@pytest.mark.parametrize(("change", "server", "told"), APPLIES)
def test_a_case_applies_unless_it_says_why_not(
    change: dict[str, Any], server: Server, told: str | None
) -> None:
    case = replace(CASE, **change)
    if told is None:
        check_applies(case, STREAM, server)
        return
    with pytest.raises(NotApplicable, match=f"^{told}$"):
        check_applies(case, STREAM, server)


def test_what_is_not_said_in_characters_is_not_said_in_pieces_either() -> None:
    case = replace(CASE, omits={"stream-characters": "two tokens"})
    pieces = Mode(name="stream-pieces-1", stream=True, cut="pieces:1")
    check_applies(case, Mode(name="stream-interval-5", stream=True, interval=5), SERVER)
    check_applies(replace(case, modes=(pieces,)), pieces, SERVER)
    for mode in (CHARACTERS, pieces):
        with pytest.raises(NotApplicable, match="two tokens"):
            check_applies(case, mode, SERVER)


MARKED = (Piece("text", "ab"), Piece("marker", "<tool_call>"), Piece("text", "cd"))


@pytest.mark.parametrize(
    ("text", "tokens"), [("a", 1), ("b", 2), ("<tool", 3), ("<tool_call>", 3), ("l>c", 4), ("d", 5)]
)
def test_a_script_is_cut_behind_a_text_and_a_mark_is_one_token(text: str, tokens: int) -> None:
    assert tokens_until(MARKED, text) == tokens


def test_a_script_that_does_not_hold_the_text_is_not_cut() -> None:
    with pytest.raises(NotApplicable, match="the format does not write 'x', where the case is cut"):
        tokens_until(MARKED, "x")


def test_a_cut_case_is_said_in_characters_up_to_the_cut() -> None:
    case = replace(CASE, cut_after='"ci')
    body = build(case, STREAM, SERVER, FORMATS["hermes"].write((PARIS,)))
    said = '<\n{"name": "get_weather", "arguments": {"ci'
    assert body["max_completion_tokens"] == len(said)
    assert json.loads(body["vllm_xargs"][SCRIPT_FIELD])["cut"] == "characters"


def test_a_cut_case_is_asked_once_for_all_cuts() -> None:
    case = replace(CASE, cut_after='"ci')
    check_applies(case, STREAM, SERVER)
    with pytest.raises(NotApplicable, match="cut to characters in every mode"):
        check_applies(case, CHARACTERS, SERVER)


@pytest.mark.parametrize("cut", ["tokens", "characters", "pieces:7"])
def test_the_server_reads_the_script_that_is_sent(cut: str) -> None:
    script = (
        Piece("text", 'é😀"\n'),
        Piece("marker", "<tool_call>"),
        Piece("control", "[ARGS]"),
    )
    found = read_script(encode(script, cut))
    assert [(piece.kind, piece.text) for piece in found.pieces] == [
        (piece.kind, piece.text) for piece in script
    ]
    assert SCRIPT_FIELD == FIELD


def test_a_script_with_half_a_character_has_a_limit() -> None:
    body = build(CASE, COMPLETE, SERVER, (Piece("text", "\ud800"),))
    assert body["max_completion_tokens"] == 3 + SPARE_TOKENS
