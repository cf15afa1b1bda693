"""A vLLM platform without a device: nothing is computed, and an executor says what scripts say."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager
from typing import Any

import torch  # type: ignore[import-not-found]
from vllm.platforms.interface import Platform, PlatformEnum  # type: ignore[import-not-found]

from . import beat

MEMORY_BYTES = 8 << 30


def register() -> str:
    """Name the platform; the entry point `vllm.platform_plugins` leads here."""
    return f"{__name__}.{ScriptPlatform.__name__}"


class ScriptPlatform(Platform):  # type: ignore[misc]
    """What the configuration asks of a device, answered with as little as it takes."""

    _enum = PlatformEnum.OOT
    device_name = "script"
    device_type = "cpu"
    dispatch_key = "CPU"
    dist_backend = "gloo"
    ray_device_key = ""
    device_control_env_var = "CONFORMANCE_VISIBLE_DEVICES"
    drafts = 0
    """How many tokens of a script the engine guesses ahead at most."""

    @classmethod
    def check_and_update_config(cls, vllm_config: Any) -> None:
        """Put the executor in, whatever the command line says."""
        from .executor import NoWorker, ScriptExecutor
        from .interface import BLOCK

        beat.pair()  # the engine, a fork of this process, inherits its end
        if vllm_config.speculative_config is not None:  # vLLM makes other configurations as well
            cls.drafts = vllm_config.speculative_config.num_speculative_tokens
        parallel = vllm_config.parallel_config
        parallel.distributed_executor_backend = ScriptExecutor
        parallel.worker_cls = f"{NoWorker.__module__}.{NoWorker.__name__}"
        scheduler = vllm_config.scheduler_config
        if hasattr(scheduler, "async_scheduling"):
            scheduler.async_scheduling = False
        cache = vllm_config.cache_config
        cache.block_size = cache.block_size or BLOCK  # older releases leave that to the platform

    @classmethod
    def validate_request(cls, *asked: Any, **named: Any) -> None:
        """Refuse a request whose script cannot be said; runs in the API server's process."""
        # vLLM loads this module while its own configuration is half imported.
        from . import request

        frame = sys._getframe()
        for one in (*asked, *named.values()):
            if request.admit(one, frame, cls.drafts):
                beat.serve(frame)

    @classmethod
    def get_device_name(cls, device_id: int = 0) -> str:
        """Name the device that does not exist."""
        return cls.device_name

    @classmethod
    def get_device_total_memory(cls, device_id: int = 0) -> int:
        """Say what a small device would have."""
        return MEMORY_BYTES

    @classmethod
    def inference_mode(cls) -> AbstractContextManager[Any]:
        """Track no gradients."""
        guard: AbstractContextManager[Any] = torch.no_grad()
        return guard

    @classmethod
    def set_device(cls, device: torch.device) -> None:
        """Choose nothing."""

    @classmethod
    def manual_seed_all(cls, seed: int) -> None:
        """Seed nothing."""

    @classmethod
    def import_kernels(cls) -> None:
        """Import none."""

    @classmethod
    def import_ir_kernels(cls) -> None:
        """Import none."""

    @classmethod
    def is_pin_memory_available(cls) -> bool:
        """Pin nothing."""
        return False

    @classmethod
    def support_hybrid_kv_cache(cls) -> bool:
        """Take any cache, since none is made."""
        return True

    # What older releases ask besides.

    @classmethod
    def is_async_output_supported(cls, enforce_eager: bool | None = None) -> bool:
        """Give what is said at once."""
        return False

    @classmethod
    def supports_v1(cls, model_config: Any) -> bool:
        """Serve with the engine that has our executor."""
        return True

    @classmethod
    def default_v1(cls, model_config: Any) -> bool:
        """Serve with it unless somebody says otherwise."""
        return True

    @classmethod
    def supports_structured_output(cls) -> bool:
        """Obey grammars."""
        return True
