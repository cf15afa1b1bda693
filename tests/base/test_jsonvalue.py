from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from conformance.base.jsonvalue import (
    MAX_DEPTH,
    Difference,
    JsonProblem,
    closes,
    difference,
    is_beginning,
    parse,
    parse_as_clients,
    path,
    plain,
    same,
    show,
    show_apart,
)

TEXT = st.text(st.characters(), max_size=30)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.decimals(allow_nan=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)
LONG = "1" * 10_000

SAME = [
    ("1e3", "1000.0"),
    ("1.0", "1.00"),
    ("0.1", "0.10000000000000000001"),
    ("1e-400", "0.0"),
    ("-0", "0"),
    ("-0.0", "0.0"),
    ("1", "1.0"),
    ("1E+2", "100"),
    ("1e-400", "0"),
    ("6.02E+23", "602000000000000000000000"),
    ("6.02E+23", "601999999999999995805696"),
    (f"{2**53 + 1}", f"{2**53 + 1}.0"),
    ('{"a": 1, "b": 2}', '{"b":2,"a":1}'),
    ('"\\u0050aris \\u2603"', '"Paris ☃"'),
    ('"\\ud83d\\ude00"', '"😀"'),
    ("1e400", "10e399"),
    (LONG, LONG),
    ("[0.1]", "[0.10000000000000000001]"),
    ("[]", " [ ]\n"),
]
DIFFERENT = [
    ("1", "true", Difference("$", "1", "true")),
    ("0", "false", Difference("$", "0", "false")),
    ("0", "null", Difference("$", "0", "null")),
    ('"1"', "1", Difference("$", '"1"', "1")),
    ('""', "null", Difference("$", '""', "null")),
    ("[]", "{}", Difference("$", "[]", "{}")),
    ("1.0", "true", Difference("$", "1.0", "true")),
    ("1", "1.1", Difference("$", "1", "1.1")),
    ("1e400", '"Infinity"', Difference("$", "1E+400", '"Infinity"')),
    (f"{2**53 + 1}", f"{2**53}", Difference("$", f"{2**53 + 1}", f"{2**53}")),
    ("0.1", "0.1000000000000001", Difference("$", "0.1", "0.1000000000000001")),
    ("1e400", "1e401", Difference("$", "1E+400", "1E+401")),
    ("1e400", "1e401", Difference("$", "1E+400", "1E+401")),
    ("[1, 2]", "[1, 3]", Difference("$[1]", "2", "3")),
    ("[1, 2]", "[1]", Difference("$", "2 items", "1 item")),
    ('{"a": {"b c": 1}}', '{"a": {"b c": 2}}', Difference('$.a["b c"]', "1", "2")),
    ('{"a": 1}', "{}", Difference("$.a", "1", "no such key")),
    ("{}", '{"\\ud800": null}', Difference('$["\\ud800"]', "no such key", "null")),
    ('"\\ud83d"', '"?"', Difference("$", '"\\ud83d"', '"?"')),
    ('"é"', '"e\\u0301"', Difference("$", '"\\u00e9"', '"e\\u0301"')),
]
REFUSED = [
    ('{"a": 1, "a": 1}', 'duplicate key "a"'),
    ('{"b": 0, "a": 1, "a": 1}', 'duplicate key "a"'),
    ('[{"\\ud800": 1, "\\ud800": 2}]', 'duplicate key "\\ud800"'),
    ("NaN", "NaN is no JSON"),
    ("[-Infinity]", "-Infinity is no JSON"),
    ('{"a": 1}}', "Extra data at character 8"),
    ("{} {}", "Extra data at character 3"),
    ("", "Expecting value at character 0"),
    ('"a\nb"', "Invalid control character at at character 2"),
    ("{'a': 1}", "Expecting property name enclosed in double quotes at character 1"),
    ("01", "Extra data at character 1"),
    ("[1 2]", "Expecting ',' delimiter at character 3"),
    ("\ufeff{}", "a byte-order mark at character 0"),
    ("[" * 100_000, "nested deeper than 200"),
    ('{"a":' * 100_000, "nested deeper than 200"),
    ("[" * 100_000 + "]" * 100_000, "nested deeper than 200"),
    ("1e" + "9" * 30, f'no number has the exponent of "1e{"9" * 30}"'),
]


def fits_a_line(text: str, limit: int) -> bool:
    """Whether a text is one line of ASCII except the character for what was left out."""
    plain = text.replace("…", "")
    return plain.isascii() and plain.isprintable() and len(text) <= limit


@pytest.mark.parametrize(("left", "right"), SAME)
def test_one_value_may_be_spelt_in_many_ways(left: str, right: str) -> None:
    assert difference(parse(left), parse(right)) is None


@pytest.mark.parametrize(("left", "right", "found"), DIFFERENT)
def test_values_differ_at_a_place_and_by_type(left: str, right: str, found: Difference) -> None:
    assert difference(parse(left), parse(right)) == found
    back = difference(parse(right), parse(left))
    assert back == Difference(found.path, found.actual, found.expected)


@pytest.mark.parametrize(
    ("whole", "decimal"),
    [("601999999999999995805696", "6.02E+23"), (f"{2**53 + 1}", f"{2**53}.0")],
)
def test_digits_count_where_an_integer_is_expected_as_it_may_be_an_id(
    whole: str, decimal: str
) -> None:
    assert difference(parse(whole), parse(decimal)) == Difference("$", whole, decimal)
    assert difference(parse(decimal), parse(whole)) is None


def test_two_long_texts_are_shown_around_their_first_difference() -> None:
    left, right = f"{'x' * 50}left", f"{'x' * 50}right"
    assert difference([left], [right]) == Difference("$[0]", *show_apart(left, right))


@pytest.mark.parametrize(("text", "message"), REFUSED)
def test_what_is_not_one_strict_value_is_refused_with_the_reason(text: str, message: str) -> None:
    with pytest.raises(JsonProblem) as caught:
        parse(text)
    assert str(caught.value) == message


def test_numbers_keep_their_digits() -> None:
    found = parse(f'[12345678901234567890, 1.10, 1E5, "{LONG}", {LONG}]')
    assert found == [12345678901234567890, Decimal("1.10"), Decimal("1E5"), LONG, Decimal(LONG)]
    assert [type(item) for item in found] == [int, Decimal, Decimal, str, Decimal]


def test_nesting_up_to_the_limit_is_read() -> None:
    value = parse("[" * MAX_DEPTH + "]" * MAX_DEPTH)
    assert difference(value, value) is None
    assert show(value, 1000) == "[" * MAX_DEPTH + "]" * MAX_DEPTH


def test_the_limit_counts_depth_and_not_brackets() -> None:
    deepest = "[" * (MAX_DEPTH - 1) + "]" * (MAX_DEPTH - 1)
    assert len(parse(f"[{deepest}, {deepest}]")) == 2
    with pytest.raises(JsonProblem, match=r"^nested deeper than 200$"):
        parse(f"[[], [{deepest}]]")


def test_brackets_in_strings_do_not_nest() -> None:
    text = json.dumps(['[{\\"' * 500])
    assert parse(text) == ['[{\\"' * 500]


def test_many_values_side_by_side_are_not_nested() -> None:
    assert len(parse(f"[{'{},' * 999}{{}}]")) == 1000


def test_a_plain_value_is_what_the_json_module_reads() -> None:
    text = '{"a": [1, 1.5, 1e3, null, true, "x"], "b": {}}'
    assert plain(parse(text)) == json.loads(text)
    assert json.dumps(plain(parse(text))) == json.dumps(json.loads(text))


@given(VALUES)
def test_a_value_does_not_differ_from_itself(value: Any) -> None:
    assert difference(value, value) is None


@given(VALUES, VALUES)
def test_a_difference_is_described_in_a_line(left: Any, right: Any) -> None:
    found = difference(left, right)
    if found is not None:
        assert fits_a_line(found.path, 500)
        assert fits_a_line(found.expected, 120)
        assert fits_a_line(found.actual, 120)


@given(VALUES)
def test_what_is_written_is_read_again(value: Any) -> None:
    text = json.dumps(plain(value))
    assume("Infinity" not in text)
    assert json.dumps(plain(parse(text))) == text


@given(st.text(st.sampled_from('[]{}",:\\0123456789.eE+-truefalsn \n\ud800☃'), max_size=40))
@settings(max_examples=3 * settings().max_examples)
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        shown = show(parse(text))
    except JsonProblem as problem:
        shown = str(problem)
    assert fits_a_line(shown, 200)


@given(VALUES, st.integers(10, 200))
def test_a_value_is_shown_in_a_line(value: Any, limit: int) -> None:
    assert fits_a_line(show(value, limit), limit)


def test_a_long_value_is_cut_in_its_middle() -> None:
    assert show("a" * 50 + "b" * 50, 20) == '"aaaaaaa…bbbbbbb"'
    assert show("a" * 50 + "b" * 50, 21) == '"aaaaaaaa…bbbbbbbb"'
    assert show("a" * 78) == f'"{"a" * 78}"'
    assert show([Decimal("1.50"), {"é": None}, True, (1,)]) == (
        '[1.50, {"\\u00e9": null}, true, [1]]'
    )


@given(TEXT, TEXT, TEXT)
def test_two_texts_are_shown_in_a_line(start: str, left: str, right: str) -> None:
    for shown in show_apart(start * 5 + left, start * 5 + right):
        assert fits_a_line(shown, 400)


def test_two_long_texts_are_cut_to_where_they_differ() -> None:
    same = "x" * 100
    assert show_apart(f"{same}left{same}", f"{same}right{same}") == (
        f'…"{"x" * 20}left{"x" * 16}"… (of 204 characters)',
        f'…"{"x" * 20}right{"x" * 15}"… (of 205, apart at 100)',
    )
    assert show_apart(f"left{same}", f"right{same}") == (
        f'"left{"x" * 36}"… (of 104 characters)',
        f'"right{"x" * 35}"… (of 105, apart at 0)',
    )
    assert show_apart("abc", "abd") == ('"abc"', '"abd"')
    assert show_apart("x" * 40, "y" * 40) == (f'"{"x" * 40}"', f'"{"y" * 40}"')
    assert show_apart("x" * 60, f"{'x' * 40}{'y' * 20}") == (
        f'…"{"x" * 40}" (of 60 characters)',
        f'…"{"x" * 20}{"y" * 20}" (of 60, apart at 40)',
    )
    assert show_apart(same, same[:50]) == (
        f'…"{"x" * 40}"… (of 100 characters)',
        f'…"{"x" * 20}" (of 50, apart at 50)',
    )


def test_a_place_is_written_as_a_path() -> None:
    assert path(["days", 0, "a b", "\ud800"]) == '$.days[0]["a b"]["\\ud800"]'
    assert path([]) == "$"


WHOLE = '{"a": [1, -2.5e+3, {"b": "x\\"\\u00e9\\\\"}], "c": true, "d": null, "e": {}, "": false} '


@pytest.mark.parametrize("length", range(len(WHOLE) + 1))
def test_each_beginning_of_a_value_is_one(length: int) -> None:
    assert is_beginning(WHOLE[:length])


HOPELESS = [
    '{"a": 1}}',
    "{a",
    '{"a" "',
    '{"a": x',
    '{"a": 1 2',
    "[1}",
    '{"a": 1,}',
    '{"a": "\\x',
    "}",
]


@pytest.mark.parametrize("text", [*HOPELESS, '{"a": trx', '["\t'])
def test_a_hopeless_text_is_not_the_beginning_of_a_value(text: str) -> None:
    assert not is_beginning(text)


@pytest.mark.parametrize("rest", ["", "]", "]}", " ]\n}\t\r"])
def test_a_rest_that_closes_what_is_open_is_known(rest: str) -> None:
    assert closes('{"a": ["}", 1', rest)


@pytest.mark.parametrize(
    ("text", "rest"),
    [('{"a": [', "}]"), ('{"a": [', "]}}"), ("[", ",]"), ('{"a": "x', "}"), ('"', ""), ("", "]")],
)
def test_a_rest_that_does_more_than_close_is_told(text: str, rest: str) -> None:
    assert not closes(text, rest)


def test_a_float_is_the_number_that_a_decimal_is() -> None:
    assert difference(Decimal("1.5"), 1.5) is None
    assert difference(1.5, Decimal("1.5")) is None


def test_a_value_is_read_as_most_clients_read_it() -> None:
    assert parse_as_clients('{"a": 1, "a": 2}') == {"a": 2}
    assert same(parse_as_clients("[NaN, 1]"), parse_as_clients("[NaN,1.0]"))
    assert not same(parse_as_clients("NaN"), parse_as_clients('"NaN"'))
    assert not same(parse_as_clients("NaN"), parse_as_clients("Infinity"))
    for text in ("{", "[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1), "1" * 5000):
        with pytest.raises(JsonProblem):
            parse_as_clients(text)
