"""Which fault of the reference server trips which rules.

`python -m tests.kill_matrix` writes the page.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from conformance import casefile
from conformance.exchange import Limits
from conformance.formats import PARSERS
from conformance.known import Known
from conformance.model import Mode, Outcome, Server
from conformance.reference import FAULTS, Reference
from conformance.reference.fault import NONE, Fault
from conformance.request import COMPLETE, STREAM, modes_of
from conformance.rules import RULES
from conformance.session import Item, Judged, Session

PAGE = Path(__file__).parents[1] / "docs" / "kill-matrix.md"
CASES = {case.id: case for case in casefile.load_folder(casefile.shipped())}
QUICK = Limits(connect=5, first_byte=10, silence=1, whole=3, size=4_000_000)
WHOLE = Mode(name="stream-interval-1000", stream=True, interval=1000)
MODES = [COMPLETE, STREAM, WHOLE]
SHOWING = [
    "choice/named",
    "choice/none",
    "choice/one-at-a-time",
    "choice/required",
    "limits/call-cut",
    "parallel/empty-between",
    "refused/unknown-tool-choice",
    "strings/emoji",
    "text/before-two-calls",
    "text/usage-asked",
]
"""Cases that each fault shows in, one or another."""


class Switch:
    """A fault that can be changed while the server runs."""

    def __init__(self) -> None:
        self.now = NONE

    def fault(self) -> Fault:
        return Fault(
            name="switch",
            about="Whatever is chosen.",
            owner="error",
            chunks=lambda chunks: self.now.chunks(chunks),
            body=lambda body: self.now.body(body),
            wire=lambda events: self.now.wire(events),
            response=lambda response: self.now.response(response),
            refusal=lambda request, response: self.now.refusal(request, response),
        )


def server_of(reference: Reference, format: str) -> Server:
    """Say what a probe would find out, without the time that it takes."""
    return Server(
        url=reference.url,
        model="reference",
        implementation="reference",
        version=None,
        parser=next(parser for parser, own in PARSERS.items() if format.startswith(own)),
        format=format,
        emission="scripted",
        intervals=True,
    )


def judge(
    reference: Reference,
    format: str,
    cases: Sequence[str],
    modes: Sequence[Mode],
    limits: Limits | None = None,
) -> list[Judged]:
    """Ask for every case in every mode, and judge the answers."""
    session = Session(server_of(reference, format), known=Known(), limits=limits or Limits())
    try:
        chosen = [CASES[case] for case in cases]
        items = [Item(case=case, mode=mode) for case in chosen for mode in modes_of(case, modes)]
        session.ask_ahead(items)
        return [session.judge(item) for item in items]
    finally:
        session.close()


def tripped(switch: Switch, running: Reference, name: str) -> set[str]:
    """Name the rules that a fault trips, and `error` where an answer was none at all."""
    switch.now = FAULTS[name]
    found = judge(running, "hermes", SHOWING, MODES, QUICK)
    rules = {one.rule.id for judged in found for one in judged.verdict.of(Outcome.FAIL)}
    errors = {"error" for judged in found if judged.verdict.outcome is Outcome.ERROR}
    return rules | errors


def row(name: str, told: Iterable[str]) -> str:
    """Write the line of one fault: its name, its owner, and whatever else it trips."""
    owner = FAULTS[name].owner
    others = ", ".join(f"`{rule}`" for rule in sorted(set(told) - {owner}))
    return f"| `{name}` | `{owner}` | {others} |"


def page(told: Mapping[str, set[str]]) -> str:
    """Write the whole page."""
    free = sorted(set(RULES) - set().union(*told.values()))
    lines = [
        "# Which fault trips which rule",
        "",
        "Each fault of the reference server, over some shipped cases in the Hermes format:",
        f"{', '.join(SHOWING)}; complete, streamed token by token, and streamed in one delta.",
        "`error` is no rule: there was no whole answer to judge. What a fault trips beside its",
        "owner is another effect of it, in another case or mode. `make docs` renews this page.",
        "",
        "| fault | owner | trips as well |",
        "| --- | --- | --- |",
        *(row(name, rules) for name, rules in told.items()),
        "",
        f"{len(RULES) - len(free)} of {len(RULES)} rules are tripped. The others have samples",
        "only, in `tests/samples`:",
        f"{', '.join(f'`{rule}`' for rule in free)}.",
        "",
    ]
    return "\n".join(lines)


def main() -> None:
    """Write the page."""
    switch = Switch()
    with Reference("hermes", fault=switch.fault()) as running:
        told = {name: tripped(switch, running, name) for name in FAULTS}
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page(told), "utf-8")


if __name__ == "__main__":
    main()
