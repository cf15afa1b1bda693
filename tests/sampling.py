"""A run against the reference server that plays a model which dithers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from conformance.base.jsonvalue import Json
from conformance.casefiles.expectation import derive
from conformance.client.live import Limits, Live
from conformance.client.sender import Asker
from conformance.reference import Reference, Variant
from conformance.reference.fault import NONE, Fault
from conformance.runs.session import Session
from conformance.terms.asked import NO_OPTIONS, Options
from conformance.terms.case import COMPLETE, STREAM, Case, Mode
from conformance.terms.outcome import Level
from conformance.terms.said import Call, Text, Utterance
from conformance.terms.server import Server
from conformance.verdicts.item import Item, Judged
from conformance.verdicts.known_issues import Known

LOOK: Json = {
    "type": "function",
    "function": {
        "name": "look",
        "description": "Look at something.",
        "parameters": {
            "type": "object",
            "properties": {
                "at": {"type": "string"},
                "zoom": {"type": "number"},
                "lit": {"type": "boolean"},
                "times": {"type": "integer"},
            },
            "required": ["at", "zoom", "lit", "times"],
        },
    },
}
RING: Json = {"type": "function", "function": {"name": "ring", "description": "Ring the bell."}}
LOOKS = Call(name="look", arguments='{"at": "the sea", "zoom": 1.5, "lit": true, "times": 2}')
RINGS = Call(name="ring", arguments="{}")


def case(name: str, tool: Json, *says: Utterance, options: Options = NO_OPTIONS) -> Case:
    return Case(
        id=f"mine/{name}",
        about="It.",
        path=Path("mine.yaml"),
        line=1,
        messages=({"role": "user", "content": "Go on."},),
        tools=(tool,),
        options=options,
        says=says,
        expect=derive(says, options),
    )


CASES = (
    case("looks", LOOK, LOOKS),
    case("rings", RING, RINGS),
    case("looks-twice", LOOK, LOOKS, LOOKS),
    case("words", LOOK, Text(text="It is late.")),
    case("cut", LOOK, LOOKS, options=Options(limit=22)),
    case("none", LOOK, Text(text="It is late."), options=Options(choice="none")),
)
MODES: tuple[Mode, ...] = (COMPLETE, STREAM)


def play(
    *,
    variants: Iterable[Variant] = (Variant.DITHERS,),
    fault: Fault = NONE,
    format: str = "hermes",
    repeat: int = 2,
    cases: Sequence[Case] = CASES,
    version: str | None = None,
    concurrency: int = 1,
) -> list[Judged]:
    """Ask a sampled reference server all cases in both modes; judge the answers.

    One request after the other, so that no luck decides who gets which answer.
    """
    limits = Limits(connect=10, first_byte=10, silence=5, whole=20)
    chosen = set(variants)
    with Reference(
        format, variants=chosen, fault=fault, scripted=False, version=version
    ) as running:
        server = Server(
            url=running.url,
            model="reference",
            implementation="vllm" if version else "reference",
            version=version,
            parser=format.partition("-")[0],
            format=format,
            emission="sampled",
            shows_token_ids=Variant.NO_TOKEN_IDS not in chosen,
        )
        asker = Asker(Live(server.url, limits=limits, concurrency=concurrency))
        session = Session(server, known=Known(), level=Level.SHOULD, asker=asker, repeat=repeat)
        try:
            items = [Item(case=one, mode=mode) for one in cases for mode in MODES]
            session.ask_ahead(items)
            return [session.judge(item) for item in items]
        finally:
            session.close()
