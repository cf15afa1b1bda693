"""vLLM: provision one, build a weightless model for a target, start, watch and stop it."""

from __future__ import annotations

from conformance.engines.engine import Launched
from conformance.engines.problem import LaunchProblem
from conformance.engines.vllm.engine import VLLM
from conformance.engines.vllm.environment import Environment
from conformance.engines.vllm.release import DEFAULT_VLLM, NEWEST_BUILD, provision
from conformance.engines.vllm.server import start

ENGINE = VLLM()

__all__ = [
    "DEFAULT_VLLM",
    "ENGINE",
    "NEWEST_BUILD",
    "Environment",
    "LaunchProblem",
    "Launched",
    "provision",
    "start",
]
