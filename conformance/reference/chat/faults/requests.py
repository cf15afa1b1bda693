"""Faults in refusing: bad requests that are not refused well, good ones that are refused."""

from __future__ import annotations

import json

from starlette.responses import HTMLResponse, JSONResponse, Response, StreamingResponse

from conformance.base.jsonvalue import Json
from conformance.formats.stream import Content
from conformance.reference.chat import answer
from conformance.reference.chat.faults.registry import fault
from conformance.reference.reply import Reply

REFUSED = "refused/unknown-tool-choice"


@fault("refusal", "err.tools-invalid", REFUSED)
def bad_request_as_500(request: Json, response: Response) -> Response:
    """Answers 500 to a request that makes no sense.

    A validator raises an error that nobody catches; SDKs send the request twice more.
    """
    return Response(response.body, 500, media_type=response.media_type)


@fault("refusal", "err.tools-invalid", REFUSED)
def refuses_inside_the_stream(request: Json, response: Response) -> Response:
    """Begins a stream with 200, and refuses the request in its first event.

    A server that looks at a request only after it has sent its headers.
    """
    if not request.get("stream"):
        return response
    events = [b"data: %s\n\n" % bytes(response.body), b"data: [DONE]\n\n"]
    return StreamingResponse(iter(events), media_type="text/event-stream")


@fault("refusal", "err.unchecked", "refused/schema-with-a-lost-reference")
def follows_no_reference(request: Json, response: Response) -> Response:
    """Answers a request whose schema refers to what is not there.

    The grammar that vLLM makes of it lets anything stand in that place.
    """
    if "there is no" not in json.loads(bytes(response.body))["error"]["message"]:
        return response
    said = Reply(
        groups=((Content("It is late."),), ()), tokens=((), ()), finish_reason="stop", ids=()
    )
    usage = {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}
    if not request.get("stream"):
        return JSONResponse(answer.complete(request, [said], usage, frozenset()))
    chunks = list(answer.chunks(request, [said], usage, frozenset()))
    return StreamingResponse(answer.events(chunks, frozenset()), media_type="text/event-stream")


@fault("refusal", "http.error-json", REFUSED)
def error_without_its_key(request: Json, response: Response) -> Response:
    """Writes an error's message at the top of the body.

    vLLM did so until 0.10; openai-python shows the status alone.
    """
    error = json.loads(bytes(response.body))["error"]
    return JSONResponse({"object": "error", **error}, response.status_code)


@fault("refusal", "http.error-json", REFUSED)
def error_page(request: Json, response: Response) -> Response:
    """Refuses a request with an HTML page.

    A proxy that puts its own page in place of every error.
    """
    return HTMLResponse("<html><body><h1>Bad Request</h1></body></html>", response.status_code)


@fault("turn", "echo.roundtrip", "turns/own-answer-back")
def refuses_its_own_ids(request: Json, response: Response) -> Response:
    """Refuses a tool's result whose id is one that the server made itself.

    Two code paths make ids, and a template takes only those of one kind, such as Mistral's nine
    letters and digits.
    """
    own = [one for one in request["messages"] if one["role"] == "tool"]
    if all(len(one["tool_call_id"]) == 9 and one["tool_call_id"][0] != "c" for one in own):
        return response
    error = {"message": "Tool call ids have nine letters and digits", "type": "bad_request"}
    return JSONResponse({"error": error}, 400)


@fault("turn", "echo.roundtrip", "turns/own-answer-back")
def empty_after_results(request: Json, response: Response) -> Response:
    """Answers nothing once the last message is a tool's result.

    A template that ends without opening the model's turn there.
    """
    if request["messages"][-1]["role"] != "tool" or request.get("stream"):
        return response
    document = json.loads(bytes(response.body))
    message = {"role": "assistant", "content": "", "refusal": None}
    document["choices"] = [{**document["choices"][0], "message": message, "finish_reason": "stop"}]
    return JSONResponse(document)
