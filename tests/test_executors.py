"""Jobs on this machine and on the workers of a Dask scheduler: the same bytes, also when a worker dies; failures for people."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from pipeline import cli
from pipeline.config import params as parameters
from pipeline.core.errors import TrainingFailed
from pipeline.datasets.shared.errors import MalformedSkeleton
from pipeline.running import executors, runs
from pipeline.running.errors import SchedulerUnavailable, WorkerUnfit
from pipeline.stages import download, evaluate, finetune, normalize, pretrain
from tests.conftest import ROOT, in_a_project, write_params
from tests.dask_cluster import Cluster, until
from tests.skeleton_text import clip, write_zip
from tests.test_runs import Task, fail_at_two, square

CELL = "p-sta-lstm"
CLIPS = {f"S002C001P{p:03}R001A{a:03}": clip(f"S002C001P{p:03}R001A{a:03}", 3) for p in (3, 7, 8) for a in range(1, 24)}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A scheduler with the workers `a` and `b`, whose current folder is no project."""
    made = Cluster(tmp_path_factory.mktemp("cluster"))
    try:
        made.scheduler()
        made.trainer("a")
        made.trainer("b")
        until(lambda: made.log("scheduler").count("Register worker") == 2, "two workers")
        yield made
    finally:
        made.end()


@pytest.fixture
def scheduler(cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The cluster's address, chosen for this process; an empty folder is the current one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(executors.VARIABLE, cluster.address)
    return cluster.address


def pipeline(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PIPELINE_TRACK": "off"}
    command = [sys.executable, "-m", "pipeline", *arguments]
    return subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.PIPE, text=True)


def succeeds(stage: subprocess.Popen[str]) -> None:
    """Wait for a stage, which leaves nothing of Dask's on the screen."""
    _, told = stage.communicate()
    assert stage.returncode == 0, told
    assert "distributed" not in told and "Traceback" not in told


def contents(folder: Path) -> dict[str, bytes]:
    found = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert found
    return found


def twins(project: Path) -> tuple[Path, Path]:
    """The project and a copy, for a run on this machine and one on the cluster."""
    return project, shutil.copytree(project, project.with_name("remote"))


# --- same bytes -------------------------------------------------------------------------------------------------------------


def test_normalize_gives_the_same_bytes(cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NTU_SOURCE", str(write_zip(tmp_path / "user.zip", CLIPS)))
    (tmp_path / "project").mkdir()
    in_a_project(tmp_path / "project", monkeypatch)
    download.main("ntu")
    local, remote = twins(tmp_path / "project")
    normalize.main("ntu")
    succeeds(pipeline(remote, "normalize", "ntu", "--scheduler", cluster.address))
    assert contents(remote / "data") == contents(local / "data")
    assert [(folder / executors.MARKS).exists() for folder in (local, remote)] == [False, True]


def in_progress(project: Path) -> set[str]:
    """The runs of pretraining that have begun, by an epoch in their history and a checkpoint, and have no weights yet."""
    histories = project.glob(f".work/live/{CELL}/pretrain-*/*.csv")
    begun = {path.stem for path in histories if len(path.read_text().splitlines()) > 1}
    saved = {path.stem for path in project.glob(f".work/checkpoints/{CELL}/pretrain-*/*.pt")}
    weights = project / "data" / "runs" / "demo" / CELL / "pretrain" / "weights"
    return {run for run in begun & saved if not (weights / run / "model.pt").exists()}


def both_in_mid_run(cluster: Cluster, project: Path) -> bool:
    """Whether both workers, one run each, are between a run's first epoch and its end; stopped there if so."""
    if len(in_progress(project)) < 2:
        return False
    for name in ("a", "b"):
        cluster.signal(name, signal.SIGSTOP)
    if len(in_progress(project)) == 2:
        return True
    for name in ("a", "b"):
        cluster.signal(name, signal.SIGCONT)
    return False


def test_training_gives_the_same_bytes_when_a_worker_is_killed(
    cluster: Cluster, small_project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = parameters.read()
    document["pretrain"] |= {"attention": 8, "main": 8, "tune": 4}
    write_params(document)
    local, remote = twins(small_project)
    for stage in (pretrain, finetune, evaluate):
        stage.main(CELL, runs.of_stage)
    with pipeline(remote, "pretrain", CELL, "--scheduler", cluster.address) as process:
        until(lambda: both_in_mid_run(cluster, remote) or process.poll() is not None, "two runs in progress")
        assert process.poll() is None
        cluster.kill("a")
        cluster.signal("b", signal.SIGCONT)
        succeeds(process)
    cluster.trainer("a")
    monkeypatch.chdir(remote)
    monkeypatch.setenv(executors.VARIABLE, cluster.address)
    for stage in (finetune, evaluate):
        stage.main(CELL, runs.of_stage)
    assert contents(remote / "data") == contents(local / "data")
    assert sum(path.endswith("model.pt") for path in contents(remote / "data")) == 8
    assert not list(Path(".work").rglob("*.partial"))


# --- an executor like any other ---------------------------------------------------------------------------------------------


def test_results_come_in_the_order_of_the_jobs(scheduler: str) -> None:
    assert runs.run_all(square, [Task(3), Task(1), Task(2)], "squares") == [9, 1, 4]


def test_jobs_run_in_the_folder_of_the_project(scheduler: str, tmp_path: Path) -> None:
    with executors.executor(2, []) as (pool, workers):
        assert workers >= 1
        assert [pool.submit(os.getcwd).result() for _ in range(2)] == [str(tmp_path)] * 2
    assert list(executors.MARKS.iterdir()) == []


def test_a_failure_names_its_run(scheduler: str) -> None:
    with pytest.raises(TrainingFailed, match=r"numbers: run fold 2, seed 7: ZeroDivisionError: no such fold"):
        runs.run_all(fail_at_two, [Task(1), Task(2, 7)], "numbers")


def malformed(task: Task) -> None:
    raise MalformedSkeleton("clip.txt", task.fold, "odd")


def test_a_failure_for_people_arrives_whole(scheduler: str) -> None:
    with pytest.raises(MalformedSkeleton) as caught:
        runs.run_all(malformed, [Task(3)], "clips")
    assert (caught.value.file, caught.value.line, caught.value.reason) == ("clip.txt", 3, "odd")


def sleep(place: Path) -> None:
    place.with_suffix(".partial").write_text(str(os.getpid()))
    place.with_suffix(".partial").replace(place)
    time.sleep(3600)


def runs_still(process: int) -> bool:
    return Path("/proc", str(process)).exists()


@pytest.mark.skipif(sys.platform != "linux", reason="looks processes up in /proc")
def test_after_an_interruption_nothing_goes_on(scheduler: str, tmp_path: Path) -> None:
    places = [tmp_path / str(n) for n in range(8)]
    with pytest.raises(KeyboardInterrupt), executors.executor(8, []) as (pool, _):
        for place in places:
            pool.submit(sleep, place)
        until(places[0].exists, "the first job")
        raise KeyboardInterrupt
    process = int(places[0].read_text())
    until(lambda: not runs_still(process), "the end of a job that nobody waits for")
    assert runs.run_all(square, [Task(5)], "the nanny has started another worker") == [25]
    assert sum(place.exists() for place in places) <= 2


@pytest.mark.skipif(sys.platform != "linux", reason="looks processes up in /proc")
def test_a_killed_client_leaves_no_job(scheduler: str, tmp_path: Path) -> None:
    code = f"""
from pathlib import Path
from pipeline.running import executors
from tests.test_executors import sleep
with executors.executor(1, []) as (pool, _):
    pool.submit(sleep, Path({str(tmp_path / "job")!r})).result()
"""
    with subprocess.Popen([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": str(ROOT)}) as client:
        until(lambda: (tmp_path / "job").exists() or client.poll() is not None, "the job")
        client.kill()
    process = int((tmp_path / "job").read_text())
    until(lambda: not runs_still(process), "the end of a job that nobody waits for")


# --- failures for people ----------------------------------------------------------------------------------------------------


def test_the_option_is_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(executors.VARIABLE, "tcp://127.0.0.1:1")
    seen = []
    monkeypatch.setattr(
        "pipeline.cli.stages.run", lambda stage, target: seen.append((stage, target, os.environ[executors.VARIABLE]))
    )
    for stage in ("normalize", "pretrain", "finetune", "evaluate"):
        assert CliRunner().invoke(cli.main, [stage, "x", "--scheduler", f"tcp://{stage}:2"]).exit_code == 0
    assert seen == [(stage, "x", f"tcp://{stage}:2") for stage in ("normalize", "pretrain", "finetune", "evaluate")]


def test_without_dask(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    monkeypatch.setenv(executors.VARIABLE, "tcp://127.0.0.1:1")
    with pytest.raises(SchedulerUnavailable, match=r'not installed: pip install -c constraints.txt -e "\.\[dask\]", or unset it'):
        runs.run_all(square, [Task(1)], "squares")


@pytest.mark.parametrize("answers", [False, True])
def test_no_scheduler_at_the_address(answers: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executors, "CONNECT_S", 0.5)
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        if answers:  # takes connections and says nothing
            server.listen()
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        monkeypatch.setenv(executors.VARIABLE, address)
        with pytest.raises(SchedulerUnavailable, match=f"{address}: no Dask scheduler answers .*docs/clusters.md"):
            runs.run_all(square, [Task(1)], "squares")


@pytest.mark.parametrize("address", ["nonsense", "http://127.0.0.1:8786"])
def test_an_address_that_is_none(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(executors.VARIABLE, address)
    with pytest.raises(SchedulerUnavailable, match="Expected tcp://host:port or tls://host:port"):
        runs.run_all(square, [Task(1)], "squares")


def test_a_worker_with_two_threads_is_refused(scheduler: str, cluster: Cluster) -> None:
    cluster.worker("wide", "--nthreads", "2")
    try:
        until(lambda: "Registered to" in cluster.log("wide"), "the worker")
        with pytest.raises(WorkerUnfit, match=r"tcp://127.0.0.1:\d+: has 2 threads, expected 1: start it with --nthreads 1"):
            runs.run_all(square, [Task(1)], "squares")
    finally:
        cluster.kill("wide")


def test_what_a_worker_must_have(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    worker = SimpleNamespace(state=SimpleNamespace(nthreads=1))
    (tmp_path / "mark").touch()
    here = executors.Home(str(tmp_path), "mark", executors.versions())
    assert executors.unfit(here, worker) == ""
    other = replace(here, versions={**here.versions, "torch": "1.0"})
    assert "has torch 2." in executors.unfit(other, worker) and ", expected 1.0: " in executors.unfit(other, worker)
    assert "has source " in executors.unfit(replace(here, versions={**here.versions, "source": "0"}), worker)
    assert f"does not see the folder {tmp_path}/x of" in executors.unfit(replace(here, project=f"{tmp_path}/x"), worker)
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    assert "has OMP_NUM_THREADS=2, expected 1" in executors.unfit(here, worker)


def test_a_scheduler_without_workers_and_one_that_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(executors, "WORKERS_S", 0.5)
    cluster = Cluster(tmp_path)
    try:
        cluster.scheduler()
        monkeypatch.setenv(executors.VARIABLE, cluster.address)
        with pytest.raises(SchedulerUnavailable, match=rf"no worker for .* dask worker {cluster.address} --nthreads 1"):
            runs.run_all(square, [Task(1)], "squares")
        cluster.worker("c")
        until(lambda: "Register worker" in cluster.log("scheduler"), "the worker")
        with (
            pytest.raises(SchedulerUnavailable, match="the connection was lost; start the scheduler again"),
            executors.executor(1, []) as (pool, _),
        ):
            job = pool.submit(sleep, tmp_path / "begun")
            until((tmp_path / "begun").exists, "the job")
            cluster.kill("scheduler")
            job.result()
    finally:
        cluster.end()
