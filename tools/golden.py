"""Writes the expected reports in `tests/golden/`: `python -m tools.golden`."""

from __future__ import annotations

import json
import re
import sys
import tempfile
from pathlib import Path

from conformance.report import badge, changes, html, markdown
from conformance.results import reader
from conformance.results.comparison import compare
from conformance.results.reader import Results
from tests.made import document, finding, item, write

FOLDER = Path(__file__).parents[1] / "tests" / "golden"
NAME = {"tool_calls": [{"index": 0, "function": {"name": "f"}}]}
DELTAS = [
    {"role": "assistant", "content": ""},
    NAME,
    {"content": "</script><img src=x onerror=alert(1)>"},
    NAME,
    {},
]
CHUNKS = [
    *(json.dumps({"id": "c", "choices": [{"index": 0, "delta": delta}]}) for delta in DELTAS),
    "[DONE]",
]
REQUEST = {
    "model": "m",
    "messages": [
        {"role": "user", "content": "Say </script><img src=x onerror=alert(1)> \x1b[2J\u202e."}
    ],
    "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}],
    "stream": True,
    "vllm_xargs": {
        "conformance_script": (
            '{"v":1,"pieces":[["marker","<tool_call>"],["text","{\\"name\\": \\"f\\"}"]],'
            '"cut":"tokens"}'
        )
    },
}


def runs(folder: Path) -> list[Results]:
    """Give two versions: a fault came, one went, one is known in both, and a policy stays."""
    old = document({"text/quiet[complete]": {"args.json": "pass", "chunk.name.once": "n/a"}})
    old["target"] |= {"id": "vllm-0.31.0-hermes", "version": "0.31.0"}
    old["results"] += [
        _item("calls/twice[stream]", {"args.json": "fail", "chunk.name.once": "pass"}),
        _item("text/<b>odd</b>[stream]", {"args.json": "known", "chunk.name.once": "pass"}),
        _item("text/refused[stream]", {"args.json": "policy", "chunk.name.once": "pass"}),
        item("text/lost[stream]", "error"),
    ]
    new = document({"text/quiet[complete]": {"args.json": "pass", "chunk.name.once": "n/a"}})
    new["results"] += [
        _item("calls/twice[stream]", {"args.json": "pass", "chunk.name.once": "fail"}),
        _item("text/<b>odd</b>[stream]", {"args.json": "known", "chunk.name.once": "pass"}),
        _item("text/refused[stream]", {"args.json": "policy", "chunk.name.once": "pass"}),
        item("text/lost[stream]", {"args.json": "pass", "chunk.name.once": "pass"}),
    ]
    for found in (old, new):
        found["issues"]["an-issue"]["issue"] = "https://example.org/issues/1?a=1&b=2"
    wire = {
        "request": REQUEST,
        "status": 200,
        "headers": [["content-type", "text/event-stream"]],
        "error": None,
        "answer": "".join(f"data: {chunk}\n\n" for chunk in CHUNKS),
    }
    loaded = []
    for name, found in (("old", old), ("new", new)):
        write(folder / name / "wire" / "w.json", wire)
        loaded.append(reader.load(write(folder / name / "results.json", found)))
    return loaded


def _item(name: str, rules: dict[str, str]) -> dict[str, object]:
    broken = [rule for rule, outcome in rules.items() if outcome in ("fail", "known", "policy")]
    where = {"where": "chunk 3 choice 0", "chunk": 3, "expected": '"abc"', "actual": '"abd"'}
    findings = [finding(rule, rules[rule], **where) for rule in broken]
    return item(name, rules, wire="wire/w.json", findings=findings)


def pages(folder: Path) -> dict[str, str]:
    """Give every report by its file name, without what changes with a release or a style."""
    found = runs(folder)
    page = html.render(found)
    page = re.sub(r"<style>.*?</style>", "<style></style>", page, flags=re.DOTALL)
    page = re.sub(r"sha256-[^']*'", "sha256-…'", page)
    page = re.sub(r"toolcall-truth [0-9.]+", "toolcall-truth …", page)
    compared = compare(*found)
    written = {
        "report.html": page,
        "report.md": markdown.render(found),
        "badge.svg": badge.render(found),
        "compare.txt": changes.text(compared) + "\n",
        "compare.md": changes.markdown(compared),
    }
    return {name: text.replace(str(folder), "runs") for name, text in written.items()}


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        for file, text in pages(Path(name)).items():
            (FOLDER / file).write_text(text, "utf-8")
            print(f"wrote {file}", file=sys.stderr)
