"""What a copying model is made to say is known, so its server is judged as if it had a script."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from conformance.base.jsonvalue import Json
from conformance.client import probe, recording, ruler
from conformance.client.probe import ProbeProblem
from conformance.copying.asking import NotSaid, dressed, tokens_of
from conformance.copying.family import REACH
from conformance.formats import FORMATS, Format
from conformance.formats.format import text_of
from conformance.reference import FAULTS, Reference, app, copying_model
from conformance.reference.pretend_model import Says
from conformance.runs.emissions import copied, modes_of_case
from conformance.scripting import NotApplicable
from conformance.terms.case import CHARACTERS, COMPLETE, STREAM
from conformance.terms.outcome import Outcome
from conformance.terms.said import Piece, Script
from conformance.terms.server import Copies
from conformance.verdicts.item import Judged
from conformance.wires.registry import DEFAULT
from tests.runs.test_emissions import CASE, SERVER
from tools.kill_matrix import SHIPPED, Matrix, judge, server_of

COPIES = Copies(distances={"user": 100, "tool": 90}, marks={"<m>": 1, "<spelled>": 9, "<e>": 1})
ASKED = ({"role": "user", "content": "Hello?"},)


@pytest.fixture(scope="module")
def matrix() -> Iterator[Matrix]:
    with Matrix(REACH) as running:
        yield running


def broken(found: list[Judged]) -> list[tuple[str, str, str]]:
    bad = (Outcome.FAIL, Outcome.ERROR, Outcome.INCONCLUSIVE)
    return [
        (one.item.case.id, one.item.mode.name, str(one.verdict.reason))
        for one in found
        if one.verdict.outcome in bad
    ]


@pytest.mark.slow
@pytest.mark.parametrize("format", FORMATS)
def test_every_shipped_case_passes_or_says_why_it_cannot_be_said(format: str) -> None:
    with Reference(format, reach=REACH) as running:
        found = judge(running, format, SHIPPED, [COMPLETE, STREAM], copies=True)
    assert broken(found) == []
    out = [one for one in found if one.verdict.outcome is Outcome.NA]
    reasons = {str(one.verdict.reason).partition(" ")[0] for one in out}
    assert len(out) < len(found) / 5, reasons


IN_WORDS = {"limits/call-cut", "limits/text-cut"}
"""Cases with a limit that counts words, which bytes are not."""


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in FAULTS if not {*FAULTS[name].cases} <= IN_WORDS])
def test_a_fault_is_caught_as_with_scripts(name: str, matrix: Matrix) -> None:
    assert FAULTS[name].owner in matrix.tripped(name)


def test_a_limit_that_counts_words_is_not_for_a_model_that_says_bytes() -> None:
    for id in IN_WORDS:
        assert copied.why_not(SHIPPED[id])


def test_calls_texts_and_what_follows_them_are_said_and_judged() -> None:
    cases = ["parallel/two-cities", "text/no-call", "strings/emoji", "turns/own-answer-back"]
    with Reference("hermes", reach=REACH) as running:
        found = judge(running, "hermes", cases, [COMPLETE, STREAM], copies=True)
    assert [one.verdict.outcome for one in found] == [Outcome.PASS] * 8
    assert all("vllm_xargs" not in one.answer.exchange.request for one in found if one.answer)


def test_a_script_that_the_server_diverts_is_not_applicable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    says = copying_model.copying(REACH)
    monkeypatch.setattr(
        app, "copying", lambda reach: lambda body, format: _other(says, body, format)
    )
    with Reference("hermes", reach=REACH) as running:
        found = judge(running, "hermes", ["text/no-call"], [COMPLETE], copies=True)
    assert [one.verdict.outcome for one in found] == [Outcome.NA]
    assert "a grammar or the template kept the model from saying its text" in str(
        found[0].verdict.reason
    )


def _other(says: Says, body: Json, format: Format) -> Script:
    """Say the ruler's text as it is, and everything else otherwise."""
    said = says(body, format)
    digits = text_of(said).startswith(tuple(".0123456789"))
    return said if digits else (Piece("text", "Something else."),)


def test_a_copying_model_is_measured_before_a_run() -> None:
    with Reference("hermes", reach=500) as running:
        copies = server_of(running.url, "hermes", copies=True).copies
    after = len("<|im_start|>assistant\n") - len("<|im_start|>") + 1
    foot = 2 + after  # the end of the turn and its line end
    inside = len("\n</tool_response>")
    assert copies is not None
    assert copies.distances == {
        "user": 500 - foot,
        "system": 500 - foot,
        "tool": 500 - foot - inside,
    }
    assert set(copies.marks.values()) == {1}


def test_a_longer_reach_is_measured_with_a_longer_ruler() -> None:
    with Reference("hermes", reach=15_000) as running:
        copies = server_of(running.url, "hermes", copies=True).copies
    assert copies is not None
    assert copies.distances["user"] == 15_000 - 13


def test_a_model_that_copies_nothing_is_no_copying_model() -> None:
    told = r"--emission copied: 'reference' of .* does not say"
    with Reference("hermes", scripted=False) as running, pytest.raises(ProbeProblem, match=told):
        server_of(running.url, "hermes", copies=True)


def test_a_model_is_tried_only_where_its_name_or_the_user_says_so() -> None:
    with Reference("hermes", reach=500) as running:
        found = probe.examine(running.url, greeting=DEFAULT.greeting, parser="hermes")
        assert (found.emission, found.copies) == ("sampled", None)


@pytest.mark.parametrize("answer", ["", "no", "00012.00013.x", "99999.", None])
def test_a_ruler_is_not_read_by_chance(answer: str | None) -> None:
    assert ruler.measure(lambda messages, tokens: answer, FORMATS["hermes"]) is None


def test_a_model_that_goes_on_counting_copies_nothing() -> None:
    says = ruler.ruler(100)[:16]
    assert ruler.measure(lambda messages, tokens: says, FORMATS["hermes"]) is None


@pytest.mark.parametrize("start", range(60, 67))
def test_a_place_on_the_ruler_is_read_wherever_the_answer_begins(start: int) -> None:
    shown = ruler.ruler(50)
    assert ruler.place(shown[start : start + 16], shown) == start


def test_a_script_stands_where_the_model_looks() -> None:
    script = (Piece("marker", "<m>"), Piece("text", "Zürich"), Piece("marker", "<spelled>"))
    (message,) = dressed(ASKED, script, COPIES, end="<e>")
    head, found, rest = message["content"].partition("<m>Zürich<spelled><e>")
    assert head == "Hello?\n"
    assert found
    assert tokens_of(found + rest, COPIES.marks) == 100
    assert {*rest} == {"."}


def test_a_list_of_parts_gets_one_more() -> None:
    parts = [{"type": "text", "text": "Hello?"}]
    (message,) = dressed(({"role": "user", "content": parts},), (), COPIES, end="<e>")
    assert message["content"] == [*parts, {"type": "text", "text": "<e>" + "." * 99}]


@pytest.mark.parametrize(
    ("role", "script", "reason"),
    [
        ("assistant", (), "where the model looks after a message of assistant is not known"),
        ("user", (Piece("text", "a" * 101),), "the script has 102 tokens, and the model looks 100"),
        ("user", (Piece("text", "a <m>"),), "the text quotes <m>, which a prompt makes a token of"),
        ("user", (Piece("control", "<c>"),), "the vocabulary has no control token <c>"),
        ("user", (Piece("control", "<spelled>"),), "the vocabulary has no control token <spelled>"),
    ],
)
def test_what_cannot_be_said_has_its_reason(role: str, script: Script, reason: str) -> None:
    with pytest.raises(NotSaid, match=re.escape(reason)):
        dressed(({"role": role, "content": "Hello?"},), script, COPIES, end="<e>")


def test_a_mark_that_is_spelled_may_be_quoted() -> None:
    dressed(ASKED, (Piece("text", "a <spelled>"),), COPIES, end="<e>")


def test_only_modes_in_which_the_server_cuts_are_played() -> None:
    server = replace(SERVER, emission="copied", copies=COPIES)
    found = modes_of_case(CASE, [COMPLETE, STREAM, CHARACTERS], server)
    assert found == [COMPLETE, STREAM]


def test_tapes_keep_where_the_model_looked(tmp_path: Path) -> None:
    server = replace(SERVER, emission="copied", copies=COPIES)
    recording.begin(tmp_path, server, via="server-url", repeat="")
    assert recording.facts(tmp_path).server.copies == COPIES


def test_a_case_is_not_asked_where_nothing_was_measured() -> None:
    server = replace(SERVER, emission="copied")
    with pytest.raises(NotApplicable, match="where the model looks was not measured"):
        copied.foresee(DEFAULT, CASE, COMPLETE, server)


def test_the_head_of_a_run_says_how_far_the_model_looks() -> None:
    assert copied.about(replace(SERVER, emission="copied", copies=COPIES)).endswith(
        "so much at most: 100 tokens after user, 90 tokens after tool"
    )
