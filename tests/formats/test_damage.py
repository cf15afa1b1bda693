"""Damages turn what a model meant into what it should not have said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from conformance.casefiles import casefile
from conformance.formats import FORMATS, Format, Inexpressible
from conformance.formats.damage import DAMAGES, damaged
from conformance.formats.format import text_of
from conformance.terms.said import Call, Text, Utterance
from tests.utterances import HOSTILE, PLAIN, expressible, utterances

GOLDEN: dict[str, dict[str, Any]] = yaml.safe_load(
    (Path(__file__).parent / "damaged.yaml").read_text("utf-8")
)
"""Each damage, with what is meant and what each of some formats makes of it."""

EACH = pytest.mark.parametrize("format", FORMATS.values(), ids=FORMATS)


def meant(said: Any) -> list[Utterance]:
    if isinstance(said, str):
        return [Text(text=said)]
    return [
        Text(text=item["text"])
        if "text" in item
        else Call(name=item["call"], arguments=json.dumps(item["arguments"], ensure_ascii=False))
        for item in said
    ]


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damage_says_in_each_format_what_it_has_always_said(name: str) -> None:
    row = GOLDEN[name]
    for format in row.keys() - {"says", "word"}:
        try:
            text = text_of(damaged(meant(row["says"]), FORMATS[format], name, row.get("word", "")))
        except Inexpressible:
            text = None
        assert (format, text) == (format, row[format])


def test_every_damage_is_used_by_a_shipped_case() -> None:
    used: set[str] = set()
    for path in casefile.shipped().glob("[!_]*.yaml"):
        for case in yaml.safe_load(path.read_text("utf-8"))["cases"]:
            damage = case.get("damage", ())
            used |= {damage} if isinstance(damage, str) else {*damage}
    assert used == DAMAGES.keys()


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damage_says_what_it_does_in_a_sentence(damage: Any) -> None:
    assert damage.about.endswith(".")


@EACH
@given(
    said=utterances(HOSTILE) | utterances(PLAIN),
    name=st.sampled_from(sorted(DAMAGES)),
    word=st.text(max_size=5),
)
def test_any_damage_of_anything_is_a_text_or_makes_no_sense(
    format: Format, said: list[Utterance], name: str, word: str
) -> None:
    try:
        script = damaged(expressible(format, said), format, name, word)
    except Inexpressible:
        return
    assert all(piece.text for piece in script)


@EACH
def test_what_a_damage_spares_is_a_damage_and_has_a_reason(format: Format) -> None:
    assert format.spared.keys() <= DAMAGES.keys()
    assert all(reason.endswith(".") for reason in format.spared.values())


SOUND = {"as-it-is", "call-id"}
"""Damages of what is sound; the first is none, and the second only writes more."""


@EACH
@pytest.mark.parametrize("name", sorted(DAMAGES.keys() - SOUND))
def test_a_damage_changes_what_is_said(format: Format, name: str) -> None:
    row = GOLDEN[name]
    said = meant(row["says"])
    try:
        text = text_of(damaged(said, format, name, row.get("word", "")))
        sound = text_of(format.write(said))
    except Inexpressible:
        return
    alike = {"text-after", "right-before-the-mark"}  # formats that say the same without a line
    assert text != sound or name in alike
