"""Write a page for each rule, and the index of them.

    python -m tools.rule_pages              # into docs/rules
    python -m tools.rule_pages docs/rules

All of it follows from the rule and its docstring, from the faults of the reference server and from
the lists of known issues. Pages of rules that are gone are deleted.
"""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from conformance.reference import FAULTS
from conformance.reference.fault import Fault
from conformance.rules import RULES, Rule
from conformance.rules.rule import EVERY, OPENAI
from conformance.verdicts import known_issues
from conformance.verdicts.known_issues import Issue
from conformance.verdicts.ownership import owners
from tools import client_table

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs" / "rules"
INDEX = "README.md"
REPOSITORY = "../.."

ASKED = {
    "stream": "streamed answers",
    "complete": "complete answers",
    "any": "streamed and complete answers",
    "status": "every response, refusals too",
    "prompt": "prompts",
}
BLAMED = {
    "parser": "the parser: what the model said is not what the client got",
    "server": "the server: transport, chunks, ids, reasons, counts, errors",
    "template": "the chat template",
}
HEAD = """\
# Rules

A rule is one requirement on an answer. Its page says what it demands and why, with a wrong and a
right answer, to which rules it yields, what proves it, and where it is known to fail. The pages
follow from the rules themselves: `python -m tools.rule_pages` writes them.
`python -m conformance rules` says the same in a terminal.

<!-- rules -->
"""
NOTES = """\
<!-- /rules -->

**level**: only a broken MUST rule fails a run; `--level should` also counts SHOULD rules. INFO
rules never fail a run.

**for**: a rule for `vllm` or `mistral` is judged only where the server is that implementation, or
runs that parser. `judge` knows no implementation.

Each rule is proven by recorded answers that it rejects and accepts (`tests/samples/`), and by a
fault that the reference server commits: [which fault trips which rule](../kill-matrix.md). What the
specification leaves open, that server can do in each way (`--variant`), and no rule objects.
"""


def pages() -> dict[str, str]:
    """Write every page, by the name of its file."""
    issues = [found for path in _lists() for found in known_issues.read(path)[1]]
    found = {f"{rule.id}.md": page(rule, issues) for rule in RULES.values()}
    return {INDEX: index(), **found}


def index() -> str:
    """Write the index: every rule with a link to its page."""
    rows = [
        f"| {_link(rule.id)} | {rule.level.upper()} | {_whom(rule)} | {rule.title} |"
        for rule in RULES.values()
    ]
    head = ["| rule | level | for | requirement |", "| --- | --- | --- | --- |"]
    table = "\n".join([*head, *rows])
    return f"{HEAD}{table}\n{NOTES}"


def page(rule: Rule, issues: Sequence[Issue]) -> str:
    """Write the page of one rule."""
    facts = f"{rule.level.upper()} · for {_whom(rule)} · {ASKED[rule.on]} · since {rule.since}"
    parts = [
        f"# {rule.id}\n\n{facts}\n\n**{rule.title}.**",
        f"## Why\n\n{_sentence(rule.why)}",
        f"## Wrong\n\n{_sample(rule.wrong)}",
        f"## Right\n\n{_sample(rule.right)}",
        f"## Specification\n\n{_specification(rule)}",
        *_clients(rule),
        f"## Whose fault it is\n\n{_sentence(BLAMED[rule.blame])}.",
        *_ownership(rule),
        f"## What proves it\n\n{_proof(rule)}",
        *_known(rule, issues),
        f"[All rules]({INDEX})",
    ]
    return "\n\n".join(parts) + "\n"


def _whom(rule: Rule) -> str:
    return "all" if rule.profile == OPENAI else f"`{rule.profile}`"


def _sentence(text: str) -> str:
    return _plain(text[:1].upper() + text[1:])


def _plain(text: str) -> str:
    """Keep Markdown from taking a mark of a format for HTML."""
    return text.replace("<", "\\<")


def _sample(text: str) -> str:
    wrapped = textwrap.fill(text, 96, break_long_words=False, break_on_hyphens=False)
    return f"```text\n{wrapped}\n```"


def _specification(rule: Rule) -> str:
    if rule.spec is None:
        return "None says so in these words. The reason is what clients do; see above."
    if rule.sentence is None:
        return f"See <{rule.spec}>."
    return f"> {_plain(rule.sentence)}\n\nFrom <{rule.spec}>."


def _clients(rule: Rule) -> Iterator[str]:
    """Say which clients of today break, and on which recordings."""
    table = client_table.read()
    if rule.id not in table.rules:
        return
    rows = [f"- {client}: {_does_each(files)}" for client, files in table.breaking(rule.id).items()]
    told = "\n".join(rows) or "None. Each gives a program what the right answer gives."
    yield f"## Which clients break\n\n{told}\n\n[All clients](../clients.md)."


def _does_each(files: Mapping[str, str]) -> str:
    """Put together the recordings on which a client does the same."""
    by_saying: dict[str, list[str]] = {}
    for file, said in files.items():
        by_saying.setdefault(said, []).append(f"`{file}`")
    return "; ".join(f"{_code(said)} ({', '.join(on)})" for said, on in by_saying.items())


def _code(said: str) -> str:
    """Set a client's own message as code: it may hold any mark."""
    does, colon, message = said.partition(": ")
    return f"{does}: `{message.replace('`', chr(39))}`" if colon else does


def _ownership(rule: Rule) -> Iterator[str]:
    """Say to which rules it yields, and which yield to it."""
    told = [*_owners(rule)]
    if heirs := [id for id, other in RULES.items() if rule.id in other.yields_to]:
        told.append(f"Where this rule finds a fault, these are silent: {_links(heirs)}.")
    if told:
        yield "\n\n".join(["## One fault, one rule", *told])


def _owners(rule: Rule) -> Iterator[str]:
    if rule.yields_to == EVERY:
        yield (
            "This rule does not apply where any other of the levels MUST and SHOULD finds a fault."
        )
    elif rule.yields_to:
        where = "in either of the two answers" if rule.in_either else "in the answer"
        yield (
            "One fault is to fail one rule. So this rule is silent where one of these finds a "
            f"fault at the same place, {where}:"
        )
        yield "\n".join(f"- {_link(id)}: {RULES[id].title}" for id in owners(rule))


def _proof(rule: Rule) -> str:
    faults = [fault for fault in FAULTS.values() if fault.owner == rule.id]
    lines = [
        "The reference server can commit these faults, and this rule catches each "
        "(`pytest --reference --parser hermes --fault NAME`):",
        "\n".join(f"- `{fault.name}`: {_does(fault)}" for fault in faults),
        f"Recorded answers that it rejects and accepts: "
        f"[tests/samples/{rule.id}]({REPOSITORY}/tests/samples/{rule.id}).",
    ]
    return "\n\n".join(lines)


def _does(fault: Fault) -> str:
    about = _plain(fault.about.partition(". ")[0].removesuffix("."))
    return about if fault.format == "hermes" else f"{about} (parser `{fault.format}`)"


def _known(rule: Rule, issues: Sequence[Issue]) -> Iterator[str]:
    """Say where it is known to fail, and where a policy breaks it."""
    for title, policy in (("Where it is known to fail", False), ("Where a policy breaks it", True)):
        if rows := list(_rows(rule, (one for one in issues if one.policy is policy))):
            yield f"## {title}\n\n" + "\n".join(rows)


def _rows(rule: Rule, issues: Iterable[Issue]) -> Iterator[str]:
    yield from (
        f"- `{issue.id}` (parser {', '.join(issue.parsers)}{_versions(issue)}): "
        f"{_plain(' '.join(issue.about.split()))}{_more(issue)}"
        for issue in issues
        if rule.id in issue.rules
    )


def _versions(issue: Issue) -> str:
    bounds = sorted(map(str, issue.versions), reverse=True) if issue.versions is not None else []
    return f", versions {', '.join(bounds)}" if bounds else ""


def _more(issue: Issue) -> str:
    return f" [More]({issue.link})." if issue.link else ""


def _link(id: str) -> str:
    return f"[`{id}`]({id}.md)"


def _links(ids: Iterable[str]) -> str:
    return ", ".join(map(_link, ids))


def _lists() -> list[Path]:
    return sorted(known_issues.FOLDER.rglob("*.yaml"))


def main() -> None:
    """Write the pages, and delete those of rules that are gone."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    written = pages()
    for path in folder.glob("*.md"):
        if path.name not in written:
            path.unlink()
    for name, text in written.items():
        (folder / name).write_text(text, "utf-8")


if __name__ == "__main__":
    main()
