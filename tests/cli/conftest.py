"""Result rows from the tests of the benchmarks."""

from tests.benchmarks.conftest import make_row as make_row
