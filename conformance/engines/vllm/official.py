"""vLLM's official wheel, of which nothing that computes is used."""

from __future__ import annotations

import email
import zipfile
from pathlib import Path

from packaging.requirements import Requirement

from conformance.engines.process import Report
from conformance.engines.vllm import pip


def download(python: Path, version: str, folder: Path, *, log: Path, report: Report) -> Path:
    """Fetch a release's wheel into a folder, and keep it nowhere else; raises pip.PipFailed."""
    what = f"fetching the wheel of vLLM {version}"
    report(f"{what}: once, some hundred MB, of which a part is kept")
    arguments = ["download", f"vllm=={version}", "--no-deps", "--only-binary=vllm"]
    arguments += ["--dest", str(folder), "--no-cache-dir", "--retries", "1"]
    pip.run(python, arguments, log=log, report=report, what=what)
    (wheel,) = folder.glob("vllm-*.whl")
    return wheel


def requirements_of(wheel: Path) -> list[Requirement]:
    """Read the requirements of a wheel on this machine, without its extras."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (one for one in archive.namelist() if one.endswith(".dist-info/METADATA"))
        metadata = email.message_from_bytes(archive.read(name))
    found = [Requirement(line) for line in metadata.get_all("Requires-Dist", [])]
    needed = [one for one in found if not one.marker or one.marker.evaluate({"extra": ""})]
    for one in needed:
        one.marker = None
    return needed
