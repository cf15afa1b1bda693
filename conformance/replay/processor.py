"""The logits processors of vLLM's two model runners, which force the tokens of a script."""

from __future__ import annotations

import importlib
import sys
import time
from collections.abc import Callable, Iterable
from functools import lru_cache
from types import FrameType
from typing import Any, cast

import torch  # type: ignore[import-not-found]
import vllm.v1.sample.logits_processor as v1  # type: ignore[import-not-found]
from vllm.config import ModelConfig, VllmConfig  # type: ignore[import-not-found]
from vllm.sampling_params import (  # type: ignore[import-not-found]
    RequestOutputKind,
    SamplingParams,
)

from .script import FIELD, Refused, read
from .tokens import Cutter, Tokenizer

try:
    import vllm.v1.worker.gpu.sample.logits_processor as v2  # type: ignore[import-not-found]
except ImportError:  # model runner V2 took no custom processors then
    v2 = None

V1Processor: type = v1.LogitsProcessor
V2Processor: type = v2.LogitsProcessor if v2 else object

TOKENIZER_MODULES = ("vllm.tokenizers", "vllm.transformers_utils.tokenizer")
"""Where `get_tokenizer` is, newest place first."""
UNKNOWN = -1
"""The placeholder of asynchronous scheduling for a token that has not come yet."""
IMPOSSIBLE = float("-inf")
PACE_SECONDS = 0.001
"""The time from delta to delta, for each running script.

An API server joins tokens that are waiting into one delta. A model without weights is faster than
the server that sends its tokens, so without a pause the deltas would depend on luck.
"""

Ids = tuple[int, ...]
Identity = tuple[str, str, str | None, bool, int, int | None]
"""Tokenizer, mode, revision, trust in its code; width of the logits, last token of the config."""


class V1Replay(V1Processor):  # type: ignore[misc]
    """Force scripts in model runner V1, where a row of the logits is a request."""

    def __init__(self, vllm_config: VllmConfig, device: torch.device, is_pin_memory: bool) -> None:
        """Load the tokenizer now: a server that cannot must not start."""
        self.identity = identify(vllm_config.model_config)
        load_cutter(self.identity)
        self.scripts: dict[int, tuple[Ids, list[int], float]] = {}
        self.stepped = time.monotonic()

    def is_argmax_invariant(self) -> bool:
        """Say no, since forcing changes the token of greedy requests too."""
        return False

    def update_state(self, batch_update: v1.BatchUpdate | None) -> None:
        """Follow requests as they come, go and change rows."""
        v1.process_dict_updates(self.scripts, batch_update, self.begin)

    def begin(
        self, params: SamplingParams, prompt: list[int] | None, output: list[int]
    ) -> tuple[Ids, list[int], float] | None:
        """Give a request's script, live output and pace; the request may be a resumed one."""
        ids = find_script(params, self.identity)
        if ids is None or not agrees(output, ids):
            return None
        return ids, output, pace(params)

    def apply(self, logits: torch.Tensor) -> torch.Tensor:
        """Leave one token possible in the rows that have a script."""
        rows = list(self.scripts)
        wanted = [ids[min(len(output), len(ids) - 1)] for ids, output, _ in self.scripts.values()]
        due = self.stepped + sum(seconds for _, _, seconds in self.scripts.values())
        for row in force(logits, rows, wanted):
            del self.scripts[row]
        time.sleep(max(0.0, due - time.monotonic()))
        self.stepped = time.monotonic()
        return logits


class V2Replay(V2Processor):  # type: ignore[misc]
    """Force scripts in model runner V2: rows change at every step, and requests own slots."""

    def __init__(self, vllm_config: VllmConfig, req_states: Any) -> None:
        """Load the tokenizer now: a server that cannot must not start."""
        self.identity = identify(vllm_config.model_config)
        load_cutter(self.identity)
        self.states = req_states
        self.scripts: dict[int, Ids] = {}
        self.entered: set[int] = set()

    def add_request(self, req_idx: int, sampling_params: SamplingParams) -> bool:
        """Store the script of a slot, if its request has one."""
        self.scripts.pop(req_idx, None)
        ids = find_script(sampling_params, self.identity)
        if ids is not None:
            self.scripts[req_idx] = ids
            self.entered.add(req_idx)
        return ids is not None

    def apply_staged_writes(self) -> None:
        """Forget the script of a resumed request whose earlier output is not the script's."""
        for slot in self.entered & self.scripts.keys():
            start, stop = self.states.prompt_len.np[slot], self.states.prefill_len.np[slot]
            said = self.states.all_token_ids.gpu[slot, start:stop].tolist() if stop > start else []
            if not agrees(said, self.scripts[slot]):
                del self.scripts[slot]
        self.entered.clear()

    def apply(self, logits: torch.Tensor, ctx: Any) -> torch.Tensor:
        """Leave one token possible in the rows whose request has a script."""
        if self.scripts.keys().isdisjoint(ctx.idx_mapping_np.tolist()):
            return logits
        slots, offsets = ctx.expanded_idx_mapping.tolist(), ctx.expanded_local_pos.tolist()
        wanted: dict[int, int] = {}
        places = zip(slots, ctx.pos.tolist(), ctx.input_ids.tolist(), offsets, strict=True)
        for row, (slot, position, last, offset) in enumerate(places):
            ids = self.scripts.get(slot)
            step = position + 1 - int(self.states.prompt_len.np[slot])
            if ids is None or step < 0:
                continue
            if 0 < step <= len(ids) and last != ids[step - 1] and offset == 0:
                del self.scripts[slot]
                continue
            wanted[row] = ids[min(step, len(ids) - 1)]
        for row in force(logits, list(wanted), list(wanted.values())):
            # After a draft token (offset > 0) the grammar may have taken another path.
            if offsets[row] == 0:
                self.scripts.pop(slots[row], None)
        return logits


class Replay(V1Processor, V2Processor):  # type: ignore[misc]
    """What the server loads: each runner demands a subclass of its own and gets its own half."""

    def __new__(cls, vllm_config: VllmConfig, *rest: Any) -> Any:
        """Choose the half for the runner, which shows in the number of arguments."""
        half = V2Replay if len(rest) == 1 else V1Replay
        return half(vllm_config, *rest)

    @classmethod
    def validate_params(cls, sampling_params: SamplingParams) -> None:
        """Refuse a request whose script cannot be said; runs in the API server's process."""
        source = find_source(sampling_params)
        if source is not None:
            compile_script(source, identify(find_model(sys._getframe())))


def force(logits: torch.Tensor, rows: list[int], wanted: list[int]) -> list[int]:
    """Leave only the wanted token possible in each row.

    Return the rows in which it was impossible before, as under a grammar; these do not change.
    """
    if not rows:
        return []
    at = torch.tensor([rows, wanted], device=logits.device)
    possible = logits[at[0], at[1]] != IMPOSSIBLE
    at = at[:, possible]
    logits[at[0]] = IMPOSSIBLE
    logits[at[0], at[1]] = 0.0
    return [row for row, free in zip(rows, possible.tolist(), strict=True) if not free]


def pace(params: SamplingParams) -> float:
    """Give the seconds for each step of a script: none if the answer is sent only at its end."""
    if params.output_kind == RequestOutputKind.FINAL_ONLY:
        return 0.0
    return PACE_SECONDS / (getattr(params, "stream_interval", None) or 1)


def agrees(said: Iterable[int], ids: Ids) -> bool:
    """Whether the output so far is the script's, as far as it is known."""
    return all(token in (UNKNOWN, want) for token, want in zip(said, ids, strict=False))


def find_script(params: SamplingParams, identity: Identity) -> Ids | None:
    """Give the ids of a request's script, if it has one.

    If no validation refused a bad script earlier, the answer is the refusal: an exception in the
    engine would end all requests, and silence would look like an answer.
    """
    try:
        source = find_source(params)
        return None if source is None else compile_script(source, identity)
    except Refused as refusal:
        cutter = load_cutter(identity)
        return (*cutter.encode(f"{refusal} (refused)"), cutter.end)


def find_source(params: SamplingParams) -> str | None:
    """Give the JSON text of a request's script, if it has one."""
    source = (params.extra_args or {}).get(FIELD)
    if source is not None and not isinstance(source, str):
        raise Refused(f"expected JSON text, got {type(source).__name__}")
    return source


@lru_cache(maxsize=512)
def compile_script(source: str, identity: Identity) -> Ids:
    """Give the ids of a script, once for all its requests."""
    return load_cutter(identity).cut(read(source))


def find_model(frame: FrameType | None) -> ModelConfig:
    """Find the model of the request in validation: its validator, up the stack, has it.

    There is no other way: the server freezes its heap, so the collector does not list it.
    """
    while frame is not None:
        model = getattr(frame.f_locals.get("self"), "model_config", None)
        if isinstance(model, ModelConfig):
            return model
        frame = frame.f_back
    raise Refused("this vLLM does not say which model a request is for")


def identify(model: ModelConfig) -> Identity:
    """Name everything that the ids of a script depend on."""
    last = getattr(model.hf_text_config, "eos_token_id", None)
    return (
        str(model.tokenizer),
        str(model.tokenizer_mode),
        model.tokenizer_revision,
        model.trust_remote_code,
        model.get_vocab_size(),
        last[0] if isinstance(last, list) else last,
    )


@lru_cache
def load_cutter(identity: Identity) -> Cutter:
    """Load a tokenizer for this plugin alone: another thread may be using vLLM's."""
    name, mode, revision, trust, size, last = identity
    tokenizer = find_loader()(name, tokenizer_mode=mode, revision=revision, trust_remote_code=trust)
    # Decoding must not remove spaces; vLLM's streaming detokenizer does not.
    tokenizer.clean_up_tokenization_spaces = False
    end = tokenizer.eos_token_id if tokenizer.eos_token_id is not None else last
    if end is None:
        raise RuntimeError(f"conformance.replay: {name} has no end-of-sequence token")
    return Cutter(cast(Tokenizer, tokenizer), end=end, size=size)


def find_loader() -> Callable[..., Any]:
    """Find vLLM's own loader of tokenizers."""
    for name in TOKENIZER_MODULES:
        try:
            return cast(Callable[..., Any], importlib.import_module(name).get_tokenizer)
        except (ImportError, AttributeError):
            continue
    raise RuntimeError(f"conformance.replay: no get_tokenizer in {', '.join(TOKENIZER_MODULES)}")
