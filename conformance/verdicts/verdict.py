"""From findings to outcomes: what a rule found, what is known of it, and what follows."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from conformance.base.printable import cut
from conformance.rules import RULES, Evidence, Rule
from conformance.rules.rule import EVERY
from conformance.terms.case import Case, Mode
from conformance.terms.outcome import Finding, Level, Outcome, Unjudged
from conformance.verdicts.known_issues import Issue, Known, Said
from conformance.verdicts.ownership import remaining

SHOWN = 20
"""How many findings of one rule are kept; more of the same say nothing new."""

MAX_SHOWN_CHARACTERS = 500
"""Of what a finding expected, of what came instead, and of the place."""


NO_BASELINE: Mapping[str, Outcome] = {}

BROKEN = {Outcome.FAIL, Outcome.KNOWN, Outcome.POLICY}
"""Outcomes of a rule that does not hold, excused or not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What one rule came to in one item."""

    rule: Rule
    outcome: Outcome
    findings: tuple[Finding, ...] = ()
    total: int = 0
    """How many findings there were."""
    reason: str | None = None
    issue: Issue | None = None
    """What excuses it, a fault before a policy; a known one without it is the baseline's too."""
    chance: bool = False
    """Issues list it here, and all say that it may fail or pass."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What an item came to."""

    outcome: Outcome
    judgements: tuple[Judgement, ...] = ()
    reason: str | None = None

    def of(self, *outcomes: Outcome) -> list[Judgement]:
        """Give the judgements with any of these outcomes."""
        return [found for found in self.judgements if found.outcome in outcomes]


def judge(evidence: Evidence) -> tuple[Judgement, ...]:
    """Ask every rule; a rule that the answer is not about is `n/a`."""
    asked = {id: _ask(rule, evidence) for id, rule in RULES.items()}
    left = remaining({id: one.findings for id, one in asked.items()}, evidence)
    return tuple(_judgement(RULES[id], one, left[id]) for id, one in asked.items())


def decide(
    judgements: Iterable[Judgement],
    *,
    known: Known,
    case: Case,
    mode: Mode,
    failing_level: Level = Level.MUST,
    irrelevant: str | None = None,
    varies: bool = False,
    said: Said = None,
    before: Mapping[str, Outcome] = NO_BASELINE,
) -> Verdict:
    """Weigh an item's judgements: rules below `failing_level` are shown but decide nothing.

    `irrelevant` says why the answer did not exercise what the item is about, if so. Then a pass
    makes no issue stale, and none where an answer `varies`: the model may have said other words.
    `said` are the classes of what a sampled model said, where that is known.
    `before` has the outcome of each rule in the same item of the baseline, if there is one.
    """
    weighed = tuple(
        _forgive(
            _weigh(
                found,
                known.find(found.rule.id, case, mode.name, said),
                case,
                mode,
                conclusive=irrelevant is None and not varies,
            ),
            before.get(found.rule.id),
        )
        for found in judgements
    )
    return _concluded(weighed, failing_level, irrelevant)


def _concluded(
    weighed: tuple[Judgement, ...], failing_level: Level, irrelevant: str | None
) -> Verdict:
    """Make a verdict of weighed judgements: the gravest counts, then those left undecided."""
    deciding = [found for found in weighed if counts(found.rule.level, failing_level)]
    for outcome in (Outcome.FAIL, Outcome.STALE, Outcome.KNOWN, Outcome.POLICY):
        if any(found.outcome is outcome for found in deciding):
            return Verdict(outcome=outcome, judgements=weighed)
    undecided = (found for found in deciding if found.outcome is Outcome.INCONCLUSIVE)
    reason = irrelevant or next((f"{one.rule.id}: {one.reason}" for one in undecided), None)
    outcome = Outcome.INCONCLUSIVE if reason else Outcome.PASS
    return Verdict(outcome=outcome, judgements=weighed, reason=reason)


GRAVEST_FIRST = (
    Outcome.FAIL,
    Outcome.STALE,
    Outcome.ERROR,
    Outcome.KNOWN,
    Outcome.POLICY,
    Outcome.PASS,
    Outcome.INCONCLUSIVE,
    Outcome.NA,
)
"""Which of several attempts at one item decides: no later pass makes up for a fault."""


def merge(
    verdicts: Sequence[Verdict],
    *,
    worse: Collection[str] = (),
    failing_level: Level = Level.MUST,
) -> Verdict:
    """Make one verdict of several on the same item, the gravest; rule by rule too.

    The baseline does not excuse the rules in `worse`.
    """
    judged: dict[str, Judgement] = {}
    for found in (found for verdict in verdicts for found in verdict.judgements):
        if found.rule.id in worse and found.outcome is Outcome.KNOWN and found.issue is None:
            found = replace(found, outcome=Outcome.FAIL)
        kept = judged.setdefault(found.rule.id, found)
        if _gravity(found.outcome) < _gravity(kept.outcome):
            judged[found.rule.id] = found
    gravest = min(verdicts, key=lambda verdict: _gravity(verdict.outcome))
    failed = any(
        found.outcome is Outcome.FAIL and counts(found.rule.level, failing_level)
        for found in judged.values()
    )
    outcome = Outcome.FAIL if failed else gravest.outcome
    return replace(gravest, outcome=outcome, judgements=tuple(judged.values()))


def _gravity(outcome: Outcome) -> int:
    return GRAVEST_FIRST.index(outcome)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """What a rule says of an answer, whatever other rules say."""

    findings: tuple[Finding, ...] = ()
    unjudged: str | None = None
    applies: bool = True


def _ask(rule: Rule, evidence: Evidence) -> _Asked:
    if evidence.incomparable is not None and rule.id.startswith("equiv."):
        return _Asked(unjudged=evidence.incomparable)
    if not rule.applies(evidence):
        return _Asked(applies=False)
    found = list(rule.check(evidence))
    reasons = [one.reason for one in found if isinstance(one, Unjudged)]
    return _Asked(
        findings=tuple(one for one in found if isinstance(one, Finding)),
        unjudged=reasons[0] if reasons else None,
    )


def _judgement(rule: Rule, asked: _Asked, left: Sequence[Finding]) -> Judgement:
    if not asked.applies or (asked.findings and not left and rule.yields_to == EVERY):
        return Judgement(rule=rule, outcome=Outcome.NA)
    outcome = Outcome.INCONCLUSIVE if asked.unjudged else Outcome.PASS
    return Judgement(
        rule=rule,
        outcome=Outcome.FAIL if left else outcome,
        findings=tuple(_cut(one) for one in left[:SHOWN]),
        total=len(left),
        reason=asked.unjudged,
    )


def _cut(found: Finding) -> Finding:
    """Limit what a finding shows: a server decides how long its words and numbers are."""
    return replace(
        found,
        where=cut(found.where, MAX_SHOWN_CHARACTERS),
        expected=cut(found.expected, MAX_SHOWN_CHARACTERS),
        actual=cut(found.actual, MAX_SHOWN_CHARACTERS),
    )


def _weigh(
    found: Judgement, issues: Sequence[Issue], case: Case, mode: Mode, *, conclusive: bool
) -> Judgement:
    certain = [issue for issue in issues if issue.fails_in(case, mode.name)]
    found = replace(found, chance=bool(issues) and not certain)
    if found.outcome is Outcome.FAIL:
        return _excused(found, sorted(issues, key=lambda issue: issue.policy))
    if found.outcome is Outcome.PASS and conclusive:
        return replace(found, outcome=Outcome.STALE, issue=certain[0]) if certain else found
    return found


def _excused(found: Judgement, issues: Sequence[Issue]) -> Judgement:
    """Excuse a broken rule if each finding is listed; `issues` has the faults first.

    One that is a fault's makes it known, so that no policy hides a fault beside it.
    """
    listed: list[Issue] = []
    for finding in found.findings:
        issue = _first_that_covers(finding, issues)
        if issue is None:
            return found  # a new fault
        listed.append(issue)
    gravest = min(listed, key=lambda issue: issue.policy)
    outcome = Outcome.POLICY if gravest.policy else Outcome.KNOWN
    return replace(found, outcome=outcome, issue=gravest)


def _forgive(found: Judgement, before: Outcome | None) -> Judgement:
    """Excuse what no issue excuses, if the rule was broken in the baseline too."""
    still = found.outcome is Outcome.FAIL and before in BROKEN
    return replace(found, outcome=Outcome.KNOWN) if still else found


def _first_that_covers(finding: Finding, issues: Sequence[Issue]) -> Issue | None:
    covering = (issue for issue in issues if finding.expected.startswith(issue.says or ""))
    return next(covering, None)


def counts(level: Level, failing_level: Level) -> bool:
    """Whether a rule of this level can fail a run."""
    order = [Level.INFO, Level.SHOULD, Level.MUST]
    return order.index(level) >= order.index(failing_level)
