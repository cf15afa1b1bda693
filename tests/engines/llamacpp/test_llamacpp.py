"""llama.cpp is started with a copying model, and what is wrong on the way is said."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from conformance.base import files
from conformance.base.jsonvalue import Json
from conformance.engines import pip, registry, target
from conformance.engines.llamacpp import ENGINE, release
from conformance.engines.pip import PipFailed
from conformance.engines.problem import LaunchProblem

pytest_plugins = ["pytester"]

HERMES = target.load("llamacpp-hermes")
FAKE = """#!{python}
import http.server, json, sys
words = sys.argv[1:]
port, name = (words[words.index(word) + 1] for word in ("--port", "--alias"))
print(json.dumps(words), flush=True)

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps({{"data": [{{"id": name}}]}}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

http.server.HTTPServer(("127.0.0.1", int(port)), Handler).serve_forever()
"""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A `llama-server` that only says it is up."""
    path = tmp_path / "llama-server"
    path.write_text(FAKE.format(python=sys.executable))
    path.chmod(0o755)
    return path


def start(program: Path, folder: Path, template: str | None = None) -> list[str]:
    launched = ENGINE.start(
        HERMES, release=str(program), settings={}, folder=folder, report=print, template=template
    )
    launched.stop()
    words: list[str] = json.loads(launched.log.read_text().splitlines()[0])
    return words


def test_a_program_of_the_user_s_serves_the_target_s_model(program: Path, tmp_path: Path) -> None:
    words = start(program, tmp_path / "run")
    model = Path(words[words.index("--model") + 1])
    assert files.data(model, 20_000_000)[:4] == b"GGUF"
    assert words[words.index("--alias") + 1] == "copying-llamacpp-hermes"
    assert "--jinja" in words


def test_a_template_of_the_user_s_goes_into_the_model(program: Path, tmp_path: Path) -> None:
    own = tmp_path / "own.jinja"
    own.write_text("{{ messages | tojson }}")
    words = start(program, tmp_path / "run", template=str(own))
    assert b"{{ messages | tojson }}" in Path(words[words.index("--model") + 1]).read_bytes()


def test_a_target_without_a_template_is_refused_before_anything_starts(
    program: Path, tmp_path: Path
) -> None:
    family = tmp_path / "mistral.yaml"
    family.write_text(
        "schema: 1\nabout: M\nengine: llamacpp\nparser: mistral\nformat: mistral\ntokenizer:\n"
        '  kind: bpe\n  special: ["</s>"]\n  added: []\n  bos: "</s>"\n  eos: "</s>"\n'
    )
    with pytest.raises(LaunchProblem, match="no chat template has been written for mistral"):
        ENGINE.start(
            target.load(str(family)),
            release=str(program),
            settings={},
            folder=tmp_path,
            report=print,
        )


def test_neither_a_version_nor_a_program_is_refused() -> None:
    with pytest.raises(LaunchProblem, match="--llamacpp nothing: it is neither a version of"):
        release.provision("nothing", report=print)


def test_the_default_release_is_pinned_by_its_digest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONFORMANCE_CACHE", str(tmp_path))
    asked: list[str] = []

    def install(python: Path, arguments: Sequence[str | Path], **more: object) -> None:
        wanted = Path(arguments[arguments.index("--requirement") + 1])
        asked.append(wanted.read_text())
        (Path(arguments[arguments.index("--target") + 1]) / release.WHEEL).mkdir(parents=True)

    monkeypatch.setattr(pip, "run", install)
    for _ in range(2):
        found = release.provision(release.DEFAULT, report=print)
    digest = release.DIGESTS[release.DEFAULT]
    assert asked == [f"xllamacpp=={release.DEFAULT} --hash=sha256:{digest}\n"]
    assert (found.build, found.wheel) == ("11549", release.DEFAULT)


def test_a_wheel_that_cannot_be_installed_is_explained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONFORMANCE_CACHE", str(tmp_path))

    def fail(*words: object, log: Path, **more: object) -> None:
        raise PipFailed("ERROR: No matching distribution found for xllamacpp==1.2.3", log)

    monkeypatch.setattr(pip, "run", fail)
    with pytest.raises(LaunchProblem) as raised:
        release.provision("1.2.3", report=print)
    assert "give --llamacpp a llama-server program instead" in str(raised.value)
    assert "No matching distribution found" in str(raised.value)
    assert not (tmp_path / "llamacpp-1.2.3").exists()


@pytest.mark.parametrize(
    ("build", "version"), [("b11434-6f1e2a3", "11434"), ("b0-unknown", "b0-unknown")]
)
def test_its_properties_tell_a_llama_cpp_and_its_build(build: str, version: str) -> None:
    documents: dict[str, Json] = {"/props": {"build_info": build, "total_slots": 4}}
    assert registry.recognise(documents.get) == ("llamacpp", version)


@pytest.mark.slow
def test_a_launched_llama_cpp_says_what_the_cases_want(
    pytester: pytest.Pytester, tmp_path: Path
) -> None:
    cases = [f"{name}.yaml" for name in ("single", "parallel")]
    folder = Path(__file__).parents[3] / "cases"
    results = tmp_path / "results.json"
    found = pytester.runpytest_subprocess(
        "-p",
        "conformance.plugin",
        "--launch=llamacpp-hermes",
        f"--results={results}",
        "-pno:cacheprovider",
        *(str(folder / name) for name in cases),
    )
    found.stdout.fnmatch_lines(["*conformance of llamacpp-11549-hermes*"])
    written = json.loads(results.read_text())
    assert written["target"]["emission"] == "copied"
    assert written["totals"]["fail"] == written["totals"]["error"] == 0
    passed = [one for one in written["results"] if one["outcome"] == "pass"]
    assert len(passed) > len(written["results"]) / 2
