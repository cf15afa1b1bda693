"""The texts of a case that spells them out or damages them, and the formats that have none."""

from __future__ import annotations

from collections.abc import Sequence

from conformance.base.jsonvalue import Json
from conformance.base.strictyaml import Document
from conformance.base.suggest import did_you_mean
from conformance.casefiles import modes
from conformance.formats import FORMATS, Inexpressible
from conformance.formats.damage import DAMAGES, damaged
from conformance.terms.said import Script, Utterance

Place = tuple[str | int, ...]


def texts(
    document: Document, at: Place, spec: Json, meant: Sequence[Utterance] | None
) -> tuple[dict[str, Script], dict[str, str]]:
    """Give the text in each format, and the reason in each format or mode that has none.

    What the case spells out or omits is taken before what is derived from a damage.
    """
    omits = _omits(document, at, spec)
    raw = _raw(document, at, spec)
    if "damage" not in spec or meant is None:
        return raw, omits
    name, word = _damage(document, at, spec["damage"])
    reasons = dict(omits)
    for format in FORMATS.values():
        if format.name in raw or format.name in omits:
            continue
        try:
            raw[format.name] = damaged(meant, format, name, word)
        except Inexpressible as problem:
            reasons[format.name] = str(problem)
    if not raw:
        why = next(iter(reasons.values()))
        raise document.problem(f"no format can say this with {name!r}: {why}", *at, "damage")
    return raw, reasons


def _damage(document: Document, at: Place, said: Json) -> tuple[str, str]:
    ((name, word),) = said.items() if isinstance(said, dict) else [(said, None)]
    here = (*at, "damage")
    if name not in DAMAGES:
        raise document.problem(f"unknown damage {name!r}; {did_you_mean(name, DAMAGES)}", *here)
    if DAMAGES[name].takes and word is None:
        raise document.problem(f"damage {name!r} needs a word: {{{name}: WORD}}", *here)
    if word is not None and not DAMAGES[name].takes:
        raise document.problem(f"damage {name!r} with a word; allowed: the name alone", *here)
    return name, word or ""


def _raw(document: Document, at: Place, spec: Json) -> dict[str, Script]:
    scripts: dict[str, Script] = {}
    for name, text in spec.get("raw", {}).items():
        if name not in FORMATS:
            hint = did_you_mean(name, FORMATS)
            raise document.problem(f"unknown format {name!r}; {hint}", *at, "raw", name)
        scripts[name] = FORMATS[name].pieces(text)
    return scripts


def _omits(document: Document, at: Place, spec: Json) -> dict[str, str]:
    omits: dict[str, str] = spec.get("omits", {})
    for name in omits:
        here = (*at, "omits", name)
        if name not in FORMATS and not modes.named(name):
            hint = f"formats: {', '.join(sorted(FORMATS))}; modes: {modes.ALLOWED}"
            raise document.problem(f"unknown format or mode {name!r}; {hint}", *here)
        if name in spec.get("raw", {}):
            raise document.problem(f"format {name!r} is omitted and has a raw text", *here)
    return omits
