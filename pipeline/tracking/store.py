"""Where MLflow keeps its runs, and how to open it. MLflow itself is imported inside the functions (over a second)."""

from __future__ import annotations

import fcntl
import logging
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

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


def environment() -> None:
    """Set MLflow's variables, before it is imported: nothing leaves the machine; of the rest, what the user set stays."""
    os.environ |= FORCED
    for name, value in DEFAULTS.items():
        os.environ.setdefault(name, value)


def uri(root: Path) -> str:
    """`MLFLOW_TRACKING_URI`, or `mlflow.db` in the project's folder, absolute so that every process means the same file."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{root.resolve()}/mlflow.db"


def connect(root: Path) -> MlflowClient:
    """A client of the project's MLflow; makes its database where there is none.

    Raises `TrackingUnavailable` with the address, the cause and what to do.
    """
    environment()
    with failures(root):
        check_sqlite(uri(root))
        from mlflow import MlflowClient  # noqa: PLC0415

        for name in LOUD:
            logging.getLogger(name).setLevel(logging.CRITICAL)  # retries and migrations; failures are raised
        with lock(root):  # of processes that make one sqlite database at the same time, all but one crash
            client = MlflowClient(tracking_uri=uri(root))
            client.search_experiments(max_results=1)
    return client


@contextmanager
def failures(root: Path) -> Iterator[None]:
    """Turn what MLflow and the layers below it raise into `TrackingUnavailable`."""
    environment()
    from alembic.util import CommandError  # noqa: PLC0415
    from mlflow.exceptions import MlflowException  # noqa: PLC0415
    from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415

    try:
        yield
    except (MlflowException, SQLAlchemyError, CommandError, sqlite3.Error, OSError) as error:
        raise TrackingUnavailable(f"MLflow at {uri(root)} cannot be used: {cause(error)}. {WHAT_TO_DO}") from error


def check_sqlite(address: str) -> None:
    """Open an sqlite file for writing. MLflow alone would try for 100 seconds; raises what sqlite3 raises."""
    if not address.startswith("sqlite:///"):
        return
    path = Path(urlsplit(address).path.removeprefix("/"))
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("BEGIN IMMEDIATE")
        database.execute("ROLLBACK")


def cause(error: BaseException) -> str:
    """The first line of an error, at most 200 characters, without a last full stop."""
    return (str(error).strip().splitlines() or [""])[0][:200].rstrip(". ") or type(error).__name__


@contextmanager
def lock(root: Path, wait_s: float = 30.0) -> Iterator[None]:
    """Let one process at a time write to MLflow: it has no way to say "create this run unless it exists".

    Freed by the system if the process dies. Raises `TrackingUnavailable` where another still holds it after `wait_s`.
    """
    path = root / ".work" / "track.lock"
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
