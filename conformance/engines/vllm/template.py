"""Chat templates: the user's own, and the examples of the vLLM under test."""

from __future__ import annotations

import hashlib
from pathlib import Path

from conformance.base import files
from conformance.engines.problem import LaunchProblem
from conformance.engines.process import Report
from conformance.engines.vllm import pip, source
from conformance.engines.vllm.environment import Environment
from conformance.engines.vllm.pip import PipFailed

MAX_BYTES = 10_000_000
"""Of a template."""


def find_template(name: str | None, environment: Environment, *, report: Report) -> Path | None:
    """Give a template's file; `name` is a path, or a name in the examples of that vLLM version."""
    if name is None:
        return None
    own = Path(name).expanduser().absolute()
    if own.is_file():
        return own
    if "/" in name:
        raise LaunchProblem(f"template {name}: there is no such file")
    if not environment.examples.is_dir():
        _fetch(environment, report=report)
    path = environment.examples / name
    if not path.is_file():
        known = sorted(one.name for one in environment.examples.glob("tool_chat_template*.jinja"))
        raise LaunchProblem(
            f"template {name}: there is no such file, and vLLM {environment.version} has no such "
            f"example; it has {', '.join(known) or 'none'}"
        )
    return path


def describe(template: Path | None) -> str | None:
    """Give a template's name and the digest of its text."""
    if template is None:
        return None
    return f"{template.name} sha256:{hashlib.sha256(files.data(template, MAX_BYTES)).hexdigest()}"


def _fetch(environment: Environment, *, report: Report) -> None:
    log = environment.folder.with_name(f"{environment.folder.name}.log")
    what = f"the templates of vLLM {environment.version}"
    report(f"fetching {what}")
    try:
        source.fetch(
            environment.python, environment.version, environment.examples, log=log, report=report
        )
    except PipFailed as failure:
        raise pip.explain(failure, what) from None
