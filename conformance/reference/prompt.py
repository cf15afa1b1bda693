"""The prompt of a conversation: the chat template of each format, in its simplest form."""

from __future__ import annotations

import json

from conformance.base.jsonvalue import Json
from conformance.formats import Format


def render(request: Json, format: Format) -> str:
    """Write the prompt of a request in a format."""
    tools = json.dumps(request.get("tools") or [], ensure_ascii=False)
    last = request.get("add_generation_prompt", True)
    return "".join(format.template(request["messages"], tools, last))
