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

ROOMS = [
    {"base"},
    {"terms", "replay"},
    {"formats"},
    {"scripting", "copying"},
    {"engines"},
    {"client"},
    {"wires", "reference"},
    {"casefiles"},
    {"rules"},
    {"verdicts"},
    {"runs", "results"},
    {"report"},
    {"pytesting"},
    {"commands"},
    {"plugin", "cli"},
    {"__main__"},
]
"""The floors of the house: a room imports from floors above its own, and from itself."""

PURE = {
    "base.jsonvalue",
    "base.printable",
    "base.sse",
    "base.statistics",
    "base.suggest",
    "casefiles.expectation",
    "formats",
    "rules",
    "terms",
    "verdicts.spoken",
    "wires.answer",
    "wires.chat.answers",
    "wires.chat.choices",
    "wires.chat.fields",
    "wires.chat.parts",
    "wires.chat.token_ids",
}
"""What judges an answer: no input, no output, no clock, no client."""

PURE_IMPORTS = {
    "__future__",
    "bisect",
    "collections",
    "conformance",
    "dataclasses",
    "decimal",
    "difflib",
    "enum",
    "itertools",
    "json",
    "jsonschema",
    "math",
    "pathlib",
    "re",
    "string",
    "referencing",
    "textwrap",
    "types",
    "typing",
}
LISTING = {"importlib", "pkgutil"}
"""What finds the members of a family in their folder."""
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


def room_of(name: str) -> str:
    """`conformance.rules.common.said` is in the room `rules`; the package is `conformance`."""
    return name.split(".")[1] if "." in name else name


def ours(path: Path) -> set[str]:
    """The modules of the package that a file imports."""
    return {name for name in imports(path) if name.split(".")[0] == "conformance"}


def floor_of(room: str) -> int:
    for number, floor in enumerate(ROOMS):
        if room in floor:
            return number
    raise AssertionError(f"conformance/{room} is on no floor: say in ROOMS where it stands")


def modules_of(name: str) -> list[Path]:
    """The files of a room, or of one module of it."""
    place = PACKAGE / name.replace(".", "/")
    return sorted(place.rglob("*.py")) if place.is_dir() else [place.with_suffix(".py")]


ids = pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))


@ids
def test_imports_point_one_way(path: Path) -> None:
    here = room_of(".".join(path.relative_to(ROOT).with_suffix("").parts))
    rooms = {room_of(name) for name in ours(path)}
    if here == "__init__":
        assert rooms == set()
        return
    above = {room for floor in ROOMS[: floor_of(here)] for room in floor}
    assert rooms - above - {here, "conformance"} == set()


def test_every_room_is_on_a_floor_and_every_floor_has_its_rooms() -> None:
    found = {path.stem for path in PACKAGE.glob("*.py")} - {"__init__"}
    found |= {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert {room for floor in ROOMS for room in floor} == found


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
    assert long == set()


@pytest.mark.parametrize("name", sorted(PURE))
def test_what_judges_does_no_input_or_output(name: str) -> None:
    for path in modules_of(name):
        assert {one for one in ours(path) if not _is_pure(one)} == set()
        allowed = PURE_IMPORTS | (LISTING if path.name in ("__init__.py", "registry.py") else set())
        assert {one.split(".")[0] for one in imports(path)} <= allowed
        called = {
            node.func.id
            for node in ast.walk(tree(path))
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        }
        assert called & IMPURE_CALLS == set()


def _is_pure(name: str) -> bool:
    """Whether a module is among those that judge, or a package that only holds some."""
    parts = name.split(".")[1:]
    if (PACKAGE.joinpath(*parts) / "__init__.py").exists():
        return not imports(PACKAGE.joinpath(*parts) / "__init__.py") - {"__future__"} or any(
            ".".join(parts[: end + 1]) in PURE for end in range(len(parts))
        )
    return any(".".join(parts[: end + 1]) in PURE for end in range(len(parts)))


def test_among_the_pure_rooms_only_terms_imports_pathlib() -> None:
    for name in PURE - {"terms"}:
        for path in modules_of(name):
            assert "pathlib" not in imports(path)


def test_terms_use_a_path_as_a_type_only() -> None:
    found = 0
    for path in modules_of("terms"):
        types = {
            id(name)
            for node in ast.walk(tree(path))
            if isinstance(node, ast.AnnAssign)
            for name in ast.walk(node.annotation)
        }
        named = [node for node in ast.walk(tree(path)) if isinstance(node, ast.Name)]
        used = [node for node in named if node.id == "Path"]
        assert [node.lineno for node in used if id(node) not in types] == []
        found += len(used)
    assert found


def test_the_logits_processor_stands_alone() -> None:
    outside = {*sys.stdlib_module_names, "vllm", "torch", "numpy"}
    for path in modules_of("replay"):
        named: set[str] = set()
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.Import):
                named |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                named.add(node.module or "")
        assert {name.split(".")[0] for name in named} <= outside
        assert {room_of(name) for name in ours(path)} <= {"replay"}


def test_only_the_rooms_that_run_pytest_import_it() -> None:
    users = {
        room_of(name)
        for name, path in NAMES.items()
        if "pytest" in {one.split(".")[0] for one in imports(path)}
    }
    assert users == {"pytesting", "commands"}


def test_the_package_has_no_module_for_leftovers() -> None:
    names = {path.stem for path in MODULES} | {path.name for path in PACKAGE.iterdir()}
    assert names & {"utils", "util", "helpers", "common", "misc"} == set()
