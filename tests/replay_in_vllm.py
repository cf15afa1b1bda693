"""Tests of `conformance.replay` that need torch and vLLM but no server.

Run by the Python of a vLLM environment: `PYTHONPATH=. PYTHON tests/replay_in_vllm.py`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, NamedTuple
from unittest.mock import patch

import numpy as np
import torch  # type: ignore[import-not-found]
import vllm.v1.sample.logits_processor as v1  # type: ignore[import-not-found]
from vllm.sampling_params import (  # type: ignore[import-not-found]
    RequestOutputKind,
    SamplingParams,
)

from conformance.replay import Replay, interface, likelihood, processor, request
from conformance.replay.processor import IMPOSSIBLE, V1Replay, V2Replay
from conformance.replay.request import PACE_SECONDS, pace
from conformance.replay.tokens import Cutter

END = 256
SIZE = 260


class Bytes:
    """A tokenizer with a token for each byte."""

    def encode(self, text: str, *, add_special_tokens: bool) -> list[int]:
        return list(text.encode())

    def decode(self, ids: Sequence[int], *, skip_special_tokens: bool) -> str:
        return bytes(ids).decode(errors="replace")

    def get_vocab(self) -> dict[str, int]:
        return {}

    get_added_vocab = get_vocab


def params(text: str | None) -> Any:
    if text is None:
        return SamplingParams()
    script = json.dumps({"v": 1, "pieces": [["text", text]], "cut": "tokens"})
    return SamplingParams(extra_args={"conformance_script": script})


def update(
    *added: tuple[int, Any, list[int]], removed: Sequence[int] = (), moved: Sequence[Any] = ()
) -> Any:
    new = [(row, given, [1, 2], output) for row, given, output in added]
    return v1.BatchUpdate(batch_size=4, removed=removed, added=new, moved=moved)


def chosen(logits: Any) -> list[int | None]:
    """Give the one possible token of each row, `None` where the row is as it was."""
    untouched = torch.arange(SIZE, dtype=torch.float32)
    tokens: list[int | None] = []
    for row in logits:
        free = (row != IMPOSSIBLE).nonzero().flatten().tolist()
        tokens.append(free[0] if len(free) == 1 else None)
        assert len(free) == 1 or torch.equal(row[free], untouched[free])
    return tokens


def fresh(rows: int) -> Any:
    return torch.arange(SIZE, dtype=torch.float32).repeat(rows, 1)


def new_v1() -> Any:
    return Replay(SimpleNamespace(model_config=None), torch.device("cpu"), False)


def new_v2() -> Any:
    states = SimpleNamespace(
        prompt_len=SimpleNamespace(np=[10, 10, 10, 10]),
        prefill_len=SimpleNamespace(np=[10, 10, 10, 10]),
        all_token_ids=SimpleNamespace(gpu=torch.zeros((4, 40), dtype=torch.int64)),
    )
    return Replay(SimpleNamespace(model_config=None), states)


def context(*rows: tuple[int, int, int, int]) -> Any:
    """Lay out a batch from slot, step, last token and draft offset of each row."""
    slots, steps, last, offsets = (torch.tensor(each) for each in zip(*rows, strict=True))
    return SimpleNamespace(
        expanded_idx_mapping=slots,
        idx_mapping_np=slots[offsets == 0].numpy(),
        expanded_local_pos=offsets,
        input_ids=last,
        pos=steps + 9,
    )


def test_each_runner_gets_its_own_half() -> None:
    assert issubclass(Replay, v1.LogitsProcessor)
    assert issubclass(Replay, processor.V2Processor)
    assert (type(new_v1()), type(new_v2())) == (V1Replay, V2Replay)


def test_v1_forces_scripted_rows_only() -> None:
    replay, output = new_v1(), list[int]()
    replay.update_state(update((0, params(None), []), (1, params("ab"), output)))
    for want in (*b"ab", END, END):
        assert chosen(replay.apply(fresh(3))) == [None, want, None]
        output.append(want)


def test_v1_follows_a_request_from_row_to_row() -> None:
    replay = new_v1()
    replay.update_state(update((0, params("ab"), []), (2, params("xy"), [ord("x")])))
    swap, one_way = v1.MoveDirectionality.SWAP, v1.MoveDirectionality.UNIDIRECTIONAL
    replay.update_state(update(moved=[(0, 1, swap)]))
    assert chosen(replay.apply(fresh(3))) == [None, ord("a"), ord("y")]
    replay.update_state(update(removed=[1], moved=[(2, 1, one_way)]))
    assert chosen(replay.apply(fresh(3))) == [None, ord("y"), None]
    replay.update_state(update((1, params(None), [])))
    assert chosen(replay.apply(fresh(3))) == [None, None, None]


def test_v1_goes_on_where_a_preempted_request_was() -> None:
    replay = new_v1()
    replay.update_state(update((0, params("abc"), [*b"ab"]), (1, params("abc"), [ord("a"), -1])))
    assert chosen(replay.apply(fresh(2))) == [ord("c"), ord("c")]


def test_v1_does_not_return_to_a_script_that_was_left() -> None:
    replay = new_v1()
    replay.update_state(update((0, params("abc"), [*b"xb"])))
    assert chosen(replay.apply(fresh(1))) == [None]


def test_v1_stops_forcing_where_a_grammar_forbids_the_token() -> None:
    replay, outputs = new_v1(), [list[int](), list[int]()]
    replay.update_state(update((0, params("ab"), outputs[0]), (1, params("ab"), outputs[1])))
    logits = fresh(2)
    logits[0, ord("a")] = IMPOSSIBLE
    assert chosen(replay.apply(logits)) == [None, ord("a")]
    outputs[0].append(7)
    outputs[1].append(ord("a"))
    assert chosen(replay.apply(fresh(2))) == [None, ord("b")]


def test_a_script_that_came_past_the_check_is_answered_with_its_refusal() -> None:
    replay = new_v1()
    bad = SamplingParams(extra_args={"conformance_script": "{}"})
    replay.update_state(update((0, bad, [])))
    ids, _, _ = replay.scripts[0]
    assert bytes(ids[:-1]) == b"conformance_script: key 'cut' is missing (refused)"
    assert ids[-1] == END


def test_a_script_takes_its_time_where_its_deltas_are_sent_one_by_one() -> None:
    def paced(**options: Any) -> float:
        return pace(SamplingParams(**options))

    assert paced(output_kind=RequestOutputKind.FINAL_ONLY) == 0
    assert paced(output_kind=RequestOutputKind.DELTA) == PACE_SECONDS
    if "stream_interval" in SamplingParams.__annotations__:
        assert paced(output_kind=RequestOutputKind.DELTA, stream_interval=5) == PACE_SECONDS / 5


def test_v2_forces_scripted_rows_only() -> None:
    replay = new_v2()
    assert replay.add_request(2, params("ab"))
    assert not replay.add_request(1, params(None))
    replay.apply_staged_writes()
    steps = [(0, 5), (1, ord("a")), (2, ord("b")), (3, END)]
    for (step, last), want in zip(steps, (*b"ab", END, END), strict=True):
        logits = replay.apply(fresh(2), context((1, step, 0, 0), (2, step, last, 0)))
        assert chosen(logits) == [None, want]


def test_v2_leaves_a_prompt_that_is_being_read_alone() -> None:
    replay = new_v2()
    replay.add_request(0, params("ab"))
    assert chosen(replay.apply(fresh(1), context((0, -3, 5, 0)))) == [None]
    assert chosen(replay.apply(fresh(1), context((0, 0, 5, 0)))) == [ord("a")]


def test_v2_forgets_the_script_of_the_slots_last_request() -> None:
    replay = new_v2()
    replay.add_request(0, params("ab"))
    replay.add_request(0, params(None))
    replay.apply_staged_writes()
    assert chosen(replay.apply(fresh(1), context((0, 0, 5, 0)))) == [None]


def test_v2_goes_on_where_a_preempted_request_was() -> None:
    replay = new_v2()
    for slot, said in ((0, b"ab"), (1, b"xb")):
        replay.states.prefill_len.np[slot] = 12
        replay.states.all_token_ids.gpu[slot, 10:12] = torch.tensor(list(said))
        replay.add_request(slot, params("abc"))
    replay.apply_staged_writes()
    logits = replay.apply(fresh(2), context((0, 2, ord("b"), 0), (1, 2, ord("b"), 0)))
    assert chosen(logits) == [ord("c"), None]


def test_v2_stops_forcing_where_a_grammar_forbids_the_token() -> None:
    replay = new_v2()
    replay.add_request(0, params("ab"))
    logits = fresh(1)
    logits[0, ord("a")] = IMPOSSIBLE
    assert chosen(replay.apply(logits, context((0, 0, 5, 0)))) == [None]
    assert chosen(replay.apply(fresh(1), context((0, 1, ord("a"), 0)))) == [None]


def test_v2_forces_the_rows_of_draft_tokens() -> None:
    replay = new_v2()
    replay.add_request(0, params("abc"))
    rows = ((0, 0, 5, 0), (0, 1, ord("a"), 1), (0, 2, ord("z"), 2))
    logits = fresh(3)
    logits[2, ord("c")] = IMPOSSIBLE
    assert chosen(replay.apply(logits, context(*rows))) == [ord("a"), ord("b"), None]
    assert chosen(replay.apply(fresh(1), context((0, 2, ord("b"), 0)))) == [ord("c")]


def test_v2_does_not_return_to_a_script_that_a_draft_left() -> None:
    replay = new_v2()
    replay.add_request(0, params("abc"))
    assert chosen(replay.apply(fresh(1), context((0, 1, ord("z"), 0)))) == [None]
    assert chosen(replay.apply(fresh(1), context((0, 2, ord("b"), 0)))) == [None]


def test_the_api_process_refuses_what_cannot_be_said() -> None:
    number = SamplingParams(extra_args={"conformance_script": 7})
    assert refusal(number) == "conformance_script: expected JSON text, got int"
    assert refusal(params("a")).endswith("does not say which model a request is for")
    assert refusal(params(None)) == ""


@dataclass
class Before0102:
    """What a step gave up to 0.9."""

    req_ids: list[str]
    req_id_to_index: dict[str, int]
    sampled_token_ids: list[list[int]]
    spec_token_ids: list[list[int]] | None
    logprobs: Any
    prompt_logprobs_dict: dict[str, Any]
    pooler_output: list[Any]
    finished_sending: set[str] | None = None


@dataclass
class Of0112:
    """What a step gave in 0.11.1 and 0.11.2."""

    req_ids: list[str]
    req_id_to_index: dict[str, int]
    sampled_token_ids: list[np.ndarray]
    logprobs: Any
    prompt_logprobs_dict: dict[str, Any]
    pooler_output: list[Any]


@dataclass
class OfTomorrow:
    """What nobody knows yet."""

    req_ids: list[str]
    sampled_token_ids: list[list[int]]
    weather: str
    mood: str = "fair"


class Lists(NamedTuple):
    """Logprobs of a step up to 0.11.0: a row for each request."""

    logprob_token_ids: list[list[int]]
    logprobs: list[list[float]]
    sampled_token_ranks: list[int]


ROWS: dict[str, list[int]] = {"a": [], "b": [7]}


def test_a_step_has_the_form_of_its_release() -> None:
    with patch.object(interface, "ModelRunnerOutput", Before0102):
        old = interface.output_of(ROWS, None, {})
        assert (old.sampled_token_ids, old.pooler_output, old.spec_token_ids) == (
            [[], [7]],
            [],
            None,
        )
        assert interface.missing() == []
    with patch.object(interface, "ModelRunnerOutput", Of0112):
        given = interface.output_of(ROWS, None, {}).sampled_token_ids
        assert [(row.dtype, row.tolist()) for row in given] == [(np.int64, []), (np.int64, [7])]
    own = interface.output_of(ROWS, None, {})
    assert (own.req_ids, own.req_id_to_index, own.logprobs) == (["a", "b"], {"a": 0, "b": 1}, None)


def test_old_logprobs_have_a_row_for_each_request() -> None:
    likely = likelihood.of([7], 1, SIZE)
    with patch.multiple(interface, LogprobsLists=Lists, COUNTS_TOKENS=False):
        old = interface.output_of(ROWS, likely, {}).logprobs
        beside_several = interface.output_of(
            {"a": [], "several": [5, 6], "b": [7]}, likelihood.of([5, 6, 7], 1, SIZE), {}
        ).logprobs
    assert (len(old.logprob_token_ids), old.logprob_token_ids[1]) == (2, [7, 7])
    assert beside_several.logprob_token_ids[1:] == [[5, 5], [7, 7]]
    new = interface.output_of(ROWS, likely, {}).logprobs
    assert (new.logprob_token_ids.tolist(), new.cu_num_generated_tokens) == ([[7, 7]], [0, 0, 1])


def test_what_a_release_wants_and_nobody_knows_is_named() -> None:
    with patch.object(interface, "ModelRunnerOutput", OfTomorrow):
        assert interface.missing() == ["OfTomorrow.weather"]


def test_a_grammar_is_read_in_the_form_of_its_release() -> None:
    new = SimpleNamespace(structured_output_request_ids=["b", "a"], grammar_bitmask=[[1], [2]])
    old = SimpleNamespace(
        structured_output_request_ids={"a": 1, "b": 0}, grammar_bitmask=[[1], [2]]
    )
    for one in (new, old):
        assert list(interface.masks_of(one, {})) == [("b", [[1]]), ("a", [[2]])]
    assert list(interface.masks_of(None, {})) == []


def test_a_grammar_has_a_mask_for_each_guess_and_for_what_follows() -> None:
    names, drafts = ["b", "a"], {"a": [7, 8], "c": [9]}
    expected = [("b", [[1]]), ("a", [[2], [3], [4]])]
    packed = SimpleNamespace(
        structured_output_request_ids=names, grammar_bitmask=[[1], [2], [3], [4]]
    )
    spaced = SimpleNamespace(
        structured_output_request_ids=names,
        grammar_bitmask=[[1], [0], [0], [0], [2], [3], [4], [0]],
    )
    for one in (packed, spaced):
        assert list(interface.masks_of(one, drafts)) == expected


def refusal(given: Any) -> str:
    try:
        Replay.validate_params(given)
    except ValueError as refused:
        return str(refused)
    return ""


def main() -> None:
    tests: dict[str, Callable[[], None]] = {
        name: test for name, test in globals().items() if name.startswith("test_")
    }
    identity, cutter = (
        ("bytes", "auto", None, False, SIZE, END),
        Cutter(Bytes(), end=END, size=SIZE),
    )
    own: dict[str, Any] = {"identify": lambda _: identity, "load_cutter": lambda _: cutter}
    with patch.multiple(processor, **own), patch.multiple(request, **own):
        for name, test in tests.items():
            test()
            print("passed", name)
    print(f"{len(tests)} passed")


if __name__ == "__main__":
    main()
