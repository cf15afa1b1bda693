"""The options that the suite adds to pytest."""

from __future__ import annotations

import pytest

from conformance.casefiles import modes
from conformance.client import retry
from conformance.client.sender import CONCURRENCY
from conformance.engines import vllm
from conformance.pytesting.options import FEW, SHORT
from conformance.reference import FAULTS, Variant
from conformance.terms.server import ANSWER_TOKENS


def add(parser: pytest.Parser) -> None:
    """Enter the suite's options; plain strings and numbers, so that workers can be told."""
    group = parser.getgroup("conformance", "tool-call conformance")
    add = group.addoption
    add("--server-url", metavar="URL", help="test a running server; the URL goes up to /v1")
    add("--launch", metavar="TARGET", help="start a vLLM here: a built-in target or a YAML file")
    add("--reference", action="store_true", help="test the suite's own correct server")
    add(
        "--variant",
        metavar="NAME",
        action="append",
        default=[],
        choices=[str(variant) for variant in Variant],
        help="with --reference: answer in another way that is right too (%(choices)s)",
    )
    add(
        "--fault",
        metavar="NAME",
        choices=list(FAULTS),
        help="with --reference: do one thing wrong (%(choices)s)",
    )
    add(
        "--vllm",
        metavar="VERSION|PYTHON",
        default=vllm.DEFAULT_VLLM,
        help="with --launch: a release, provisioned on first use, or a Python that has vLLM "
        "(default: %(default)s)",
    )
    add("--parser", metavar="NAME", help="with --server-url and --reference: the tool-call parser")
    add("--format", metavar="NAME", help="how the model writes calls (default: by the parser)")
    add("--template", metavar="FILE", help="with --launch: another chat template")
    add("--model", metavar="NAME", help="default: the only one that the server lists")
    add(
        "--emission",
        metavar="auto|scripted|sampled",
        default="auto",
        choices=["auto", "scripted", "sampled"],
        help="where answers come from (default: scripted if the server can)",
    )
    add(
        "--concurrency",
        metavar="N",
        type=int,
        help=f"requests at once (default: {CONCURRENCY}; {FEW} for a real model launched here)",
    )
    add(
        "--repeat",
        metavar="N",
        type=int,
        default=1,
        help="how often a sampled model is asked each item at most (default: %(default)s)",
    )
    add(
        "--max-tokens",
        metavar="N",
        type=int,
        help="how long a sampled answer may be, where a case says nothing "
        f"(default: {ANSWER_TOKENS}; {SHORT} for a real model launched here)",
    )
    add(
        "--require-calls",
        metavar="RATE",
        type=float,
        help="fail if a sampled model makes fewer of the wanted calls, 0 to 1 (default: never)",
    )
    add(
        "--cuts",
        metavar="default|thorough",
        default="default",
        choices=list(modes.CUTS),
        help="in how many ways streamed answers are cut (default: %(default)s)",
    )
    add(
        "--level",
        metavar="must|should",
        default="must",
        choices=["must", "should"],
        help="the weakest rule that fails a run (default: %(default)s)",
    )
    add(
        "--known",
        metavar="FILE",
        action="append",
        default=[],
        help="more known issues; may be given several times",
    )
    add("--no-known", action="store_true", help="excuse nothing, whatever --known says")
    add("--baseline", metavar="FILE", help="excuse what was broken in these results.json too")
    add(
        "--results",
        metavar="FILE",
        default=".conformance/results.json",
        help="where the results go (default: %(default)s)",
    )
    add(
        "--record",
        metavar="DIR",
        help="keep every exchange in a new folder, to be judged again by --tapes",
    )
    add("--tapes", metavar="DIR", help="judge what --record kept; no server is asked")
    add(
        "--budget",
        metavar="TOKENS|Nrequests",
        help="ask no more before this would be exceeded; see python -m conformance plan",
    )
    add("--launch-timeout", metavar="S", type=float, default=600, help="default: %(default)s")
    add(
        "--answer-timeout",
        metavar="S",
        type=float,
        default=600,
        help="the longest wait for one answer (default: %(default)s)",
    )
    add(
        "--patience",
        metavar="S",
        type=float,
        default=retry.LIMIT,
        help="the longest wait for a server that is busy (429, 503) or gone (default: %(default)s)",
    )
    add(
        "--header",
        metavar="NAME",
        action="append",
        default=[],
        help="with --server-url: send a header, whose value is in CONFORMANCE_HEADER_NAME; may be "
        "given several times; 'NAME: value' works, but shows the value in lists of processes",
    )
    add("--ca-file", metavar="FILE", help="with --server-url: whose certificates to believe (PEM)")
