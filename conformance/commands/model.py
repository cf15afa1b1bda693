"""`model`: write the copying model, for any server that loads a Llama."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from conformance.base import files, outlet
from conformance.base.printable import line
from conformance.copying import gguf, safetensors, weights
from conformance.copying.vocabulary import Vocabulary, of_recipe
from conformance.engines import target
from conformance.formats import FORMATS
from conformance.terms.server import Target

REACH = 1280
"""Tokens; all shipped cases but five are shorter, and each request has as many to read."""
MOST_OF_A_TEMPLATE = 10_000_000


class ModelProblem(Exception):
    """No model can be written; the message says why, and what to do."""


def add(commands: Any) -> None:
    """Add the command to a parser."""
    one = commands.add_parser(
        "model", help="write a model that says what stands in its prompt, for any server"
    )
    one.add_argument("family", metavar="FAMILY", help="a target: its marks and its chat template")
    one.add_argument("-o", dest="folder", metavar="FOLDER", required=True, help="new, or empty")
    one.add_argument("--format", choices=("safetensors", "gguf"), default="safetensors")
    one.add_argument(
        "--reach",
        type=int,
        metavar="N",
        default=REACH,
        help="tokens from the script's first to the answer's first: a longer script needs more, "
        "and every request is as long (default: %(default)s)",
    )
    one.add_argument("--template", metavar="FILE", help="a chat template in place of the family's")
    one.set_defaults(command=model)


def model(chosen: argparse.Namespace) -> int:
    """Write the model's files into a folder."""
    family = target.load(chosen.family)
    reach, vocabulary = _reach(chosen.reach), _vocabulary(family)
    template = _template(family, chosen.template)
    name = f"copying-{family.name}"
    if chosen.format == "gguf":
        found = {f"{name}.gguf": gguf.file(vocabulary, template, reach, name=name)}
    else:
        found = safetensors.files(vocabulary, template, reach)
    folder = Path(chosen.folder)
    _write(found, folder)
    place = folder / f"{name}.gguf" if chosen.format == "gguf" else folder
    outlet.say(
        line(f"{place}: {name}, {vocabulary.size} tokens, a reach of {reach}; serve it under that ")
        + "name,\nand docs/copying-model.md says how to ask it"
    )
    return 0


def _reach(reach: int) -> int:
    if weights.LEAST_REACH <= reach <= weights.MOST_REACH:
        return reach
    allowed = f"{weights.LEAST_REACH} to {weights.MOST_REACH}"
    raise ModelProblem(f"--reach {reach}: allowed: {allowed}")


def _vocabulary(family: Target) -> Vocabulary:
    if family.tokenizer["kind"] != "bpe":
        raise ModelProblem(
            f"{family.path}: its tokenizer is of the kind {family.tokenizer['kind']}, and the "
            "model's vocabulary is that of one of the kind bpe: its special and added tokens; "
            "name such a target, or write one"
        )
    vocabulary = of_recipe(family.tokenizer)
    if vocabulary.size > weights.MOST_TOKENS:
        most = weights.MOST_TOKENS - vocabulary.size + len(vocabulary.marks)
        raise ModelProblem(f"{family.path}: {len(vocabulary.marks)} marks; at most {most} fit")
    return vocabulary


def _template(family: Target, chosen: str | None) -> str:
    own = family.template if family.template and "/" in family.template else None
    if named := chosen or own:
        return files.text(Path(named).expanduser(), MOST_OF_A_TEMPLATE)
    if written := FORMATS[family.format].chat_template:
        return written
    raise ModelProblem(
        f"{family.name}: no chat template has been written for {family.format}; "
        "give one with --template FILE"
    )


def _write(found: Mapping[str, bytes], folder: Path) -> None:
    """Write files into a folder that has none yet; raises `ModelProblem`."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if seen := next(folder.iterdir(), None):
            raise ModelProblem(f"-o {folder}: {seen.name} is in it; name a new or an empty folder")
        for name, data in found.items():
            (folder / name).write_bytes(data)
    except (OSError, ValueError) as problem:
        raise ModelProblem(f"-o {files.unwritable(folder, problem, 'folder')}") from None
