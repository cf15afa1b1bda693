"""What a request asks a vLLM to say: its script as token ids, and the model that it is for."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import lru_cache
from types import FrameType
from typing import Any, cast

from vllm.config import ModelConfig  # type: ignore[import-not-found]
from vllm.sampling_params import (  # type: ignore[import-not-found]
    RequestOutputKind,
    SamplingParams,
)

from .script import FIELD, Refused, Script, drafted, read
from .tokens import Cutter, Tokenizer

try:
    # Newer releases answer with 400 to this error only.
    from vllm.exceptions import VLLMValidationError  # type: ignore[import-not-found]
except ImportError:
    VLLMValidationError = ValueError

TOKENIZER_MODULES = ("vllm.tokenizers", "vllm.transformers_utils.tokenizer")
"""Where `get_tokenizer` is, newest place first."""
PACE_SECONDS = 0.001
"""The time from delta to delta, for each running script.

An API server joins tokens that are waiting into one delta. A model without weights is faster than
the server that sends its tokens, so without a pause the deltas would depend on luck.
"""

Ids = tuple[int, ...]
Identity = tuple[str, str, str | None, bool, int, int | None]
"""Tokenizer, mode, revision, trust in its code; width of the logits, last token of the config."""


def pace(params: SamplingParams) -> float:
    """Give the seconds for each step of a script: none if the answer is sent only at its end."""
    if params.output_kind == RequestOutputKind.FINAL_ONLY:
        return 0.0
    return PACE_SECONDS / (getattr(params, "stream_interval", None) or 1)


def admit(asked: object, frame: FrameType | None, drafts: int) -> bool:
    """Whether something asked of an engine has a script; raises vLLM's error for a bad one."""
    try:
        return isinstance(asked, SamplingParams) and check(asked, frame, drafts)
    except Refused as refusal:
        raise VLLMValidationError(str(refusal)) from None


def check(params: SamplingParams, frame: FrameType | None, drafts: int = 0) -> bool:
    """Whether a request has a script; raises Refused if it cannot be said.

    Runs in the API server's process; `frame` is where its check of the request was called.
    `drafts` is how many tokens its engine guesses ahead at most.
    """
    source = find_source(params)
    if source is not None:
        drafted(read_once(source), at_most=drafts)
        compile_script(source, identify(find_model(frame)))
    return source is not None


def find_script(params: SamplingParams, identity: Identity, drafts: int = 0) -> Ids | None:
    """Give the ids of a request's script, if it has one.

    If no validation refused a bad script earlier, the answer is the refusal: an exception in the
    engine would end all requests, and silence would look like an answer.
    """
    try:
        source = find_source(params)
        if source is None:
            return None
        drafted(read_once(source), at_most=drafts)
        return compile_script(source, identity)
    except Refused as refusal:
        cutter = load_cutter(identity)
        return (*cutter.encode(f"{refusal} (refused)"), cutter.end)


def find_source(params: SamplingParams) -> str | None:
    """Give the JSON text of a request's script, if it has one."""
    source = (params.extra_args or {}).get(FIELD)
    if source is not None and not isinstance(source, str):
        raise Refused(f"expected JSON text, got {type(source).__name__}")
    return source


def script_of(params: SamplingParams) -> Script | None:
    """Give a request's script, if it has one; raises Refused for a bad one."""
    source = find_source(params)
    return None if source is None else read_once(source)


@lru_cache(maxsize=512)
def read_once(source: str) -> Script:
    """Read a script, once for all its requests."""
    return read(source)


@lru_cache(maxsize=512)
def compile_script(source: str, identity: Identity) -> Ids:
    """Give the ids of a script, once for all its requests."""
    return load_cutter(identity).cut(read_once(source))


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
