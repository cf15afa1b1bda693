"""Read cases from YAML: conversations, tools, what the model says, and what must come of it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from jsonschema import SchemaError, ValidationError
from jsonschema.validators import validator_for
from referencing.exceptions import Unresolvable
from referencing.jsonschema import EMPTY_REGISTRY

from conformance.base import files, jsonvalue, strictyaml
from conformance.base.jsonvalue import Json
from conformance.base.strictyaml import Document, FileProblem
from conformance.base.suggest import did_you_mean
from conformance.casefiles import modes, old
from conformance.casefiles.expectation import derive
from conformance.casefiles.texts import Place, texts
from conformance.terms.asked import Allowed, Named, Options, read_options
from conformance.terms.case import Case, Echo, Expectation, Mode
from conformance.terms.said import Call, Text, Utterance
from conformance.wires.registry import WIRES

TOOLS = "_tools.yaml"
"""The file in a folder of cases that holds the tools its topic files share."""


OTHER_KINDS = {
    "issues": ("a list of known issues", "give it to --known"),
    "tokenizer": ("a target", "give it to --launch"),
    "tools": ("a list of tools", f"cases read it as {TOOLS}"),
}
"""Files of the suite that are no cases, by a key that only they have, and what they are for."""
_STEM = re.compile(r"[a-z0-9-]{1,50}")


# What jsonschema raises for unusable schemas that their metaschema allows.
_UNUSABLE = (Unresolvable, RecursionError, OverflowError, ValueError, TypeError, re.error)


MANY, LONG = 4, 500
"""Calls, and characters of one, that a model of seven billion parameters gets right."""


def shipped() -> Path:
    """Find the folder of the cases that come with the suite, in a clone or in a wheel."""
    package = Path(__file__).parents[1]
    carried = package / "cases"
    return carried if carried.is_dir() else package.parent / "cases"


def load_folder(folder: Path) -> list[Case]:
    """Read all topic files in and below a folder; files that begin with `_` hold no cases."""
    files = sorted(file for file in folder.rglob("*.yaml") if not file.name.startswith("_"))
    return _unique(load_files(files))


def load_files(files: Iterable[Path]) -> Iterator[Case]:
    """Read topic files one after the other; the tools that they share are read once."""
    shared: dict[Path, Mapping[str, Json]] = {}
    for file in files:
        if file.parent not in shared:
            shared[file.parent] = load_tools(file.parent / TOOLS)
        yield from load(file, shared[file.parent])


def load(path: Path, tools: Mapping[str, Json] | None = None) -> list[Case]:
    """Read one topic file; the tools are those of `_tools.yaml` beside it unless given."""
    document = strictyaml.load(path, "case", first=_refuse)
    if not _STEM.fullmatch(path.stem) or path.suffix != ".yaml":
        raise document.problem(f"file name {path.name}; allowed: 1 to 50 of a-z 0-9 -, then .yaml")
    shared = load_tools(path.parent / TOOLS) if tools is None else tools
    return _unique(_case(document, index, shared) for index in range(len(document.value["cases"])))


def _refuse(document: Document) -> None:
    value = document.value
    if isinstance(value, dict) and "cases" not in value:
        for key, (kind, use) in OTHER_KINDS.items():
            if key in value:
                what = f"is {kind}, no cases; {use}, and keep it elsewhere or begin its name with _"
                raise document.problem(what, key)
    old.refuse(document)


def load_tools(path: Path) -> dict[str, Json]:
    """Read the tools that a folder's cases share, by name; none if there is no such file."""
    if not files.is_there(path):
        return {}
    document = strictyaml.load(path, "tools")
    tools: dict[str, Json] = {}
    for index, tool in enumerate(document.value["tools"]):
        _add_tool(document, ("tools", index), tools, tool)
        _check_parameters(document, ("tools", index), tool)
    return tools


def _unique(cases: Iterator[Case]) -> list[Case]:
    found: dict[str, Case] = {}
    for case in cases:
        first = found.setdefault(case.id, case)
        if first is not case:
            what = f"duplicate id {case.id!r}, first at {first.path}:{first.line}; allowed once"
            raise FileProblem(case.path, case.line, what)
    return list(found.values())


def _case(document: Document, index: int, shared: Mapping[str, Json]) -> Case:
    at: Place = ("cases", index)
    spec = document.value["cases"][index]
    tools = _tools(document, at, spec, shared)
    options = read_options(spec.get("options", {}))
    _check_choice(document, at, options, tools)
    meant = _says(document, at, spec, tools)
    raw, omits = texts(document, at, spec, meant)
    says = None if "damage" in spec else meant
    cut_after = _cut_after(document, at, spec)
    written = _written(document, at, spec, tools)
    derived = derive(says, options, cut_after) if says else Expectation()
    case = Case(
        id=f"{document.path.stem}/{spec['id']}",
        about=spec["about"],
        why=spec.get("why"),
        path=document.path,
        line=document.line(*at),
        messages=tuple(spec["messages"]),
        tools=tuple(tools.values()),
        options=options,
        wire=_wire(document, at, spec),
        says=says,
        raw=raw,
        expect=_merged(derived, written),
        omits=omits,
        cut_after=cut_after,
        sampled=spec.get("sampled", _can_be_asked(says, cut_after) or written.refused),
        modes=_modes(document, at, spec),
        echo=_echo(document, at, spec, tools, says),
    )
    for name in case.wire:
        if problem := WIRES[name].field_problem(case):
            raise document.problem(problem[1], *at, "wire", name, problem[0])
    return case


def _wire(document: Document, at: Place, spec: Json) -> dict[str, Mapping[str, Json]]:
    wire: dict[str, Mapping[str, Json]] = spec.get("wire", {})
    for name in wire:
        if name not in WIRES:
            hint = did_you_mean(name, WIRES)
            raise document.problem(f"unknown wire {name!r}; {hint}", *at, "wire", name)
    return wire


def _can_be_asked(says: Sequence[Utterance] | None, cut_after: str | None) -> bool:
    """Whether a real model can be relied on to say this when it is asked for it.

    No model breaks its markup on command, ends at an exact place or adds text after its calls;
    none gets many calls or a long text right.
    """
    if says is None or cut_after is not None:
        return False
    calls = [place for place, item in enumerate(says) if isinstance(item, Call)]
    long = any(len(item.arguments if isinstance(item, Call) else item.text) > LONG for item in says)
    talks_on = bool(calls) and any(isinstance(item, Text) for item in says[calls[0] :])
    return not (long or talks_on or len(calls) > MANY)


def _echo(
    document: Document,
    at: Place,
    spec: Json,
    tools: Mapping[str, Json],
    says: Sequence[Utterance] | None,
) -> Echo | None:
    echo = spec.get("echo")
    if echo is None:
        return None
    calls = sum(isinstance(item, Call) for item in says or ())
    if len(echo["results"]) != calls:
        what = f"{len(echo['results'])} results for {calls} calls; allowed: one for each"
        raise document.problem(what, *at, "echo", "results")
    then = _says(document, (*at, "echo"), echo, tools) or ()
    return Echo(results=tuple(echo["results"]), says=then)


def _modes(document: Document, at: Place, spec: Json) -> tuple[Mode, ...]:
    found: list[Mode] = []
    for index, name in enumerate(spec.get("modes", [])):
        mode = modes.named(name)
        if mode is None:
            what = f"unknown mode {name!r}; allowed: {modes.ALLOWED}"
            raise document.problem(what, *at, "modes", index)
        found.append(mode)
    return tuple(found)


def _tools(
    document: Document, at: Place, spec: Json, shared: Mapping[str, Json]
) -> dict[str, Json]:
    tools: dict[str, Json] = {}
    for index, item in enumerate(spec.get("tools", [])):
        here = (*at, "tools", index)
        if isinstance(item, str) and item not in shared:
            hint = did_you_mean(item, shared) if shared else f"no tools in {TOOLS} beside this file"
            raise document.problem(f"unknown tool {item!r}; {hint}", *here)
        _add_tool(document, here, tools, shared[item] if isinstance(item, str) else item)
        if not isinstance(item, str):  # the shared ones were checked in their own file
            _check_parameters(document, here, item)
    return tools


def _add_tool(document: Document, at: Place, tools: dict[str, Json], tool: Json) -> None:
    """Add a tool whose name is new."""
    name = tool["function"]["name"]
    if name in tools:
        raise document.problem(f"tool {name!r} a second time; allowed once", *at)
    tools[name] = tool


def _check_parameters(document: Document, at: Place, tool: Json) -> None:
    """Check that a tool's parameters are a JSON Schema."""
    schema = tool["function"].get("parameters", {})
    try:
        validator_for(schema).check_schema(schema)
    except SchemaError as error:
        here = (*at, "function", "parameters", *error.absolute_path)
        raise document.problem(f"not a valid JSON Schema: {error.message}", *here) from error
    except _UNUSABLE as error:
        raise document.problem(f"not a valid JSON Schema: {error}", *at) from error


def _check_choice(
    document: Document, at: Place, options: Options, tools: Mapping[str, Json]
) -> None:
    here = (*at, "options", "choice")
    match options.choice:
        case Named(name):
            _check_offered(document, (*here, "name"), name, tools)
        case Allowed(names):
            for index, name in enumerate(names):
                _check_offered(document, (*here, "allowed", index), name, tools)
        case "required" if not tools:
            raise document.problem("choice 'required' in a case without tools", *here)


def _check_offered(document: Document, at: Place, name: str, tools: Mapping[str, Json]) -> None:
    if name not in tools:
        hint = did_you_mean(name, tools) if tools else "the case has no tools"
        raise document.problem(f"{name!r} is not among the case's tools; {hint}", *at)


def _says(
    document: Document, at: Place, spec: Json, tools: Mapping[str, Json]
) -> tuple[Utterance, ...] | None:
    says = spec.get("says")
    if says is None:
        return None
    if isinstance(says, str):
        return (Text(text=says),)
    return tuple(
        Text(text=item["text"] * item.get("times", 1))
        if "text" in item
        else _call(document, (*at, "says", index), item, tools)
        for index, item in enumerate(says)
    )


def _call(document: Document, at: Place, item: Json, tools: Mapping[str, Json]) -> Call:
    """Read a call whose arguments its tool allows."""
    name = item["call"]
    _check_offered(document, (*at, "call"), name, tools)
    if "arguments" in item:
        key, value = "arguments", _lengthened(document, at, item)
        # The spelling of `tojson` in the models' chat templates.
        text = json.dumps(value, ensure_ascii=False)
    else:
        key, text = "arguments_json", item["arguments_json"]
        value = _object(document, (*at, key), text)
    _check_arguments(document, (*at, key), value, tools[name]["function"])
    return Call(name=name, arguments=text)


def _lengthened(document: Document, at: Place, item: Json) -> Json:
    """Give the arguments; repeat each string that `times` names that many times."""
    value: dict[str, Json] = dict(item["arguments"])
    for name, times in item.get("times", {}).items():
        if not isinstance(value.get(name), str):
            what = f"times for {name!r}, which is not a string among the arguments"
            raise document.problem(what, *at, "times", name)
        value[name] *= times
    return value


def _object(document: Document, at: Place, text: str) -> Json:
    try:
        value = jsonvalue.plain(jsonvalue.parse(text))
    except jsonvalue.JsonProblem as problem:
        what = f"arguments_json is not JSON: {problem}; broken output is for damage"
        raise document.problem(what, *at) from problem
    if not isinstance(value, dict):
        raise document.problem("arguments_json is not a JSON object; odd output is for damage", *at)
    return value


def _check_arguments(document: Document, at: Place, value: Json, function: Json) -> None:
    schema = function.get("parameters", {})
    # The registry keeps a $ref of a case from reaching the network.
    validator = validator_for(schema)(schema, registry=EMPTY_REGISTRY)
    try:
        error: ValidationError | None = next(validator.iter_errors(value), None)
    except _UNUSABLE as problem:
        what = f"the parameters of {function['name']!r} cannot judge this: {problem}"
        raise document.problem(what, *at) from problem
    if error:
        what = f"arguments that {function['name']!r} does not allow: {error.message}"
        raise document.problem(what, *at, *error.absolute_path)


def _written(document: Document, at: Place, spec: Json, tools: Mapping[str, Json]) -> Expectation:
    expect: dict[str, Any] = spec.get("expect", {})
    calls = None
    if "calls" in expect:
        calls = tuple(
            _call(document, (*at, "expect", "calls", index), item, tools)
            for index, item in enumerate(expect["calls"])
        )
    ending = expect.get("ending")
    endings = (ending,) if isinstance(ending, str) else ending and tuple(ending)
    return Expectation(
        calls=calls,
        content=expect.get("content"),
        ending=endings,
        refused="refused" in expect,
        answerable=expect.get("refused") == "preferred",
        keeps=tuple(expect.get("keeps", ())),
        broken=expect.get("broken", False),
    )


def _merged(derived: Expectation, written: Expectation) -> Expectation:
    """Take what is written before what is derived, field by field."""
    return replace(
        written,
        calls=derived.calls if written.calls is None else written.calls,
        content=derived.content if written.content is None else written.content,
        ending=written.ending or derived.ending,
    )


def _cut_after(document: Document, at: Place, spec: Json) -> str | None:
    cut_after: str | None = spec.get("cut_after")
    if cut_after is not None and "limit" in spec.get("options", {}):
        raise document.problem("cut_after beside a limit; allowed: one", *at, "cut_after")
    return cut_after
