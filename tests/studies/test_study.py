"""Tests of the output of every study: rows, plots and report."""

import pytest
from matplotlib.image import imread

from spark_mf.benchmarks.rows import ResultRow, read_rows
from spark_mf.cli.output import UNFINISHED_ROWS, OutputFolder
from spark_mf.studies.registry import STUDIES, find_study
from spark_mf.studies.settings import ExperimentSettings
from spark_mf.studies.study import Study, run_study, study_report

WITHOUT_SPARK = [study.name for study in STUDIES if not study.needs_spark]


@pytest.mark.parametrize("name", WITHOUT_SPARK)
def test_a_study_leaves_rows_pictures_and_a_report(left_by, tmp_path, saved, name):
    study, folder = left_by(name)
    assert {path.name for path in folder.iterdir()} == {"results.jsonl", *study.files}
    rows = read_rows(folder / "results.jsonl", study.row_type)
    assert {(row.master, row.cores, row.error) for row in rows} == {("numpy", 1, None)}
    report = (folder / "report.md").read_text(encoding="utf-8")
    assert report == study_report(study, rows, study.pictures)
    assert all(f"]({picture})" in report for picture in study.pictures)
    assert study.asks in report
    # Pictures come from rows alone.
    again = tmp_path / "again"
    again.mkdir()
    assert study.draw(rows, again) == list(study.pictures)
    for picture in study.pictures:
        assert imread(again / picture).shape[1] > 800
    for figure in saved:
        # A panel that shares the axis below it has its name there; a bar of colours has none across.
        assert any(axes.get_xlabel() for axes in figure.axes)
        assert all(axes.get_ylabel() for axes in figure.axes)


def test_rows_of_a_study_that_is_killed_are_kept(make_fits, tmp_path):
    def run(fits):
        yield fits.als("one")
        raise KeyboardInterrupt

    fits = make_fits()
    study = Study(
        name="cut", asks="?", row_type=ResultRow, pictures=(), run=run, draw=lambda *_: [], findings=str, given=str
    )
    folder = OutputFolder(tmp_path / "out", study.files, overwrite=False)
    with pytest.raises(KeyboardInterrupt):
        run_study(study, fits, folder)
    (row,) = read_rows(tmp_path / "out" / UNFINISHED_ROWS)
    assert (row.label, row.iterations) == ("one", 2)


def test_a_report_names_the_fits_that_failed(make_fitted):
    rows = [make_fitted("λ = 1", [0.9], regParam=1.0), make_fitted("λ = 2", [], regParam=2.0, error="too large")]
    report = study_report(find_study(ExperimentSettings(name="regularization")), rows, [])
    assert "## Failures\n\n- λ = 2: too large" in report


@pytest.mark.parametrize("name", [study.name for study in STUDIES if study.row_type is ResultRow])
def test_a_study_whose_fits_all_failed_has_no_picture_and_says_so(make_fitted, sgd_params, tmp_path, name):
    study = find_study(ExperimentSettings(name=name))
    rows = [make_fitted(f"fit {k}", [], error="diverged", params=sgd_params, solver="sgd") for k in range(2)]
    assert study.draw(rows, tmp_path) == []
    assert list(tmp_path.iterdir()) == []
    assert "diverged" in study_report(study, rows, [])


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({}, "NAME must be one of convergence, regularization, .*, got nothing"),
        ({"name": "ranks"}, "NAME must be one of convergence, regularization, rank, early-stopping, .*, got 'ranks'"),
        ({"name": "landscape", "ratings": "r.csv"}, "--on must be textbook for the study landscape, got spark"),
        (
            {"name": "update-paths", "on": "spark"},
            "--on must be textbook for the study update-paths.*Pass --on textbook",
        ),
        (
            {"name": "update-paths", "ratings": "r.csv", "on": "textbook"},
            "RATINGS must not be given for the study update-paths, got 'r.csv'",
        ),
    ],
)
def test_a_study_refuses_what_it_cannot_do(settings, sentence):
    with pytest.raises(ValueError, match=sentence):
        find_study(ExperimentSettings(**settings))
