"""Hermes: a JSON object between `<tool_call>` and `</tool_call>`, each on lines of their own.

The shape is that of the chat templates of NousResearch Hermes 2 Pro and of Qwen 2.5 and 3:
a newline after the opening mark, before the closing one, and between what is said.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from conformance.base.jsonvalue import Json
from conformance.formats import prompt
from conformance.formats.format import Format, Frame
from conformance.formats.jsontext import read_call, write_call
from conformance.formats.problem import Unreadable
from conformance.formats.stream import Content, Event, Objects, Token
from conformance.terms.said import Call, Piece, Script, Text, Utterance

OPEN = "<tool_call>"
CLOSE = "</tool_call>"


def write(says: Sequence[Utterance]) -> Script:
    """Write what a Hermes model says."""
    script: list[Piece] = []
    for place, utterance in enumerate(says):
        if place:
            script.append(Piece("text", "\n"))
        if isinstance(utterance, Call):
            script.append(Piece("marker", OPEN))
            script.append(Piece("text", f"\n{write_call(utterance)}\n"))
            script.append(Piece("marker", CLOSE))
        else:
            script.append(Piece("text", utterance.text))
    return tuple(script)


def read(script: Script) -> tuple[Utterance, ...]:
    """Read what a Hermes model said."""
    says: list[Utterance] = []
    text = ""
    pieces = iter(script)
    for piece in pieces:
        if piece.kind == "text":
            text += piece.text
            continue
        if piece.text != OPEN:
            raise Unreadable(f"{piece.text} where no call is open")
        _add_text(says, text.removesuffix("\n"))
        body = next(pieces, Piece("text", ""))
        call, stop = read_call(body.text, 0)
        if body.text[stop:].strip() or next(pieces, body).text != CLOSE:
            raise Unreadable(f"no {CLOSE} after the call of {call.name!r}")
        says.append(call)
        text = ""
    _add_text(says, text)
    return tuple(says)


def _add_text(says: list[Utterance], text: str) -> None:
    if says:
        text = text.removeprefix("\n")
    if text:
        says.append(Text(text=text))


class Reader:
    """Calls between marks; one newline beside a mark is the format's own."""

    def __init__(self) -> None:
        """Begin in text."""
        self._calls = Objects(outer=0)
        self._inside = False
        self._held = ""
        self._after_call = False

    @property
    def begun(self) -> int:
        """How many calls have begun."""
        return self._calls.begun

    def read(self, token: Token) -> Iterator[Event]:
        """Give what a token says; a newline waits for what follows it."""
        if token.mark:
            self._inside = token.text == OPEN
            self._after_call = not self._inside
            self._held = ""
        elif self._inside:
            yield from self._calls.read(token.text)
        else:
            text = token.text
            if self._after_call:
                text = text.removeprefix("\n")
                self._after_call = False
            text = self._held + text
            self._held = "\n" if text.endswith("\n") else ""
            if said := text.removesuffix("\n"):
                yield Content(said)

    def end(self) -> Iterator[Event]:
        """Give the newline that no mark followed."""
        if self._held:
            yield Content(self._held)


def template(messages: Sequence[Json], tools: str, open_turn: bool) -> Iterator[str]:
    """Write a prompt."""
    if tools != "[]":
        yield f"<|im_start|>system\nYour tools: <tools>{tools}</tools><|im_end|>\n"
    for message in messages:
        said = prompt.said(message, write)
        if message["role"] == "tool":
            said = f"<tool_response>\n{said}\n</tool_response>"
        yield f"<|im_start|>{message['role']}\n{said}<|im_end|>\n"
    if open_turn:
        yield "<|im_start|>assistant\n"


CHAT_TEMPLATE = """\
{%- macro text(content) -%}
  {%- if content is string -%}{{- content -}}
  {%- elif content -%}
    {%- for part in content -%}{{- part.text -}}{%- endfor -%}
  {%- endif -%}
{%- endmacro -%}
{%- if tools -%}
  {{- '<|im_start|>system\\nYour tools: <tools>' + (tools | tojson) + '</tools><|im_end|>\\n' -}}
{%- endif -%}
{%- for message in messages -%}
  {{- '<|im_start|>' + message.role + '\\n' -}}
  {%- if message.role == 'tool' -%}
    {{- '<tool_response>\\n' + text(message.content) + '\\n</tool_response>' -}}
  {%- else -%}
    {{- text(message.content) -}}
  {%- endif -%}
  {%- for call in message.tool_calls or [] -%}
    {%- if not loop.first or message.content -%}{{- '\\n' -}}{%- endif -%}
    {{- '<tool_call>\\n{"name": ' + (call.function.name | tojson) + ', "arguments": ' -}}
    {%- if call.function.arguments is string -%}{{- call.function.arguments -}}
    {%- else -%}{{- call.function.arguments | tojson -}}{%- endif -%}
    {{- '}\\n</tool_call>' -}}
  {%- endfor -%}
  {{- '<|im_end|>\\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\\n' -}}{%- endif -%}
"""

FORMATS = (
    Format(
        name="hermes",
        parsers=("hermes",),
        marks={OPEN: "marker", CLOSE: "marker"},
        markup=(OPEN, CLOSE, "<|im_start|>", "<|im_end|>"),
        write=write,
        read=read,
        frame=Frame(begin=f"{OPEN}\n", end=f"\n{CLOSE}", keys=("name", "arguments")),
        reader=Reader,
        template=template,
        chat_template=CHAT_TEMPLATE,
        offer="<tools>",
        end="<|im_end|>",
        opener="<|im_start|>assistant",
        thought=("<think>", "</think>"),
    ),
)
