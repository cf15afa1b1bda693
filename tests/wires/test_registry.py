"""What every wire must have; a new folder in `conformance/wires` is told here what it owes."""

from __future__ import annotations

import ast
import json
from dataclasses import fields
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.base.jsonvalue import Json
from conformance.base.sse import Read
from conformance.casefiles import casefile
from conformance.scripting import NotApplicable, scripts_of
from conformance.terms.asked import Options
from conformance.terms.case import COMPLETE, PROMPT, STREAM, Case, Ending
from conformance.terms.exchange import Exchange
from conformance.terms.said import Piece, Script
from conformance.wires.registry import DEFAULT, WIRES
from conformance.wires.wire import Wire
from tests.evidence import SCRIPTED

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "conformance"
CASES = casefile.load_folder(casefile.shipped())
of_each_wire = pytest.mark.parametrize("wire", WIRES.values(), ids=WIRES)
of_each_name = pytest.mark.parametrize("name", WIRES)


def test_every_folder_is_a_wire() -> None:
    folders = [path.parent.name for path in PACKAGE.glob("wires/*/__init__.py")]
    assert sorted(WIRES) == sorted(folders)
    assert WIRES[DEFAULT.name] is DEFAULT


def test_no_two_wires_share_a_path() -> None:
    assert len({wire.path for wire in WIRES.values()}) == len(WIRES)
    assert all(wire.path.startswith("/v1/") for wire in WIRES.values())


@of_each_name
@pytest.mark.parametrize("place", ["conformance/rules", "conformance/reference", "tests/wires"])
def test_a_wire_has_rules_a_half_of_the_reference_server_and_tests(name: str, place: str) -> None:
    files = [file for file in (ROOT / place / name).glob("*.py") if file.name != "__init__.py"]
    assert files, f"{place}/{name} has no module"


@of_each_name
def test_no_other_room_names_a_wire(name: str) -> None:
    own = {f"{room}/{name}" for room in ("wires", "rules", "reference")}
    found = {
        str(path.relative_to(PACKAGE))
        for path in PACKAGE.rglob("*.py")
        if not any(str(path.relative_to(PACKAGE)).startswith(f"{place}/") for place in own)
        and _imports(path, f"conformance.wires.{name}")
    }
    assert found == set()


def _imports(path: Path, package: str) -> bool:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom):
            names = [node.module or "", *(f"{node.module}.{one.name}" for one in node.names)]
        elif isinstance(node, ast.Import):
            names = [one.name for one in node.names]
        else:
            continue
        if any(f"{name}.".startswith(f"{package}.") for name in names):
            return True
    return False


@of_each_wire
def test_a_wire_asks_every_case_and_reads_its_own_request_back(wire: Wire) -> None:
    for case in CASES:
        bodies = [wire.ask(case, mode, SCRIPTED, _script(case)) for mode in (COMPLETE, STREAM)]
        assert json.loads(json.dumps(bodies)) == bodies, case.id
        assert wire.field_problem(case) is None, case.id
        if case.expect.refused:
            continue
        assert wire.misfit(wire.request(case)) is None, case.id
        assert wire.asked(wire.request(case)).options == case.options, case.id
        for body in bodies:
            asked = wire.asked(body)
            assert (asked.messages, asked.tools) == (case.messages, case.tools), case.id
            assert asked.options.choice == case.options.choice, case.id


def _script(case: Case) -> Script | None:
    try:
        return None if case.expect.refused else scripts_of(case, SCRIPTED)[0]
    except NotApplicable:
        return None


@of_each_wire
def test_a_wire_names_its_options_and_endings_in_the_words_of_every_wire(wire: Wire) -> None:
    assert {field.name for field in fields(Options)} >= set(wire.neutral.values())
    endings = {ending for found in wire.endings.values() for ending in found}
    assert endings <= set(get_args(Ending)) - {"unknown"}


@of_each_wire
@given(body=st.binary(), stream=st.booleans(), status=st.sampled_from([200, 400, 500, None]))
def test_a_wire_reads_any_bytes(wire: Wire, body: bytes, stream: bool, status: int | None) -> None:
    exchange = Exchange(
        request={**wire.request(CASES[0]), "stream": stream},
        status=status,
        reads=(Read(0.1, body),) if body else (),
    )
    answer = wire.read(exchange)
    assert answer.exchange is exchange
    assert (answer.stream is not None) is stream
    assert all(turn.ending in turn.endings for turn in answer.turns)
    assert wire.refusal(answer) is None
    assert wire.follow_up(CASES[0], answer) is None
    assert not wire.is_too_long(answer, SCRIPTED)
    assert wire.tokens.said(answer) is None
    assert wire.tokens.of_script(answer) == wire.tokens.prompt(answer) == ()
    assert wire.misfit(wire.supposed(answer)) is None
    cost = wire.meter.used(exchange)
    assert cost.requests == 1
    assert cost.tokens >= 0


@of_each_wire
def test_the_official_client_of_a_wire_raises_nothing(wire: Wire) -> None:
    for body in (b"", b"{}", b"data: {}\n\n", b"\xff"):
        for stream in (False, True):
            came = Exchange(request={"stream": stream}, status=200, reads=(Read(0, body),))
            assert wire.client(came).client


@of_each_wire
def test_a_wire_greets_limits_and_reads_tokens(wire: Wire) -> None:
    said = wire.greeting.hello("m", (Piece("text", "one word"),))
    assert "one word" in json.dumps(said)
    assert "one word" not in json.dumps(wire.greeting.hello("m", None))
    assert wire.greeting.with_tool(said).items() > said.items()
    nothing: list[Json] = [None, {}, [], "x"]
    assert {wire.greeting.text(document) for document in nothing} == {None}
    assert {tuple(wire.greeting.ids(document)) for document in nothing} == {()}
    body = wire.ask(CASES[0], PROMPT, SCRIPTED, None)
    assert wire.asked(wire.limited(body, 9)).options.limit == 9
    assert wire.meter.limit(wire.limited(body, 9)) == 9
    assert wire.meter.prompt(body) > 0
    assert wire.tokens.shown(body).items() > body.items()
    assert wire.tokens.bare(body) != body


@of_each_wire
def test_a_person_can_send_a_request_of_a_wire(wire: Wire) -> None:
    assert f"http://localhost{wire.path} " in wire.curl({"a": 1}, "http://localhost/v1")
