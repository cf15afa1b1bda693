"""The OpenAPI document: what a request may hold; requests are checked against it."""

from __future__ import annotations

from collections.abc import Iterator

from jsonschema import exceptions
from jsonschema.validators import Draft202012Validator, validator_for
from referencing import Registry
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT202012

from conformance.base.jsonvalue import Json

_TEXT: Json = {"type": "string"}
_COUNT: Json = {"type": ["integer", "null"], "minimum": 1}
_TOOL: Json = {
    "type": "object",
    "required": ["type", "function"],
    "properties": {
        "type": {"const": "function"},
        "function": {
            "type": "object",
            "required": ["name"],
            "properties": {
                "name": {"type": "string", "pattern": "^[a-zA-Z0-9_-]{1,64}$"},
                "description": _TEXT,
                "parameters": {"type": "object"},
                "strict": {"type": ["boolean", "null"]},
            },
        },
    },
}
_NAMED: Json = {
    "type": "object",
    "required": ["type", "function"],
    "properties": {
        "type": {"const": "function"},
        "function": {"type": "object", "required": ["name"], "properties": {"name": _TEXT}},
    },
}
_PART: Json = {
    "type": "object",
    "required": ["type"],
    "properties": {"type": {"enum": ["text", "image_url", "input_audio", "file", "refusal"]}},
}
_PAST_CALL: Json = {
    "type": "object",
    "required": ["id", "type", "function"],
    "properties": {
        "id": _TEXT,
        "type": {"const": "function"},
        "function": {
            "type": "object",
            "required": ["name", "arguments"],
            "properties": {"name": _TEXT, "arguments": _TEXT},
        },
    },
}
_MESSAGE: Json = {
    "type": "object",
    "required": ["role"],
    "properties": {
        "role": {"enum": ["system", "developer", "user", "assistant", "tool"]},
        "content": {"type": ["string", "array", "null"], "items": _PART},
        "tool_calls": {"type": "array", "minItems": 1, "items": _PAST_CALL},
        "tool_call_id": _TEXT,
    },
}
REQUEST: Json = {
    "type": "object",
    "required": ["model", "messages"],
    "properties": {
        "model": _TEXT,
        "messages": {"type": "array", "minItems": 1, "items": _MESSAGE},
        "tools": {"type": "array", "minItems": 1, "items": _TOOL},
        "tool_choice": {"anyOf": [{"enum": ["none", "auto", "required"]}, _NAMED]},
        "parallel_tool_calls": {"type": "boolean"},
        "n": {"type": ["integer", "null"], "minimum": 1, "maximum": 128},
        "max_tokens": _COUNT,
        "max_completion_tokens": _COUNT,
        "stop": {
            "anyOf": [
                {"type": ["string", "null"], "minLength": 1},
                {"type": "array", "items": {"type": "string", "minLength": 1}, "maxItems": 4},
            ]
        },
        "logprobs": {"type": ["boolean", "null"]},
        "top_logprobs": {"type": ["integer", "null"], "minimum": 0, "maximum": 20},
        "temperature": {"type": ["number", "null"], "minimum": 0, "maximum": 2},
        "stream": {"type": ["boolean", "null"]},
        "stream_options": {
            "type": ["object", "null"],
            "properties": {"include_usage": {"type": "boolean"}},
        },
        "add_generation_prompt": {"type": "boolean"},
        "seed": {"type": ["integer", "null"]},
        "return_token_ids": {
            "type": ["boolean", "null"],
            "description": "Show the ids of the tokens; no part of OpenAI's API, but of vLLM's.",
        },
        "stream_interval": {
            **_COUNT,
            "description": "Tokens in a delta; no part of OpenAI's API, but of vLLM's.",
        },
        "vllm_xargs": {
            "type": ["object", "null"],
            "properties": {"conformance_script": {**_TEXT, "description": "What is to be said."}},
        },
    },
}

OPENAPI: Json = {
    "openapi": "3.1.0",
    "info": {"title": "The reference server of toolcall-truth", "version": "1"},
    "paths": {
        "/v1/models": {"get": {"responses": {"200": {"description": "The one model."}}}},
        "/v1/chat/completions": {
            "post": {
                "requestBody": {
                    "required": True,
                    "content": {
                        "application/json": {
                            "schema": {"$ref": "#/components/schemas/ChatCompletionRequest"}
                        }
                    },
                },
                "responses": {
                    "200": {"description": "A completion, or with `stream` its chunks."},
                    "400": {"description": "A request that makes no sense."},
                },
            }
        },
        "/v1/chat/completions/render": {
            "post": {"responses": {"200": {"description": "The tokens of the prompt."}}}
        },
        "/detokenize": {"post": {"responses": {"200": {"description": "The text of tokens."}}}},
    },
    "components": {"schemas": {"ChatCompletionRequest": REQUEST}},
}

_VALIDATOR = Draft202012Validator(REQUEST)


def problems(request: Json) -> Iterator[tuple[str, str | None]]:
    """Say what is wrong with a request, each time with the field concerned."""
    if worst := exceptions.best_match(_VALIDATOR.iter_errors(request)):
        field = str(worst.absolute_path[0]) if worst.absolute_path else None
        yield f"{worst.json_path}: {worst.message}", field
        return
    for tool in request.get("tools") or ():
        if problem := _schema_problem(tool["function"].get("parameters") or {}):
            yield f"the parameters of {tool['function']['name']!r}: {problem}", "tools"
    tools = [tool["function"]["name"] for tool in request.get("tools") or ()]
    choice = request.get("tool_choice")
    if choice not in (None, "none") and not tools:
        yield "tool_choice is only allowed with tools", "tool_choice"
    elif isinstance(choice, dict) and choice["function"]["name"] not in tools:
        yield (
            f"tool_choice names {choice['function']['name']!r}, which is not a tool of the request",
            "tool_choice",
        )
    if request.get("stream_options") is not None and not request.get("stream"):
        yield "stream_options is only allowed with stream", "stream_options"


def _schema_problem(schema: Json) -> str | None:
    """Say why a schema is not valid, or which reference in it leads nowhere."""
    try:
        validator_for(schema, Draft202012Validator).check_schema(schema)
        resolver = Registry().resolver_with_root(DRAFT202012.create_resource(schema))
        for reference in _references(schema):
            resolver.lookup(reference)
    except exceptions.SchemaError as problem:
        return problem.message
    except Unresolvable as problem:
        return f"there is no {problem.ref}"
    return None


def _references(schema: Json) -> Iterator[str]:
    if isinstance(schema, dict):
        if isinstance(schema.get("$ref"), str):
            yield schema["$ref"]
        schema = list(schema.values())
    if isinstance(schema, list):
        for part in schema:
            yield from _references(part)
