"""Writes a model without weights: a config and a tokenizer, all that vLLM needs with dummy weights.

The Python of the vLLM under test runs this file as a script, `model_folder.py RECIPE FOLDER`, since
it has the tokenizer libraries. The recipe is JSON, a target's `tokenizer`:

`{"kind": "bpe", "special": [...], "added": [...], "bos": ..., "eos": ...}`
    Byte-level BPE, trained here on a small text, which splits words as Llama 3 and Qwen 2 do.
`{"kind": "sentencepiece", "data": NAME}`
    A SentencePiece model that mistral_common ships, as a Hugging Face tokenizer.
`{"kind": "tekken", "data": NAME, "version": ..., "special": [...]}`
    A tekken file that mistral_common ships, with its version and control tokens changed.
`{"kind": "folder", "path": PATH}`
    The tokenizer files of a real model.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

LENGTH = 65536
"""Tokens of a conversation, script included."""

_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_PROSE = """
The weather in Dallas, Texas is 85 degrees fahrenheit. It is partly cloudy, with highs in the 90's.
Let me look that up for you. I'll check the current weather in both cities and then compare them.
Here is what I found: the temperature in Paris is lower than the temperature in Rome today.
Which city would you like to know about? Please tell me the name of the city and its state.
I have booked the table for two people at seven o'clock, and I have written it in your calendar.
You are a helpful assistant. You may call one or more functions to assist with the user query.
Can you search the documents for the report of last year, please, and send it to my colleague?
Der Zug nach Zürich fährt um acht Uhr ab. Où est la bibliothèque? ¿Qué tiempo hace en España?
"""
_NAMES = """
get_current_weather get_weather search send_email create_event lookup_user calculate list_files
read_file write_file run_query set_timer book_table translate convert_units
"""
_FIELDS = """
city state unit location query to subject body title start end user_id expression path content
text language limit offset enabled options tags items value
"""
_VALUES: tuple[Any, ...] = (
    "Dallas", "TX", "fahrenheit", "Paris", "celsius", "San Francisco, CA", "hello world", 1, 25,
    3.14, True, False, None, [], {}, ["a", "b"], [1, 2, 3], {"a": 1}, {"b": [True, None]}, "",
)  # fmt: skip


def main(recipe: dict[str, Any], folder: Path) -> None:
    """Write the model's files into an empty folder."""
    size, bos, eos = _KINDS[recipe["kind"]](recipe, folder)
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": size,
        "hidden_size": 64,
        "intermediate_size": 64,
        "num_hidden_layers": 1,
        "num_attention_heads": 1,
        "num_key_value_heads": 1,
        # The CPU attention kernel of some releases aborts on heads smaller than this.
        "head_dim": 64,
        "hidden_act": "silu",
        "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0,
        "max_position_embeddings": LENGTH,
        "tie_word_embeddings": True,
        "torch_dtype": "bfloat16",
        "bos_token_id": bos,
        "eos_token_id": eos,
    }
    _write(folder / "config.json", config)
    _write(folder / "generation_config.json", {"bos_token_id": bos, "eos_token_id": eos})


def _bpe(recipe: dict[str, Any], folder: Path) -> tuple[int, int, int]:
    hf = import_module("tokenizers")
    tokenizer = hf.Tokenizer(hf.models.BPE())
    tokenizer.pre_tokenizer = hf.pre_tokenizers.Sequence(
        [
            hf.pre_tokenizers.Split(hf.Regex(_SPLIT), behavior="isolated"),
            hf.pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = hf.decoders.ByteLevel()
    trainer = hf.trainers.BpeTrainer(
        vocab_size=recipe.get("size", 2000),
        initial_alphabet=sorted(hf.pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_corpus(), trainer)
    tokenizer.add_special_tokens(recipe["special"])
    tokenizer.add_tokens([hf.AddedToken(one, normalized=False) for one in recipe["added"]])
    return _save(tokenizer, recipe["bos"], recipe["eos"], folder)


def _sentencepiece(recipe: dict[str, Any], folder: Path) -> tuple[int, int, int]:
    hf = import_module("tokenizers")
    model = import_module("sentencepiece").SentencePieceProcessor(str(_data(recipe["data"])))
    pieces = [model.id_to_piece(one) for one in range(model.get_piece_size())]
    scores = [model.get_score(one) for one in range(len(pieces))]
    control = [one for index, one in enumerate(pieces) if model.is_control(index)]
    bpe = hf.models.BPE(
        vocab={piece: index for index, piece in enumerate(pieces)},
        merges=_merges(pieces, scores),
        unk_token=pieces[model.unk_id()],
        fuse_unk=True,
        byte_fallback=True,
    )
    tokenizer = hf.Tokenizer(bpe)
    tokenizer.pre_tokenizer = hf.pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    tokenizer.decoder = hf.decoders.Sequence(
        [
            hf.decoders.Replace("▁", " "),
            hf.decoders.ByteFallback(),
            hf.decoders.Fuse(),
            hf.decoders.Strip(" ", 1, 0),
        ]
    )
    tokenizer.add_special_tokens([pieces[model.unk_id()], *control])
    return _save(tokenizer, pieces[model.bos_id()], pieces[model.eos_id()], folder)


def _merges(pieces: list[str], scores: list[float]) -> list[tuple[str, str]]:
    """Rebuild the merges of a SentencePiece model, which keeps only the scores of their results."""
    rank = {piece: index for index, piece in enumerate(pieces)}
    found = [
        (score, len(piece[:cut]), len(piece[cut:]), piece[:cut], piece[cut:])
        for piece, score in zip(pieces, scores, strict=True)
        for cut in range(1, len(piece))
        if piece[:cut] in rank and piece[cut:] in rank
    ]
    found.sort(key=lambda one: one[:3], reverse=True)
    return [(left, right) for *_, left, right in found]


def _tekken(recipe: dict[str, Any], folder: Path) -> tuple[int, int, int]:
    tekken = json.loads(_data(recipe["data"]).read_text(encoding="utf-8"))
    tekken["config"]["version"] = recipe["version"]
    tekken["config"]["default_vocab_size"] = recipe.get("size", 32768)
    # Real files have 1,000. vLLM 0.32 compiles an expression for each of them in every request;
    # that would take most of the time of a run.
    tekken["config"]["default_num_special_tokens"] = 100
    if recipe["version"] == "v15":
        tekken["model_settings_builder"] = {}  # the first version that needs one; it offers nothing
    if recipe.get("special"):
        module = import_module("mistral_common.tokens.tokenizers.tekken")
        first = [dict(one) for one in module.Tekkenizer.DEPRECATED_SPECIAL_TOKENS]
        more = [
            {"rank": rank, "token_str": token, "is_control": True}
            for rank, token in enumerate(recipe["special"], start=len(first))
        ]
        tekken["special_tokens"] = first + more
    _write(folder / "tekken.json", tekken)
    return tekken["config"]["default_vocab_size"], 1, 2


def _folder(recipe: dict[str, Any], folder: Path) -> tuple[int, int, int]:
    for path in Path(recipe["path"]).iterdir():
        if path.is_file() and path.suffix in (".json", ".jinja", ".txt", ".model"):
            shutil.copy(path, folder)
    auto = import_module("transformers").AutoTokenizer.from_pretrained(folder)
    eos = auto.eos_token_id
    return len(auto), eos if auto.bos_token_id is None else auto.bos_token_id, eos


_KINDS: dict[str, Callable[[dict[str, Any], Path], tuple[int, int, int]]] = {
    "bpe": _bpe,
    "sentencepiece": _sentencepiece,
    "tekken": _tekken,
    "folder": _folder,
}
"""Each writes a tokenizer, and gives the vocabulary's size and the ids of BOS and EOS."""


def _save(tokenizer: Any, bos: str, eos: str, folder: Path) -> tuple[int, int, int]:
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {
        # Every release of transformers knows this name for a tokenizer.json alone.
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": bos,
        "eos_token": eos,
        "clean_up_tokenization_spaces": False,
        "model_max_length": LENGTH,
    }
    _write(folder / "tokenizer_config.json", config)
    ids = tokenizer.token_to_id(bos), tokenizer.token_to_id(eos)
    return tokenizer.get_vocab_size(), ids[0], ids[1]


def _corpus() -> Iterator[str]:
    yield _PROSE
    names = _FIELDS.split()
    for turn, name in enumerate(_NAMES.split() * 4):
        fields = (names[(turn * 5 + step) % len(names)] for step in range(turn % 4))
        values = (_VALUES[(turn * 7 + step) % len(_VALUES)] for step in range(4))
        call = {"name": name, "arguments": dict(zip(fields, values, strict=False))}
        yield f"\n{json.dumps(call)}\n"
        yield json.dumps([call, call], separators=(",", ":"))
        yield json.dumps(call, indent=2)


def _data(name: str) -> Path:
    package = import_module("mistral_common").__file__
    assert package is not None
    path = Path(package).parent / "data" / name
    if not path.is_file():
        known = ", ".join(sorted(one.name for one in path.parent.iterdir()))
        sys.exit(f"this mistral_common has no data file {name}; it has {known}")
    return path


def _write(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main(json.loads(sys.argv[1]), Path(sys.argv[2]))
