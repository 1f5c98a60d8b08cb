"""Workers of a standalone cluster that are killed, cut off from the network, or come late."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.recovery.losses import is_gone
from tests.recovery.programs import started
from tests.recovery.standalone import Loopback, Namespaces, StandaloneCluster, wait_until, why_no_namespaces

pytestmark = pytest.mark.slow

ESTIMATORS = ("ALS", "SGD")
#: Two that work, and one for each that is lost.
WORKERS = (1, 2, 3, 4)
#: Where nothing answers any more, only time tells; Spark's own settings take minutes.
WORKER_TIMEOUT = "-Dspark.worker.timeout=12"
TIMEOUTS = {
    "spark.network.timeout": "20s",
    "spark.network.timeoutInterval": "2s",
    "spark.executor.heartbeatInterval": "2s",
    "spark.shuffle.io.connectionTimeout": "5s",
    "spark.shuffle.io.connectionCreationTimeout": "3s",
    "spark.shuffle.io.maxRetries": "1",
    "spark.shuffle.io.retryWait": "1s",
}

Reporter = Callable[[str, object], None]


@pytest.fixture(scope="module")
def folder(table: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Makes a folder for a cluster and its driver."""

    def make(name: str) -> Path:
        made: Path = tmp_path_factory.mktemp(name)
        table.to_parquet(made / "ratings.parquet")
        return made

    return make


@pytest.fixture(scope="module")
def killed(folder: Callable[[str], Path]) -> dict[str, Any]:
    """What happened where other workers stand by."""
    hosts, place = Loopback(), folder("killed")
    with StandaloneCluster(place, hosts) as cluster:
        for number in WORKERS:
            cluster.start_worker(number)
        with started(place, "worker", cluster.settings(), hosts.address(0)) as running:
            return running.outcome()


@pytest.mark.parametrize("name", ESTIMATORS)
def test_a_worker_that_is_killed_with_its_executor_changes_nothing(
    killed: dict[str, Any], name: str, record_property: Reporter
):
    """That both models are the same in every bit was asserted by the program, here and below."""
    happened = killed[name]
    record_property("seconds lost", happened["seconds lost"])
    assert len(happened["lost"].split()) == 2
    assert happened["processes are gone"]
    assert "(position 1) broke: " in happened["noticed"]
    assert_recovered(happened)


def assert_recovered(happened: dict[str, Any]) -> None:
    """That the whole stage ran again, on an executor that had not been there."""
    assert happened["engine"] == "ring"
    assert happened["lost executors"] == 1
    assert happened["new executors"] == 1
    assert happened["entered"] == [2, 2]


@pytest.fixture(scope="module")
def late(folder: Callable[[str], Path]) -> dict[str, Any]:
    """What happened where each worker is started only when the fit waits for it."""
    hosts, place = Loopback(), folder("late")
    with StandaloneCluster(place, hosts) as cluster:
        first = cluster.start_worker(1)
        with started(place, "worker", cluster.settings(), hosts.address(0)) as running:
            wait_until(lambda: any(first.glob("app*/*")) or running.is_over(), "the first worker has no executor")
            waited = not (place / "session").exists()
            cluster.start_worker(2)
            warned = {}
            for number, name in enumerate(ESTIMATORS, start=3):
                told = place / name / "told"
                wait_until(lambda told=told: told.exists() or running.is_over(), f"{name} lost nobody")  # type: ignore[misc]
                before = len(running.output())
                wait_until(
                    lambda before=before: "waiting for task slots" in running.output()[before:] or running.is_over(),  # type: ignore[misc]
                    f"{name} does not say that it waits",
                )
                warned[name] = running.output()[before:]
                cluster.start_worker(number)
            return {"waited for the first": waited, "warned": warned} | running.outcome()


@pytest.mark.parametrize("name", ESTIMATORS)
def test_a_fit_waits_for_a_worker_that_comes_late_and_says_so(
    late: dict[str, Any], name: str, record_property: Reporter
):
    happened = late[name]
    record_property("seconds lost", happened["seconds lost"])
    assert late["waited for the first"]
    assert (
        "is waiting for task slots: it needs 2 at the same time, and the session has 1. If a lost executor does not "
        "come back, stop the fit and use fewer blocks or the engine of ordinary stages."
    ) in late["warned"][name]
    assert happened["processes are gone"]
    assert "(position 1) broke: " in happened["noticed"]
    assert_recovered(happened)


@pytest.fixture(scope="module")
def cut_off(folder: Callable[[str], Path]) -> Iterator[tuple[Namespaces, dict[str, Any]]]:
    """What happened where a worker loses the network and nothing else, and its hosts while the cluster is there."""
    obstacle = why_no_namespaces()
    if obstacle:
        pytest.skip(obstacle)
    place = folder("cut-off")
    with Namespaces(len(WORKERS) + 1) as hosts, StandaloneCluster(place, hosts, WORKER_TIMEOUT) as cluster:
        for number in WORKERS:
            cluster.start_worker(number)
        settings = cluster.settings() | TIMEOUTS
        with started(place, "network", settings, hosts.address(0), hosts.command(0)) as running:
            yield hosts, running.outcome()


@pytest.mark.parametrize("name", ESTIMATORS)
def test_a_worker_that_is_cut_off_from_the_network_changes_nothing(
    cut_off: tuple[Namespaces, dict[str, Any]], name: str, record_property: Reporter
):
    hosts, outcome = cut_off
    happened = outcome[name]
    record_property("seconds lost", happened["seconds lost"])
    assert happened["lost"] in hosts.names[1:]
    assert not hosts.is_up(happened["lost"])
    assert hosts.is_up(hosts.names[0])
    assert any(not is_gone(pid, 0.1) for pid in hosts.pids(happened["lost"]))
    assert "was silent for 10 s" in happened["noticed"]
    assert_recovered(happened)
