"""Tests of checkpoints: resuming interrupted fits, and errors for unsuitable or damaged checkpoints."""

import json
import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from spark_mf import ALS, GD, SGD
from spark_mf.fitting import checkpoint
from spark_mf.fitting.checkpoint import CHECKPOINT, Checkpoint, SavedFit
from tests.records import record
from tests.same_model import assert_same_model


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    rng = np.random.default_rng(3)
    user, item = np.divmod(rng.permutation(60 * 40)[:1200], 40)
    rating = (3.0 + 0.5 * ((user + item) % 3) + rng.normal(0, 0.3, 1200)).astype(np.float32)
    ids = {"user": user.astype(np.int32), "item": item.astype(np.int32)}
    return pd.DataFrame({**ids, "rating": rating, "held_out": rng.random(1200) < 0.1})


@pytest.fixture(scope="module")
def ratings(spark: SparkSession, table: pd.DataFrame) -> DataFrame:
    return spark.createDataFrame(table).cache()


def als(**params: Any) -> ALS:
    given: dict[str, Any] = {"rank": 3, "maxIter": 5, "seed": 7, "engine": "broadcast", "checkpointInterval": 2}
    return ALS(**given | params)


def sgd(**params: Any) -> SGD:
    """A descent that has everything to keep: velocities, a step that follows the objective, and a best epoch that
    comes before the last."""
    given: dict[str, Any] = {
        "rank": 3,
        "maxIter": 5,
        "seed": 7,
        "stepSize": 0.02,
        "optimizer": "momentum",
        "schedule": "boldDriver",
        "validationIndicatorCol": "held_out",
        "engine": "ring",
        "numUserBlocks": 1,  # no ring to wait for
        "numItemBlocks": 3,
        "checkpointInterval": 2,
    }
    return SGD(**given | params)


def gd(**params: Any) -> GD:
    given: dict[str, Any] = {"rank": 3, "maxIter": 5, "seed": 7, "engine": "broadcast", "checkpointInterval": 2}
    return GD(**given | params)


class CutShortError(Exception):
    """Takes the place of a SIGKILL, after which nothing of the fit is left but its folder."""


@pytest.fixture
def cut_short(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Fits a model whose driver ends after the first save, or in the midst of the second."""

    def fit(estimator: Any, ratings: DataFrame, in_the_midst: bool = False) -> None:
        save, write_text = Checkpoint.save, checkpoint.write_text
        saves = []

        def save_and_end(self: Checkpoint, fit: Any) -> None:
            saves.append(fit)
            save(self, fit)
            if not in_the_midst:
                raise CutShortError

        def write_or_end(*arguments: Any) -> None:
            if len(saves) == 2:
                raise CutShortError
            write_text(*arguments)

        with monkeypatch.context() as patch:
            patch.setattr(Checkpoint, "save", save_and_end)
            patch.setattr(checkpoint, "write_text", write_or_end)
            with pytest.raises(CutShortError):
                estimator.fit(ratings)

    return fit


FITS = [
    pytest.param(als, id="ALS"),
    pytest.param(
        lambda **params: als(solver="cg", engine="ring", **params), id="ALS cg on the ring", marks=pytest.mark.slow
    ),
    pytest.param(lambda **params: als(fitBias=True, biasRegParam=0.3, tol=1e-9, **params), id="ALS with biases"),
    pytest.param(lambda **params: gd(tol=1e-9, **params), id="GD", marks=pytest.mark.slow),
    pytest.param(sgd, id="SGD on the ring"),
    pytest.param(
        lambda **params: sgd(engine="stages", optimizer="adam", **params),
        id="SGD adam in stages",
        marks=pytest.mark.slow,
    ),
]


@pytest.mark.parametrize("estimator", FITS)
def test_a_fit_that_was_cut_short_goes_on_and_gives_the_same_model(
    estimator: Callable[..., Any],
    ratings: DataFrame,
    cut_short: Callable[..., None],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
):
    cut_short(estimator(maxIter=3, checkpointDir=str(tmp_path)), ratings)
    saved = json.loads((tmp_path / "iteration-2" / CHECKPOINT).read_text())
    steps = []
    for iterations in (3, 3, 5):  # the fit resumes, is complete, and runs further iterations
        caplog.clear()
        with caplog.at_level(logging.INFO, logger="spark_mf"):
            model = estimator(maxIter=iterations, checkpointDir=str(tmp_path)).fit(ratings)
        steps.append([record.progress.step for record in caplog.records if hasattr(record, "progress")])
        assert any(message.startswith("Resuming after ") for message in caplog.messages)
    assert steps == [[3], [], [4, 5]]
    assert [record.seconds for record in model.summary.history[:2]] == [each["seconds"] for each in saved["history"]]
    assert [path.name for path in tmp_path.iterdir()] == ["iteration-5"]
    assert_same_model(model, estimator().fit(ratings))


def test_a_save_that_was_cut_short_leaves_the_one_before_it(
    ratings: DataFrame, cut_short: Callable[..., None], tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    cut_short(als(checkpointDir=str(tmp_path)), ratings, in_the_midst=True)
    assert {path.name for path in tmp_path.iterdir()} == {"iteration-2", "iteration-4"}
    with caplog.at_level(logging.INFO, logger="spark_mf"):
        model = als(checkpointDir=str(tmp_path)).fit(ratings)
    assert f"Resuming after 2 of 5 iterations from the checkpoint {tmp_path}/iteration-2." in caplog.messages
    assert_same_model(model, als().fit(ratings))


def test_settings_that_no_result_depends_on_may_be_others(ratings: DataFrame, cut_short: Any, tmp_path: Path):
    cut_short(sgd(checkpointDir=str(tmp_path)), ratings)
    others = {"engine": "stages", "checkpointInterval": -1, "coldStartStrategy": "drop", "ringTimeout": 5.0}
    assert_same_model(sgd(checkpointDir=str(tmp_path), **others).fit(ratings), sgd().fit(ratings))


@pytest.fixture(scope="module")
def folder(ratings: DataFrame, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The checkpoint of two iterations."""
    path = str(tmp_path_factory.mktemp("saved"))
    als(checkpointDir=path, maxIter=2).fit(ratings)
    return path


@pytest.mark.parametrize(
    ("estimator", "sentence"),
    [
        (
            als(regParam=0.2),
            r"regParam must be 0\.1, as in the checkpoint in {dir}, got 0\.2\. Use the same value or another check",
        ),
        (als(seed=8), r"seed must be 7, as in the checkpoint in {dir}, got 8\. "),
        (als(solver="cg"), r"solver must be 'cholesky', as in the checkpoint in {dir}, got 'cg'\. "),
        (sgd(), r"estimator must be 'ALS', as in the checkpoint in {dir}, got 'SGD'\. "),
        (
            als(maxIter=1),
            r"maxIter must be >= 2, the number of iterations of the checkpoint in {dir}, got 1\. Use a larger maxIter",
        ),
    ],
    ids=["Param", "seed", "solver", "estimator", "maxIter"],
)
def test_another_fit_is_refused(ratings: DataFrame, folder: str, estimator: Any, sentence: str):
    with pytest.raises(ValueError, match=f"^{sentence.format(dir=f'checkpointDir={folder!r}')}"):
        estimator.setCheckpointDir(folder).fit(ratings)


def other_rating(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(rating=table.rating.where(table.index != 77, table.rating + 0.5))


def other_user(table: pd.DataFrame) -> pd.DataFrame:
    """The same dense indices from another id."""
    return table.assign(user=table.user.where(table.user != table.user.max(), 1000))


@pytest.mark.parametrize("change", [other_rating, other_user])
def test_other_ratings_are_refused(
    spark: SparkSession, table: pd.DataFrame, folder: str, change: Callable[[pd.DataFrame], pd.DataFrame]
):
    with pytest.raises(
        ValueError, match=r"^ratings must be \{.*'ratings': 1200.*\}, as in the checkpoint .*, got \{.*\}\. Use"
    ):
        als(checkpointDir=folder).fit(spark.createDataFrame(change(table)))


def test_the_same_ratings_in_another_order_are_the_same(spark: SparkSession, table: pd.DataFrame, folder: str):
    shuffled = spark.createDataFrame(table.sample(frac=1, random_state=1)).repartition(3)
    model = als(checkpointDir=folder, maxIter=2).fit(shuffled)
    assert model.summary.totalIterations == 2


def test_a_fit_of_which_no_save_was_completed_begins_anew(
    ratings: DataFrame, folder: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    shutil.copytree(Path(folder) / "iteration-2", tmp_path / "iteration-2")
    (tmp_path / "iteration-2" / CHECKPOINT).unlink()
    model = als(checkpointDir=str(tmp_path), maxIter=2).fit(ratings)
    assert f"checkpointDir='{tmp_path}' has no complete checkpoint; the fit restarts." in caplog.messages
    assert_same_model(model, als(maxIter=2).fit(ratings))


def described(saved: Path, change: Callable[[str], str]) -> None:
    path = saved / CHECKPOINT
    path.write_text(change(path.read_text()))
    (saved / f".{CHECKPOINT}.crc").unlink()  # Hadoop's


def cut_in_half(saved: Path) -> None:
    described(saved, lambda text: text[: len(text) // 2])


def without_history(saved: Path) -> None:
    described(saved, lambda text: text.replace("history", "story"))


def of_another_version(saved: Path) -> None:
    described(saved, lambda text: text.replace("seconds", "unheard_of"))


def a_list(saved: Path) -> None:
    described(saved, lambda text: f"[{text}]")


def with_a_flipped_bit(saved: Path) -> None:
    path = saved / CHECKPOINT
    path.write_bytes(path.read_bytes().replace(b"2.0", b"3.0"))


def with_another_history(saved: Path) -> None:
    described(saved, lambda text: text.replace("2.0", "3.0"))


def garbage(saved: Path) -> None:
    described(saved, lambda text: "\x00\x01 no JSON" + text)


def rewritten_users(saved: Path, change: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    """Parquet files that are whole, but not what was saved."""
    table = pd.read_parquet(saved / "users").sort_values("id")
    shutil.rmtree(saved / "users")
    (saved / "users").mkdir()
    change(table).to_parquet(saved / "users" / "part-0.parquet")


def with_other_users(saved: Path) -> None:
    """One bit of one factor."""
    other = [1.0, float(np.nextafter(np.float32(1), np.float32(2)))]
    features = pd.Series([[1.0, 1.0], [1.0, 1.0], other])
    rewritten_users(saved, lambda table: table.assign(features=features))


def with_fewer_users(saved: Path) -> None:
    rewritten_users(saved, lambda table: table[:-1])


def with_a_lost_part(saved: Path) -> None:
    for path in (saved / "users").glob("*.parquet"):
        path.unlink()


def with_flipped_users(saved: Path) -> None:
    """As a disk does it, so that Hadoop's own checksum is there still."""
    path = max((saved / "users").glob("*.parquet"), key=lambda each: each.stat().st_size)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def without_users(saved: Path) -> None:
    shutil.rmtree(saved / "users")


def with_broken_users(saved: Path) -> None:
    for path in (saved / "users").glob("*.parquet"):
        path.write_bytes(path.read_bytes()[:-20])
        (path.parent / f".{path.name}.crc").unlink()


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (cut_in_half, "JSONDecodeError: "),
        (without_history, "KeyError: 'history'"),
        (of_another_version, "TypeError: .*'seconds'"),
        (a_list, "TypeError: "),
        (with_a_flipped_bit, "Checksum error"),
        (with_another_history, r"checkpoint\.json must have the checksum \d+, got \d+\)"),
        (garbage, "JSONDecodeError: "),
        (with_other_users, r"users must have the checksum \d+, got \d+\)"),
        (with_fewer_users, r"users must have the checksum \d+, got \d+\)"),
        (with_a_lost_part, "Unable to infer schema"),
        (with_flipped_users, "Checksum error"),
        (without_users, "Path does not exist: .*users"),
        (with_broken_users, "users.* is not a Parquet file"),
    ],
)
def test_a_damaged_checkpoint_is_refused(
    spark: SparkSession, tmp_path: Path, damage: Callable[[Path], None], reason: str
):
    kept = Checkpoint(spark, str(tmp_path), {"seed": 1}, most=3)
    only = record(iteration=1, seconds=0.5, objective=2.0, train_rmse=1.0, validation_rmse=None)
    kept.save(SavedFit((only,), {"users": np.ones((3, 2), np.float32)}, {}))
    assert kept.load() is not None
    before = _contents(tmp_path / "iteration-1")
    damage(tmp_path / "iteration-1")
    assert _contents(tmp_path / "iteration-1") != before
    with pytest.raises(ValueError, match=reason) as raised:
        kept.load()
    start = f"{tmp_path}/iteration-1 must be a complete checkpoint, got one that cannot be read ("
    assert str(raised.value).startswith(start)
    assert str(raised.value).endswith("). Delete it, or use another checkpointDir.")
    assert "\n" not in str(raised.value)


def _contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_what_was_saved_is_what_is_loaded(spark: SparkSession, tmp_path: Path):
    kept = Checkpoint(spark, f"{tmp_path}/", {"seed": 1, "names": ("a", "b")}, most=3)
    assert kept.load() is None
    records = tuple(
        record(n, seconds=0.1 * n, objective=None, train_rmse=1 / 3, validation_rmse=None, step_size=0.1)
        for n in (1, 2)
    )
    arrays = {"users": np.array([[1 / 3, -0.0], [1e-40, 3e38]], np.float32), "items": np.zeros((0, 0), np.float32)}
    kept.save(SavedFit(records[:1], arrays, {}))
    kept.save(SavedFit(records, arrays, {"mean": 3.1}))
    found = kept.load()
    assert found is not None
    assert found.history == records
    assert found.progress == {"mean": 3.1}
    for name, array in arrays.items():
        assert found.arrays[name].tobytes() == array.tobytes()


def a_file(folder: Path) -> Path:
    (folder / "file").touch()
    return folder / "file"


def below_a_file(folder: Path) -> Path:
    return a_file(folder) / "folder"


def of_no_file_system(folder: Path) -> str:
    return "nosuch://host/folder"


def not_writable(folder: Path) -> Path:
    return Path("/proc")  # where not even root may write


@pytest.mark.parametrize("place", [a_file, below_a_file, of_no_file_system, not_writable])
def test_a_place_that_cannot_be_a_folder_is_refused_before_any_work(
    spark: SparkSession, tmp_path: Path, place: Callable[[Path], Any]
):
    work = F.raise_error(F.lit("work began")).cast("int")
    ratings = spark.range(1).select(work.alias("user"), work.alias("item"), work.alias("rating"))
    path = str(place(tmp_path))
    sentence = rf"^checkpointDir must be a writable directory, got '{path}' \(.*\)\. Use another directory\.$"
    with pytest.raises(ValueError, match=sentence):
        als(checkpointDir=path).fit(ratings)
