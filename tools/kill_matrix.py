"""Finds out which fault of the reference server trips which rules.

`python -m tools.kill_matrix` writes the page.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import TracebackType

from conformance.casefiles import casefile
from conformance.client import probe
from conformance.client.live import Limits, Live
from conformance.client.sender import Asker
from conformance.formats import FORMATS
from conformance.formats.registry import parser_of
from conformance.reference import FAULTS, Reference
from conformance.reference.fault import NONE, Fault
from conformance.rules import RULES, Evidence
from conformance.runs.emissions import modes_of_case
from conformance.runs.session import Session
from conformance.terms.case import COMPLETE, STREAM, Mode
from conformance.terms.outcome import Outcome
from conformance.terms.server import Server
from conformance.verdicts.item import Item, Judged
from conformance.verdicts.known_issues import Known
from conformance.verdicts.verdict import decide
from conformance.verdicts.verdict import judge as ask_rules
from conformance.wires.chat import client
from conformance.wires.registry import DEFAULT

PAGE = Path(__file__).parents[1] / "docs" / "kill-matrix.md"
SHIPPED = {case.id: case for case in casefile.load_folder(casefile.shipped())}
OWN = casefile.load(
    Path(__file__).with_name("kill-matrix.yaml"),
    casefile.load_tools(casefile.shipped() / casefile.TOOLS),
)
CASES = SHIPPED | {case.id: case for case in OWN}
LIMITS = {
    "never-begins": Limits(first_byte=0.5, whole=0.5),
    "never-ends": Limits(whole=1),
    "stalls": Limits(silence=0.3),
    "gigantic-event": Limits(size=4_000_000),
    "status-503": Limits(patience=0),
}
"""Limits for the faults that would never end by themselves."""
WITHOUT_TRUTH = {"cut-arguments-closed-twice", "numbers-as-text", "tool-of-its-own"}
"""Faults of rules that stay silent if the truth is known; they are judged as if it were not."""
UNTRIPPED: Mapping[str, str] = {}
"""Rules that no fault of a server can trip, each with the reason."""


class Matrix:
    """Reference servers, one for each format, that switch faults while they run."""

    def __init__(self, reach: int | None = None) -> None:
        """Start nothing yet; with `reach` the servers will play a copying model."""
        self._fault = NONE
        self._reach = reach
        self._open = ExitStack()
        self._servers: dict[str, Reference] = {}
        self._sessions: dict[tuple[str, Limits], Session] = {}

    def __enter__(self) -> Matrix:
        """Give itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End every session and server."""
        self._open.close()

    def judge(self, name: str) -> list[Judged]:
        """Commit a fault, and judge the answers to the cases in which it shows."""
        self._fault = fault = FAULTS[name]
        session = self._session(fault.format, LIMITS.get(name, Limits()))
        # Each fault needs its own names, since a session asks each item once.
        cases = [replace(CASES[id], id=f"{id} {name}") for id in fault.cases]
        modes = [STREAM] if name in LIMITS else [COMPLETE, STREAM]
        items = [
            Item(case=case, mode=mode)
            for case in cases
            for mode in modes_of_case(case, modes, session.server)
        ]
        session.ask_ahead(items)
        judged = [session.judge(item) for item in items]
        return [_without_truth(one, fault) for one in judged] if name in WITHOUT_TRUTH else judged

    def tripped(self, name: str) -> set[str]:
        """Name the rules that a fault trips, and `error` if some answer was not whole."""
        found = self.judge(name)
        rules = {one.rule.id for judged in found for one in judged.verdict.of(Outcome.FAIL)}
        errors = {"error" for judged in found if judged.verdict.outcome is Outcome.ERROR}
        return rules | errors

    def _session(self, format: str, limits: Limits) -> Session:
        if format not in self._servers:
            running = Reference(format, fault=self._switch(), reach=self._reach)
            self._servers[format] = self._open.enter_context(running)
        if (format, limits) not in self._sessions:
            server = server_of(self._servers[format].url, format, copies=self._reach is not None)
            session = Session(server, known=Known(), asker=Asker(Live(server.url, limits=limits)))
            self._open.callback(session.close)
            self._sessions[format, limits] = session
        return self._sessions[format, limits]

    def _switch(self) -> Fault:
        return Fault(
            name="switch",
            about="Whatever is chosen.",
            owner="error",
            request=lambda request: self._fault.request(request),
            reply=lambda reply: self._fault.reply(reply),
            chunks=lambda chunks: self._fault.chunks(chunks),
            body=lambda body: self._fault.body(body),
            wire=lambda events: self._fault.wire(events),
            response=lambda response: self._fault.response(response),
            refusal=lambda request, response: self._fault.refusal(request, response),
            prompt=lambda render, request: self._fault.prompt(render, request),
            turn=lambda request, response: self._fault.turn(request, response),
        )


def server_of(url: str, format: str, *, copies: bool = False) -> Server:
    """Describe a server as a probe would, without its requests unless it copies."""
    parser = parser_of(FORMATS[format])
    if copies:
        found = probe.examine(
            url, greeting=DEFAULT.greeting, parser=parser, format=format, emission="copied"
        )
        return replace(found, implementation="vllm")
    return Server(
        url=url,
        model="reference",
        implementation="vllm",  # the rules for vLLM hold for it, too
        version=None,
        parser=parser,
        format=format,
        emission="scripted",
        takes_interval=True,
        render_path=DEFAULT.greeting.prompts[0],
    )


def _without_truth(judged: Judged, fault: Fault) -> Judged:
    assert judged.answer is not None
    exchange = judged.answer.exchange
    evidence = Evidence(
        answer=judged.answer,
        request=exchange.request,
        asked=DEFAULT.asked(exchange.request),
        format=FORMATS[fault.format],
        client=client.read(exchange),
        implementation="vllm",
    )
    case, mode = judged.item.case, judged.item.mode
    found = decide(ask_rules(evidence), known=Known(), case=case, mode=mode)
    return replace(judged, verdict=found)


def judge(
    reference: Reference,
    format: str,
    cases: Iterable[str],
    modes: Sequence[Mode],
    *,
    copies: bool = False,
) -> list[Judged]:
    """Ask for every case in every mode, and judge the answers."""
    asker = Asker(Live(reference.url, limits=Limits()))
    session = Session(server_of(reference.url, format, copies=copies), known=Known(), asker=asker)
    try:
        server = session.server
        items = [
            Item(case=CASES[id], mode=mode)
            for id in cases
            for mode in modes_of_case(CASES[id], modes, server)
        ]
        session.ask_ahead(items)
        return [session.judge(item) for item in items]
    finally:
        session.close()


def row(name: str, tripped: Iterable[str]) -> str:
    """Write the line of one fault: what it does, its owner, and what else it trips."""
    fault = FAULTS[name]
    others = ", ".join(f"`{rule}`" for rule in sorted(set(tripped) - {fault.owner}))
    does = fault.about.partition(". ")[0].removesuffix(".").replace("|", "\\|")
    return f"| `{name}` | {does} | `{fault.owner}` | {others} |"


def page(tripped: Mapping[str, set[str]]) -> str:
    """Write the whole page."""
    lines = [
        "# Which fault trips which rule",
        "",
        "The reference server can commit any of these faults, one at a time:",
        "`pytest --reference --parser hermes --fault NAME`. Each fault is caught by the rule that",
        "owns it. What it trips as well is another effect of it, or its effect in the other mode.",
        "`error` is not a rule: there was no whole answer to judge. Each fault was asked for the",
        "cases in which it shows, complete and streamed. `make docs` renews this page.",
        "",
        "| fault | what is wrong | caught by | trips as well |",
        "| --- | --- | --- | --- |",
        *(row(name, rules) for name, rules in tripped.items()),
        "",
        "## Which rule is tripped by which faults",
        "",
        f"All of the {len(RULES)} rules" + (f", except {len(UNTRIPPED)}." if UNTRIPPED else "."),
        "",
        "| rule | its own faults | other faults |",
        "| --- | --- | --- |",
        *(_rule_row(rule, tripped) for rule in RULES),
        "",
    ]
    return "\n".join(lines)


def _rule_row(rule: str, tripped: Mapping[str, set[str]]) -> str:
    own = [name for name in tripped if FAULTS[name].owner == rule]
    others = [name for name, rules in tripped.items() if rule in rules and name not in own]
    first = _listed(own) if own else UNTRIPPED.get(rule, "")
    return f"| `{rule}` | {first} | {_listed(others)} |"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def main() -> None:
    """Write the page."""
    with Matrix() as matrix:
        tripped = {name: matrix.tripped(name) for name in FAULTS}
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page(tripped), "utf-8")


if __name__ == "__main__":
    main()
