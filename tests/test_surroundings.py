"""What the pipeline finds around it: granted cores, inherited settings, folders that cannot be written, odd paths, full disks."""

from __future__ import annotations

import errno
import io
import os
import shutil
import sqlite3
import subprocess
import sys
import sysconfig
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from pipeline import cli, tracking
from pipeline.cli import stages
from pipeline.config import params as parameters
from pipeline.running import cores
from pipeline.tracking import store
from pipeline.tracking.errors import TrackingUnavailable
from tests.conftest import ROOT, in_a_project, write_params
from tests.skeleton_text import clip

pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning:mlflow")

# --- cores ------------------------------------------------------------------------------------------------------------


def group(folder: Path, **files: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text + "\n")
    return folder


@pytest.mark.parametrize(
    ("quota", "granted"), [("400000 100000", [4]), ("150000 100000", [2]), ("10000 100000", [1]), ("max 100000", [])]
)
def test_quotas_of_a_container_are_rounded_up(quota: str, granted: list[int], tmp_path: Path) -> None:
    group(tmp_path / "job/step", cpu__max=quota)
    (tmp_path / "own").write_text("0::/job/step\n")
    assert list(cores.quotas(tmp_path, tmp_path / "own")) == granted


def test_quotas_of_the_groups_around_count_and_a_path_from_outside_does_no_harm(tmp_path: Path) -> None:
    group(tmp_path / "job", cpu__max="300000 100000")
    group(tmp_path / "job/step", cpu__max="max 100000")
    group(tmp_path, cpu__max="800000 100000")
    (tmp_path / "own").write_text("0::/job/step\n")
    assert list(cores.quotas(tmp_path, tmp_path / "own")) == [3, 8]
    (tmp_path / "own").write_text("0::/docker/not/there\n")
    assert list(cores.quotas(tmp_path, tmp_path / "own")) == [8]
    assert list(cores.quotas(tmp_path, tmp_path / "nothing")) == []


def test_quotas_of_version_1(tmp_path: Path) -> None:
    group(tmp_path / "cpu/job", cpu__cfs_quota_us="250000", cpu__cfs_period_us="100000")
    group(tmp_path / "cpu", cpu__cfs_quota_us="-1", cpu__cfs_period_us="100000")
    (tmp_path / "own").write_text("4:memory:/job\n1:cpu:/job\n0::/\n")
    assert list(cores.quotas(tmp_path, tmp_path / "own")) == [3]


def test_slurms_grant_is_the_least(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cores, "affinity", lambda: 128)
    monkeypatch.setattr(cores, "quotas", lambda *_: [16])
    for text, expected in (("4", 4), ("", 16), ("many", 16), ("0", 1), ("64", 16)):
        monkeypatch.setenv(cores.SLURM, text)
        assert cores.granted() == expected


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system has no affinity")
def test_a_process_that_may_use_one_core_starts_one_worker() -> None:
    code = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
    code += "from pipeline.running import executors\nprint(executors.local_workers(100))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "1\n"


# --- inherited settings, folders that cannot be written ------------------------------------------------------------------


def test_the_backend_of_a_notebook_does_not_matter() -> None:
    environment = os.environ | {"MPLBACKEND": "module://matplotlib_inline.backend_inline"}
    code = "from pipeline import cli\nfrom pipeline.report import figures\nfigures.canvas(1, 1)\n"
    code += "import matplotlib\nprint(matplotlib.get_backend())"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert (done.stdout.lower(), done.stderr) == ("agg\n", "")


def test_where_numba_can_keep_nothing_files_are_read_all_the_same(tmp_path: Path) -> None:
    """Root may write everywhere, so numba's ways to find a folder are taken away instead: it then raises as without a home."""
    (tmp_path / "f.skeleton").write_bytes(clip("S001C001P001R001A001"))
    code = f"""
from numba.core import caching
caching.CacheImpl._locator_classes.clear()
from pathlib import Path
from pipeline.datasets.ntu import kernel, reader
print(kernel.KEEP, len(reader._read_plain(Path({str(tmp_path / "f.skeleton")!r}).read_bytes()).counts))
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("False 14\n", "")


# --- a terminal or a locale that lacks letters ----------------------------------------------------------------------------

BARE = {"LC_ALL": "C", "PYTHONUTF8": "0"}


@pytest.mark.parametrize("surroundings", [BARE, BARE | {"PYTHONIOENCODING": "ascii"}, {"PYTHONIOENCODING": "ascii"}])
def test_files_are_utf8_whatever_the_terminal_and_the_locale_have(surroundings: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("über: {}  # ±\n", encoding="utf-8")
    (tmp_path / "dvc.yaml").touch()
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("LC_", "LANG", "PYTHONUTF8"))}
    done = subprocess.run(
        [sys.executable, "-m", "pipeline", "costs"],
        cwd=tmp_path,
        env=environment | surroundings | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.decode().splitlines()[-1] == "  über: Extra inputs are not permitted (found {})"  # click says it in UTF-8


def test_printing_fails_on_no_letter(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="ascii", write_through=True))
    monkeypatch.setattr("pipeline.cli.results.up_to_date", lambda: None)
    monkeypatch.setattr("pipeline.commands.check.main", lambda *_, **__: print("87.1 \u00b1 2 \udcff"))
    with pytest.raises(SystemExit, match="0"):
        cli.main(["check"])
    assert written.getvalue() == b"87.1 \\xb1 2 \\udcff\n"


# --- the path of the project, MLflow's database ----------------------------------------------------------------------------


@pytest.fixture
def ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


@pytest.mark.usefixtures("ours")
def test_addresses_of_the_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain, odd = tmp_path / "a b", tmp_path / "a#b?c%20d"
    for folder in (plain, odd):
        folder.mkdir()
    assert store.uri(plain) == f"sqlite:///{plain}/mlflow.db"
    assert store.uri(odd) == f"sqlite:///{tmp_path}/a%23b%3Fc%2520d/mlflow.db"
    assert store.sqlite_path(store.uri(odd)) == odd / "mlflow.db"
    monkeypatch.chdir(odd)
    assert store.uri(odd) == "sqlite:///mlflow.db"


@pytest.mark.usefixtures("ours")
def test_a_project_with_odd_letters_in_its_path_keeps_its_database_inside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = tmp_path / "a #b?c%20d"
    odd.mkdir()
    monkeypatch.chdir(odd)
    client = tracking.connect(odd)
    client.create_experiment("one")
    assert [path.name for path in tmp_path.iterdir()] == [odd.name]
    assert sorted(path.name for path in odd.iterdir()) == [".work", "mlflow.db"]
    assert {found.name for found in tracking.connect(odd).search_experiments()} == {"Default", "one"}


@pytest.mark.usefixtures("ours")
def test_a_letter_in_the_path_of_mlflow_itself_that_its_migrations_cannot_have_is_named(tmp_path: Path) -> None:
    """As where a project with its `.venv` is in such a folder."""
    odd = tmp_path / "100% a"
    odd.mkdir()
    (odd / "site-packages").symlink_to(sysconfig.get_paths()["purelib"])
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(odd / "site-packages"), str(ROOT)])}
    done = subprocess.run(
        [sys.executable, "-m", "pipeline", "track"], cwd=odd, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    [line] = done.stderr.splitlines()
    assert line.startswith(
        f"error: MLflow in {odd}/site-packages/mlflow cannot open a database: '%' in that path. Move the project"
    )
    assert [path.name for path in odd.iterdir()] == ["site-packages"]


@pytest.mark.usefixtures("ours")
def test_a_server_has_its_database_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = SimpleNamespace(origin="/100% a/mlflow/__init__.py")
    monkeypatch.setattr(store, "find_spec", lambda _name: found)
    assert "'%' in that path" in store.misplaced(tmp_path)
    assert store.state(tmp_path) == (store.misplaced(tmp_path), store.MOVE)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
    assert store.misplaced(tmp_path) == ""


@pytest.mark.usefixtures("ours")
def test_a_database_is_made_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed while it makes the tables, then started again: what was half made is under another name, and is made anew."""
    import mlflow  # noqa: PLC0415

    def killed(*_: object, **__: object) -> None:
        assert [path.stat().st_size > 0 for path in tmp_path.glob("mlflow.db.*.partial")] == [True]
        assert not (tmp_path / "mlflow.db").stat().st_size
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(mlflow.MlflowClient, "search_experiments", killed)
        with pytest.raises(KeyboardInterrupt):
            tracking.connect(tmp_path)
    [unfinished] = tmp_path.glob("mlflow.db.*.partial")
    unfinished.write_bytes(b"cut")
    assert [found.name for found in tracking.connect(tmp_path).search_experiments()] == ["Default"]
    assert not list(tmp_path.glob("*.partial*"))


@pytest.mark.usefixtures("ours")
def test_a_database_that_was_half_made_before_is_told_with_its_remedy(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as database:
        database.execute("CREATE TABLE secrets (id INTEGER)")
    with pytest.raises(TrackingUnavailable, match=r"table secrets already exists.*was killed: move its file \(mlflow\.db\) away"):
        tracking.connect(tmp_path)


@pytest.mark.parametrize("inner", [".dvc/tmp/exps/tmp1x2y3z", ".dvc/tmp/exps/standalone/tmpabc"])
def test_experiments_in_a_temporary_copy_are_tracked_in_the_project(
    inner: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    copy = tmp_path / inner
    copy.mkdir(parents=True)
    assert store.home(copy) == store.home(tmp_path) == tmp_path.resolve()
    assert store.uri(copy) == store.uri(tmp_path) == f"sqlite:///{tmp_path.resolve()}/mlflow.db"


# --- nothing can be written ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stage", ["download", "normalize", "split", "report"])
def test_a_full_disk_is_told_with_its_folder(stage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    for code, said in (
        (errno.ENOSPC, "MB free): no space is left; make some, then run it again"),
        (errno.EROFS, "it can only be read; mount it for writing"),
        (errno.EDQUOT, "the quota is used up"),
        (errno.EACCES, "this user may not write there"),
    ):

        def fail(*_: object, code: int = code) -> None:
            raise OSError(code, os.strerror(code), str(tmp_path / "data/raw/x.zip"))

        monkeypatch.setattr(stages, "run", fail)
        result = CliRunner().invoke(cli.main, [stage, "demo"])
        assert result.exit_code == 2
        assert result.output.startswith(f"error: {tmp_path}/data/raw/x.zip: folder {tmp_path}/data")
        assert said in result.output
        assert result.output.count("\n") == 1


def test_an_error_of_another_kind_is_no_full_disk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)

    def fail(*_: object) -> None:
        raise FileNotFoundError(errno.ENOENT, "none", "x")

    monkeypatch.setattr(stages, "run", fail)
    assert isinstance(CliRunner().invoke(cli.main, ["download", "demo"]).exception, FileNotFoundError)


def limited(folder: Path, stage: str, size: int, target: str = "demo") -> subprocess.CompletedProcess[str]:
    """A stage that may write no file beyond so many bytes: it fails in the middle of a file as on a full disk."""
    code = f"""
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, resource.RLIM_INFINITY))
from pipeline import cli
cli.main(["{stage}", "{target}"])
"""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1", "PIPELINE_TRACK": "off"}
    return subprocess.run([sys.executable, "-c", code], cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_stages_that_cannot_write_leave_nothing_half_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    in_a_project(tmp_path, monkeypatch)
    shutil.copy(ROOT / "dvc.yaml", tmp_path)
    for stage, size, place in (("download", 300_000, "raw"), ("normalize", 20_000, "skeletons"), ("split", 500, "splits")):
        done = limited(tmp_path, stage, size)
        assert done.returncode == 2, done.stderr
        last = done.stderr.splitlines()[-1]
        assert last.startswith("error: ") and "the file may not grow further" in last, done.stderr
        assert "Traceback" not in done.stderr
        assert not [path for path in (tmp_path / "data").rglob("*") if path.suffix in (".partial", ".old")]
        assert not list((tmp_path / "data" / place / "demo").glob("**/*.*"))
        assert CliRunner().invoke(cli.main, [stage, "demo"], catch_exceptions=False).exit_code == 0


def whole(folder: Path) -> None:
    assert not [path for path in folder.rglob("*") if path.suffix in (".partial", ".old")]


@pytest.mark.parametrize("processes", [1, 2])
def test_training_and_evaluation_that_cannot_write_leave_nothing_half_made(processes: int, small_project: Path) -> None:
    document = parameters.read()
    document["training"]["processes"] = processes
    write_params(document)
    stages = (("pretrain", 6000, "pt"), ("finetune", 6000, "pt"), ("evaluate", 1000, "partial"))
    for stage, size, suffix in stages if processes == 1 else stages[:1]:
        done = limited(small_project, stage, size, "p-sta-lstm")
        assert done.returncode == 2, done.stderr
        last = done.stderr.splitlines()[-1]
        assert last.startswith("error: ") and f".{suffix}" in last and "the file may not grow further" in last, done.stderr
        assert f"folder {small_project}/" in last and "Traceback" not in done.stderr
        whole(small_project)
        if processes == 1:
            assert CliRunner().invoke(cli.main, [stage, "p-sta-lstm"], catch_exceptions=False).exit_code == 0


def test_a_small_disk_under_the_weights(small_project: Path) -> None:
    """Another disk than that of `.work`, and full: weights are copied there, and not half."""
    mount = "mkdir -p data/runs && mount -t tmpfs -o size={size}k none data/runs && "
    run = f"{sys.executable} -m pipeline pretrain p-sta-lstm; code=$?; find data/runs -type f; exit $code"
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PIPELINE_TRACK": "off"}
    told = []
    for size in (12, 1000):
        command = ["unshare", "--mount", "--map-root-user", "sh", "-c", mount.format(size=size) + run]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
        if "mount" in done.stderr or "unshare" in done.stderr:
            pytest.skip(f"no small disk can be made here: {done.stderr.strip()}")
        told.append((done.returncode, [path for path in done.stdout.split() if path.startswith("data/runs")], done.stderr))
    (code, found, error), (fine, weights, _) = told
    assert code == 2 and "Traceback" not in error
    assert "/model.pt: folder " in error and "MB free): no space is left; make some, then run it again" in error
    assert all(path.endswith("/model.pt") for path in found)
    assert fine == 0 and sum(path.endswith("/model.pt") for path in weights) == 4
    whole(small_project)
