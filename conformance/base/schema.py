"""The JSON Schemas of the files that the suite reads and writes."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match
from referencing.jsonschema import DRAFT202012, EMPTY_REGISTRY

from conformance.base import files, jsonvalue
from conformance.base.jsonvalue import Json

FOLDER = Path(__file__).parents[1] / "schemas"
MAX_BYTES = 1_000_000


@cache
def validator(schema: str) -> Draft202012Validator:
    """Give the validator of `schemas/SCHEMA.json`."""
    schemas = {one.name: json.loads(files.text(one, MAX_BYTES)) for one in FOLDER.glob("*.json")}
    # Schemas refer to one another by file name; the registry keeps that off the network.
    registry = EMPTY_REGISTRY.with_contents(schemas.items(), default_specification=DRAFT202012)
    return Draft202012Validator(schemas[f"{schema}.json"], registry=registry)


def misfit(found: Json, schema: str) -> str | None:
    """Say where a document does not fit its schema, as `at PLACE: WHY`; `None` if it fits."""
    error = best_match(validator(schema).iter_errors(found))
    if error is None:
        return None
    place = jsonvalue.path(error.absolute_path)
    return f"at {place}: {jsonvalue.show(error.message, 200)}"
