"""A vLLM logits processor that makes a model say an exact text.

Start the server with `--logits-processors conformance.replay:Replay` (or `replay:Replay`, with this
folder's parent on `PYTHONPATH`) and send the script as JSON text in the request field
`vllm_xargs.conformance_script`:

    {"v": 1, "pieces": [["control", "[TOOL_CALLS]"], ["text", "[]"]], "cut": "tokens"}

Any request can then dictate the answer, so use it on test servers only.
"""

from __future__ import annotations

from typing import Any

__all__ = ["Replay"]


def __getattr__(name: str) -> Any:
    """Import the processor only on use, since reading scripts needs no vLLM."""
    if name == "Replay":
        from .processor import Replay

        return Replay
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
