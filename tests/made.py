"""Results of runs that never were, as short as a test can say them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from conformance.results.reader import Results, load

TARGET: dict[str, Any] = {
    "id": "vllm-0.32.0-hermes",
    "implementation": "vllm",
    "version": "0.32.0",
    "parser": "hermes",
    "format": "hermes",
    "template": None,
    "model": "m",
    "packages": {},
    "emission": "scripted",
}
RUN: dict[str, Any] = {
    "started": "2026-11-22T08:30:00+00:00",
    "seconds": 1.5,
    "via": "launch",
    "level": "must",
    "selected": 1,
    "complete": True,
    "known": ["vllm.yaml"],
    "pytest": "9.2.0",
    "openai": "3.54.0",
    "repeat": "--launch=hermes",
}
Items = Mapping[str, Mapping[str, str] | str]


def finding(rule: str, outcome: str, **more: Any) -> dict[str, Any]:
    return {
        "rule": rule,
        "level": "must",
        "outcome": outcome,
        "where": "choice 0",
        "expected": "one thing",
        "actual": "another",
        "chunk": None,
        "known": "an-issue" if outcome in ("known", "policy") else None,
        **more,
    }


def item(name: str, rules: Mapping[str, str] | str, **more: Any) -> dict[str, Any]:
    """Make an item of `case[mode]`; a word instead of rules is the outcome of one without any."""
    case, _, mode = name.removesuffix("]").partition("[")
    outcomes = {} if isinstance(rules, str) else dict(rules)
    order = ("fail", "stale", "known", "policy", "inconclusive")
    decided = next((one for one in order if one in outcomes.values()), "pass")
    return {
        "case": case,
        "mode": mode,
        "test": f"cases/{case.replace('/', '.yaml::')}[{mode}]",
        "outcome": rules if isinstance(rules, str) else decided,
        "reason": "it was refused" if rules == "error" else None,
        "seconds": 0.1,
        "rules": outcomes,
        "findings": [
            finding(rule, outcome)
            for rule, outcome in outcomes.items()
            if outcome in ("fail", "known")
        ],
        "wire": None,
        **more,
    }


def document(items: Items, **more: Any) -> dict[str, Any]:
    """Make a document; `target_version="0.31.0"` changes that field of the target."""
    changed: dict[str, dict[str, Any]] = {"target": {}, "run": {}, "suite": {}}
    for name, value in more.items():
        part, _, key = name.partition("_")
        changed[part][key] = value
    found = [item(name, rules) for name, rules in items.items()]
    return {
        "schema": 1,
        "suite": {
            "version": "0.1.0",
            "cases": 1,
            "rules": 3,
            "digest": f"sha256:{'0' * 64}",
            **changed["suite"],
        },
        "target": {**TARGET, **changed["target"]},
        "run": {**RUN, **changed["run"]},
        "issues": {"an-issue": {"about": "It is broken.", "issue": None}},
        "totals": {},
        "results": found,
    }


def counted(found: dict[str, Any]) -> dict[str, Any]:
    """Let a document say of its items what is true of them."""
    items = found["results"]
    totals = Counter(one["outcome"] for one in items)
    return {**found, "totals": totals, "run": {**found["run"], "selected": len(items)}}


def write(path: Path, found: Any) -> Path:
    """Write a document; that of a run is counted again, as a test may have changed its items."""
    path.parent.mkdir(parents=True, exist_ok=True)
    is_run = isinstance(found, dict) and {"results", "run"} <= found.keys()
    path.write_text(json.dumps(counted(found) if is_run else found), "utf-8")
    return path


def results(path: Path, items: Items, **more: Any) -> Results:
    return load(write(path, document(items, **more)))
