"""What a stream is held to: the complete answer, or where there is none, the plain stream."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from conformance.base.sse import Read
from conformance.client.sender import Asker
from conformance.runs.session import Session
from conformance.terms.case import COMPLETE, STREAM, Case, Expectation, Mode
from conformance.terms.exchange import Exchange
from conformance.terms.outcome import Outcome
from conformance.terms.said import Text
from conformance.verdicts.item import Item
from conformance.verdicts.known_issues import Known
from tests.evidence import SCRIPTED

BY_FIVE = Mode(name="stream-interval-5", stream=True, interval=5)
MODES = (COMPLETE, STREAM, BY_FIVE)
CASE = Case(
    id="broken/one",
    about="Output that is odd, of which nothing is demanded but that it is one answer.",
    path=Path("broken.yaml"),
    line=1,
    messages=({"role": "user", "content": "Look."},),
    says=(Text(text="Odd."),),
    expect=Expectation(broken=True),
)


def _whole(text: str) -> bytes:
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    made = {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}
    return json.dumps(made).encode()


def _streamed(text: str) -> bytes:
    said = [({"role": "assistant", "content": text}, None), ({}, "stop")]
    head = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    chunks = [
        {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": end}]}
        for delta, end in said
    ]
    return b"".join(b"data: %s\n\n" % json.dumps(one).encode() for one in chunks) + (
        b"data: [DONE]\n\n"
    )


class Saying:
    """Answers each mode with a text of its own; with 500, where it has none."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self.texts = texts

    async def send(self, path: str, body: Any) -> Exchange:
        streamed = bool(body.get("stream"))
        mode = COMPLETE if not streamed else BY_FIVE if "stream_interval" in body else STREAM
        text = self.texts.get(mode.name)
        if text is None:
            return Exchange(request=body, status=500, reads=(Read(0.0, b'{"error": {}}'),))
        data = _streamed(text) if streamed else _whole(text)
        kind = "text/event-stream" if streamed else "application/json"
        headers = (("content-type", kind),)
        return Exchange(request=body, status=200, headers=headers, reads=(Read(0.0, data),))

    async def close(self) -> None:
        pass


def _found(texts: Mapping[str, str], modes: tuple[Mode, ...] = MODES) -> dict[str, list[str]]:
    """Give what `equiv.content` expected in each mode where it was broken."""
    session = Session(SCRIPTED, known=Known(), asker=Asker(Saying(texts)))
    items = [Item(case=CASE, mode=mode) for mode in modes]
    try:
        session.ask_ahead(items)
        verdicts = {item.mode.name: session.judge(item).verdict for item in items}
    finally:
        session.close()
    return {
        name: [finding.expected for finding in judgement.findings]
        for name, verdict in verdicts.items()
        for judgement in verdict.judgements
        if judgement.rule.id == "equiv.content" and judgement.outcome is Outcome.FAIL
    }


def test_a_stream_is_held_to_the_complete_answer() -> None:
    found = _found({"complete": "Odd.", "stream": "Odd", "stream-interval-5": "Odd."})
    assert list(found) == ["stream"]
    assert found["stream"][0].endswith("as in the complete answer")


def test_where_no_complete_answer_came_streams_are_held_to_the_plain_one() -> None:
    found = _found({"stream": "Odd.", "stream-interval-5": "Odd"})
    assert list(found) == ["stream-interval-5"]
    (expected,) = found["stream-interval-5"]
    assert expected.endswith("as in the stream with a delta for each token")


def test_streams_that_agree_are_not_accused_where_no_complete_answer_came() -> None:
    assert _found({"stream": "Odd.", "stream-interval-5": "Odd."}) == {}


@pytest.mark.parametrize("modes", [(BY_FIVE,), (COMPLETE, BY_FIVE)], ids=len)
def test_no_stream_is_asked_for_only_to_compare_with(modes: tuple[Mode, ...]) -> None:
    assert _found({"stream": "Odd.", "stream-interval-5": "Odd"}, modes) == {}
