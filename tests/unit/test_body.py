"""Bodies in memory, and stretches and rows of bodies."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ehmi_ap.body import Body, Joined, MemoryBody, MemorySpool, Slice, read_all

DATA = bytes(range(100))
bounds = st.integers(0, 120)


def as_memory() -> Body:
    return MemoryBody(DATA)


def as_slice() -> Body:
    return Slice(MemoryBody(b"before" + DATA + b"after"), 6, 106)


def as_joined() -> Body:
    return Joined((MemoryBody(DATA[:10]), MemoryBody(b""), Slice(MemoryBody(DATA), 10, 60), MemoryBody(DATA[60:])))


def as_slice_of_joined() -> Body:
    return Slice(Joined((MemoryBody(b"x" * 7), as_joined(), MemoryBody(b"y"))), 7, 107)


ALL = [as_memory, as_slice, as_joined, as_slice_of_joined]


@pytest.mark.parametrize("make", ALL)
@given(start=bounds, stop=st.none() | bounds)
def test_a_stretch_of_any_body_is_that_of_its_bytes(make: object, start: int, stop: int | None) -> None:
    body: Body = make()  # type: ignore[operator]
    assert b"".join(body.chunks(start, stop)) == DATA[start:stop]


@pytest.mark.parametrize("make", ALL)
def test_bodies_know_their_size_and_can_be_read_again(make: object) -> None:
    body: Body = make()  # type: ignore[operator]
    assert body.size == len(DATA)
    assert body.resident
    assert read_all(body) == read_all(body) == DATA


@given(low=bounds, high=bounds, inner_low=bounds, inner_high=bounds)
def test_a_slice_of_a_slice(low: int, high: int, inner_low: int, inner_high: int) -> None:
    low, high = sorted((min(low, 100), min(high, 100)))
    expected = DATA[low:high]
    inner_low, inner_high = sorted((min(inner_low, len(expected)), min(inner_high, len(expected))))
    outer = Slice(MemoryBody(DATA), low, high)
    assert read_all(Slice(outer, inner_low, inner_high)) == expected[inner_low:inner_high]


def test_an_empty_body_has_no_chunks() -> None:
    for body in (MemoryBody(b""), Slice(MemoryBody(DATA), 5, 5), Joined(())):
        assert (body.size, list(body.chunks())) == (0, [])


class OnDisk:
    size = 3
    resident = False

    def chunks(self, start: int = 0, stop: int | None = None) -> list[bytes]:
        return [b"abc"[start:stop]]


def test_one_part_on_disk_makes_the_whole_wait() -> None:
    disk: Body = OnDisk()  # type: ignore[assignment]
    assert not Slice(disk, 0, 2).resident
    assert not Joined((MemoryBody(b"x"), disk)).resident


def test_a_spool_takes_whatever_holds_bytes() -> None:
    spool = MemorySpool()
    for piece in (b"ab", bytearray(b"cd"), memoryview(b"ef")):
        spool.write(piece)
    body = spool.finish()
    spool.discard()
    spool.discard()
    assert read_all(body) == b"abcdef"


def test_reading_all_has_a_limit() -> None:
    assert read_all(MemoryBody(b"abc"), 3) == b"abc"
    with pytest.raises(ValueError, match="3 bytes, more than 2"):
        read_all(MemoryBody(b"abc"), 2)
