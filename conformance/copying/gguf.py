"""The copying model as a GGUF file of version 3, in float32."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from functools import partial

from conformance.copying import weights
from conformance.copying.vocabulary import BYTES, Vocabulary, byte_names
from conformance.copying.weights import Tensor, fill, tensors

VERSION = 3
ALIGNED = 32
"""Bytes to which each part of a file is filled up."""

_UINT32, _INT32, _FLOAT32, _BOOL, _STRING, _ARRAY = 4, 5, 6, 7, 8, 9
_F32 = 0
"""Of a tensor."""
_NORMAL, _CONTROL, _USER_DEFINED = 1, 3, 4
"""Of a token."""
_NEVER = "\u00ff \u00ff"
"""Readers want at least one merge; no UTF-8 has two bytes FF."""
_NAMES = {
    "model.embed_tokens": "token_embd",
    "model.layers.0.input_layernorm": "blk.0.attn_norm",
    "model.layers.0.self_attn.q_proj": "blk.0.attn_q",
    "model.layers.0.self_attn.k_proj": "blk.0.attn_k",
    "model.layers.0.self_attn.v_proj": "blk.0.attn_v",
    "model.layers.0.self_attn.o_proj": "blk.0.attn_output",
    "model.layers.0.post_attention_layernorm": "blk.0.ffn_norm",
    "model.layers.0.mlp.gate_proj": "blk.0.ffn_gate",
    "model.layers.0.mlp.up_proj": "blk.0.ffn_up",
    "model.layers.0.mlp.down_proj": "blk.0.ffn_down",
    "model.norm": "output_norm",
    "lm_head": "output",
}
"""Hugging Face's name of a tensor to this format's."""


def file(vocabulary: Vocabulary, template: str, reach: int, *, name: str) -> bytes:
    """Give the file; `name` is the model's own."""
    about = f"says what stood {reach} tokens before"
    facts = [
        ("general.architecture", _string("llama")),
        ("general.name", _string(name)),
        ("general.description", _string(about)),
        ("general.alignment", _uint(ALIGNED)),
        ("general.file_type", _uint(_F32)),
        *((f"llama.{key}", value) for key, value in _shape(vocabulary)),
        *((f"tokenizer.{key}", value) for key, value in _tokenizer(vocabulary, template)),
    ]
    # In this format the two numbers of a rotary pair stand beside each other.
    written = [*tensors(vocabulary, reach, "neighbours")]
    head = b"GGUF" + struct.pack("<IQQ", VERSION, len(written), len(facts))
    head += b"".join(_bare(key) + value for key, value in facts)
    infos, data = b"", b""
    for tensor in written:
        infos += _info(tensor, len(data))
        data += _filled(fill(tensor, 4, partial(struct.pack, "<f")))
    return _filled(head + infos) + data


def _shape(vocabulary: Vocabulary) -> list[tuple[str, bytes]]:
    return [
        ("vocab_size", _uint(vocabulary.size)),
        ("context_length", _uint(weights.CONTEXT)),
        ("embedding_length", _uint(weights.WIDTH)),
        ("block_count", _uint(1)),
        ("feed_forward_length", _uint(weights.INNER)),
        ("attention.head_count", _uint(weights.HEADS)),
        ("attention.head_count_kv", _uint(weights.HEADS)),
        ("attention.layer_norm_rms_epsilon", _float(weights.EPSILON)),
        ("rope.dimension_count", _uint(weights.HEAD)),
        ("rope.freq_base", _float(weights.BASE)),
    ]


def _tokenizer(vocabulary: Vocabulary, template: str) -> list[tuple[str, bytes]]:
    kinds = [_CONTROL] * len(vocabulary.special) + [_USER_DEFINED] * len(vocabulary.added)
    return [
        ("ggml.model", _string("gpt2")),
        ("ggml.pre", _string("gpt-2")),
        ("ggml.tokens", _strings([*byte_names(), *vocabulary.marks])),
        ("ggml.token_type", _integers([_NORMAL] * BYTES + kinds)),
        ("ggml.merges", _strings([_NEVER])),
        ("ggml.bos_token_id", _uint(vocabulary.id(vocabulary.bos))),
        ("ggml.eos_token_id", _uint(vocabulary.id(vocabulary.eos))),
        ("ggml.add_bos_token", struct.pack("<I?", _BOOL, False)),
        ("chat_template", _string(template)),
    ]


def _info(tensor: Tensor, offset: int) -> bytes:
    name = _bare(f"{_NAMES[tensor.name.removesuffix('.weight')]}.weight")
    sizes = tensor.shape[::-1]  # the length of a row comes first
    return name + struct.pack(f"<I{len(sizes)}QIQ", len(sizes), *sizes, _F32, offset)


def _filled(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % ALIGNED)


def _bare(text: str) -> bytes:
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def _string(text: str) -> bytes:
    return struct.pack("<I", _STRING) + _bare(text)


def _uint(value: int) -> bytes:
    return struct.pack("<II", _UINT32, value)


def _float(value: float) -> bytes:
    return struct.pack("<If", _FLOAT32, value)


def _strings(texts: Sequence[str]) -> bytes:
    return struct.pack("<IIQ", _ARRAY, _STRING, len(texts)) + b"".join(map(_bare, texts))


def _integers(values: Sequence[int]) -> bytes:
    return struct.pack(f"<IIQ{len(values)}i", _ARRAY, _INT32, len(values), *values)
