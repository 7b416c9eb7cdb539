"""The script for a GPU, on the CPU with tiny sizes: every measure has its rows and none fails."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

from benchmarks import gpu, gpu_runs
from benchmarks.gpu_bench import Bench, Row


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(torch.device("cpu"), True, tmp_path)


def test_every_method_agrees_with_itself(bench: Bench) -> None:
    rows = list(gpu.agree(bench))
    assert [(row.what, row.found) for row in rows] == [(m, "loss 0.0e+00, gradients 0.0e+00: agrees") for m in gpu.METHODS]


def test_a_run_resumes_to_the_same_bits_and_two_are_equal(bench: Bench) -> None:
    assert [row.found for row in gpu_runs.resume(bench)] == ["bit for bit", "bit for bit"]
    assert gpu_runs.training_run.CHECKPOINT_EVERY_S == 10.0


def test_a_measure_that_fails_is_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(bench: Bench) -> None:
        raise RuntimeError("out of memory")

    monkeypatch.setattr(gpu, "MEASURES", {"agree": fail, "many": lambda _: [Row("many", "what", "found")]})
    printed = CliRunner().invoke(gpu.main, ["--device", "cpu"])
    assert "FAILED: RuntimeError: out of memory" in printed.output
    assert printed.output.splitlines()[2].split() == ["many", "what", "found"]


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_nothing_is_claimed() -> None:
    ended = CliRunner().invoke(gpu.main)
    assert (ended.exit_code, ended.output) == (2, "no CUDA device: not run (--device cpu --small tries the script itself)\n")
