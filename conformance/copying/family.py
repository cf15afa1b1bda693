"""Of a target, what its copying model needs: the marks and the chat template."""

from __future__ import annotations

import hashlib
from pathlib import Path

from conformance.base import files
from conformance.base.files import Unread
from conformance.copying import weights
from conformance.copying.vocabulary import Vocabulary, of_recipe
from conformance.formats import FORMATS
from conformance.terms.server import Target

REACH = 1280
"""Tokens, by default; all shipped scripts but five are shorter, and each request is as long."""
MOST_OF_A_TEMPLATE = 10_000_000
"""Bytes."""


class FamilyProblem(Exception):
    """No copying model can be made for a target; the message says why, and what to do."""


def vocabulary_of(family: Target) -> Vocabulary:
    """Take the marks of a target's tokenizer; raises `FamilyProblem`."""
    if family.tokenizer["kind"] != "bpe":
        raise FamilyProblem(
            f"{family.path}: its tokenizer is of the kind {family.tokenizer['kind']}, and the "
            "model's vocabulary is that of one of the kind bpe: its special and added tokens; "
            "name such a target, or write one"
        )
    vocabulary = of_recipe(family.tokenizer)
    if vocabulary.size > weights.MOST_TOKENS:
        most = weights.MOST_TOKENS - vocabulary.size + len(vocabulary.marks)
        raise FamilyProblem(f"{family.path}: {len(vocabulary.marks)} marks; at most {most} fit")
    return vocabulary


def template_of(family: Target, chosen: str | None) -> str:
    """Give the text of a chat template: the chosen file's, the target's or the format's.

    Raises `FamilyProblem`. A name in the examples of an engine counts as none.
    """
    if named := _file(family, chosen):
        try:
            return files.text(named, MOST_OF_A_TEMPLATE)
        except Unread as problem:
            raise FamilyProblem(str(problem)) from None
    if written := FORMATS[family.format].chat_template:
        return written
    raise FamilyProblem(
        f"{family.name}: no chat template has been written for {family.format}; "
        "give one with --template FILE"
    )


def describe(family: Target, chosen: str | None, text: str) -> str:
    """Give the name of that template, and the digest of its text."""
    named = _file(family, chosen)
    name = named.name if named else f"{family.format} of this suite"
    return f"{name} sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def _file(family: Target, chosen: str | None) -> Path | None:
    own = family.template if family.template and "/" in family.template else None
    return Path(named).expanduser() if (named := chosen or own) else None
