from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.base.sse import BOM, Read, Stream, read


def stream(body: bytes) -> Stream:
    return read([Read(0.0, body)])


def data(found: Stream) -> list[str]:
    return [event.data for event in found.events]


def pieces(body: bytes, cuts: Sequence[int]) -> list[Read]:
    places = sorted({0, *(min(cut, len(body)) for cut in cuts), len(body)})
    parts = [body[start:stop] for start, stop in pairwise(places)]
    return [Read(float(number), part) for number, part in enumerate(parts)]


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_lines_end_in_three_ways(end: bytes) -> None:
    found = stream(b"data: a\n\ndata: b\ndata: c\n\n".replace(b"\n", end))
    assert data(found) == ["a", "b\nc"]
    assert [event.data_lines for event in found.events] == [1, 2]
    assert found.line_ends == {end}
    assert found.tail == b""


def test_line_ends_may_differ() -> None:
    found = stream(b"data: a\r\n\ndata: b\n\r\n")
    assert data(found) == ["a", "b"]
    assert found.line_ends == {b"\r\n", b"\n"}


def test_only_the_bytes_of_line_ends_end_a_line() -> None:
    odd = "a\u2028b\u2029c\x85d\x0be\x0cf\x1cg"
    assert data(stream(f"data: {odd}\n\n".encode())) == [odd]


def test_one_space_after_the_colon_is_not_data() -> None:
    assert data(stream(b"data:a\n\ndata: a\n\ndata:  a\n\ndata:\ta\n\n")) == ["a", "a", " a", "\ta"]


def test_a_field_is_a_name_and_a_value() -> None:
    found = stream(b"event: ping\nid\nretry:3:4\nx y: z\n\n")
    assert found.events[0].fields == (
        ("event", "ping"),
        ("id", ""),
        ("retry", "3:4"),
        ("x y", "z"),
    )
    assert (found.events[0].data, found.events[0].data_lines) == ("", 0)


def test_comments_are_not_events() -> None:
    found = stream(b": hello\n\n:\n\n: in\ndata: a\n: out\n\n\n\ndata: b\n\n")
    assert data(found) == ["a", "b"]
    assert [event.number for event in found.events] == [0, 1]
    assert found.events[0].raw == b": in\ndata: a\n: out\n"


def test_an_empty_data_line_is_an_event() -> None:
    found = stream(b"data:\n\ndata\n\n")
    assert data(found) == ["", ""]
    assert [event.data_lines for event in found.events] == [1, 1]


@pytest.mark.parametrize("tail", [b"", b"data: b", b"data: b\n", b"\xff", b": c"])
def test_what_no_blank_line_ends_is_the_tail(tail: bytes) -> None:
    found = stream(b"data: a\n\n" + tail)
    assert data(found) == ["a"]
    assert found.tail == tail


def test_a_byte_order_mark_is_noted_and_left_out() -> None:
    found = stream(BOM + b"data: a\n\ndata: " + BOM + b"\n\n")
    assert found.bom
    assert data(found) == ["a", "\ufeff"]
    assert not stream(b"data: a\n\n").bom


def test_bytes_that_are_not_utf8_are_noted_and_replaced() -> None:
    found = stream(b"data: a\n\ndata: \xf0\x9f\n\ndata: \x98\x80\n\n")
    assert found.bad_utf8 == 15
    assert data(found) == ["a", "\ufffd", "\ufffd\ufffd"]
    assert stream("data: 😀\n\n".encode()).bad_utf8 is None


def test_an_event_has_the_time_of_its_blank_line() -> None:
    found = read(
        [
            Read(0.1, b"data: a\n"),
            Read(0.2, b""),
            Read(0.3, b"\ndata: b\n\ndata"),
            Read(0.4, b": c\n\n"),
        ]
    )
    assert [(event.data, event.at) for event in found.events] == [
        ("a", 0.3),
        ("b", 0.3),
        ("c", 0.4),
    ]


def test_nothing_is_a_stream_without_events() -> None:
    assert read([]) == read([Read(1.0, b"")]) == stream(b"")
    assert read([]).events == ()


ODD = st.lists(
    st.sampled_from(
        [b"data: ", b"data", b":", b"\n", b"\r", b"\n\n", b"a", BOM, b"\xff", b"event:"]
    )
).map(b"".join)


@given(st.binary(max_size=200) | ODD)
def test_any_bytes_are_a_stream(body: bytes) -> None:
    found = stream(body)
    assert [event.number for event in found.events] == list(range(len(found.events)))
    assert all(event.fields and event.raw in body for event in found.events)
    assert body.endswith(found.tail)


@given(st.binary(max_size=100) | ODD, st.lists(st.integers(0, 100), max_size=8))
def test_the_network_changes_times_only(body: bytes, cuts: list[int]) -> None:
    def but_times(found: Stream) -> object:
        events = [(event.number, event.raw, event.fields) for event in found.events]
        return events, found.tail, found.bom, found.line_ends, found.bad_utf8

    found = read(pieces(body, cuts))
    assert but_times(found) == but_times(stream(body))
    times = [event.at for event in found.events]
    assert times == sorted(times)


LINE = st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=20)


@given(
    st.lists(st.lists(LINE, min_size=1, max_size=3), max_size=5),
    st.sampled_from(["\r\n", "\n", "\r"]),
)
def test_events_are_cut_where_they_were_joined(events: list[list[str]], end: str) -> None:
    blocks = ["".join(f"data: {line}{end}" for line in lines) for lines in events]
    body = "".join(f"{block}{end}" for block in blocks).encode()
    found = stream(body)
    assert data(found) == ["\n".join(lines) for lines in events]
    assert b"".join(event.raw + end.encode() for event in found.events) == body
