"""Tests of the benchmark of the kernels of SGD, and of its table."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from spark_mf.benchmarks.speed.kernels import (
    EVALUATE,
    IN_CACHE,
    REAL_CELL,
    SHAPES,
    TRAIN,
    UNBLOCKED,
    BenchKernelsSettings,
    KernelRow,
    add_multiple,
    bench_kernels,
    make_block,
    measure_bandwidth,
)
from spark_mf.benchmarks.speed.kernels_report import draw_kernels, kernel_report, kernel_table

SMALL = BenchKernelsSettings(ranks=(3, 8), ratings=2_000)

# 64 ratings of 1,000 bytes each in a second, of 256,000 bytes.
A_ROW = KernelRow(
    kernel=TRAIN,
    rank=8,
    shape=REAL_CELL,
    threads=2,
    ratings=64,
    seconds=2.0,
    bytes_a_rating=1_000,
    bandwidth=256_000.0,
    versions={"numba": "0.61"},
    git=None,
    started_at="2026-01-02T03:04:05+00:00",
)


@pytest.fixture(scope="module")
def measured():
    return bench_kernels(SMALL)


def test_every_kernel_rank_shape_and_number_of_threads_is_measured(measured):
    found = [(row.kernel, row.rank, row.shape, row.threads) for row in measured]
    assert found == [
        (kernel, rank, shape, threads)
        for kernel in (TRAIN, EVALUATE)
        for rank in (3, 8)
        for shape in (IN_CACHE, REAL_CELL, UNBLOCKED)
        for threads in (1, 2)
    ]
    assert all(row.seconds > 0 and row.bandwidth > 0 and row.ratings == 2_000 for row in measured)


def test_bytes_are_those_of_both_rows_and_the_rating(measured):
    # Rank 3 and its two lanes of biases fill a slot of 8 float32, rank 8 one of 16.
    found = {(row.kernel, row.rank): row.bytes_a_rating for row in measured}
    assert found == {
        (TRAIN, 3): 2 * 2 * 32 + 12,
        (TRAIN, 8): 2 * 2 * 64 + 12,
        (EVALUATE, 3): 2 * 32 + 12,
        (EVALUATE, 8): 2 * 64 + 12,
    }


def test_shares_count_all_threads():
    assert A_ROW.ratings_per_second == 64.0
    assert A_ROW.share_of_bandwidth == 0.25
    assert json.loads(A_ROW.to_json())["share_of_bandwidth"] == 0.25


@pytest.mark.parametrize("shape", SHAPES)
def test_blocks_are_of_their_shape(shape):
    block = make_block(SMALL, 3, shape, 0)
    n_users, n_items = SHAPES[shape]
    assert (len(block.users), len(block.items)) == (n_users, n_items)
    assert block.cell.values.size == 2_000
    assert 0 <= block.cell.rows.min() <= block.cell.rows.max() < n_users
    assert block.cell.columns.max() < n_items
    assert sorted(block.order) == list(range(block.cell.starts.size - 1))
    assert (block.cell.starts.size == 2) == (shape != REAL_CELL)


def test_threads_have_ratings_of_their_own():
    first, second = (make_block(SMALL, 3, IN_CACHE, thread) for thread in (0, 1))
    assert not np.array_equal(first.cell.values, second.cell.values)
    again = make_block(SMALL, 3, IN_CACHE, 0)
    assert np.array_equal(first.cell.values, again.cell.values)


def test_the_stream_adds_a_multiple():
    values = np.array([1, 2], np.float32)
    add_multiple(values, np.array([10, 20], np.float32), np.float32(0.5))
    assert values.tolist() == [6, 12]


def test_bandwidth_counts_two_reads_and_a_write(monkeypatch):
    monkeypatch.setattr("spark_mf.benchmarks.speed.kernels._STREAM_FLOATS", 1_000)
    monkeypatch.setattr("spark_mf.benchmarks.speed.kernels._fastest", lambda pool, work, each: 0.5)
    with ThreadPoolExecutor(1) as pool:
        assert measure_bandwidth(pool, 2) == 3 * 4_000 / 0.5


def test_the_report_has_figures_bandwidth_and_plot(tmp_path):
    rows = [
        replace(A_ROW, kernel=kernel, shape=shape, rank=rank)
        for kernel in (TRAIN, EVALUATE)
        for shape in SHAPES
        for rank in (8, 64)
    ]
    line = next(line for line in kernel_table(rows).splitlines() if "train" in line)
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    assert cells == ["train", "8", "in cache", "2", "0.0", "1,000", "0.0", "0.25"]
    report = kernel_report([replace(A_ROW, bandwidth=25.6e9)])
    assert "2 threads 25.6 GB/s" in report
    assert "69,000 × 900" in report
    draw_kernels(rows, tmp_path / "plot.png")
    assert (tmp_path / "plot.png").stat().st_size > 10_000
