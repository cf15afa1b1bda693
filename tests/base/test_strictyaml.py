import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from conformance.base import schema, strictyaml
from conformance.base.strictyaml import FileProblem

SCHEMAS = schema.FOLDER
CASE = "{{schema: 1, about: a, cases: [{{id: a, about: a, messages: [{{role: user}}], {}}}]}}"

REFUSED = [
    ("a: 1\nb: 2\na: 3\n", "3: duplicate key 'a', first on line 1; allowed once"),
    ("a:\n  b: 1\n  'b': 2\n", "3: duplicate key 'b', first on line 2; allowed once"),
    ("a: !!str 1\n", "1: tag tag:yaml.org,2002:str; tags are not allowed"),
    ("a: !x 1\n", "1: tag !x; tags are not allowed"),
    ("a: ! 1\n", "1: tag !; tags are not allowed"),
    (
        "a: !!python/object/apply:os.system [x]\n",
        "1: tag tag:yaml.org,2002:python/object/apply:os.system; tags are not allowed",
    ),
    ("a: &x 1\n", "1: anchor &x; anchors are not allowed"),
    ("a: 1\nb: *x\n", "2: alias *x; aliases are not allowed, repeat the text"),
    ("a:\n  <<: {b: 1}\n", "2: merge key <<; not allowed, repeat the text"),
    (
        "a: 1\n---\nb: 2\n",
        "2: expected a single document in the stream, but found another document",
    ),
    ("%YAML 1.2\n---\na: 1\n", "1: a %YAML or %TAG directive; none is allowed"),
    ("%TAG ! x:\n---\na: 1\n", "1: a %YAML or %TAG directive; none is allowed"),
    ("a: 1\n2: b\n", "2: key '2'; keys are strings, quote it"),
    ("true: b\n", "1: key 'true'; keys are strings, quote it"),
    ("a: 1\n~: b\n", "2: key '~'; keys are strings, quote it"),
    ("? [a]\n: b\n", "1: key 'a list or mapping'; keys are strings, quote it"),
    ("a: .inf\n", "1: .inf; numbers are finite, quote it if it is text"),
    ("a: -.INF\n", "1: -.INF; numbers are finite, quote it if it is text"),
    ("a: .nan\n", "1: .nan; numbers are finite, quote it if it is text"),
    ("a: 1e999\n", "1: 1e999 is too large for a float"),
    (f"a: {'9' * 301}\n", "1: a number of 301 digits; 300 are allowed"),
    (f"a: 0x{'9' * 299}\n", "1: a number of 301 digits; 300 are allowed"),
    ("a: b: c\n", "1: ': ' in a text that is not quoted"),
    ("a: [1\n", "2: while parsing a flow sequence, expected ',' or ']', but got '<stream end>'"),
    ("a: 'b\n", "2: while scanning a quoted scalar, found unexpected end of stream"),
    (
        "\ta: 1\n",
        "1: while scanning for the next token, found character '\\t' that cannot start any token",
    ),
    ('a: 1\nb: "\\UFFFFFFFF"\n', "2: an escape or number out of range"),
    (
        'a: "\\ud83d"\n',
        '1: half of a surrogate pair; write the whole character, as it is or as "\\UXXXXXXXX"',
    ),
    ("a: 1\nb: x\0\n", "2: character U+0000; write it as an escape in double quotes"),
    ("a: 1\nb: x\x1b\n", "2: character U+001B; write it as an escape in double quotes"),
    ("a: 1\nb: x\u2028\n", '2: U+2028 as it is; write "\\u2028" in double quotes'),
    ("a: 1\nb: x\x85\n", '2: U+0085 as it is; write "\\u0085" in double quotes'),
    ("", "1: the file is empty"),
    ("# only a comment\n", "1: the file is empty"),
]

SCALARS: list[tuple[str, Any]] = [
    *((word, word) for word in ("yes", "no", "on", "off", "y", "n", "No", "ON")),
    *((word, word) for word in ("010", "-007", "00.5", "1:30", "1_000", "0b1", "2030-05-17")),
    *((word, word) for word in ("1e", "0x", "0o8", "=", "e3", "+", "'<<'".strip("'"))),
    ("true", True),
    ("False", False),
    ("null", None),
    ("~", None),
    ("", None),
    ("0", 0),
    ("-12", -12),
    ("+7", 7),
    ("0o17", 15),
    ("0x1F", 31),
    ("9007199254740993", 9007199254740993),
    ("1e3", 1000.0),
    ("1.0", 1.0),
    ("-0.5E-1", -0.05),
    (".5", 0.5),
    ("'1'", "1"),
    ('"true"', "true"),
    ('"\\U0001F600 \\u2028"', "\U0001f600 \u2028"),
]

MISFITS = [
    (
        "says: x, tols: []",
        "1: unknown key 'tols'; did you mean 'tools'? allowed: about, cut_after,",
    ),
    (
        "says: x, zzz: []",
        "1: unknown key 'zzz'; allowed: about, cut_after, damage, echo, expect, id, messages",
    ),
    ("omits: {hermes: a}", "1: cases[0] lacks the key 'says'"),
    ("says: 5", "1: cases[0].says is 5; allowed: a string or a list"),
    ("says: x, sampled: 1", "1: cases[0].sampled is 1; allowed: true or false"),
    (
        "says: x, expect: {ending: end}",
        "1: cases[0].expect.ending is 'end'; allowed: 'finished', 'c",
    ),
    (
        "says: x, options: {stream: true}",
        "1: unknown key 'stream'; allowed: answers, choice, limit, parallel,",
    ),
    (
        "says: x, options: {answers: 0}",
        "1: cases[0].options.answers: 0 is less than the minimum of 1",
    ),
    ("says: [{text: x, call: f}]", "1: cases[0].says[0].call is 'f'; allowed: nothing beside text"),
    (
        "raw: {hermes: x}, expect: {content: x}, says: x",
        "1: cases[0].says is 'x'; allowed: nothing, where raw",
    ),
]


def write(folder: Path, text: str) -> Path:
    path = folder / "x.yaml"
    path.write_bytes(text.encode())
    return path


@pytest.mark.parametrize(("text", "message"), REFUSED)
def test_what_is_not_plain_data_is_refused_with_its_line(
    tmp_path: Path, text: str, message: str
) -> None:
    path = write(tmp_path, text)
    with pytest.raises(FileProblem) as caught:
        strictyaml.load(path, "case")
    assert str(caught.value) == f"{path}:{message}"


@pytest.mark.parametrize(("word", "value"), SCALARS)
def test_a_plain_word_reads_as_yaml_1_2_reads_it(tmp_path: Path, word: str, value: Any) -> None:
    path = write(tmp_path, CASE.format(f"says: x, wire: {{chat: {{seed: {word}}}}}"))
    found = strictyaml.load(path, "case").value["cases"][0]["wire"]["chat"]["seed"]
    assert (type(found), found) == (type(value), value)


@pytest.mark.parametrize(("rest", "message"), MISFITS)
def test_what_the_schema_does_not_allow_is_named_with_what_it_allows(
    tmp_path: Path, rest: str, message: str
) -> None:
    path = write(tmp_path, CASE.format(rest))
    with pytest.raises(FileProblem) as caught:
        strictyaml.load(path, "case")
    assert str(caught.value)[: len(f"{path}:{message}")] == f"{path}:{message}"


def test_bytes_that_are_not_utf_8_are_refused_with_their_line(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_bytes(b"a: 1\nb: \xff\n")
    with pytest.raises(FileProblem) as caught:
        strictyaml.load(path, "case")
    assert str(caught.value) == f"{path}:2: byte 0xff is not UTF-8, the only encoding allowed"


def test_a_file_over_the_limit_is_refused_without_reading_it_all(tmp_path: Path) -> None:
    path = write(tmp_path, "#" * 1_000_001)
    with pytest.raises(FileProblem) as caught:
        strictyaml.load(path, "case")
    assert str(caught.value) == f"{path}:1: larger than 1,000,000 bytes, which is the limit"


def test_a_file_that_cannot_be_read_is_a_problem_of_that_file(tmp_path: Path) -> None:
    with pytest.raises(FileProblem) as caught:
        strictyaml.load(tmp_path / "none.yaml", "case")
    expected = f"{tmp_path / 'none.yaml'}:1: cannot be read: No such file or directory"
    assert str(caught.value) == expected


@pytest.mark.parametrize("opening", ["[", "{a: ", "- ", "? "])
def test_nesting_is_refused_at_the_limit_not_at_the_stack(tmp_path: Path, opening: str) -> None:
    path = write(tmp_path, opening * 100_000)
    with pytest.raises(FileProblem) as caught:
        strictyaml.load(path, "case")
    assert caught.value.what == "nested deeper than 50 levels, which is the limit"


def test_fifty_levels_are_read(tmp_path: Path) -> None:
    # Five levels lead to the fields: the file, its cases, one case, its wires, one wire.
    deep = f"{'[' * 45}1{']' * 45}"
    path = write(tmp_path, CASE.format(f"says: x, wire: {{chat: {{seed: {deep}}}}}"))
    value = strictyaml.load(path, "case").value["cases"][0]["wire"]["chat"]["seed"]
    assert value == json.loads(deep)


def test_a_place_has_the_line_of_its_key_or_of_its_item(tmp_path: Path) -> None:
    text = (
        "schema: 1\nabout: a\ncases:\n  - id: a\n    about: b\n    messages:\n      - role: user\n"
    )
    document = strictyaml.load(write(tmp_path, f"{text}    says: |-\n      x\n"), "case")
    places: list[tuple[tuple[str | int, ...], int]] = [
        ((), 1),
        (("about",), 2),
        (("cases", 0), 4),
        (("cases", 0, "messages"), 6),
        (("cases", 0, "messages", 0, "role"), 7),
        (("cases", 0, "says"), 8),
        (("cases", 0, "messages", 7), 6),
        (("cases", 0, "why", "not"), 4),
    ]
    assert [document.line(*keys) for keys, _ in places] == [line for _, line in places]


def test_an_unknown_key_is_named_before_the_key_that_seems_missing(tmp_path: Path) -> None:
    path = write(tmp_path, "schema: 1\ncases: []\nabuot: x\n")
    with pytest.raises(FileProblem) as caught:
        strictyaml.load(path, "case")
    expected = "unknown key 'abuot'; did you mean 'about'? allowed: about, cases, schema"
    assert str(caught.value) == f"{path}:3: {expected}"


def test_a_problem_keeps_its_parts(tmp_path: Path) -> None:
    problem = FileProblem(tmp_path, 3, "what")
    assert (problem.path, problem.line, problem.what) == (tmp_path, 3, "what")


def test_every_schema_is_a_valid_schema() -> None:
    for file in sorted(SCHEMAS.glob("*.json")):
        Draft202012Validator.check_schema(json.loads(file.read_text("utf-8")))


WORDS = [
    *"ab:-?[]{},&*!|>%@`'\"#~=<\\ \t\n\r\0",
    *("- ", ": ", "? ", "\n  ", "---\n", "...\n", "%YAML 1.2\n", "%YAML ", "9" * 5000, "!!int "),
    *("\\U", "\\x", "FFFFFFFF", "\\ud83d", "<<: ", "|+2", "\ufeff", "é", ".inf", "1e999", "0x"),
]


@settings(max_examples=4 * settings().max_examples)
@given(text=st.one_of(st.text(), st.lists(st.sampled_from(WORDS)).map("".join)))
def test_a_text_raises_a_file_problem_and_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    path = write(tmp_path_factory.getbasetemp(), text)
    with pytest.raises(FileProblem):
        strictyaml.load(path, "case")


@given(data=st.binary())
def test_bytes_raise_a_file_problem_and_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "x.yaml"
    path.write_bytes(data)
    with pytest.raises(FileProblem):
        strictyaml.load(path, "case")
