from __future__ import annotations

import json
import random
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import conformance.replay
from conformance.replay.script import (
    MAX_SCRIPT_CHARACTERS,
    Piece,
    Refused,
    Script,
    drafted,
    one_by_one,
    read,
)
from conformance.replay.tokens import Cutter, parts

BYTES = 256
MERGED = ("hello", "ell", " w", "\n\n", "né")
ADDED = ("<|im_end|>", "<tool_call>", "</tool_call>", "[TOOL_CALLS]")
END = BYTES + len(MERGED)


class Bytes:
    """A byte-level tokenizer with a few merges, and added tokens that it recognises in any text."""

    def __init__(self) -> None:
        names = (*MERGED, *ADDED)
        self.ids = {name: BYTES + number for number, name in enumerate(names)}
        self.names = {number: name for name, number in self.ids.items()}

    def encode(self, text: str, *, add_special_tokens: bool) -> list[int]:
        ids = [END] if add_special_tokens else []
        for part in re.split(f"({'|'.join(map(re.escape, (*ADDED, *MERGED)))})", text):
            ids += [self.ids[part]] if part in self.ids else list(part.encode())
        return ids

    def decode(self, ids: Sequence[int], *, skip_special_tokens: bool) -> str:
        raw = b"".join(
            self.names[each].encode() if each in self.names else bytes([each]) for each in ids
        )
        return raw.decode(errors="replace")

    def get_vocab(self) -> dict[str, int]:
        return dict(self.ids)

    def get_added_vocab(self) -> dict[str, int]:
        return {name: self.ids[name] for name in ADDED}


class Blank(Bytes):
    """A tokenizer that puts a blank before every text, and takes the first one away."""

    def encode(self, text: str, *, add_special_tokens: bool) -> list[int]:
        return super().encode(f" {text}", add_special_tokens=add_special_tokens)

    def decode(self, ids: Sequence[int], *, skip_special_tokens: bool) -> str:
        return super().decode(ids, skip_special_tokens=skip_special_tokens).removeprefix(" ")


class Composing(Bytes):
    """A tokenizer that normalises, so that some texts cannot be said."""

    def encode(self, text: str, *, add_special_tokens: bool) -> list[int]:
        text = text.replace("\u212b", "\u00c5")
        return super().encode(text, add_special_tokens=add_special_tokens)


def source(*, cut: object = "tokens", pieces: object = (), **more: object) -> str:
    return json.dumps({"v": 1, "pieces": pieces, "cut": cut} | more)


def cutter(tokenizer: Bytes | None = None, size: int = 1000) -> Cutter:
    return Cutter(tokenizer or Bytes(), end=END, size=size)


def say(*pieces: Piece, cut: str = "tokens") -> tuple[int, ...]:
    return cutter().cut(Script(pieces, cut))


def test_a_script_is_read_as_it_was_written() -> None:
    pieces = [["text", "é"], ["marker", "<tool_call>"], ["control", "[ARGS]"]]
    expected = Script(
        (Piece("text", "é"), Piece("marker", "<tool_call>"), Piece("control", "[ARGS]")),
        "pieces:7",
    )
    assert read(source(pieces=pieces, cut="pieces:7")) == expected


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ("{", "not JSON: "),
        ("[" * 100_000, "not JSON: "),
        ("[]", "expected an object, got list"),
        ('{"v": 1, "v": 1}', "a key is given twice"),
        ('{"v": 1, "cut": "tokens"}', "key 'pieces' is missing"),
        (source(speed=1), "unknown key 'speed'; allowed: v, pieces, cut, steps, drafts"),
        (source(steps=[]), "steps is list; expected a list of 1 to 100 whole numbers above 0"),
        (source(steps=[1, 0]), "steps is list; expected"),
        (source(steps=[True]), "steps is list; expected"),
        (source(steps=3), "steps is 3; expected"),
        (source(drafts=-1), "drafts is -1; expected a whole number from 0"),
        (source(drafts=True), "drafts is True; expected"),
        (source(drafts=[3]), "drafts is list; expected"),
        (source(steps=[1], drafts=3), "steps and drafts are given; give one of them"),
        (source(v=2), "v is 2; this server reads version 1"),
        (source(v=True), "v is True; this server reads version 1"),
        (source(cut="words"), "cut is 'words'; allowed: tokens, characters, pieces:SEED"),
        (source(cut="pieces:"), "cut is 'pieces:'; allowed: "),
        (source(cut="pieces:1234567890123456789"), "cut is 'pieces:1234567890123456789'; "),
        (source(cut=None), "cut is None; allowed: "),
        (source(pieces="text"), "pieces is 'text'; expected a list of [kind, text]"),
        (source(pieces=[["text"]]), "pieces[0] is list; expected [kind, text]"),
        (source(pieces=[["token", "a"]]), "pieces[0]: kind is 'token'; allowed: text, marker, "),
        (source(pieces=[[[], "a"]]), "pieces[0]: kind is list; allowed: text, marker, "),
        (source(pieces=[["text", 1]]), "pieces[0]: text is 1; expected a string"),
        (source(pieces=[["text", "a"], ["marker", ""]]), "pieces[1]: a marker needs a name"),
        (source(pieces=[["text", "\ud83c"]]), "pieces[0]: text has half a surrogate pair"),
        (
            source(pieces=[["text", "a" * MAX_SCRIPT_CHARACTERS]]),
            f"at most {MAX_SCRIPT_CHARACTERS} are allowed",
        ),
    ],
)
def test_a_bad_script_is_refused_with_its_reason(written: str, reason: str) -> None:
    with pytest.raises(Refused, match=re.escape(reason)) as caught:
        read(written)
    assert str(caught.value).startswith("conformance_script: ")
    assert len(str(caught.value)) < 250


def test_a_script_with_guesses_is_for_a_server_that_makes_as_many() -> None:
    script = read(source(drafts=3))
    assert drafted(script, at_most=3) == script
    with pytest.raises(Refused, match="drafts is 3; this server guesses 2 tokens ahead"):
        drafted(script, at_most=2)
    with pytest.raises(Refused, match="drafts is 3; this server guesses 0 tokens ahead"):
        one_by_one(script)


def test_tokens_are_the_tokenizers_own_cut() -> None:
    assert say(Piece("text", "hello!")) == (BYTES, ord("!"), END)


def test_characters_are_encoded_one_by_one() -> None:
    expected = (*b"hello", *"🎉".encode(), END)
    assert say(Piece("text", "hello🎉"), cut="characters") == expected


def test_neighbouring_texts_are_one_run() -> None:
    assert say(Piece("text", "hel"), Piece("text", "lo")) == (BYTES, END)


def test_a_marker_is_one_token_where_the_vocabulary_has_it() -> None:
    expected = (Bytes().ids["<tool_call>"], *b"{}", END)
    assert say(Piece("marker", "<tool_call>"), Piece("text", "{}")) == expected


def test_a_marker_is_ordinary_text_where_the_vocabulary_lacks_it() -> None:
    assert say(Piece("marker", "[ARGS]"), Piece("text", "{}")) == (*b"[ARGS]{}", END)


def test_a_control_token_that_is_missing_is_refused() -> None:
    with pytest.raises(Refused, match=re.escape("pieces[1]: the vocabulary has no control token")):
        say(Piece("text", "a"), Piece("control", "[ARGS]"))


@pytest.mark.parametrize("cut", ["tokens", "characters", "pieces:3"])
def test_text_that_spells_a_token_stays_text(cut: str) -> None:
    ids = say(Piece("text", "<|im_end|><tool_call>"), cut=cut)
    assert ids == (*b"<|im_end|><tool_call>", END)


def test_an_empty_script_is_the_end_alone() -> None:
    assert say() == (END,)


def test_the_seed_decides_the_cut() -> None:
    text = "The same seed cuts at the same places, another one elsewhere." * 3
    cuts = [tuple(parts(text, "pieces:1", random.Random(seed))) for seed in (1, 2, 3)]
    assert {"".join(cut) for cut in cuts} == {text}
    assert len(set(cuts)) == 3
    assert cuts[0][:4] == ("The", " same seed", " c", "uts a")


def test_a_text_that_the_tokenizer_changes_is_refused() -> None:
    with pytest.raises(Refused, match="the tokenizer cannot say 'a\u212b' exactly"):
        cutter(Composing()).cut(Script((Piece("text", "a\u212b"),), "tokens"))


def test_a_token_without_a_logit_is_refused() -> None:
    script = Script((Piece("marker", "[TOOL_CALLS]"),), "tokens")
    with pytest.raises(Refused, match="token 264 is outside the model's 264 logits"):
        cutter(size=264).cut(script)


def test_a_vocabulary_entry_that_reads_otherwise_is_refused() -> None:
    tokenizer = Bytes()
    tokenizer.ids["[NAME]"] = 65
    with pytest.raises(Refused, match="do not decode to its text"):
        cutter(tokenizer).cut(Script((Piece("control", "[NAME]"),), "tokens"))


pieces = st.lists(
    st.builds(Piece, st.just("text"), st.text())
    | st.builds(Piece, st.just("text"), st.sampled_from((*ADDED, *MERGED, "", " ", "<|im_")))
    | st.builds(Piece, st.just("marker"), st.sampled_from((*ADDED, "[ARGS]", "<think>")))
    | st.builds(Piece, st.just("control"), st.sampled_from(ADDED))
)
cuts = st.sampled_from(["tokens", "characters"]) | st.builds("pieces:{}".format, st.integers(0, 99))


@pytest.mark.parametrize("tokenizer", [Bytes(), Blank()], ids=["bytes", "blank"])
@given(pieces=pieces, cut=cuts)
def test_every_cut_says_the_text_and_nothing_else(
    tokenizer: Bytes, pieces: list[Piece], cut: str
) -> None:
    script = Script(tuple(pieces), cut)
    *ids, end = cutter(tokenizer).cut(script)
    assert end == END
    assert Bytes().decode(ids, skip_special_tokens=False) == script.text
    added = set(tokenizer.get_added_vocab().values())
    wanted = [
        tokenizer.ids[piece.text]
        for piece in pieces
        if piece.kind != "text" and piece.text in tokenizer.ids
    ]
    assert [each for each in ids if each in added] == wanted


def test_the_folder_can_be_imported_alone() -> None:
    folder = Path(conformance.replay.__file__).parent
    code = "import replay.tokens, sys; print(sorted(m for m in sys.modules if 'conformance' in m))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(folder.parent)},
        cwd="/",
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_the_processor_is_imported_only_when_asked_for() -> None:
    module: Any = conformance.replay
    assert "conformance.replay.processor" not in sys.modules
    with pytest.raises(AttributeError, match="no attribute 'Replai'"):
        _ = module.Replai
