"""What the chat template makes of a conversation: the prompt, read back through the server."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from conformance.base import jsonvalue
from conformance.base.jsonvalue import Json, JsonProblem
from conformance.formats.format import Format
from conformance.formats.problem import Unreadable
from conformance.rules.rule import CHAT_CREATE, MUST, SHOULD, Evidence, Findings, rule
from conformance.terms.outcome import Finding, Unjudged
from conformance.terms.said import Call

BLAME = "template"
SPEC = CHAT_CREATE

TELLING = 8
"""The length from which a text is not found in a prompt by chance."""

# Templates write descriptions into JSON with their newlines as they are, and models know that.
_DECODER = json.JSONDecoder(strict=False)


def _messages(evidence: Evidence) -> Sequence[Mapping[str, Json]]:
    return evidence.asked.messages


def _round(evidence: Evidence) -> Sequence[Mapping[str, Json]]:
    """Give what follows the last message of a user.

    Mistral's own tokenizers before v7 leave calls and results of earlier rounds out.
    """
    messages = _messages(evidence)
    users = [place for place, one in enumerate(messages) if one["role"] == "user"]
    return messages[users[-1] + 1 :] if users else messages


def _calls(messages: Sequence[Mapping[str, Json]]) -> list[Json]:
    return [call for message in messages for call in message.get("tool_calls") or ()]


def _results(messages: Sequence[Mapping[str, Json]]) -> list[Mapping[str, Json]]:
    return [message for message in messages if message["role"] == "tool"]


def _functions(evidence: Evidence) -> list[Json]:
    return [tool["function"] for tool in evidence.asked.tools]


def _texts(message: Mapping[str, Json]) -> list[str]:
    content = message.get("content")
    if isinstance(content, str):
        return [content]
    parts = content if isinstance(content, list) else []
    return [part["text"] for part in parts if isinstance(part.get("text"), str)]


def _prompt(evidence: Evidence) -> str:
    assert evidence.prompt is not None
    return evidence.prompt.text


def _spellings(text: str) -> set[str]:
    """Write a text as it is, and as it is within JSON."""
    return {text, json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]}


def _times(prompt: str, text: str) -> int:
    return max(prompt.count(spelling) for spelling in _spellings(text))


def _values(text: str) -> Iterator[Json]:
    """Give every JSON object and list in a text, and all that is in them."""
    at = 0
    while found := re.compile(r"[{\[]").search(text, at):
        try:
            value, at = _DECODER.raw_decode(text, found.start())
        except (ValueError, RecursionError):
            at = found.start() + 1
            continue
        yield from _within(value)


def _within(value: Json) -> Iterator[Json]:
    yield value
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for one in inner:
        yield from _within(one)


def _parsed(text: str) -> Json:
    try:
        return jsonvalue.parse_as_clients(text)
    except JsonProblem:
        return None


def _excerpt(prompt: str, near: str) -> str:
    start = max(0, prompt.find(near) - 40)
    return jsonvalue.show(prompt[start : start + 200], 200)


@rule(
    "template.tools", MUST, "prompt", lambda evidence: bool(_functions(evidence)), spec=CHAT_CREATE
)
def tools(evidence: Evidence) -> Findings:
    """Every tool's name, description and parameters are in the prompt.

    Why: a model cannot call a tool that it does not see, nor fill in parameters it does not know.
    Says: A list of tools the model may call.
    Wrong: a prompt that lists the tools of an earlier request only
    Right: {"name": "get_time", "description": "Give the time.", "parameters": {…}}
    """
    for place, function in enumerate(_functions(evidence)):
        for what, text in _facts(function):
            if not _times(_prompt(evidence), text):
                yield Finding(
                    where=f"prompt tools[{place}].{what}",
                    expected=jsonvalue.show(text, 200),
                    actual="not in the prompt",
                    place=(f"tools[{place}]",),
                )


def _facts(function: Json) -> Iterator[tuple[str, str]]:
    yield "name", function["name"]
    if description := function.get("description"):
        yield "description", description.strip()
    for name in _properties(function):
        yield f"parameters.{name}", name


def _properties(function: Json) -> Mapping[str, Json]:
    parameters = function.get("parameters") or {}
    found = parameters.get("properties")
    return found if isinstance(found, dict) else {}


@rule(
    "template.tools-json",
    SHOULD,
    "prompt",
    lambda evidence: bool(_functions(evidence)),
    yields_to=("template.tools",),
)
def tools_json(evidence: Evidence) -> Findings:
    r"""Every tool is written as a JSON object that parses, with its whole schema.

    Why: the models were trained on JSON; a quote in a description that ends its string, or a
        schema without its nested parts, leaves them to guess the tool.
    Says: The parameters the functions accepts, described as a JSON Schema object.
    Wrong: "description": "Say "hello"."
    Right: "description": "Say \"hello\"."
    """
    shown = [value for value in _values(_prompt(evidence)) if isinstance(value, dict)]
    for place, function in enumerate(_functions(evidence)):
        if not any(_shows(value, function) for value in shown):
            yield Finding(
                where=f"prompt tools[{place}]",
                expected=f"JSON with the whole of {function['name']!r}",
                actual=_excerpt(_prompt(evidence), f'"{function["name"]}"'),
                place=(f"tools[{place}]",),
            )


def _shows(value: Mapping[str, Json], function: Json) -> bool:
    if value.get("name") != function["name"]:
        return False
    described = value.get("description")
    description = (function.get("description") or "").strip()
    if description and not (isinstance(described, str) and description in described):
        return False
    # Without properties there is nothing to say about parameters.
    shown, meant = value.get("parameters"), function.get("parameters")
    return not _properties(function) or jsonvalue.same(shown, meant)


@rule("template.calls", MUST, "prompt", lambda evidence: bool(_calls(_round(evidence))))
def calls(evidence: Evidence) -> Findings:
    r"""An earlier call is written just as the parser reads one.

    Why: a model copies what it sees: after calls in another format it writes that
        format, and then the parser finds no call.
    Says: The tool calls generated by the model, such as function calls.
    Wrong: <tool_call>{"name": "f", "arguments": "{\"a\": 1}"}</tool_call>
    Right: <tool_call>{"name": "f", "arguments": {"a": 1}}</tool_call>
    """
    if evidence.format is None:
        return
    quoted = json.dumps([_messages(evidence), evidence.asked.tools], ensure_ascii=False)
    if any(mark in quoted for mark in evidence.format.marks):
        yield Unjudged("the conversation quotes the format's own marks")
        return
    wanted = [call["function"] for call in _calls(_round(evidence))]
    try:
        found = _read_calls(_prompt(evidence), evidence.format, len(wanted))
    except Unreadable as problem:
        first = next(iter(evidence.format.marks))
        yield Finding(
            where="prompt calls",
            expected="calls that the parser reads",
            actual=f"{problem}: {_excerpt(_prompt(evidence), first)}",
        )
        return
    if [call.name for call in found] != [call["name"] for call in wanted]:
        yield Finding(
            where="prompt calls",
            expected=", ".join(call["name"] for call in wanted),
            actual=", ".join(call.name for call in found) or "no calls",
        )
        return
    for place, (call, want) in enumerate(zip(found, wanted, strict=True)):
        if not jsonvalue.same(_parsed(call.arguments), _parsed(want["arguments"])):
            yield Finding(
                where=f"prompt calls[{place}].arguments",
                expected=jsonvalue.show(want["arguments"], 200),
                actual=jsonvalue.show(call.arguments, 200),
            )


def _read_calls(prompt: str, format: Format, count: int) -> list[Call]:
    """Read the last calls of a prompt, turn by turn from its end; raises `Unreadable`."""
    ends = [re.escape(end) for end in format.markup if end not in format.marks]
    turns = re.split("|".join(ends), prompt)
    found: list[Call] = []
    while turns and len(found) < count:
        read = format.read(format.pieces(turns.pop()))
        found = [*(one for one in read if isinstance(one, Call)), *found]
    return found


@rule("template.results", MUST, "prompt", lambda evidence: bool(_results(_round(evidence))))
def results(evidence: Evidence) -> Findings:
    """Every tool's result is in the prompt once, word for word or as the same JSON.

    Why: a model that does not see a result makes the call again, forever; one that sees it twice
        takes it for two results.
    Says: The contents of the tool message.
    Wrong: the name of the tool, and no result
    Right: {"content": "14:05", "call_id": "CairoTime"}
    """
    texts = ["".join(_texts(message)).strip() for message in _results(_round(evidence))]
    for text, times in Counter(texts).items():
        found = _times(_prompt(evidence), text)
        if found < times and not _holds_json(_prompt(evidence), text):
            actual = f"{found} times" if found else "not in the prompt"
        elif found > times and len(text) >= TELLING and not _is_elsewhere(evidence, text):
            actual = f"{found} times"
        else:
            continue
        expected = f"{jsonvalue.show(text, 150)}, {times} times"
        yield Finding(where="prompt results", expected=expected, actual=actual)


def _holds_json(prompt: str, text: str) -> bool:
    value = _parsed(text)
    return value is not None and any(jsonvalue.same(value, one) for one in _values(prompt))


def _is_elsewhere(evidence: Evidence, text: str) -> bool:
    others = [one for one in _messages(evidence) if one["role"] != "tool"]
    said = [*others, evidence.asked.tools]
    results = ["".join(_texts(one)).strip() for one in _results(_messages(evidence))]
    within = any(text in one and text != one for one in results)
    again = results.count(text) > [
        "".join(_texts(one)).strip() for one in _results(_round(evidence))
    ].count(text)
    return within or again or bool(_times(json.dumps(said), text))


@rule("template.ids", SHOULD, "prompt", lambda evidence: bool(_results(_round(evidence))))
def ids(evidence: Evidence) -> Findings:
    """Where calls have ids in the prompt, each result has the id of its call.

    Why: with several results at once nothing else shows the model which is which.
    Says: Tool call that this message is responding to.
    Wrong: calls with ids, results without
    Right: "id": "CairoTime" in the call, "call_id": "CairoTime" in the result
    """
    prompt = _prompt(evidence)
    answered = [message["tool_call_id"] for message in _results(_round(evidence))]
    # Mistral's templates keep the last nine characters of an id.
    shown = {id: prompt.count(id[-9:]) for id in answered if id}
    if not any(shown.values()):
        return  # a format without ids
    for id, times in shown.items():
        if times < 2:
            yield Finding(
                where=f"prompt id {id}",
                expected="in the call and in the result",
                actual=f"{times} times",
            )


@rule("template.messages", MUST, "prompt")
def messages(evidence: Evidence) -> Findings:
    """What users, the system and the assistant said is in the prompt, word for word.

    Why: when tools push the system message out, nobody keeps its rules.
    Says: A list of messages comprising the conversation so far.
    Wrong: a prompt without the system message
    Right: a prompt with every message
    """
    for place, message in enumerate(_messages(evidence)):
        if message["role"] == "tool" or message.get("tool_calls"):
            continue
        yield from _lost(evidence, place, message)


@rule(
    "template.text-beside-calls",
    SHOULD,
    "prompt",
    lambda evidence: any(m.get("tool_calls") and _texts(m) for m in _round(evidence)),
)
def text_beside_calls(evidence: Evidence) -> Findings:
    """What the assistant said beside its calls is in the prompt.

    Why: the model said what it was about to do, and must know that it did.
    Says: The contents of the assistant message.
    Wrong: the calls alone
    Right: the text, then the calls
    """
    for place, message in enumerate(_messages(evidence)):
        if message.get("tool_calls") and any(message is one for one in _round(evidence)):
            yield from _lost(evidence, place, message)


def _lost(evidence: Evidence, place: int, message: Mapping[str, Json]) -> Iterator[Finding]:
    for text in _texts(message):
        if not _times(_prompt(evidence), text.strip()):
            yield Finding(
                where=f"prompt messages[{place}].content",
                expected=f"{message['role']}: {jsonvalue.show(text, 200)}",
                actual="not in the prompt",
            )


def _is_toolless(evidence: Evidence) -> bool:
    return not _functions(evidence) and not _calls(_messages(evidence))


@rule("template.no-tools", SHOULD, "prompt", _is_toolless)
def no_tools(evidence: Evidence) -> Findings:
    """A prompt of a conversation without tools says nothing about calls.

    Why: a model that reads how to call, and is offered nothing, invents tools; its call
        then reaches the user as text.
    Says: `none` is the default when no tools are present.
    Wrong: <tools> </tools>
    Right: nothing about tools
    """
    if evidence.format is None:
        return
    written = json.dumps(_messages(evidence), ensure_ascii=False)
    for mark in (evidence.format.offer, *evidence.format.marks):
        if mark in _prompt(evidence) and mark not in written:
            yield Finding(
                where="prompt", expected=f"no {mark}", actual=_excerpt(_prompt(evidence), mark)
            )
            return


@rule("template.generation-prompt", MUST, "prompt")
def generation_prompt(evidence: Evidence) -> Findings:
    """The prompt ends where the model's own turn begins.

    Why: without it the model first writes the header of a turn, which reaches the client as text,
        or goes on as the user.
    Says: Creates a model response for the given chat conversation.
    Wrong: add_generation_prompt changes nothing, and the prompt ends with the user's turn
    Right: what add_generation_prompt adds is at the end
    """
    assert evidence.prompt is not None
    text, bare = evidence.prompt.text, evidence.prompt.bare
    if bare is not None and not text.startswith(bare):
        yield Finding(
            where="prompt",
            expected="add_generation_prompt adds to the end",
            actual=_difference(text, bare),
        )
    elif evidence.format is not None and not _opens(text, bare or "", evidence.format.opener):
        yield Finding(
            where="prompt end",
            expected=f"{evidence.format.opener!r} opens the model's turn",
            actual=jsonvalue.show(text[-80:]),
        )


def _opens(text: str, bare: str, opener: str) -> bool:
    return not opener or opener in text[len(bare) :] or text.rstrip().endswith(opener)


def _difference(text: str, bare: str) -> str:
    expected, actual = jsonvalue.show_apart(bare, text)
    return f"{actual} instead of {expected}"
