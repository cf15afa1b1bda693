"""A vLLM without kernels is its source distribution's Python, and nothing that was compiled."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from conformance.engines.vllm import LaunchProblem, tree

WHOLE = dict.fromkeys(tree.LANDMARKS, "") | {
    tree.REQUIREMENTS: "regex # reads tokens\n-r x.txt\nTriton==3\nnumpy; python_version > '3'\n"
}


def archive(folder: Path, files: dict[str, str]) -> Path:
    path = folder / "vllm-0.33.0.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        for name, text in files.items():
            member = tarfile.TarInfo(f"vllm-0.33.0/{name}")
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text.encode()))
    return path


def test_the_package_is_unpacked_and_what_it_needs_is_read(tmp_path: Path) -> None:
    made = archive(
        tmp_path, {**WHOLE, "vllm/entry.py": "x = 1", "vllm/a/kernel.cu": "", "b.py": ""}
    )
    packages = tmp_path / "packages"
    assert tree.unpack(made, packages) == ["regex", 'numpy; python_version > "3"']
    assert (packages / "vllm/entry.py").read_text() == "x = 1"
    assert not (packages / "vllm/a/kernel.cu").exists()
    assert {path.name for path in packages.iterdir()} == {"vllm"}


def test_nothing_is_written_beside_the_packages(tmp_path: Path) -> None:
    made = archive(tmp_path, {**WHOLE, "vllm/../../escaped.py": "", "vllm/../x.py": ""})
    tree.unpack(made, tmp_path / "packages")
    assert not (tmp_path / "escaped.py").exists()
    assert not (tmp_path / "packages" / "x.py").exists()


@pytest.mark.parametrize("lacking", [*tree.LANDMARKS, tree.REQUIREMENTS])
def test_a_release_of_an_unknown_form_is_refused_by_what_it_lacks(
    tmp_path: Path, lacking: str
) -> None:
    made = archive(tmp_path, {name: text for name, text in WHOLE.items() if name != lacking})
    with pytest.raises(LaunchProblem, match=f"has no {lacking}, .*; --kernels=real may serve it"):
        tree.unpack(made, tmp_path / "packages")
