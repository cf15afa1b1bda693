from __future__ import annotations

from itertools import groupby

import pytest
from hypothesis import given

from conformance.formats import FORMATS, PARSERS, Format, Inexpressible, Unreadable
from conformance.formats.format import text_of
from conformance.terms.said import Call, Piece, Script, Text, Utterance
from tests.utterances import HOSTILE, PLAIN, expressible, utterances

HERMES, MISTRAL, V11 = (FORMATS[name] for name in ("hermes", "mistral", "mistral-v11"))
EACH = pytest.mark.parametrize("format", FORMATS.values(), ids=FORMATS)

PARIS = Call(name="get_weather", arguments='{"city": "Paris"}')
TIME = Call(name="get_time", arguments="{}")
LOOK = Text(text="Let me look.")

WRITTEN = [
    (HERMES, [LOOK], "Let me look."),
    (
        HERMES,
        [PARIS],
        '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Paris"}}\n</tool_call>',
    ),
    (
        HERMES,
        [LOOK, TIME, TIME, LOOK],
        'Let me look.\n<tool_call>\n{"name": "get_time", "arguments": {}}\n</tool_call>\n'
        '<tool_call>\n{"name": "get_time", "arguments": {}}\n</tool_call>\nLet me look.',
    ),
    (MISTRAL, [LOOK], "Let me look."),
    (
        MISTRAL,
        [LOOK, PARIS, TIME],
        'Let me look.[TOOL_CALLS] [{"name": "get_weather", "arguments": {"city": "Paris"}}, '
        '{"name": "get_time", "arguments": {}}]',
    ),
    (V11, [LOOK], "Let me look."),
    (
        V11,
        [LOOK, PARIS, TIME],
        'Let me look.[TOOL_CALLS]get_weather[ARGS]{"city": "Paris"}[TOOL_CALLS]get_time[ARGS]{}',
    ),
]
INEXPRESSIBLE = [
    (MISTRAL, [PARIS, LOOK], "the array of calls comes last and in one piece"),
    (MISTRAL, [LOOK, PARIS, LOOK], "the array of calls comes last and in one piece"),
    (MISTRAL, [PARIS, LOOK, TIME], "the array of calls comes last and in one piece"),
    (V11, [PARIS, LOOK], "no mark ends a call, so no text can follow one"),
]
UNREADABLE = [
    (HERMES, "</tool_call>", "</tool_call> where no call is open"),
    (HERMES, "<tool_call>\n{}\n</tool_call>", "a call has no arguments and no name"),
    (HERMES, '<tool_call>{"name": "f"}</tool_call>', "a call has no arguments"),
    (HERMES, '<tool_call>{"name": 5, "arguments": {}}', "a call's name is a string, not 5"),
    (HERMES, "<tool_call>[]</tool_call>", "a call is an object, not '[]'"),
    (HERMES, '<tool_call>{"name": "f", "arguments": {}}', "no </tool_call> after the call of 'f'"),
    (HERMES, '<tool_call>{"name": "f", "arguments": {}}}</tool_call>', "no </tool_call> after the"),
    (HERMES, '<tool_call>{"name": "f", </tool_call>', "no JSON value at character 0: Expecting"),
    (HERMES, "<tool_call>" + "[" * 100_000, "no JSON value at character 0: "),
    (MISTRAL, "[TOOL_CALLS]", "no JSON value at character 0: Expecting value"),
    (MISTRAL, "[TOOL_CALLS][][TOOL_CALLS][]", "[TOOL_CALLS] 2 times"),
    (MISTRAL, "[TOOL_CALLS]{}", "calls are one array, not '{}'"),
    (MISTRAL, "[TOOL_CALLS][] and", "calls are one array, not '[] and'"),
    (V11, "[ARGS]{}", "[ARGS] before [TOOL_CALLS]"),
    (V11, "[TOOL_CALLS]f{}", "[TOOL_CALLS] is followed by a name, [ARGS] and arguments: ['f{}']"),
    (V11, "[TOOL_CALLS]f[ARGS]{}}", "text after the arguments of 'f': '}'"),
    (V11, "[TOOL_CALLS]f[ARGS]{", "no JSON value at character 0: "),
]


def joined(script: Script) -> Script:
    """Join neighbouring pieces of text, and leave out empty ones."""
    found: list[Piece] = []
    for is_text, run in groupby(script, key=lambda piece: piece.kind == "text"):
        text = text_of(tuple(run_pieces := list(run)))
        if not is_text:
            found += run_pieces
        elif text:
            found.append(Piece("text", text))
    return tuple(found)


@pytest.mark.parametrize(("format", "says", "text"), WRITTEN)
def test_utterances_are_written_as_the_models_write_them(
    format: Format, says: list[Utterance], text: str
) -> None:
    assert text_of(format.write(says)) == text
    assert format.read(format.pieces(text)) == tuple(says)


@pytest.mark.parametrize(("format", "says", "told"), INEXPRESSIBLE)
def test_what_a_format_cannot_say_is_refused(
    format: Format, says: list[Utterance], told: str
) -> None:
    with pytest.raises(Inexpressible, match=f"^{told}$"):
        format.write(says)


@pytest.mark.parametrize(("format", "text", "told"), UNREADABLE)
def test_what_no_model_of_a_format_says_is_unreadable(format: Format, text: str, told: str) -> None:
    with pytest.raises(Unreadable) as caught:
        format.read(format.pieces(text))
    assert str(caught.value)[: len(told)] == told


def test_marks_are_markers_in_hermes_and_control_tokens_in_mistral() -> None:
    assert [piece.kind for piece in HERMES.write([PARIS])] == ["marker", "text", "marker"]
    assert [piece.kind for piece in MISTRAL.write([LOOK, PARIS])] == ["text", "control", "text"]
    assert [piece.kind for piece in V11.write([PARIS])] == ["control", "text", "control", "text"]


def test_an_id_before_the_arguments_is_read() -> None:
    script = V11.pieces("[TOOL_CALLS]get_time[CALL_ID]aB3dE6gH9[ARGS]{}")
    assert V11.read(script) == (Call(name="get_time", arguments="{}", id="aB3dE6gH9"),)


def test_other_keys_of_a_call_and_their_order_do_not_matter() -> None:
    text = '<tool_call>{"id": [1, {"name": 2}], "arguments" : {"b":1} ,"name":"f"}</tool_call>'
    assert HERMES.read(HERMES.pieces(text)) == (Call(name="f", arguments='{"b":1}'),)


def test_the_arguments_keep_their_exact_text() -> None:
    text = '{\n  "a" : 1.50,\t"b":"\\u0041" }'
    for format in FORMATS.values():
        says = expressible(format, [Call(name="f", arguments=text)])
        assert format.read(format.write(says)) == says


def test_a_mark_in_ordinary_text_stays_text() -> None:
    says = (Text(text="<tool_call>[TOOL_CALLS]"),)
    for format in FORMATS.values():
        assert format.read(format.write(says)) == says


@EACH
def test_a_mark_belongs_to_the_markup(format: Format) -> None:
    assert set(format.marks) <= set(format.markup)
    assert FORMATS[format.name] is format


def test_a_parser_is_paired_with_a_format() -> None:
    assert set(PARSERS.values()) <= set(FORMATS)


@EACH
@given(says=utterances(HOSTILE))
def test_what_is_written_is_read_again(format: Format, says: list[Utterance]) -> None:
    said = expressible(format, says)
    assert format.read(format.write(said)) == said


@EACH
@given(says=utterances(PLAIN))
def test_a_text_is_cut_where_it_was_joined(format: Format, says: list[Utterance]) -> None:
    script = format.write(expressible(format, says))
    assert format.pieces(text_of(script)) == joined(script)


@EACH
@given(text=HOSTILE)
def test_pieces_lose_nothing(format: Format, text: str) -> None:
    script = format.pieces(text)
    assert text_of(script) == text
    assert all(piece.kind == format.marks.get(piece.text, "text") for piece in script)


@EACH
@given(text=HOSTILE)
def test_any_text_is_read_or_unreadable(format: Format, text: str) -> None:
    body = "".join(format.marks) + text
    for one in (text, body, f"{body}{{}}"):
        try:
            says = format.read(format.pieces(one))
        except Unreadable:
            continue
        assert all(isinstance(item, Text | Call) for item in says)
