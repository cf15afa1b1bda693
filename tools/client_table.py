"""Write the table of rules by client, `docs/clients.json` and `docs/clients.md`.

    python -m tools.client_table                # let every client read, and write both
    python -m tools.client_table ai_sdk         # let this one read again, and keep the others
    python -m tools.client_table --pages        # write the page again, and run no client

`make clients` makes the clients' environments. Then `make docs` writes the pages of rules, which
name the clients that break.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from conformance.rules import RULES, Rule
from tools import client_runs
from tools.client_outcomes import SAME, outcomes

DOCS = Path(__file__).parents[1] / "docs"
DATA = DOCS / "clients.json"
PAGE = DOCS / "clients.md"

HEAD = """\
# Clients

Which clients of today break on what a rule forbids. Each client read the rule's recorded answers
in `tests/samples/`, wrong ones and right ones, over HTTP from a server that replays their bytes. It
breaks where a program gets something else from a wrong answer than from the right one, or an
exception, or nothing in time. The clients are pinned in `tests/clients/`; `make clients` runs them
again and compares.

A MUST rule has a client that breaks, or a sentence of a specification. Its page quotes the sentence
and says what each client does with each recording. A client that breaks is needed for a MUST and
does not make one: what is lost may be small.

"""
NOTES = """\

- **raises**: an exception, and from the right answer none, or another one
- **hangs**: nothing within 20 seconds
- **returns**: an answer, where the right one is an exception
- **calls**, **text**, **ending**, **usage**: it gives others than from the right answer. A rule of
  what the model said is broken in every client that hands on what it was sent.
- **same**: a program notices nothing
- `2/7`: on two of seven recordings, if not on all

`openai-python-strict` is the same client asked for strict tools, whose arguments it parses itself.
`ai-sdk` is the AI SDK with its provider for servers like OpenAI's, `ai-sdk-openai` with that for
OpenAI. An id that a client makes up, where none was sent, is as good as one that was.

LlamaIndex and the Agents SDK give no reason for an answer's end, and LlamaIndex no usage. Rules of
prompts are not listed: no client reads prompts.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """What each client makes of each wrong recording."""

    clients: Mapping[str, str]
    """The version of each, by its name."""
    rules: Mapping[str, Mapping[str, Mapping[str, str]]]
    """By rule, client and file, in words."""

    def breaking(self, rule: str) -> dict[str, dict[str, str]]:
        """Give the clients that break on a rule's wrong recordings, and on which."""
        found = {
            f"{client} {self.clients[client]}": {
                file: said for file, said in files.items() if said != SAME
            }
            for client, files in self.rules.get(rule, {}).items()
        }
        return {client: files for client, files in found.items() if files}


@cache
def read() -> Table:
    """Read the table that is shipped."""
    found = json.loads(DATA.read_text("utf-8"))
    return Table(clients=found["clients"], rules=found["rules"])


def run(folders: Sequence[str]) -> Table:
    """Let clients read all recordings."""
    recorded = client_runs.recordings()
    clients: dict[str, str] = {}
    rules: dict[str, dict[str, Mapping[str, str]]] = {}
    for folder in folders:
        print(f"{folder} reads {len(recorded)} answers", file=sys.stderr)
        for way, answers in client_runs.read(folder, recorded).items():
            name, _, version = way.partition(" ")
            clients[name] = version
            for rule, files in outcomes(recorded, answers).items():
                rules.setdefault(rule, {})[name] = files
    return Table(clients=clients, rules=rules)


def merged(old: Table, new: Table) -> Table:
    """Take what was read again, and keep the rest."""
    return Table(
        clients=dict(sorted({**old.clients, **new.clients}.items())),
        rules={
            rule: dict(sorted({**old.rules.get(rule, {}), **new.rules.get(rule, {})}.items()))
            for rule in sorted(new.rules)
        },
    )


def page(table: Table) -> str:
    """Write the page."""
    head = ["rule", "level", "sentence", *(f"{name} {v}" for name, v in table.clients.items())]
    rows = [_row(RULES[id], table) for id in table.rules]
    lines = [head, ["---"] * len(head), *rows]
    return HEAD + "\n".join(f"| {' | '.join(row)} |" for row in lines) + "\n" + NOTES


def _row(rule: Rule, table: Table) -> list[str]:
    link = f"[`{rule.id}`](rules/{rule.id}.md)"
    cells = [_cell(table.rules[rule.id].get(client, {})) for client in table.clients]
    return [link, rule.level.upper(), "yes" if rule.sentence else "no", *cells]


def _cell(files: Mapping[str, str]) -> str:
    words = Counter(word(said) for said in files.values() if said != SAME)
    if not words:
        return SAME
    count = sum(words.values())
    share = "" if count == len(files) else f" {count}/{len(files)}"
    return ", ".join(sorted(words)) + share


def word(said: str) -> str:
    """Give the one word for what a client does."""
    return said.removeprefix("other ").split()[0]


def main() -> None:
    """Run the clients that are named, or all, and write."""
    folders = sys.argv[1:] or client_runs.clients()
    table = read() if DATA.exists() else Table(clients={}, rules={})
    if folders != ["--pages"]:
        table = merged(table, run(folders))
        document = {"clients": table.clients, "rules": table.rules}
        DATA.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", "utf-8")
    PAGE.write_text(page(table), "utf-8")


if __name__ == "__main__":
    main()
