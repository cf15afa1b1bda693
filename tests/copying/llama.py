"""A Llama of one layer in numpy, which reads the files of a model and knows nothing of its making.

Every number that an engine keeps in a narrower type goes through `kept`.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from conformance.base.jsonvalue import Json

Floats = NDArray[np.float32]
Kept = Callable[[Floats], Floats]

GGUF_NUMBERS = {4: "<I", 5: "<i", 6: "<f", 7: "<?"}


def as_float32(found: Floats) -> Floats:
    return found.astype(np.float32)


def as_bfloat16(found: Floats) -> Floats:
    bits = found.astype(np.float32).view(np.uint32)
    rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000
    return rounded.astype(np.uint32).view(np.float32)


@dataclass(frozen=True, kw_only=True)
class Llama:
    config: Json
    tensors: dict[str, Floats]
    interleaved: bool
    """The two numbers of a rotary pair stand beside each other."""

    def logits(self, ids: Sequence[int], last: int, kept: Kept = as_float32) -> Floats:
        """Give the logits after each of the last tokens."""
        heads, width = self.config["heads"], self.config["width"]
        # What comes before attention is the same for the same token, so each is computed once.
        kinds, place = np.unique(np.array(ids), return_inverse=True)
        each = kept(self.tensors["embed"][kinds])
        normed = kept(self._normed(each, self.tensors["input_norm"]))
        late = len(ids) - last
        query, key, value = (
            kept(normed @ self.tensors[name].T)[place].reshape(-1, heads, width) for name in "qkv"
        )
        states, query = each[place], query[late:]
        query = self._turned(query, np.arange(late, len(ids)), kept)
        key = self._turned(key, np.arange(len(ids)), kept)
        scores = query.transpose(1, 0, 2) @ key.transpose(1, 2, 0) / np.float32(np.sqrt(width))
        seen = np.arange(len(ids))[None, :] <= np.arange(late, len(ids))[:, None]
        scores = np.where(seen, scores, -np.inf)
        weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
        weights = kept(weights / weights.sum(axis=-1, keepdims=True))
        found = kept(weights @ value.transpose(1, 0, 2)).transpose(1, 0, 2).reshape(last, -1)
        states = kept(states[late:] + kept(found @ self.tensors["o"].T))
        inner = kept(self._normed(states, self.tensors["post_norm"]))
        gate = inner @ self.tensors["gate"].T
        gate = gate / (1 + np.exp(-gate))
        states = kept(states + (gate * (inner @ self.tensors["up"].T)) @ self.tensors["down"].T)
        final = kept(self._normed(states, self.tensors["norm"]))
        return kept(final @ self.tensors["head"].T)

    def _normed(self, states: Floats, weight: Floats) -> Floats:
        mean = np.mean(states**2, axis=-1, keepdims=True)
        found: Floats = states / np.sqrt(mean + np.float32(self.config["epsilon"])) * weight
        return found

    def _turned(self, found: Floats, places: NDArray[np.int64], kept: Kept) -> Floats:
        half = self.config["width"] // 2
        angles = self.config["base"] ** (-np.arange(half, dtype=np.float32) / half)
        turns = np.outer(places, angles.astype(np.float32)).astype(np.float32)
        cosine, sine = kept(np.cos(turns))[:, None, :], kept(np.sin(turns))[:, None, :]
        first, second = (
            (found[..., 0::2], found[..., 1::2])
            if self.interleaved
            else (found[..., :half], found[..., half:])
        )
        return kept(
            np.concatenate([first * cosine - second * sine, second * cosine + first * sine], -1)
        )


def of_folder(files: dict[str, bytes]) -> Llama:
    """Read a Hugging Face folder."""
    data = files["model.safetensors"]
    (length,) = struct.unpack_from("<Q", data)
    head = json.loads(data[8 : 8 + length])
    head.pop("__metadata__")
    tensors = {}
    for name, about in head.items():
        start, stop = (8 + length + place for place in about["data_offsets"])
        halves = np.frombuffer(data[start:stop], np.uint16).astype(np.uint32)
        assert about["dtype"] == "BF16"
        tensors[name] = (halves << 16).view(np.float32).reshape(about["shape"])
    config = json.loads(files["config.json"])
    layer = "model.layers.0"
    return Llama(
        config={
            "heads": config["num_attention_heads"],
            "width": config["head_dim"],
            "epsilon": config["rms_norm_eps"],
            "base": config["rope_theta"],
        },
        tensors={
            "embed": tensors["model.embed_tokens.weight"],
            "input_norm": tensors[f"{layer}.input_layernorm.weight"],
            "post_norm": tensors[f"{layer}.post_attention_layernorm.weight"],
            **{name: tensors[f"{layer}.self_attn.{name}_proj.weight"] for name in "qkvo"},
            **{name: tensors[f"{layer}.mlp.{name}_proj.weight"] for name in ("gate", "up", "down")},
            "norm": tensors["model.norm.weight"],
            "head": tensors["lm_head.weight"],
        },
        interleaved=False,
    )


def of_gguf(data: bytes) -> tuple[Llama, dict[str, Any]]:
    """Read a GGUF file: the model, and all that the file says of it."""
    reader = _Gguf(data)
    tensors, said = reader.read()
    return (
        Llama(
            config={
                "heads": said["llama.attention.head_count"],
                "width": said["llama.rope.dimension_count"],
                "epsilon": said["llama.attention.layer_norm_rms_epsilon"],
                "base": said["llama.rope.freq_base"],
            },
            tensors={
                "embed": tensors["token_embd.weight"],
                "input_norm": tensors["blk.0.attn_norm.weight"],
                "post_norm": tensors["blk.0.ffn_norm.weight"],
                **{name: tensors[f"blk.0.attn_{name}.weight"] for name in "qkv"},
                "o": tensors["blk.0.attn_output.weight"],
                **{name: tensors[f"blk.0.ffn_{name}.weight"] for name in ("gate", "up", "down")},
                "norm": tensors["output_norm.weight"],
                "head": tensors["output.weight"],
            },
            interleaved=True,
        ),
        said,
    )


class _Gguf:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def read(self) -> tuple[dict[str, Floats], dict[str, Any]]:
        assert self._data[:4] == b"GGUF"
        self._at = 4
        version, tensors, facts = (self._number(form) for form in ("<I", "<Q", "<Q"))
        assert version == 3
        said: dict[str, Any] = {}
        for _ in range(facts):
            key = self._text()
            said[key] = self._value(self._number("<I"))
        infos = [self._info() for _ in range(tensors)]
        aligned = said["general.alignment"]
        begin = -(-self._at // aligned) * aligned
        found = {}
        for name, sizes, offset in infos:
            assert offset % aligned == 0
            count = int(np.prod(sizes))
            whole = np.frombuffer(self._data, np.float32, count, begin + offset)
            found[name] = whole.reshape(sizes[::-1])
        return found, said

    def _info(self) -> tuple[str, list[int], int]:
        name = self._text()
        sizes = [self._number("<Q") for _ in range(self._number("<I"))]
        assert self._number("<I") == 0
        return name, sizes, self._number("<Q")

    def _value(self, kind: int) -> Any:
        if kind == 8:
            return self._text()
        if kind == 9:
            inner, length = self._number("<I"), self._number("<Q")
            return [self._value(inner) for _ in range(length)]
        return self._number(GGUF_NUMBERS[kind])

    def _number(self, form: str) -> Any:
        (found,) = struct.unpack_from(form, self._data, self._at)
        self._at += struct.calcsize(form)
        return found

    def _text(self) -> str:
        length = self._number("<Q")
        self._at += length
        return self._data[self._at - length : self._at].decode()
