"""Faults over requests that make no sense: taken, refused too late, or refused without words."""

from __future__ import annotations

import json

from starlette.responses import HTMLResponse, JSONResponse, Response, StreamingResponse

from conformance.model import Json
from conformance.reference.faults.registry import fault

REFUSED = "refused/unknown-tool-choice"


@fault("refusal", "err.tools-invalid", REFUSED)
def bad_request_as_500(request: Json, response: Response) -> Response:
    """Answers 500 to a request that makes no sense.

    A validator that raises what nobody catches; SDKs send the same request twice again.
    """
    return Response(response.body, 500, media_type=response.media_type)


@fault("refusal", "err.tools-invalid", REFUSED)
def refuses_inside_the_stream(request: Json, response: Response) -> Response:
    """Begins a stream with 200, and refuses the request in its first event.

    A server that looks at a request once it has sent its headers.
    """
    if not request.get("stream"):
        return response
    events = [b"data: %s\n\n" % bytes(response.body), b"data: [DONE]\n\n"]
    return StreamingResponse(iter(events), media_type="text/event-stream")


@fault("refusal", "http.error-json", REFUSED)
def error_without_its_key(request: Json, response: Response) -> Response:
    """Writes an error's message at the top of the body.

    vLLM did so until 0.10; openai-python shows the status alone.
    """
    told = json.loads(bytes(response.body))["error"]
    return JSONResponse({"object": "error", **told}, response.status_code)


@fault("refusal", "http.error-json", REFUSED)
def error_page(request: Json, response: Response) -> Response:
    """Refuses a request with an HTML page.

    A proxy that puts its own page in place of every error.
    """
    return HTMLResponse("<html><body><h1>Bad Request</h1></body></html>", response.status_code)
