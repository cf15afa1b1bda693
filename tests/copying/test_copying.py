"""The copying model says again what stands its reach before the answer; numpy computes it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import jinja2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.base.jsonvalue import Json
from conformance.commands import main
from conformance.copying import family, gguf, safetensors, weights
from conformance.copying.vocabulary import Vocabulary, byte_names, of_recipe
from conformance.engines import target
from conformance.engines.vllm import DEFAULT_VLLM, provision
from conformance.formats import FORMATS
from conformance.formats.format import text_of
from conformance.scripting import NotApplicable, script_in
from tests.copying import llama
from tests.copying.llama import Floats, Kept, Llama, as_bfloat16, as_float32
from tests.engines.vllm.test_model_folder import ODD, ask
from tests.shipped import cases
from tests.utterances import HOSTILE
from tools import copying_page

FORMAT = FORMATS["hermes"]
VOCABULARY = of_recipe(target.load("hermes").tokenizer)
OPENER = f"\n{FORMAT.opener}\n"
EACH_TYPE = pytest.mark.parametrize("kept", [as_float32, as_bfloat16])
DIGESTS = {
    "model.safetensors": "6fbde4b548832be8e6d9de0b0b844533da8708b4090fe4e4b5b6171bccec0947",
    "copying-hermes.gguf": "68b23d73f1d6ad828114829ce923112c81964c31610278915552c9351aebf4a6",
}


@cache
def folder(reach: int = family.REACH) -> Llama:
    return llama.of_folder(safetensors.files(VOCABULARY, FORMAT.chat_template, reach))


@cache
def file(reach: int = family.REACH) -> Llama:
    return llama.of_gguf(gguf.file(VOCABULARY, "", reach, name="copying"))[0]


def scripts() -> list[str]:
    found = []
    for case in cases():
        try:
            found.append(text_of(script_in(case, "hermes")))
        except NotApplicable:
            continue
    return list(dict.fromkeys(found))


def conversation(script: str, reach: int, vocabulary: Vocabulary = VOCABULARY) -> list[int]:
    """Write a prompt as the suite does: the script, its end, and dots up to the reach."""
    head = vocabulary.encode("<|im_start|>user\nAn ordinary question.")
    said = vocabulary.encode(f"{script}{vocabulary.eos}")
    tail = vocabulary.encode(f"{vocabulary.eos}{OPENER}")
    dots = reach - len(said) - len(tail)
    assert dots >= 0
    return [*head, *said, *vocabulary.encode("." * dots), *tail]


def says(copying: Llama, script: str, reach: int, kept: Kept) -> bool:
    """Whether the model says a script and its end: each token is the likeliest after the others."""
    said = VOCABULARY.encode(f"{script}{VOCABULARY.eos}")
    ids = [*conversation(script, reach), *said[:-1]]
    found = copying.logits(ids, len(said), kept)
    best = np.sort(found, axis=-1)[:, -2:]
    return list(found.argmax(axis=-1)) == said and bool((best[:, 1] - best[:, 0]).min() > 100)


@pytest.mark.slow
@EACH_TYPE
def test_every_shipped_script_within_reach_is_said_to_the_letter(kept: Kept) -> None:
    within = [one for one in scripts() if len(VOCABULARY.encode(one)) < family.REACH - 20]
    assert len(scripts()) - len(within) <= 5
    for script in within:
        assert says(folder(), script, family.REACH, kept), script


@EACH_TYPE
@given(script=HOSTILE, reach=st.sampled_from([64, 500, 4000]))
def test_any_text_is_said_to_the_letter(kept: Kept, script: str, reach: int) -> None:
    if len(VOCABULARY.encode(script)) < reach - 20:
        assert says(folder(reach), script, reach, kept)
        assert says(file(reach), script, reach, kept)


@EACH_TYPE
def test_a_long_reach_is_as_exact_as_a_short_one(kept: Kept) -> None:
    reach = 20_000
    script = "".join(f"{place:05d}." for place in range(3_000))
    said = VOCABULARY.encode(script)
    ids = [*conversation(script, reach), *said[:2_000]]
    found = folder(reach).logits(ids, 50, kept)
    assert list(found.argmax(axis=-1)) == said[1_951:2_001]


@pytest.mark.parametrize("levels", [127, 7], ids=["Q8_0", "Q4_0"])
def test_quantised_weights_say_the_same(levels: int) -> None:
    tensors = {name: quantised(found, levels) for name, found in file().tensors.items()}
    copying = replace(file(), tensors=tensors)
    for script in ("The sign is <", 'Zürich 😀 <tool_call>\n{"a": 1e400}</tool_call>'):
        assert says(copying, script, family.REACH, as_float32)


def quantised(found: Floats, levels: int) -> Floats:
    """Keep of 32 numbers in a row a scale in float16, and of each how many 127th or 7th it is."""
    if found.ndim == 1:
        return found  # norms are not quantised
    blocks = found.reshape(-1, 32)
    scale = (abs(blocks).max(axis=1, keepdims=True) / levels).astype(np.float16).astype(np.float32)
    parts = np.divide(blocks, scale, out=np.zeros_like(blocks), where=scale > 0)
    kept: Floats = (np.round(parts) * scale).reshape(found.shape)
    return kept


def test_both_kinds_of_files_hold_the_same_model() -> None:
    script = "The same <tool_call> in both."
    ids = conversation(script, family.REACH)
    one, other = folder().logits(ids, 1), file().logits(ids, 1)
    # A query's numbers are rounded in one of them, which no other is.
    assert one.argmax() == other.argmax()
    assert abs(one - other).max() < 0.5


def test_the_files_are_the_same_on_every_machine() -> None:
    files = safetensors.files(VOCABULARY, "", family.REACH)
    named = {
        "model.safetensors": files["model.safetensors"],
        "copying-hermes.gguf": gguf.file(VOCABULARY, "", family.REACH, name="copying-hermes"),
    }
    assert {name: hashlib.sha256(data).hexdigest() for name, data in named.items()} == DIGESTS


def test_a_gguf_file_says_what_the_folder_says() -> None:
    _, said = llama.of_gguf(gguf.file(VOCABULARY, "TEMPLATE", 500, name="copying-hermes"))
    files = safetensors.files(VOCABULARY, "TEMPLATE", 500)
    config, tokenizer = (json.loads(files[name]) for name in ("config.json", "tokenizer.json"))
    assert said["tokenizer.chat_template"] == files["chat_template.jinja"].decode()
    assert said["tokenizer.ggml.tokens"] == [
        *tokenizer["model"]["vocab"],
        *(mark["content"] for mark in tokenizer["added_tokens"]),
    ]
    assert said["llama.context_length"] == config["max_position_embeddings"]
    assert said["tokenizer.ggml.eos_token_id"] == config["eos_token_id"] == 258
    assert said["tokenizer.ggml.token_type"][-5:] == [3, 3, 3, 4, 4]


def test_no_merge_of_the_gguf_file_can_ever_happen() -> None:
    _, said = llama.of_gguf(gguf.file(VOCABULARY, "", 500, name="copying"))
    (merge,) = said["tokenizer.ggml.merges"]
    pair = bytes(byte_names().index(name) for name in merge.split(" "))
    with pytest.raises(UnicodeDecodeError):
        pair.decode()


def test_every_byte_has_a_name_of_its_own() -> None:
    assert len({*byte_names()}) == 256
    assert byte_names()[ord("A")] == "A"
    assert byte_names()[ord(" ")] == "Ġ"
    assert byte_names()[ord("\n")] == "Ċ"


@given(HOSTILE)
def test_the_tokens_of_a_text_hold_all_of_it(text: str) -> None:
    ids = VOCABULARY.encode(text)
    names = VOCABULARY.marks
    data = b"".join(bytes([id]) if id < 256 else names[id - 256].encode() for id in ids)
    assert data == text.encode("utf-8", "surrogatepass")


@pytest.mark.vllm
def test_the_tokenizer_of_the_folder_cuts_as_the_suite_counts(tmp_path: Path) -> None:
    environment = provision(DEFAULT_VLLM, report=print)
    for name, data in safetensors.files(VOCABULARY, "", 500).items():
        (tmp_path / name).write_bytes(data)
    text = f"<|im_start|>user\n  {ODD}  <tool_call>\n\n'll 1234\u2028</tool_call><|im_end|>"
    answer = ask(CODE, tmp_path, text, environment)
    assert answer == {"ids": VOCABULARY.encode(text), "text": text}


CODE = """
import json, sys
from transformers import AutoTokenizer
tokenizer = AutoTokenizer.from_pretrained(sys.argv[1])
ids = tokenizer.encode(sys.argv[2], add_special_tokens=False)
print(json.dumps({"ids": ids, "text": tokenizer.decode(ids)}))
"""


def rendered(source: str) -> Callable[..., str]:
    """Render a template as Hugging Face's and the servers' own libraries do."""
    environment = jinja2.Environment(trim_blocks=True, lstrip_blocks=True)
    environment.filters["tojson"] = lambda value: json.dumps(value, ensure_ascii=False)
    return environment.from_string(source).render


@pytest.mark.parametrize("name", [name for name in FORMATS if FORMATS[name].chat_template])
def test_a_chat_template_writes_what_the_format_writes_of_every_conversation(name: str) -> None:
    render = rendered(FORMATS[name].chat_template)
    for case in cases():
        messages: Sequence[Json] = case.messages
        if any("content" not in message and "tool_calls" not in message for message in messages):
            continue
        tools = json.dumps(list(case.tools), ensure_ascii=False)
        for opened in (True, False):
            wanted = "".join(FORMATS[name].template(messages, tools, opened))
            found = render(
                messages=messages, tools=list(case.tools) or None, add_generation_prompt=opened
            )
            assert found == wanted, case.id


def test_a_chat_template_takes_arguments_that_a_server_has_parsed() -> None:
    function = {"name": "f", "arguments": {"city": "Zürich"}}
    message = {"role": "assistant", "content": "Look:", "tool_calls": [{"function": function}]}
    assert rendered(FORMAT.chat_template)(messages=[message], tools=None) == (
        '<|im_start|>assistant\nLook:\n<tool_call>\n{"name": "f", '
        '"arguments": {"city": "Zürich"}}\n</tool_call><|im_end|>\n'
    )


def test_the_command_writes_each_kind_of_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for kind in ("safetensors", "gguf"):
        into = tmp_path / kind
        words = ["model", "hermes", "-o", str(into), "--format", kind, "--reach", "500"]
        assert main.main(words) == 0
        assert "copying-hermes, 261 tokens, a reach of 500" in capsys.readouterr().out
    assert [path.name for path in (tmp_path / "gguf").iterdir()] == ["copying-hermes.gguf"]
    written = {path.name: path.read_bytes() for path in (tmp_path / "safetensors").iterdir()}
    assert written == safetensors.files(VOCABULARY, FORMAT.chat_template, 500)


def test_the_command_takes_a_template_of_the_users(tmp_path: Path) -> None:
    own = tmp_path / "own.jinja"
    own.write_text("{{ messages }}")
    words = ["model", "hermes", "-o", str(tmp_path / "to"), "--template", str(own)]
    assert main.main(words) == 0
    assert (tmp_path / "to" / "chat_template.jinja").read_text() == "{{ messages }}"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["mistral", "-o", "to"], "its tokenizer is of the kind sentencepiece"),
        (["hermes", "-o", "to", "--reach", "63"], "--reach 63: allowed: 64 to 60000"),
        (["hermes", "-o", "full"], "-o full: old is in it; name a new or an empty folder"),
        (["hermes", "-o", "full/old"], "-o full/old: cannot be written: File exists"),
        (["hermes", "-o", "to", "--template", "none.jinja"], "none.jinja: cannot be read"),
    ],
)
def test_the_command_says_what_is_wrong(
    words: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "old").write_text("")
    assert main.main(["model", *words]) == main.USAGE_ERROR
    assert said in capsys.readouterr().err


def test_more_marks_than_the_model_has_places_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    added = ", ".join(f"<{number}>" for number in range(300))
    family = tmp_path / "many.yaml"
    family.write_text(
        "schema: 1\nabout: Many\nparser: hermes\nformat: hermes\ntokenizer:\n  kind: bpe\n"
        f'  special: ["<e>"]\n  added: [{added}]\n  bos: "<e>"\n  eos: "<e>"\n'
    )
    assert main.main(["model", str(family), "-o", str(tmp_path / "to")]) == main.USAGE_ERROR
    assert "301 marks; at most 255 fit" in capsys.readouterr().err


def test_the_score_peaks_at_the_reach_and_nowhere_near() -> None:
    peak = weights.score(family.REACH - 1, family.REACH)
    others = [weights.score(at, family.REACH) for at in range(weights.CONTEXT)]
    others.pop(family.REACH - 1)
    assert peak - max(others) > 6.7


def test_the_page_has_the_drawing_that_the_numbers_make() -> None:
    assert copying_page.PAGE.read_text("utf-8") == copying_page.page()
