"""Tests of the selection of the engine, and of its warning and error."""

import logging
from types import SimpleNamespace
from typing import Any

import pytest
from pyspark.sql import SparkSession

from spark_mf.resources import engine_selection as choice
from spark_mf.resources.engine_selection import choose_engine, task_slots
from tests.runtime.refusing import FAILURES, REFUSALS, refusing

SLOTS = 4


@pytest.fixture(autouse=True)
def _four_slots(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice, "task_slots", lambda context: SLOTS)


def context(**settings: str) -> Any:
    """A context with nothing but its settings; dots are written as two underscores."""
    return SimpleNamespace(getConf=lambda: {name.replace("__", "."): value for name, value in settings.items()})


OBSTACLES = [
    (
        {"spark__dynamicAllocation__enabled": "true"},
        2,
        "spark.dynamicAllocation.enabled is true and Spark does not run barrier stages with dynamic allocation",
        "Set it to false",
    ),
    *(
        (
            {key.replace(".", "__"): value},
            2,
            f"{key} is true and the connections of the ring are not encrypted",
            "Set it to false if encryption is not required",
        )
        for key, value in [
            ("spark.network.crypto.enabled", "true"),
            ("spark.authenticate.enableSaslEncryption", "True"),
            ("spark.ssl.enabled", "true"),
            ("spark.ssl.rpc.enabled", "TRUE"),
        ]
    ),
    (
        {},
        5,
        "5 user blocks need as many task slots and the session has 4",
        "Use at most 4 user blocks, or more cores",
    ),
]


@pytest.mark.parametrize(("settings", "members", "reason", "fix"), OBSTACLES)
@pytest.mark.parametrize("otherwise", ["stages", "broadcast"])
def test_auto_goes_round_an_obstacle_and_says_which(
    settings: dict[str, str], members: int, reason: str, fix: str, otherwise: str, caplog: pytest.LogCaptureFixture
):
    assert choose_engine(context(**settings), "auto", members, otherwise) == otherwise
    warning = f"Using engine={otherwise!r}, which is slower than the ring, because {reason}. {fix}."
    assert caplog.messages == [warning]
    assert caplog.records[0].levelno == logging.WARNING


@pytest.mark.parametrize(("settings", "members", "reason", "fix"), OBSTACLES)
def test_ring_is_refused_if_it_cannot_run(settings: dict[str, str], members: int, reason: str, fix: str):
    with pytest.raises(ValueError, match=r"^engine must be 'stages', because ") as raised:
        choose_engine(context(**settings), "ring", members, "stages")
    assert str(raised.value) == f"engine must be 'stages', because {reason}, got 'ring'. {fix}, or use that engine."


@pytest.mark.parametrize(("settings", "members"), [obstacle[:2] for obstacle in OBSTACLES])
def test_the_engine_of_ordinary_stages_has_no_obstacle(
    settings: dict[str, str], members: int, caplog: pytest.LogCaptureFixture
):
    assert choose_engine(context(**settings), "stages", members, "stages") == "stages"
    assert not caplog.messages


@pytest.mark.parametrize("asked", ["auto", "ring"])
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"spark__dynamicAllocation__enabled": "false", "spark__network__crypto__enabled": "false"},
        {"spark__authenticate": "true"},  # proves who speaks, and encrypts nothing
    ],
)
def test_the_ring_runs_where_nothing_is_in_its_way(
    settings: dict[str, str], asked: str, caplog: pytest.LogCaptureFixture
):
    assert choose_engine(context(**settings), asked, SLOTS, "stages") == "ring"
    assert not caplog.messages


@pytest.mark.parametrize("error", REFUSALS)
@pytest.mark.parametrize(("cpus", "slots"), [(None, 6), ("2", 3), ("4", 1), ("16", 1)])
def test_slots_follow_from_the_parallelism_where_the_platform_refuses_to_tell(
    cpus: str | None, slots: int, error: Exception
):
    settings = {} if cpus is None else {"spark__task__cpus": cpus}
    there = refusing(context(**settings), error)
    there.defaultParallelism = 6
    assert task_slots(there) == slots


@pytest.mark.parametrize("error", FAILURES)
def test_a_failure_to_tell_the_slots_is_no_refusal(error: Exception):
    with pytest.raises(type(error)):
        task_slots(refusing(context(), error))


def test_slots_are_those_of_the_session(spark: SparkSession):
    assert task_slots(spark.sparkContext) == 2
