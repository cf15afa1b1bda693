"""What a delta holds: role, text, calls, and fields of a server's own."""

from __future__ import annotations

from conformance.rules.chat import choices_of
from conformance.rules.rule import MUST, SHOULD, Evidence, Findings, has_calls, rule
from conformance.terms.outcome import brief

BLAME = "server"
SPEC = "https://platform.openai.com/docs/api-reference/chat-streaming"


@rule("chunk.content.string", MUST, "stream")
def content_string(evidence: Evidence) -> Findings:
    """The text in a delta is a string or null.

    Why: clients join it; LangChain and the AI SDK raise on an object, LlamaIndex on a list too.
    Wrong: {"delta": {"content": {"text": "Hi"}}}
    Right: {"delta": {"content": "Hi"}}
    """
    for choice in choices_of(evidence):
        for number, delta in choice.deltas:
            if not isinstance(delta.get("content"), str | None):
                yield choice.finding_in(
                    number,
                    "delta.content",
                    expected="a string or null",
                    actual=brief(delta["content"]),
                )


@rule(
    "chunk.unknown-fields",
    MUST,
    "stream",
    yields_to=("chunk.index.present", "chunk.content.string"),
)
def unknown_fields(evidence: Evidence) -> Findings:
    """A list of objects that comes in several deltas has an index in each object.

    Why: openai-python merges lists of any name, and raises "Expected list delta entry to have an
        'index' key".
    Wrong: {"delta": {"steps": [{"text": "a"}]}}, then {"delta": {"steps": [{"text": "b"}]}}
    Right: {"delta": {"steps": [{"index": 0, "text": "a"}]}}, or a string
    """
    for choice in choices_of(evidence):
        seen: set[str] = set()
        for number, delta in choice.deltas:
            for field, value in delta.items():
                if not isinstance(value, list):
                    continue
                objects = [item for item in value if isinstance(item, dict)]
                if field in seen and any(type(item.get("index")) is not int for item in objects):
                    yield choice.finding_in(
                        number,
                        f"delta.{field}",
                        expected="objects with an index",
                        actual=brief(value),
                    )
                if objects:
                    seen.add(field)


@rule("chunk.role.once", MUST, "stream")
def role_once(evidence: Evidence) -> Findings:
    """The role is `assistant`, in a choice's first chunk and in no other.

    Why: openai-python joins repeated roles to "assistantassistant"; without a role openai-node
        raises.
    Wrong: {"delta": {"role": "assistant", "content": "a"}} in every chunk
    Right: {"delta": {"role": "assistant", "content": ""}} first, no role afterwards
    """
    for choice in choices_of(evidence):
        for place, (number, delta) in enumerate(choice.deltas):
            role = delta.get("role")
            if role is None and place == 0 and evidence.answer.damaged:
                continue  # the role may have been in a part that could not be read
            expected = "'assistant'" if place == 0 else "no role"
            if role != ("assistant" if place == 0 else None):
                yield choice.finding_in(number, "delta.role", expected=expected, actual=repr(role))


@rule("chunk.content-xor-tools", SHOULD, "stream", has_calls)
def content_xor_tools(evidence: Evidence) -> Findings:
    """A delta has text or calls, never both.

    Why: AutoGen goes on to the next chunk after text, so the call in that chunk is lost.
    Wrong: {"content": "ok", "tool_calls": [{…}]}
    Right: {"content": "ok"}, then {"tool_calls": [{…}]}
    """
    for choice in choices_of(evidence):
        for number, delta in choice.deltas:
            text = delta.get("content")
            if isinstance(text, str) and text and delta.get("tool_calls"):
                yield choice.finding_in(
                    number,
                    "delta",
                    expected="content or tool_calls",
                    actual=f"content {repr(text)[:40]} and tool_calls",
                )


@rule("chunk.tool-calls.not-empty", SHOULD, "stream")
def tool_calls_not_empty(evidence: Evidence) -> Findings:
    """`tool_calls` is absent where there is no call data.

    Why: Spring AI takes an empty list for a tool turn and swallows the text; the specification
        knows no null.
    Wrong: {"content": "Hi", "tool_calls": []}
    Right: {"content": "Hi"}
    """
    for choice in choices_of(evidence):
        for number, delta in choice.deltas:
            if "tool_calls" in delta and not delta["tool_calls"]:
                yield choice.finding_in(
                    number, "delta.tool_calls", expected="absent", actual=repr(delta["tool_calls"])
                )
