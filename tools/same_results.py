"""Say whether a change of the suite left its verdicts as they were.

    python -m tools.same_results judge TAPES RESULTS    # judge recorded runs: a folder each
    python -m tools.same_results compare OLD NEW        # what differs between two such folders

Record the tapes before the change, one run after the other:

    pytest --launch hermes --record=TAPES/hermes

`compare` compares every item, rule, finding and reason. It leaves out what each run measures anew
(times, dates, versions of the suite and its libraries, the digest of cases and rules, paths of
evidence), and replaces the names in `RENAMED` by their new ones.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

MEASURED = {"seconds", "started", "digest", "wire", "pytest", "openai", "repeat"}
"""Keys whose values say when, where or with what a run was made."""

RENAMED: Mapping[str, str] = {}
"""Names in an older suite, and their names in this one."""

MAX_SHOWN = 20
"""More differences of one run are only counted."""


def judge(tapes: Path, results: Path, options: Sequence[str]) -> int:
    """Judge each recorded run with the suite in this folder; gives how many did not run."""
    failed = 0
    for tape in sorted(path for path in tapes.iterdir() if path.is_dir()):
        place = results / tape.name / "results.json"
        words = [f"--tapes={tape}", f"--results={place}", "-q", *options]
        print(f"judging {tape.name}", flush=True)
        ended = subprocess.run([sys.executable, "-m", "pytest", *words], stdout=subprocess.DEVNULL)
        if ended.returncode not in (0, 1):
            print(f"{tape.name}: pytest ended with {ended.returncode}")
            failed += 1
    return failed


def compare(old: Path, new: Path) -> int:
    """Print the differences between two folders of results; gives their number."""
    names = sorted({path.parent.name for place in (old, new) for path in place.glob("*/*.json")})
    if not names:
        raise SystemExit(f"{old}, {new}: no RUN/results.json in either")
    total = 0
    for name in names:
        found = list(differences(_read(old / name), _read(new / name)))
        total += len(found)
        print(f"{name}: {len(found) or 'no'} difference{'' if len(found) == 1 else 's'}")
        for line in found[:MAX_SHOWN]:
            print(f"  {line}")
        if len(found) > MAX_SHOWN:
            print(f"  … and {len(found) - MAX_SHOWN} more")
    return total


def differences(old: Any, new: Any, place: str = "") -> Iterator[str]:
    """Yield each place where two documents differ, with both values."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted({*old, *new} - MEASURED):
            here = f"{place}.{key}".lstrip(".")
            if key not in old or key not in new:
                yield f"{here}: only in the {'new' if key in new else 'old'} results"
            else:
                yield from differences(old[key], new[key], here)
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for number, (left, right) in enumerate(zip(old, new, strict=True)):
            yield from differences(left, right, f"{place}[{number}]")
    elif old != new:
        yield f"{place}: {json.dumps(old)[:200]} became {json.dumps(new)[:200]}"


def _read(folder: Path) -> Any:
    """Read a run with its items by name, so that a missing item shows as missing."""
    path = folder / "results.json"
    if not path.exists():
        return {}
    found = json.loads(path.read_text("utf-8"))
    items = {f"{one['case']}[{one['mode']}]": one for one in found["results"]}
    return _renamed({**found, "results": items})


def _renamed(value: Any) -> Any:
    """Give old names as their new ones, in keys and values."""
    if isinstance(value, dict):
        return {RENAMED.get(key, key): _renamed(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_renamed(one) for one in value]
    return RENAMED.get(value, value) if isinstance(value, str) else value


def main() -> int:
    """Run the command line; gives 1 if something differs or did not run."""
    parser = argparse.ArgumentParser(prog="python -m tools.same_results")
    commands = parser.add_subparsers(required=True, dest="command")
    one = commands.add_parser("judge", help="judge recorded runs")
    one.add_argument("tapes", type=Path)
    one.add_argument("results", type=Path)
    one = commands.add_parser("compare", help="say what differs")
    one.add_argument("old", type=Path)
    one.add_argument("new", type=Path)
    chosen, options = parser.parse_known_args()
    if chosen.command == "judge":
        return 1 if judge(chosen.tapes, chosen.results, options) else 0
    return 1 if compare(chosen.old, chosen.new) else 0


if __name__ == "__main__":
    sys.exit(main())
