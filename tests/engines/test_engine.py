"""What a folder in `engines/` owes, and that nothing outside it names an engine."""

from __future__ import annotations

import ast
from functools import partial
from pathlib import Path

import pytest

from conformance.base.jsonvalue import Json
from conformance.engines import registry, target
from conformance.engines.engine import Engine
from conformance.engines.registry import ENGINES
from conformance.pytesting.option import Way
from conformance.pytesting.option_table import OPTIONS
from conformance.verdicts import known_issues

PACKAGE = Path(registry.__file__).parents[1]
FOLDERS = sorted(path.parent.name for path in (PACKAGE / "engines").glob("*/__init__.py"))
OUTSIDE = [
    path
    for path in sorted(PACKAGE.rglob("*.py"))
    if path.relative_to(PACKAGE).parts[0] not in ("engines", "replay")
]
PROFILES = {"rules/rule.py"}
"""Rules may be for one implementation."""

engines = pytest.mark.parametrize("engine", ENGINES.values(), ids=lambda engine: engine.name)


def test_every_folder_is_an_engine_of_that_name() -> None:
    assert [engine.name for engine in ENGINES.values()] == FOLDERS != []


def test_a_folder_without_an_engine_is_named() -> None:
    with pytest.raises(ImportError, match=r"conformance\.base has no ENGINE; see Engine in "):
        registry._engine_in("conformance.base")


@engines
def test_an_engine_has_a_built_in_target_to_try_it_with(engine: Engine) -> None:
    assert engine.name in {target.load(name).engine for name in target.names()}


@engines
def test_an_engine_s_options_are_in_the_table_and_are_for_launched_servers(engine: Engine) -> None:
    launched = {option.name for option in OPTIONS if Way.LAUNCH in option.ways}
    assert engine.release.name in engine.options
    assert engine.options <= launched


@engines
def test_an_engine_s_release_option_says_its_default(engine: Engine) -> None:
    assert f"(default: {engine.release.usual(None)}" in engine.release.help


@engines
@pytest.mark.parametrize("emission", ["scripted", "copied", "sampled"])
def test_an_engine_supposes_a_server_of_its_own(engine: Engine, emission: str) -> None:
    suppose = partial(
        engine.suppose, model="m", parser="p", format="f", emission=emission, render_path="/r"
    )
    found = suppose(version="1")
    assert (found.implementation, found.version) == (engine.name, "1")
    assert (found.model, found.parser, found.format) == ("m", "p", "f")
    assert found.emission in (emission, "sampled")
    assert found.render_path in ("/r", None)
    assert suppose().version is None


@engines
def test_an_engine_does_not_recognise_a_server_that_shows_nothing(engine: Engine) -> None:
    assert engine.recognise(lambda path: None) is None


@engines
@pytest.mark.parametrize("odd", [[], "1", 2, {"version": 3}, {"version": None}])
def test_an_engine_does_not_recognise_a_document_of_another_shape(
    engine: Engine, odd: Json
) -> None:
    assert engine.recognise(lambda path: odd) is None


def test_a_server_that_no_engine_recognises_is_unknown() -> None:
    assert registry.recognise(lambda path: None) == ("unknown", None)


def test_the_document_of_its_version_tells_a_vllm() -> None:
    documents = {"/version": {"version": "0.32.0+cpu"}}
    assert registry.recognise(documents.get) == ("vllm", "0.32.0")
    documents["/version"]["rust_frontend_version"] = "0.32.0"
    assert registry.recognise(documents.get) == ("vllm-rust", "0.32.0")


@pytest.mark.parametrize("path", OUTSIDE, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_nothing_outside_the_engines_names_one(path: Path) -> None:
    tree = ast.parse(path.read_text("utf-8"))
    words = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    if str(path.relative_to(PACKAGE)) not in PROFILES:
        assert words & set(ENGINES) == set()
    names = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    names |= {
        one.name for node in ast.walk(tree) if isinstance(node, ast.Import) for one in node.names
    }
    own = tuple(f"conformance.engines.{name}" for name in ENGINES)
    assert {name for name in names if name and name.startswith(own)} == set()
    imported = [
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "conformance.engines"
        for alias in node.names
    ]
    assert set(imported) & set(ENGINES) == set()


def test_known_issues_are_those_of_an_engine() -> None:
    made = {path.name.partition("-")[0] for path in known_issues.FOLDER.iterdir()}
    assert made <= set(ENGINES)
