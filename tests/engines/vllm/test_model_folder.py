from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from conformance.engines import target
from conformance.engines.vllm import DEFAULT_VLLM, Environment, model_folder, provision

TARGETS = [target.load(name) for name in target.names()]
WEIGHTLESS = [one.name for one in TARGETS if one.engine == "vllm" and not one.is_real]
ASK = """
import json, sys
from transformers import AutoTokenizer
tokenizer = AutoTokenizer.from_pretrained(sys.argv[1])
ids = tokenizer.encode(sys.argv[2], add_special_tokens=False)
print(json.dumps({
    "tokens": tokenizer.convert_ids_to_tokens(ids),
    "text": tokenizer.decode(ids),
    "shown": tokenizer.decode(ids, skip_special_tokens=True),
    "size": len(tokenizer),
}))
"""
ASK_TEKKEN = """
import json, sys
from mistral_common.tokens.tokenizers.tekken import Tekkenizer
tokenizer = Tekkenizer.from_file(sys.argv[1] + "/tekken.json")
ids = tokenizer.encode(sys.argv[2], bos=False, eos=False)
print(json.dumps({
    "version": tokenizer.version.value,
    "control": [one["token_str"] for one in tokenizer._all_special_tokens[9:22:12]],
    "text": tokenizer.decode(ids),
    "size": tokenizer.n_words,
}))
"""
ODD = '[{"name": "get_weather", "arguments": {"city": "Zürich 😀 \\u00e9\\n"}}] 日本'


@pytest.fixture(scope="module")
def environment() -> Environment:
    return provision(DEFAULT_VLLM, report=print)


def build(name: str, folder: Path, environment: Environment) -> dict[str, Any]:
    folder.mkdir()
    recipe = json.dumps(dict(target.load(name).tokenizer))
    script = str(model_folder.__file__)
    subprocess.run([environment.python, script, recipe, folder], check=True)
    config: dict[str, Any] = json.loads((folder / "config.json").read_text())
    return config


def ask(code: str, folder: Path, text: str, environment: Environment) -> dict[str, Any]:
    said = subprocess.run(
        [environment.python, "-c", code, folder, text], capture_output=True, text=True, check=True
    )
    answer: dict[str, Any] = json.loads(said.stdout.splitlines()[-1])
    return answer


def test_merges_are_rebuilt_from_scores_best_first() -> None:
    pieces = ["a", "b", "ab", "abb", "bb"]
    scores = [0.0, 0.0, -1.0, -3.0, -2.0]
    assert model_folder._merges(pieces, scores) == [
        ("a", "b"),
        ("b", "b"),
        ("ab", "b"),
        ("a", "bb"),
    ]


def test_the_training_text_is_the_same_every_time() -> None:
    assert list(model_folder._corpus()) == list(model_folder._corpus())


@pytest.mark.vllm
@pytest.mark.parametrize("name", WEIGHTLESS)
def test_a_model_is_the_same_every_time_and_as_large_as_its_tokenizer(
    name: str, tmp_path: Path, environment: Environment
) -> None:
    config = build(name, tmp_path / "one", environment)
    build(name, tmp_path / "two", environment)
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()
    code = ASK_TEKKEN if (tmp_path / "one" / "tekken.json").exists() else ASK
    assert ask(code, tmp_path / "one", ODD, environment)["size"] == config["vocab_size"]


@pytest.mark.vllm
def test_markers_of_hermes_are_one_token_that_is_shown(
    tmp_path: Path, environment: Environment
) -> None:
    build("hermes", tmp_path / "model", environment)
    said = f"<tool_call>\n{ODD}\n</tool_call><|im_end|>"
    answer = ask(ASK, tmp_path / "model", said, environment)
    assert answer["tokens"][0] == "<tool_call>"
    assert answer["tokens"][-2:] == ["</tool_call>", "<|im_end|>"]
    assert answer["text"] == said
    assert answer["shown"] == said.removesuffix("<|im_end|>")


@pytest.mark.vllm
def test_the_marker_of_mistral_is_a_control_token(tmp_path: Path, environment: Environment) -> None:
    build("mistral", tmp_path / "model", environment)
    answer = ask(ASK, tmp_path / "model", f"[TOOL_CALLS] {ODD}</s>", environment)
    assert answer["tokens"][0] == "[TOOL_CALLS]"
    assert answer["text"] == f"[TOOL_CALLS] {ODD}</s>"
    assert answer["shown"] == ODD


@pytest.mark.vllm
def test_a_tekken_of_version_11_has_a_token_before_arguments(
    tmp_path: Path, environment: Environment
) -> None:
    build("mistral-v11", tmp_path / "model", environment)
    answer = ask(ASK_TEKKEN, tmp_path / "model", ODD, environment)
    assert (answer["version"], answer["control"]) == (
        "v11",
        ["[TOOL_CALLS]", "[ARGS]"],
    )
    assert answer["text"] == ODD


@pytest.mark.vllm
def test_a_data_file_that_mistral_common_does_not_have_is_reported(
    tmp_path: Path, environment: Environment
) -> None:
    recipe = json.dumps({"kind": "tekken", "data": "tekken_9.json", "version": "v3"})
    script = str(model_folder.__file__)
    said = subprocess.run(
        [environment.python, script, recipe, tmp_path], capture_output=True, text=True, check=False
    )
    assert said.returncode == 1
    assert said.stderr.startswith("this mistral_common has no data file tekken_9.json; it has ")


@pytest.mark.vllm
def test_the_tokenizer_of_a_real_model_is_taken_from_its_folder(
    tmp_path: Path, environment: Environment
) -> None:
    config = build("hermes", tmp_path / "real", environment)
    (tmp_path / "model").mkdir()
    recipe = json.dumps({"kind": "folder", "path": str(tmp_path / "real")})
    script = str(model_folder.__file__)
    subprocess.run([environment.python, script, recipe, tmp_path / "model"], check=True)
    assert json.loads((tmp_path / "model" / "config.json").read_text()) == config
    answer = ask(ASK, tmp_path / "model", "<tool_call>", environment)
    assert answer["tokens"] == ["<tool_call>"]
