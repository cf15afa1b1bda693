"""The outcome of a sampled run: how often the model called, and whose faults there are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from conformance.base import statistics
from conformance.base.printable import counted, wrapped
from conformance.base.statistics import Rate
from conformance.report.terminal import WIDTH
from conformance.results.reader import ItemResult, Results
from conformance.runs.emissions import emission_of
from conformance.terms.case import Case
from conformance.terms.server import Server
from conformance.verdicts.blame import Blame

_WHOSE = {Blame.UNCLEAR.value: "the model's fault or the parser's"}


def left_out(server: Server, cases: Iterable[Case]) -> Iterator[str]:
    """Say how many cases a run against such a server leaves out, and why."""
    why_not = emission_of(server).strategy.why_not
    for reason, count in Counter(filter(None, map(why_not, cases))).items():
        yield f"left out: {counted(count, 'case')}, because {reason}"


def lines(results: Results) -> Iterator[str]:
    """Say how often the model called, and whose faults left items failed or not decided."""
    attempts = sum(len(item.attempts) for item in results.items)
    if not attempts:
        return
    answers = f"{counted(attempts, 'answer')} to {_items(results)}"
    yield f"wanted calls made: {_calls(results.items)}; {answers}"
    owners = Counter(item.fault for item in results.items if item.fault)
    if owners:
        listed = ", ".join(f"{owners[fault]} {fault}" for fault in map(str, Blame) if owners[fault])
        yield f"failed or not decided, by whose fault it is: {listed}"
    unsteady = sum(len({one.outcome for one in item.attempts}) > 1 for item in results.items)
    if unsteady:
        yield f"items whose outcome changed from one attempt to the next: {unsteady}"
    if lacking := shortfall(results):
        yield lacking


def summary(results: Results) -> Iterator[str]:
    """Write the same for a terminal."""
    for line in lines(results):
        yield from _indented(line)


def _items(results: Results) -> str:
    return counted(len(results.items), "item")


def shortfall(results: Results) -> str | None:
    """Say so if the model called too seldom, or if no item wanted a call."""
    required, rate = results.run.require_calls, _calls(results.items)
    if required is None:
        return None
    if not rate.of:
        return f"--require-calls={required:g}: FAILED, no call was wanted in any item"
    if rate.value < required:
        return f"--require-calls={required:g}: FAILED, only {rate} of the wanted calls were made"
    return None


def reason(item: ItemResult) -> str | None:
    """Give the reason for an item's outcome, whose fault it is, and the outcome of each attempt."""
    whose = item.fault and _WHOSE.get(item.fault, f"the {item.fault}'s fault")
    words = f"{item.reason} ({whose})" if item.reason and whose else item.reason or whose or ""
    if len(item.attempts) > 1:
        each_of = Counter(str(one.outcome) for one in item.attempts)
        each = ", ".join(f"{count} {outcome}" for outcome, count in each_of.items())
        words = f"{words}{'; ' if words else ''}{len(item.attempts)} attempts: {each}"
    return words or None


def against_baseline(old: Results, new: Results) -> Iterator[str]:
    """Compare how often the model called and broke each rule, in the items that both runs have."""
    shared = {item.key for item in old.items} & {item.key for item in new.items}
    before, after = (
        [item for item in one.items if item.key in shared and item.attempts] for one in (old, new)
    )
    yield from _indented(f"wanted calls: {_difference(_calls(before), _calls(after))}")
    was, now = _broken(before), _broken(after)
    clear = 0
    for rule in sorted(was.keys() | now.keys()):
        left, right = was.get(rule, Rate(0, _asked(before))), now.get(rule, Rate(0, _asked(after)))
        clear += statistics.rose(left, right) or statistics.fell(left, right)
        yield from _indented(f"{rule} broken: {_difference(left, right)}")
    differing = (
        f"{clear} of {len(was.keys() | now.keys())} rates of broken rules differ beyond chance"
    )
    yield f"{differing} (95 %), over {counted(len(shared), 'item')}"


def _indented(text: str) -> list[str]:
    return wrapped(text, WIDTH, rest="  ")


def _difference(old: Rate, new: Rate) -> str:
    word = "more often" if statistics.rose(old, new) else "less often"
    clear = statistics.rose(old, new) or statistics.fell(old, new)
    return f"{old} then, {new} now: {word if clear else 'no clear change'}"


def _calls(items: Sequence[ItemResult]) -> Rate:
    called = [one.called for item in items for one in item.attempts]
    return Rate(sum(one is True for one in called), sum(one is not None for one in called))


def _asked(items: Sequence[ItemResult]) -> int:
    return sum(one.answered for item in items for one in item.attempts)


def _broken(items: Sequence[ItemResult]) -> dict[str, Rate]:
    broken = Counter(rule for item in items for one in item.attempts for rule in one.broken)
    return {rule: Rate(count, _asked(items)) for rule, count in broken.items()}
