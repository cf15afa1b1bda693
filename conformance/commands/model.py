"""`model`: write the copying model, for any server that loads a Llama."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from conformance.base import files, outlet
from conformance.base.printable import line
from conformance.copying import family, gguf, safetensors, weights
from conformance.engines import target


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
        default=family.REACH,
        help="tokens from the script's first to the answer's first: a longer script needs more, "
        "and every request is as long (default: %(default)s)",
    )
    one.add_argument("--template", metavar="FILE", help="a chat template in place of the family's")
    one.set_defaults(command=model)


def model(chosen: argparse.Namespace) -> int:
    """Write the model's files into a folder."""
    recipe = target.load(chosen.family)
    reach, vocabulary = _reach(chosen.reach), family.vocabulary_of(recipe)
    template = family.template_of(recipe, chosen.template)
    name = f"copying-{recipe.name}"
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
