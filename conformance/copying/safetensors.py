"""The copying model as a Hugging Face folder, in bfloat16."""

from __future__ import annotations

import json
import struct

from conformance.base.jsonvalue import Json
from conformance.copying import weights
from conformance.copying.vocabulary import Vocabulary, byte_names
from conformance.copying.weights import fill, tensors

ALIGNED = 8
"""Bytes to which the head of a file is filled up."""


def files(vocabulary: Vocabulary, template: str, reach: int) -> dict[str, bytes]:
    """Give the files of the folder by their names."""
    begin, end = vocabulary.id(vocabulary.bos), vocabulary.id(vocabulary.eos)
    ends = {"bos_token_id": begin, "eos_token_id": end}
    return {
        "config.json": _text(_config(vocabulary) | ends),
        "generation_config.json": _text(ends),
        "tokenizer.json": _text(_tokenizer(vocabulary)),
        "tokenizer_config.json": _text(_tokenizer_config(vocabulary, template)),
        "chat_template.jinja": template.encode(),
        "model.safetensors": _weights(vocabulary, reach),
    }


def _config(vocabulary: Vocabulary) -> dict[str, Json]:
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": vocabulary.size,
        "hidden_size": weights.WIDTH,
        "intermediate_size": weights.INNER,
        "num_hidden_layers": 1,
        "num_attention_heads": weights.HEADS,
        "num_key_value_heads": weights.HEADS,
        "head_dim": weights.HEAD,
        "hidden_act": "silu",
        "rms_norm_eps": weights.EPSILON,
        "rope_theta": weights.BASE,
        "max_position_embeddings": weights.CONTEXT,
        "tie_word_embeddings": False,
        "torch_dtype": "bfloat16",
    }


def _tokenizer(vocabulary: Vocabulary) -> Json:
    marks = [
        {
            "id": vocabulary.id(mark),
            "content": mark,
            "single_word": False,
            "lstrip": False,
            "rstrip": False,
            "normalized": False,
            "special": mark in vocabulary.special,
        }
        for mark in vocabulary.marks
    ]
    level = {"type": "ByteLevel", "add_prefix_space": False, "use_regex": False}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": marks,
        "normalizer": None,
        "pre_tokenizer": {**level, "trim_offsets": True},
        "post_processor": None,
        "decoder": {**level, "trim_offsets": True},
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": False,
            "vocab": {name: byte for byte, name in enumerate(byte_names())},
            "merges": [],
        },
    }


def _tokenizer_config(vocabulary: Vocabulary, template: str) -> Json:
    return {
        # Every release of transformers knows this name for a tokenizer.json alone.
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": vocabulary.bos,
        "eos_token": vocabulary.eos,
        "clean_up_tokenization_spaces": False,
        "model_max_length": weights.CONTEXT,
        "chat_template": template,
    }


def _weights(vocabulary: Vocabulary, reach: int) -> bytes:
    head: dict[str, Json] = {"__metadata__": {"format": "pt"}}
    data = b""
    for tensor in tensors(vocabulary, reach, "halves"):
        packed = fill(tensor, 2, bfloat16)
        place = [len(data), len(data) + len(packed)]
        head[tensor.name] = {"dtype": "BF16", "shape": [*tensor.shape], "data_offsets": place}
        data += packed
    words = json.dumps(head, separators=(",", ":")).encode()
    words += b" " * (-len(words) % ALIGNED)
    return struct.pack("<Q", len(words)) + words + data


def bfloat16(value: float) -> bytes:
    """Round a number to the nearest that bfloat16 has, to the even one of two."""
    (bits,) = struct.unpack("<I", struct.pack("<f", value))
    return struct.pack("<H", (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16)


def _text(document: Json) -> bytes:
    return (json.dumps(document, ensure_ascii=False, indent=1) + "\n").encode()
