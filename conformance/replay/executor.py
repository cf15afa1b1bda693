"""A vLLM executor that computes nothing: it gives the tokens of scripts to the scheduler.

All that comes before it (API server, template, tokenizer, scheduler, grammars) and after it
(detokenizer, parsers, serving layer) is vLLM's own.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import cached_property
from types import SimpleNamespace
from typing import Any

from vllm.sampling_params import SamplingParams  # type: ignore[import-not-found]
from vllm.v1.executor.abstract import Executor  # type: ignore[import-not-found]

from . import fault, interface, likelihood
from .beat import Beat, pair
from .likelihood import Likelihoods
from .request import find_script, identify, load_cutter, pace, script_of
from .script import Refused
from .voice import Language, Masks, Voice

UNSCRIPTED = "No script."
"""What a request without a script is answered."""
CLOSERS = ('"', "}", "]", ":", ",", "{", "[", "1", "a", "true", "null")
"""What brings a text under a grammar, JSON mostly, to its end."""
MEMORY_BYTES = 4 << 20
"""Of the cache of keys and values, which stores nothing: half a million tokens."""

logger = logging.getLogger("vllm.conformance")
_ANSWERS = {"get_supported_tasks": ("generate",), "get_model": SimpleNamespace()}
"""What is asked of a worker, where doing nothing is no answer."""


class ScriptExecutor(Executor):  # type: ignore[misc]
    """An executor whose one worker does not exist."""

    supports_pp = False
    uses_ray = False

    def _init_executor(self) -> None:
        if lacking := interface.missing():
            raise RuntimeError(
                f"conformance.replay: this vLLM wants {', '.join(lacking)}, which is not known "
                "here, so it cannot be served without kernels; --kernels=real may serve it"
            )
        speculative = self.speculative_config
        self.drafts = 0 if speculative is None else speculative.num_speculative_tokens
        self.fault = fault.read(self.vllm_config.additional_config)
        self.said = 0
        """Tokens in all, of all answers."""
        self.identity = identify(self.model_config)
        cutter = load_cutter(self.identity)
        closers = [cutter.encode(text) for text in CLOSERS]
        self.language = Language(
            size=self.identity[4],
            end=cutter.end,
            closers=tuple(ids[0] for ids in closers if len(ids) == 1),
        )
        self.unscripted = (*cutter.encode(UNSCRIPTED), cutter.end)
        self.voices: dict[str, Voice] = {}
        self.asked: dict[str, SamplingParams] = {}
        self.prompts: dict[str, list[int]] = {}
        """Of requests that ask how likely their prompts are."""
        self.pending: Any = None
        self.guesses: dict[str, list[int]] = {}
        self.beat = Beat(pair()[1])
        self.stepped = time.monotonic()

    # What is asked at the start.

    def get_kv_cache_specs(self) -> list[dict[str, Any]]:
        """Describe the cache of the one layer."""
        return [{"layer": interface.cache_of(self.cache_config.block_size)}]

    def determine_available_memory(self) -> list[int]:
        """Say how large a cache may be."""
        return [MEMORY_BYTES]

    def get_supported_kv_cache_layouts(self) -> list[list[str]]:
        """Name the layouts that a cache may have; newer releases ask."""
        return [interface.layouts()]

    @cached_property
    def supported_tasks(self) -> tuple[str, ...]:
        """Say what this engine is for."""
        return ("generate",)

    def initialize_from_config(self, kv_cache_configs: list[Any]) -> None:
        """Make no cache."""

    def compile_or_warm_up_model(self) -> None:
        """Compile nothing."""

    def get_kv_connector_handshake_metadata(self) -> list[Any]:
        """Share no cache with other engines."""
        return []

    def check_health(self) -> None:
        """Have nothing that could fail on its own."""

    def shutdown(self) -> None:
        """Hold nothing that is to be given back."""

    def collective_rpc(
        self,
        method: str | Callable[..., Any],
        timeout: float | None = None,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
        non_block: bool = False,
        **more: Any,
    ) -> Any:
        """Do nothing of what else a worker is asked."""
        logger.debug("conformance: a worker would have been asked for %s", method)
        answer = [_ANSWERS.get(method) if isinstance(method, str) else None]
        return _done(answer) if non_block else answer

    # What is asked at each step.

    def execute_model(self, scheduled: Any, non_block: bool = False, **more: Any) -> Any:
        """Follow requests, and give what they say, unless this vLLM asks for that next."""
        self.follow(scheduled)
        output = None
        if not scheduled.total_num_scheduled_tokens:
            output = interface.output_of({}, None, {})
        elif interface.ASKS_TWICE:
            self.pending = scheduled
        else:
            output = self.say(scheduled, grammar=scheduled)
        return _done(output) if non_block else output

    def sample_tokens(self, grammar: Any, non_block: bool = False, **more: Any) -> Any:
        """Give what each request says, with what it asked about that."""
        scheduled, self.pending = self.pending, None
        output = self.say(scheduled, grammar)
        return _done(output) if non_block else output

    def say(self, scheduled: Any, grammar: Any) -> Any:
        """Say what is due in a step."""
        if self.fault is not None:
            self.fault.strike(self.said)
        names = dict(scheduled.num_scheduled_tokens)
        self.keep_pace(names)
        drafts = scheduled.scheduled_spec_decode_tokens or {}
        masks = dict(interface.masks_of(grammar, drafts))
        rows: dict[str, list[int]] = {}
        begun: set[str] = set()
        for name, count in names.items():
            voice = self.voices[name]
            guessed = drafts.get(name, [])
            is_due = voice.is_due(count - len(guessed))
            if is_due and not voice.said:
                begun.add(name)
            rows[name] = self.speak(name, voice, masks.get(name, ()), guessed) if is_due else []
        self.said += sum(map(len, rows.values()))
        prompts = {name: self.of_prompt(name) for name in begun & self.prompts.keys()}
        speaking = [name for name, row in rows.items() if row and self.voices[name].drafts]
        self.guesses = {name: self.voices[name].guess() for name in speaking}
        return interface.output_of(rows, self.likely(rows), prompts, self.guesses)

    def take_draft_token_ids(self) -> Any:
        """Give what is guessed to follow the last step."""
        return interface.drafts_of(self.guesses) if self.guesses else None

    def follow(self, scheduled: Any) -> None:
        """Follow requests as they come, go, and are read again."""
        for name in scheduled.finished_req_ids:
            self.voices.pop(name, None)
            self.asked.pop(name, None)
            self.prompts.pop(name, None)
        for new in scheduled.scheduled_new_reqs:
            if new.req_id not in self.voices:
                self.begin(new)
            self.voices[new.req_id].computed = new.num_computed_tokens
        cached = scheduled.scheduled_cached_reqs
        for name, computed in zip(cached.req_ids, cached.num_computed_tokens, strict=True):
            self.voices[name].computed = computed

    def begin(self, new: Any) -> None:
        """Give a new request its voice."""
        params = new.sampling_params or SamplingParams()
        prompt = list(new.prompt_token_ids or ())
        ids = find_script(params, self.identity, self.drafts)
        steps, drafts = self.at_once(params)
        self.asked[new.req_id] = params
        if params.prompt_logprobs is not None:
            self.prompts[new.req_id] = prompt
        self.voices[new.req_id] = Voice(
            ids=self.unscripted if ids is None else ids,
            scripted=ids is not None,
            prompt=len(prompt),
            computed=new.num_computed_tokens,
            pace=pace(params),
            steps=steps,
            drafts=drafts,
        )

    def at_once(self, params: SamplingParams) -> tuple[tuple[int, ...], int]:
        """Give how many tokens each step has, or how many are guessed ahead.

        It is one, and none, where a vLLM could not take more.
        """
        try:
            script = script_of(params)
        except Refused:  # the answer is the refusal
            script = None
        if script is None or (params.logprobs is not None and not interface.COUNTS_TOKENS):
            return (1,), 0
        return script.steps, min(script.drafts, self.drafts)

    def speak(self, name: str, voice: Voice, masks: Masks, drafts: Sequence[int]) -> list[int]:
        """Give what a request says in a step, and log where it leaves its script."""
        was_astray = voice.strayed is not None
        tokens = voice.speak(self.language, masks, drafts)
        if voice.scripted and voice.strayed is not None and not was_astray:
            place = voice.said - len(voice.strayed)
            wanted = voice.ids[min(place, len(voice.ids) - 1)]
            logger.warning(
                "conformance: a grammar forbids token %d at place %d of %s", wanted, place, name
            )
        return tokens

    def keep_pace(self, names: dict[str, int]) -> None:
        """Wait until the API server has sent what was said: it would join deltas."""
        voices = {name: self.voices[name] for name in names}
        streamed = {name: voice for name, voice in voices.items() if voice.pace and voice.said}
        if streamed and not self.beat.wait({name: one.said for name, one in streamed.items()}):
            due = self.stepped + sum(voice.pace for voice in streamed.values())
            time.sleep(max(0.0, due - time.monotonic()))
        self.stepped = time.monotonic()

    def likely(self, rows: dict[str, list[int]]) -> Likelihoods | None:
        """Make up how likely the tokens of a step were, if a request asks."""
        asked = [self.asked[name].logprobs for name in rows]
        count = likelihood.width(asked, self.language.size)
        if count is None:
            return None
        tokens = [token for row in rows.values() for token in row]
        return likelihood.of(tokens, count, self.language.size)

    def of_prompt(self, name: str) -> Likelihoods:
        """Make up how likely a prompt was, from its second token on."""
        size = self.language.size
        count = likelihood.width([self.asked[name].prompt_logprobs], size) or 0
        return likelihood.of(self.prompts[name][1:], count, size)


class NoWorker:
    """Named in the configuration, and never made."""


def _done(value: Any) -> Future[Any]:
    future: Future[Any] = Future()
    future.set_result(value)
    return future
