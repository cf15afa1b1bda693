"""Two distributions come from this tree: the suite, and what a vLLM server loads."""

from __future__ import annotations

import ast
import subprocess
import sys
import tarfile
import venv
from email.message import Message
from email.parser import Parser
from pathlib import Path
from zipfile import ZipFile

import pytest

from conformance import __version__

ROOT = Path(__file__).parents[1]
REPLAY = ROOT / "conformance" / "replay"
ADDRESS = "import conformance.replay as found; print(found.__file__)"


def build(kind: str, tree: Path, into: Path) -> Path:
    """Build a distribution of a project in a folder that has none yet."""
    words = [sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", str(into)]
    done = subprocess.run(words, cwd=tree, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (built,) = into.iterdir()
    return built


def files(wheel: Path) -> set[str]:
    """Name what a wheel installs, except the notes of the installer."""
    with ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if ".dist-info/" not in name}


def note(wheel: Path, name: str) -> str:
    """Read a file of the wheel's `dist-info`."""
    with ZipFile(wheel) as archive:
        (found,) = (one for one in archive.namelist() if one.endswith(f".dist-info/{name}"))
        return archive.read(found).decode()


def metadata(wheel: Path) -> Message:
    return Parser().parsestr(note(wheel, "METADATA"))


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("wheel", ROOT, tmp_path_factory.mktemp("suite"))


@pytest.fixture(scope="module")
def replay(tmp_path_factory: pytest.TempPathFactory) -> Path:
    tree = ROOT / "distributions" / "replay"
    return build("wheel", tree, tmp_path_factory.mktemp("replay"))


def unpack(wheel: Path, into: Path) -> None:
    """Put a wheel's files where an installer would."""
    with ZipFile(wheel) as archive:
        archive.extractall(into)


def remove(wheel: Path, folder: Path) -> None:
    """Remove a wheel's files, and leave the folders."""
    for name in files(wheel):
        (folder / name).unlink()


def run(program: str, folder: Path) -> str:
    """Give what a program prints that sees this folder beside the standard library."""
    words = [sys.executable, "-S", "-B", "-c", program]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_suite_brings_cases_targets_and_its_command(suite: Path) -> None:
    assert suite.name == f"toolcall_truth-{__version__}-py3-none-any.whl"
    found = files(suite)
    cases = {f"conformance/cases/{path.name}" for path in (ROOT / "cases").iterdir()}
    assert cases | {"conformance/targets/hermes.yaml", "conformance/py.typed"} <= found
    assert {name.partition("/")[0] for name in found} == {"conformance"}
    assert "toolcall-truth = conformance.cli:main" in note(suite, "entry_points.txt").splitlines()
    assert metadata(suite)["Home-page"] is None
    assert metadata(suite)["Project-URL"] is None


def test_what_a_server_loads_is_small_and_needs_nothing(replay: Path) -> None:
    assert replay.name == f"toolcall_truth_replay-{__version__}-py3-none-any.whl"
    assert metadata(replay)["Requires-Dist"] is None
    code = {f"toolcall_truth_replay/{path.name}" for path in REPLAY.glob("*.py")}
    assert files(replay) == {*code, "toolcall_truth_replay/LICENSE", "conformance/replay.py"}
    with ZipFile(replay) as archive:
        for path in REPLAY.glob("*.py"):
            assert archive.read(f"toolcall_truth_replay/{path.name}") == path.read_bytes()


def test_no_file_belongs_to_both_distributions(suite: Path, replay: Path) -> None:
    assert files(suite) & files(replay) == set()


@pytest.mark.parametrize("path", sorted(REPLAY.glob("*.py")), ids=lambda path: path.name)
def test_what_a_server_loads_is_written_for_the_oldest_python_of_a_server(path: Path) -> None:
    ast.parse(path.read_text("utf-8"), feature_version=(3, 10))


@pytest.mark.slow
def test_a_server_loads_the_replay_with_nothing_else_installed(
    tmp_path: Path, replay: Path
) -> None:
    python = tmp_path / "bin" / "python"
    venv.create(tmp_path, with_pip=False, symlinks=True)
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--no-index"]
    subprocess.run([*pip, "--quiet", str(replay)], check=True)

    def say(program: str) -> str:
        words = [str(python), "-I", "-c", program]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        return done.stdout.strip() or done.stderr.strip().splitlines()[-1]

    named = "import importlib.metadata as m; print([one.name for one in m.distributions()])"
    assert say(named) == "['toolcall-truth-replay']"
    assert say("import conformance.replay; print(conformance.replay.__all__)") == "['Replay']"
    processor = say("import conformance.replay; conformance.replay.Replay")
    assert processor == "ModuleNotFoundError: No module named 'torch'"
    script = say("import toolcall_truth_replay.script as one; print(one.FIELD)")
    assert script == "conformance_script"


def test_either_distribution_leaves_without_harm_to_the_other(
    tmp_path: Path, suite: Path, replay: Path
) -> None:
    unpack(replay, tmp_path)
    assert run(ADDRESS, tmp_path) == str(tmp_path / "conformance" / "replay.py")
    unpack(suite, tmp_path)
    whole = str(tmp_path / "conformance" / "replay" / "__init__.py")
    assert run(ADDRESS, tmp_path) == whole
    remove(replay, tmp_path)
    assert run(ADDRESS, tmp_path) == whole
    unpack(replay, tmp_path)
    remove(suite, tmp_path)
    assert run(ADDRESS, tmp_path) == str(tmp_path / "conformance" / "replay.py")


@pytest.mark.slow
def test_the_source_distribution_builds_both_wheels_and_holds_no_page(
    tmp_path: Path, suite: Path, replay: Path
) -> None:
    source = build("sdist", ROOT, tmp_path / "source")
    assert source.name == f"toolcall_truth-{__version__}.tar.gz"
    assert source.stat().st_size < 3_000_000
    with tarfile.open(source) as archive:
        names = archive.getnames()
        archive.extractall(tmp_path, filter="data")
    assert [name for name in names if "/docs/" in name and name.endswith(".html")] == []
    tree = tmp_path / f"toolcall_truth-{__version__}"
    assert files(build("wheel", tree, tmp_path / "suite")) == files(suite)
    other = build("wheel", tree / "distributions" / "replay", tmp_path / "replay")
    assert files(other) == files(replay)
