"""Prompts in which the rules about templates find a fault, or none, beyond the samples."""

from __future__ import annotations

import copy
import json
from dataclasses import replace

import pytest

from conformance.base.jsonvalue import Json
from conformance.formats import FORMATS
from conformance.rules import Evidence
from conformance.terms.outcome import Outcome
from tests.evidence import SAMPLES, asking, broken, finding, judgement, sample


def asked(file: str, old: str = "", new: str = "", **options: Json) -> Evidence:
    """Give a sample's prompt with another text in it, for another request."""
    found = sample(SAMPLES / file)
    assert found.prompt is not None
    assert old in found.prompt.text
    prompt = replace(
        found.prompt, text=found.prompt.text.replace(old, new) if old else new + found.prompt.text
    )
    return replace(asking(found, {**found.request, **options}), prompt=prompt)


def prompted(file: str, at: int, **fields: Json) -> Evidence:
    """Give a sample's prompt for a conversation with another message at a place."""
    found = sample(SAMPLES / file)
    messages = list(found.request["messages"])
    messages[at] = {**messages[at], **fields}
    return asking(found, {**found.request, "messages": messages})


def test_a_message_in_parts_is_looked_for_in_the_prompt_by_its_texts() -> None:
    image = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
    parts = [image, {"type": "text", "text": "How is Paris?"}]
    assert broken(prompted("template.messages/right.prompt", 1, content=parts)) == []
    place = "prompt messages[1].content"
    wrong = prompted("template.messages/wrong-user.prompt", 1, content=parts)
    assert broken(wrong) == [("template.messages", place)]


def test_calls_in_a_prompt_that_quotes_marks_are_not_judged() -> None:
    found = prompted("template.calls/wrong.prompt", 0, content="Begin with <tool_call>.")
    judged = judgement(found, "template.calls")
    told = (Outcome.INCONCLUSIVE, "the conversation quotes the format's own marks")
    assert (judged.outcome, judged.reason) == told


def test_calls_of_an_unknown_format_and_without_a_user_are_judged_as_far_as_they_can_be() -> None:
    found = prompted("template.calls/wrong.prompt", 1, role="system")
    assert [id for id, _ in broken(found)] == ["template.calls"]
    assert broken(replace(found, format=None)) == []


@pytest.mark.parametrize(("result", "rules"), [("18", []), ("19", ["template.results"])])
def test_a_result_may_be_respelt_as_the_same_json(result: str, rules: list[str]) -> None:
    found = prompted("template.results/right.prompt", 3, content=f'{{"degrees":   {result}}}')
    assert found.prompt is not None
    text = found.prompt.text.replace("18 degrees and sunny", '{"degrees": 18}')
    shown = replace(found, prompt=replace(found.prompt, text=text))
    assert [id for id, _ in broken(shown)] == rules


def test_what_a_prompt_shows_is_compared_with_its_types() -> None:
    found = sample(SAMPLES / "template.calls/right.prompt")
    call = found.request["messages"][2]["tool_calls"][0]
    for written, rules in (("1", []), ("1.0", []), ("true", ["template.calls"])):
        function = {**call["function"], "arguments": '{"city": 1}'}
        asks = prompted(
            "template.calls/right.prompt", 2, tool_calls=[{**call, "function": function}]
        )
        assert asks.prompt is not None
        text = asks.prompt.text.replace('{"city": "Paris"}', f'{{"city": {written}}}')
        shown = replace(asks, prompt=replace(asks.prompt, text=text))
        assert [id for id, _ in broken(shown)] == rules
    result = prompted("template.results/right.prompt", 3, content='{"sunny": true}')
    assert result.prompt is not None
    for written, rules in (("true", []), ("1", ["template.results"])):
        text = result.prompt.text.replace("18 degrees and sunny", f'{{"sunny":  {written}}}')
        shown = replace(result, prompt=replace(result.prompt, text=text))
        assert [id for id, _ in broken(shown)] == rules


def test_a_schema_in_a_prompt_is_compared_with_its_types() -> None:
    file = "template.tools-json/right.prompt"
    tools = copy.deepcopy(sample(SAMPLES / file).request["tools"])
    schema = tools[0]["function"]["parameters"]
    schema["additionalProperties"] = True
    name = tools[0]["function"]["name"]
    for written, rules in ((True, []), (1, ["template.tools-json"])):
        there = {"name": name, **tools[0]["function"], "parameters": {**schema}}
        there["parameters"]["additionalProperties"] = written
        assert [id for id, _ in broken(asked(file, "", json.dumps(there), tools=tools))] == rules


SAID = 'é "is" it ü'
SPELT = [
    (SAID, []),
    (r"\u00e9 \"is\" it \u00fc", []),
    (r"é \"is\" it ü", []),
    ('é "is" it u', ["template.messages"]),
    ('e "is" it ü', ["template.messages"]),
    (r"\u00e8 \"is\" it \u00fc", ["template.messages"]),
    (r"\u00e9 \"is\" it \u00fd", ["template.messages"]),
    (r"/u00e9 \"is\" it \u00fc", ["template.messages"]),
    (r"e \"is\" it ü", ["template.messages"]),
    (r"é \"is\" it u", ["template.messages"]),
]


@pytest.mark.parametrize(("text", "rules"), SPELT)
def test_a_message_may_be_written_as_json_has_it(text: str, rules: list[str]) -> None:
    messages = [{"role": "system", "content": SAID}, {"role": "user", "content": "How is Paris?"}]
    found = asked("template.tools/right.prompt", "Be brief.", text, messages=messages)
    assert [id for id, _ in broken(found)] == rules


def test_a_round_before_the_last_message_of_a_user_may_be_left_out() -> None:
    last = sample(SAMPLES / "template.text-beside-calls/right.prompt").request["messages"]
    call = {"name": "get_weather", "arguments": '{"city": "Oslo"}'}
    calls = [{"id": "call_Oslo", "type": "function", "function": call}]
    earlier = [
        {"role": "assistant", "content": "I look at Oslo.", "tool_calls": calls},
        {"role": "tool", "tool_call_id": "call_Oslo", "content": "5 degrees and rain"},
    ]
    for messages in ([*last[:2], *earlier, *last[1:]], [*last[:1], *earlier, *last[1:2]]):
        found = asked("template.text-beside-calls/right.prompt", messages=messages)
        assert broken(found) == []
    wrong = asked(
        "template.text-beside-calls/wrong.prompt", messages=[*last[:2], *earlier, *last[1:]]
    )
    assert broken(wrong) == [("template.text-beside-calls", "prompt messages[5].content")]


def test_text_beside_calls_is_asked_for_only_where_both_are() -> None:
    file = "template.text-beside-calls/wrong.prompt"
    wordless = prompted(file, 2, content=None)
    words = prompted(file, 2, content="I look.", tool_calls=None)
    for found in (wordless, words):
        assert judgement(found, "template.text-beside-calls").outcome is Outcome.NA


@pytest.mark.parametrize(("result", "rules"), [("12345678", ["template.results"]), ("1234567", [])])
def test_a_short_result_may_be_in_the_prompt_by_chance(result: str, rules: list[str]) -> None:
    found = prompted("template.results/wrong.prompt", 3, content=result)
    assert found.prompt is not None
    text = found.prompt.text.replace("<result>", f"{result} {result}")
    shown = replace(found, prompt=replace(found.prompt, text=text))
    assert [id for id, _ in broken(shown)] == rules


def test_a_result_of_two_calls_is_wanted_twice() -> None:
    found = sample(SAMPLES / "template.results/right.prompt")
    messages = [*found.request["messages"], found.request["messages"][-1]]
    once = asked("template.results/right.prompt", messages=messages)
    assert finding(once, "template.results").actual == "1 times"
    twice = asked("template.results/wrong-twice.prompt", messages=messages)
    assert judgement(twice, "template.results").outcome is Outcome.PASS


SUNNY = "18 degrees and sunny in Málaga"
PARTS: list[Json] = [
    {"type": "text", "text": text} for text in ("18 degrees", " and sunny in Málaga")
]


@pytest.mark.parametrize("content", [SUNNY, PARTS], ids=["text", "parts"])
def test_a_result_that_others_say_too_may_be_there_more_than_once(content: Json) -> None:
    file = "template.results/wrong.prompt"
    messages = list(sample(SAMPLES / file).request["messages"])
    messages[3] = {**messages[3], "content": content}
    whole = {"role": "tool", "tool_call_id": "b", "content": f"{SUNNY} too"}
    again = [*messages[:3], messages[3], *messages[1:]]
    said = [*messages[:1], {"role": "user", "content": f"It was {SUNNY}"}, *messages[2:]]
    told = {**WEATHER, "description": f"As in {SUNNY}"}
    tools = [{"type": "function", "function": told}]
    once, twice = SUNNY, f"{SUNNY} {SUNNY} too"
    for options, shown, outcome in (
        ({"messages": messages}, once, Outcome.PASS),
        ({"messages": messages}, twice, Outcome.FAIL),
        ({"messages": [*messages, whole]}, twice, Outcome.PASS),
        ({"messages": again}, twice, Outcome.PASS),
        ({"messages": said}, twice, Outcome.PASS),
        ({"messages": messages, "tools": tools}, twice, Outcome.PASS),
    ):
        found = asked(file, "<result>", shown, **options)
        assert judgement(found, "template.results").outcome is outcome


def test_an_id_is_looked_for_by_its_last_nine_characters() -> None:
    file = "template.ids/right.prompt"
    assert broken(prompted(file, 3, tool_call_id="xParisCall")) == []
    wrong = prompted("template.ids/wrong.prompt", 3, tool_call_id="xParisCall")
    assert broken(wrong) == [("template.ids", "prompt id xParisCall")]


def test_an_empty_id_does_not_make_a_format_with_ids() -> None:
    found = sample(SAMPLES / "template.results/wrong-twice.prompt")
    result = found.request["messages"][3]
    messages = [*found.request["messages"], {**result, "tool_call_id": ""}]
    assert broken(asked("template.results/wrong-twice.prompt", messages=messages)) == []


@pytest.mark.parametrize("id", ["template.no-tools", "template.generation-prompt"])
def test_a_format_that_is_unknown_has_no_markup_to_look_for(id: str) -> None:
    assert broken(replace(sample(SAMPLES / id / "wrong.prompt"), format=None)) == []


@pytest.mark.parametrize(
    "shown",
    ['{"degrees": 18}', '[{"degrees": 18}', '[[[{"degrees": 18}]]', '{"a": [{"degrees": 18}]}'],
)
def test_a_result_is_found_wherever_json_stands(shown: str) -> None:
    found = prompted("template.results/wrong.prompt", 3, content='{"degrees":18}')
    assert [id for id, _ in broken(found)] == ["template.results"]
    assert found.prompt is not None
    text = found.prompt.text
    for whole in (shown + text, text.replace("<result>", shown)):
        assert broken(replace(found, prompt=replace(found.prompt, text=whole))) == []


WEATHER = {
    "name": "get_weather",
    "description": 'Tell the "weather" of a city.',
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
    },
}


def offered(old: str, new: str, *functions: Json) -> Evidence:
    tools = [{"type": "function", "function": one} for one in functions or (WEATHER,)]
    return asked("template.tools-json/right.prompt", old, new, tools=tools)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (r'"Tell the \"weather\" of a city."', '"Tell."'),
        (r'"Tell the \"weather\" of a city."', "5"),
        (r'"description": "Tell the \"weather\" of a city.", ', ""),
        ('"name": "get_weather"', '"name": "get_wether"'),
    ],
)
def test_what_stands_beside_the_json_of_a_tool_is_not_in_it(old: str, new: str) -> None:
    found = offered(old, new)
    assert found.prompt is not None
    text = found.prompt.text.replace(
        "</tools>", '</tools> get_weather: Tell the "weather" of a city.'
    )
    shown = replace(found, prompt=replace(found.prompt, text=text))
    assert broken(shown) == [("template.tools-json", "prompt tools[0]")]


def test_a_tool_that_has_no_more_than_a_name_needs_json_of_its_own() -> None:
    time = {"name": "get_time"}
    beside = offered("</tools>", "</tools> get_time", WEATHER, time)
    assert broken(beside) == [("template.tools-json", "prompt tools[1]")]
    assert broken(offered("</tools>", '{"name": "get_time"}</tools>', WEATHER, time)) == []


def test_calls_are_not_judged_where_a_tool_quotes_the_marks() -> None:
    quoting = {**WEATHER, "description": "Never write <tool_call>."}
    tools = [{"type": "function", "function": quoting}]
    found = asked("template.calls/wrong.prompt", tools=tools)
    assert judgement(found, "template.calls").outcome is Outcome.INCONCLUSIVE


def test_marks_beyond_ascii_are_seen_where_they_are_quoted() -> None:
    format = replace(FORMATS["hermes"], marks={"«call»": "marker"})
    found = replace(
        prompted("template.calls/wrong.prompt", 0, content="Say «call»."), format=format
    )
    assert judgement(found, "template.calls").outcome is Outcome.INCONCLUSIVE


SHOWN = [
    (
        "template.tools-json/wrong.prompt",
        r'"type\": \"function\", \"function\": {\"name\": \"get_weather\", '
        r'\"description\": \"Tell the \"wea…"type\": \"object\", \"properties\": '
        r'{\"city\": {\"type\": \"string\"}}, \"required\": [\"city\"]"',
    ),
    (
        "template.no-tools/wrong.prompt",
        r'"<|im_start|>system\nTools: <tools> </tools><|im_end|>\n<|im_start|>system\nBe brief.'
        r'<|im_end|>\n<|im_start|>user\nHow is Paris?<|im_end|>\n<|im_start|>assistant\n"',
    ),
    ("template.calls/wrong-none.prompt", "no calls"),
    ("template.results/wrong.prompt", "not in the prompt"),
    ("template.results/wrong-twice.prompt", "2 times"),
    (
        "template.generation-prompt/wrong-start.prompt",
        r""""<|im_start|>assistant\n<|im_start|>system"… (of 368, apart at 12) instead of """
        r""""<|im_start|>system\nYour tools: <tools>[{"… (of 346 characters)""",
    ),
]


@pytest.mark.parametrize(("file", "actual"), SHOWN)
def test_a_finding_shows_the_prompt_around_the_place(file: str, actual: str) -> None:
    assert finding(sample(SAMPLES / file), file.partition("/")[0]).actual == actual


def test_a_prompt_that_offers_tools_and_shows_calls_is_told_of_once() -> None:
    found = asked("template.no-tools/wrong.prompt", "</tools>", "</tools> <tool_call>")
    assert broken(found) == [("template.no-tools", "prompt")]


def test_marks_beyond_ascii_that_the_conversation_has_are_no_word_of_calls() -> None:
    format = replace(FORMATS["hermes"], marks={"«call»": "marker"})
    messages = [{"role": "user", "content": "Say «call»."}]
    found = asked("template.no-tools/right.prompt", "Be brief.", "Say «call».", messages=messages)
    assert judgement(replace(found, format=format), "template.no-tools").outcome is Outcome.PASS


def test_a_turn_that_the_prompt_begins_with_is_open() -> None:
    found = asked("template.no-tools/right.prompt")
    assert found.prompt is not None
    assert found.prompt.bare is None
    text = "<|im_start|>assistant\nBe brief. How is Paris?"
    shown = replace(found, prompt=replace(found.prompt, text=text))
    assert broken(shown) == []
