"""Which files of a folder hold cases: none is passed over in silence."""

from __future__ import annotations

import re
from pathlib import Path

from conformance.base import files, strictyaml

SUFFIXES = (".yaml", ".yml")
"""Only the first is allowed; the reader of cases says so where a file has the other."""

_KEY = re.compile(r"^\ufeff?[\"']?cases[\"']?[ \t]*:", re.MULTILINE | re.IGNORECASE)
_FLOW = re.compile(r"\ufeff?\s*\{.*[\"']?cases[\"']?\s*:", re.DOTALL | re.IGNORECASE)


def is_case_file(path: Path) -> bool:
    """Whether a file is read as cases: it says `cases:`, or lies beside one that does.

    What is meant to be skipped begins with `_`.
    """
    if path.suffix not in SUFFIXES or path.name.startswith("_"):
        return False
    beside = any(_says_cases(one) for one in sorted(path.parent.glob("[!_.]*.yaml")) if one != path)
    if path.suffix == ".yml":  # the suffix of other files
        return beside and _says_cases(path)
    return beside or _says_cases(path)


def _says_cases(path: Path) -> bool:
    try:
        text = files.text(path, strictyaml.MAX_BYTES)
    except files.Unread:
        return True  # the reader of cases says why it cannot be read
    return bool(_KEY.search(text) or _FLOW.match(text))
