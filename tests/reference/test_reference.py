"""The reference server does right in every permitted way, and wrong when it is told to."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.base.jsonvalue import Json
from conformance.formats import FORMATS, Inexpressible
from conformance.formats.stream import Arguments, Content, Header, Token
from conformance.reference import Reference, Variant, reply
from conformance.reference.chat import answer
from conformance.reference.chat.faults.registry import TWO_CALLS
from conformance.reference.reader import makes_sense
from conformance.reference.speech import speak
from conformance.scripting import encode, scripts_of
from conformance.terms.case import CHARACTERS, COMPLETE, STREAM, Case, Mode
from conformance.terms.outcome import Outcome
from conformance.terms.said import Call, Piece, Script, Text, Utterance
from conformance.verdicts.item import Judged
from conformance.wires.chat.request import build
from tools.kill_matrix import SHIPPED, judge, server_of

WHOLE = Mode(name="stream-interval-1000", stream=True, interval=1000)
INTERVAL = Mode(name="stream-interval-5", stream=True, interval=5)
TOOLS = [{"type": "function", "function": {"name": name}} for name in ("look", "walk")]
LOOK = Call(name="look", arguments='{"at": "the sea"}')
WALK = Call(name="walk", arguments="{}")


MODES = [COMPLETE, STREAM, CHARACTERS, INTERVAL, WHOLE]
SHOWS = {
    Variant.CHOICES_IN_TURN: "limits/two-choices",
    Variant.CUT_CALLS_WITHHELD: "limits/call-cut",
    Variant.EMPTY_CONTENT: "choice/required",
    Variant.ESCAPES: "strings/emoji",
    Variant.NULL_CALLS: "text/no-call",
    Variant.STOP_WHEN_NAMED: "choice/named",
    Variant.USAGE_ONLY_AT_END: "text/usage-asked",
}
"""Cases in which a variant shows, where that is not the one with text and two calls."""


def tool(**parameters: Json) -> Json:
    return {"type": "function", "function": {"name": "look", "parameters": parameters}}


def faulty(found: Sequence[Judged]) -> list[tuple[str, str, str]]:
    """List what failed, at any level, or is no pass for another reason than the case's own."""
    return [
        (judged.item.case.id, judged.item.mode.name, told)
        for judged in found
        for told in [
            *(failed.rule.id for failed in judged.verdict.of(Outcome.FAIL)),
            *([str(judged.verdict.reason)] if judged.verdict.outcome is Outcome.ERROR else []),
            *(
                [str(judged.verdict.reason)]
                if judged.verdict.outcome is Outcome.INCONCLUSIVE
                else []
            ),
        ]
    ]


@pytest.fixture(scope="module", params=sorted(FORMATS))
def format(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def reference(format: str) -> Iterator[Reference]:
    with Reference(format) as running:
        yield running


@pytest.fixture(scope="module")
def hermes() -> Iterator[Callable[..., Json]]:
    """Post a request to a Hermes server, and give the answer: a document, or a list of chunks."""
    with Reference("hermes") as running, httpx2.Client(trust_env=False, timeout=30) as client:

        def post(says: Sequence[Utterance] | Script | None = None, **fields: Any) -> Json:
            messages = [{"role": "user", "content": "Hello"}]
            body: dict[str, Any] = {"model": "reference", "messages": messages, "tools": TOOLS}
            if says is not None:
                script = says if isinstance(says[0], Piece) else FORMATS["hermes"].write(says)  # type: ignore[arg-type]
                body["vllm_xargs"] = {"conformance_script": encode(script, "tokens")}  # type: ignore[arg-type]
            body |= fields
            body = {name: value for name, value in body.items() if value is not None}
            answer = client.post(f"{running.url}/chat/completions", json=body)
            if "event-stream" not in answer.headers["content-type"]:
                return answer.json()
            *events, done, rest = answer.text.split("\n\n")
            assert (done, rest) == ("data: [DONE]", "")
            return [json.loads(event.removeprefix("data: ")) for event in events]

        yield post


@pytest.mark.slow
@pytest.mark.parametrize("mode", [COMPLETE, INTERVAL], ids=lambda mode: mode.name)
def test_every_shipped_case_passes(reference: Reference, format: str, mode: Mode) -> None:
    assert faulty(judge(reference, format, SHIPPED, [mode])) == []


def test_every_mode_passes(reference: Reference, format: str) -> None:
    cases = ["parallel/three-rooms", TWO_CALLS, "strings/emoji", "limits/two-choices"]
    assert faulty(judge(reference, format, cases, [STREAM, CHARACTERS, WHOLE])) == []


@pytest.mark.slow
@pytest.mark.parametrize("variant", Variant)
def test_every_variant_passes_in_every_format_and_mode(variant: Variant, format: str) -> None:
    with Reference(format, variants=[variant]) as running:
        assert faulty(judge(running, format, [SHOWS.get(variant, TWO_CALLS)], MODES)) == []


def test_all_variants_together_pass(format: str) -> None:
    with Reference(format, variants=Variant) as running:
        assert faulty(judge(running, format, [TWO_CALLS, *SHOWS.values()], MODES)) == []


def written(case: Case, variants: frozenset[Variant]) -> tuple[bytes, Json]:
    """Give a case's answer, streamed and complete, without what is new in each answer."""
    server = server_of("", "hermes")
    (script, *_) = scripts_of(case, server)
    request = build(case, STREAM, server, script)
    speech = speak(request, FORMATS["hermes"])
    given = reply.read(request, speech, FORMATS["hermes"], variants)
    given = replace(given, ids=tuple(id.rpartition("-")[0] for id in given.ids))
    choices = [given] * request.get("n", 1)
    chunks = [
        chunk | {"id": "", "created": 0} for chunk in answer.chunks(request, choices, {}, variants)
    ]
    complete = answer.complete(request, choices, {}, variants)
    return b"".join(answer.events(chunks, variants)), complete["choices"]


OF_A_MODEL = {Variant.DITHERS, Variant.NO_TOKEN_IDS}
"""Variants that change nothing that is scripted: `test_sampled` has them."""


@pytest.mark.parametrize("variant", [one for one in Variant if one not in OF_A_MODEL])
def test_every_variant_shows_in_the_case_that_it_is_tested_by(variant: Variant) -> None:
    case = SHIPPED[SHOWS.get(variant, TWO_CALLS)]
    assert written(case, frozenset([variant])) != written(case, frozenset())


def test_the_calls_are_the_same_complete_and_streamed(hermes: Callable[..., Json]) -> None:
    says = [Text(text="I go."), LOOK, WALK]
    message = hermes(says)["choices"][0]["message"]
    chunks = hermes(says, stream=True, stream_interval=3)
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks]
    assert message["content"] == "I go."
    assert "".join(delta.get("content", "") for delta in deltas) == "I go."
    assert [call["function"] for call in message["tool_calls"]] == [
        {"name": "look", "arguments": LOOK.arguments},
        {"name": "walk", "arguments": WALK.arguments},
    ]
    entries = [entry for delta in deltas for entry in delta.get("tool_calls", ())]
    for index, call in enumerate((LOOK, WALK)):
        own = [entry for entry in entries if entry["index"] == index]
        assert [e["function"]["name"] for e in own if "name" in e["function"]] == [call.name]
        assert "".join(e["function"]["arguments"] for e in own) == call.arguments


def test_a_delta_holds_as_many_tokens_as_asked(hermes: Callable[..., Json]) -> None:
    said = [Text(text="one two three four five")]
    contents = [
        [chunk["choices"][0]["delta"].get("content") for chunk in chunks]
        for chunks in (
            hermes(said, stream=True),
            hermes(said, stream=True, stream_interval=2),
            hermes(said, stream=True, stream_interval=99),
        )
    ]
    assert contents == [
        ["", "one", " two", " three", " four", " five", None],
        ["", "one two", " three four", " five", None],
        ["", "one two three four five", None],
    ]


def test_a_limit_of_tokens_is_told_as_length(hermes: Callable[..., Json]) -> None:
    choice = hermes([Text(text="one two three four")], max_tokens=2)["choices"][0]
    assert (choice["message"]["content"], choice["finish_reason"]) == ("one two", "length")


def test_a_limit_that_is_just_enough_is_not_told(hermes: Callable[..., Json]) -> None:
    choice = hermes([Text(text="one two three four")], max_completion_tokens=4)["choices"][0]
    assert choice["finish_reason"] == "stop"


def test_a_cut_call_keeps_the_beginning_of_its_arguments(hermes: Callable[..., Json]) -> None:
    choice = hermes([LOOK], max_tokens=14)["choices"][0]
    (call,) = choice["message"]["tool_calls"]
    assert choice["finish_reason"] == "length"
    assert LOOK.arguments.startswith(call["function"]["arguments"])
    assert call["function"]["arguments"] != LOOK.arguments


def test_a_stop_string_ends_the_answer_before_it(hermes: Callable[..., Json]) -> None:
    choice = hermes([Text(text="one two three")], stop=["x", " th", "three"])["choices"][0]
    assert (choice["message"]["content"], choice["finish_reason"]) == ("one two", "stop")


def test_a_call_that_a_stop_string_cuts_is_left_out(hermes: Callable[..., Json]) -> None:
    choice = hermes([Text(text="I go."), LOOK], stop="the sea")["choices"][0]
    assert "tool_calls" not in choice["message"]
    assert (choice["message"]["content"], choice["finish_reason"]) == ("I go.", "stop")


@pytest.mark.parametrize("fields", [{"tool_choice": "none"}, {"tools": None}])
def test_calls_that_the_client_forbids_are_left_out(
    hermes: Callable[..., Json], fields: dict[str, Any]
) -> None:
    choice = hermes([Text(text="I go."), LOOK], **fields)["choices"][0]
    assert "tool_calls" not in choice["message"]
    assert (choice["message"]["content"], choice["finish_reason"]) == ("I go.", "stop")


def test_without_parallel_calls_the_first_is_left(hermes: Callable[..., Json]) -> None:
    message = hermes([LOOK, WALK], parallel_tool_calls=False)["choices"][0]["message"]
    assert [call["function"]["name"] for call in message["tool_calls"]] == ["look"]


def test_every_call_of_every_choice_has_an_id_of_its_own(hermes: Callable[..., Json]) -> None:
    choices = hermes([LOOK, WALK], n=3)["choices"]
    ids = [call["id"] for choice in choices for call in choice["message"]["tool_calls"]]
    assert [choice["index"] for choice in choices] == [0, 1, 2]
    assert len(set(ids)) == 6


def test_usage_is_streamed_only_if_asked_for(hermes: Callable[..., Json]) -> None:
    plain = hermes([Text(text="one two")], stream=True)
    asked = hermes([Text(text="one two")], stream=True, stream_options={"include_usage": True})
    assert [chunk for chunk in plain if "usage" in chunk] == []
    assert [chunk["usage"] for chunk in asked[:-1]] == [None] * (len(asked) - 1)
    assert asked[-1]["choices"] == []
    usage = asked[-1]["usage"]
    assert usage["completion_tokens"] == 2
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]


def test_what_is_between_marks_and_no_call_is_text_in_both_modes(
    hermes: Callable[..., Json],
) -> None:
    script = (Piece("marker", "<tool_call>"), Piece("text", '\n{"name": '))
    complete = hermes(script)["choices"][0]
    streamed = [chunk["choices"][0] for chunk in hermes(script, stream=True)]
    assert complete["message"]["content"] == '\n{"name": '
    assert (
        "".join(one["delta"].get("content", "") for one in streamed)
        == (complete["message"]["content"])
    )
    assert (complete["finish_reason"], streamed[-1]["finish_reason"]) == ("stop", "stop")


def test_a_request_without_a_script_is_answered_in_words(hermes: Callable[..., Json]) -> None:
    assert "reference server" in hermes()["choices"][0]["message"]["content"]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"messages": []}, "messages"),
        ({"messages": None}, None),
        ({"tools": []}, "tools"),
        ({"tools": [{"type": "function"}]}, "tools"),
        ({"tools": [tool(type="strng")]}, "tools"),
        ({"tools": [tool(properties={"at": {"$ref": "#/$defs/Place"}})]}, "tools"),
        ({"messages": [{"role": "user", "content": [{"type": "smell"}]}]}, "messages"),
        ({"messages": [{"role": "assistant", "tool_calls": [{"id": "1"}]}]}, "messages"),
        ({"tool_choice": "any"}, "tool_choice"),
        ({"tool_choice": "auto", "tools": None}, "tool_choice"),
        ({"tool_choice": {"type": "function", "function": {"name": "fly"}}}, "tool_choice"),
        ({"n": 0}, "n"),
        ({"vllm_xargs": {"conformance_script": "{}"}}, "vllm_xargs"),
        ({"says": (Piece("control", "[ARGS]"),)}, "vllm_xargs"),
        ({"model": "another"}, "model"),
    ],
)
def test_a_request_without_sense_is_refused_with_its_field(
    hermes: Callable[..., Json], fields: dict[str, Any], field: str | None
) -> None:
    for stream in (False, True):
        error = hermes(stream=stream, **fields)["error"]
        assert (error["type"], error["param"]) == ("invalid_request_error", field)
        assert error["message"]


def test_a_tool_choice_of_none_needs_no_tools(hermes: Callable[..., Json]) -> None:
    answer = hermes([Text(text="No.")], tools=None, tool_choice="none")
    assert answer["choices"][0]["message"]["content"] == "No."


def test_stream_options_without_stream_are_refused(hermes: Callable[..., Json]) -> None:
    assert hermes(stream_options={"include_usage": True})["error"]["param"] == "stream_options"


def test_a_body_that_is_no_json_is_refused(reference: Reference) -> None:
    url = f"{reference.url}/chat/completions"
    answer = httpx2.post(url, content=b"{", trust_env=False)
    assert answer.status_code == 400
    assert "not JSON" in answer.json()["error"]["message"]


SAYS = st.lists(
    st.one_of(
        st.text(st.characters(exclude_categories=["Cs"]), min_size=1).map(lambda t: Text(text=t)),
        st.builds(
            lambda name, value, space: Call(
                name=name, arguments=json.dumps(value, ensure_ascii=False, indent=space)
            ),
            st.from_regex(r"[a-zA-Z0-9_-]{1,12}", fullmatch=True),
            st.dictionaries(
                st.text(st.characters(exclude_categories=["Cs"])),
                st.recursive(
                    st.none()
                    | st.booleans()
                    | st.integers()
                    | st.text(st.characters(exclude_categories=["Cs"])),
                    lambda inner: st.lists(inner) | st.dictionaries(st.text("ab}"), inner),
                    max_leaves=5,
                ),
            ),
            st.sampled_from([None, 1]),
        ),
    ),
    max_size=4,
)


@given(says=SAYS, name=st.sampled_from(sorted(FORMATS)), seed=st.integers(0, 99))
def test_a_reader_reads_what_the_format_reads(says: list[Utterance], name: str, seed: int) -> None:
    format = FORMATS[name]
    calls = [item for item in says if isinstance(item, Call)]
    try:
        script = format.write(says)
    except Inexpressible:
        texts = [item for item in says if isinstance(item, Text)]
        script = format.write([*texts[:1], *calls])
    speech = speak({"vllm_xargs": {"conformance_script": encode(script, f"pieces:{seed}")}}, format)
    heard = format.read(tuple(script))
    reader = FORMATS[name].reader()
    events = [event for token in speech.tokens for event in reader.read(token)]
    events += reader.end()
    assert "".join(event.text for event in events if isinstance(event, Content)) == "".join(
        item.text for item in heard if isinstance(item, Text)
    )
    headers = [event for event in events if isinstance(event, Header)]
    assert [(one.call, one.name) for one in headers] == [
        (place, call.name) for place, call in enumerate(calls)
    ]
    for place, call in enumerate(calls):
        own = [e.text for e in events if isinstance(e, Arguments) and e.call == place]
        assert "".join(own) == call.arguments


def test_a_name_behind_the_arguments_is_waited_for() -> None:
    reader = FORMATS["hermes"].reader()
    texts = ['{"arguments": {"name": 1}', ', "id": 7, "name"', ': "look"', "}"]
    tokens = [Token("<tool_call>", mark=True), *map(Token, texts)]
    assert [list(reader.read(token)) for token in tokens] == [
        [],
        [],
        [],
        [],
        [Header(0, "look"), Arguments(0, '{"name": 1}')],
    ]


OSLO = '[{"name": "look", "arguments": {"at": "Oslo"}}]'
LENIENT: list[tuple[str, list[Token], list[str]]] = [
    ("mistral-v11", [Token("[TOOL_CALLS]", mark=True), Token('look{"at": 1}')], ['{"at": 1}']),
    (
        "mistral-v11",
        [
            Token("[TOOL_CALLS]", mark=True),
            Token("look"),
            Token("[ARGS]", mark=True),
            Token('{"at": 1} Done {}'),
        ],
        ['{"at": 1}'],
    ),
    ("mistral", [Token("[TOOL_CALLS]", mark=True), Token(f"{OSLO} Done []")], ['{"at": "Oslo"}']),
    (
        "mistral",
        [Token("[TOOL_CALLS]", mark=True), Token(OSLO)] * 2,
        ['{"at": "Oslo"}', '{"at": "Oslo"}'],
    ),
]


@pytest.mark.parametrize(("name", "tokens", "arguments"), LENIENT)
def test_what_models_write_beside_their_format_is_read(
    name: str, tokens: list[Token], arguments: list[str]
) -> None:
    reader = FORMATS[name].reader()
    events = [event for token in tokens for event in reader.read(token)]
    found = {event.call: "" for event in events if isinstance(event, Header)}
    for event in events:
        if isinstance(event, Arguments):
            found[event.call] += event.text
    assert list(found.values()) == arguments
    assert makes_sense(FORMATS[name], tokens)


NONSENSE = [
    '{"name": "look", "arguments": {"at": ',
    '{"name": "look", "arguments": "{}"}',
    '{"name": "", "arguments": {}}',
    '{"arguments": {}}',
    "{'name': 'look', 'arguments': {}}",
    "Oslo has no clock.",
]


@pytest.mark.parametrize("text", NONSENSE)
def test_what_is_no_call_between_marks_makes_no_sense(text: str) -> None:
    tokens = [Token("<tool_call>", mark=True), Token(text), Token("</tool_call>", mark=True)]
    assert not makes_sense(FORMATS["hermes"], tokens)
