"""Imports point one way, and nothing has grown too large."""

from __future__ import annotations

import ast
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "conformance"

LINES_OF_A_MODULE = 400
LINES_OF_A_FUNCTION = 60
LISTS = {"commandline.add"}
"""Functions that are one flat list, here of options: longer, and read as easily."""

# A module imports from lines above its own, and within its line only from its own package.
LAYERS = [
    {"base"},
    {"model", "replay"},
    {"formats"},
    {"access", "modes", "patience"},
    {"assemble", "casefile", "exchange", "known", "launch", "reference", "sdk", "target"},
    {"budget", "reading", "request", "rules", "tokens", "turn"},
    {"hearing", "probe", "verdict"},
    {"attribution"},
    {"item"},
    {"exercise"},
    {"session"},
    {"options", "recorded", "results"},
    {"commandline", "compare", "reach", "tape"},
    {"report"},
    {"capture", "check", "collect"},
    {"accept", "judge", "matrix", "plan"},
    {"matrix_cli", "plan_cli", "results_cli", "run", "serve_cli", "shares"},
    {"plugin"},
    {"cli"},
    {"__main__"},
]
PURE = {"model", "base.jsonvalue", "base.sse", "base.statistics", "base.printable"} | {
    "assemble",
    "formats",
    "rules",
    "tokens",
}
"""What judges an answer: no input, no output, no clock, no client."""

PURE_IMPORTS = {
    "__future__",
    "bisect",
    "collections",
    "conformance",
    "dataclasses",
    "decimal",
    "enum",
    "itertools",
    "json",
    "jsonschema",
    "math",
    "pathlib",
    "re",
    "referencing",
    "types",
    "typing",
}
IMPURE_CALLS = {"open", "print", "input", "exec", "eval", "__import__", "compile"}

MODULES = sorted(PACKAGE.rglob("*.py"))
NAMES = {".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in MODULES}


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def imports(path: Path) -> set[str]:
    """Every module that a file imports, at any place in it, as full names."""
    here = list(path.relative_to(ROOT).with_suffix("").parts)
    found: set[str] = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            package = here[: len(here) - node.level] if node.level else []
            base = ".".join([*package, *([node.module] if node.module else [])])
            found.add(base)
            # `from conformance import sse` is an import of conformance.sse
            found |= {
                f"{base}.{alias.name}" for alias in node.names if _is_module(base, alias.name)
            }
    return found


def _is_module(base: str, name: str) -> bool:
    return f"{base}.{name}" in NAMES or f"{base}.{name}.__init__" in NAMES


def part(name: str) -> str:
    """`conformance.rules.said` is of the part `rules`; the package itself is `conformance`."""
    return name.split(".")[1] if "." in name else name


def ours(path: Path) -> set[str]:
    """The parts of the package that a file imports."""
    return {part(name) for name in imports(path) if name.split(".")[0] == "conformance"}


def rank(name: str) -> int:
    for number, layer in enumerate(LAYERS):
        if name in layer:
            return number
    raise AssertionError(f"conformance/{name} is in no layer: say in LAYERS where it stands")


def of_part(name: str) -> list[Path]:
    folder = PACKAGE / name
    return sorted(folder.rglob("*.py")) if folder.is_dir() else [PACKAGE / f"{name}.py"]


ids = pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))


@ids
def test_imports_point_one_way(path: Path) -> None:
    here = part(".".join(path.relative_to(ROOT).with_suffix("").parts))
    if here == "__init__":
        assert ours(path) == set()
        return
    above = {name for layer in LAYERS[: rank(here)] for name in layer}
    assert ours(path) - above - {here, "conformance"} == set()


@ids
def test_a_module_is_short(path: Path) -> None:
    assert len(path.read_text("utf-8").splitlines()) <= LINES_OF_A_MODULE


@ids
def test_a_function_fits_a_screen(path: Path) -> None:
    functions = [
        node
        for node in ast.walk(tree(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    lines = {f"{path.stem}.{one.name}": (one.end_lineno or 0) - one.lineno + 1 for one in functions}
    long = {name for name, count in lines.items() if count > LINES_OF_A_FUNCTION}
    assert long <= LISTS


@pytest.mark.parametrize("name", sorted(PURE))
def test_what_judges_does_no_input_or_output(name: str) -> None:
    for path in of_part(name):
        assert ours(path) <= PURE | {"conformance"}
        assert {one.split(".")[0] for one in imports(path)} <= PURE_IMPORTS
        called = {
            node.func.id
            for node in ast.walk(tree(path))
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        }
        assert called & IMPURE_CALLS == set()


def test_only_the_model_touches_paths_and_as_a_type() -> None:
    for name in PURE - {"model"}:
        for path in of_part(name):
            assert "pathlib" not in imports(path)


def test_the_model_imports_nothing_of_ours() -> None:
    assert ours(PACKAGE / "model.py") == set()


def test_the_logits_processor_stands_alone() -> None:
    for path in of_part("replay"):
        named: set[str] = set()
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.Import):
                named |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                named.add(node.module or "")
        assert {name.split(".")[0] for name in named} <= {*sys.stdlib_module_names, "vllm", "torch"}
        assert ours(path) <= {"replay"}


def test_only_the_suite_that_runs_in_pytest_imports_it() -> None:
    users = {
        part(name)
        for name, path in NAMES.items()
        if "pytest" in {one.split(".")[0] for one in imports(path)}
    }
    assert users <= {
        *("cli", "collect", "commandline", "options", "plugin", "reach", "results", "run"),
        "shares",
    }


def test_the_package_has_no_module_for_leftovers() -> None:
    names = {path.stem for path in MODULES}
    assert names & {"utils", "util", "helpers", "common", "misc"} == set()
