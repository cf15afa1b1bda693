"""Each failing or undecided item of a sampled run is somebody's."""

from __future__ import annotations

import pytest

from conformance.base.jsonvalue import Json
from conformance.rules import RULES
from conformance.terms.outcome import Finding, Outcome
from conformance.verdicts import blame
from conformance.verdicts.blame import Blame
from conformance.verdicts.spoken import Reading
from conformance.verdicts.transcript import Transcript, difference, missing_in
from conformance.verdicts.verdict import Judgement, Verdict

HEARD = Reading(text="Hi.", calls=())


def judged(rule: str, outcome: Outcome, reason: str | None = None) -> Judgement:
    findings = (Finding(where="w", expected="e", actual="a"),) if outcome is Outcome.FAIL else ()
    return Judgement(rule=RULES[rule], outcome=outcome, findings=findings, reason=reason)


def verdict(outcome: Outcome, *judgements: Judgement) -> Verdict:
    return Verdict(outcome=outcome, judgements=judgements)


def fault(
    found: Verdict,
    reading: Reading | None = HEARD,
    *,
    irrelevant: bool = False,
    unshown: str | None = None,
    lost: bool = False,
) -> Blame | None:
    return blame.blame_for(found, reading, irrelevant=irrelevant, unshown=unshown, lost=lost)


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_has_somebody_to_blame(rule: str) -> None:
    assert blame.owner(rule) in {Blame.TEMPLATE, Blame.PARSER, Blame.SERVER}


def test_no_table_names_a_rule_or_an_area_that_is_none() -> None:
    areas = {rule.partition(".")[0] for rule in RULES}
    assert blame.AREAS.keys() == areas
    assert blame.EXCEPTIONS.keys() | blame.MODELS_OWN | blame.FORCED <= RULES.keys()


@pytest.mark.parametrize(
    ("rules", "owner"),
    [
        (["said.calls"], Blame.PARSER),
        (["said.finish"], Blame.SERVER),
        (["chunk.name.once"], Blame.SERVER),
        (["template.tools"], Blame.TEMPLATE),
        (["sse.done", "said.arguments"], Blame.PARSER),
        (["args.schema", "sse.done"], Blame.SERVER),  # SHOULD yields to MUST
    ],
)
def test_a_failure_is_of_whom_its_rule_is(rules: list[str], owner: Blame) -> None:
    assert fault(verdict(Outcome.FAIL, *(judged(one, Outcome.FAIL) for one in rules))) is owner


def test_who_passes_is_at_no_fault() -> None:
    assert fault(verdict(Outcome.PASS)) is None
    assert fault(verdict(Outcome.NA)) is None
    assert fault(verdict(Outcome.KNOWN)) is None


def test_an_answer_that_does_not_come_is_the_servers_and_a_stale_list_ours() -> None:
    assert fault(verdict(Outcome.ERROR)) is Blame.SERVER
    assert fault(verdict(Outcome.STALE)) is Blame.SUITE


@pytest.mark.parametrize("rule", sorted(blame.FORCED))
def test_a_forced_call_that_the_tokens_hold_and_the_client_lacks_is_the_parsers(rule: str) -> None:
    found = verdict(Outcome.FAIL, judged(rule, Outcome.FAIL))
    assert fault(found) is Blame.SERVER
    assert fault(found, lost=True) is Blame.PARSER
    other = verdict(Outcome.FAIL, judged("usage.final-chunk", Outcome.FAIL))
    assert fault(other, lost=True) is Blame.SERVER


def test_a_model_that_does_not_call_is_at_fault_if_it_could_know_and_we_do() -> None:
    found = verdict(Outcome.INCONCLUSIVE)
    assert fault(found, irrelevant=True) is Blame.MODEL
    assert fault(found, None, irrelevant=True) is Blame.UNCLEAR
    assert fault(found, irrelevant=True, unshown="the tool") is Blame.TEMPLATE


@pytest.mark.parametrize(
    ("reason", "reading", "owner"),
    [
        (f"{blame.OWN_TEXT}: odd", HEARD, Blame.MODEL),
        (blame.NO_TRANSCRIPT, None, Blame.UNCLEAR),
        ("the schema of 'f' cannot be used: no", HEARD, Blame.SUITE),
    ],
)
def test_an_open_rule_is_of_whom_its_reason_says(
    reason: str, reading: Reading | None, owner: Blame
) -> None:
    open_rule = judged("args.schema", Outcome.INCONCLUSIVE, reason)
    assert fault(verdict(Outcome.INCONCLUSIVE, open_rule), reading) is owner


def test_a_stream_of_other_tokens_is_the_models_and_one_without_them_the_servers() -> None:
    unlike = verdict(Outcome.INCONCLUSIVE, judged("equiv.calls", Outcome.INCONCLUSIVE, "x"))
    assert fault(unlike) is Blame.MODEL
    assert fault(unlike, None) is Blame.SERVER


def test_streams_are_compared_with_the_same_tokens_only() -> None:
    one, two = Transcript(ids=(1, 2), reading=HEARD), Transcript(ids=(1, 3), reading=HEARD)
    assert difference(one, one) is None
    assert difference(one, two) == 'the model said "Hi." complete, and "Hi." streamed'
    assert difference(one, Transcript()) == "not all token ids of the stream are shown"


CALL: Json = {"id": "c", "type": "function", "function": {"name": "get_time", "arguments": "{}"}}
REQUEST: Json = {
    "tools": [{"type": "function", "function": {"name": "set_lamp"}}],
    "messages": [
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "c", "content": "noon"},
    ],
}


@pytest.mark.parametrize(
    ("prompt", "missing"),
    [
        ("set_lamp get_time noon", None),
        ("get_time noon", "the prompt does not show the tool 'set_lamp'"),
        ("set_lamp noon", "the prompt does not show the earlier call of 'get_time'"),
        ("set_lamp get_time", 'the prompt does not show the result "noon"'),
    ],
)
def test_a_prompt_that_hides_something_is_the_templates_fault(
    prompt: str, missing: str | None
) -> None:
    assert missing_in(prompt, REQUEST) == missing


def test_a_prompt_need_not_show_what_may_not_be_called_or_can_be_respelt() -> None:
    assert missing_in("get_time noon", {**REQUEST, "tool_choice": "none"}) is None
    quoted = {"role": "tool", "tool_call_id": "c", "content": '"é"'}
    assert missing_in("set_lamp", {**REQUEST, "messages": [quoted]}) is None
