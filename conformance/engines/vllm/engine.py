"""vLLM as one engine of several."""

from __future__ import annotations

from pathlib import Path

from conformance.engines.engine import Get, Launched, ReleaseOption, Settings, Switch
from conformance.engines.problem import LaunchProblem
from conformance.engines.process import Report
from conformance.engines.vllm import front_end
from conformance.engines.vllm.release import DEFAULT_VLLM, NEWEST_BUILD, provision
from conformance.engines.vllm.server import start
from conformance.terms.server import DRAFTS, Server, Target

KERNELS = "--kernels"
FRONT_END = "--front-end"
SPECULATION = "--speculation"


def usual_release(target: Target | None) -> str:
    """Say which release is started where nobody chooses one."""
    return NEWEST_BUILD if target is not None and target.is_real else DEFAULT_VLLM


class VLLM:
    """vLLM: a release for the CPU, provisioned here, or an environment that exists already."""

    name = "vllm"
    title = "vLLM"
    emission = "scripted"
    release = ReleaseOption(
        name="--vllm",
        metavar="VERSION|PATH",
        usual=usual_release,
        help="a release, provisioned on first use, a folder with vLLM's sources, or a Python that "
        f"has vLLM (default: {DEFAULT_VLLM}, for a real model {NEWEST_BUILD})",
    )
    switches = (
        Switch(
            name=KERNELS,
            choices=("none", "real"),
            default="none",
            help="with --launch: vLLM's Python alone, where nothing is computed, or a build for "
            "CPUs, which a real model gets anyway (default: %(default)s)",
        ),
        Switch(
            name=FRONT_END,
            choices=(front_end.PYTHON, front_end.RUST),
            default=front_end.PYTHON,
            help="with --launch: which of vLLM's front ends answers; that in Rust is a part of its "
            "official wheel, fetched on first use (default: %(default)s)",
        ),
        Switch(
            name=SPECULATION,
            choices=("off", "on"),
            default="off",
            help="with --launch: whether vLLM decodes speculatively where a mode asks for that; "
            f"cases are then asked as stream-drafts-{DRAFTS} too (default: %(default)s)",
        ),
    )
    options = frozenset(
        {"--vllm", KERNELS, FRONT_END, SPECULATION, "--template", "--launch-timeout"}
    )
    tokenizers = frozenset({"bpe", "sentencepiece", "tekken", "folder", "gguf"})

    def provision(self, release: str, *, settings: Settings, report: Report) -> None:
        """Make an environment with that release, if there is none yet; raises LaunchProblem."""
        provision(release, kernels=settings[KERNELS] == "real", report=report)

    def start(
        self,
        target: Target,
        *,
        release: str,
        settings: Settings,
        folder: Path,
        report: Report,
        timeout: float = 600,
        template: str | None = None,
    ) -> Launched:
        """Start a target's server, scripted or real; raises LaunchProblem."""
        kernels = target.is_real or settings[KERNELS] == "real"
        in_rust = settings[FRONT_END] == front_end.RUST
        if in_rust and kernels:
            raise LaunchProblem(f"{FRONT_END} {front_end.RUST} is for {KERNELS} none only")
        speculates = settings[SPECULATION] == "on"
        if speculates and kernels:
            raise LaunchProblem(f"{SPECULATION} on is for {KERNELS} none only")
        environment = provision(release, kernels=kernels, report=report)
        program = front_end.find(environment, report=report) if in_rust else None
        return start(
            target,
            environment,
            program=program,
            speculates=speculates,
            folder=folder,
            report=report,
            timeout=timeout,
            template=template,
        )

    def suppose(
        self,
        *,
        model: str,
        parser: str,
        format: str,
        emission: str,
        render_path: str,
        version: str | None = None,
    ) -> Server:
        """Describe a vLLM that is not started."""
        return Server(
            url="http://127.0.0.1/v1",
            model=model,
            implementation=self.name,
            version=version,
            parser=parser,
            format=format,
            emission=emission,
            takes_interval=True,
            takes_steps=emission == "scripted",
            render_path=render_path,
        )

    def recognise(self, get: Get) -> tuple[str, str] | None:
        """Read the document that only vLLM, among the engines that the suite knows, has."""
        document = get("/version")
        if not isinstance(document, dict) or not isinstance(document.get("version"), str):
            return None
        name = f"{self.name}-{front_end.RUST}" if front_end.SIGN in document else self.name
        return name, document["version"].split("+")[0]
