"""Which clients of today break is what the table says, and the levels of rules follow from it."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from conformance.base.jsonvalue import Json
from conformance.rules import RULES, Rule
from conformance.rules.rule import CHAT_CREATE, MUST
from tests.evidence import exchange
from tools import client_runs, client_table
from tools.client_outcomes import SAME, outcomes
from tools.client_runs import FOLDER, Recording

TABLE = client_table.read()
READ = {id: rule for id, rule in RULES.items() if rule.on != "prompt"}


@pytest.mark.parametrize("rule", [rule for rule in RULES.values() if rule.level is MUST])
def test_a_must_has_a_client_that_breaks_or_a_sentence(rule: Rule) -> None:
    assert TABLE.breaking(rule.id) or rule.sentence, f"{rule.id} is a SHOULD, or an INFO"


@pytest.mark.parametrize("rule", [rule for rule in RULES.values() if rule.sentence])
def test_a_sentence_is_quoted_from_somewhere(rule: Rule) -> None:
    assert rule.spec


def test_the_table_has_every_wrong_recording_of_every_rule_read_by_every_client() -> None:
    wrong = [id.partition("/") for id in client_runs.recordings() if "/wrong" in id]
    owed = {(rule, client, file) for rule, _, file in wrong for client in TABLE.clients}
    there = {
        (rule, client, file)
        for rule, clients in TABLE.rules.items()
        for client, files in clients.items()
        for file in files
    }
    assert there == owed, "run: make clients, then python -m tools.client_table"
    assert TABLE.rules.keys() == READ.keys()


def test_the_page_of_clients_is_fresh() -> None:
    written = client_table.PAGE.read_text("utf-8")
    assert written == client_table.page(TABLE), "run: python -m tools.client_table --pages"


def test_the_table_has_the_versions_that_are_pinned() -> None:
    pins = [*FOLDER.glob("*/requirements.in"), *FOLDER.glob("*/package.json")]
    pinned = "".join(path.read_text("utf-8") for path in pins)
    assert pins
    for client, version in TABLE.clients.items():
        assert f"=={version}\n" in pinned or f'"{version}"' in pinned, client


def test_every_requirement_has_a_hash() -> None:
    for path in FOLDER.glob("*/requirements.txt"):
        pins = path.read_text("utf-8").replace("\\\n", "").splitlines()
        assert all("==" in pin and "--hash=sha256:" in pin for pin in pins), path
    for path in FOLDER.glob("*/package-lock.json"):
        packages = json.loads(path.read_text("utf-8"))["packages"]
        assert all("integrity" in one for name, one in packages.items() if name), path


CALL = ["f", '{"a": 1}', "c"]


def given(**changes: Json) -> Json:
    choice = {"calls": [CALL], "text": "", "ending": "tool_calls", **changes}
    return {"choices": [choice], "usage": [1, 2]}


GOOD = given()


def called(*calls: Json) -> Json:
    return given(calls=list(calls))


FOUND = [
    (GOOD, SAME),
    (given(text=None), SAME),
    (called(["f", '{"a":1}', "c"]), SAME),
    (called(["f", '{"a": 1}', "d"]), SAME),
    (called(["f", '{"a": 1}', "made-up"]), SAME),
    (called(["f", '{"a": 1}', None]), "other calls"),
    (called(["f", '{"a": 1}', "cd"]), "other calls"),
    (called(["f", '{"a": 1}', "cc"]), "other calls"),
    (called(["f", '{"a": 1}', ""]), "other calls"),
    (called(["f", {"a": 1}, "c"]), "other calls"),
    (called(["f", '{"a": 1.0}', "c"]), "other calls"),
    (called(["f", '{"a": 1', "c"]), "other calls"),
    (called(["g", '{"a": 1}', "c"]), "other calls"),
    (called(CALL, CALL), "other calls"),
    (called(), "other calls"),
    ({"choices": [], "usage": [1, 2]}, "other calls"),
    (given(text="a"), "other text"),
    (given(ending="stop"), "other ending"),
    ({**GOOD, "usage": [1, 3]}, "other usage"),
    ({"hangs": True}, "hangs"),
    ({"raises": "KeyError", "message": "'id'"}, "raises KeyError: 'id'"),
    ({"raises": "AssertionError", "message": ""}, "raises AssertionError"),
]
BODY = b'{"id": "c", "tool_calls": [{"id": "d"}], "usage": {"total_tokens": 3}}'


def recording(name: str, body: bytes, rule: str = "said.calls") -> Recording:
    request = exchange(body, stream=False).request
    return Recording(
        id=f"{rule}/{name}.json", body=body, status=200, content_type="", request=request
    )


def outcome(got: Json, due: Json, *, body: bytes = BODY, rule: str = "said.calls") -> str:
    both = [recording("right", BODY, rule), recording("wrong", body, rule)]
    answers = {f"{rule}/right.json": due, f"{rule}/wrong.json": got}
    return outcomes({one.id: one for one in both}, answers)[rule]["wrong.json"]


@pytest.mark.parametrize(("got", "said"), FOUND)
def test_a_client_breaks_where_a_program_gets_something_else(got: Json, said: str) -> None:
    assert outcome(got, GOOD) == said


def test_an_exception_is_right_where_the_right_answer_is_one() -> None:
    refused = {"raises": "BadRequest", "message": "total_tokens"}
    assert outcome(GOOD, refused) == "returns an answer"
    assert outcome(refused, refused) == SAME
    assert outcome({**refused, "raises": "E"}, refused) == "raises E, not BadRequest"
    mute = {**refused, "message": "400"}
    assert outcome(mute, refused) == "raises BadRequest without the server's words: 400"


def test_usage_is_compared_only_where_the_recordings_say_something_of_it() -> None:
    got, other = {**GOOD, "usage": [1, 3]}, BODY.replace(b"3", b"4")
    assert outcome(got, GOOD, body=b'{"id": "c"}') == SAME
    assert outcome(got, GOOD, body=other) == SAME
    assert outcome(got, GOOD, body=other, rule="usage.sum") == "other usage"
    assert outcome(got, GOOD, body=b'{"id": "c"}', rule="usage.sum") == "other usage"


def driver() -> Any:
    spec = importlib.util.spec_from_file_location("drive", FOLDER / "drive.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_driver_gives_an_exception_and_waits_for_no_client_that_hangs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    drive = driver()
    monkeypatch.setattr(drive, "SECONDS", 0.05)

    assert drive.answer(lambda job: time.sleep(1), {}) == {"hangs": True}
    assert drive.answer(lambda job: job["no"], {}) == {"raises": "KeyError", "message": "'no'"}
    assert drive.answer(lambda job: job, {"choices": []}) == {"choices": []}


CLIENT = """
print("libraries print")
WAYS = {"x 1": lambda job: {"choices": [], "usage": job["id"]}}
"""


def test_only_answers_stand_on_a_drivers_output(tmp_path: Path) -> None:
    (tmp_path / "drive.py").write_bytes((FOLDER / "drive.py").read_bytes())
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "client.py").write_text(CLIENT, "utf-8")
    done = subprocess.run(
        [sys.executable, "-P", str(tmp_path / "drive.py"), "x"],
        input='{"id": 1}\n{"id": 2}\n',
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    first, *answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert first == ["x 1"]
    assert [one["id"] for one in answers] == [1, 2]
    assert answers[1]["answers"] == {"x 1": {"choices": [], "usage": 2}}


def test_nothing_in_the_table_is_of_the_machine_that_made_it() -> None:
    assert "/tests/clients/" not in client_table.DATA.read_text("utf-8")


@pytest.mark.slow
@pytest.mark.clients
@pytest.mark.parametrize("folder", client_runs.clients())
def test_a_client_breaks_where_the_table_says_so(folder: str) -> None:
    if not client_runs.is_made(folder):
        pytest.skip(f"{folder} has no environment: run make clients")
    found = client_table.run([folder])
    assert found.clients.items() <= TABLE.clients.items(), "run: python -m tools.client_table"
    for rule, clients in found.rules.items():
        for client, files in clients.items():
            # Messages differ between versions of Python.
            said = {file: one.partition(":")[0] for file, one in files.items()}
            shipped = TABLE.rules.get(rule, {}).get(client, {})
            assert said == {file: one.partition(":")[0] for file, one in shipped.items()}


@pytest.mark.slow
@pytest.mark.clients
@pytest.mark.parametrize("rule", [rule for rule in RULES.values() if rule.sentence])
def test_a_sentence_of_openai_is_in_the_types_of_its_own_client(rule: Rule) -> None:
    if not client_runs.is_made("openai_python"):
        pytest.skip("openai_python has no environment: run make clients")
    if not (rule.spec or "").startswith(CHAT_CREATE.rpartition("/")[0].rpartition("/")[0]):
        pytest.skip("not of OpenAI")
    (package,) = (FOLDER / "openai_python" / ".venv").glob("lib/python*/site-packages/openai")
    files = [*package.glob("types/**/*.py"), *package.glob("resources/chat/**/*.py")]
    assert rule.sentence
    assert any(rule.sentence in _plain(file.read_text("utf-8")) for file in files)


def _plain(text: str) -> str:
    """Put a docstring on one line, without its links."""
    return re.sub(r"\[([^\]]+)\]\(\S+\)", r"\1", " ".join(text.split()))
