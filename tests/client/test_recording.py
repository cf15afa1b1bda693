"""What a run with --record keeps is judged again by --tapes, alike, with no server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from jsonschema.validators import Draft202012Validator

from conformance.base.jsonvalue import Json
from conformance.base.sse import Read
from conformance.client import recording
from conformance.client.recording import EXCHANGES, Player, Recorder, TapeProblem
from conformance.client.sender import ASKED_FOR, NotAsked
from conformance.terms.exchange import Exchange
from conformance.terms.server import ANSWER_TOKENS, Server
from conformance.wires.registry import DEFAULT
from tests.pytest_run import (
    CASES,
    COMPLETED,
    FAILED,
    NOTHING_TESTED,
    PACKAGE,
    REFERENCE,
    USAGE_ERROR,
    Run,
    errors,
    timeless,
)

pytest_plugins = ["pytester"]

SERVER = Server(
    url="http://127.0.0.1:1/v1",
    model="m",
    implementation="vllm",
    version="0.32.0",
    parser="hermes",
    format="hermes",
    packages={"vllm": "0.32.0"},
)
READS = (Read(0.25, b'data: {"caf\xc3'), Read(0.5, b'\xa9": 1}\n\n'), Read(0.75, b"\xff\0"))
THIRD = """
  - id: zog
    about: A text.
    messages: [{role: user, content: "Say good night."}]
    says: Good night.
"""


class Script:
    """A sender that gives what it was made with, in order."""

    def __init__(self, answers: Sequence[Exchange]) -> None:
        self._left = list(answers)

    async def send(self, path: str, body: Json) -> Exchange:
        return self._left.pop(0)

    async def close(self) -> None:
        pass


def record(folder: Path, *exchanges: Exchange, item: str = "mine/zig stream") -> list[Path]:
    """Record exchanges for an item; gives the files."""
    if not folder.exists():
        recording.begin(folder, SERVER, via="server-url", repeat="--parser hermes")

    async def recorded() -> None:
        ASKED_FOR.set(item)
        recorder = Recorder(Script(exchanges), folder)
        for one in exchanges:
            assert await recorder.send(DEFAULT.path, one.request) == one

    asyncio.run(recorded())
    return sorted((folder / EXCHANGES).iterdir())


def play(player: Player, body: Json, item: str = "mine/zig stream") -> Exchange:
    async def played() -> Exchange:
        ASKED_FOR.set(item)
        return await player.send(DEFAULT.path, body)

    return asyncio.run(played())


def exchange(body: Json, text: str = "one", **fields: Any) -> Exchange:
    return Exchange(request=body, status=200, reads=(Read(0.1, text.encode()),), **fields)


def test_a_tape_of_a_format_that_is_not_known_is_refused_by_name(tmp_path: Path) -> None:
    recording.begin(tmp_path, replace(SERVER, format="hermse"), via="server-url", repeat="")
    with pytest.raises(TapeProblem, match=r"tapes\.json: format 'hermse' is unknown; did you mean"):
        recording.facts(tmp_path)


def test_an_exchange_comes_back_byte_for_byte_with_its_times(tmp_path: Path) -> None:
    body = {"model": "m", "n": 1, "temperature": 0.5, "messages": ["\ud800 é", 2**60, None]}
    whole = Exchange(
        request=body,
        status=429,
        headers=(("content-type", "text/plain"), ("server", "x")),
        reads=READS,
        error="cut",
        seconds=1.25,
    )
    (file,) = record(tmp_path / "tapes", whole)
    assert file.name.startswith("mine.zig.stream.")
    assert play(Player(tmp_path / "tapes"), body) == whole
    assert recording.facts(tmp_path / "tapes").server == replace(SERVER, url="a tape")


def test_a_folder_recorded_by_an_earlier_version_is_read(tmp_path: Path) -> None:
    recording.begin(tmp_path / "tapes", SERVER, via="launch", repeat="--launch=hermes")
    file = tmp_path / "tapes" / "tapes.json"
    found = json.loads(file.read_text("utf-8"))
    found["server"] |= {"intervals": True, "grammar": False, "prompts": "/p", "tokens": True}
    found["server"]["room"] = 9
    file.write_text(json.dumps(found), "utf-8")
    assert recording.facts(tmp_path / "tapes").server == replace(
        SERVER,
        url="a tape",
        takes_interval=True,
        render_path="/p",
        shows_token_ids=True,
        answer_tokens=9,
    )
    del found["server"]["room"]  # the oldest ones have none
    file.write_text(json.dumps(found), "utf-8")
    assert recording.facts(tmp_path / "tapes").server.answer_tokens == ANSWER_TOKENS


def test_tapes_are_as_their_schemas_say(tmp_path: Path) -> None:
    (file,) = record(tmp_path / "tapes", exchange({"a": 1}, error="x"))
    for path, name in ((file, "tape"), (tmp_path / "tapes" / "tapes.json", "tapes")):
        schema = json.loads((PACKAGE / "schemas" / f"{name}.json").read_text("utf-8"))
        Draft202012Validator.check_schema(schema)
        Draft202012Validator(schema).validate(json.loads(path.read_text("utf-8")))


def test_what_was_asked_several_times_is_answered_in_turn_and_then_no_more(tmp_path: Path) -> None:
    body = {"a": 1}
    record(tmp_path / "tapes", *(exchange(body, text) for text in ("one", "two")))
    player = Player(tmp_path / "tapes")
    assert [play(player, body).body for _ in range(2)] == [b"one", b"two"]
    with pytest.raises(NotAsked, match="not on the tape"):
        play(player, body)


def test_items_that_ask_for_the_same_each_have_their_own(tmp_path: Path) -> None:
    body = {"a": 1}
    record(tmp_path / "tapes", exchange(body, "first"), item="b/first complete")
    record(tmp_path / "tapes", exchange(body, "second"), item="a/second complete")
    player = Player(tmp_path / "tapes")
    assert play(player, body, "a/second complete").body == b"second"
    assert play(player, body, "b/first complete").body == b"first"
    assert play(player, body, "renamed complete").body in (b"first", b"second")


def test_another_request_is_not_on_the_tape(tmp_path: Path) -> None:
    record(tmp_path / "tapes", exchange({"a": 1}))
    for other in ({"a": 2}, {"a": 1.0}, {"a": True}, {"a": 1, "b": None}):
        with pytest.raises(NotAsked, match="not on the tape"):
            play(Player(tmp_path / "tapes"), other)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("", "", None),
        ('"schema": 1', '"schema": 2', "schema 2, and this suite reads schema 1"),
        ('"a": 1', '"a": 2', "the request in it is not the one that its name says"),
        ('"status": 200', '"status": "200"', r"no tape: at \$.status: .*is not of type"),
        ('"text"', '"base64"', "bytes that cannot be read"),
        ('"item"', '"note": 1, "item"', "no tape: at .*'note' was unexpected"),
        ('"schema": 1,', '"schema": 1', "not JSON: "),
    ],
)
def test_a_tape_that_was_changed_is_noticed_by_its_name(
    tmp_path: Path, old: str, new: str, told: str | None
) -> None:
    (file,) = record(tmp_path / "tapes", exchange({"a": 1}, "é"))
    text = file.read_text("utf-8")
    assert old in text
    file.write_text(text.replace(old, new, 1), "utf-8")
    player = Player(tmp_path / "tapes")
    if told is None:
        assert play(player, {"a": 1}).body == "é".encode()
        return
    with pytest.raises(TapeProblem, match=told) as caught:
        play(player, {"a": 1})
    assert str(caught.value).startswith(f"{file}: ")


def test_a_tape_that_is_too_large_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (file,) = record(tmp_path / "tapes", exchange({"a": 1}, "x" * 1000))
    monkeypatch.setattr(recording, "LIMIT", 999)
    with pytest.raises(TapeProblem, match=r"\.json: larger than 999 bytes"):
        play(Player(tmp_path / "tapes"), {"a": 1})
    monkeypatch.setattr(recording, "MANY", 0)
    with pytest.raises(TapeProblem, match="more than 0 files"):
        Player(tmp_path / "tapes")
    assert file.exists()


@pytest.mark.parametrize(
    ("emission", "fault", "workers", "later"),
    [
        ("scripted", "name-twice", (), ()),
        ("sampled", "no-done", (), ()),
        pytest.param("scripted", "name-twice", (), ("-n", "2"), marks=pytest.mark.slow),
        pytest.param("sampled", "no-done", ("-n", "2"), (), marks=pytest.mark.slow),
    ],
)
def test_tapes_come_to_the_results_of_the_run_that_made_them(
    run: Run, emission: str, fault: str, workers: tuple[str, ...], later: tuple[str, ...]
) -> None:
    options = (*REFERENCE, "--emission", emission, "--fault", fault)
    first = run(*options, *workers, "--record", "kept")
    assert first.ret == FAILED
    first.stdout.fnmatch_lines(["recording: kept"])
    live = timeless(run.results)
    assert live["totals"]["fail"] > 0
    for words in {(), later}:
        again = run("--tapes", "kept", *words)
        assert again.ret == FAILED
        assert timeless(run.results) == live
        again.stdout.fnmatch_lines(["tapes: kept, recorded *; no server is asked"])
        again.stdout.fnmatch_lines(['*repeat * pytest "mine.yaml::z?g?stream?" --tapes=kept'])


def test_a_case_that_was_not_recorded_is_reported_and_the_run_is_not_green(run: Run) -> None:
    assert run(*REFERENCE, "--record", "kept").ret == COMPLETED
    run.write("mine.yaml", CASES + THIRD.lstrip("\n"))
    found = run("--tapes", "kept", "-rs")
    assert found.ret == NOTHING_TESTED
    assert run.totals == {"pass": 10}
    facts = run.results["run"]
    assert (facts["complete"], facts["unasked"]) == (False, {"not on the tape": 5})
    found.stdout.fnmatch_lines(
        ["5 items were not asked: not on the tape", "SKIPPED * not asked: not on the tape"]
    )
    assert run("--tapes", "kept", "-k", "zog").ret == NOTHING_TESTED
    assert run("--tapes", "kept", "-k", "zig").ret == COMPLETED


def test_a_spoiled_tape_is_an_error_that_names_the_file(run: Run) -> None:
    assert run(*REFERENCE, "--record", "kept", "-k", "zag").ret == COMPLETED
    spoiled = min((run.folder / "kept" / EXCHANGES).glob("mine.zag.complete.*"))
    spoiled.write_text("{}", "utf-8")
    found = run("--tapes", "kept", "-k", "zag and complete")
    assert found.ret == FAILED
    found.stdout.fnmatch_lines([f"*no whole answer: kept/{EXCHANGES}/{spoiled.name}: no tape*"])
    assert not run.results["run"]["complete"]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--tapes", "none"], "--tapes: none/tapes.json: cannot be read: No such file"),
        (["--tapes", "none", "--reference"], "--reference and --tapes: give one of them"),
        (["--tapes", "none", "--parser", "hermes"], "--parser is not for --tapes"),
        (["--tapes", "none", "--emission", "sampled"], "--emission is not for --tapes"),
        (["--tapes", "none", "--max-tokens", "9"], "--max-tokens is not for --tapes"),
        ([*REFERENCE, "--record", "."], "--record: .: is not empty; name a new folder"),
    ],
)
def test_a_wrong_option_is_one_clear_message(run: Run, options: list[str], told: str) -> None:
    found = run(*options)
    assert found.ret == USAGE_ERROR
    assert len(errors(found)) == 1
    found.stderr.fnmatch_lines([f"ERROR: {told}*"])
