"""What an engine without a model says: scripts to the token, and nothing forbidden by a grammar."""

from __future__ import annotations

from collections.abc import Collection

import pytest

from conformance.replay import grammar
from conformance.replay.voice import Language, Voice

SIZE, END = 70, 69
CLOSERS = (1, 2)
LANGUAGE = Language(size=SIZE, end=END, closers=CLOSERS)


def mask(*allowed: int) -> list[int]:
    """Write a mask that allows these tokens, as a vLLM does: 32 to a number, lowest bit first."""
    words = [0] * -(-SIZE // grammar.WIDTH)
    for token in allowed:
        words[token // grammar.WIDTH] |= 1 << token % grammar.WIDTH
    return words


def voice(*ids: int, scripted: bool = True, prompt: int = 4) -> Voice:
    return Voice(ids=(*ids, END), scripted=scripted, prompt=prompt, computed=0)


def next_of(one: Voice, allowed: list[int] | None = None) -> int:
    """Let a voice that says one token at a time say the next."""
    (token,) = one.speak(LANGUAGE, () if allowed is None else [allowed])
    return token


def test_a_voice_says_its_script_and_its_end() -> None:
    one = voice(5, 6, 7)
    assert [next_of(one) for _ in range(4)] == [5, 6, 7, END]
    assert one.strayed is None


def test_a_voice_whose_end_is_not_heard_goes_on_ending() -> None:
    one = voice(5)
    assert [next_of(one) for _ in range(4)] == [5, END, END, END]


def test_a_script_that_a_grammar_allows_is_said_as_it_is() -> None:
    one = voice(5, 40)
    assert [next_of(one, mask(5)), next_of(one, mask(40, 3))] == [5, 40]
    assert one.strayed is None


def test_a_script_that_a_grammar_forbids_is_left_for_good() -> None:
    one = voice(5, 6, 7)
    assert next_of(one, mask(5)) == 5
    assert next_of(one, mask(7, 8, 20, END)) == 20  # neither what is left of it, nor the end
    assert one.strayed == (20,)


def test_an_answer_that_left_its_script_is_closed_as_its_grammar_wants_it() -> None:
    one = voice(5, 6, 7)
    assert next_of(one, mask(20)) == 20
    assert next_of(one, mask(6, CLOSERS[0], 30)) == CLOSERS[0]
    assert next_of(one, mask(6, 30, END)) == END
    assert one.strayed == (20, CLOSERS[0], END)


def test_what_a_script_still_had_to_say_is_said_only_where_nothing_else_may_come() -> None:
    one = voice(5, 6)
    assert next_of(one, mask(6)) == 6
    assert one.strayed == (6,)


def test_a_request_without_a_script_ends_as_soon_as_its_grammar_lets_it() -> None:
    one = voice(5, scripted=False)
    assert [next_of(one, mask(1, 2, 30)) for _ in range(5)] == [1, 1, 1, 2, 1]  # never stuck
    assert next_of(one, mask(30)) == 30
    assert next_of(one, mask(1, END)) == END


def test_a_voice_says_as_many_tokens_as_its_steps_have_and_no_more_than_it_has() -> None:
    one = voice(5, 6, 7, 8, 9)
    one.steps = (1, 3)
    assert [one.speak(LANGUAGE) for _ in range(4)] == [[5], [6, 7, 8], [9, END], [END]]
    one = voice(5, 6, 7)
    one.steps = (1000,)
    assert one.speak(LANGUAGE) == [5, 6, 7, END]


def test_under_a_grammar_a_step_has_one_token() -> None:
    one = voice(5, 6, 7)
    one.steps = (2,)
    assert one.speak(LANGUAGE, [mask(5, 6)]) == [5]
    assert one.speak(LANGUAGE) == [6, 7]


def test_a_step_has_the_tokens_that_were_guessed_rightly_and_one_more() -> None:
    for drafts, said in (
        ([6, 7, 8], [6, 7, 8, 9]),
        ([6, 7, 9], [6, 7, 8]),
        ([5, 7, 8], [6]),
        ([-1, -1], [6]),  # where vLLM fills up what is missing
        ([], [6]),
    ):
        one = voice(5, 6, 7, 8, 9, 10)
        assert (next_of(one), one.speak(LANGUAGE, drafts=drafts)) == (5, said)


def test_nothing_is_said_after_the_end_whatever_was_guessed() -> None:
    one = voice(5)
    assert next_of(one) == 5
    assert one.speak(LANGUAGE, drafts=[END, 7, 8]) == [END]
    assert one.speak(LANGUAGE) == [END]


def test_guesses_are_the_script_except_at_some_places() -> None:
    one = voice(*range(20, 40))
    one.drafts = 3
    steps: list[list[int]] = []
    drafts: list[int] = []
    while not steps or steps[-1][-1] != END:
        steps.append(one.speak(LANGUAGE, drafts=drafts))
        drafts = one.guess()
        assert len(drafts) <= 3
    assert [token for step in steps for token in step] == [*range(20, 40), END]
    assert [len(step) for step in steps] == [1, 4, 3, 4, 3, 4, 2]
    assert one.guess() == []


def test_a_guess_has_a_mask_of_its_own_and_so_has_what_follows() -> None:
    one = voice(5, 6, 7, 8)
    assert next_of(one) == 5
    assert one.speak(LANGUAGE, [mask(6), mask(7, 9), mask(8)], [6, 7]) == [6, 7, 8]
    one = voice(5, 6, 7, 8)
    assert one.speak(LANGUAGE, [mask(5), mask(20), mask(7)], [5, 6]) == [5, 20]
    assert (one.strayed, one.guess()) == ((20,), [])


def test_a_strayed_voice_without_a_grammar_ends() -> None:
    one = voice(5)
    next_of(one, mask(7))
    assert next_of(one) == END


@pytest.mark.parametrize(
    ("computed", "scheduled", "said", "due"),
    [
        (0, 4, 0, True),
        (0, 3, 0, False),  # a long prompt, read in parts
        (3, 1, 0, True),
        (4, 1, 1, True),
        (0, 4, 1, False),  # read again after a preemption
        (0, 5, 1, True),
    ],
)
def test_a_token_is_due_after_all_that_is_known_was_read(
    computed: int, scheduled: int, said: int, due: bool
) -> None:
    one = voice(5)
    one.computed, one.said = computed, said
    assert one.is_due(scheduled) is due


@pytest.mark.parametrize("allowed", [(), (0,), (31,), (32,), (0, 31, 32, 63, 64, 69)])
def test_the_allowed_tokens_of_a_mask_are_found_last_one_first(allowed: Collection[int]) -> None:
    assert list(grammar.allowed(mask(*allowed), SIZE)) == sorted(allowed, reverse=True)
    assert {one for one in range(SIZE) if grammar.allows(mask(*allowed), one)} == set(allowed)


def test_bits_of_a_mask_after_the_vocabulary_are_no_tokens() -> None:
    assert list(grammar.allowed([0, 0, 0xFFFFFFFF, 7], SIZE)) == [69, 68, 67, 66, 65, 64]


def test_a_mask_that_allows_nothing_ends_the_answer() -> None:
    assert grammar.another(mask(), SIZE, (), otherwise=END) == END
    assert grammar.closer(mask(), SIZE, CLOSERS, (), END) == END
