"""Changes one thing at a time in the modules that judge, and sees whether a test notices.

    python -m tools.mutants                       # all of MODULES
    python -m tools.mutants conformance/base/sse.py    # some of them
    python -m tools.mutants --sample 600          # 600 drawn at random: minutes, not an hour
    python -m tools.mutants --into docs/mutants.md           # of these modules, or of all
    python -m tools.mutants --into docs/mutants.md --again   # only what the page lists

The tests run once, to learn which lines each of them runs. Then each mutant replaces its function
or constant in a fork of this process, and the tests that run its line go on until one fails.
Property tests are left out, since luck must not decide.
"""

from __future__ import annotations

import argparse
import ast
import datetime
import gc
import importlib
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from types import CodeType, FrameType, FunctionType
from typing import Any

import pytest
from _pytest.runner import runtestprotocol

from conformance.wires.chat import client
from tools.mutations import Mutant, mutants_of

ROOT = Path(__file__).parent.parent
MODULES = [
    *(
        f"conformance/{name}.py"
        for name in ("base/sse", "base/jsonvalue", "wires/chat/answers", "verdicts/ownership")
    ),
    *sorted(
        str(path.relative_to(ROOT))
        for path in (ROOT / "conformance/rules").rglob("*.py")
        if path.name != "__init__.py"  # imports and their list, which ruff and mypy check
    ),
]
TESTS = [
    "base/test_sse",
    "base/test_jsonvalue",
    "wires/chat/test_answers",
    "rules/test_rules",
    "rules/test_integers",
    "rules/test_rule_edges",
    "rules/test_template_rules",
    "rules/test_catalogue",
]
MAX_SECONDS = 30
"""Processor time for the tests of one mutant; a mutant that takes longer counts as noticed."""
WORKERS = 2
NEAR_LINES = 15
"""Tests that run lines this near to a mutant are probably about it."""
QUIET = ["-s", "-W", "ignore::pytest.PytestAssertRewriteWarning"]
Lines = set[tuple[str, int]]


class Hunt:
    """Run the tests once, then against every mutant."""

    def __init__(self, mutants: Sequence[Mutant]) -> None:
        """Run nothing yet."""
        self.mutants = mutants
        self.survivors: list[Mutant] = []
        self.files = {str(ROOT / mutant.path) for mutant in mutants}
        self.lines: dict[pytest.Item, Lines] = {}
        self.seconds: dict[pytest.Item, float] = {}
        self.kills: Counter[tuple[str, pytest.Item]] = Counter()
        self.rarity: dict[tuple[str, int], float] = {}

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Stand in for pytest's own loop."""
        items = [item for item in session.items if not _is_property(item)]
        for item in items:
            self._learn(item)
        runs = Counter(line for lines in self.lines.values() for line in lines)
        self.rarity = {line: 1 / times for line, times in runs.items()}
        _functions()
        gc.freeze()  # a collection in a fork would copy what it shares
        counts = f"{len(items)} tests, {len(self.mutants)} mutants"
        print(f"\n{counts}, {sum(self.seconds.values()):.0f} s for the tests", flush=True)
        running: dict[int, tuple[Mutant, int, list[pytest.Item]]] = {}
        waiting = list(reversed(self.mutants))
        while waiting or running:
            while waiting and len(running) < WORKERS:
                mutant = waiting.pop()
                tests = self._tests_of(mutant)
                pid, reader = self._start(mutant, tests)
                running[pid] = mutant, reader, tests
            pid, ended = os.wait()
            mutant, reader, tests = running.pop(pid)
            with os.fdopen(reader) as answer:
                killer = answer.read()
            if killer == "" and not os.WIFSIGNALED(ended):
                raise pytest.UsageError(f"no mutant of {mutant.path}:{mutant.line} {mutant.change}")
            if killer == "":  # ended by its alarm, or by an end of the interpreter
                how = f"ended by signal {os.WTERMSIG(ended)}"
                print(f"{mutant.path}:{mutant.line}  {mutant.change}: {how}", flush=True)
                if os.WTERMSIG(ended) == signal.SIGALRM:  # the machine was busy
                    self.survivors.append(mutant)
                continue
            if killer == "none":
                self.survivors.append(mutant)
                print(f"{mutant.path}:{mutant.line}  {mutant.change}", flush=True)
            else:
                self.kills[_place(mutant), tests[int(killer)]] += 1
        return True

    def _learn(self, item: pytest.Item) -> None:
        found: Lines = set()

        def within(frame: FrameType, event: str, _: object) -> Any:
            found.add((frame.f_code.co_filename, frame.f_lineno))
            return within

        def call(frame: FrameType, event: str, _: object) -> Any:
            return within if frame.f_code.co_filename in self.files else None

        began = time.perf_counter()
        sys.settrace(call)
        try:
            failed = _fails(item)
        finally:
            sys.settrace(None)
        if failed:
            raise pytest.UsageError(f"{item.nodeid} fails without any mutant")
        self.lines[item], self.seconds[item] = found, time.perf_counter() - began

    def _tests_of(self, mutant: Mutant) -> list[Any]:
        """Give the tests that may notice; those most likely to come first."""
        file = str(ROOT / mutant.path)
        places = {(file, line) for line in range(mutant.line, mutant.last_line + 1)}
        near = {
            (file, line) for line in range(mutant.line - NEAR_LINES, mutant.last_line + NEAR_LINES)
        }

        def promise(item: pytest.Item) -> tuple[int, float]:
            rare = sum(self.rarity[line] for line in near & self.lines[item])
            return self.kills[_place(mutant), item], rare / self.seconds[item]

        # No test runs what a module makes when it is loaded, but any test may use it.
        found = [item for item, lines in self.lines.items() if mutant.name or places & lines]
        return sorted(found, key=promise, reverse=True)

    def _start(self, mutant: Mutant, tests: Sequence[pytest.Item]) -> tuple[int, int]:
        reader, writer = os.pipe()
        if pid := os.fork():
            os.close(writer)
            return pid, reader
        signal.setitimer(signal.ITIMER_PROF, MAX_SECONDS)  # so that a busy machine kills no mutant
        signal.alarm(10 * MAX_SECONDS)
        for number in (1, 2):
            os.dup2(os.open(os.devnull, os.O_WRONLY), number)
        try:
            os.write(writer, _killer(mutant, tests).encode())
        finally:  # the fork ends here, whatever was raised
            os._exit(0)


def _killer(mutant: Mutant, tests: Sequence[pytest.Item]) -> str:
    """Give the place of the first test that fails, or `none`."""
    if mutant.name:
        _put_value(mutant, mutant.name)
    else:
        _put_function(mutant)
    return next((str(place) for place, item in enumerate(tests) if _fails(item)), "none")


def _place(mutant: Mutant) -> str:
    return f"{mutant.path} {mutant.function}"


def _is_property(item: pytest.Item) -> bool:
    return hasattr(getattr(item, "obj", None), "hypothesis")


def _fails(item: pytest.Item) -> bool:
    return any(report.failed for report in runtestprotocol(item, log=False, nextitem=None))


@cache
def _functions() -> dict[tuple[str, str, int], list[FunctionType]]:
    found = defaultdict(list)
    for one in gc.get_objects():
        if isinstance(one, FunctionType):
            found[_key(one.__code__)].append(one)
    return found


def _key(code: CodeType) -> tuple[str, str, int]:
    return code.co_filename, code.co_qualname, code.co_firstlineno


def _codes(code: CodeType) -> Iterator[CodeType]:
    for one in code.co_consts:
        if isinstance(one, CodeType):
            yield one
            yield from _codes(one)


def _put_function(mutant: Mutant) -> None:
    for code in _codes(compile(mutant.tree(), str(ROOT / mutant.path), "exec")):
        for function in _functions().get(_key(code), ()):
            if code != function.__code__ and code.co_freevars == function.__code__.co_freevars:
                function.__code__ = code


def _put_value(mutant: Mutant, name: str) -> None:
    module_name = mutant.path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    home = importlib.import_module(module_name)
    scope = dict(vars(home))
    # The rest of the module would enter its rules a second time.
    part = [node for node in mutant.tree().body if _assigns(node, name)]
    exec(compile(ast.Module(part, []), str(ROOT / mutant.path), "exec"), scope)
    old, new = getattr(home, name), scope[name]
    for module in [one for key, one in sys.modules.items() if key.startswith("conformance")]:
        if getattr(module, name, None) is old:
            setattr(module, name, new)


def _assigns(node: ast.stmt, name: str) -> bool:
    return isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name


def _remember(read: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Let the SDK read each answer only once, since no mutant changes it."""
    found: dict[object, Any] = {}

    def again(exchange: Any) -> Any:
        stream = bool(exchange.request.get("stream"))
        key = exchange.body, exchange.status, exchange.headers, stream
        if key not in found:
            found[key] = read(exchange)
        return found[key]

    return again


def page(hunt: Hunt, before: str, at: str, *, again: bool = False) -> str:
    """Enter a hunt of whole modules, or of the listed survivors, in the page.

    The page keeps rows of other modules, the reasons, which are written by hand, and everything
    from the second heading on.
    """
    listed, reasons, modules = _read(before)
    here = {mutant.path for mutant in hunt.mutants}
    left = {name: times for name, times in listed.items() if _path(name) not in here}
    left |= Counter(map(_name, hunt.survivors))
    modules |= _hunted(hunt, modules if again else {}, at)
    alive = Counter(_path(name) for name, times in left.items() for _ in range(times))
    total = sum(int(count) for count, _ in modules.values())
    killed = total - sum(alive[path] for path in modules)
    _, heading, notes = before.partition("\n## ")
    return "\n".join(
        [
            "# Mutants",
            "",
            f"Of {total} mutants the tests kill {killed} ({100 * killed / total:.1f} %).",
            "`make mutants` repeats it and writes this page; reasons are written by hand and kept.",
            "",
            "| module | mutants | killed | hunted |",
            "| --- | --- | --- | --- |",
            *(
                f"| `{path}` | {count} | {int(count) - alive[path]} | {when} |"
                for path, (count, when) in sorted(modules.items())
            ),
            "",
            "| survivor | times | why |",
            "| --- | --- | --- |",
            *(
                f"| {name} | {times} | {reasons.get(name, 'not looked at')} |"
                for name, times in sorted(left.items())
            ),
            heading + notes,
        ]
    )


def _hunted(hunt: Hunt, before: Mapping[str, list[str]], at: str) -> dict[str, list[str]]:
    """Give each module's mutants and when they were hunted, or their survivors again."""
    counts = Counter(mutant.path for mutant in hunt.mutants)
    return {
        path: [before[path][0], f"{before[path][1].partition(';')[0]}; survivors {at}"]
        if path in before
        else [str(count), at]
        for path, count in counts.items()
    }


def _read(page: str) -> tuple[dict[str, int], dict[str, str], dict[str, list[str]]]:
    """Read how often each survivor is listed, why, and each module's mutants and hunt."""
    rows = [line.strip("| ").split(" | ") for line in page.splitlines() if line.startswith("| `")]
    survivors = [row for row in rows if len(row) == 3]
    return (
        {name: int(times) for name, times, _ in survivors},
        {name: why for name, _, why in survivors},
        {row[0].strip("`"): [row[1], row[3]] for row in rows if len(row) == 4},
    )


def _name(mutant: Mutant) -> str:
    return f"`{mutant.path}` {mutant.function}: {mutant.change}".replace("|", "or")


def _path(name: str) -> str:
    return name.split("`")[1]


def _at() -> str:
    command = ["git", "describe", "--always", "--dirty", "--exclude=*"]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return f"{datetime.date.today()} at {found.stdout.strip() or 'no commit'}"


def main() -> int:
    """Hunt, print the survivors and the rate."""
    parser = argparse.ArgumentParser(prog="python -m tools.mutants")
    parser.add_argument("modules", nargs="*", default=MODULES, metavar="MODULE")
    parser.add_argument("--tests", nargs="+", default=TESTS, metavar="MODULE")
    parser.add_argument("--into", type=Path, metavar="FILE", help="enter the result in the page")
    few = parser.add_mutually_exclusive_group()
    few.add_argument("--sample", type=int, metavar="N", help="of so many, the same each time")
    few.add_argument("--again", action="store_true", help="of the survivors that the page lists")
    chosen = parser.parse_args()
    if chosen.into and chosen.sample:
        parser.error("--into needs whole modules; a sample is only printed")
    if chosen.again and not chosen.into:
        parser.error("--again needs the page that lists the survivors: --into docs/mutants.md")
    before = chosen.into.read_text("utf-8") if chosen.into and chosen.into.exists() else ""
    mutants = [mutant for path in chosen.modules for mutant in mutants_of(ROOT, path)]
    if chosen.sample:
        mutants = random.Random(1).sample(mutants, chosen.sample)
    if chosen.again:
        listed, _, modules = _read(before)
        mutants = [one for one in mutants if one.path in modules and _name(one) in listed]
    if not mutants:
        parser.error("no mutants to hunt")
    hunt = Hunt(mutants)
    client.read = _remember(client.read)  # type: ignore[assignment]
    tests = [str(ROOT / "tests" / f"{name}.py") for name in chosen.tests]
    status = pytest.main(["-q", "-p", "no:cacheprovider", "-p", "no:xdist", *QUIET, *tests], [hunt])
    if status not in (0, 5):
        return int(status)
    killed = len(mutants) - len(hunt.survivors)
    print(f"{killed} of {len(mutants)} mutants killed, {100 * killed / len(mutants):.1f} %")
    if chosen.into:
        chosen.into.write_text(page(hunt, before, _at(), again=chosen.again), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
