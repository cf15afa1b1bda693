"""Each row of the table of options is refused, read and repeated as it says."""

from __future__ import annotations

import argparse
import shlex
from dataclasses import fields
from typing import Any, cast

import pytest

from conformance.engines import registry, target
from conformance.engines.registry import ENGINES, engine_of
from conformance.pytesting import option_reader
from conformance.pytesting.option import Option, Way
from conformance.pytesting.option_table import OPTIONS
from conformance.pytesting.options import Options

WAYS = {
    Way.URL: ["--server-url", "http://localhost:1/v1", "--parser", "hermes"],
    Way.LAUNCH: ["--launch=hermes"],
    Way.REFERENCE: ["--reference", "--parser", "hermes"],
    Way.TAPES: ["--tapes=kept"],
}
SAMPLES = {"--vllm": "0.31.0", "--format": "mistral", "--budget": "9", "--header": "X: y"}
"""Values that an option takes, where not every word is one."""
OTHERS = [option for option in OPTIONS if option.name not in [*Way, "--parser"]]


def given(option: Option) -> list[str]:
    """Give an option another value than it has by default."""
    if option.is_switch:
        return [option.name]
    other = [one for one in option.choices or () if one != option.default]
    usual = other[0] if other else "7" if option.type is int else "0.5"
    return [f"{option.name}={SAMPLES.get(option.name, usual)}"]


class Config:
    """As much of pytest's as the reader looks at, without the 0.2 s of a real one."""

    def __init__(self, words: tuple[str, ...]) -> None:
        parser = argparse.ArgumentParser(exit_on_error=False)
        for option in OPTIONS:
            option.add(parser.add_argument)
        self._given = vars(parser.parse_args(words))

    def getoption(self, name: str) -> Any:
        return self._given[name.removeprefix("--").replace("-", "_")]


def read(*words: str) -> Options:
    found = option_reader.read(cast(pytest.Config, Config(words)))
    assert found is not None
    return found


def test_every_field_of_the_options_has_a_row_and_only_options_of_engines_have_none() -> None:
    owed = {one.name for one in fields(Options)} - {"more"}
    keys = {option.key: option.name for option in OPTIONS}
    assert owed - set(keys) == set()
    own = {engine.release.name for engine in ENGINES.values()}
    own |= {switch.name for engine in ENGINES.values() for switch in engine.switches}
    assert {name for key, name in keys.items() if key not in owed} == own


def test_no_option_is_refused_where_it_means_something() -> None:
    assert [one.name for one in OPTIONS if set(one.refused) & set(one.ways)] == []


@pytest.mark.parametrize("way", Way)
@pytest.mark.parametrize("option", OTHERS, ids=lambda option: option.name)
def test_an_option_is_refused_read_and_repeated_as_its_row_says(option: Option, way: Way) -> None:
    words = [*WAYS[way], *given(option)]
    others = {name for engine in ENGINES.values() for name in engine.options}
    others -= engine_of(target.load("hermes")).options
    if way in option.refused or (way is Way.LAUNCH and option.name in others):
        with pytest.raises(pytest.UsageError, match=option.name):
            read(*words)
        return
    plain, found = read(*WAYS[way]), read(*words)
    assert found.value_of(option) != plain.value_of(option)
    repeated = option.repeat is not None and way in option.ways
    assert (found.repeat != plain.repeat) == repeated
    again = read(*shlex.split(found.repeat))
    assert again.repeat == found.repeat
    if repeated and option.name != "--header":  # a header shows where its value is, not the value
        assert again.value_of(option) == found.value_of(option)


@pytest.mark.parametrize(
    "option", [one for one in OPTIONS if one.environment], ids=lambda o: o.name
)
def test_a_variable_stands_in_for_its_option_and_goes_after_it(
    monkeypatch: pytest.MonkeyPatch, option: Option
) -> None:
    assert option.environment is not None
    value = "http://e/v1" if option.name == Way.URL else "9" if option.type else "mistral"
    monkeypatch.setenv(option.environment, value)
    if option.name == Way.URL:
        assert read("--parser", "hermes").server_url == value
        assert read(*WAYS[Way.URL]).server_url == "http://localhost:1/v1"
        assert read(*WAYS[Way.LAUNCH]).server_url is None
        return
    url, parser = WAYS[Way.URL][:2], ["--parser", "hermes"]
    others = [] if option.name == "--parser" else parser
    assert str(read(*url, *others).value_of(option)) == value
    own = "8" if option.type else "hermes"
    assert str(read(*url, *others, option.name, own).value_of(option)) == own


def test_the_repeat_command_stands_in_the_order_of_the_table() -> None:
    words = "--max-tokens=9 --repeat=5 --cuts=thorough --emission=sampled --format=mistral"
    found = read("--launch", "hermes", "--vllm", "0.31.0", *words.split())
    assert found.repeat == (
        "--launch=hermes --vllm=0.31.0 --format=mistral --emission=sampled --cuts=thorough "
        "--repeat=5 --max-tokens=9"
    )
    variants = ["--variant", "bare-role", "--variant", "no-token-ids"]
    found = read("--reference", *variants, "--fault=name-twice", "--parser", "hermes")
    assert found.repeat == (
        "--reference --parser hermes --variant bare-role --variant no-token-ids --fault=name-twice"
    )


def test_an_option_that_the_engine_of_a_target_does_not_know_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(type(registry.DEFAULT), "options", frozenset({"--vllm"}))
    words = ["--launch", "hermes", "--template=own.jinja"]
    with pytest.raises(pytest.UsageError, match="--template is not for hermes, which vLLM serves"):
        read(*words)
    assert read("--launch", "hermes", "--vllm", "0.31.0").release == "0.31.0"
