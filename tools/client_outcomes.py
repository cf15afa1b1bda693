"""What it means that a client breaks: a program gets something else than from the right answer."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from conformance.base.jsonvalue import Json
from conformance.rules import RULES
from tools.client_runs import Recording

SAME = "same"
"""A program gets just what the right recording gives it."""

_ID = re.compile(r'"id"\s*:\s*"([^"]+)"')
_USAGE = re.compile(r'"usage"\s*:\s*([{\[][^}\]]*)')
_WORD = re.compile(r"[a-z]{3,}")


def outcomes(
    recorded: Mapping[str, Recording], answers: Mapping[str, Json]
) -> dict[str, dict[str, str]]:
    """Say of each rule's wrong recordings, in words, what a client makes of them."""
    found: dict[str, dict[str, str]] = {}
    for id, wrong in recorded.items():
        rule, _, file = id.partition("/")
        if file.startswith("wrong"):
            right = recorded[f"{rule}/right{file[file.rindex('.') :]}"]
            said = _outcome(wrong, answers[id], right, answers[right.id])
            found.setdefault(rule, {})[file] = said
    return found


def _outcome(wrong: Recording, got: Json, right: Recording, due: Json) -> str:
    if "hangs" in got:
        return SAME if "hangs" in due else "hangs"
    if "raises" in got:
        return _raised(wrong, got, right, due)
    if "choices" not in due:
        return "returns an answer"
    ours, others = _view(wrong, got), _view(right, due)
    for part in ("calls", "text", "ending"):
        if ours[part] != others[part]:
            return f"other {part}"
    if _compares_usage(wrong, right) and ours["usage"] != others["usage"]:
        return "other usage"
    return SAME


def _raised(wrong: Recording, got: Json, right: Recording, due: Json) -> str:
    if "raises" not in due:
        return f"raises {got['raises']}: {got['message']}".removesuffix(": ")
    if got["raises"] != due["raises"]:
        return f"raises {got['raises']}, not {due['raises']}"
    if _shows(right, due) and not _shows(wrong, got):
        return f"raises {got['raises']} without the server's words: {got['message']}"
    return SAME


def _shows(recording: Recording, answer: Json) -> bool:
    """Whether an exception has any word of the body."""
    body = recording.body.decode("utf-8", "replace")
    return not {*_WORD.findall(body)}.isdisjoint(_WORD.findall(answer["message"]))


def _compares_usage(wrong: Recording, right: Recording) -> bool:
    """Whether a client's usage shows what it makes of a recording.

    LiteLLM counts tokens itself where none are sent. And where two recordings differ in usage by
    chance, so do the answers, which says nothing of a rule that is not about usage.
    """
    sent = [{*_USAGE.findall(one.body.decode("utf-8", "replace"))} for one in (wrong, right)]
    about = RULES[wrong.id.partition("/")[0]].area == "usage"
    return about or (bool(sent[0]) and sent[0] == sent[1])


def _view(recording: Recording, answer: Json) -> Json:
    """Bring an answer into a form that two can be compared in."""
    sent = {*_ID.findall(recording.body.decode("utf-8", "replace"))}
    choices = answer["choices"]
    return {
        "calls": [_calls(one["calls"], sent) for one in choices],
        "text": [one.get("text") or "" for one in choices],
        "ending": [one.get("ending") for one in choices],
        "usage": answer.get("usage"),
    }


def _calls(calls: list[Any], sent: set[str]) -> list[Any]:
    """Give names and arguments, and of ids whether they are alike, and can be answered to."""
    ids = [id for _, _, id in calls]
    joined = re.compile(f"({'|'.join(map(re.escape, sorted(sent)))}){{2,}}" if sent else "(?!)")
    return [
        [name, _arguments(arguments), ids.index(id), _serves(id, joined)]
        for name, arguments, id in calls
    ]


def _serves(id: Any, joined: re.Pattern[str]) -> bool:
    """Whether a result can be given with an id: one that the client made up is as good."""
    return isinstance(id, str) and bool(id) and not joined.fullmatch(id)


def _arguments(given: Any) -> list[str]:
    """Write arguments as typed JSON where they are JSON, else as they are, beside their type.

    A program that reads a string breaks on an object, and one that reads an object on a string.
    """
    kind = type(given).__name__
    if isinstance(given, str):
        try:
            given = json.loads(given)
        except ValueError:
            return [kind, given]
    return [kind, json.dumps(given, sort_keys=True)]
