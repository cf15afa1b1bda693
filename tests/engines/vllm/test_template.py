from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

import pytest

from conformance.engines.vllm import Environment, LaunchProblem
from conformance.engines.vllm.template import describe, find_template

FAKE = Path(__file__).parent / "fake_python.py"
HERMES = "tool_chat_template_hermes.jinja"


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" -IS "{FAKE}" "{tmp_path}" "$@"\n')
    python.chmod(0o755)
    (tmp_path / "plan.json").write_text("{}")
    return Environment(
        python=python,
        version="0.12.0.post2",
        packages={"vllm": "0.12.0.post2"},
        folder=tmp_path / "environment",
        examples=tmp_path / "environment" / "examples",
    )


def test_a_template_comes_from_the_sources_of_the_same_release(environment: Environment) -> None:
    found = find_template(HERMES, environment, report=print)
    assert found == environment.examples / HERMES
    assert found.read_text() == "{{ messages }}"
    calls = (environment.folder.parent / "calls").read_text()
    assert "vllm==0.12.0 " in calls


def test_templates_are_fetched_once(environment: Environment) -> None:
    find_template(HERMES, environment, report=print)
    calls = (environment.folder.parent / "calls").read_text()
    find_template(HERMES, environment, report=print)
    assert (environment.folder.parent / "calls").read_text() == calls


def test_a_file_of_the_user_goes_before_vllm_s(
    environment: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("own.jinja").touch()
    for name in ("own.jinja", "./own.jinja", str(tmp_path / "own.jinja")):
        assert find_template(name, environment, report=print) == tmp_path / "own.jinja"


def test_an_unknown_template_is_reported_with_those_there_are(environment: Environment) -> None:
    with pytest.raises(LaunchProblem) as raised:
        find_template("tool_chat_template_hermse.jinja", environment, report=print)
    assert str(raised.value) == (
        "template tool_chat_template_hermse.jinja: there is no such file, and vLLM 0.12.0.post2 "
        f"has no such example; it has {HERMES}"
    )


def test_a_path_that_is_not_there_is_reported(environment: Environment) -> None:
    with pytest.raises(LaunchProblem, match=r"template \./own\.jinja: there is no such file"):
        find_template("./own.jinja", environment, report=print)


def test_sources_that_cannot_be_had_are_reported(environment: Environment) -> None:
    said = "ERROR: No matching distribution found for vllm==0.12.0"
    plan = environment.folder.parent / "plan.json"
    plan.write_text(json.dumps({"fail": [[["vllm==0.12.0"], said]]}))
    with pytest.raises(LaunchProblem) as raised:
        find_template(HERMES, environment, report=print)
    assert str(raised.value).startswith("the templates of vLLM 0.12.0.post2: pip failed\nERROR: No")


def test_a_template_is_described_by_its_name_and_what_is_in_it(tmp_path: Path) -> None:
    path = tmp_path / "own.jinja"
    path.write_text("{{ messages }}")
    digest = hashlib.sha256(b"{{ messages }}").hexdigest()
    assert describe(path) == f"own.jinja sha256:{digest}"
    assert describe(None) is None
