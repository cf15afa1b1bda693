"""The next turn: what becomes of an answer that is sent back."""

from __future__ import annotations

from conformance.base import jsonvalue
from conformance.rules.rule import MUST, Evidence, Findings, rule
from conformance.terms.outcome import Finding
from conformance.wires.answer import Turn

BLAME = "server"


@rule("echo.roundtrip", MUST, "any", lambda evidence: evidence.echo is not None)
def roundtrip(evidence: Evidence) -> Findings:
    """The server takes its own answer back, with results of its calls, and the model goes on.

    Why: every agent is a loop of such turns (openai-agents, LangChain, the AI SDK); a
        server that refuses what it said itself ends it at the first call.
    Wrong: 400 for the assistant's message that the server sent
    Right: 200, and what the model says about the results
    """
    following = evidence.echo
    assert following is not None
    exchange = following.answer.exchange
    if exchange.status != 200:
        actual = f"{exchange.status}: {following.answer.text[:200]!r}"
        yield Finding(where="next answer status", expected="200", actual=actual)
        return
    if not following.turns:
        actual = jsonvalue.show(following.answer.text)
        yield Finding(where="next answer", expected="an answer", actual=actual)
    for turn in following.turns:
        yield from _said(following, turn)


def _said(following: Evidence, turn: Turn) -> Findings:
    expect = following.expect
    names = [call.name for call in turn.calls]
    if expect.calls is not None and names != [call.name for call in expect.calls]:
        yield Finding(
            where="next answer tool_calls",
            expected=", ".join(call.name for call in expect.calls) or "no calls",
            actual=", ".join(map(str, names)) or "no calls",
        )
    elif expect.content is not None and not expect.calls:
        said, got = expect.content.strip(), turn.content.strip()
        if said != got:
            expected, actual = jsonvalue.show_apart(said, got)
            yield Finding(where="next answer content", expected=expected, actual=actual)
