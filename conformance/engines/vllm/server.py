"""Starts a vLLM server on a loopback port: a scripted model without weights, or a real model."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path

from conformance.engines import loopback
from conformance.engines.cache import lock
from conformance.engines.engine import Launched
from conformance.engines.problem import LaunchProblem
from conformance.engines.process import Report, clean_environment
from conformance.engines.vllm import front_end, gguf_folder, model_folder, weights
from conformance.engines.vllm.environment import Environment
from conformance.engines.vllm.plugin import NAME, PROCESSOR, stage
from conformance.engines.vllm.template import describe, find_template
from conformance.terms.server import DRAFTS, Target

_SERVER = "vllm.entrypoints.openai.api_server"
_CLI = "vllm.entrypoints.cli.main"
_SERVING = (
    *("--host", "127.0.0.1", "--enforce-eager", "--max-num-seqs", "64"),
    # A CPU without instructions for bfloat16 takes sixty times as long with it.
    *("--dtype", "float32"),
    *("--disable-log-stats", "--disable-uvicorn-access-log"),
    *("--enable-auto-tool-choice", "--tool-call-parser"),
)
_SCRIPTED = ("--load-format", "dummy", "--logits-processors", PROCESSOR)
_SPECULATING = {"method": "ngram", "num_speculative_tokens": DRAFTS}
"""The method takes no second model; what it would guess is not asked, but given by the script."""
_SETTINGS = {
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
}
"""Defaults; the user's environment overrides them."""
_WEIGHTLESS = {
    # One thread, and the worker in the engine's own process: to compute a tiny model takes less
    # time than to pass it around. It starts in half the processor time and serves four times as
    # fast.
    "OMP_NUM_THREADS": "1",
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
}
"""More defaults, for a model without weights."""
_KERNEL_FREE = {
    # A fork imports nothing again, and it inherits the line to the API server.
    "VLLM_WORKER_MULTIPROC_METHOD": "fork",
    # Where other plugins are installed too, one that is no platform of ours must not be chosen.
    "VLLM_PLUGINS": NAME,
}
"""For a vLLM without kernels, whatever the user's environment says."""
_OTHER_FRONT_END = {
    "VLLM_USE_RUST_FRONTEND": "1",
    # It resets a connection whose request does not come within that time; a client may be busy.
    "VLLM_HTTP_TIMEOUT_KEEP_ALIVE": "120",
}
_FIXED = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
    "PYTHONUNBUFFERED": "1",
    "NO_COLOR": "1",
    "VLLM_LOGGING_COLOR": "0",
}


def start(
    target: Target,
    environment: Environment,
    *,
    folder: Path,
    report: Report,
    timeout: float = 600,
    template: str | None = None,
    program: Path | None = None,
    speculates: bool = False,
) -> Launched:
    """Start a target's server and wait until it serves.

    `program` is a front end in place of vLLM's own in Python.
    `speculates` is for an environment without kernels: it guesses tokens of a script if asked to.
    `folder` is for the log and the plugin. `template` replaces the target's; it is a file, or a
    name in vLLM's examples. `timeout` is in seconds. Raises LaunchProblem.
    """
    folder = folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    with lock(environment.folder, report=report):
        model = build_model(target, environment, report=report)
        chat = find_template(template or target.template, environment, report=report)
    name = target.name if target.is_real else f"scripted-{target.name}"
    command = _command(target, environment, model, chat, name, program)
    if speculates:
        command += ["--speculative-config", json.dumps(_SPECULATING)]
    variables = _variables(target, environment, stage(environment, folder), program)
    started = loopback.start(
        lambda port: [*command, "--port", str(port)],
        name,
        environment=variables,
        log=folder / f"server-{target.name}.log",
        what=f"starting vLLM {environment.version} for {target.name}",
        timeout=timeout,
        report=report,
    )
    return Launched(
        url=started.url,
        model=name,
        log=started.process.log,
        template=describe(chat),
        packages=environment.packages,
        process=started.process,
        version=environment.version if environment.sources else None,
    )


def _command(
    target: Target,
    environment: Environment,
    model: Path,
    template: Path | None,
    name: str,
    program: Path | None = None,
) -> list[str | Path]:
    command: list[str | Path] = [environment.python, "-m"]
    # The other front end is started by vLLM's command line alone.
    command += [_CLI, "serve", model] if program else [_SERVER, "--model", model]
    command += [*_SERVING, target.parser, "--served-model-name", name]
    length = target.tokenizer["length"] if target.is_real else model_folder.LENGTH
    command += ["--max-model-len", str(length)]
    if target.is_real:
        # vLLM for CPU dies of a seeded request whose prompt is read in parts: it resets the offset
        # of its generator, and PyTorch's for CPU has none ("CPU Generator does not use offset").
        command += ["--no-enable-chunked-prefill", "--max-num-batched-tokens", str(length)]
    elif environment.kernels:
        command += _SCRIPTED
    if target.tokenizer["kind"] == "tekken":
        command += ["--tokenizer-mode", "mistral"]
    if template is not None:
        command += ["--chat-template", template]
    return [*command, *target.arguments]


def _variables(
    target: Target, environment: Environment, plugin: Path, program: Path | None = None
) -> dict[str, str]:
    fixed = {**_FIXED, "PYTHONPATH": os.pathsep.join(map(str, _before(environment, plugin)))}
    if not environment.kernels:
        kept = _kept(environment)
        front = {**_OTHER_FRONT_END, front_end.OWN: str(program)} if program else {}
        return {**kept, **clean_environment(), **_KERNEL_FREE, **front, **fixed}
    settings = _SETTINGS | (_real() if target.is_real else _WEIGHTLESS)
    return {**settings, **clean_environment(), **fixed}


def _before(environment: Environment, plugin: Path) -> list[Path]:
    """List the folders that come before an environment's own packages."""
    return [plugin, environment.sources] if environment.sources else [plugin]


def _kept(environment: Environment) -> dict[str, str]:
    """Say where a vLLM without kernels may write, since it may be served from a tree of a user's.

    Of two that share a cache, each would remove what the other keeps of the models that it read.
    """
    if environment.sources is None:
        return {"VLLM_CACHE_ROOT": str(environment.folder / "cache")}
    digest = hashlib.sha256(str(environment.sources).encode()).hexdigest()[:12]
    cache = environment.folder / f"cache-{digest}"
    return {"VLLM_CACHE_ROOT": str(cache), "PYTHONPYCACHEPREFIX": str(cache / "bytecode")}


def _real() -> dict[str, str]:
    # The threads of a step wait for one another: one without a core would delay all of them.
    return {"OMP_NUM_THREADS": str(max(1, (os.cpu_count() or 1) // 2))}


def build_model(target: Target, environment: Environment, *, report: Report) -> Path:
    """Give the folder of a target's model; if it is missing, the server's own Python builds it."""
    recipe = json.dumps(dict(target.tokenizer), sort_keys=True)
    script, tools = (gguf_folder, weights.TOOLS) if target.is_real else (model_folder, ())
    source = Path(script.__file__ or "").read_bytes() + " ".join(tools).encode()
    digest = hashlib.sha256(source + recipe.encode()).hexdigest()[:16]
    folder = environment.folder / "models" / digest
    if folder.exists():
        return folder
    fresh = folder.with_name(f"{digest}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    if target.is_real:
        weights.build(target.tokenizer, environment, fresh, report=report)
    else:
        _build_weightless(target, environment, recipe, fresh)
    fresh.rename(folder)
    return folder


def _build_weightless(target: Target, environment: Environment, recipe: str, fresh: Path) -> None:
    built = subprocess.run(
        [environment.python, Path(model_folder.__file__), recipe, fresh],
        capture_output=True,
        text=True,
        env=clean_environment() | _FIXED,
    )
    if built.returncode != 0:
        words = "\n".join(built.stderr.splitlines()[-8:])
        raise LaunchProblem(f"{target.path}: tokenizer: it could not be built\n{words}")
