"""A copying model, simulated: it says what stands so many tokens before the end of the prompt."""

from __future__ import annotations

from conformance.base.jsonvalue import Json
from conformance.copying.vocabulary import BYTES, Vocabulary
from conformance.formats import Format
from conformance.reference.pretend_model import Says
from conformance.reference.prompt import render
from conformance.terms.said import Script


def copying(reach: int) -> Says:
    """Make a model that looks so many tokens back."""

    def says(request: Json, format: Format) -> Script:
        vocabulary = vocabulary_of(format)
        ids = vocabulary.encode(render(request, format))
        end = vocabulary.id(format.end)
        said = ids[-reach:] if len(ids) >= reach else []
        return format.pieces(_text(said[: said.index(end)] if end in said else said, vocabulary))

    return says


def vocabulary_of(format: Format) -> Vocabulary:
    """Make a vocabulary in which all that a format calls markup is one token."""
    marks = tuple(dict.fromkeys((format.end, *format.markup)))
    return Vocabulary(special=marks, added=(), bos=format.end, eos=format.end)


def _text(ids: list[int], vocabulary: Vocabulary) -> str:
    marks = vocabulary.marks
    data = b"".join(bytes([id]) if id < BYTES else marks[id - BYTES].encode() for id in ids)
    return data.decode("utf-8", "surrogatepass")
