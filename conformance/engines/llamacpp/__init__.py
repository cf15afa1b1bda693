"""llama.cpp: provision its server, build a copying model for a target, start and stop it."""

from __future__ import annotations

from conformance.engines.llamacpp.engine import LlamaCpp

ENGINE = LlamaCpp()

__all__ = ["ENGINE"]
