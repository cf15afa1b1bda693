from __future__ import annotations

from pathlib import Path

import pytest

from conformance.commands.check import check
from conformance.engines import registry, target
from conformance.engines.target import TargetProblem
from conformance.formats import FORMATS

OWN = """\
schema: 1
about: A model of my own
parser: hermes
format: hermes
template: ./chat.jinja
tokenizer: {kind: folder, path: model}
arguments: [--max-num-seqs, "8"]
"""


def write(folder: Path, text: str) -> str:
    path = folder / "own.yaml"
    path.write_text(text)
    return str(path)


def problem_of(name: str) -> str:
    with pytest.raises(TargetProblem) as raised:
        target.load(name)
    return str(raised.value)


def test_every_file_of_the_folder_is_a_built_in_target() -> None:
    assert target.names() == sorted(path.stem for path in target.FOLDER.iterdir())
    assert "hermes" in target.names()


@pytest.mark.parametrize("name", target.names())
def test_a_built_in_target_reads_and_names_a_format_that_exists(name: str) -> None:
    found = target.load(name)
    assert found.name == name
    assert found.format in FORMATS
    assert "\nengine: " in found.path.read_text()


def test_an_unknown_target_is_reported_with_the_known_ones_and_the_nearest() -> None:
    assert problem_of("hermse") == (
        "target hermse: there is neither such a target nor such a file; did you mean hermes? "
        f"built-in targets are {', '.join(target.names())}"
    )


def test_a_target_of_one_s_own_is_read_with_paths_from_its_folder(tmp_path: Path) -> None:
    (tmp_path / "chat.jinja").touch()
    (tmp_path / "model").mkdir()
    found = target.load(write(tmp_path, OWN))
    assert found.name == "own"
    assert found.template == str(tmp_path / "chat.jinja")
    assert found.tokenizer == {"kind": "folder", "path": str(tmp_path / "model")}
    assert found.arguments == ("--max-num-seqs", "8")


def test_a_target_that_names_no_engine_is_of_the_usual_one(tmp_path: Path) -> None:
    (tmp_path / "chat.jinja").touch()
    (tmp_path / "model").mkdir()
    assert "engine:" not in OWN
    assert target.load(write(tmp_path, OWN)).engine == registry.DEFAULT.name
    named = OWN.replace("parser:", f"engine: {registry.DEFAULT.name}\nparser:")
    assert target.load(write(tmp_path, named)).engine == registry.DEFAULT.name


def test_an_unknown_engine_is_reported_with_its_line(tmp_path: Path) -> None:
    path = write(tmp_path, OWN.replace("parser:", "engine: vlm\nparser:"))
    assert problem_of(path).startswith(f"{path}:3: engine 'vlm' is unknown; ")


def test_a_tokenizer_that_the_engine_cannot_use_is_reported_with_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(registry.DEFAULT), "tokenizers", frozenset({"gguf"}))
    path = write(tmp_path, OWN)
    assert problem_of(path).startswith(
        f"{path}:6: tokenizer of kind 'folder' is not for {registry.DEFAULT.name}; "
    )


def test_a_template_without_a_slash_is_a_name_among_vllm_s_examples(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    found = target.load(write(tmp_path, OWN.replace("./chat.jinja", "chat.jinja")))
    assert found.template == "chat.jinja"


def test_a_template_that_is_not_there_is_reported_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    path = write(tmp_path, OWN)
    assert problem_of(path) == f"{path}:5: template: there is no {tmp_path / 'chat.jinja'}"


def test_a_malformed_target_is_reported_with_its_line(tmp_path: Path) -> None:
    path = write(tmp_path, OWN.replace("parser: hermes", "parzer: hermes"))
    assert problem_of(path).startswith(f"{path}:")
    assert "parzer" in problem_of(path)


def test_an_unknown_kind_of_tokenizer_is_reported_with_its_line(tmp_path: Path) -> None:
    path = write(tmp_path, OWN.replace("{kind: folder, path: model}", "{kind: bpr}"))
    assert problem_of(path).startswith(f"{path}:6: ")


MADE = """\
schema: 1
about: A model of my own
parser: hermes
format: hermes
tokenizer:
  kind: bpe
  special: ["<s>", "</s>"]
  added: ["<end>"]
  bos: "<s>"
  eos: "</s>"
"""


@pytest.mark.parametrize(("name", "line"), [("bos", 9), ("eos", 10)])
@pytest.mark.parametrize("token", ["<end>", "<nowhere>"])
def test_a_tokenizer_that_lacks_its_own_first_or_last_token_is_refused(
    tmp_path: Path, name: str, line: int, token: str
) -> None:
    assert target.load(write(tmp_path, MADE)).tokenizer["eos"] == "</s>"
    own = {"bos": "<s>", "eos": "</s>"}[name]
    path = write(tmp_path, MADE.replace(f'{name}: "{own}"', f'{name}: "{token}"'))
    assert problem_of(path) == (
        f"{path}:{line}: tokenizer.{name} '{token}' is none of its special tokens; "
        "name it there; they are <s>, </s>"
    )
    assert [problem.partition(": ")[0] for problem in check([Path(path)]).problems] == [
        f"{path}:{line}"
    ]


def test_a_target_file_that_is_a_folder_is_reported(tmp_path: Path) -> None:
    assert problem_of(str(tmp_path)) == f"{tmp_path}:1: is a folder; only regular files are read"
