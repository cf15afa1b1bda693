"""The referee names a line that somebody broke in a tree of real sources."""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from conformance.engines.vllm import DEFAULT_VLLM, provision, source

pytestmark = pytest.mark.vllm

PARSER = "vllm/tool_parsers/hermes_tool_parser.py"
ENDS = 'tool_call_end_token: str = "</tool_call>"'


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Give vLLM's own sources, with another end of a call in its hermes parser."""
    python = provision(DEFAULT_VLLM, report=print).python
    archive = source.download(
        python, DEFAULT_VLLM, tmp_path, log=tmp_path / "pip.log", report=print
    )
    with tarfile.open(archive) as packed:
        packed.extractall(tmp_path, filter="data")
    folder = tmp_path / f"vllm-{DEFAULT_VLLM}"
    text = (folder / PARSER).read_text("utf-8")
    assert ENDS in text
    (folder / PARSER).write_text(text.replace(ENDS, ENDS.replace("</tool", "</tools")))
    return folder


def state(folder: Path) -> dict[Path, tuple[int, int]]:
    """Note the size and the time of each file."""
    found = {path: path.stat() for path in folder.rglob("*")}
    return {path: (one.st_size, one.st_mtime_ns) for path, one in found.items()}


def test_the_referee_names_a_broken_line_of_a_tree_and_leaves_the_tree_alone(
    tree: Path, tmp_path: Path
) -> None:
    before = state(tree)
    sides = (f"--base={DEFAULT_VLLM}", f"--head={tree}", f"--output={tmp_path / 'out'}")
    words = ("referee", "hermes", *sides, "--format=json", "--", "-k", "single")
    done = subprocess.run(
        [sys.executable, "-m", "conformance", *words],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    print(done.stderr[-6000:])
    assert done.returncode == 1, done.stdout[-3000:]
    ruling = json.loads(done.stdout)["targets"]["hermes"]
    broken = [one["rule"] for one in ruling["breaks"]]
    assert broken == ["content.no-marker-leak"]
    assert state(tree) == before
