"""Many runs over an executor, and fingerprints."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from pathlib import Path

import pytest

from pipeline.core.errors import StoreMismatch, TrainingFailed
from pipeline.core.files import fingerprint
from pipeline.core.settings import Training
from pipeline.running import executors, precision, runs
from pipeline.running.errors import WorkerLost


@dataclass(frozen=True)
class Task:
    fold: int
    seed: int = 1


def square(task: Task) -> int:
    return task.fold**2


def fail_at_two(task: Task) -> int:
    if task.fold == 2:
        raise ZeroDivisionError("no such fold")
    return task.fold


def misfit(task: Task) -> int:
    raise StoreMismatch(f"fold {task.fold}: no store")


def test_results_come_in_the_order_of_the_jobs() -> None:
    assert runs.run_all(square, [Task(3), Task(1), Task(2)], "squares") == [9, 1, 4]
    assert runs.run_all(square, [], "nothing") == []


def test_a_failure_names_its_run() -> None:
    with pytest.raises(TrainingFailed, match=r"numbers: run fold 2, seed 7: ZeroDivisionError: no such fold"):
        runs.run_all(fail_at_two, [Task(1), Task(2, 7)], "numbers")


def test_a_failure_for_people_stays_what_it_is() -> None:
    with pytest.raises(StoreMismatch, match="fold 1: no store"):
        runs.run_all(misfit, [Task(1)], "numbers")


def test_fingerprints_follow_content_and_code(tmp_path: Path) -> None:
    code = tmp_path / "code.py"
    code.write_text("a = 1\n")
    first = fingerprint({"a": 1, "b": 2}, [code])
    assert len(first) == 12
    assert first == fingerprint({"b": 2, "a": 1}, [code])
    assert first != fingerprint({"a": 1, "b": 3}, [code])
    code.write_text("a = 2\n")
    assert first != fingerprint({"a": 1, "b": 2}, [code])


def ended(task: Task) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_worker_that_the_system_ended_is_told() -> None:
    with pytest.raises(WorkerLost, match="ended from outside, as the system does where memory is used up; run the command again"):
        runs.run_all(ended, [Task(1)], "numbers")


@pytest.mark.parametrize("error", [ConnectionRefusedError(111, "Connection refused"), EOFError()])
def test_so_is_the_end_of_the_server_that_starts_workers(error: Exception) -> None:
    """What `submit` raises then, or nothing where a new server is up first; when is a matter of milliseconds."""
    with pytest.raises(WorkerLost), executors.executor(2, []):
        raise error


def test_a_precision_that_this_machine_has_not_is_said_before_anything_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a processor without AVX-512, where torch's LSTM has no bfloat16 under autocast."""

    def without(*_: object, **__: object) -> None:
        raise RuntimeError("could not create a primitive descriptor for the LSTM\nand how to see more of it")

    monkeypatch.setattr("torch.nn.LSTM.forward", without)
    begun: list[int] = []
    with pytest.raises(TrainingFailed) as found:
        runs.of_stage(begun.append, [1], "finetune", Training(precision="bfloat16", device="cpu"))
    assert begun == []
    assert str(found.value) == (
        "training.precision: bfloat16: torch cannot run an LSTM so on this processor (could not create a primitive descriptor for"
        " the LSTM); train in float32, on a GPU, or on a processor with AVX-512"
    )
    precision.check(Training(precision="float32"))  # asks torch nothing
    monkeypatch.setenv("PIPELINE_SCHEDULER", "tcp://127.0.0.1:1")
    precision.check(Training(precision="bfloat16", device="cpu"))  # others train
    monkeypatch.delenv("PIPELINE_SCHEDULER")
    precision.check(Training(precision="bfloat16", device="cuda"))  # what a GPU has is for its run to say
