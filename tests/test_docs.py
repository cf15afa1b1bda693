"""The pages hold together: links lead somewhere, and commands are ones that can be typed."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import re
import shlex
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from conformance.commands import main
from conformance.engines import target
from tests.test_layout import ROOMS

pytest_plugins = ["pytester"]

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob(".github/**/*.md"), *ROOT.glob("docs/**/*.md")])
OF_ITS_DAY = ROOT / "docs/mutants.md"
"""Names modules as the commits did at which they were hunted; it is written by a program."""
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))

_FENCE = re.compile(r"^( *)(```|~~~).*?^\1\2 *$", re.MULTILINE | re.DOTALL)
_SPAN = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"\[[^\]]*\]\(([^()\s]+)\)")
_OPTION = re.compile(r"(?<![\w-])--[a-z][a-z0-9-]*")
_PATH = re.compile(r"(?:\.ci|\.github|cases|conformance|docs|tests|tools)/[\w./-]*")
_OPERATOR = re.compile(r"^(?:[|&;]+|\d*>.*)$")
_PLACEHOLDER = re.compile(r"(?<=--fault )[A-Z]+\b")
_ASSIGNMENT = re.compile(r"^[A-Z_][A-Z0-9_]*=")


def _prose(text: str) -> str:
    return _SPAN.sub("", _FENCE.sub("", text))


def _anchor(heading: str) -> str:
    """Write a heading as GitHub writes its anchor."""
    shown = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").strip().lower()
    return re.sub(r"[^\w\- ]", "", shown).replace(" ", "-")


@cache
def _anchors(page: Path) -> frozenset[str]:
    text = _FENCE.sub("", page.read_text("utf-8"))
    seen: Counter[str] = Counter()
    found = set()
    for heading in re.findall(r"^#+ (.*)$", text, re.MULTILINE):
        name = _anchor(heading)
        found.add(f"{name}-{seen[name]}" if seen[name] else name)
        seen[name] += 1
    return frozenset(found)


def _broken_links(page: Path, text: str) -> list[str]:
    """List the links of a page, or of another text in its place, that lead nowhere."""
    broken = []
    for link in _LINK.findall(_prose(text)):
        if re.match(r"[a-z]+:", link):
            continue  # another site, which a test does not ask
        file, _, anchor = link.partition("#")
        meant = (page.parent / file).resolve() if file else page
        known = _anchors(meant) if anchor and meant.suffix == ".md" and meant.is_file() else None
        if not meant.exists() or (anchor and (known is None or anchor not in known)):
            broken.append(link)
    return broken


def _lines(text: str) -> Iterator[str]:
    """Give what a reader may type: the lines of code blocks, and the code in sentences."""
    for fence in _FENCE.finditer(text):
        block = fence[0].replace("\\\n", " ")
        yield from (line.strip().removeprefix("$ ") for line in block.splitlines()[1:-1])
    yield from _SPAN.findall(_FENCE.sub("", text))


def _commands(text: str) -> Iterator[list[str]]:
    """Give the words of each command of ours, pytest's or make's, up to where a shell goes on."""
    for line in _lines(text):
        if not re.match(r"(?:[A-Z_]+=\S* +)*(?:python -m|toolcall-truth|pytest|make) \S", line):
            continue
        words = shlex.split(_PLACEHOLDER.sub("last-brace-lost", line), comments=True)
        while _ASSIGNMENT.match(words[0]):
            words.pop(0)
        stop = next((at for at, word in enumerate(words) if _OPERATOR.match(word)), len(words))
        yield words[:stop]


def _fault(words: list[str], pytester: pytest.Pytester) -> str | None:
    """Say what is wrong with a command, if anything; nothing is run."""
    match words:
        case ["make", *goals]:
            rules = re.findall(
                r"^([\w./-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE
            )
            named = [goal for goal in goals if not _ASSIGNMENT.match(goal)]
            return next((f"no goal {goal}" for goal in named if goal not in rules), None)
        case ["pytest", *rest]:
            return _fault_of_a_run(rest, pytester)
        case ["python", "-m", "conformance", *rest] | ["toolcall-truth", *rest]:
            return _fault_of_ours(rest, pytester)
        case ["python", "-m", module, *_]:
            first = importlib.util.find_spec(module.partition(".")[0])
            return None if first and importlib.util.find_spec(module) else f"no module {module}"
    raise AssertionError(f"not a command: {words}")


def _fault_of_ours(words: list[str], pytester: pytest.Pytester) -> str | None:
    if not words:
        return None  # the program is named, and nothing is asked of it
    if words[:1] == ["run"]:
        return _fault_of_a_run(words[1:], pytester)
    end = words.index("--") if "--" in words else len(words)
    if wrong := _fault_of_a_run(words[end + 1 :], pytester):
        return wrong
    named = words[:end]
    if len(named) == 1 and not named[0].startswith("-"):
        # Named in a sentence, without what it wants.
        return None if named[0] in _subcommands() else f"no subcommand {named[0]}"
    try:
        main._parser().parse_args(named)
    except SystemExit as ended:
        return "not taken" if ended.code else None
    return None


def _subcommands() -> set[str]:
    return set(re.findall(r"^    ([a-z]+)", main._parser().format_help(), re.MULTILINE))


def _fault_of_a_run(words: list[str], pytester: pytest.Pytester) -> str | None:
    try:
        config = pytester.parseconfig("-p", "conformance.plugin", *words)
    except (pytest.UsageError, SystemExit) as problem:
        return str(problem)
    launched = config.getoption("--launch")
    if launched and re.fullmatch(r"[a-z0-9-]+", launched) and launched not in target.names():
        return f"no target {launched}"
    return None


def _gone(text: str) -> list[str]:
    """List the files and folders of ours that a page names, and that are not there."""
    spans = _SPAN.findall(_FENCE.sub("", text))
    named = {span for span in spans if _PATH.fullmatch(span)}
    for words in _commands(text):
        named |= {word for word in words if _PATH.fullmatch(word) and word.startswith("tests/")}
    return sorted(path for path in named if not (ROOT / path).exists())


OF_OTHERS = {
    "--enable-auto-tool-choice",
    "--junitxml",
    "--logits-processors",
    "--no-enable-chunked-prefill",
    "--tool-call-parser",
}
"""Options of vLLM that the pages speak of, and one that pytest takes and its help does not list."""


@cache
def _help() -> str:
    """What pytest says of its options, with the suite's among them."""
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "conformance.plugin", "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout


@cache
def _options() -> frozenset[str]:
    """Every option of pytest with the suite, and of the commands."""
    shown = _help()
    for name in sorted(_subcommands()):
        text = io.StringIO()
        with contextlib.redirect_stdout(text), contextlib.suppress(SystemExit):
            main._parser().parse_args([name, "--help"])
        shown += text.getvalue()
    return frozenset(_OPTION.findall(shown))


_ANOTHER = re.compile(r"(?:git|curl|pip|ruff|vllm|llama-server|sglang\S*|ollama) ")


def _strange_options(text: str) -> list[str]:
    """List the options that sentences and tables name, and no program has."""
    named = {option for span in _SPAN.findall(_FENCE.sub("", text)) for option in _named(span)}
    return sorted(named - _options() - OF_OTHERS)


def _named(span: str) -> list[str]:
    """Give the options of a piece of code, unless another program is called in it."""
    return (
        []
        if re.match(r"(?:git|curl|pip|ruff|vllm|llama-server|sglang\S*|ollama) ", span)
        else _OPTION.findall(span)
    )


def _faults(text: str, pytester: pytest.Pytester) -> list[str]:
    found = ((shlex.join(words), _fault(words, pytester)) for words in _commands(text))
    return [f"{command}: {fault}" for command, fault in found if fault]


@each_page
def test_every_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    assert _broken_links(page, page.read_text("utf-8")) == []


@each_page
def test_every_command_can_be_typed(page: Path, pytester: pytest.Pytester) -> None:
    assert _faults(page.read_text("utf-8"), pytester) == []


@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if page != OF_ITS_DAY],
    ids=lambda page: str(page.relative_to(ROOT)),
)
def test_every_file_of_ours_that_is_named_exists(page: Path) -> None:
    assert _gone(page.read_text("utf-8")) == []


def test_a_file_that_is_not_there_is_found() -> None:
    text = "See `tests/gone.py`, `tests/__init__.py`, `tests/samples/<id>/`.\n"
    text += "```sh\npytest tests/x.py -k one\n```\n"
    assert _gone(text) == ["tests/gone.py", "tests/x.py"]


@each_page
def test_every_option_that_is_spoken_of_exists(page: Path) -> None:
    assert _strange_options(page.read_text("utf-8")) == []


def test_the_page_of_options_has_every_option_of_the_suite() -> None:
    ours = re.search(r"^tool-call conformance:\n(.*?)^\S", _help(), re.MULTILINE | re.DOTALL)
    assert ours
    owed = set(re.findall(r"^  (--[a-z-]+)", ours[1], re.MULTILINE))
    assert len(owed) > 20
    assert sorted(owed - set(_OPTION.findall((ROOT / "docs/options.md").read_text("utf-8")))) == []


def test_an_option_that_no_program_has_is_found() -> None:
    text = "Say `--cutz thorough`, `--cuts=default`, `--tool-call-parser` or `git log --oneline`."
    assert _strange_options(text) == ["--cutz"]


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_bytes()) <= 8192


def test_the_first_screen_of_the_readme_fits_in_80_columns() -> None:
    first = (ROOT / "README.md").read_text("utf-8").splitlines()[:40]
    assert [line for line in first if len(line) > 80] == []


def test_the_index_names_every_page() -> None:
    index = ROOT / "docs/README.md"
    named = {
        (index.parent / link.partition("#")[0]).resolve()
        for link in _LINK.findall(index.read_text("utf-8"))
    }
    owed = {*ROOT.glob("docs/*.md"), *ROOT.glob("*.md")} - {index}
    assert sorted(str(page.relative_to(ROOT)) for page in owed - named) == []


def test_the_page_about_the_architecture_has_every_room_in_the_order_of_the_floors() -> None:
    page = (ROOT / "docs/architecture.md").read_text("utf-8")
    rows = re.findall(r"^\| `(\w+)` \|", page.partition("## The rooms")[2], re.MULTILINE)
    floors = [floor & set(rows) for floor in ROOMS]
    addresses = {"plugin", "cli", "__main__"}
    assert {*rows} | addresses == {room for floor in ROOMS for room in floor}
    assert sorted(rows, key=lambda room: [room in floor for floor in floors].index(True)) == rows


@pytest.mark.parametrize(
    "link",
    [
        "gone.md",
        "#no-such-heading",
        "options.md#no-such-heading",
        "../Makefile#run",
        "../docs/gone/",
    ],
)
def test_a_link_that_leads_nowhere_is_found(link: str) -> None:
    page = ROOT / "docs/README.md"
    assert _broken_links(page, f"See [this]({link}) and [that](options.md#a-busy-server).") == [
        link
    ]


@pytest.mark.parametrize(
    ("command", "fault"),
    [
        ("pytest --lunch hermes", "--lunch"),
        ("pytest --launch hermse", "no target hermse"),
        ("pytest --launch hermes --cuts=some", "--cuts"),
        ("python -m conformance run --serverurl=x", "--serverurl"),
        ("toolcall-truth jugde a.sse", "not taken"),
        ("python -m conformance jugde", "no subcommand jugde"),
        ("python -m conformance matrix hermes -- --lunch x", "--lunch"),
        ("python -m conformance plan --busy", "not taken"),
        ("python -m tests.no_such_program", "no module"),
        ("make nonsense", "no goal nonsense"),
    ],
)
def test_a_command_that_nobody_can_type_is_found(
    command: str, fault: str, pytester: pytest.Pytester
) -> None:
    for text in (f"```sh\n{command}  # why\n```\n", f"Say `{command}` here."):
        (found,) = _faults(text, pytester)
        assert fault in found


@pytest.mark.parametrize(
    ("heading", "anchor"),
    [
        ("Keep the answers", "keep-the-answers"),
        ("hermes (`vllm/tool_parsers/x.py`)", "hermes-vllmtool_parsersxpy"),
        ("Recorded answers, and what a run costs", "recorded-answers-and-what-a-run-costs"),
        ("See [that](x.md)", "see-that"),
    ],
)
def test_an_anchor_is_written_as_github_writes_it(heading: str, anchor: str) -> None:
    assert _anchor(heading) == anchor
