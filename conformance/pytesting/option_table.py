"""The table of options: a row is all that there is to say of one.

The rows stand in the order in which they are listed, and written into a repeat command.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from conformance.casefiles import modes
from conformance.client import budget, retry
from conformance.client.sender import CONCURRENCY
from conformance.engines import target
from conformance.engines.engine import Engine, Switch
from conformance.engines.registry import ENGINES
from conformance.pytesting.option import (
    LIVE,
    Option,
    Way,
    alone,
    apart,
    joined,
)
from conformance.pytesting.option_values import (
    as_shown,
    read_count,
    read_headers,
    read_path_or_none,
    read_paths,
    read_patience,
    read_rate,
    read_url,
    read_variants,
    shipped_or_path,
)
from conformance.reference import FAULTS, Variant
from conformance.runs.emissions import EMISSIONS
from conformance.terms.outcome import Level
from conformance.terms.server import ANSWER_TOKENS, Target

GROUP = "tool-call conformance"
"""The heading of these options among pytest's."""

FEW = 16
"""Requests at once to a real model on a CPU. One engine step reads every new prompt; with more than
16 it can outlast the silence limit of a stream.
"""


SHORT = 256
"""Tokens for an answer of a small model on a CPU: beyond this it only repeats itself."""


RECORDED = {Way.TAPES: "is not for --tapes, which tell what was recorded"}


def only(way: Way) -> Mapping[Way, str]:
    """Refuse an option wherever a server is reached in another way."""
    return {other: f"is for {way} only" for other in Way if other is not way}


def usual_concurrency(launched: Target | None) -> int:
    """Say how many requests at once are usual."""
    return FEW if launched is not None and launched.is_real else CONCURRENCY


def usual_room(launched: Target | None) -> int:
    """Say how many tokens for a sampled answer are usual."""
    return SHORT if launched is not None and launched.is_real else ANSWER_TOKENS


def _release_of(engine: Engine) -> Option:
    own = engine.release
    return Option(
        name=own.name,
        metavar=own.metavar,
        help=f"with --launch: {own.help}",
        usual=own.usual,
        ways=(Way.LAUNCH,),
        repeat=joined,
    )


def _row_of(switch: Switch) -> Option:
    return Option(
        name=switch.name,
        metavar="|".join(switch.choices),
        default=switch.default,
        choices=switch.choices,
        help=switch.help,
        ways=(Way.LAUNCH,),
        refused=only(Way.LAUNCH),
        repeat=joined,
    )


_SERVERS = (
    Option(
        name="--server-url",
        metavar="URL",
        environment="CONFORMANCE_SERVER_URL",
        help="test a running server; the URL goes up to /v1",
        read=read_url,
        ways=(Way.URL,),
        repeat=apart,
    ),
    Option(
        name="--launch",
        metavar="TARGET",
        help=f"start a {' or '.join(one.title for one in ENGINES.values())} here: a built-in "
        "target or a YAML file",
        read=target.load,
        ways=(Way.LAUNCH,),
        repeat=shipped_or_path,
    ),
    *(_release_of(engine) for engine in ENGINES.values()),
    *(_row_of(switch) for engine in ENGINES.values() for switch in engine.switches),
    Option(
        name="--reference",
        help="test the suite's own correct server",
        ways=(Way.REFERENCE,),
        repeat=alone,
    ),
    Option(
        name="--tapes",
        metavar="DIR",
        help="judge what --record kept; no server is asked",
        read=Path,
        ways=(Way.TAPES,),
        repeat=joined,
    ),
    Option(
        name="--parser",
        metavar="NAME",
        environment="CONFORMANCE_PARSER",
        help="with --server-url and --reference: the tool-call parser",
        ways=(Way.URL, Way.REFERENCE),
        refused={Way.LAUNCH: ": a target has its own; leave it out with --launch", **RECORDED},
        repeat=apart,
    ),
    Option(
        name="--variant",
        metavar="NAME",
        many=True,
        choices=[str(variant) for variant in Variant],
        help="with --reference: answer in another way that is right too (%(choices)s)",
        attribute="variants",
        read=read_variants,
        ways=(Way.REFERENCE,),
        refused=only(Way.REFERENCE),
        repeat=apart,
    ),
    Option(
        name="--format",
        metavar="NAME",
        help="how the model writes calls (default: asked, or by the parser)",
        ways=LIVE,
        refused=RECORDED,
        repeat=joined,
    ),
    Option(
        name="--fault",
        metavar="NAME",
        choices=list(FAULTS),
        help="with --reference: do one thing wrong (%(choices)s)",
        ways=(Way.REFERENCE,),
        refused=only(Way.REFERENCE),
        repeat=joined,
    ),
    Option(
        name="--model",
        metavar="NAME",
        environment="CONFORMANCE_MODEL",
        help="default: the only one that the server lists",
        ways=(Way.URL,),
        refused=RECORDED,
        repeat=joined,
    ),
    Option(
        name="--template",
        metavar="FILE",
        help="with --launch: another chat template",
        ways=(Way.URL, Way.LAUNCH),
        refused=RECORDED,
        repeat=joined,
    ),
)


_EMISSIONS = ["auto", *EMISSIONS]


_QUESTIONS = (
    Option(
        name="--emission",
        metavar="|".join(_EMISSIONS),
        default="auto",
        choices=_EMISSIONS,
        help="where answers come from (default: scripted if the server can, copied if the model's "
        "name has 'copying' in it and it copies, or else sampled)",
        ways=LIVE,
        refused=RECORDED,
        repeat=joined,
    ),
    Option(
        name="--cuts",
        metavar="default|thorough",
        default="default",
        choices=list(modes.CUTS),
        help="in how many ways streamed answers are cut (default: %(default)s)",
        repeat=joined,
    ),
    Option(
        name="--repeat",
        metavar="N",
        type=int,
        default=1,
        help="how often a sampled model is asked each item at most (default: %(default)s)",
        attribute="repeat_sampled",
        read=read_count,
        repeat=joined,
    ),
    Option(
        name="--max-tokens",
        metavar="N",
        type=int,
        help="how long a sampled answer may be, where a case says nothing "
        f"(default: {ANSWER_TOKENS}; {SHORT} for a real model launched here)",
        attribute="room",
        usual=usual_room,
        read=read_count,
        ways=LIVE,
        refused=RECORDED,
        repeat=joined,
    ),
    Option(
        name="--concurrency",
        metavar="N",
        type=int,
        help=f"requests at once (default: {CONCURRENCY}; {FEW} for a real model launched here)",
        usual=usual_concurrency,
        read=read_count,
        ways=LIVE,
    ),
    Option(
        name="--budget",
        metavar="TOKENS|Nrequests",
        help="ask no more before this would be exceeded; see python -m conformance plan",
        read=budget.read,
        ways=LIVE,
        refused=RECORDED,
    ),
)


_VERDICTS = (
    Option(
        name="--require-calls",
        metavar="RATE",
        type=float,
        help="fail if a sampled model makes fewer of the wanted calls, 0 to 1 (default: never)",
        read=read_rate,
    ),
    Option(
        name="--level",
        metavar="must|should",
        default="must",
        choices=["must", "should"],
        help="the weakest rule that fails a run (default: %(default)s)",
        read=Level,
    ),
    Option(
        name="--known",
        metavar="FILE",
        many=True,
        help="more known issues; may be given several times",
        read=read_paths,
    ),
    Option(name="--no-known", help="excuse nothing, whatever --known says"),
    Option(
        name="--no-policies",
        help="excuse no policy: what is demanded or done on purpose fails too",
    ),
    Option(
        name="--baseline",
        metavar="FILE",
        help="excuse what was broken in these results.json too",
        read=Path,
    ),
    Option(
        name="--results",
        metavar="FILE",
        default=".conformance/results.json",
        help="where the results go (default: %(default)s)",
        read=Path,
    ),
    Option(
        name="--record",
        metavar="DIR",
        help="keep every exchange in a new folder, to be judged again by --tapes",
        read=Path,
        ways=LIVE,
        refused=RECORDED,
    ),
)


_CONNECTION = (
    Option(
        name="--launch-timeout",
        metavar="S",
        type=float,
        default=600,
        help="the longest wait for a server to start (default: %(default)s)",
        ways=(Way.LAUNCH,),
    ),
    Option(
        name="--answer-timeout",
        metavar="S",
        type=float,
        default=600,
        help="the longest wait for one answer (default: %(default)s)",
        attribute="timeout",
        ways=LIVE,
    ),
    Option(
        name="--patience",
        metavar="S",
        type=float,
        default=retry.LIMIT,
        help="the longest wait for a server that is busy (429, 503) or gone (default: %(default)s)",
        read=read_patience,
        ways=LIVE,
    ),
    Option(
        name="--header",
        metavar="NAME",
        many=True,
        help="with --server-url: send a header, whose value is in CONFORMANCE_HEADER_NAME; may be "
        "given several times; 'NAME: value' works, but shows the value in lists of processes",
        attribute="headers",
        read=read_headers,
        ways=(Way.URL,),
        refused=only(Way.URL),
        repeat=as_shown,
    ),
    Option(
        name="--ca-file",
        metavar="FILE",
        default="",
        help="with --server-url: the certificate authorities to trust, as PEM, and no others "
        "(default: the system's)",
        read=read_path_or_none,
        ways=(Way.URL,),
        refused=only(Way.URL),
        repeat=joined,
    ),
)


OPTIONS: tuple[Option, ...] = (*_SERVERS, *_QUESTIONS, *_VERDICTS, *_CONNECTION)


VARIABLES = {
    "CONFORMANCE_API_KEY": "the key, for --server-url; never an option",
    "CONFORMANCE_HEADER_NAME": "the value of the header that `--header NAME` sends",
    "CONFORMANCE_CACHE": "where what was provisioned is kept",
}
"""Variables of the environment that stand for no option."""


def add(parser: pytest.Parser) -> None:
    """Add the suite's options to pytest's."""
    group = parser.getgroup("conformance", GROUP, after="general")
    for option in OPTIONS:
        option.add(group.addoption)
