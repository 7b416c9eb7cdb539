"""One run on several processes: two real ones over gloo on this machine, against one."""

from __future__ import annotations

import dataclasses
import json
import multiprocessing
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from pipeline.config import params as parameters
from pipeline.core import cell as cells
from pipeline.core.errors import TrainingFailed
from pipeline.core.settings import Method, Settings
from pipeline.core.training import ranks
from pipeline.core.training.job import Job, Row
from pipeline.running import ranks as processes
from pipeline.running import runs
from pipeline.stages import evaluate, pretrain
from tests import distributed_work as at_work
from tests.conftest import ROOT, write_params
from tests.distributed_work import Step, Train

STA = Method(spatial=True, temporal=True, staged=True)
PLAIN = Method(spatial=False, temporal=False, staged=True)
FROZEN, JOINT = 0, 1  # phases of `finetune`: the main network on frozen attentions, then everything
STEPS = {  # method, phase, clips of the store as a batch
    "even": (STA, JOINT, (3, 4, 5, 6)),
    "uneven": (STA, JOINT, (3, 4, 5, 6, 7)),
    "single clip": (STA, JOINT, (3,)),
    "frozen attention": (STA, FROZEN, (3, 4, 5)),
    "no attention": (PLAIN, JOINT, (3, 4, 5)),
}
RUNS = {"whole": {}, "cut": {"stop_after": 3}, "diverged": {"broken": 20}}
Results = dict[str, tuple[Path, list[Row]]]
Make = Callable[..., Settings]


def tasks(base: Path, store: Path, split: Path, params: Settings) -> dict[str, Step | Train]:
    """Everything that is done once by one process and once by two; `base` takes what they write."""

    def job(name: str, method: Method = STA) -> Job:
        folder = base / name
        paths = {"target": folder, "live": folder / "live.csv", "checkpoint": folder / "checkpoint.pt"}
        return Job("finetune", 1, 1, method, params, store, split, None, 0, **paths)

    steps = {name: Step(job(name, method), phase, clips, base / name) for name, (method, phase, clips) in STEPS.items()}
    runs = {name: Train(job(name), base / name, **what) for name, what in RUNS.items()}
    return steps | runs


@pytest.fixture
def settings(small_params: Make) -> Settings:
    """Without dropout nothing is drawn that depends on the number of processes."""
    return small_params(model={"dropout": 0.0}, training={"batch": 5, "processes": 2, "select": "heldout", "schedule": "plateau"})


@pytest.fixture
def both(small_store: tuple[Path, Path], settings: Settings, tmp_path: Path) -> tuple[Results, Results]:
    """Folder and rows of every task, by one process and by two."""
    one, two = (tasks(tmp_path / name, *small_store, settings) for name in ("one", "two"))
    alone = [at_work.work(task) for task in one.values()]
    together = processes.run_all(at_work.work, list(two.values()), "two ranks", settings.training)
    return tuple(
        {name: (task.folder, rows) for (name, task), rows in zip(done.items(), results, strict=True)}
        for done, results in ((one, alone), (two, together))
    )


def saved(folder: Path, rank: int) -> dict[str, torch.Tensor]:
    return torch.load(folder / f"rank-{rank}.pt", weights_only=True)


def numbers(rows: list[Row]) -> np.ndarray:
    return pd.DataFrame(rows).select_dtypes("number").to_numpy(float)


def test_two_processes_train_as_one(both: tuple[Results, Results]) -> None:
    one, two = both
    for name in STEPS:
        check_step(one[name], two[name], name)
    check_run(one["whole"], two["whole"])
    check_resumed(two)
    check_diverged(one["diverged"], two["diverged"])


def check_step(one: tuple[Path, list[Row]], two: tuple[Path, list[Row]], name: str) -> None:
    """Gradients and the history's averages are those of the whole batch, on both ranks."""
    expected, found = saved(one[0], 0), [saved(two[0], rank) for rank in (0, 1)]
    assert expected["grads"] and any(grad.abs().max() > 1e-3 for grad in expected["grads"].values()), name
    for own in found:
        torch.testing.assert_close(own["grads"], expected["grads"], rtol=1e-5, atol=1e-7, msg=lambda m: f"{name}: {m}")
    torch.testing.assert_close(found[0], found[1], rtol=0, atol=0)
    np.testing.assert_allclose(numbers(two[1]), numbers(one[1]), rtol=1e-5, atol=1e-7, err_msg=name)


def check_run(one: tuple[Path, list[Row]], two: tuple[Path, list[Row]]) -> None:
    """A staged run: the same weights and history but for rounding, written once, equal on both ranks."""
    written = [torch.load(folder / "model.pt", weights_only=True) for folder, _ in (one, two)]
    torch.testing.assert_close(written[1], written[0], rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(numbers(two[1]), numbers(one[1]), rtol=1e-4, atol=1e-6)
    assert len(pd.read_csv(two[0] / "live.csv")) == len(two[1]) == 4
    for rank in (0, 1):
        torch.testing.assert_close(saved(two[0], rank), written[1], rtol=0, atol=0)


def check_resumed(two: Results) -> None:
    """Interrupted and resumed by both ranks: the bits of the uninterrupted run."""
    (whole, rows), (cut, resumed) = two["whole"], two["cut"]
    assert resumed == rows
    assert (cut / "model.pt").read_bytes() == (whole / "model.pt").read_bytes()


def check_diverged(one: tuple[Path, list[Row]], two: tuple[Path, list[Row]]) -> None:
    """A loss that is not finite on one rank ends the run on both at the same step, with the weights of the step before."""
    assert len(two[1]) == len(one[1]) == 1 and not np.isfinite(two[1][0]["loss"])
    expected, found = saved(one[0], 0), [saved(two[0], rank) for rank in (0, 1)]
    assert all(bool(torch.isfinite(w).all()) for w in expected.values())
    torch.testing.assert_close(found[0], expected, rtol=1e-3, atol=1e-5)
    torch.testing.assert_close(found[1], found[0], rtol=0, atol=0)


@pytest.mark.parametrize(
    ("work", "message"),
    [
        (at_work.fail, r"^two: run fold 3, seed 7, rank 1: ZeroDivisionError: no such clip \(one of 2 processes"),
        (at_work.vanish, r"^two: rank 1 was ended by SIGKILL .* \(one of 2 processes"),
    ],
)
def test_a_failing_rank_ends_all(
    work: Callable[[Train], list[Row]], message: str, small_store: tuple[Path, Path], settings: Settings, tmp_path: Path
) -> None:
    task = dataclasses.replace(tasks(tmp_path, *small_store, settings)["whole"], fold=3, seed=7)
    with pytest.raises(TrainingFailed, match=message):
        processes.run_all(work, [task], "two", settings.training)
    assert multiprocessing.active_children() == []
    assert not (tmp_path / "whole" / "model.pt").exists()


@pytest.mark.parametrize(
    ("codes", "message"),
    [
        ((-6, 1), "no such clip"),  # gloo aborted rank 0 when rank 1 was gone
        ((-9, 1), "two: rank 0 was ended by SIGKILL (out of memory?)"),  # rank 1 notes that it lost rank 0
        ((1, -15), "no such clip"),
        ((-6, -15), "two: rank 0 was ended by SIGABRT (out of memory?)"),
    ],
)
def test_the_first_cause_is_named(codes: tuple[int, ...], message: str, tmp_path: Path) -> None:
    if 1 in codes:
        (tmp_path / "failure-1.json").write_text('[2.0, "lost another rank"]')
        (tmp_path / "failure-0.json").write_text('[1.0, "no such clip"]')
    assert processes._cause(codes, tmp_path, "two") == message


TORCHRUN = ("torch.distributed.run", "--standalone", "--local-addr", "127.0.0.1", "--nproc-per-node", "2", "-m")


def test_a_cell_on_two_processes(small_project: Path) -> None:
    """`pretrain` starts its processes itself, torchrun starts those of `finetune`; `evaluate` reads what they left."""
    document = parameters.read()
    document["training"]["processes"], document["seeds"]["demo"] = 2, [1]
    write_params(document)
    pretrain.main("p-ta-lstm", runs.of_stage)
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PIPELINE_TRACK": "off"}
    command = [sys.executable, "-m", *TORCHRUN, "pipeline", "finetune", "p-ta-lstm"]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    [first, _] = [evaluate.work(job) for job in cells.jobs(cells.load("p-ta-lstm", "evaluate"), "finetune")]
    assert len(first.predictions) == 6
    results, weights = Path("data/results/demo/p-ta-lstm"), Path("data/runs/demo/p-ta-lstm")
    assert pd.read_csv(results / "history.csv").groupby(["fold", "seed"])["step"].apply(list).tolist() == [[1, 2, 3]] * 2
    assert len(list(weights.glob("finetune/weights/*/model.pt"))) == 2
    assert json.loads((results / "run.json").read_text())["params"]["training.processes"] == 2
    notes = {"owners", "locks", "made", "took.jsonl"}  # of this machine, small
    assert [path for path in Path(".work").rglob("*") if path.is_file() and path.parts[1] not in notes] == []


def place(monkeypatch: pytest.MonkeyPatch, rank: int, world: int) -> None:
    for name, value in {"TORCHELASTIC_RUN_ID": "test", "RANK": str(rank), "WORLD_SIZE": str(world)}.items():
        monkeypatch.setenv(name, value)


def test_torchrun_and_the_parameter_must_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    processes.check(2)  # without torchrun: the processes are yet to be started
    place(monkeypatch, 1, 2)
    processes.check(2)
    with pytest.raises(TrainingFailed, match=r"torchrun started 2 process\(es\), but training.processes .* is 1: set it to 2"):
        processes.check(1)


@pytest.mark.parametrize("clips", [1, 2, 3, 5, 8])
def test_shares_are_a_batch_once(clips: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rows, seen, weights = np.arange(10, 10 + clips), [], []
    for rank in range(3):
        place(monkeypatch, rank, 3)
        mine, share = ranks.share(rows)
        assert len(mine), "all ranks take part"
        weights.append(share)
        seen += mine.tolist() if share else []
    assert sorted(seen) == rows.tolist() and sum(weights) == pytest.approx(1)


def test_with_one_process_nothing_is_distributed() -> None:
    rows = np.arange(3)
    mine, share = ranks.share(rows)
    assert mine is rows and share == 1.0
    assert ranks.stream() == () and ranks.is_main()
    model, loss = torch.nn.Linear(1, 1), torch.ones(())
    assert ranks.parallel(model) is model and ranks.weighted(loss, 1.0) is loss
    assert ranks.whole_batch(3, {"loss": 0.1}) == (3, {"loss": 0.1}) and ranks.whole_accuracy(0.1, 3) == 0.1
    assert not torch.distributed.is_initialized()
