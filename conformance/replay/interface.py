"""What an engine without a model gives to a vLLM, in the form that this release asks for."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from typing import Any

import numpy  # type: ignore[import-not-found]
import torch  # type: ignore[import-not-found]
from vllm.v1.executor.abstract import Executor  # type: ignore[import-not-found]
from vllm.v1.kv_cache_interface import FullAttentionSpec  # type: ignore[import-not-found]
from vllm.v1.outputs import (  # type: ignore[import-not-found]
    LogprobsLists,
    LogprobsTensors,
    ModelRunnerOutput,
)

from .likelihood import Likelihoods

BLOCK = 16
"""Tokens in a block of the cache of keys and values, where nobody chose another number."""


def missing() -> list[str]:
    """Name what this vLLM lacks, of what a kernel-free engine stands on."""
    known = {
        "Executor.sample_tokens": hasattr(Executor, "sample_tokens"),
        "LogprobsLists.cu_num_generated_tokens": "cu_num_generated_tokens"
        in getattr(LogprobsLists, "_fields", ()),
        "ModelRunnerOutput.prompt_logprobs_dict": "prompt_logprobs_dict"
        in inspect.signature(ModelRunnerOutput).parameters,
    }
    return [name for name, is_there in known.items() if not is_there]


def cache_of(block: int | None) -> FullAttentionSpec:
    """Describe a cache that stores nothing: the smallest that a scheduler can divide."""
    return FullAttentionSpec(
        block_size=block or BLOCK, num_kv_heads=1, head_size=1, dtype=torch.float32
    )


def layouts() -> list[str]:
    """Name the layouts of a cache that any reader of it can have."""
    from vllm.v1.attention.backends import utils  # type: ignore[import-not-found]

    return [layout.name for layout in utils.get_supported_kv_cache_layouts(())]


def masks_of(grammar: Any) -> Iterator[tuple[str, Sequence[int]]]:
    """Give what the grammar of each request allows; requests without one are left out."""
    if grammar is not None and grammar.grammar_bitmask is not None:
        names = grammar.structured_output_request_ids
        yield from zip(names, grammar.grammar_bitmask, strict=True)


def output_of(
    rows: dict[str, list[int]],
    likely: Likelihoods | None,
    prompts: dict[str, Likelihoods],
) -> ModelRunnerOutput:
    """Write the tokens of a step, by request."""
    return ModelRunnerOutput(
        req_ids=list(rows),
        req_id_to_index={name: place for place, name in enumerate(rows)},
        sampled_token_ids=list(rows.values()),
        logprobs=None if likely is None else _lists(likely, list(rows.values())),
        prompt_logprobs_dict={name: _tensors(each) for name, each in prompts.items()},
    )


def _lists(likely: Likelihoods, rows: list[list[int]]) -> LogprobsLists:
    starts = [0]
    for row in rows:
        starts.append(starts[-1] + len(row))
    count = len(likely.ranks)
    return LogprobsLists(
        numpy.array(likely.ids, dtype=numpy.int32).reshape(count, -1 if count else 0),
        numpy.array(likely.logs, dtype=numpy.float32).reshape(count, -1 if count else 0),
        numpy.array(likely.ranks, dtype=numpy.int32),
        starts,
    )


def _tensors(likely: Likelihoods) -> LogprobsTensors:
    return LogprobsTensors(
        torch.tensor(likely.ids, dtype=torch.int32),
        torch.tensor(likely.logs, dtype=torch.float32),
        torch.tensor(likely.ranks, dtype=torch.int32),
    )
