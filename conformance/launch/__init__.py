"""Launch: provision a vLLM, build a weightless model for a target, start, watch and stop it."""

from __future__ import annotations

from conformance.launch.environment import Environment
from conformance.launch.problem import LaunchProblem
from conformance.launch.release import DEFAULT_VLLM, provision
from conformance.launch.server import Launched, start

__all__ = ["DEFAULT_VLLM", "Environment", "LaunchProblem", "Launched", "provision", "start"]
