"""The command line as users meet it: codes, messages without stack traces, one process each."""

from __future__ import annotations

import importlib
import json
import os
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
import yaml
from click.testing import CliRunner

from pipeline import cli
from pipeline.core.errors import PipelineError
from pipeline.datasets.shared.errors import MalformedSkeleton
from tests.conftest import ROOT
from tests.dask_cluster import until

STAGES = ("download", "normalize", "split", "pretrain", "finetune", "evaluate", "report")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with the parameters, what says how outputs may be pushed, and nothing else."""
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def made(folder: Path) -> set[str]:
    """What a command left in the data folder beside the resolved parameters."""
    return {path.name for path in (folder / "data").iterdir()} - {"params"}


def pipeline(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pipeline", *arguments]
    return subprocess.run(command, cwd=folder, env=os.environ | environment, capture_output=True, text=True, check=False)


def refused(run: subprocess.CompletedProcess[str]) -> str:
    """The message of a command that ended as a failure for people does."""
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr.startswith("error: ")
    assert "Traceback" not in run.stderr
    return run.stderr


def test_help_names_every_command(project: Path) -> None:
    run = pipeline(project, "--help")
    assert run.returncode == 0
    listed = {line.split()[0] for line in run.stdout.partition("Commands:")[2].splitlines() if line.strip()}
    assert {*STAGES, "use", "track", "ui"} <= listed


@pytest.mark.parametrize("stage", ["download", "normalize", "split"])
def test_unknown_data_set(project: Path, stage: str) -> None:
    message = refused(pipeline(project, stage, "kinetics"))
    assert "unknown data set 'kinetics'; there are demo, florence3d, ntu, ntu120, nw_ucla, sbu, utkinect" in message
    assert made(project) == set()


@pytest.mark.parametrize("stage", ["pretrain", "finetune", "evaluate"])
def test_unknown_cell(project: Path, stage: str) -> None:
    message = refused(pipeline(project, stage, "sbu-gru"))
    assert f"the grid has no cell 'sbu-gru' with a stage {stage}; near it are " in message
    assert made(project) == set()


def test_from_a_folder_inside_the_project(project: Path) -> None:
    inside = project / "docs" / "more"
    inside.mkdir(parents=True)
    assert pipeline(inside, "where").stdout == "demo: no report yet; run `dvc repro`\n"
    assert pipeline(inside, "use", "sbu").returncode == 0
    assert list(inside.iterdir()) == [] and (project / "cells" / "sbu").is_dir()


def test_a_selection_edited_by_hand_is_no_selection_for_dvc(project: Path) -> None:
    pipeline(project, "use", "demo")
    path = project / "params.yaml"
    path.write_text(path.read_text().replace("groups: [demo]", "groups: [demo, demo-tuned]"))
    message = "use.groups are demo, demo-tuned, but .dvcignore shows demo; run `python -m pipeline use demo demo-tuned`"
    for command in (["resolve"], ["evaluate", "demo-sbu-lstm"], ["check"]):
        assert message in refused(pipeline(project, *command))
    pipeline(project, "use", "demo", "demo-tuned")
    assert pipeline(project, "resolve").returncode == 0


def test_a_cell_whose_data_are_not_there(project: Path) -> None:
    for stage in ("finetune", "evaluate"):
        message = refused(pipeline(project, stage, "sbu-paper-lstm"))
        assert "data/skeletons/sbu/sbu/meta.json: expected the data of sbu-paper-lstm, found none" in message
        assert "run `dvc repro split@sbu` first" in message


def test_folder_without_parameters(tmp_path: Path) -> None:
    assert "params.yaml: cannot be read" in refused(pipeline(tmp_path, "split", "demo"))


def test_wrong_parameter(project: Path) -> None:
    path = project / "params.yaml"
    path.write_text(path.read_text().replace("  layers: 3", "  layers: three"))
    assert "\n  model.layers: " in refused(pipeline(project, "pretrain", "demo-sbu-lstm"))


def test_use_says_what_it_wrote(project: Path) -> None:
    run = pipeline(project, "use", "sbu", "sbu-switches")
    line = "use: {groups: [sbu, sbu-switches], datasets: {sbu: pipeline/datasets/sbu}}"
    assert run.returncode == 0 and run.stdout.splitlines()[0] == f"params.yaml: {line}"
    assert run.stdout.splitlines()[1].startswith("cells/: pipelines written of sbu-paper-lstm, sbu-paper-sa-lstm, ")
    assert f"\n{line}\n" in (project / "params.yaml").read_text()
    assert (project / ".dvcignore").read_text() == "/cells/*\n!/cells/sbu\n!/cells/sbu-switches\n"
    assert "kinetics" in refused(pipeline(project, "use", "kinetics"))


def test_use_leaves_a_running_dvc_its_parameters(project: Path, tmp_path: Path) -> None:
    program, before = tmp_path / "dvc", (project / "params.yaml").read_text()
    program.write_text("input()\n")
    with subprocess.Popen([sys.executable, str(program)], cwd=project, stdin=subprocess.PIPE) as running:
        said = refused(pipeline(project, "use", "sbu"))
        running.communicate(b"\n")
    assert said == (
        f"error: DVC runs here (process {running.pid}) and reads params.yaml, which was left as it is;"
        " choose groups when it has ended\n"
    )
    assert (project / "params.yaml").read_text() == before


@pytest.mark.parametrize(
    "command",
    [
        ["stamp", "reports/demo/report.html", "--to", "no/copy.html"],
        ["pack", "demo", "--to", "no/demo.zip"],
        ["export", "demo-sbu-lstm", "--to", "no/m.safetensors"],
    ],
)
def test_no_folder_is_made_for_an_output_that_the_user_names(command: list[str], project: Path) -> None:
    run = pipeline(project, *command)
    assert run.returncode == 2 and f"--to {command[-1]}: no folder no; make it first" in run.stderr
    assert not (project / "no").exists()


def test_where_says_what_the_reports_found(project: Path) -> None:
    assert pipeline(project, "where").stdout == "demo: no report yet; run `dvc repro`\n"
    (project / "reports" / "demo").mkdir(parents=True)
    found = {"demo-sbu": {"demo": {"lstm": {"accuracy": {"mean": 96.62}}}, "switches": {"x": {"accuracy": {"mean": 50.0}}}}}
    found |= {"of-a-part": {"demo": {"lstm": {"accuracy": {"mean": 0.0}, "part": "3 of 56,578 samples"}}}}
    (project / "reports" / "demo" / "metrics.json").write_text(json.dumps(found))
    lines = pipeline(project, "where").stdout.splitlines()
    assert lines[:2] == ["demo-sbu (synthetic), demo: lstm 96.6 %", "demo-sbu (synthetic), switches: x 50.0 %"]
    assert lines[2:] == [
        "of-a-part (synthetic), demo: lstm 0.0 % (a part: 3 of 56,578 samples)",
        "report: reports/demo/report.html",
    ]


def test_tracking_that_cannot_be(project: Path) -> None:
    message = refused(pipeline(project, "track", MLFLOW_TRACKING_URI=f"sqlite:///{project}"))
    assert "cannot be used: unable to open database file. Check MLFLOW_TRACKING_URI" in message


def test_watching_needs_to_know_beside_what(project: Path) -> None:
    run = pipeline(project, "track", "--watch")
    assert run.returncode == 2
    assert "--watch needs --parent" in run.stderr


def failures() -> list[type[PipelineError]]:
    """Those of all packages."""
    for module in ("pipeline.errors", "pipeline.datasets.shared.errors", "pipeline.running.errors", "pipeline.tracking.errors"):
        importlib.import_module(module)
    return PipelineError.__subclasses__()


def test_every_package_has_its_failures() -> None:
    names = {failure.__name__ for failure in failures()}
    assert {"ParamsError", "RawDataMissing", "WorkerUnfit", "TrackingUnavailable", "NotConfirmed"} <= names


@pytest.mark.parametrize("failure", failures())
def test_every_failure_is_shown_as_its_message(failure: type[PipelineError], monkeypatch: pytest.MonkeyPatch) -> None:
    error = failure("clip.txt", 3, "odd") if failure is MalformedSkeleton else failure("what to do")

    def fail(stage: str, target: str) -> None:
        raise error

    monkeypatch.setattr("pipeline.cli.stages.run", fail)
    result = CliRunner().invoke(cli.main, ["split", "demo"])
    assert (result.exit_code, result.stderr) == (error.exit_code, f"error: {error}\n")


def test_other_failures_keep_their_stack_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(stage: str, target: str) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("pipeline.cli.stages.run", fail)
    assert isinstance(CliRunner().invoke(cli.main, ["split", "demo"]).exception, ZeroDivisionError)


def test_ctrl_c_ends_a_training_with_its_processes(small_project: Path) -> None:
    """Once, to the whole group as a terminal sends it: no worker goes on, or takes the next run."""
    document = yaml.safe_load(Path("params.yaml").read_text())
    document["pretrain"] |= {"main": 100_000}
    Path("params.yaml").write_text(yaml.safe_dump(document))
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PIPELINE_TRACK": "off"}
    command = [sys.executable, "-m", "pipeline", "pretrain", "p-sta-lstm"]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, start_new_session=True) as stage:
        until(lambda: any(Path(".work/checkpoints").rglob("*.pt")), "a checkpoint")
        started = psutil.Process(stage.pid).children(recursive=True)
        os.killpg(stage.pid, signal.SIGINT)
        try:
            _, told = stage.communicate(timeout=60)
        finally:
            with suppress(ProcessLookupError):  # where it did not end: the test fails, and leaves nothing behind
                os.killpg(stage.pid, signal.SIGKILL)
    assert stage.returncode == 130 and started
    assert told.decode().splitlines()[-1] == "error: pretrain p-sta-lstm: stopped; run it again to go on"
    assert psutil.wait_procs(started, timeout=5)[1] == []
    assert not Path("data/runs/demo/p-sta-lstm").exists()


def test_sigterm_ends_a_training_with_its_processes(small_project: Path) -> None:
    document = yaml.safe_load(Path("params.yaml").read_text())
    document["pretrain"] |= {"main": 100_000}  # the attention phases end with a checkpoint
    Path("params.yaml").write_text(yaml.safe_dump(document))
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PIPELINE_TRACK": "off"}
    command = [sys.executable, "-m", "pipeline", "pretrain", "p-sta-lstm"]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as stage:
        until(lambda: any(Path(".work/checkpoints").rglob("*.pt")), "a checkpoint")
        started = psutil.Process(stage.pid).children(recursive=True)
        stage.send_signal(signal.SIGTERM)
        _, told = stage.communicate(timeout=60)
    assert stage.returncode == 128 + signal.SIGTERM
    assert told.splitlines()[-1] == "error: pretrain p-sta-lstm: ended by SIGTERM; run it again to go on"
    assert started
    assert psutil.wait_procs(started, timeout=60)[1] == []
    assert not Path("data/runs/demo/p-sta-lstm").exists()
    assert any(Path(".work/checkpoints").rglob("*.pt")), "what it had done is kept"
