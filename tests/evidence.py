"""Recorded answers as evidence for the rules.

The model calls `get_weather` with `{"city": "Paris"}` in the Hermes format, and the request has the
tools `get_weather` and `get_time`, unless a sample says otherwise.

A sample is a folder. `wrong*.sse` and `wrong*.json` break the rule that the folder is named after,
`right*` do not; `.sse` was streamed, `.json` was not, `.prompt` is no answer, but the prompt that
the request makes. `complete.json` is the same case asked
without `stream`. `sample.yaml` has the rest:

    places:        {wrong.sse: where the finding is}
    says:          what the model says, as in a case file; null where that is not known
    options:       more fields of the request
    expect:        what the answer must hold, where that does not follow from what the model says
    next:          {wrong.sse: the answer to this one sent back, with its status}
    bare:          the prompt without the generation prompt
    format, status, content_type
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from conformance.base.jsonvalue import Json
from conformance.base.sse import Read
from conformance.casefiles.expectation import derive
from conformance.formats import FORMATS
from conformance.formats.format import text_of
from conformance.rules import Evidence
from conformance.terms.case import Expectation
from conformance.terms.exchange import Exchange, Prompt
from conformance.terms.outcome import Finding, Outcome
from conformance.terms.said import Call, Text, Utterance
from conformance.terms.server import Server
from conformance.verdicts.verdict import Judgement, judge
from conformance.wires.chat import answers, client
from conformance.wires.registry import DEFAULT

SAMPLES = Path(__file__).parent / "samples"
ALLOWED = SAMPLES / "allowed"

TOOLS: list[Json] = [
    {
        "type": "function",
        "function": {
            "name": "get_weather",
            "parameters": {
                "type": "object",
                "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
                "required": ["city"],
            },
        },
    },
    {
        "type": "function",
        "function": {"name": "get_time", "parameters": {"type": "object", "properties": {}}},
    },
]
PARIS = Call(name="get_weather", arguments='{"city": "Paris"}')

SCRIPTED = Server(
    url="http://127.0.0.1:9/v1",
    model="m",
    implementation="vllm",
    version="0.32.0",
    parser="hermes",
    format="hermes",
    emission="scripted",
)
"""A server that may be asked, and that nobody has started."""


def exchange(
    body: bytes,
    *,
    stream: bool,
    status: int = 200,
    content_type: str | None = None,
    options: Mapping[str, Json] | None = None,
) -> Exchange:
    """Record a body that came in one piece."""
    request: dict[str, Json] = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
    request |= {"tools": TOOLS, **({"stream": True} if stream else {}), **(options or {})}
    media = content_type or ("text/event-stream" if stream else "application/json")
    return Exchange(
        request=request,
        status=status,
        headers=(("content-type", media),),
        reads=(Read(0.1, body),),
    )


def evidence(
    found: Exchange,
    *,
    says: Sequence[Utterance] | None = (PARIS,),
    expect: Expectation | None = None,
    format: str = "hermes",
    complete: bytes | None = None,
    implementation: str = "vllm",
) -> Evidence:
    """Put an exchange together with what is known about it."""
    if expect is None:
        expect = (
            Expectation() if says is None else derive(says, DEFAULT.asked(found.request).options)
        )
    asked = {
        name: found.request[name] for name in found.request.keys() - {"stream", "stream_options"}
    }
    beside = complete and answers.read(exchange(complete, stream=False, options=asked))
    return Evidence(
        answer=answers.read(found),
        request=found.request,
        asked=DEFAULT.asked(found.request),
        expect=expect,
        said=None if says is None else text_of(FORMATS[format].write(says)),
        format=FORMATS[format],
        complete=beside or None,
        client=client.read(found) if found.status == 200 else None,
        implementation=implementation,
        parser=format.partition("-")[0],
    )


def asking(found: Evidence, request: Json) -> Evidence:
    """Suppose that an answer is to another request."""
    return replace(found, request=request, asked=DEFAULT.asked(request))


def sample(file: Path) -> Evidence:
    """Read a file of a sample's folder as evidence."""
    settings = settings_of(file.parent)
    if file.suffix == ".prompt":
        return prompt(file)
    beside = file.parent / "complete.json"
    says = settings.get("says", [{"call": PARIS.name, "arguments": {"city": "Paris"}}])
    found = exchange(
        file.read_bytes(),
        stream=file.suffix == ".sse",
        status=settings.get("status", {}).get(file.name, 200),
        content_type=settings.get("content_type", {}).get(file.name),
        options=settings.get("options"),
    )
    made = evidence(
        found,
        says=None if says is None else [_utterance(item) for item in says],
        expect=_expectation(settings["expect"]) if "expect" in settings else None,
        format=settings.get("format", "hermes"),
        complete=beside.read_bytes() if beside.exists() and found.request.get("stream") else None,
    )
    following = settings.get("next", {}).get(file.name)
    return made if following is None else replace(made, echo=_next(following))


def _next(following: Json) -> Evidence:
    body = json.dumps(following["answer"]).encode()
    found = exchange(body, stream=False, status=following["status"])
    return evidence(found, says=[Text(text="It is sunny in Paris.")])


def prompt(file: Path) -> Evidence:
    """Read a prompt of a sample's folder as evidence."""
    settings = settings_of(file.parent)
    found = exchange(b'{"token_ids": [1]}', stream=False, options=settings["options"])
    shown = Prompt(text=file.read_text("utf-8"), bare=settings.get("bare"))
    made = evidence(found, says=None, format=settings.get("format", "hermes"))
    return replace(made, client=None, prompt=shown)


def settings_of(folder: Path) -> dict[str, Any]:
    """Read a sample's `sample.yaml`."""
    path = folder / "sample.yaml"
    return dict(yaml.safe_load(path.read_text("utf-8"))) if path.exists() else {}


def broken(found: Evidence) -> list[tuple[str, str]]:
    """Name each rule that an answer breaks, and the place of each finding."""
    return [
        (judgement.rule.id, finding.where)
        for judgement in judge(found)
        if judgement.outcome is Outcome.FAIL
        for finding in judgement.findings
    ]


def judgement(found: Evidence, id: str) -> Judgement:
    """Give what one rule says of an answer."""
    return next(one for one in judge(found) if one.rule.id == id)


def finding(found: Evidence, id: str) -> Finding:
    """Give the only finding of a rule."""
    (only,) = judgement(found, id).findings
    return only


def _utterance(item: Json) -> Utterance:
    if "text" in item:
        return Text(text=item["text"])
    text = item.get("arguments_json") or json.dumps(item["arguments"], ensure_ascii=False)
    return Call(name=item["call"], arguments=text)


def _expectation(spec: Json) -> Expectation:
    ending = spec.get("ending")
    return Expectation(
        content=spec.get("content"),
        ending=ending and tuple(ending),
        keeps=tuple(spec.get("keeps", ())),
        broken=spec.get("broken", False),
        refused="refused" in spec,
        answerable=spec.get("refused") == "preferred",
    )
