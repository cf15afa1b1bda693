"""Writes results.json: the outcome of every rule in every item."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

from conformance import __version__
from conformance.base import files, jsonfile, strictyaml
from conformance.base.jsonvalue import Json
from conformance.formats.registry import server_id
from conformance.results.place import EVIDENCE
from conformance.rules import RULES
from conformance.terms.outcome import Outcome
from conformance.terms.server import Server
from conformance.verdicts.item import Judged
from conformance.verdicts.known_issues import Known
from conformance.verdicts.verdict import BROKEN, Judgement, Verdict
from conformance.wires.answer import Answer

MAX_WIRE_CHARACTERS = 300_000
"""More of an answer is not kept."""

MAX_SAID_CHARACTERS = 4_000
"""More of a sampled model's own text is not kept."""

BASELINE = "baseline"
"""Takes the place of a known issue's id where the baseline has the rule broken too."""

NOTHING_KNOWN = Known()

Item = Mapping[str, Any]
"""One entry of `results`; on its way between processes it has its `exchange` too."""


def describe(judged: Judged) -> dict[str, Any]:
    """Write an item's result in plain JSON types, which can travel between processes."""
    verdict, answer = judged.verdict, judged.answer
    findings = _findings(verdict)
    shown = answer is not None and (findings or verdict.outcome is Outcome.ERROR)
    return {
        "case": judged.item.case.id,
        "mode": judged.item.mode.name,
        "outcome": str(verdict.outcome),
        "reason": verdict.reason,
        "seconds": round(answer.exchange.seconds, 3) if answer else 0.0,
        "rules": {found.rule.id: str(found.outcome) for found in verdict.judgements},
        "findings": findings,
        "chance": [found.rule.id for found in verdict.judgements if found.chance],
        "wire": None,
        "exchange": _exchange(answer) if answer and shown else None,
        **(_sampled(judged) if judged.attempts else {}),
    }


def _findings(verdict: Verdict) -> list[dict[str, Any]]:
    return [
        {
            "rule": found.rule.id,
            "level": str(found.rule.level),
            "outcome": str(found.outcome),
            "where": finding.where,
            "expected": finding.expected,
            "actual": finding.actual,
            "chunk": finding.chunk,
            "known": _excuse(found),
        }
        for found in verdict.judgements
        for finding in found.findings
    ]


def _sampled(judged: Judged) -> dict[str, Any]:
    """Write what only a sampled item has: whose fault it is, and every attempt."""
    return {
        "fault": judged.fault and str(judged.fault),
        "attempts": [_attempt(one) for one in judged.attempts],
    }


def _attempt(judged: Judged) -> dict[str, Any]:
    verdict, answer = judged.verdict, judged.answer
    broken = sorted(found.rule.id for found in verdict.of(*BROKEN))
    shown = answer is not None and (broken or verdict.outcome is Outcome.ERROR)
    return {
        "outcome": str(verdict.outcome),
        "reason": verdict.reason,
        "seconds": round(answer.exchange.seconds, 3) if answer else 0.0,
        "fault": judged.fault and str(judged.fault),
        "called": judged.called,
        "said": judged.said[:MAX_SAID_CHARACTERS] if judged.said is not None else None,
        "broken": broken,
        "wire": None,
        "exchange": _exchange(answer) if answer and shown else None,
    }


def _excuse(found: Judgement) -> str | None:
    if found.issue is not None:
        return found.issue.id
    return BASELINE if found.outcome is Outcome.KNOWN else None


def _exchange(answer: Answer) -> dict[str, Any]:
    exchange = answer.exchange
    return {
        "request": exchange.request,
        "status": exchange.status,
        "headers": [list(pair) for pair in exchange.headers],
        "error": exchange.error,
        "answer": answer.text[:MAX_WIRE_CHARACTERS],
    }


def digest(paths: Iterable[Path]) -> str:
    """Digest the cases and rules of a run."""
    found = hashlib.sha256()
    for path in sorted(set(paths)):
        try:
            held = files.data(path, strictyaml.MAX_BYTES)
        except files.Unread:
            held = b"gone since it was read"  # what was found in it is not lost with it
        found.update(path.name.encode() + b"\0" + held + b"\0")
    found.update("\0".join(sorted(RULES)).encode())
    return f"sha256:{found.hexdigest()}"


def document(
    server: Server,
    items: Sequence[Item],
    *,
    files: Iterable[Path],
    run: Mapping[str, Any],
    known: Known = NOTHING_KNOWN,
) -> dict[str, Any]:
    """Write a run's results; `schemas/results.json` describes them."""
    kept = sorted(items, key=lambda item: (item["case"], item["mode"]))
    met = {finding["known"] for item in kept for finding in item["findings"]}
    answers_vary = any("attempts" in item for item in kept)
    return {
        "schema": 1,
        "suite": {
            "version": __version__,
            "cases": len({item["case"] for item in kept}),
            "rules": len(RULES),
            "digest": digest(files),
        },
        "target": {
            "id": server_id(server),
            "implementation": server.implementation,
            "version": server.version,
            "parser": server.parser,
            "format": server.format,
            "template": server.template,
            "model": server.model,
            "packages": dict(sorted(server.packages.items())),
            "emission": server.emission,
            **({"tokens": server.shows_token_ids} if answers_vary else {}),
        },
        "run": {**run, **{name: version(name) for name in ("pytest", "openai")}},
        "issues": {
            issue.id: {"about": issue.about, "issue": issue.issue, "source": issue.source}
            for issue in known.issues
            if issue.id in met
        },
        "totals": totals(kept),
        "results": [_without_exchange(item) for item in kept],
    }


def _without_exchange(item: Item) -> dict[str, Any]:
    kept = {key: value for key, value in item.items() if key != "exchange"}
    if "attempts" in kept:
        kept["attempts"] = [_without_exchange(one) for one in kept["attempts"]]
    return kept


def totals(items: Iterable[Item]) -> dict[str, int]:
    """Count items by outcome."""
    counted = Counter(item["outcome"] for item in items)
    return {str(outcome): counted[str(outcome)] for outcome in Outcome}


def name_evidence(items: Sequence[dict[str, Any]]) -> dict[str, Json]:
    """Note in each item where its exchange will be kept; gives these exchanges by their places.

    If an item has several attempts, each has a file of its own beside the item's.
    """
    kept: dict[str, Json] = {}
    for item in items:
        name = f"{item['case'].replace('/', '.')}.{item['mode']}"
        _name(kept, f"{name}.json", item)
        attempts = item.get("attempts", ())
        for number, attempt in enumerate(attempts, 1):
            if len(attempts) > 1:
                _name(kept, f"{name}.{number}.json", attempt)
            else:
                attempt["wire"] = item["wire"]
    return kept


def _name(kept: dict[str, Json], name: str, entry: dict[str, Any]) -> None:
    if entry.get("exchange"):
        entry["wire"] = f"{EVIDENCE}/{name}"
        kept[entry["wire"]] = entry["exchange"]


def write_evidence(folder: Path, kept: Mapping[str, Json]) -> dict[str, str]:
    """Write the kept exchanges below `folder`; gives the places of those that failed, and why."""
    failed: dict[str, str] = {}
    for name, exchange in kept.items():
        try:
            jsonfile.write(folder / name, exchange)
        except OSError as problem:
            failed[name] = problem.strerror or str(problem)
            with suppress(OSError):
                (folder / name).unlink()  # an earlier run's would pass for this one's
    return failed
