"""What a model may say, made up: plain, and as hostile to a format as can be."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import pairwise

from hypothesis import strategies as st

from conformance.formats import FORMATS, Format, Inexpressible
from conformance.terms.said import Call, Text, Utterance

ODD = [
    "\\",
    '"',
    "\n",
    "\r\n",
    "{",
    "}",
    "]",
    ",",
    "é",
    "😀",
    "\ud800",
    "\u2028",
    "\0",
    " ",
    "null",
]
MARKS = sorted({mark for format in FORMATS.values() for mark in format.markup})
PLAIN = st.lists(st.sampled_from(ODD) | st.text(max_size=3), min_size=1).map("".join).filter(bool)
HOSTILE = (
    st.lists(st.sampled_from([*ODD, *MARKS]) | st.text(max_size=3), min_size=1)
    .map("".join)
    .filter(bool)
)


def arguments(texts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    values = st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts,
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(texts, inner, max_size=2),
        max_leaves=5,
    )
    objects = st.dictionaries(texts, values, max_size=3)
    spelt = st.builds(
        lambda value, ascii, indent: json.dumps(value, ensure_ascii=ascii, indent=indent),
        objects,
        st.booleans(),
        st.sampled_from([None, 0, 2]),
    )
    return spelt | st.just(f'{{"number": {"1" * 10_000}}}')


def utterances(texts: st.SearchStrategy[str]) -> st.SearchStrategy[list[Utterance]]:
    """What a model says: texts are not empty, and no two of them are neighbours."""
    calls = st.builds(Call, name=texts, arguments=arguments(texts))
    says = st.lists(st.builds(Text, text=texts) | calls, max_size=4)
    return says.filter(
        lambda items: (
            not any(
                isinstance(left, Text) and isinstance(right, Text)
                for left, right in pairwise(items)
            )
        )
    )


def expressible(format: Format, says: Sequence[Utterance]) -> tuple[Utterance, ...]:
    """What of it the format can say: all, the calls alone, or nothing."""
    for said in (says, [item for item in says if isinstance(item, Call)]):
        try:
            format.write(said)
        except Inexpressible:
            continue
        return tuple(said)
    return ()
