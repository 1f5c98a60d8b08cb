"""Tests of the points of implicit feedback, of nonnegative factors and of high ranks, and of their rows."""

from dataclasses import replace

import pytest

from spark_mf.benchmarks.measuring import Bench
from spark_mf.benchmarks.own_process import recorded_rows
from spark_mf.benchmarks.rows import ResultRow
from spark_mf.benchmarks.speed.data import DATA, HIGH_RANK_DATA
from spark_mf.benchmarks.speed.point import measure_point
from spark_mf.benchmarks.speed.point_names import OBJECTIVE_POINTS
from spark_mf.benchmarks.speed.points import point_methods
from spark_mf.benchmarks.speed.run import BENCH_FILES, points_to_measure, write_data
from spark_mf.benchmarks.speed.settings import BenchSettings
from spark_mf.cli.output import OutputFolder

TINY = BenchSettings(
    users=60, items=40, ratings=1200, rank=2, iterations=2, implicit_ranks=(3,), plain_reg_param=2.0, high_rank=4,
    high_rank_users=30, high_rank_items=20, high_rank_ratings=300, pyspark_blocks=(2,),
)  # fmt: skip
PLAIN = "spark_mf.ALS, cholesky, plain implicit, rank 3"


@pytest.fixture(scope="module")
def settings(library_stubs):
    return replace(TINY, library_python=str(library_stubs))


@pytest.fixture(scope="module")
def measured(spark, settings, tmp_path_factory):
    """A folder with both sets of ratings and the rows of one point of each kind."""
    folder = OutputFolder(tmp_path_factory.mktemp("objectives") / "out", BENCH_FILES, overwrite=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Bench, "warm_up", lambda *_: None)
        for point in (
            DATA, HIGH_RANK_DATA, "nnls", "plain-cholesky", "library-irspack", "high-rank-implicit-subspace",
        ):  # fmt: skip
            measure_point(settings, folder, point)
        # A JVM cannot load a native library later, and this row is not about its time.
        patch.setattr("spark_mf.benchmarks.speed.point.require_blas", lambda *_, **__: "native (none)")
        measure_point(settings, folder, "implicit-pyspark-openblas")
    return folder


@pytest.fixture(scope="module")
def rows(measured):
    return {row.label: row for row in recorded_rows(measured, ResultRow)}


def test_rows_are_of_their_data_set_rank_and_solver(rows):
    assert {label: (row.dataset, row.ratings, row.rank, row.solver) for label, row in rows.items()} == {
        "spark_mf.ALS, nnls": ("generated", 1200, 2, "nnls"),
        "pyspark.ALS, 2 blocks, OpenBLAS, implicit, rank 3": ("generated", 1200, 3, "cholesky"),
        PLAIN: ("generated", 1200, 3, "cholesky"),
        "irspack, cholesky, rank 3": ("generated", 1200, 3, "cholesky"),
        "irspack, cg, rank 3": ("generated", 1200, 3, "cg"),
        "irspack, subspace, rank 3": ("generated", 1200, 3, "subspace"),
        "spark_mf.ALS, subspace, implicit, high rank 4": ("generated, for high ranks", 300, 4, "subspace"),
    }
    for row in rows.values():
        assert row.error is None
        assert row.recommend_seconds is None
        assert row.seconds_per_iteration is not None
        assert (row.test_rmse is None) == row.is_implicit


def test_the_objective_of_the_factors_is_that_of_the_fit(rows):
    own = [row for row in rows.values() if row.model == "spark_mf.ALS" and row.is_implicit]
    assert len(own) == 2
    for row in own:
        assert row.objective == pytest.approx(row.history[-1].objective, rel=1e-6)
    explicit = rows["spark_mf.ALS, nnls"]
    assert explicit.objective is None
    assert explicit.final_objective == explicit.history[-1].objective


def test_pyspark_has_its_objective_and_its_set_up(rows):
    row = rows["pyspark.ALS, 2 blocks, OpenBLAS, implicit, rank 3"]
    # A fit is better than factors of 0, whose objective is Σ c ≤ 6 a training rating.
    assert 0 < row.objective < 1080 * 6
    assert 0 < row.setup_seconds <= row.fit_seconds
    assert len(row.history) == 2
    assert row.blas == "native (none)"


def test_a_library_takes_the_same_half_steps_from_the_same_factors(rows):
    library = rows["irspack, cholesky, rank 3"]
    assert library.objective == pytest.approx(rows[PLAIN].objective, rel=1e-5)
    assert library.versions["irspack"] == "0.5.2"
    assert library.params.items() <= rows[PLAIN].params.items()
    assert library.fit_seconds == pytest.approx(library.setup_seconds + sum(each.seconds for each in library.history))


def test_each_library_has_its_counterpart(settings):
    counterparts = {
        method.solver: method.params
        for solver in ("cholesky", "cg", "subspace")
        for method in point_methods(f"plain-{solver}", settings)
    }
    methods = [method for name in ("implicit", "irspack") for method in point_methods(f"library-{name}", settings)]
    assert [method.solver for method in methods] == ["cg", "cholesky", "cg", "subspace"]
    for method in methods:
        assert counterparts[method.solver] == {**method.params, "engine": "auto"}


def test_points_that_have_rows_are_not_measured_again(measured, settings):
    asked = replace(settings, points=OBJECTIVE_POINTS)
    assert points_to_measure(asked, measured, again=False) == [
        "implicit-cholesky", "implicit-cg", "plain-cg", "plain-subspace",
        "library-implicit", "high-rank-cholesky", "high-rank-subspace", "high-rank-implicit-cholesky",
    ]  # fmt: skip
    other = replace(settings, points=("plain-cg",), implicit_alpha=3.0)
    with pytest.raises(ValueError, match=r"alpha must be 1\.0, as in the row of .*, got 3\.0\. Use another"):
        points_to_measure(other, measured, again=False)
    other = replace(settings, points=("high-rank-cholesky",), high_rank_ratings=301)
    with pytest.raises(ValueError, match=r"ratings must be 300, as in the row of .* high rank 4 .*, got 301\."):
        points_to_measure(other, measured, again=False)


def test_only_the_ratings_of_the_points_are_written(tmp_path, settings):
    folder = OutputFolder(tmp_path / "out", BENCH_FILES, overwrite=True)
    note = tmp_path / "note"
    command = ["-c", f"import sys; open({str(note)!r}, 'a').write(sys.argv[-1] + ' ')"]
    write_data(settings, folder, command, ["high-rank-cholesky"])
    write_data(settings, folder, command, ["cg", "plain-cg", "high-rank-cholesky"])
    assert note.read_text().split() == [HIGH_RANK_DATA, DATA, HIGH_RANK_DATA]


def test_without_the_environment_rows_say_how_to_create_it(measured, tmp_path):
    folder = OutputFolder(tmp_path / "out", BENCH_FILES, overwrite=True)
    (folder.path / DATA).symlink_to(measured.path / DATA)
    measure_point(replace(TINY, library_python="absent/python"), folder, "library-irspack")
    rows = recorded_rows(folder, ResultRow)
    assert len(rows) == 3
    assert all("not measured: " in (row.error or "") and "make bench-env" in (row.error or "") for row in rows)
