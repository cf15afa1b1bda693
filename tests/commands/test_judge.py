"""Recorded answers are judged as a user would have it done: through the command."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.base import jsonfile, schema, strictyaml
from conformance.base.jsonvalue import Json
from conformance.casefiles import old
from conformance.commands import answer_file, judged_file, main
from conformance.commands.judged_file import Basis
from conformance.formats import FORMATS, PARSERS
from conformance.results import writer
from conformance.rules import RULES
from conformance.rules.rule import VLLM
from conformance.terms.case import Case, Mode
from conformance.verdicts.item import Item, Judged
from conformance.verdicts.known_issues import Known
from conformance.verdicts.verdict import decide
from conformance.verdicts.verdict import judge as ask_rules
from conformance.wires.chat import client
from tests.evidence import SAMPLES, TOOLS, sample, settings_of

SCHEMA = json.loads((schema.FOLDER / "judged.json").read_text("utf-8"))
# What these are about is not in an answer: that a refusal was right, what came of sending it
# back, what a broken call had to keep.
UNTOLD = {"err.tools-invalid", "err.unchecked", "http.error-json", "echo.roundtrip", "said.kept"}
# No recorded answer tells which implementation gave it.
JUDGED = [id for id, rule in RULES.items() if rule.profile != VLLM and id not in UNTOLD]
WRONG = sorted(file for id in JUDGED for file in SAMPLES.glob(f"{id}/wrong*.[sj]*"))
RIGHT = sorted(
    file
    for id in ("*", "allowed/*")
    for file in SAMPLES.glob(f"{id}/right*.[sj]*")
    if file.parent.name not in UNTOLD
)
NAMED = {f"allowed/named-choice-stop/right.{end}" for end in ("sse", "json")}
NAMED |= {"choice.named/right.json"}
ASKED = [{"role": "user", "content": "Hi"}]
GOOD = SAMPLES / "args.string" / "right.sse"
GOOD_COMPLETE = SAMPLES / "args.string" / "right.json"
NAMED_TWICE = SAMPLES / "chunk.name.once" / "wrong.sse"
STOPPED = SAMPLES / "finish.tool_calls" / "wrong.json"
Screen = pytest.CaptureFixture[str]


def name_of(file: Path) -> str:
    return str(file.relative_to(SAMPLES))


def judged(capsys: Screen, *words: object) -> tuple[int, list[Json]]:
    """The exit status, and what is said of each file."""
    status = main.main(["judge", "--format", "json", *map(str, words)])
    found = json.loads(capsys.readouterr().out)
    jsonschema.validate(found, SCHEMA)
    return status, found["answers"]


def broken(answer: Json) -> set[str]:
    assert answer["outcome"] != "error", answer["reason"]
    return {finding["rule"] for finding in answer["findings"]}


def refused(capsys: Screen, *words: object) -> str:
    assert main.main(["judge", *map(str, words)]) == main.USAGE_ERROR
    captured = capsys.readouterr()
    assert captured.out == ""
    return captured.err


def with_headers(file: Path, folder: Path) -> Path:
    """Write a sample as `curl -i` saves it."""
    exchange = sample(file).answer.exchange
    lines = [f"HTTP/1.1 {exchange.status} Any", *(f"{k}: {v}" for k, v in exchange.headers)]
    saved = folder / "answer.http"
    saved.write_bytes("\r\n".join([*lines, "", ""]).encode() + file.read_bytes())
    return saved


def asked(file: Path, folder: Path) -> list[str]:
    """Write what was asked as a case, where it is known what the model said."""
    settings = settings_of(file.parent)
    says = settings.get("says", [{"call": "get_weather", "arguments": {"city": "Paris"}}])
    options = settings.get("options", {})
    if says is None:
        request = folder / "request.json"
        request.write_text(json.dumps({"messages": ASKED, "tools": TOOLS, **options}))
        return ["--request", str(request)]
    case = {"id": "it", "about": "It.", "messages": ASKED, "tools": TOOLS, "says": says}
    case |= {"options": options} if options else {}
    case |= {"expect": settings["expect"]} if "expect" in settings else {}
    (folder / "mine").mkdir()
    topic = {"schema": 1, "about": "Mine.", "cases": [case]}
    path = folder / "mine" / "mine.yaml"
    path.write_text(json.dumps(topic, ensure_ascii=False), "utf-8")
    # The options of a sample are fields of its request, as those of a case once were.
    path.write_text(old.converted(strictyaml.parse(path)), "utf-8")
    return ["--case", "mine/it", "--cases", str(folder / "mine")]


def words_of(file: Path, folder: Path) -> list[str]:
    complete = file.parent / "complete.json"
    compare = ["--compare", str(complete)] if complete.exists() else []
    parser = ["--parser", settings_of(file.parent).get("format", "hermes")]
    return [str(with_headers(file, folder)), *asked(file, folder), *parser, *compare]


# A page of HTML is no answer, whatever was asked; only a run's own file says that it was one, or
# that a stream was asked for.
@pytest.mark.parametrize(
    "file",
    [f for f in WRONG if name_of(f) not in ("msg.json/wrong.json", "sse.framing/wrong-json.sse")],
    ids=name_of,
)
def test_a_wrong_sample_breaks_its_rule_and_no_other(
    file: Path, tmp_path: Path, capsys: Screen
) -> None:
    status, (answer,) = judged(capsys, *words_of(file, tmp_path))
    id = file.parent.name
    assert broken(answer) == {id}
    assert status == (1 if RULES[id].level == "must" else 0)
    places = settings_of(file.parent)["places"][file.name]
    assert [finding["where"] for finding in answer["findings"]] == (
        [places] if isinstance(places, str) else places
    )


@pytest.mark.parametrize("file", RIGHT, ids=name_of)
def test_a_right_sample_is_clean(file: Path, tmp_path: Path, capsys: Screen) -> None:
    status, (answer,) = judged(capsys, *words_of(file, tmp_path))
    assert (status, answer["outcome"], answer["findings"]) == (0, "clean", [])


# Half a pair is the server's fault unless it is known that the model said it.
@pytest.mark.parametrize(
    "file", [f for f in RIGHT if f.parent.name != "escapes-respelt"], ids=name_of
)
def test_a_right_sample_of_which_nothing_is_known_is_clean(file: Path, capsys: Screen) -> None:
    _, (answer,) = judged(capsys, file)
    # Right for the named tool_choice that was asked for, and nothing here says that it was.
    named = name_of(file) in NAMED
    assert broken(answer) == ({"finish.tool_calls"} if named else set())


def test_each_file_is_judged_and_named(capsys: Screen) -> None:
    status, answers = judged(capsys, NAMED_TWICE, GOOD, STOPPED)
    assert status == 1
    assert [(answer["file"], answer["outcome"], broken(answer)) for answer in answers] == [
        (str(NAMED_TWICE), "findings", {"chunk.name.once"}),
        (str(GOOD), "clean", set()),
        (str(STOPPED), "findings", {"finish.tool_calls"}),
    ]
    assert answers[0]["findings"] == [
        {
            "rule": "chunk.name.once",
            "level": "must",
            "where": "chunk 2 choices[0].delta.tool_calls[0].function.name",
            "expected": "no name after the first",
            "actual": "'get_weather'",
        }
    ]


def test_a_person_reads_a_block_for_each_broken_rule_and_the_counts(
    tmp_path: Path, capsys: Screen
) -> None:
    empty = tmp_path / "empty"
    empty.touch()
    assert main.main(["judge", str(NAMED_TWICE), str(GOOD), str(empty)]) == 2
    *blocks, last = capsys.readouterr().out.rstrip("\n").split("\n\n")
    first, *rows = blocks[0].splitlines()
    assert first == "chunk.name.once  MUST  expected no name after the first, got 'get_weather'"
    assert [row[2:12].strip() for row in rows if row[2:12].strip()] == [
        "file",
        "where",
        "wire",
        "why",
    ]
    assert '  wire      data: {… "choices": [{"index": 0, "delta":' in blocks[0]
    assert blocks[1].splitlines() == [
        "no answer: the file is empty",
        *(f"  file      {empty}".splitlines()),
    ]
    assert last == ("3 files: 1 clean, 1 with findings, 1 without an answer; 1 finding, 1 of MUST")


def test_findings_below_must_leave_the_exit_status_alone(capsys: Screen) -> None:
    status, (answer,) = judged(capsys, SAMPLES / "sse.no-event-field" / "wrong.sse")
    assert (status, answer["outcome"]) == (0, "findings")
    assert [finding["level"] for finding in answer["findings"]] == ["should"]


def test_a_rule_that_could_not_be_applied_is_reported_with_its_reason(
    tmp_path: Path, capsys: Screen
) -> None:
    file = tmp_path / "long.sse"
    role, *rest = GOOD.read_bytes().split(b"\n\n")
    comments = b": ping\n" * (client.LINES_OF_AN_EVENT + 1)
    file.write_bytes(b"\n\n".join([role, comments + rest[0], *rest[1:]]))
    status, (answer,) = judged(capsys, file)
    assert (status, answer["outcome"]) == (0, "clean")
    (unjudged,) = answer["unjudged"]
    assert unjudged["rule"] == "client.openai-python"
    assert unjudged["reason"].endswith("an event has more than 1000 lines")
    assert main.main(["judge", str(file)]) == 0
    assert capsys.readouterr().out.startswith("client.openai-python  MUST  not judged: openai-py")


def test_standard_input_is_a_file(capsys: Screen, monkeypatch: pytest.MonkeyPatch) -> None:
    given = io.TextIOWrapper(io.BytesIO(NAMED_TWICE.read_bytes()))
    monkeypatch.setattr("sys.stdin", given)
    status, (answer,) = judged(capsys, "-")
    assert (status, answer["file"], broken(answer)) == (1, "-", {"chunk.name.once"})


def test_standard_input_is_read_once(capsys: Screen) -> None:
    assert "can be read once" in refused(capsys, "-", "-")


def test_answers_before_the_last_one_and_plain_line_ends_are_passed_over(
    tmp_path: Path, capsys: Screen
) -> None:
    saved = tmp_path / "answer.http"
    before = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/2 200\nContent-Type: application/json\n\n"
    saved.write_bytes(before + GOOD.read_bytes())
    status, (answer,) = judged(capsys, saved)
    assert (status, broken(answer)) == (0, {"sse.content-type"})


def test_a_status_is_judged(tmp_path: Path, capsys: Screen) -> None:
    saved = tmp_path / "answer.http"
    saved.write_bytes(b"HTTP/1.1 404 Not Found\r\nserver: x\r\n\r\n<html>")
    status, (answer,) = judged(capsys, saved)
    assert (status, broken(answer)) == (1, {"http.ok", "http.error-json"})


def test_a_case_says_that_a_refusal_is_right(tmp_path: Path, capsys: Screen) -> None:
    saved = tmp_path / "answer.http"
    body = (SAMPLES / "err.tools-invalid" / "right.json").read_bytes()
    for status, found in ((400, (0, set())), (200, (1, {"err.tools-invalid"}))):
        saved.write_bytes(b"HTTP/1.1 %d Whatever\r\n\r\n%s" % (status, body))
        ended, (answer,) = judged(capsys, saved, "--case", "refused/unknown-tool-choice")
        assert (ended, broken(answer)) == found


def test_headers_decide_where_the_body_does_not(tmp_path: Path, capsys: Screen) -> None:
    found = {}
    for media in ("text/event-stream", "Application/JSON; charset=utf-8"):
        saved = tmp_path / "answer.http"
        saved.write_bytes(f"HTTP/1.1 200 OK\r\ncontent-type: {media}\r\n\r\noops".encode())
        _, (answer,) = judged(capsys, saved)
        found[media] = broken(answer) & {"msg.json", "sse.framing"}
    assert list(found.values()) == [{"sse.framing"}, {"msg.json"}]


def test_one_request_serves_for_a_stream_and_a_complete_answer(
    tmp_path: Path, capsys: Screen
) -> None:
    for stream in (True, False):
        request = tmp_path / "request.json"
        request.write_text(json.dumps({"tools": TOOLS, "stream": stream}))
        status, answers = judged(capsys, GOOD, GOOD_COMPLETE, "--request", request)
        assert (status, [broken(answer) for answer in answers]) == (0, [set(), set()])


def test_a_stream_of_comments_is_a_stream(tmp_path: Path, capsys: Screen) -> None:
    file = tmp_path / "answer"
    file.write_bytes(b": ping\n\n: ping\n\n")
    status, (answer,) = judged(capsys, file)
    assert (status, broken(answer) >= {"sse.done"}) == (1, True)


def test_a_server_can_put_nothing_into_the_terminal(tmp_path: Path, capsys: Screen) -> None:
    saved = tmp_path / "answer.http"
    head = b"HTTP/1.1 200 OK\r\ncontent-type: x\x1b[2J\xff\r\n\r\n"
    saved.write_bytes(head + GOOD.read_bytes())
    assert main.main(["judge", str(saved)]) == 0
    shown = capsys.readouterr().out
    assert "sse.content-type  SHOULD" in shown
    assert "x\\x1b[2j\\xff" in shown
    assert "\x1b" not in shown


def test_options_that_the_request_lacks_have_their_defaults(tmp_path: Path, capsys: Screen) -> None:
    _, answers = judged(capsys, STOPPED, SAMPLES / "allowed" / "two-choices" / "right.sse")
    assert [broken(answer) for answer in answers] == [{"finish.tool_calls"}, set()]
    request = tmp_path / "request.json"
    named = {"type": "function", "function": {"name": "get_weather"}}
    request.write_text(json.dumps({"tools": TOOLS, "tool_choice": named, "n": 1}))
    _, answers = judged(
        capsys,
        STOPPED,
        SAMPLES / "allowed" / "two-choices" / "right.sse",
        "--request",
        request,
    )
    assert [broken(answer) for answer in answers] == [set(), {"choice.index.range"}]


def test_the_last_of_several_choices_is_missed_only_where_it_was_asked_for(
    tmp_path: Path, capsys: Screen
) -> None:
    file = SAMPLES / "choice.index.range" / "wrong-one.sse"
    seen = [broken(judged(capsys, file, *words)[1][0]) for words in [[], asked(file, tmp_path)]]
    assert seen == [set(), {"choice.index.range"}]


def test_a_shipped_case_is_the_truth(capsys: Screen) -> None:
    _, (answer,) = judged(capsys, GOOD, "--case", "parallel/two-cities")
    assert "said.calls" in broken(answer)


@pytest.mark.parametrize("name", ["mistral", "mistral-v11"])
def test_a_parser_or_a_format_adds_its_rules(name: str, capsys: Screen) -> None:
    file = SAMPLES / "id.format" / "wrong.sse"
    assert broken(judged(capsys, file)[1][0]) == set()
    assert broken(judged(capsys, file, "--parser", name)[1][0]) == {"id.format"}


def test_a_format_is_found_by_its_parser_or_by_its_own_name() -> None:
    found = [judged_file.format_of(name).name for name in [*PARSERS, *FORMATS]]
    assert found == [*PARSERS.values(), *FORMATS]


def test_the_complete_answer_may_have_headers_and_concerns_streams_only(
    tmp_path: Path, capsys: Screen
) -> None:
    folder = SAMPLES / "equiv.calls"
    saved = with_headers(folder / "complete.json", tmp_path)
    stream = folder / "wrong.sse"
    _, answers = judged(capsys, stream, GOOD_COMPLETE, "--compare", saved)
    assert [broken(answer) for answer in answers] == [{"equiv.calls"}, set()]


def kept(file: Path, **changes: Any) -> Json:
    """What a run keeps of an answer with findings."""
    evidence = sample(file)
    case = Case(
        id="a/b", about="It.", path=Path("a.yaml"), line=1, messages=tuple(ASKED), sampled=True
    )
    item = Item(case=case, mode=Mode(name="stream", stream=True))
    verdict = decide(ask_rules(evidence), known=Known(), case=case, mode=item.mode)
    found = writer.describe(Judged(item=item, verdict=verdict, answer=evidence.answer))
    return found["exchange"] | changes


# What no rule sees without the truth: no case stands beside a file that a run kept.
TRUTHFUL = (
    *("said.", "equiv.", "content.", "id."),
    *("finish.truncated-args", "logprobs.align", "usage.equiv"),
)
# U+FFFD stands in a run's file for bytes that are no UTF-8.
LOST = ("sse.utf8",)


@pytest.mark.parametrize(
    "file",
    [file for file in WRONG if not file.parent.name.startswith(TRUTHFUL + LOST)],
    ids=name_of,
)
def test_what_a_run_kept_is_judged_by_its_own_request(
    file: Path, tmp_path: Path, capsys: Screen
) -> None:
    wire = tmp_path / "wire.json"
    jsonfile.write(wire, kept(file))
    _, (answer,) = judged(capsys, wire)
    assert broken(answer) == {file.parent.name}


BAD_KEPT: list[tuple[dict[str, Any], str]] = [
    ({"error": "waited 60 s"}, 'the run had no whole answer: "waited 60 s"'),
    ({"status": None}, "status, headers or answer"),
    ({"status": True}, "status, headers or answer"),
    ({"answer": 3}, "status, headers or answer"),
    ({"headers": [["a"]]}, "status, headers or answer"),
    ({"headers": [["a", 1]]}, "status, headers or answer"),
    ({"headers": {}}, "status, headers or answer"),
    ({"request": []}, "the request at $"),
    ({"request": {"tools": [{}]}}, "the request at $.tools[0]"),
    ({"request": {"n": 2.0}}, "the request at $.n"),
    ({"answer": "x" * writer.MAX_WIRE_CHARACTERS}, "a run keeps 300000 characters of an answer; "),
]


@pytest.mark.parametrize(("changes", "reason"), BAD_KEPT)
def test_a_damaged_file_of_a_run_is_not_an_answer(
    changes: dict[str, Any], reason: str, tmp_path: Path, capsys: Screen
) -> None:
    wire = tmp_path / "wire.json"
    wire.write_text(json.dumps(kept(NAMED_TWICE, **changes)))
    status, (answer,) = judged(capsys, wire)
    assert (status, answer["outcome"]) == (2, "error")
    assert reason in answer["reason"]


BAD_BODIES = [
    (b"", "the file is empty"),
    (b" \r\n", "the file is empty"),
    (b"\xef\xbb\xbf", "the body is empty"),
    (b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n", "the body is empty"),
    (b"HTTP/1.1 200 OK\r\ncontent-type: text/plain", "without a blank line"),
    (b"HTTP/1.1 200 OK\r\nno header\r\n\r\n{}", "not an HTTP header: b'no header'"),
    (b"HTTP/1.1 503 Busy\r\n\r\nwait", 'the server answered 503: "wait"'),
    (b"<!DOCTYPE html><p>\ndata: x\n\n", "HTML or XML"),
    (b"\x89PNG\r\n\x1a\n\0\0", "NUL bytes"),
    ('data: {"id": 1}\n\n'.encode("utf-16"), "NUL bytes"),
    (b"Traceback (most recent call last):\n", 'JSON: "Traceback'),
    (b"\xff\xfe\xfd", "neither"),
]


@pytest.mark.parametrize(("data", "reason"), BAD_BODIES)
def test_a_file_that_is_not_an_answer_is_an_error_with_its_reason(
    data: bytes, reason: str, tmp_path: Path, capsys: Screen
) -> None:
    file = tmp_path / "answer"
    file.write_bytes(data)
    status, answers = judged(capsys, NAMED_TWICE, file)
    assert status == 2
    assert [answer["outcome"] for answer in answers] == ["findings", "error"]
    assert reason in answers[1]["reason"]


@pytest.mark.parametrize(("name", "reason"), [("missing", "No such file"), (".", "is a folder")])
def test_a_file_that_cannot_be_read_is_an_error(
    name: str, reason: str, tmp_path: Path, capsys: Screen
) -> None:
    status, (answer,) = judged(capsys, tmp_path / name)
    assert (status, answer["outcome"]) == (2, "error")
    assert reason in answer["reason"]


def test_a_file_that_is_too_large_is_refused(
    tmp_path: Path, capsys: Screen, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = GOOD.stat().st_size
    monkeypatch.setattr(answer_file, "MAX_FILE_BYTES", size)
    assert judged(capsys, GOOD)[0] == 0
    monkeypatch.setattr(answer_file, "MAX_FILE_BYTES", size - 1)
    status, (answer,) = judged(capsys, GOOD)
    assert (status, answer["reason"]) == (2, f"larger than {size - 1:,} bytes, which is the limit")


def test_a_lone_surrogate_reaches_neither_the_screen_nor_the_json_as_such(
    tmp_path: Path, capsys: Screen
) -> None:
    file = tmp_path / "a\udcff"
    body = STOPPED.read_text("utf-8").replace('"stop"', r'"\ud800"')
    file.write_text(body)
    _, (answer,) = judged(capsys, file)
    assert broken(answer) == {"finish.enum"}
    assert main.main(["judge", str(file)]) == 1
    assert "a\\udcff" in capsys.readouterr().out


def chunk_of(delta: Json, finish_reason: str | None = None, **more: Json) -> Json:
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    envelope = {"id": "x1", "object": "chat.completion.chunk", "created": 1760000000, "model": "q"}
    return envelope | {"choices": [choice]} | more


def entry_of(arguments: Json, **more: Json) -> Json:
    return {"tool_calls": [{"index": 0, "function": {"arguments": arguments}} | more]}


ROLE = chunk_of({"role": "assistant", "content": None})
OPENED: Json = {"id": "call_a", "type": "function", "function": {"name": "look_up"}}
FIRST = chunk_of(entry_of("", **OPENED))
AGAIN: Json = {"function": {"name": "look_up", "arguments": '{"q": '}}
LAST = chunk_of({}, "tool_calls")
USED: Json = {"prompt_tokens": 9, "completion_tokens": 5, "total_tokens": 14}
USAGE_CHUNK = chunk_of({}) | {"choices": [], "usage": USED}
BEFORE = [ROLE, FIRST, chunk_of(entry_of('{"q": ')), chunk_of(entry_of('"cats"}'))]
WITHOUT_INDEX = chunk_of({"tool_calls": [{"function": {"arguments": '{"q": '}}]})

STRANGERS: dict[str, tuple[list[Json], set[str]]] = {
    "it is right": ([*BEFORE, LAST, "[DONE]"], set()),
    "name twice": ([ROLE, FIRST, chunk_of(entry_of("", **AGAIN)), *BEFORE[3:], LAST, "[DONE]"],
        {"chunk.name.once"}),
    "missing index": ([ROLE, FIRST, WITHOUT_INDEX, *BEFORE[3:], LAST, "[DONE]"],
        {"chunk.index.present"}),
    "arguments as an object": (
        [ROLE, chunk_of(entry_of({"q": "cats"}, id="call_a", type="function", function={
            "name": "look_up", "arguments": {"q": "cats"}})), LAST, "[DONE]"],
        {"args.string"}),
    "no [DONE]": ([*BEFORE, LAST], {"sse.done"}),
    "usage twice": (
        [*BEFORE, LAST | {"usage": USED}, USAGE_CHUNK, "[DONE]"], {"usage.final-chunk"}),
    "error in the middle": (
        [*BEFORE[:3], {"error": {"message": "out of memory", "code": 500}}, "[DONE]"],
        {"err.mid-stream"}),
    "cut off after a chunk": (BEFORE[:3], {"sse.done", "finish.present", "args.json"}),
    "stop instead of tool_calls": (
        [*BEFORE, chunk_of({}, "stop"), "[DONE]"], {"finish.tool_calls"}),
    "last brace lost": (
        [*BEFORE[:3], chunk_of(entry_of('"cats"')), LAST, "[DONE]"], {"args.json"}),
    "two calls at one index": (
        [*BEFORE, chunk_of(entry_of("{}", id="call_b", type="function", function={
            "name": "look_up", "arguments": "{}"})), LAST, "[DONE]"],
        {"chunk.index.stable"}),
    "index begins at 1": (
        [ROLE, chunk_of({"tool_calls": [{"index": 1} | OPENED]}),
         chunk_of({"tool_calls": [{"index": 1, "function": {"arguments": "{}"}}]}),
         LAST, "[DONE]"],
        {"chunk.index.contiguous"}),
    "no choices in the usage chunk": (
        [*BEFORE, LAST, {k: v for k, v in USAGE_CHUNK.items() if k != "choices"}, "[DONE]"],
        {"chunk.choices.array"}),
}  # fmt: skip


@pytest.mark.parametrize(("chunks", "rules"), STRANGERS.values(), ids=STRANGERS)
def test_what_a_stranger_wrote_breaks_what_a_reader_of_the_specification_names(
    chunks: list[Json], rules: set[str], tmp_path: Path, capsys: Screen
) -> None:
    file = tmp_path / "answer.sse"
    texts = [one if isinstance(one, str) else json.dumps(one) for one in chunks]
    file.write_text("".join(f"data: {text}\n\n" for text in texts))
    status, (answer,) = judged(capsys, file)
    assert (broken(answer), status) == (rules, 1 if rules else 0)


def test_a_stream_that_ends_inside_a_chunk_is_reported_once(tmp_path: Path, capsys: Screen) -> None:
    file = tmp_path / "answer.sse"
    body = GOOD.read_bytes()
    file.write_bytes(body[: body.index(b"Paris")])
    _, (answer,) = judged(capsys, file)
    assert broken(answer) == {"sse.framing"}


def test_a_list_is_json_and_not_an_answer_of_a_server(tmp_path: Path, capsys: Screen) -> None:
    file = tmp_path / "answer.json"
    file.write_text(json.dumps([json.loads(GOOD_COMPLETE.read_bytes())]))
    status, (answer,) = judged(capsys, file)
    assert (status, broken(answer)) == (1, {"msg.json"})


Words = Sequence[object]
USAGE: list[tuple[Words, str]] = [
    (["--parser", "mistrl"], "--parser: 'mistrl' is unknown; did you mean 'mistral'?"),
    (["--case", "parallel/two-citys"], "did you mean 'parallel/two-cities'?"),
    (["--case", "a/b", "--cases", "/nowhere/at/all"], "there is no /nowhere/at/all"),
    (["--cases", "somewhere"], "give --case too"),
    (["--request", "/nowhere"], "--request: /nowhere: cannot be read: No such file"),
    (["--request", GOOD], f"--request: {GOOD}: the request is not JSON"),
    (["--compare", "/nowhere"], "--compare: /nowhere: cannot be read: No such file"),
    (["--compare", GOOD], "no complete answer"),
    (["--compare", SAMPLES / "http.ok" / "wrong.json"], "no complete answer"),
    (["--compare", SAMPLES / "msg.json" / "wrong.json"], "no answer: HTML or XML"),
]


@pytest.mark.parametrize(("words", "message"), USAGE)
def test_what_cannot_be_judged_by_is_a_usage_error(
    words: Words, message: str, capsys: Screen
) -> None:
    assert message in refused(capsys, GOOD, *words)


BAD_REQUESTS = [
    ("[]", "at $:"),
    ('{"tools": [{"type": "function"}]}', "at $.tools[0]:"),
    ('{"tools": [{"function": {"name": 1}}]}', "at $.tools[0].function.name:"),
    ('{"n": 0}', "at $.n:"),
    ('{"n": 1000000000}', "at $.n:"),
    ('{"n": 1.0}', "at $.n:"),
    ('{"tool_choice": 1}', "at $.tool_choice:"),
]


@pytest.mark.parametrize(("text", "message"), BAD_REQUESTS)
def test_a_request_that_no_rule_could_read_is_a_usage_error(
    text: str, message: str, tmp_path: Path, capsys: Screen
) -> None:
    request = tmp_path / "request.json"
    request.write_text(text)
    assert message in refused(capsys, GOOD, "--request", request)


@pytest.mark.parametrize(
    "words", [[], ["x", "--format", "xml"], ["x", "--case", "a/b", "--request", "r"]]
)
def test_words_that_argparse_refuses_are_a_usage_error(words: list[str], capsys: Screen) -> None:
    with pytest.raises(SystemExit) as ended:
        main.main(["judge", *words])
    assert ended.value.code == main.USAGE_ERROR
    assert "usage: python -m conformance judge" in capsys.readouterr().err


def test_a_case_that_says_nothing_on_a_format_is_a_usage_error(
    tmp_path: Path, capsys: Screen
) -> None:
    words = asked(GOOD, tmp_path)
    topic = json.loads((tmp_path / "mine" / "mine.yaml").read_text())
    topic["cases"][0]["omits"] = {"mistral": "It has another shape there."}
    (tmp_path / "mine" / "mine.yaml").write_text(json.dumps(topic))
    assert judged(capsys, GOOD, *words, "--parser", "hermes")[0] == 0
    message = refused(capsys, GOOD, *words, "--parser", "mistral")
    assert "mine/it says nothing on mistral: It has another shape there." in message


PIECES = [
    *(b"HTTP/1.1 200 OK\r\n", b"a: b\r\n", b"\r\n", b"data: ", b"data:\n\n", b"\n\n", b"[DONE]"),
    *(b"{", b"}", b"[", b'"answer"', b'"choices": [', b"<", b"\0", b"\xff", GOOD.read_bytes()),
]


@given(
    st.one_of(st.binary(max_size=50), st.lists(st.sampled_from(PIECES), max_size=8).map(b"".join))
)
def test_any_bytes_at_all_are_judged(data: bytes) -> None:
    found = judged_file.judge("it", data, Basis())
    assert found.outcome in ("clean", "findings", "error")
    jsonschema.validate(judged_file.document([found]), SCHEMA)
    assert judged_file.text([found]).startswith(("no answer: ", "1 file: ", *RULES))
