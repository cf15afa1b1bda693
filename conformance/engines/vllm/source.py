"""vLLM's source distribution: its example templates, and the versions that it was tested with."""

from __future__ import annotations

import re
import shutil
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from packaging.version import Version

from conformance.engines.process import Report
from conformance.engines.vllm import pip

LOCKS = ("requirements/test/cpu.txt", "requirements/test/cuda.txt", "requirements/test.txt")
"""Files in which releases list their tested versions, best first."""
TESTED = ("mistral-common", "transformers", "tokenizers", "openai")
"""Packages that decide how requests are read, rendered and cut; newer ones break old releases."""

_DOWNLOAD = ("download", "--no-deps", "--no-binary=vllm", "--no-build-isolation")
# Before pip downloads a source distribution, it asks the build backend for metadata. vLLM's backend
# needs torch and compilers for that, although the archive already holds the metadata.
_BACKEND = """
import re
from pathlib import Path


def prepare_metadata_for_build_wheel(folder, config_settings=None):
    text = Path("PKG-INFO").read_text(encoding="utf-8")
    name, version = (re.search(rf"^{key}: (.+)$", text, re.M)[1] for key in ("Name", "Version"))
    info = Path(folder, f"{name}-{version}.dist-info")
    info.mkdir()
    (info / "METADATA").write_text(text, encoding="utf-8")
    return info.name
"""


def fetch(
    python: Path, version: str, examples: Path, *, log: Path, report: Report
) -> dict[str, str]:
    """Keep a release's templates in `examples`, and give its tested versions.

    Raises pip.PipFailed.
    """
    with TemporaryDirectory(prefix="conformance-") as name:
        return keep(download(python, version, Path(name), log=log, report=report), examples)


def download(python: Path, version: str, folder: Path, *, log: Path, report: Report) -> Path:
    """Fetch a release's source distribution into a folder; raises pip.PipFailed."""
    release = release_of(version)
    pip.run(
        python,
        [*_DOWNLOAD, "--dest", folder, f"vllm=={release}"],
        log=log,
        report=report,
        what=f"fetching the sources of vLLM {release}",
        variables={"PYTHONPATH": str(write_backend(folder))},
    )
    (archive,) = folder.glob("vllm-*.tar.gz")
    return archive


def release_of(version: str) -> str:
    """Give the release that a version is built of; its sources have no label and no repair."""
    return Version(version).base_version


def keep(archive: Path, examples: Path) -> dict[str, str]:
    """Keep the templates of an archive in `examples`, and give the release's tested versions."""
    with _text_files(archive) as files:
        return _keep(files, examples)


def write_backend(folder: Path) -> Path:
    """Write a build backend that only reads metadata, and give its PYTHONPATH."""
    backend = folder / "backend" / "setuptools"
    backend.mkdir(parents=True, exist_ok=True)
    (backend / "__init__.py").touch()
    (backend / "build_meta.py").write_text(_BACKEND, encoding="utf-8")
    return backend.parent


def _keep(files: Iterator[tuple[str, bytes]], examples: Path) -> dict[str, str]:
    fresh = examples.with_name(examples.name + ".new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    locks: dict[str, str] = {}
    for name, data in files:
        if name in LOCKS:
            locks[name] = data.decode()
        elif name.startswith("examples/") and name.count("/") == 1:
            (fresh / Path(name).name).write_bytes(data)
    shutil.rmtree(examples, ignore_errors=True)
    fresh.rename(examples)
    return tested(locks)


@contextmanager
def _text_files(archive: Path) -> Iterator[Iterator[tuple[str, bytes]]]:
    """Give the locks and templates of a source archive, by their path under its one folder."""
    with tarfile.open(archive) as tar:

        def files() -> Iterator[tuple[str, bytes]]:
            for member in tar:
                name = member.name.partition("/")[2]
                if member.isfile() and (name in LOCKS or name.endswith(".jinja")):
                    data = tar.extractfile(member)
                    assert data is not None
                    yield name, data.read()

        yield files()


def tested(locks: Mapping[str, str]) -> dict[str, str]:
    """Give the versions that a vLLM was tested with, from its lists by path."""
    text = next((locks[name] for name in LOCKS if name in locks), "")
    pins = re.findall(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^\s;]+)", text, re.MULTILINE)
    return {name: version for name, version in pins if name in TESTED}
