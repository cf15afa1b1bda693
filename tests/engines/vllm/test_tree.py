"""A vLLM without kernels is the Python that its release has, and nothing that was compiled."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from conformance.engines.vllm import LaunchProblem, pip, torch_build, tree
from conformance.engines.vllm.pip import PipFailed

WHOLE = dict.fromkeys(tree.LANDMARKS, "") | {
    tree.REQUIREMENTS: "regex # reads tokens\n-r x.txt\nTriton==3\nnumpy; python_version > '3'\n"
}


METADATA = """\
Metadata-Version: 2.1
Name: vllm
Version: 0.15.1
Requires-Dist: regex>=2
Requires-Dist: pywin32; sys_platform == "win32"
Requires-Dist: triton==3.6
Requires-Dist: flashinfer-python==0.6.1
Requires-Dist: numpy; extra == "bench"
"""


def archive(folder: Path, files: dict[str, str], version: str = "0.33.0") -> Path:
    path = folder / f"vllm-{version}.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        for name, text in files.items():
            member = tarfile.TarInfo(f"vllm-{version}/{name}")
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


class Index:
    """Stands in for pip: an index with a wheel of 0.15.1 and the sources of 0.14.1 and 0.16.0."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.wanted = self.bounds = ""
        monkeypatch.setattr(pip, "run", self.run)
        monkeypatch.setattr(torch_build, "shared", lambda *_, **__: Path("/torch"))

    def run(self, python: Path, words: Sequence[str | Path], *, log: Path, **more: Any) -> None:
        if words[0] == "install":
            self.wanted, self.bounds = (
                Path(words[words.index(word) + 1]).read_text()
                for word in ("--requirement", "--constraint")
            )
            return
        name, folder = f"{words[-1]}", Path(words[words.index("--dest") + 1])
        if "--only-binary=vllm" in words and "vllm==0.15.1" in words:
            with zipfile.ZipFile(folder / "vllm-0.15.1-cp38-abi3-linux.whl", "w") as wheel:
                wheel.writestr("vllm-0.15.1.dist-info/METADATA", METADATA)
                for path in (*tree.LANDMARKS, "vllm/_C.abi3.so", "vllm/../x.py", "other/x.py"):
                    wheel.writestr(path, "of 0.15.1")
        elif name == "vllm==0.14.1":
            more_files = {"requirements/test.txt": "openai==2.1\n", "examples/a.jinja": "of 0.14"}
            archive(folder, {**WHOLE, **more_files}, "0.14.1")
        else:
            asked = next(word for word in words if str(word).startswith("vllm=="))
            raise PipFailed(
                "ERROR: Could not find a version that satisfies the requirement "
                f"{asked} (from versions: 0.14.0, 0.14.1, 0.16.0)",
                log,
            )


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """Give the folder of an environment with nothing in it."""
    (tmp_path / "bare" / "lib" / "python3.11" / "site-packages").mkdir(parents=True)
    return tmp_path / "bare"


def fill(folder: Path, version: str, report: Any = print) -> str:
    python = folder / "bin" / "python"
    return tree.fill(python, version, folder, [], log=folder / "log", report=report)


def test_a_release_without_sources_is_the_python_of_its_wheel(
    bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index, said = Index(monkeypatch), list[str]()
    fill(bare, "0.15.1", said.append)
    packages = tree.packages_of(bare)
    found = {str(one.relative_to(packages)) for one in packages.rglob("*") if one.is_file()}
    assert found == {*tree.LANDMARKS, "shared_torch.pth", "vllm-0.15.1.dist-info/METADATA"}
    assert (packages / tree.LANDMARKS[0]).read_text() == "of 0.15.1"
    assert (bare / "examples" / "a.jinja").read_text() == "of 0.14"
    assert index.wanted.split() == ["regex>=2"]
    assert index.bounds.split() == ["openai==2.1"]
    assert "vLLM 0.15.1 has no sources: 0.14.1 gives templates and tested versions" in said


def test_a_release_with_neither_sources_nor_a_wheel_is_refused(
    bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Index(monkeypatch)
    for version in ("0.16.1", "0.1"):
        with pytest.raises(PipFailed, match=f"the requirement vllm=={version}"):
            fill(bare, version)
