"""Lay out a new rule: its stub, its samples and a fault that breaks it; then say what is left.

    python -m tools.new_rule chunk.something
    python -m tools.new_rule chunk.something --level should --on stream
    python -m tools.new_rule tone.polite --room common      # the first rule of an area

Until all is written the tests fail, and each says what to do next.
"""

from __future__ import annotations

import argparse
import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from conformance import __version__

ROOT = Path(__file__).parents[1]
UNWRITTEN = "(to be written)"
"""What stands where words are owed; a test looks for it."""

KINDS = {
    "stream": (".sse",),
    "complete": (".json",),
    "prompt": (".prompt",),
    "any": (".sse", ".json"),
    "status": (".sse", ".json"),
}
"""Which samples a rule owes."""

BENDS = {
    "stream": ("chunks", "chunks: list[Json]", "list[Json]", "chunks"),
    "complete": ("body", "body: Json", "Json", "body"),
    "any": ("chunks", "chunks: list[Json]", "list[Json]", "chunks"),
    "status": ("body", "body: Json", "Json", "body"),
    "prompt": ("request", "request: Json", "Json", "request"),
}
"""The part of an answer that a fault bends: its name, what it is given and what it gives."""


class NewRuleProblem(Exception):
    """The rule cannot be laid out; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The rule that is to be."""

    id: str
    level: str = "must"
    on: str = "any"
    room: str | None = None

    @property
    def area(self) -> str:
        """The first part of the id."""
        return self.id.partition(".")[0]

    @property
    def function(self) -> str:
        """A name for its function."""
        return re.sub(r"\W", "_", self.id.partition(".")[2])


def lay_out(wanted: Wanted, root: Path = ROOT) -> list[str]:
    """Write all that a rule owes, and give the steps that are left."""
    if not re.fullmatch(r"[a-z0-9]+(\.[a-z0-9_-]+)+", wanted.id):
        raise NewRuleProblem(f"{wanted.id!r} is no id of a rule: area.fact, as in chunk.name.once")
    samples = root / "tests" / "samples" / wanted.id
    rules = root / "conformance" / "rules"
    if samples.exists() or any(f'"{wanted.id}"' in path.read_text("utf-8") for path in _py(rules)):
        raise NewRuleProblem(f"there is a rule {wanted.id} already")
    module = _module(rules, wanted)
    _append(module, _stub(wanted), _head(wanted))
    _import(module, wanted.level.upper())
    _samples(samples, wanted)
    fault = _fault_module(root / "conformance" / "reference" / "chat" / "faults", wanted.area)
    _append(fault, _fault(wanted), "")
    places = [path.relative_to(root) for path in (module, samples, fault)]
    return list(_steps(wanted, *places))


def _py(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.py"))


def _module(rules: Path, wanted: Wanted) -> Path:
    """Find the module of the rule's area; the shortest one where the area has several."""
    rooms = [wanted.room] if wanted.room else ["chat", "common"]
    for room in rooms:
        if (rules / room / wanted.area).is_dir():
            parts = [path for path in _py(rules / room / wanted.area) if path.stem != "__init__"]
            return min(parts, key=lambda path: len(path.read_text("utf-8")))
        if (rules / room / f"{wanted.area}.py").exists():
            return rules / room / f"{wanted.area}.py"
    return rules / (wanted.room or "common") / f"{wanted.area}.py"


def _head(wanted: Wanted) -> str:
    return (
        f'"""{UNWRITTEN}: what the area is about."""\n\n'
        "from __future__ import annotations\n\n"
        f"from conformance.rules.rule import {wanted.level.upper()}, Evidence, Findings, rule\n\n"
        'BLAME = "server"\n'
    )


def _stub(wanted: Wanted) -> str:
    return (
        f'@rule("{wanted.id}", {wanted.level.upper()}, "{wanted.on}", since="{__version__}")\n'
        f"def {wanted.function}(evidence: Evidence) -> Findings:\n"
        f'    """{UNWRITTEN}: what an answer must do, in one sentence.\n\n'
        f"    Why: {UNWRITTEN}: which client fails on it, and how.\n"
        f"    Wrong: {UNWRITTEN}\n"
        f"    Right: {UNWRITTEN}\n"
        '    """\n'
        "    yield from ()\n"
    )


def _append(path: Path, stub: str, head: str) -> None:
    """Put a stub at the end of a module, which is begun with a head if it is new."""
    before = path.read_text("utf-8") if path.exists() else head
    path.write_text(f"{before.rstrip()}\n\n\n{stub}", "utf-8")


def _import(module: Path, name: str) -> None:
    """See that a module has a name from `conformance.rules.rule`."""
    text = module.read_text("utf-8")
    pattern = r"^from conformance\.rules\.rule import (?:\(([^)]*)\)|(.*))$"
    found = re.search(pattern, text, re.MULTILINE)
    if found is None:
        raise NewRuleProblem(f"{module} imports nothing from conformance.rules.rule")
    names = {one.strip() for one in (found[1] or found[2]).split(",") if one.strip()} | {name}
    # As ruff sorts them: constants, classes, functions.
    listed = sorted(names, key=lambda one: (not one.isupper(), one.islower(), one))
    line = f"from conformance.rules.rule import {', '.join(listed)}"
    if len(line) > 100:
        lines = "".join(f"    {one},\n" for one in listed)
        line = f"from conformance.rules.rule import (\n{lines})"
    module.write_text(text[: found.start()] + line + text[found.end() :], "utf-8")


def _samples(folder: Path, wanted: Wanted) -> None:
    """Copy right answers, of which the wrong ones are still to be bent."""
    folder.mkdir()
    other = "template.tools" if wanted.on == "prompt" else "args.string"
    places = []
    for kind in KINDS[wanted.on]:
        for name in (f"right{kind}", f"wrong{kind}"):
            shutil.copy(ROOT / "tests" / "samples" / other / f"right{kind}", folder / name)
        places.append(f'  wrong{kind}: "{UNWRITTEN}"\n')
    settings = ROOT / "tests" / "samples" / other / "sample.yaml"
    kept = settings.read_text("utf-8") if wanted.on == "prompt" else ""
    kept = re.sub(r"^places:.*\n(?:[ \t].*\n)*", "", kept, flags=re.MULTILINE)
    (folder / "sample.yaml").write_text(f"places:\n{''.join(places)}{kept}", "utf-8")


def _fault_module(folder: Path, area: str) -> Path:
    """Find the module with most faults of that area."""
    modules = [path for path in _py(folder) if path.stem not in ("__init__", "registry")]
    return max(modules, key=lambda path: path.read_text("utf-8").count(f'"{area}.'))


def _fault(wanted: Wanted) -> str:
    part, given, gives, name = BENDS[wanted.on]
    return (
        f'@fault("{part}", "{wanted.id}")\n'
        f"def {wanted.area}_{wanted.function}({given}) -> {gives}:\n"
        f'    """{UNWRITTEN}: what the server does wrong.\n\n'
        f"    {UNWRITTEN}: which real server did so.\n"
        '    """\n'
        f"    return {name}\n"
    )


def _steps(wanted: Wanted, module: Path, samples: Path, fault: Path) -> Iterator[str]:
    wrong = " and ".join(f"wrong{kind}" for kind in KINDS[wanted.on])
    yield (
        f"{module}: write {wanted.function}: its docstring (what, why and whom it breaks, wrong, "
        "right), then its body, which yields choice.finding(…), call.finding(…) or the like."
    )
    yield (
        f"{samples}: bend {wrong} so that only this rule is broken, and write in sample.yaml "
        "where its finding is. The right ones must stay right; change them if it is about "
        "something that they lack."
    )
    yield (
        f"{module}: if another rule finds the same fault at the same place, decide which of them "
        "reports it, and give the other yields_to=(…)."
    )
    yield (
        f"{fault}: rename {wanted.area}_{wanted.function} to what it does, and let it do that. "
        "The rule must catch it."
    )
    yield "Run: make docs. It writes the rule's page and the row of the fault."
    yield (
        f"Run: pytest tests/rules -n 2. What fails says what is left; "
        f"`-k {wanted.id}` runs the rule's own tests."
    )
    yield "CHANGELOG.md: name the rule: a new one can turn somebody's verdict."


def main() -> int:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(prog="python -m tools.new_rule", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("id", help="area.fact, as in chunk.name.once")
    parser.add_argument("--level", choices=["must", "should", "info"], default="must")
    parser.add_argument("--on", choices=list(KINDS), default="any", help="which answers it is on")
    parser.add_argument("--room", help="common, or a wire; needed for an area that is new")
    chosen = parser.parse_args()
    wanted = Wanted(id=chosen.id, level=chosen.level, on=chosen.on, room=chosen.room)
    try:
        steps = lay_out(wanted)
    except NewRuleProblem as problem:
        print(problem, file=sys.stderr)
        return 4
    print(f"{wanted.id} is laid out. What is left:")
    for number, step in enumerate(steps, 1):
        print(f"{number}. {step}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
