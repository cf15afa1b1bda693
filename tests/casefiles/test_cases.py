"""The cases that come with the suite keep the promises that a reader relies on."""

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pytest

from conformance.casefiles import casefile
from conformance.formats import FORMATS, Inexpressible
from conformance.formats.format import text_of
from conformance.scripting import script_in
from conformance.terms.case import Case, Expectation
from tests import shipped

FOLDER = casefile.shipped()
CASES = shipped.cases()
FILES = sorted(FOLDER.glob("*.yaml"))
ORDERS = re.compile(
    r"\b(should|must|shall|test that|tests|check that|checks|ensure|verif\w+)\b", re.I
)


def sentences(case: Case) -> list[str]:
    return [case.about, *([case.why] if case.why else []), *case.omits.values()]


def ids(cases: Iterable[Case]) -> list[str]:
    return [case.id for case in cases]


def test_every_file_of_the_folder_has_cases() -> None:
    assert {case.path for case in CASES} == {path for path in FILES if path.name != casefile.TOOLS}


def test_every_title_is_said_once() -> None:
    titles = Counter(case.about for case in CASES)
    assert [title for title, times in titles.items() if times > 1] == []


def test_no_two_cases_ask_and_say_the_same() -> None:
    facts = Counter(
        repr((c.messages, c.tools, c.options, c.wire, c.says, c.raw, c.cut_after)) for c in CASES
    )
    assert [fact for fact, times in facts.items() if times > 1] == []


def test_every_sentence_says_what_is_true_and_ends() -> None:
    wrong = [
        (case.id, sentence)
        for case in CASES
        for sentence in sentences(case)
        if ORDERS.search(sentence) or not sentence.endswith((".", "!"))
    ]
    assert wrong == []


def test_every_shared_tool_is_used() -> None:
    offered = {tool["function"]["name"] for case in CASES for tool in case.tools}
    assert sorted(casefile.load_tools(FOLDER / casefile.TOOLS).keys() - offered) == []


def test_every_tool_and_parameter_is_described_except_where_the_case_is_about_tools() -> None:
    bare = {
        tool["function"]["name"]
        for case in CASES
        if not case.id.startswith("tools/")
        for tool in case.tools
        for part in (tool["function"], *tool["function"]["parameters"]["properties"].values())
        if not part.get("description")
    }
    assert bare == set()


def test_every_case_expects_something() -> None:
    assert ids([case for case in CASES if case.expect == Expectation()]) == []


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_every_format_has_a_script_for_every_case_or_a_reason_against_it(name: str) -> None:
    owed = [
        f"the format {name} owes {case.id} a text under raw, or a reason under omits"
        for case in CASES
        if case.says is None and not case.expect.refused
        if name not in case.raw and name not in case.omits
    ]
    assert not owed, "\n".join(owed)


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_every_format_writes_what_each_case_says_and_reads_it_back_or_says_why_not(
    name: str,
) -> None:
    written = FORMATS[name]
    said = [case for case in CASES if case.says is not None and name not in case.omits]
    wrong, reasons = [], {}
    for case in said:
        try:
            script = written.write(case.says or ())
        except Inexpressible as problem:
            reasons[case.id] = str(problem)
        else:
            wrong += [case.id] if written.read(script) != case.says else []
    assert wrong == []
    assert all(reasons.values())
    assert len(reasons) < len(said) / 2


def test_every_call_in_a_history_has_one_result_before_another_message() -> None:
    wrong = []
    for case in CASES:
        open_calls: set[str] = set()
        for message in case.messages:
            if message["role"] == "tool" and message["tool_call_id"] in open_calls:
                open_calls.remove(message["tool_call_id"])
            elif message["role"] == "tool" or open_calls:
                wrong.append((case.id, message))
            open_calls |= {call["id"] for call in message.get("tool_calls", [])}
        wrong += [(case.id, call) for call in open_calls]
    assert wrong == []


def test_every_id_in_a_history_is_nine_letters_and_digits_except_where_the_case_is_about_ids() -> (
    None
):
    found = [
        call["id"]
        for case in CASES
        if not re.match(r"messages/(\w+-)*ids", case.id)
        for message in case.messages
        for call in message.get("tool_calls", [])
    ]
    assert found
    assert [name for name in found if not re.fullmatch("[a-zA-Z0-9]{9}", name)] == []


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_every_cut_is_at_a_text_that_the_format_writes(name: str) -> None:
    found = [case for case in CASES if case.cut_after is not None and name not in case.omits]
    assert found
    texts = {case.id: text_of(script_in(case, name)) for case in found}
    assert [case.id for case in found if (case.cut_after or "") not in texts[case.id]] == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_file_names_its_schema_and_opens_with_its_scope(path: Path) -> None:
    schema = "tools" if path.name == casefile.TOOLS else "case"
    first, second, third, *_ = path.read_text("utf-8").splitlines()
    named = f"# yaml-language-server: $schema=../conformance/schemas/{schema}.json"
    assert (first, second) == (named, "#")
    assert re.match(r"# [A-Z]", third)


def test_the_long_argument_has_ten_kilobytes() -> None:
    (case,) = [case for case in CASES if case.id == "long/ten-kilobytes"]
    assert case.expect.calls is not None
    assert 10_000 <= len(case.expect.calls[0].arguments) <= 12_000
