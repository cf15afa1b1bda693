"""What a tool's JSON Schema says of arguments."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from jsonschema import exceptions, validators
from jsonschema.validators import Draft202012Validator
from referencing import Registry

from conformance.base.jsonvalue import Json

Place = tuple[str | int, ...]
"""The keys and numbers that lead to a value in another."""


class SchemaProblem(ValueError):
    """A schema breaks its own draft; the message says how."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """A schema, ready for many values; three readings of it take different things for integers.

    Its functions raise where it cannot be used, which may show only at a value.
    """

    usual: Any
    """A validator of the schema's own draft."""
    whole: Any
    """One that takes any whole number, whatever the draft."""
    integer: Any
    """One that takes only what is written as an integer."""

    def problem_with(self, value: Any) -> exceptions.ValidationError | None:
        """Find what is wrong with a value, if anything is."""
        found: exceptions.ValidationError | None = exceptions.best_match(
            self.usual.iter_errors(value)
        )
        return found

    def integers_wanted(self, value: Any) -> set[Place]:
        """Say where a whole number is written as a decimal, and only integers are allowed.

        A branch of the schema that takes any number takes a decimal too. What breaks the schema in
        either spelling is not among them.
        """
        value = _spelled(value)
        either = {_key(problem) for problem in self.whole.iter_errors(value)}
        return {
            tuple(leaf.absolute_path)
            for problem in self.integer.iter_errors(value)
            if _key(problem) not in either
            for leaf in _leaves(problem)
            if leaf.validator == "type" and isinstance(leaf.instance, _Spelled)
        }


class ToolSchemas:
    """The schemas of the tools' parameters, by the tool's name.

    Each is made ready once, when it is needed: that takes milliseconds, and an answer may have very
    many calls.
    """

    def __init__(self, tools: Sequence[Json]) -> None:
        """Take the tools of a request, whatever their schemas."""
        functions = [tool["function"] for tool in tools]
        self._written: dict[str | None, Json] = {
            one["name"]: one.get("parameters", {}) for one in functions
        }
        self._ready: dict[str | None, Schema | str] = {}

    def __contains__(self, name: str | None) -> bool:
        """Whether a tool of this name was offered."""
        return name in self._written

    def __getitem__(self, name: str | None) -> Schema:
        """Give the schema of a tool that was offered; raises `SchemaProblem`."""
        if name not in self._ready:
            self._ready[name] = _prepared(self._written[name])
        found = self._ready[name]
        if isinstance(found, str):
            raise SchemaProblem(found)
        return found


def _prepared(schema: Json) -> Schema | str:
    """Make a schema ready, or say why it cannot be used."""
    usual: Any = validators.validator_for(schema, default=Draft202012Validator)
    try:
        usual.check_schema(schema)
    except Exception as refusal:
        return str(refusal)
    nothing = Registry()  # so that no reference is ever fetched
    return Schema(
        usual=usual(schema, registry=nothing),
        whole=_with_integers(usual, _is_whole)(schema, registry=nothing),
        integer=_with_integers(usual, _is_integer)(schema, registry=nothing),
    )


def _with_integers(kind: Any, is_integer: Callable[[Any], bool]) -> Any:
    checker = kind.TYPE_CHECKER.redefine("integer", lambda _, one: is_integer(one))
    return validators.extend(kind, type_checker=checker)  # type: ignore[no-untyped-call]


def decimals(value: Any) -> Iterator[tuple[Place, Decimal]]:
    """Find the numbers of a parsed value that were written with a point or an exponent."""
    if isinstance(value, Decimal):
        yield (), value
    members = value.items() if isinstance(value, dict) else ()
    items = enumerate(value) if isinstance(value, list) else ()
    for step, inner in (*members, *items):
        for place, number in decimals(inner):
            yield (step, *place), number


class _Spelled(float):
    """A number that was written as a decimal, in a value for `jsonschema`."""


def _spelled(value: Any) -> Any:
    match value:
        case Decimal():
            return _Spelled(value)
        case dict():
            return {key: _spelled(item) for key, item in value.items()}
        case list():
            return [_spelled(item) for item in value]
        case _:
            return value


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_whole(value: Any) -> bool:
    return _is_integer(value) or (isinstance(value, float) and value.is_integer())


def _key(problem: exceptions.ValidationError) -> tuple[Any, ...]:
    return tuple(problem.absolute_path), tuple(problem.absolute_schema_path)


def _leaves(problem: exceptions.ValidationError) -> Iterator[exceptions.ValidationError]:
    """Give what is wrong in the branches of a problem, or else the problem."""
    if not problem.context:
        yield problem
    for inner in problem.context or ():
        yield from _leaves(inner)
