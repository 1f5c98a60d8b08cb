"""Result rows, as the benchmarks' tests make them."""

from tests.benchmarks.conftest import make_row as make_row
