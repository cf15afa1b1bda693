"""Reads targets: the servers that the suite can start."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path
from typing import Any

from conformance.base import files, strictyaml
from conformance.base.suggest import did_you_mean
from conformance.engines import registry
from conformance.engines.registry import ENGINES
from conformance.formats import FORMATS
from conformance.terms.server import Target

FOLDER = Path(__file__).parents[1] / "targets"


class TargetProblem(Exception):
    """A target is missing or wrong; the message names it, what was seen, and what is allowed."""


def names() -> list[str]:
    """List the built-in targets."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def load(name_or_path: str) -> Target:
    """Read a target: a built-in one by its name, any other by the path of its YAML file.

    Raises TargetProblem.
    """
    if name_or_path in names():
        return read(FOLDER / f"{name_or_path}.yaml")
    path = Path(name_or_path).expanduser()
    if files.is_there(path):
        return read(path)
    close = get_close_matches(name_or_path, names(), n=1)
    hint = f"did you mean {close[0]}? " if close else ""
    raise TargetProblem(
        f"target {name_or_path}: there is neither such a target nor such a file; {hint}"
        f"built-in targets are {', '.join(names())}"
    )


def read(path: Path) -> Target:
    """Read a target file; paths in it start at its folder."""
    try:
        document = strictyaml.load(path, "target")
    except (strictyaml.FileProblem, OSError) as problem:
        raise TargetProblem(str(problem)) from None
    said: dict[str, Any] = document.value
    if said["format"] not in FORMATS:
        hint = did_you_mean(said["format"], FORMATS)
        what = f"format {said['format']!r} is unknown; {hint}"
        raise TargetProblem(str(document.problem(what, "format")))
    engine = said.get("engine", registry.DEFAULT.name)
    _check_engine(document, engine)
    _check_ends(document)
    tokenizer = dict(said["tokenizer"])
    if tokenizer["kind"] == "folder":
        tokenizer["path"] = _place(document, "tokenizer", "path")
    template = said.get("template")
    if template is not None and "/" in template:
        template = _place(document, "template")
    return Target(
        name=path.stem,
        about=said["about"],
        path=path,
        engine=engine,
        parser=said["parser"],
        format=said["format"],
        tokenizer=tokenizer,
        template=template,
        arguments=tuple(said.get("arguments", ())),
    )


def _check_engine(document: strictyaml.Document, engine: str) -> None:
    if engine not in ENGINES:
        what = f"engine {engine!r} is unknown; {did_you_mean(engine, ENGINES)}"
        raise TargetProblem(str(document.problem(what, "engine")))
    kind, allowed = document.value["tokenizer"]["kind"], ENGINES[engine].tokenizers
    if kind not in allowed:
        what = f"tokenizer of kind {kind!r} is not for {engine}; {did_you_mean(kind, allowed)}"
        raise TargetProblem(str(document.problem(what, "tokenizer", "kind")))


def _check_ends(document: strictyaml.Document) -> None:
    """Refuse a tokenizer that is made here without the tokens that begin and end its texts."""
    tokenizer = document.value["tokenizer"]
    for name in ("bos", "eos"):
        token, special = tokenizer.get(name), tokenizer.get("special", ())
        if token is not None and token not in special:
            what = f"tokenizer.{name} {token!r} is none of its special tokens"
            hint = f"name it there; they are {', '.join(special) or 'none'}"
            raise TargetProblem(str(document.problem(f"{what}; {hint}", "tokenizer", name)))


def _place(document: strictyaml.Document, *keys: str) -> str:
    """Make a path of a target file absolute; it starts at the folder of the file."""
    named = document.value
    for key in keys:
        named = named[key]
    place = (document.path.parent / Path(named).expanduser()).absolute()
    if not place.exists():
        where = f"{document.path}:{document.line(*keys)}"
        raise TargetProblem(f"{where}: {'.'.join(keys)}: there is no {place}")
    return str(place)
