"""The page: what it shows, and that no text of a server can do anything in it."""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from conformance.commands import main
from conformance.report import evidence, html
from conformance.results import reader
from tests.made import Items, document, finding, item, results, write
from tools import golden

VOID = {"meta", "br", "wbr"}
TAGS = {
    *("html", "head", "meta", "title", "style", "body", "header", "main", "footer", "section"),
    *("article", "h1", "h2", "h3", "h4", "p", "a", "div", "span", "strong", "b", "code", "samp"),
    *("pre", "mark", "ul", "ol", "li", "dl", "dt", "dd", "details", "summary", "wbr"),
    *("table", "caption", "thead", "tbody", "tr", "th", "td"),
}
ATTRIBUTES = {
    *("lang", "charset", "http-equiv", "content", "name", "class", "href", "id", "scope", "rel"),
    *("colspan", "role", "tabindex", "aria-label", "aria-labelledby", "open"),
}
EVIL = (
    "</script></style></pre></title><script>document.title='owned'</script>"
    "<img src=x onerror=\"document.title='owned'\">'\"{{ 7 * 7 }}{% raw %}"
    "\x00\x1b[2J\u202e\u2066\ud800\u2028&amp;-->"
)


class Page(HTMLParser):
    """What a page consists of."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.parts: list[str] = []
        self.styles: list[str] = []
        self.feed(text)
        self.close()
        self.text = "".join(self.parts)
        self.style = "".join(self.styles)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        (self.styles if self.open and self.open[-1] == "style" else self.parts).append(data)

    def values(self, name: str) -> list[str]:
        return [attributes[name] or "" for _, attributes in self.tags if name in attributes]


def check(text: str, links: set[str]) -> Page:
    """Check what holds for every page, whatever is on it."""
    page = Page(text)
    assert page.open == []
    assert {tag for tag, _ in page.tags} <= TAGS
    assert {name for _, attributes in page.tags for name in attributes} <= ATTRIBUTES
    ids = page.values("id")
    assert len(ids) == len(set(ids))
    targets = page.values("href")
    assert {one for one in targets if not one.startswith("#")} == links
    assert {one[1:] for one in targets if one.startswith("#")} <= set(ids)
    assert set(page.values("aria-labelledby")) <= set(ids)
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    assert levels.count(1) == 1
    tables = [tag for tag, _ in page.tags if tag in ("table", "caption")]
    assert tables == ["table", "caption"] * (len(tables) // 2)
    assert all("scope" in attributes for tag, attributes in page.tags if tag == "th")
    assert text.replace("\n", "").isprintable()
    return page


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return golden.pages(tmp_path_factory.mktemp("runs"))


@pytest.mark.parametrize("name", sorted(path.name for path in golden.FOLDER.iterdir()))
def test_every_report_looks_as_it_was_looked_at(pages: dict[str, str], name: str) -> None:
    assert pages[name] == (golden.FOLDER / name).read_text("utf-8"), "look; then: make docs"


def test_all_reports_are_kept(pages: dict[str, str]) -> None:
    assert sorted(pages) == sorted(path.name for path in golden.FOLDER.iterdir())


def test_a_page_is_sound_and_links_to_the_known_issue_only(pages: dict[str, str]) -> None:
    page = check(pages["report.html"], {"https://example.org/issues/1?a=1&b=2"})
    for words in ("came", "went", "◀ here", "as curl", "cases/calls.yaml::twice[stream]"):
        assert words in page.text


def test_the_policy_allows_its_own_style_and_nothing_else(tmp_path: Path) -> None:
    page = Page(html.render(golden.runs(tmp_path)))
    digest = base64.b64encode(hashlib.sha256(page.style.encode()).digest()).decode()
    policies = [one["content"] for _, one in page.tags if "http-equiv" in one]
    assert policies == [
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    ]
    assert "url(" not in page.style
    assert "@import" not in page.style


def hostile(folder: Path) -> reader.Results:
    """Make results in which every text that a server or a file can choose is evil."""
    found = document({})
    found["target"] |= dict.fromkeys(
        ("id", "implementation", "version", "parser", "format", "template", "model"), EVIL
    )
    found["target"]["packages"] = {EVIL: EVIL}
    found["suite"]["version"] = EVIL
    found["run"] |= {"started": EVIL, "known": [EVIL], "repeat": EVIL, "baseline": EVIL}
    found["issues"] = {EVIL: {"about": EVIL, "issue": f"javascript:{EVIL}"}}
    hostile = {"where": EVIL, "expected": EVIL, "actual": EVIL + "x" * 100_000, "known": EVIL}
    found["results"] = [
        item(
            f"{EVIL}[{EVIL}]",
            {EVIL: "known"},
            test=EVIL,
            reason=EVIL,
            wire="wire/w.json",
            findings=[finding(EVIL, "known", chunk=1, **hostile)],
        ),
        item("a/lost[stream]", "error", reason=EVIL),
    ]
    script = json.dumps({"v": 1, "pieces": [[EVIL, EVIL]], "cut": EVIL})
    write(
        folder / "wire" / "w.json",
        {
            "request": {
                EVIL: EVIL,
                "stream": True,
                "messages": [{"role": EVIL, "content": EVIL}, EVIL, {"role": "x", "more": [EVIL]}],
                "tools": [EVIL],
                "vllm_xargs": {"conformance_script": script},
            },
            "status": EVIL,
            "headers": [],
            "error": EVIL,
            "answer": f"data: {EVIL}\n\n" * 3 + "data: " + "x" * 100_000 + "\n\n",
        },
    )
    return reader.load(write(folder / "results.json", found))


def test_hostile_text_is_inert_visible_and_cut(tmp_path: Path) -> None:
    text = html.render([hostile(tmp_path)])
    page = check(text, set())
    assert "\\x1b[2J\\u202e\\u2066\\ud800\\u2028&amp;-->" in page.text
    assert "{{ 7 * 7 }}" in page.text
    assert "owned" in page.text
    assert "characters…]" in page.text
    assert len(text) < 120_000
    text.encode("utf-8")


@pytest.mark.parametrize(
    "kept",
    [
        None,
        "[]",
        "{}",
        '{"request": {"stream": true}, "answer": null}',
        '{"request": {"messages": 1, "vllm_xargs": {"conformance_script": "{"}}, "answer": "x"}',
        '{"request": {"vllm_xargs": {"conformance_script": "[1]"}}, "answer": ""}',
        '{"request": {"vllm_xargs": {"conformance_script": "{\\"pieces\\": [1]}"}}, "answer": ""}',
    ],
)
def test_an_exchange_that_is_missing_or_odd_leaves_the_page_whole(
    tmp_path: Path, kept: str | None
) -> None:
    found = document({})
    found["results"] = [item("a/b[stream]", {"args.json": "fail"}, wire="wire/w.json")]
    if kept is not None:
        write(tmp_path / "wire" / "w.json", {})
        (tmp_path / "wire" / "w.json").write_text(kept, "utf-8")
    page = check(html.render([reader.load(write(tmp_path / "r.json", found))]), set())
    assert "expected" in page.text


def luminance(colour: str) -> float:
    digits = colour.removeprefix("#")
    digits = "".join(one * 2 for one in digits) if len(digits) == 3 else digits
    parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    linear = [one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_text_stands_out_from_its_background(theme: int) -> None:
    css = (Path(html.__file__).parent / "page.css").read_text("utf-8")
    themes = re.findall(r":root \{([^}]*--mark-text[^}]*)\}", css)
    assert len(themes) == 2
    colours = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{3,6});", themes[theme]))
    pairs = [(name, "page") for name in ("text", "soft", "link")]
    pairs += [(name, "raised") for name in ("text", "soft", "link")]
    pairs += [(name, f"{name}-back") for name in ("ok", "bad", "known", "stale", "unsure")]
    pairs += [("mark-text", "mark"), ("text", "bad-back")]
    for front, back in pairs:
        low, high = sorted(luminance(colours[name]) for name in (front, back))
        assert (high + 0.05) / (low + 0.05) >= 4.5, (front, back)


def many(folder: Path, name: str, cases: int) -> reader.Results:
    """Make a run in which two of five modes of every case have a known finding."""
    found = document({}, target_id=name, target_model=name)
    rules = {f"area{number // 10}.rule-{number}": "pass" for number in range(90)}
    for case in range(cases):
        for mode in ("complete", "stream", "stream-characters", "stream-5", "stream-1000"):
            broken = mode in ("stream", "stream-5")
            known = finding("area0.rule-1", "known", actual=f"{mode} {case}", chunk=7)
            found["results"].append(
                item(
                    f"topic{case % 10}/case-{case}[{mode}]",
                    {**rules, "area0.rule-1": "known"} if broken else rules,
                    wire="wire/w.json" if broken else None,
                    findings=[known] if broken else [],
                )
            )
    wire: dict[str, Any] = {
        "request": {**golden.REQUEST, "messages": [{"role": "user", "content": "x" * 2000}]},
        "status": 200,
        "headers": [],
        "error": None,
        "answer": "".join(f'data: {{"id": "{"c" * 250}", "n": {n}}}\n\n' for n in range(60)),
    }
    write(folder / name / "wire" / "w.json", wire)
    return reader.load(write(folder / name / "results.json", found))


def test_a_page_about_many_findings_stays_small_enough_to_open(tmp_path: Path) -> None:
    runs = [many(tmp_path, f"server-{number}", 45) for number in range(4)]
    text = html.render(runs, room=evidence.MAX_PAGE_CHARACTERS // 4)
    assert len(text.encode()) < evidence.MAX_PAGE_CHARACTERS // 4 * 1.25
    assert text.count("No exchange is shown") < text.count("Came back in")
    Page(text)


def test_where_room_is_short_the_page_says_so(tmp_path: Path) -> None:
    page = Page(html.render([many(tmp_path, "server", 3)], room=1))
    assert page.text.count("this page would be too large with it; see wire/w.json beside") == 4


def test_the_page_is_written_where_it_is_wanted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    items: Items = {"a/b[s]": {"args.json": "pass"}}
    path = results(tmp_path / "r.json", items).path
    assert main.main(["report", str(path), "-o", str(tmp_path / "page.html")]) == 0
    assert "Every rule holds wherever it applies." in (tmp_path / "page.html").read_text("utf-8")
    assert main.main(["report", str(path), "--format", "badge"]) == 0
    assert "conforming" in capsys.readouterr().out
    assert main.main(["report", str(path), "-o", str(tmp_path / "no" / "x")]) == main.USAGE_ERROR
    assert "-o: " in capsys.readouterr().err
    assert main.main(["report", str(tmp_path / "none.json")]) == main.USAGE_ERROR
    assert "none.json: cannot be read" in capsys.readouterr().err
