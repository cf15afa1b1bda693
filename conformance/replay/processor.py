"""The logits processors of vLLM's two model runners, which force the tokens of a script."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from typing import Any

import torch  # type: ignore[import-not-found]
import vllm.v1.sample.logits_processor as v1  # type: ignore[import-not-found]
from vllm.config import VllmConfig  # type: ignore[import-not-found]
from vllm.sampling_params import SamplingParams  # type: ignore[import-not-found]

from .request import Ids, check, find_script, find_source, identify, load_cutter, pace, read_once
from .script import one_by_one

try:
    import vllm.v1.worker.gpu.sample.logits_processor as v2  # type: ignore[import-not-found]
except ImportError:  # model runner V2 took no custom processors then
    v2 = None

V1Processor: type = v1.LogitsProcessor
V2Processor: type = v2.LogitsProcessor if v2 else object

UNKNOWN = -1
"""The placeholder of asynchronous scheduling for a token that has not come yet."""
IMPOSSIBLE = float("-inf")


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
            one_by_one(read_once(source))
        check(sampling_params, sys._getframe())


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


def agrees(said: Iterable[int], ids: Ids) -> bool:
    """Whether the output so far is the script's, as far as it is known."""
    return all(token in (UNKNOWN, want) for token, want in zip(said, ids, strict=False))
