"""The page of mutants adds up hunts of one module at a time."""

from __future__ import annotations

from pathlib import Path

from tools.mutants import Hunt, page
from tools.mutations import Mutant, mutants_of


def mutants(folder: Path, name: str) -> list[Mutant]:
    source = "def is_low(count):\n    return count < 5\n"
    (folder / name).write_text(source, "utf-8")
    return list(mutants_of(folder, name))


def hunt(every: list[Mutant], *, survivors: int) -> Hunt:
    found = Hunt(every)
    found.survivors = every[:survivors]
    return found


def rows(page: str) -> list[str]:
    return [line for line in page.splitlines() if line.startswith("| `")]


def test_a_page_adds_up_hunts_of_single_modules(tmp_path: Path) -> None:
    one, two = mutants(tmp_path, "one.py"), mutants(tmp_path, "two.py")
    assert [mutant.change for mutant in one] == [
        "return count < 5 becomes return None",
        "count < 5 becomes count <= 5",
        "count < 5 becomes count >= 5",
        "5 becomes 6",
    ]
    first = page(hunt(one, survivors=1), "", "monday")
    both = page(hunt(two, survivors=2), first, "tuesday")
    assert "Of 8 mutants the tests kill 5 (62.5 %)." in both
    assert rows(both) == [
        "| `one.py` | 4 | 3 | monday |",
        "| `two.py` | 4 | 2 | tuesday |",
        "| `one.py` is_low: return count < 5 becomes return None | 1 | not looked at |",
        "| `two.py` is_low: count < 5 becomes count <= 5 | 1 | not looked at |",
        "| `two.py` is_low: return count < 5 becomes return None | 1 | not looked at |",
    ]


def test_a_second_hunt_of_the_survivors_leaves_the_count_of_mutants(tmp_path: Path) -> None:
    every = mutants(tmp_path, "one.py")
    before = page(hunt(every, survivors=2), "", "monday")
    after = page(hunt(every[:2], survivors=1), before, "tuesday", again=True)
    assert rows(after) == [
        "| `one.py` | 4 | 3 | monday; survivors tuesday |",
        "| `one.py` is_low: return count < 5 becomes return None | 1 | not looked at |",
    ]
    last = page(hunt(every[:1], survivors=0), after, "friday", again=True)
    assert rows(last) == ["| `one.py` | 4 | 4 | monday; survivors friday |"]


def test_what_is_written_by_hand_is_kept(tmp_path: Path) -> None:
    every = mutants(tmp_path, "one.py")
    before = page(hunt(every, survivors=1), "", "monday").replace("not looked at", "equivalent")
    noted = f"{before}\n## Earlier\n\nNone.\n"
    assert page(hunt(every, survivors=1), noted, "monday") == noted
