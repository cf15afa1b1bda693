"""The fields of a request: those that cases name in neutral words, and others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from conformance.base import jsonvalue
from conformance.base.jsonvalue import Json
from conformance.terms.asked import Allowed, Asked, Choice, Named, Options
from conformance.terms.case import Case
from conformance.wires.chat.answers import Answer

NEUTRAL = {
    "tool_choice": "choice",
    "parallel_tool_calls": "parallel",
    "max_tokens": "limit",
    "max_completion_tokens": "limit",
    "stop": "stop",
    "n": "answers",
    "seed": "seed",
    "temperature": "temperature",
    "top_p": "top_p",
}
"""A field to the option of a case that it is."""
LIMITS = ("max_completion_tokens", "max_tokens")
WRITTEN = ("model", "stream", "vllm_xargs")
"""What the suite writes itself."""
CONVERSATION = ("messages", "tools")

_REQUEST = Draft202012Validator(
    {
        "type": "object",
        "properties": {
            "n": {"type": ["integer", "null"], "minimum": 1, "maximum": 1000},
            "tool_choice": {"type": ["string", "object", "null"]},
            "tools": {
                "type": ["array", "null"],
                "items": {
                    "type": "object",
                    "required": ["function"],
                    "properties": {
                        "function": {
                            "type": "object",
                            "required": ["name"],
                            "properties": {"name": {"type": "string"}},
                        }
                    },
                },
            },
        },
    }
)


def of_options(options: Options, own: Mapping[str, Json]) -> dict[str, Json]:
    """Write options as fields of the request; `own` are the case's fields of this wire."""
    fields: dict[str, Json] = {
        "tool_choice": _tool_choice(options.choice),
        "parallel_tool_calls": options.parallel,
        # A case may give the limit by its newer name, which stands among its own fields then.
        "max_tokens": None if own.keys() & set(LIMITS) else options.limit,
        "stop": list(options.stop) if isinstance(options.stop, tuple) else options.stop,
        "n": options.answers,
        "seed": options.seed,
        "temperature": options.temperature,
        "top_p": options.top_p,
    }
    return {name: value for name, value in fields.items() if value is not None}


def _tool_choice(choice: Choice | None) -> Json:
    if isinstance(choice, Named):
        return _function(choice.name)
    if isinstance(choice, Allowed):
        allowed = {
            "mode": "required" if choice.required else "auto",
            "tools": [_function(name) for name in choice.names],
        }
        return {"type": "allowed_tools", "allowed_tools": allowed}
    return choice


def _function(name: str) -> Json:
    return {"type": "function", "function": {"name": name}}


def asked(body: Json) -> Asked:
    """Read a body in the words of every wire; values of the wrong kind are left out."""
    stop, limits = body.get("stop"), [body.get(name) for name in LIMITS]
    given = [limit for limit in limits if type(limit) is int]
    return Asked(
        messages=_objects(body.get("messages")),
        tools=_objects(body.get("tools")),
        options=Options(
            choice=_choice(body.get("tool_choice")),
            parallel=_typed(body.get("parallel_tool_calls"), bool),
            limit=min(given) if given else None,
            stop=tuple(stop) if isinstance(stop, list) else _typed(stop, str),
            answers=_typed(body.get("n"), int),
            seed=_typed(body.get("seed"), int),
            temperature=_typed(body.get("temperature"), int, float),
            top_p=_typed(body.get("top_p"), int, float),
        ),
        ignores_end=bool(body.get("ignore_eos")),
    )


def _objects(value: Json) -> tuple[Json, ...]:
    return tuple(one for one in value if isinstance(one, dict)) if isinstance(value, list) else ()


def _typed(value: Json, *kinds: type) -> Any:
    return value if type(value) in kinds else None


def _choice(value: Json) -> Choice | None:
    if isinstance(value, str):
        return {"auto": "auto", "none": "none", "required": "required"}.get(value)  # type: ignore[return-value]
    if not isinstance(value, dict):
        return None
    allowed = value.get("allowed_tools")
    if value.get("type") == "allowed_tools" and isinstance(allowed, dict):
        functions = [tool.get("function") for tool in _objects(allowed.get("tools"))]
        names = [one.get("name") for one in functions if isinstance(one, dict)]
        wanted = tuple(name for name in names if isinstance(name, str))
        return Allowed(wanted, required=allowed.get("mode") == "required")
    function = value.get("function")
    name = function.get("name") if isinstance(function, dict) else None
    return Named(name) if isinstance(name, str) else None


def misfit(request: Json) -> str | None:
    """Say what keeps the rules from reading a request, if anything."""
    error = best_match(_REQUEST.iter_errors(request))
    if error is not None:
        place = jsonvalue.path(error.absolute_path)
        return f"the request at {place}: {jsonvalue.show(error.message, 200)}"
    if isinstance(request.get("n"), float):  # JSON Schema takes 2.0 for an integer
        return "the request at $.n: a number with a fraction; allowed: an integer"
    return None


def supposed(answer: Answer) -> Json:
    """Suppose the API's defaults, and what the answer itself shows.

    That is as many choices as there are, usage where a last chunk has nothing else, and usage
    throughout where every chunk has it.
    """
    found: dict[str, Json] = {"tool_choice": "auto", "n": len(answer.choices) or 1}
    last = answer.chunks[-1] if answer.chunks else None
    if last is not None and last.value.get("usage") is not None and not last.choices:
        throughout = all(chunk.value.get("usage") is not None for chunk in answer.chunks)
        found["stream_options"] = {"include_usage": True, "continuous_usage_stats": throughout}
    return found


def problem(case: Case) -> tuple[str, str] | None:
    """Name a field of a case that stands in the wrong place, and say what is right."""
    for name, value in case.wire.get("chat", {}).items():
        if name in WRITTEN:
            return name, f"{name} is the suite's to write; allowed: any other field"
        if case.expect.refused:
            continue  # such a request may have any field in any shape
        if name in CONVERSATION:
            return name, f"{name} of a request that is not refused; allowed: {name} of the case"
        if name == "max_completion_tokens" and value == case.options.limit:
            continue
        if name in NEUTRAL and value is not None:
            return name, f"{name} is an option of every wire; allowed: options.{NEUTRAL[name]}"
        if name == "stream_options" and not isinstance(value, dict | None):
            return name, "stream_options is a mapping or null"
    return None
