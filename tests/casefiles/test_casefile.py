import json
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conformance.base.jsonvalue import Json
from conformance.base.strictyaml import FileProblem
from conformance.casefiles import casefile, expectation
from conformance.casefiles.modes import ALLOWED, named
from conformance.formats import FORMATS
from conformance.formats.damage import DAMAGES
from conformance.formats.format import text_of
from conformance.terms.asked import NO_OPTIONS, Allowed, Named, Options
from conformance.terms.case import PROMPT, Case, Expectation
from conformance.terms.said import Call, Piece, Text, Utterance

TOOLS = """\
schema: 1
tools:
  - {type: function, function: {name: wave}}
  - type: function
    function:
      name: look
      parameters: {type: object, properties: {at: {type: string}}, required: [at]}
"""
HEAD = "schema: 1\nabout: a\ncases:\n"
FIRST = "  - id: one\n    about: a\n    messages: [{role: user, content: hi}]\n"

WAVE = Call(name="wave", arguments="{}")
LOOK = Call(name="look", arguments='{"at": "it"}')

REFUSED = [
    ("tools: [lok]\nsays: x", "7: unknown tool 'lok'; did you mean 'look'? allowed: look, wave"),
    ("tools:\n  - wave\n  - wave\nsays: x", "9: tool 'wave' a second time; allowed once"),
    (
        "tools:\n  - type: function\n    function:\n      name: f\n"
        "      parameters:\n        type: obj\nsays: x",
        "12: not a valid JSON Schema: 'obj' is not valid under any of the given schemas",
    ),
    (
        "tools: [wave]\nsays:\n  - text: x\n  - call: look\n    arguments: {}",
        "10: 'look' is not among the case's tools; allowed: wave",
    ),
    (
        "says: [{call: look, arguments: {}}]",
        "7: 'look' is not among the case's tools; the case has no",
    ),
    (
        "tools: [look]\nsays:\n  - call: look\n    arguments:\n      at: 5",
        "11: arguments that 'look' does not allow: 5 is not of type 'string'",
    ),
    (
        "tools: [look]\nsays:\n  - call: look\n    arguments: {}",
        "10: arguments that 'look' does not allow: 'at' is a required property",
    ),
    (
        "tools: [look]\nsays:\n  - call: look\n    arguments_json: '{\"at\": }'",
        "10: arguments_json is not JSON: Expecting value at character 7; broken output is for "
        "damage",
    ),
    (
        'tools: [wave]\nsays: [{call: wave, arguments_json: \'{"a": 1, "a": 2}\'}]',
        '8: arguments_json is not JSON: duplicate key "a"; broken output is for damage',
    ),
    (
        "tools: [wave]\nsays: [{call: wave, arguments_json: '[]'}]",
        "8: arguments_json is not a JSON object; odd output is for damage",
    ),
    (
        "tools: [wave]\noptions: {choice: {name: look}}\nsays: x",
        "8: 'look' is not among the case's tools; allowed: wave",
    ),
    (
        "tools:\n  - type: function\n"
        "    function: {name: f, parameters: {$schema: draft-3}}\nsays: x",
        "9: cases[0].tools[0].function.parameters.$schema is 'draft-3'; allowed: 'https://json-",
    ),
    (
        "tools:\n  - type: function\n    function:\n      name: f\n"
        "      parameters: {properties: {a: {pattern: 'a{99999999999}'}}}\nsays: x",
        "8: not a valid JSON Schema: the repetition number is too large",
    ),
    (
        "tools: [wave]\noptions: {choice: {allowed: [wave, look]}}\nsays: x",
        "8: 'look' is not among the case's tools; allowed: wave",
    ),
    ("options: {choice: required}\nsays: x", "7: choice 'required' in a case without tools"),
    (
        "raw:\n  hermess: x\nexpect: {content: x}",
        f"8: unknown format 'hermess'; did you mean 'hermes'? allowed: {', '.join(FORMATS)}",
    ),
    (
        "says: x\nomits: {stream-caracters: y}",
        f"8: unknown format or mode 'stream-caracters'; formats: {', '.join(FORMATS)}; "
        f"modes: {ALLOWED}",
    ),
    (
        "says: x\nmodes: [prompt, streams]",
        f"8: unknown mode 'streams'; allowed: {ALLOWED}",
    ),
    (
        "tools: [wave]\nsays: [{call: wave, arguments: {}}]\necho: {results: [a, b], says: x}",
        "9: 2 results for 1 calls; allowed: one for each",
    ),
    (
        "says: x\nwire: {chat: {tools: []}}",
        "8: tools of a request that is not refused; allowed: tools of the case",
    ),
    (
        "says: x\nwire: {chat: {tool_choice: required}}",
        "8: tool_choice is an option of every wire; allowed: options.choice",
    ),
    (
        "says: x\noptions: {limit: 3}\nwire: {chat: {max_completion_tokens: 4}}",
        "9: max_completion_tokens is an option of every wire; allowed: options.limit",
    ),
    (
        "says: x\nwire: {chat: {stream: true}}",
        "8: stream is the suite's to write; allowed: any other field",
    ),
    (
        "expect: {refused: true}\nwire: {chat: {model: x}}",
        "8: model is the suite's to write; allowed: any other field",
    ),
    (
        "says: x\nwire: {chat: {stream_options: [1]}}",
        "8: stream_options is a mapping or null",
    ),
    (
        "says: x\nwire: {chatt: {logprobs: true}}",
        "8: unknown wire 'chatt'; did you mean 'chat'? allowed: chat",
    ),
    (
        "says: x\nexpect: {refused: true}",
        "7: cases[0].says is 'x'; allowed: nothing, where the request is refused",
    ),
    (
        "says: x\nexpect: {keeps: [x]}\ndamage: mark-alon",
        "9: unknown damage 'mark-alon'; did you mean 'mark-alone'? allowed: ",
    ),
    (
        "says: x\nexpect: {keeps: [x]}\ndamage: {mark-alone: now}",
        "9: damage 'mark-alone' with a word; allowed: the name alone",
    ),
    (
        "says: x\nexpect: {keeps: [x]}\ndamage: other-name",
        "9: damage 'other-name' needs a word: {other-name: WORD}",
    ),
    (
        "says: x\nexpect: {keeps: [x]}\ndamage: trailing-comma",
        "9: no format can say this with 'trailing-comma': No call is meant.",
    ),
    ("says: x\ndamage: mark-alone", "4: cases[0] lacks the key 'expect'"),
    ("expect: {keeps: [x]}\ndamage: mark-alone", "4: cases[0] lacks the key 'says'"),
    (
        "raw: {hermes: x}\nexpect: {content: x}\nomits: {hermes: y}",
        "9: format 'hermes' is omitted and has a raw text",
    ),
    (
        "tools:\n  - type: function\n    function: {name: f, parameters: {$ref: 'https://example.com'}}\n"
        "says: [{call: f, arguments: {}}]",
        "10: the parameters of 'f' cannot judge this: Unresolvable: https://example.com",
    ),
    (
        "tools:\n  - type: function\n    function: {name: f, parameters: {$ref: '#'}}\n"
        "says: [{call: f, arguments: {}}]",
        "10: the parameters of 'f' cannot judge this: maximum recursion depth exceeded",
    ),
    (
        "tools: [look]\nsays:\n  - call: look\n    arguments: {at: a}\n    times: {to: 2}",
        "11: times for 'to', which is not a string among the arguments",
    ),
    ("says: x\noptions: {limit: 2}\ncut_after: x", "9: cut_after beside a limit; allowed"),
]

DERIVED: list[tuple[tuple[Utterance, ...], Options, Expectation]] = [
    (
        (Text(text="hi"),),
        NO_OPTIONS,
        Expectation(calls=(), content="hi", ending=("finished",)),
    ),
    (
        (WAVE,),
        NO_OPTIONS,
        Expectation(calls=(WAVE,), content="", ending=("called",)),
    ),
    (
        (Text(text="a "), WAVE, LOOK, Text(text="b")),
        Options(choice="auto", parallel=True),
        Expectation(calls=(WAVE, LOOK), content="a b", ending=("called",)),
    ),
    (
        (WAVE,),
        Options(choice="required", answers=2),
        Expectation(calls=(WAVE,), content="", ending=("called",)),
    ),
    (
        (WAVE,),
        Options(choice=Named("wave")),
        Expectation(calls=(WAVE,), content="", ending=("finished", "called")),
    ),
    (
        (Text(text="hi"),),
        Options(choice="none"),
        Expectation(calls=(), content="hi", ending=("finished",)),
    ),
    (
        (WAVE,),
        Options(parallel=False),
        Expectation(calls=(WAVE,), content="", ending=("called",)),
    ),
    ((WAVE,), Options(choice="none"), Expectation()),
    ((WAVE, LOOK), Options(parallel=False), Expectation()),
    ((WAVE,), Options(limit=5), Expectation()),
    ((Text(text="hi"),), Options(stop="x"), Expectation()),
]


def write(folder: Path, rest: str, name: str = "topic.yaml") -> Path:
    (folder / "_tools.yaml").write_text(TOOLS)
    path = folder / name
    body = "".join(f"    {line}\n" for line in rest.splitlines())
    path.write_text(HEAD + FIRST + body)
    return path


def only(folder: Path, rest: str) -> Case:
    (case,) = casefile.load(write(folder, rest))
    return case


@pytest.mark.parametrize(("rest", "message"), REFUSED)
def test_a_case_that_contradicts_itself_is_refused_with_its_line(
    tmp_path: Path, rest: str, message: str
) -> None:
    path = write(tmp_path, rest)
    with pytest.raises(FileProblem) as caught:
        casefile.load(path)
    assert str(caught.value)[: len(f"{path}:{message}")] == f"{path}:{message}"


@pytest.mark.parametrize(("says", "options", "expected"), DERIVED)
def test_what_a_client_gets_is_derived_from_what_the_model_says(
    says: tuple[Utterance, ...], options: Options, expected: Expectation
) -> None:
    assert expectation.derive(says, options) == expected


def test_a_case_is_read_with_all_its_fields(tmp_path: Path) -> None:
    rest = (
        "why: w\ntools: [look]\noptions: {choice: {allowed: [look]}, seed: 7}\n"
        "says: [{text: a}, {call: look, arguments: {at: é}}]\n"
        "omits: {mistral-v11: r, stream-pieces-7: r}\nsampled: false\n"
        "wire: {chat: {logprobs: true}}"
    )
    case = only(tmp_path, rest)
    call = Call(name="look", arguments='{"at": "é"}')
    tool = {
        "type": "function",
        "function": {
            "name": "look",
            "parameters": {
                "type": "object",
                "properties": {"at": {"type": "string"}},
                "required": ["at"],
            },
        },
    }
    expected = Case(
        id="topic/one",
        about="a",
        why="w",
        path=tmp_path / "topic.yaml",
        line=4,
        messages=({"role": "user", "content": "hi"},),
        tools=(tool,),
        options=Options(choice=Allowed(("look",)), seed=7),
        wire={"chat": {"logprobs": True}},
        says=(Text(text="a"), call),
        expect=Expectation(calls=(call,), content="a", ending=("finished", "called")),
        omits={"mistral-v11": "r", "stream-pieces-7": "r"},
        sampled=False,
    )
    assert case == expected


def test_exact_json_keeps_its_spelling(tmp_path: Path) -> None:
    case = only(tmp_path, "tools: [wave]\nsays: [{call: wave, arguments_json: '{\"a\":1.0}'}]")
    assert case.says == (Call(name="wave", arguments='{"a":1.0}'),)


def test_what_is_written_stands_before_what_is_derived(tmp_path: Path) -> None:
    case = only(tmp_path, "tools: [wave]\nsays: x\nexpect: {ending: [finished, limit]}")
    expected = Expectation(calls=(), content="x", ending=("finished", "limit"))
    assert case.expect == expected


def test_written_calls_are_read_like_said_ones(tmp_path: Path) -> None:
    rest = "tools: [wave]\nsays: x\nexpect: {calls: [{call: wave, arguments: {}}], content: ''}"
    expected = Expectation(calls=(WAVE,), content="", ending=("finished",))
    assert only(tmp_path, rest).expect == expected


def test_a_raw_text_is_cut_at_the_format_s_marks_and_needs_a_script(tmp_path: Path) -> None:
    rest = "raw: {mistral: 'a[TOOL_CALLS]b', hermes: '<tool_call>'}\nexpect: {content: a}"
    case = only(tmp_path, rest)
    scripts = {
        "mistral": (Piece("text", "a"), Piece("control", "[TOOL_CALLS]"), Piece("text", "b")),
        "hermes": (Piece("marker", "<tool_call>"),),
    }
    assert (case.raw, case.says, case.sampled) == (scripts, None, False)
    assert case.expect == Expectation(content="a")


def test_a_damage_gives_each_format_its_text_or_a_reason_and_derives_nothing(
    tmp_path: Path,
) -> None:
    rest = (
        "tools: [wave]\nsays: [{call: wave, arguments: {}}]\ndamage: end-mark-missing\n"
        "expect: {broken: true}"
    )
    case = only(tmp_path, rest)
    assert text_of(case.raw["hermes"]) == '<tool_call>\n{"name": "wave", "arguments": {}}'
    assert case.omits["mistral"] == "There is no end mark."
    assert case.raw.keys() | case.omits.keys() == FORMATS.keys()
    assert not case.raw.keys() & case.omits.keys()
    assert (case.says, case.sampled, case.expect) == (None, False, Expectation(broken=True))


def test_what_a_case_spells_out_or_omits_stands_before_what_is_derived(tmp_path: Path) -> None:
    rest = (
        "says: Hm.\ndamage: mark-alone\nraw: {hermes: ho}\nomits: {mistral: Not there.}\n"
        "expect: {keeps: [h]}"
    )
    case = only(tmp_path, rest)
    assert text_of(case.raw["hermes"]) == "ho"
    assert text_of(case.raw["mistral-v11"]) == "Hm.[TOOL_CALLS]"
    assert case.omits == {"mistral": "Not there."}


def test_a_tool_of_the_case_itself_needs_no_shared_file(tmp_path: Path) -> None:
    path = tmp_path / "topic.yaml"
    tool = "    tools: [{type: function, function: {name: nod}}]\n"
    path.write_text(HEAD + FIRST + tool + "    says: [{call: nod, arguments: {}}]\n")
    (case,) = casefile.load(path)
    assert case.says == (Call(name="nod", arguments="{}"),)


def test_a_text_and_a_string_are_said_as_many_times_as_asked(tmp_path: Path) -> None:
    rest = (
        "tools: [look]\nsays: [{text: ab, times: 3}, "
        "{call: look, arguments: {at: é}, times: {at: 2}}]"
    )
    says = only(tmp_path, rest).says
    assert says == (Text(text="ababab"), Call(name="look", arguments='{"at": "éé"}'))


def test_a_cut_answer_ends_with_length_and_no_model_is_asked_for_it(tmp_path: Path) -> None:
    case = only(tmp_path, "tools: [wave]\nsays: [{call: wave, arguments: {}}]\ncut_after: wa")
    found = (case.cut_after, case.sampled, case.expect)
    assert found == ("wa", False, Expectation(ending=("limit",)))


@pytest.mark.parametrize(
    ("says", "sampled"),
    [
        ("[{call: wave, arguments: {}}]", True),
        ("[{text: Hi}, {call: wave, arguments: {}}]", True),
        ("[{call: wave, arguments: {}}, {text: Hi}]", False),
        ("[{call: wave, arguments: {}}, {text: Hi}, {call: wave, arguments: {}}]", False),
        (f"[{', '.join(['{call: wave, arguments: {}}'] * 4)}]", True),
        (f"[{', '.join(['{call: wave, arguments: {}}'] * 5)}]", False),
        ("[{text: a, times: 500}]", True),
        ("[{text: a, times: 501}]", False),
        ("[{call: look, arguments: {at: a}, times: {at: 500}}]", False),
    ],
)
def test_a_model_is_not_asked_for_what_only_a_script_can_say(
    tmp_path: Path, says: str, sampled: bool
) -> None:
    assert only(tmp_path, f"tools: [wave, look]\nsays: {says}").sampled is sampled
    wished = only(tmp_path, f"tools: [wave, look]\nsays: {says}\nsampled: true")
    assert wished.sampled


def test_an_answer_that_is_broken_may_be_held_to_words_of_it(tmp_path: Path) -> None:
    case = only(tmp_path, "raw: {hermes: 'a b'}\nexpect: {keeps: [a, b], broken: true}")
    assert case.expect == Expectation(keeps=("a", "b"), broken=True)


def test_an_id_twice_in_a_file_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, "says: x")
    path.write_text(f"{HEAD}{FIRST}    says: x\n{FIRST}    says: y\n")
    with pytest.raises(FileProblem) as caught:
        casefile.load(path)
    expected = f"duplicate id 'topic/one', first at {path}:4; allowed once"
    assert str(caught.value) == f"{path}:8: {expected}"


def test_an_id_twice_in_a_folder_is_refused(tmp_path: Path) -> None:
    first = write(tmp_path, "says: x")
    below = tmp_path / "below"
    below.mkdir()
    second = write(below, "says: x")
    with pytest.raises(FileProblem) as caught:
        casefile.load_folder(tmp_path)
    expected = {f"{first}:4", f"{second}:4"}
    assert {str(caught.value).split(": ")[0], caught.value.what.split()[5].strip(";")} == expected


def test_a_file_name_is_half_of_an_id_and_keeps_its_rules(tmp_path: Path) -> None:
    path = write(tmp_path, "says: x", name="Topic_1.yaml")
    with pytest.raises(FileProblem) as caught:
        casefile.load(path)
    expected = "file name Topic_1.yaml; allowed: 1 to 50 of a-z 0-9 -, then .yaml"
    assert str(caught.value) == f"{path}:1: {expected}"


def test_an_id_with_a_line_break_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, "says: x")
    path.write_text(path.read_text().replace("id: one", 'id: "one\\n"'))
    with pytest.raises(FileProblem) as caught:
        casefile.load(path)
    expected = "cases[0].id is 'one\\n'; allowed: 1 to 50 of a-z 0-9 -"
    assert str(caught.value) == f"{path}:4: {expected}"


def test_a_folder_is_read_in_order_without_its_underscored_files(tmp_path: Path) -> None:
    for name in ("zoo.yaml", "ant.yaml", "bee.yaml"):
        write(tmp_path, "says: x", name=name)
    assert [case.id for case in casefile.load_folder(tmp_path)] == ["ant/one", "bee/one", "zoo/one"]


def test_the_shipped_cases_are_found_in_a_clone_and_in_a_wheel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "conformance"
    package.mkdir()
    monkeypatch.setattr(casefile, "__file__", str(package / "casefiles" / "casefile.py"))
    assert casefile.shipped() == tmp_path / "cases"
    (package / "cases").mkdir()
    assert casefile.shipped() == package / "cases"


WORDS = ("call", "text", "arguments", "calls", "content", "choice", "hermes", "wave", "at", "")
JUNK = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.sampled_from(WORDS), st.text()),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(WORDS), inner, max_size=3)
    ),
    max_leaves=6,
)
NAMES = st.sampled_from(["wave", "look", "nod"])
CALLS = st.fixed_dictionaries(
    {"call": NAMES},
    optional={
        "arguments": st.one_of(st.just({"at": "it"}), JUNK),
        "arguments_json": st.one_of(st.just("{}"), st.text()),
    },
)
REST = st.fixed_dictionaries(
    {"says": st.lists(st.one_of(CALLS, st.just({"text": "x"}), JUNK), max_size=3)},
    optional={
        "tools": st.one_of(
            st.just(["wave", "look"]), st.lists(NAMES, min_size=1, max_size=2), JUNK
        ),
        "expect": st.one_of(st.fixed_dictionaries({"calls": st.lists(CALLS, max_size=2)}), JUNK),
        "options": JUNK,
        "wire": st.one_of(st.fixed_dictionaries({"chat": JUNK}), JUNK),
        "damage": st.one_of(st.sampled_from(sorted(DAMAGES)), JUNK),
        "omits": st.one_of(st.dictionaries(st.sampled_from(["hermes", "stream"]), st.text()), JUNK),
        "raw": st.one_of(st.dictionaries(st.sampled_from(["hermes", "stream"]), st.text()), JUNK),
    },
)


@settings(max_examples=3 * settings().max_examples)
@given(rest=REST)
def test_a_case_raises_a_file_problem_and_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, rest: dict[str, Json]
) -> None:
    body = "\n".join(f"{key}: {flow(item)}" for key, item in rest.items())
    path = write(tmp_path_factory.getbasetemp(), body)
    with suppress(FileProblem):
        assert [case.id for case in casefile.load(path)] == ["topic/one"]


def flow(value: Json) -> str:
    """Write a value as YAML in one line."""
    match value:
        case dict():
            return (
                "{"
                + ", ".join(f"{json.dumps(key)}: {flow(item)}" for key, item in value.items())
                + "}"
            )
        case list():
            return "[" + ", ".join(map(flow, value)) + "]"
        case str():
            return json.dumps(value)
        case None:
            return "null"
        case _:
            return str(value).lower()


def test_a_bad_request_is_written_as_it_is(tmp_path: Path) -> None:
    rest = "wire: {chat: {tool_choice: 7, messages: null}}\nexpect: {refused: true}"
    case = only(tmp_path, rest)
    assert case.wire == {"chat": {"tool_choice": 7, "messages": None}}
    assert case.expect == Expectation(refused=True)
    assert (case.says, case.sampled) == (None, True)


def test_of_a_bad_request_a_refusal_may_be_preferred_only(tmp_path: Path) -> None:
    case = only(tmp_path, "wire: {chat: {tools: [{}]}}\nexpect: {refused: preferred}")
    assert case.expect == Expectation(refused=True, answerable=True)


def test_a_case_names_modes_of_its_own(tmp_path: Path) -> None:
    case = only(tmp_path, "says: x\nmodes: [prompt, stream-stop-8]")
    assert case.modes == (PROMPT, named("stream-stop-8"))
