"""What a sampled run comes to: how often the model called, and whose the faults are."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from conformance import rates
from conformance.attribution import Fault
from conformance.model import Case, Outcome, Server
from conformance.rates import Rate
from conformance.recorded import ItemResult, Results
from conformance.report.terminal import WIDTH

Result = Mapping[str, Any]
"""One entry of `results`."""


def left_out(server: Server, cases: Iterable[Case]) -> Iterator[str]:
    """Say how many cases are not asked of a sampled model."""
    count = sum(not case.sampled for case in cases)
    if server.emission == "sampled" and count:
        cases_told = "1 case" if count == 1 else f"{count} cases"
        yield f"left out: {cases_told}, because only a script makes a model say that"


def calls(items: Sequence[Result]) -> Rate:
    """Count the attempts in which the model made the wanted call."""
    told = [one["called"] for item in items for one in item.get("attempts", ())]
    return Rate(sum(one is True for one in told), sum(one is not None for one in told))


def lines(items: Sequence[Result], required: float | None) -> Iterator[str]:
    """Say how often the model called, and how many items failed or stayed open by whose fault."""
    attempts = sum(len(item.get("attempts", ())) for item in items)
    if not attempts:
        return
    yield f"wanted calls made: {calls(items)}; {attempts} answers to {len(items)} items"
    owners = Counter(item["fault"] for item in items if item.get("fault"))
    if owners:
        told = ", ".join(f"{owners[fault]} {fault}" for fault in map(str, Fault) if owners[fault])
        yield f"failed or not decided, by whose fault it is: {told}"
    flaky = sum(len({one["outcome"] for one in item.get("attempts", ())}) > 1 for item in items)
    if flaky:
        yield f"items that came out otherwise from one attempt to the next: {flaky}"
    if required is not None and (lacking := shortfall(items, required)):
        yield lacking


def shortfall(items: Sequence[Result], required: float) -> str | None:
    """Say that the model called too seldom, if so; no wanted call at all is too seldom."""
    rate = calls(items)
    if not rate.of:
        return f"--require-calls={required:g}: FAILED, no call was wanted in any item"
    if rate.value < required:
        return f"--require-calls={required:g}: FAILED, the model made {rate} of the wanted calls"
    return None


def against_baseline(old: Results, new: Results) -> Iterator[str]:
    """Compare how often the model called, and each rule was broken, in the items of both runs."""
    shared = {item.key for item in old.items} & {item.key for item in new.items}
    before, after = (
        [item for item in one.items if item.key in shared and item.attempts] for one in (old, new)
    )
    yield from textwrap.wrap(
        f"wanted calls: {_apart(_calls(before), _calls(after))}", WIDTH, subsequent_indent="  "
    )
    was, now = _broken(before), _broken(after)
    clear = 0
    for rule in sorted(was.keys() | now.keys()):
        left, right = was.get(rule, Rate(0, _asked(before))), now.get(rule, Rate(0, _asked(after)))
        clear += rates.rose(left, right) or rates.fell(left, right)
        yield from textwrap.wrap(
            f"{rule} broken: {_apart(left, right)}", WIDTH, subsequent_indent="  "
        )
    told = f"{clear} of {len(was.keys() | now.keys())} rates of broken rules differ beyond chance"
    yield f"{told} (95 %), over {len(shared)} items"


def _apart(old: Rate, new: Rate) -> str:
    word = "more often" if rates.rose(old, new) else "less often"
    clear = rates.rose(old, new) or rates.fell(old, new)
    return f"{old} then, {new} now: {word if clear else 'no clear change'}"


def _calls(items: Sequence[ItemResult]) -> Rate:
    told = [one.called for item in items for one in item.attempts]
    return Rate(sum(one is True for one in told), sum(one is not None for one in told))


def _asked(items: Sequence[ItemResult]) -> int:
    unasked = {Outcome.NA, Outcome.ERROR}
    return sum(one.outcome not in unasked for item in items for one in item.attempts)


def _broken(items: Sequence[ItemResult]) -> dict[str, Rate]:
    counted = Counter(rule for item in items for one in item.attempts for rule in one.broken)
    return {rule: Rate(count, _asked(items)) for rule, count in counted.items()}
