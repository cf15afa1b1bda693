"""What an engine without a model gives to a vLLM, in the form that this release asks for.

Nothing here asks for a release's number: each difference is looked for in what the release offers.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy
import torch  # type: ignore[import-not-found]
from vllm.v1.executor.abstract import Executor  # type: ignore[import-not-found]
from vllm.v1.kv_cache_interface import FullAttentionSpec  # type: ignore[import-not-found]
from vllm.v1.outputs import (  # type: ignore[import-not-found]
    LogprobsLists,
    LogprobsTensors,
    ModelRunnerOutput,
)

from .likelihood import Likelihoods
from .voice import Masks

BLOCK = 16
"""Tokens in a block of the cache of keys and values, where nobody chose another number."""

ASKS_TWICE = hasattr(Executor, "sample_tokens")
"""Whether a step is asked for in two calls; releases before 0.11.1 ask once, grammar included."""

COUNTS_TOKENS = "cu_num_generated_tokens" in LogprobsLists._fields
"""Whether logprobs may be of several tokens of a request; releases up to 0.11.0 have one a step."""

NO_GUESSES: Mapping[str, list[int]] = {}

_CACHE = {
    "block_size": BLOCK,
    "num_kv_heads": 1,
    "head_size": 1,
    "dtype": torch.float32,
    # Up to 0.10.2.
    "use_mla": False,
}
_OUTPUT: dict[str, Any] = {
    "req_ids": [],
    "req_id_to_index": {},
    "sampled_token_ids": [],
    "logprobs": None,
    "prompt_logprobs_dict": {},
    # Newer releases have a default for this.
    "pooler_output": [],
    # Up to 0.9.2; later ones ask for guesses on their own.
    "spec_token_ids": None,
}


def missing() -> list[str]:
    """Name what this vLLM asks for beyond what is known here."""
    return [*_unknown(ModelRunnerOutput, _OUTPUT), *_unknown(FullAttentionSpec, _CACHE)]


def _unknown(made: Callable[..., Any], known: Mapping[str, Any]) -> Iterator[str]:
    for name, one in inspect.signature(made).parameters.items():
        if one.default is one.empty and name not in known:
            yield f"{made.__name__}.{name}"


def _make(made: Callable[..., Any], known: Mapping[str, Any], given: Mapping[str, Any]) -> Any:
    """Make something of vLLM's of the values that are given, and of others where it has to be."""
    words = {}
    for name, one in inspect.signature(made).parameters.items():
        if name in given:
            words[name] = given[name]
        elif one.default is one.empty:
            words[name] = known[name]
    return made(**words)


def cache_of(block: int | None) -> FullAttentionSpec:
    """Describe a cache that stores nothing: the smallest that a scheduler can divide."""
    return _make(FullAttentionSpec, _CACHE, {"block_size": block or BLOCK})


def layouts() -> list[str]:
    """Name the layouts of a cache that any reader of it can have."""
    from vllm.v1.attention.backends import utils  # type: ignore[import-not-found]

    return [layout.name for layout in utils.get_supported_kv_cache_layouts(())]


def masks_of(grammar: Any, drafts: Mapping[str, Sequence[int]]) -> Iterator[tuple[str, Masks]]:
    """Give what the grammar of each request allows; requests without one are left out.

    `grammar` is what a release gives with a step: an object of its own, or the scheduler's output.
    `drafts` are the guesses that the step has to check, by request: there is a mask for each, and
    one for what follows.
    """
    if grammar is None or grammar.grammar_bitmask is None:
        return
    names = grammar.structured_output_request_ids
    if isinstance(names, dict):  # up to 0.10: the row of each request
        names = sorted(names, key=names.__getitem__)
    counts = [1 + len(drafts.get(name, ())) for name in names]
    masks = grammar.grammar_bitmask
    # Newer releases give each request as many as one may need, older ones as many as it needs.
    same = len(masks) // len(names) if len(masks) != sum(counts) else 0
    start = 0
    for name, count in zip(names, counts, strict=True):
        yield name, list(masks[start : start + count])
        start += same or count


def drafts_of(guesses: Mapping[str, list[int]]) -> Any:
    """Write what is guessed of requests."""
    from vllm.v1.outputs import DraftTokenIds

    return DraftTokenIds(list(guesses), list(guesses.values()))


def output_of(
    rows: dict[str, list[int]],
    likely: Likelihoods | None,
    prompts: dict[str, Likelihoods],
    guesses: Mapping[str, list[int]] = NO_GUESSES,
) -> ModelRunnerOutput:
    """Write the tokens of a step, by request, and what is guessed of the next one."""
    given = {
        "req_ids": list(rows),
        "req_id_to_index": {name: place for place, name in enumerate(rows)},
        "sampled_token_ids": _tokens(list(rows.values())),
        "logprobs": None if likely is None else _lists(likely, list(rows.values())),
        "prompt_logprobs_dict": {name: _tensors(each) for name, each in prompts.items()},
        "spec_token_ids": [guesses.get(name, []) for name in rows] if guesses else None,
    }
    return _make(ModelRunnerOutput, _OUTPUT, given)


def _tokens(rows: list[list[int]]) -> list[Any]:
    wanted = str(inspect.signature(ModelRunnerOutput).parameters["sampled_token_ids"].annotation)
    if "ndarray" in wanted:  # 0.11.1 and 0.11.2
        return [numpy.array(row, dtype=numpy.int64) for row in rows]
    return rows


def _lists(likely: Likelihoods, rows: list[list[int]]) -> LogprobsLists:
    starts = [0]
    for row in rows:
        starts.append(starts[-1] + len(row))
    if not COUNTS_TOKENS:
        return LogprobsLists(*_of_each_request(likely, rows, starts))
    count = len(likely.ranks)
    return LogprobsLists(
        numpy.array(likely.ids, dtype=numpy.int32).reshape(count, -1 if count else 0),
        numpy.array(likely.logs, dtype=numpy.float32).reshape(count, -1 if count else 0),
        numpy.array(likely.ranks, dtype=numpy.int32),
        starts,
    )


def _of_each_request(
    likely: Likelihoods, rows: list[list[int]], starts: list[int]
) -> tuple[list[list[int]], list[list[float]], list[int]]:
    """Give a row for each request, also for one that says nothing in this step.

    Of several tokens it is that of the first. Such a request did not ask, but others in its step
    may have.
    """
    said = list(zip(likely.ids, likely.logs, likely.ranks, strict=True))
    silent: tuple[list[int], list[float], int] = ([0], [0.0], 1)
    found = [said[start] if row else silent for start, row in zip(starts, rows, strict=False)]
    return [one[0] for one in found], [one[1] for one in found], [one[2] for one in found]


def _tensors(likely: Likelihoods) -> LogprobsTensors:
    return LogprobsTensors(
        torch.tensor(likely.ids, dtype=torch.int32),
        torch.tensor(likely.logs, dtype=torch.float32),
        torch.tensor(likely.ranks, dtype=torch.int32),
    )
