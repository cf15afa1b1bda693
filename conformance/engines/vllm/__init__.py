"""Launch: provision a vLLM, build a weightless model for a target, start, watch and stop it."""

from __future__ import annotations

from conformance.engines.vllm.environment import Environment
from conformance.engines.vllm.problem import LaunchProblem
from conformance.engines.vllm.release import DEFAULT_VLLM, provision
from conformance.engines.vllm.server import Launched, start

__all__ = ["DEFAULT_VLLM", "Environment", "LaunchProblem", "Launched", "provision", "start"]
