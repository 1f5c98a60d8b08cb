"""The cluster of docker-compose.yml, from building its image to losing its workers."""

import json
import re
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.cluster.compose import ROOT, Cluster, wait_until
from tests.cluster.engine import BASE_IMAGE, UnavailableError, container_engine

KILLED_AFTER = 5
ITERATIONS = 25


def test_env_example_lists_every_variable_at_its_default():
    compose = (ROOT / "docker-compose.yml").read_text()
    example = (ROOT / ".env.example").read_text()
    assert dict(re.findall(r"\$\{(\w+):-([^}]*)\}", compose)) == dict(
        re.findall(r"^(\w+)=(.*)$", example, re.MULTILINE)
    )
    assert "${" not in re.sub(r"\$\{\w+:-[^}]*\}", "", compose)


def test_the_image_is_built_on_the_base_that_the_settings_name():
    assert f"\nARG BASE_IMAGE={BASE_IMAGE}\n" in (ROOT / "conf/docker/Dockerfile").read_text()
    assert f"\nBASE_IMAGE={BASE_IMAGE}\n" in (ROOT / ".env.example").read_text()


def test_every_port_is_published_to_this_machine_alone():
    published = re.findall(r'^ +- "(.+):\d+"$', (ROOT / "docker-compose.yml").read_text(), re.MULTILINE)
    assert len(published) == 3
    assert all(address.startswith("127.0.0.1:") for address in published)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with ExitStack() as made:
        try:
            cluster = Cluster(tmp_path_factory.mktemp("out"), made.enter_context(container_engine()))
        except UnavailableError as reason:
            pytest.skip(str(reason))
        shutil.copy(Path(__file__).with_name("fit.py"), cluster.folder)
        cluster.run("build")
        made.callback(cluster.remove)
        cluster.run("up", "--detach")
        assert wait_until(lambda: cluster.alive_workers() == 2, seconds=300)
        yield cluster


@pytest.mark.slow
@pytest.mark.parametrize("service", ["master", "worker", "history"])
def test_containers_are_healthy_closed_and_an_ordinary_users(cluster: Cluster, service: str):
    def is_healthy() -> bool:
        states = [cluster.inspect(container)["State"] for container in cluster.containers(service)]
        return len(states) == (2 if service == "worker" else 1) and all(
            state["Health"]["Status"] == "healthy" for state in states
        )

    assert wait_until(is_healthy, seconds=300)
    for container in cluster.containers(service):
        bindings = (cluster.inspect(container)["NetworkSettings"]["Ports"] or {}).values()
        addresses = [binding["HostIp"] for published in bindings for binding in published or []]
        assert addresses == ([] if service == "worker" else ["127.0.0.1"])
    assert cluster.run("exec", "-T", service, "id", "-u").split() == [cluster.user]


@pytest.mark.slow
def test_versions_are_those_of_the_host(cluster: Cluster):
    frozen = cluster.run("exec", "-T", "worker", "python", "-m", "pip", "freeze", "--exclude", "spark_mf")
    installed = set(re.findall(r"^\S+==\S+$", frozen, re.MULTILINE))
    assert len(installed) > 20
    assert installed <= set((ROOT / "constraints.txt").read_text().splitlines())


@pytest.mark.slow
def test_a_job_leaves_its_report_here_and_its_log_to_the_next_cluster(cluster: Cluster):
    sizes = ("--generated-users=50", "--generated-items=40", "--generated-ratings=1000", "--rank=2")
    job = ("jobs/compare.py", "--output=out/report", "--methods=cholesky,sgd", *sizes, "--max-iter=3", "--sgd-epochs=4")
    printed = cluster.run("run", "--rm", "-T", "submit", *job)
    assert all(re.search(rf"^ALS  {step}/3  train RMSE \d", printed, re.MULTILINE) for step in (1, 2, 3)), printed
    assert all(re.search(rf"^SGD  {step}/4  train RMSE \d", printed, re.MULTILINE) for step in (1, 2, 3, 4)), printed

    written = {path.name for path in (cluster.folder / "report").iterdir()}
    assert written >= {"report.md", "results.jsonl", "fit_time.png", "convergence_by_time.png"}
    rows = [json.loads(line) for line in (cluster.folder / "report/results.jsonl").read_text().splitlines()]
    assert [row["model"] for row in rows] == ["spark_mf.ALS", "spark_mf.SGD"]
    assert {row["master"] for row in rows} == {"spark://master:7077"}

    cluster.run("down")
    cluster.run("up", "--detach")
    assert wait_until(lambda: cluster.alive_workers() == 2, seconds=300)
    assert wait_until(lambda: "compare" in cluster.completed_applications(), seconds=120)


def fit_and_lose_a_worker(cluster: Cluster, method: str, *, bring_back: bool) -> dict[str, Any]:
    """Submit two fits, kill a worker's container in the midst of the second, and return what happened."""
    program = cluster.submit("out/fit.py", method, "out")
    watch = threading.Timer(1500, program.kill)
    watch.start()
    happened: dict[str, Any] = {"lines": []}
    arrivals: list[float] = []
    restoring = threading.Thread(target=cluster.run, args=("up", "--detach"))  # lines are read meanwhile
    is_disturbed, killed = False, ""
    try:
        assert program.stdout is not None
        for line in program.stdout:
            happened["lines"].append(line)
            is_disturbed |= line.strip() == "disturbed"
            progress = re.search(rf"{method} +(\d+)/{ITERATIONS}", line)
            if killed and progress:
                arrivals.append(time.monotonic())
            if is_disturbed and not killed and progress and int(progress[1]) >= KILLED_AFTER:
                killed = cluster.containers("worker")[0]
                cluster.kill(killed)
                arrivals.append(time.monotonic())
                happened["state"] = cluster.inspect(killed)["State"]
                if bring_back:
                    restoring.start()
        happened["code"] = program.wait()
        happened["waits"] = [later - earlier for earlier, later in pairwise(arrivals)]
    finally:
        watch.cancel()
        if restoring.is_alive():
            restoring.join()
    return happened


@pytest.mark.slow
@pytest.mark.parametrize(("method", "bring_back"), [("ALS", False), ("SGD", True)])
def test_a_worker_killed_in_the_midst_of_a_fit_changes_nothing(
    cluster: Cluster, method: str, bring_back: bool, record_property: Callable[[str, float], None]
):
    """ALS goes on with the worker that is left; SGD's ring of two waits until the other is back."""
    happened = fit_and_lose_a_worker(cluster, method, bring_back=bring_back)
    assert happened["code"] == 0, "".join(happened["lines"])[-5000:]
    assert not happened["state"]["Running"]
    assert happened["state"]["ExitCode"] == 137
    assert len(happened["waits"]) > 5

    undisturbed, disturbed = (np.load(cluster.folder / f"{method}-{name}.npz") for name in ("undisturbed", "disturbed"))
    assert len(disturbed["rmse"]) == ITERATIONS
    for name in ("userFactors", "itemFactors", "userFactors ids", "itemFactors ids", "rmse"):
        np.testing.assert_array_equal(disturbed[name], undisturbed[name], err_msg=name)
    record_property(f"seconds, the longest wait of {method} for an iteration after the loss", max(happened["waits"]))

    id_ = (cluster.folder / f"{method}.id").read_text()
    assert wait_until(lambda: cluster.is_completed(id_), seconds=120)
    executors = cluster.application(id_, "/allexecutors")
    lost = [executor for executor in executors if executor["id"] != "driver" and not executor["isActive"]]
    assert len(lost) == 1

    cluster.run("up", "--detach")
    assert wait_until(lambda: cluster.alive_workers() == 2, seconds=300)


@pytest.mark.slow
def test_workers_can_be_added(cluster: Cluster):
    cluster.run("up", "--detach", "--scale", "worker=3")
    assert wait_until(lambda: cluster.alive_workers() == 3, seconds=300)
