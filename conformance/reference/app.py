"""The HTTP interface: `/v1/models`, `/v1/chat/completions`, its prompt, and `/openapi.json`."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from conformance.base.jsonvalue import Json
from conformance.formats import Format
from conformance.reference import reply
from conformance.reference.chat import answer
from conformance.reference.chat.document import OPENAPI, problems
from conformance.reference.copying_model import copying
from conformance.reference.fault import NONE, Fault
from conformance.reference.pretend_model import dithering
from conformance.reference.prompt import render
from conformance.reference.speech import Speech, speak
from conformance.reference.variant import Variant, Variants
from conformance.reference.vocabulary import Vocabulary
from conformance.replay.script import Refused

MODEL = "reference"


def build(
    format: Format,
    *,
    variants: Variants = frozenset(),
    fault: Fault = NONE,
    scripted: bool = True,
    version: str | None = None,
    reach: int | None = None,
) -> Starlette:
    """Make a server of a model that writes calls in a format.

    With `reach` it plays a copying model, which takes no scripts and says bytes.
    With `version` it has the document in which a vLLM gives its version.
    """
    vocabulary = Vocabulary()
    says = _speaker(format, variants, scripted, reach)

    async def models(request: Request) -> Response:
        only = {"id": MODEL, "object": "model", "created": 0, "owned_by": "conformance"}
        return JSONResponse({"object": "list", "data": [only]})

    async def openapi(request: Request) -> Response:
        return JSONResponse(OPENAPI)

    async def shown_version(request: Request) -> Response:
        return JSONResponse({"version": version})

    async def completions(request: Request) -> Response:
        try:
            body = json.loads(await request.body())
        except ValueError as problem:
            return refuse(f"the body is not JSON: {problem}", None)
        for message, field in problems(body):
            return fault.refusal(body, refuse(message, field))
        if body["model"] != MODEL:
            return refuse(f"there is no model {body['model']!r}", "model", status=404)
        # A probe of what the server can do uses no tools, and gets true answers.
        own = fault if body.get("tools") else NONE
        body = own.request(body)
        try:
            speech = says(body)
        except Refused as problem:
            return refuse(str(problem), "vllm_xargs")
        return _answer(body, speech, format, variants, own, vocabulary)

    async def rendered(request: Request) -> Response:
        body = json.loads(await request.body())
        for message, field in problems(body):
            return refuse(message, field)
        text = fault.prompt(lambda asked: render(asked, format), body)
        return JSONResponse({"token_ids": [ord(character) for character in text]})

    routes = [
        Route("/v1/models", models),
        Route("/v1/chat/completions", completions, methods=["POST"]),
        Route("/v1/chat/completions/render", rendered, methods=["POST"]),
        *_tokenizer(vocabulary),
        Route("/openapi.json", openapi),
    ]
    return Starlette(routes=[*routes, Route("/version", shown_version)] if version else routes)


def _speaker(
    format: Format, variants: Variants, scripted: bool, reach: int | None
) -> Callable[[Json], Speech]:
    """Choose what speaks: a script, a wavering model, or one that copies."""
    if reach is not None:
        return partial(speak, format=format, scripted=False, model=copying(reach), cut="characters")
    model = dithering() if Variant.DITHERS in variants else None
    return partial(speak, format=format, scripted=scripted, model=model)


def _tokenizer(vocabulary: Vocabulary) -> list[Route]:
    async def tokenize(request: Request) -> Response:
        text = json.loads(await request.body())["prompt"]
        return JSONResponse({"tokens": [ord(character) for character in text]})

    async def detokenize(request: Request) -> Response:
        tokens = json.loads(await request.body())["tokens"]
        return JSONResponse({"prompt": vocabulary.text(tokens)})

    return [
        Route("/tokenize", tokenize, methods=["POST"]),
        Route("/detokenize", detokenize, methods=["POST"]),
    ]


def refuse(message: str, field: str | None, status: int = 400) -> Response:
    """Answer a request that makes no sense with the specification's `Error`."""
    kind = "invalid_request_error"
    error = {"message": message, "type": kind, "param": field, "code": None}
    return JSONResponse({"error": error}, status)


def _answer(
    request: Json,
    speech: Speech,
    format: Format,
    variants: Variants,
    fault: Fault,
    vocabulary: Vocabulary,
) -> Response:
    count = request.get("n") or 1
    replies = [fault.reply(reply.read(request, speech, format, variants)) for _ in range(count)]
    shown = None
    said = [token.text for token in speech.tokens]
    if request.get("return_token_ids") and Variant.NO_TOKEN_IDS not in variants:
        # The end of the sequence is counted where it is shown.
        said += [format.end] if speech.ended else []
        shown = vocabulary.ids(said)
    usage = _usage(request, count * len(said))
    prompt = [ord(character) for character in render(request, format)] if shown else None
    if request.get("stream"):
        chunks = fault.chunks(list(answer.chunks(request, replies, usage, variants)))
        if shown:
            # The engine reports the tokens, whatever a fault has done to the chunks.
            answer.show_in_chunks(chunks, shown, prompt)
        events = fault.wire(list(answer.events(chunks, variants)))
        response: Response = StreamingResponse(events, media_type="text/event-stream")
    else:
        body = fault.body(answer.complete(request, replies, usage, variants))
        if shown:
            answer.show_in_body(body, shown, prompt)
        response = JSONResponse(body)
    return fault.turn(request, fault.response(response))


def _usage(request: Json, said: int) -> Json:
    asked = len(json.dumps([request["messages"], request.get("tools")]).split())
    return {"prompt_tokens": asked, "completion_tokens": said, "total_tokens": asked + said}
