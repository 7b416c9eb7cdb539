"""Where MLflow keeps its runs, and how to open it. MLflow itself is imported inside the functions (over a second)."""

from __future__ import annotations

import fcntl
import logging
import os
import socket
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from glob import escape
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urlsplit
from uuid import uuid4

from pipeline.addresses import shown
from pipeline.tracking.errors import TrackingUnavailable

if TYPE_CHECKING:
    from mlflow import MlflowClient

FORCED = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true", "MLFLOW_MODEL_CATALOG_URI": ""}
DEFAULTS = {
    "MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING": "false",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",  # MLflow: 120 s and 7 retries, minutes until a missing server is noticed
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",  # with a server: two lines for every run
}
LOUD = ("mlflow", "alembic", "urllib3")
WHAT_TO_DO = (
    "Check MLFLOW_TRACKING_URI and that its server or folder is there; an unusable mlflow.db can be moved away. "
    "Nothing is lost: `python -m pipeline track` fills MLflow from data/results/ at any time."
)

MOVE = (
    "Move the project with its .venv to a folder without '%' and run `make setup` there. "
    "Nothing is lost: all else works, and `python -m pipeline track` fills MLflow later."
)
HALF_MADE = (
    "The process that made this database was killed: move its file (mlflow.db) away. "
    "Nothing is lost: `python -m pipeline track` makes a new one and fills it from data/results/."
)


def environment() -> None:
    """Set MLflow's variables, before it is imported: nothing leaves the machine; of the rest, what the user set stays."""
    os.environ |= FORCED
    for name, value in DEFAULTS.items():
        os.environ.setdefault(name, value)


def uri(root: Path) -> str:
    """`MLFLOW_TRACKING_URI`, or `mlflow.db` in the project's folder, absolute so that every process means the same file.

    SQLAlchemy takes `#`, `?` and `%` in a path for parts of an address. Such a path is left out where it is the current folder,
    as it is for all commands, else quoted.
    """
    if own := os.environ.get("MLFLOW_TRACKING_URI"):
        return own
    folder = home(root)
    if not set("#?%") & set(str(folder)):
        return f"sqlite:///{folder}/mlflow.db"
    return "sqlite:///mlflow.db" if folder == Path.cwd() else f"sqlite:///{quote(str(folder))}/mlflow.db"


def home(root: Path) -> Path:
    """The project's folder, absolute; for a copy of it in which `dvc exp run --temp` or a queue works, the project itself."""
    folder = root.resolve()
    for inner in (folder, *folder.parents):
        if inner.parts[-4:-1] == (".dvc", "tmp", "exps"):
            return inner.parents[3]
    return folder


def connect(root: Path) -> MlflowClient:
    """A client of the project's MLflow; makes its database where there is none.

    Raises `TrackingUnavailable` with the address, the cause and what to do.
    """
    environment()
    if reason := misplaced(root):
        raise TrackingUnavailable(f"{reason}. {MOVE}")
    with failures(root):
        check_sqlite(uri(root))
        from mlflow import MlflowClient  # noqa: PLC0415

        for name in LOUD:
            logging.getLogger(name).setLevel(logging.CRITICAL)  # retries and migrations; failures are raised
        with lock(root):  # of processes that make one sqlite database at the same time, all but one crash
            make_sqlite(uri(root))
            client = MlflowClient(tracking_uri=uri(root))
            client.search_experiments(max_results=1)
    return client


def misplaced(root: Path) -> str:
    """Why MLflow cannot open a database from where it is installed; empty where it can, or where a server has the database.

    Alembic, which makes the tables, takes a `%` in the path of MLflow's own files for a reference to a setting.
    """
    spec = None if urlsplit(uri(root)).scheme in ("http", "https") else find_spec("mlflow")
    folder = Path(spec.origin).parent if spec and spec.origin else None
    return f"MLflow in {folder} cannot open a database: '%' in that path" if "%" in str(folder) else ""


def make_sqlite(address: str) -> None:
    """Make the tables of an sqlite database that is not there, or empty, whole or not at all.

    It takes seconds, and the tracking process beside a stage is killed where the stage ends meanwhile. So they are made in a file
    of another name beside it, which then takes its place; what a killed process left there is removed. The name is new each time,
    because MLflow keeps connections by it.
    """
    path = sqlite_path(address) if address.startswith("sqlite:///") else None
    if path is None or (path.exists() and path.stat().st_size):
        return
    from mlflow import MlflowClient  # noqa: PLC0415

    for leftover in path.parent.glob(f"{escape(path.name)}.*.partial*"):
        leftover.unlink(missing_ok=True)
    own = f".{uuid4().hex}.partial"
    client = MlflowClient(tracking_uri=f"{address.partition('?')[0]}{own}")
    client.search_experiments(max_results=1)
    client._tracking_client.store.engine.dispose()
    path.with_name(path.name + own).replace(path)


@contextmanager
def failures(root: Path) -> Iterator[None]:
    """Turn what MLflow and the layers below it raise into `TrackingUnavailable`."""
    environment()
    from alembic.util import CommandError  # noqa: PLC0415
    from mlflow.exceptions import MlflowException  # noqa: PLC0415
    from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415

    try:
        yield
    except (MlflowException, SQLAlchemyError, CommandError, sqlite3.Error, OSError, ValueError) as error:
        raise TrackingUnavailable(f"MLflow at {shown(uri(root))} cannot be used: {cause(error)}. {remedy(error)}") from error


def check_sqlite(address: str) -> None:
    """Open an sqlite file for writing. MLflow alone would try for 100 seconds; raises what sqlite3 raises."""
    if not address.startswith("sqlite:///"):
        return
    path = sqlite_path(address)
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("BEGIN IMMEDIATE")
        database.execute("ROLLBACK")


def state(root: Path) -> tuple[str, str]:
    """How MLflow's place is, and what must be done; the second is empty where nothing must. Makes nothing."""
    address = uri(root)
    parts = urlsplit(address)
    if reason := misplaced(root):
        return reason, MOVE
    try:
        if address.startswith("sqlite:///"):
            return _state_of_sqlite(sqlite_path(address))
        if parts.scheme in ("http", "https") and parts.hostname:
            socket.create_connection((parts.hostname, parts.port or {"http": 80, "https": 443}[parts.scheme]), 5.0).close()
            return f"{shown(address)} answers", ""
    except (OSError, ValueError, sqlite3.Error) as error:
        return f"{shown(address)} cannot be used ({cause(error)})", WHAT_TO_DO
    return f"{shown(address)}, not looked at", ""


def run_of(root: Path, fingerprint: str) -> str:
    """The id of the MLflow run of a cell with this fingerprint of `finetune`, or why there is none. Makes nothing."""
    told, remedy_ = state(root)
    if remedy_ or (uri(root).startswith("sqlite:///") and not sqlite_path(uri(root)).exists()):
        return f"no run ({told})"
    try:
        client = connect(root)
        experiments = [found.experiment_id for found in client.search_experiments()]
        runs = client.search_runs(experiments, f"tags.fingerprint_finetune = '{fingerprint}'", max_results=1000)
    except TrackingUnavailable as error:
        return f"no run ({cause(error)})"
    cells = [run.info.run_id for run in runs if "mlflow.parentRunId" not in run.data.tags]
    return (
        f"run {', '.join(cells)} of {shown(uri(root))}"
        if cells
        else "no run of these results; `python -m pipeline track` adds it"
    )


def _state_of_sqlite(path: Path) -> tuple[str, str]:
    if not path.exists() or not path.stat().st_size:
        return f"{path} is made when something is tracked", ""
    with closing(sqlite3.connect(f"file:{quote(str(path.absolute()))}?mode=ro", uri=True)) as database:
        tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    return (f"{path} is whole", "") if "alembic_version" in tables else (f"{path} is half made", HALF_MADE)


def remedy(error: BaseException) -> str:
    """What to do about a failure of MLflow."""
    return HALF_MADE if "already exists" in str(error) else WHAT_TO_DO


def sqlite_path(address: str) -> Path:
    """The file that SQLAlchemy opens for an address `sqlite:///...`."""
    return Path(unquote(address.removeprefix("sqlite:///").partition("?")[0]))


def cause(error: BaseException) -> str:
    """The first line of an error, at most 200 characters, without a last full stop and without secrets."""
    return (shown(error).strip().splitlines() or [""])[0][:200].rstrip(". ") or type(error).__name__


@contextmanager
def lock(root: Path, wait_s: float = 30.0) -> Iterator[None]:
    """Let one process at a time write to MLflow: it has no way to say "create this run unless it exists".

    Freed by the system if the process dies. Raises `TrackingUnavailable` where another still holds it after `wait_s`.
    """
    path = home(root) / ".work" / "track.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + wait_s
    with path.open("a") as file:
        while not _locked(file.fileno()):
            if time.monotonic() > deadline:
                raise TrackingUnavailable(f"another process has been writing to MLflow for {wait_s:g} s; try again later")
            time.sleep(0.1)
        yield


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
