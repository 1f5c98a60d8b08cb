"""Tests of send, receive and all-gather."""

import gc
import warnings
from typing import Any

import numpy as np
import pytest

from spark_mf.exchange.ring.connection import RingError
from spark_mf.exchange.ring.ring import Ring

LAPS = 3


@pytest.mark.parametrize(("size", "blocks"), [(1, 1), (1, 3), (2, 2), (2, 3), (2, 8), (3, 3), (3, 7), (5, 5), (5, 6)])
def test_rotating_blocks_visit_every_member_once_a_lap(rings: Any, size: int, blocks: int):
    def rotate(ring: Ring) -> list[tuple[int, int]]:
        waiting = [(block, np.zeros(4, np.float32)) for block in range(ring.position, blocks, size)]
        seen = []
        for _ in range(LAPS * blocks):
            block, visits = waiting.pop(0) if waiting else ring.receive()
            seen.append((block, int(visits[0])))
            visits += 1  # what arrives is the member's own
            if visits[0] < LAPS * size:
                ring.send(block, visits)
        return seen

    for position, seen in enumerate(rings.run(size, rotate)):
        # Block b starts at position b mod size and goes from a to a−1.
        expected = [(block, (block - position) % size + lap * size) for block in range(blocks) for lap in range(LAPS)]
        assert sorted(seen) == sorted(expected)


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_all_gather_gives_everyone_all_arrays_in_order_of_position(rings: Any, size: int):
    def gather(ring: Ring) -> Any:
        own = np.arange(ring.position * 3, dtype=np.int32)  # position 0 has nothing
        first, second = ring.all_gather(own), ring.all_gather(own * 10)
        assert first[ring.position] is own
        for array in first:
            array += 1  # all are the caller's to change
        return [array.tolist() for array in first], [array.tolist() for array in second]

    expected = [list(range(1, 3 * position + 1)) for position in range(size)]
    tenfold = [[10 * value for value in range(3 * position)] for position in range(size)]
    assert rings.run(size, gather) == [(expected, tenfold)] * size


@pytest.mark.parametrize("size", [1, 2])
def test_arrays_of_any_shape_and_dtype_arrive_in_the_order_of_sending_with_their_bytes(rings: Any, size: int):
    arrays = [
        np.arange(6.0).reshape(2, 3),
        np.array([-1, 2**62]),
        np.array(7, np.int8),
        np.empty((0, 4), np.float32),
        np.array([(1, 2.5)], dtype=[("a", "i4"), ("b", "f8")]),
    ]

    def exchange(ring: Ring) -> list[tuple[int, Any]]:
        for tag, array in enumerate(arrays):
            array.flags.writeable = False  # as arrays from Spark are
            ring.send(tag - 2, array)
        received = [ring.receive(array.dtype) for array in arrays]
        assert all(array.ndim == 1 and array.flags.writeable for _, array in received)
        return [(tag, array.tolist()) for tag, array in received]

    expected = [(tag - 2, array.reshape(-1).tolist()) for tag, array in enumerate(arrays)]
    assert rings.run(size, exchange) == [expected] * size


def test_a_block_larger_than_the_sockets_buffers_is_on_its_way_while_the_member_works(rings: Any):
    large = np.arange(rings.largest // 8, dtype=np.float64)

    def exchange(ring: Ring) -> bool:
        for tag in range(30):  # nobody has received anything yet
            ring.send(tag, large)
        return all(np.array_equal(ring.receive(np.float64)[1], large) for _ in range(30))

    assert rings.run(2, exchange) == [True, True]


def test_leaving_normally_sends_what_is_queued_even_to_a_member_that_comes_late(rings: Any):
    large = np.ones(rings.largest // 4, np.float32)

    def exchange(ring: Ring) -> float:
        if ring.position == 0:
            for tag in range(20):
                ring.send(tag, large)
            return 0.0
        return sum(float(ring.receive()[1].sum()) for _ in range(20))

    assert rings.run(2, exchange) == [0.0, 20.0 * large.size]


def test_waiting_for_more_than_was_sent_is_an_error_and_no_hang(rings: Any):
    def wait(ring: Ring) -> tuple[float, str]:
        if ring.position == 1:
            ring.send(0, np.ones(1, np.float32))
            return 0.0, ""
        value = float(ring.receive()[1][0])
        with pytest.raises(RingError, match="position 1") as caught:
            ring.receive()
        with pytest.raises(RingError, match="position 1"):
            ring.receive()
        return value, str(caught.value)

    (value, message), _ = rings.run(2, wait)
    assert value == 1.0
    assert "closed the ring" in message


def test_a_single_member_that_waits_for_what_it_did_not_send_is_told_so(rings: Any):
    with pytest.raises(RingError, match="has not sent"):
        rings.run(1, lambda ring: ring.receive())


@pytest.mark.parametrize(
    ("array", "complaint"),
    [
        (np.ones((4, 4))[:, ::2], "array must be C-contiguous"),
        (np.array([None]), "dtype object"),
        (np.zeros(1 << 21, np.int8), "array must have at most 1048576 bytes, the limit of this ring, got 2097152"),
    ],
)
def test_what_cannot_be_sent_is_refused_in_a_sentence(rings: Any, array: Any, complaint: str):
    with pytest.raises(ValueError, match=complaint):
        rings.run(1, lambda ring: ring.send(0, array))


def test_bytes_that_are_no_array_of_the_dtype_are_refused(rings: Any):
    def exchange(ring: Ring) -> None:
        ring.send(0, np.zeros(3, np.int8))
        ring.receive(np.float64)

    with pytest.raises(RingError, match="received 3 bytes, which are not an array of float64"):
        rings.run(1, exchange)


def test_members_at_different_points_of_their_exchanges_are_told_so(rings: Any):
    def exchange(ring: Ring) -> None:
        ring.send(5, np.zeros(1))
        ring.all_gather(np.zeros(1))

    outcomes = rings.run(2, exchange)
    assert any(", received one with tag 5." in str(outcome) for outcome in outcomes)


@pytest.mark.parametrize("fails", [False, True])
def test_no_socket_is_left_open(rings: Any, fails: bool):
    def work(ring: Ring) -> None:
        ring.all_gather(np.zeros(3))
        if fails:
            raise ValueError

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        rings.run(3, work)
        gc.collect()
    assert [str(warning.message) for warning in caught if warning.category is ResourceWarning] == []
