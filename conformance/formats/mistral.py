"""Mistral, before v11: a JSON array after `[TOOL_CALLS]`; from v11: `[TOOL_CALLS]name[ARGS]{…}`.

The shapes are those of the models' chat templates and of `mistral_common`'s encoding of each
tokenizer version.
"""

from __future__ import annotations

import json
import string
from collections.abc import Callable, Iterator, Sequence

from conformance.base.jsonvalue import Json
from conformance.formats import prompt
from conformance.formats.format import Format, Frame, IdForm
from conformance.formats.jsontext import read_calls, read_value, write_call
from conformance.formats.problem import Inexpressible, Unreadable
from conformance.formats.prompt import Write
from conformance.formats.stream import Arguments, Content, Event, Header, Objects, Place, Token
from conformance.terms.said import Call, Piece, Script, Text, Utterance

CALLS = "[TOOL_CALLS]"
ARGS = "[ARGS]"
CALL_ID = "[CALL_ID]"
LETTERS = string.ascii_letters + string.digits


def write(says: Sequence[Utterance]) -> Script:
    """Write what a Mistral model before v11 says."""
    text = [item.text for item in says if isinstance(item, Text)]
    calls = [item for item in says if isinstance(item, Call)]
    if calls and (len(text) > 1 or (text and not isinstance(says[0], Text))):
        raise Inexpressible("the array of calls comes last and in one piece")
    script = [Piece("text", item) for item in text]
    if calls:
        script.append(Piece("control", CALLS))
        script.append(Piece("text", f" [{', '.join(map(_object, calls))}]"))
    return tuple(script)


def _object(call: Call) -> str:
    whole = write_call(call)
    return whole if call.id is None else whole.replace("{", f'{{"id": "{call.id}", ', 1)


def read(script: Script) -> tuple[Utterance, ...]:
    """Read what a Mistral model before v11 said."""
    text, parts = _split(script)
    says: list[Utterance] = [Text(text=text)] if text else []
    if len(parts) > 1:
        raise Unreadable(f"{CALLS} {len(parts)} times")
    for part in parts:
        says += read_calls("".join(piece.text for piece in part))
    return tuple(says)


def write_v11(says: Sequence[Utterance]) -> Script:
    """Write what a Mistral model from v11 on says."""
    script: list[Piece] = []
    for place, utterance in enumerate(says):
        if isinstance(utterance, Text):
            if place:
                raise Inexpressible("no mark ends a call, so no text can follow one")
            script.append(Piece("text", utterance.text))
        else:
            script.append(Piece("control", CALLS))
            script.append(Piece("text", utterance.name))
            if utterance.id is not None:
                script += [Piece("control", CALL_ID), Piece("text", utterance.id)]
            script.append(Piece("control", ARGS))
            script.append(Piece("text", utterance.arguments))
    return tuple(script)


def read_v11(script: Script) -> tuple[Utterance, ...]:
    """Read what a Mistral model from v11 on said."""
    text, parts = _split(script)
    says: list[Utterance] = [Text(text=text)] if text else []
    for part in parts:
        match [piece.text for piece in part]:
            case [name, mark, arguments] if mark == ARGS:
                says.append(_call(name, arguments))
            case [name, id_mark, id, mark, arguments] if (id_mark, mark) == (CALL_ID, ARGS):
                says.append(_call(name, arguments, id))
            case other:
                raise Unreadable(f"{CALLS} is followed by a name, {ARGS} and arguments: {other}")
    return tuple(says)


def _call(name: str, arguments: str, id: str | None = None) -> Call:
    value, stop = read_value(arguments, 0)
    if arguments[stop:].strip():
        raise Unreadable(f"text after the arguments of {name!r}: {arguments[stop:][:20]!r}")
    return Call(name=name, arguments=value, id=id)


def _split(script: Script) -> tuple[str, list[list[Piece]]]:
    text = ""
    parts: list[list[Piece]] = []
    for piece in script:
        if piece == Piece("control", CALLS):
            parts.append([])
        elif parts:
            parts[-1].append(piece)
        elif piece.kind == "text":
            text += piece.text
        else:
            raise Unreadable(f"{piece.text} before {CALLS}")
    return text, parts


class Reader:
    """Text, then an array of calls after each mark."""

    def __init__(self) -> None:
        """Begin in text."""
        self._calls = Objects(outer=1)
        self._at: Place | None = None

    @property
    def begun(self) -> int:
        """How many calls have begun."""
        return self._calls.begun

    def read(self, token: Token) -> Iterator[Event]:
        """Give what a token says; after its array all is text."""
        if token.mark:
            self._at = Place()
            return
        array, text = self._at.divide(token.text) if self._at else ("", token.text)
        yield from self._calls.read(array)
        if text:
            yield Content(text)

    def end(self) -> Iterator[Event]:
        """Give nothing more."""
        return iter(())


class V11Reader:
    """Text, then calls as mark, name, mark, arguments."""

    def __init__(self) -> None:
        """Begin in text."""
        self._part = ""
        self._call = -1
        self._name = ""
        self._id = ""
        self._at = Place()

    @property
    def begun(self) -> int:
        """How many calls have begun."""
        return self._call + 1

    def read(self, token: Token) -> Iterator[Event]:
        """Give what a token says; a name waits until it is whole."""
        if token.mark:
            self._part = token.text
            if token.text == CALLS:
                self._call += 1
                self._name = self._id = ""
            elif token.text == ARGS:
                yield from self._open()
        elif self._part == CALLS:
            name, brace, rest = token.text.partition("{")
            self._name += name
            if brace:  # some models leave the mark out
                self._part = ARGS
                yield from self._open()
                yield from self._value(brace + rest)
        elif self._part == CALL_ID:
            self._id += token.text
        elif self._part == ARGS:
            yield from self._value(token.text)
        else:
            yield Content(token.text)

    def _open(self) -> Iterator[Event]:
        self._at = Place()
        yield Header(self._call, self._name, self._id or None)

    def _value(self, text: str) -> Iterator[Event]:
        value, after = self._at.divide(text)
        if value:
            yield Arguments(self._call, value)
        if after:
            yield Content(after)

    def end(self) -> Iterator[Event]:
        """Give nothing more."""
        return iter(())


def template(messages: Sequence[Json], tools: str, open_turn: bool) -> Iterator[str]:
    """Write a prompt for a model before v11."""
    return _prompt(messages, tools, write, _result)


def template_v11(messages: Sequence[Json], tools: str, open_turn: bool) -> Iterator[str]:
    """Write a prompt for a model from v11 on."""
    return _prompt(messages, tools, write_v11, _result_v11)


def _prompt(
    messages: Sequence[Json], tools: str, write: Write, result: Callable[[str, str], str]
) -> Iterator[str]:
    yield "<s>"
    if tools != "[]":
        yield f"[AVAILABLE_TOOLS] {tools}[/AVAILABLE_TOOLS]"
    for message in messages:
        said = prompt.said(message, write)
        if message["role"] == "assistant":
            yield f"{said}</s>"
        elif message["role"] == "tool":
            yield f"[TOOL_RESULTS]{result(said, message['tool_call_id'])}[/TOOL_RESULTS]"
        else:
            yield f"[INST] {said}[/INST]"


def _result(said: str, id: str) -> str:
    return f" {json.dumps({'content': said, 'call_id': id}, ensure_ascii=False)}"


def _result_v11(said: str, id: str) -> str:
    return f"{id}[TOOL_CONTENT]{said}"


def _make_id(number: int) -> str:
    made = ""
    for _ in range(9):
        number, place = divmod(number, len(LETTERS))
        made += LETTERS[place]
    return made


IDS = IdForm(pattern=r"[a-zA-Z0-9]{9}", example="aB3dE6gH9", make=_make_id)
MARKUP = (CALLS, ARGS, CALL_ID, "[TOOL_RESULTS]", "[/INST]", "</s>")
THOUGHT = ("[THINK]", "[/THINK]")

FORMATS = (
    Format(
        name="mistral",
        parsers=("mistral",),
        marks={CALLS: "control"},
        markup=MARKUP,
        write=write,
        read=read,
        frame=Frame(begin=f"{CALLS} ", keys=("name", "arguments"), listed=True),
        reader=Reader,
        template=template,
        offer="[AVAILABLE_TOOLS]",
        end="</s>",
        ids=IDS,
        related=("mistral-v11",),
        thought=THOUGHT,
    ),
    Format(
        name="mistral-v11",
        parsers=("mistral",),
        marks={CALLS: "control", ARGS: "control", CALL_ID: "control"},
        markup=MARKUP,
        write=write_v11,
        read=read_v11,
        frame=Frame(begin=CALLS),
        reader=V11Reader,
        template=template_v11,
        offer="[AVAILABLE_TOOLS]",
        end="</s>",
        grammar=True,
        ids=IDS,
        optional=(ARGS,),
        # vLLM's parser takes this format when the vocabulary has this token.
        sign=(Piece("text", "x"), Piece("control", ARGS)),
        thought=THOUGHT,
    ),
)
