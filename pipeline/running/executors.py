"""Where jobs run: processes of this machine, or with `PIPELINE_SCHEDULER=tcp://host:port` the workers of a Dask scheduler.

Both are a `concurrent.futures.Executor`. Jobs hold paths relative to the project's folder, so a Dask worker must see that folder
under the same absolute path (a shared filesystem) and does each job in it. It must also run the same code in the same versions,
one job at a time: training draws from torch's global random numbers. A worker that differs refuses the job.
"""

from __future__ import annotations

import asyncio
import hashlib
import importlib.metadata
import logging
import multiprocessing
import os
import platform
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future, ProcessPoolExecutor
from contextlib import chdir, contextmanager
from dataclasses import dataclass
from functools import cache
from multiprocessing import forkserver
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import uuid4

from pipeline.addresses import shown
from pipeline.core.errors import PipelineError
from pipeline.core.files import sha256
from pipeline.running.cores import granted
from pipeline.running.errors import SchedulerUnavailable, WorkerLost, WorkerUnfit
from pipeline.running.lifetime import end_with_parent, left_alone_by_the_terminal

if TYPE_CHECKING:
    from distributed import Client, Worker

R = TypeVar("R")

VARIABLE = "PIPELINE_SCHEDULER"
CONNECT_S = 10.0
WORKERS_S = 60.0  # a cluster that grows on demand takes its time
WATCH_S = 1.0
MARKS = Path(".work/executors")
PACKAGES = ("numba", "numpy", "pandas", "scipy", "torch")  # another version may give other bits
LOST = (
    "a worker was ended from outside, as the system does where memory is used up;"
    " run the command again: finished runs and checkpoints are kept"
)
NEXT = "start the scheduler again and repeat: finished runs and checkpoints are kept"
SAME = "of the same project, installed from the folder that all machines share, and `dask worker` started anew after a change"


@contextmanager
def executor(jobs: int, preload: Sequence[str], begin: Callable[[], None] | None = None) -> Iterator[tuple[Executor, int]]:
    """An executor for so many jobs, and its number of workers: on this machine one a core and none more than jobs.

    `preload` are modules that a pool of processes imports once, before its workers part; `begin` is what each of these does
    first. They leave Ctrl-C to this process and end with it. A failure inside the `with` cancels what has not begun. Raises
    `SchedulerUnavailable`, `WorkerUnfit`, and `WorkerLost` where a process of the pool was ended from outside.
    """
    if address := os.environ.get(VARIABLE):
        with remote(address) as found:
            yield found
        return
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(preload))
    with left_alone_by_the_terminal():
        _start_server()
    workers = local_workers(jobs)
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_start_worker, initargs=(begin,)) as pool:
        try:
            yield pool, workers
        except BaseException as error:
            processes = list((pool._processes or {}).values())  # `shutdown` forgets them
            pool.shutdown(wait=False, cancel_futures=True)
            if not isinstance(error, Exception):  # Ctrl-C: a worker would go on with what it has taken, or take the next
                for process in processes:
                    process.terminate()
            if isinstance(error, (BrokenExecutor, EOFError, ConnectionError)):  # of a worker, of the server that starts them
                raise WorkerLost(LOST) from error
            raise


def _start_worker(begin: Callable[[], None] | None) -> None:
    end_with_parent()
    if begin:
        begin()


def _start_server() -> None:
    """Start the fork server, if it does not run, so that it takes this package from where this process has it.

    What it preloads it looks for without this process's `sys.path` (Python 3.11): a second checkout would be given the code of
    the one that is installed.
    """
    before = os.environ.get("PYTHONPATH")
    own = str(Path(__file__).parents[2])
    os.environ["PYTHONPATH"] = os.pathsep.join([own, before] if before else [own])
    try:
        forkserver.ensure_running()
    finally:
        os.environ.pop("PYTHONPATH")
        os.environ |= {"PYTHONPATH": before} if before is not None else {}


def local_workers(jobs: int) -> int:
    """Processes of this machine for so many jobs: none more than cores that this process was granted."""
    return min(jobs, granted())


def worthwhile(jobs: int) -> bool:
    """Whether short jobs gain from an executor: not a single one, and not on a single core."""
    return bool(os.environ.get(VARIABLE)) or local_workers(jobs) > 1


# --- Dask, the side that waits ----------------------------------------------------------------------------------------------


@contextmanager
def remote(address: str) -> Iterator[tuple[Executor, int]]:
    """The executor of a Dask scheduler, its workers checked.

    On a failure inside, nothing goes on: what has not begun is cancelled, what runs is ended by its worker. Raises
    `SchedulerUnavailable`, also where the connection is lost later, and `WorkerUnfit`.
    """
    client = connect(address)
    here = Home(str(Path.cwd()), f"{MARKS / uuid4().hex}", versions())
    mark = Path(here.mark)
    try:
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.touch()
        workers = check_workers(client, here, address)
        pool = Remote(client.get_executor(pure=False), here)
        try:
            yield pool, workers
        except BaseException as error:
            lost = isinstance(error, CancelledError) or (client.status != "running" and not isinstance(error, PipelineError))
            if lost and isinstance(error, Exception):
                raise SchedulerUnavailable(f"{shown(address)}: the connection was lost; {NEXT}") from error
            pool.shutdown(wait=False)
            raise
    finally:
        client.close(timeout=CONNECT_S)
        mark.unlink(missing_ok=True)


def connect(address: str) -> Client:
    """A client of the scheduler; `SchedulerUnavailable` where Dask is not installed or no scheduler answers in `CONNECT_S`."""
    try:
        from distributed import Client  # noqa: PLC0415 (optional)
    except ImportError as error:
        raise SchedulerUnavailable(
            f"{VARIABLE}={shown(address)} needs Dask, which is not installed: "
            f'pip install -c constraints.txt -e ".[dask]", or unset it'
        ) from error
    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # what fails is told by the errors raised here
    try:
        asyncio.run(asyncio.wait_for(identify(address), CONNECT_S))
        return Client(address, timeout=CONNECT_S, set_as_default=False)
    except (OSError, ValueError, TypeError, RuntimeError, AttributeError) as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        reason = reason.replace(
            address.partition("://")[2], shown(address).partition("://")[2]
        )  # Dask names it without its scheme
        raise SchedulerUnavailable(
            f"{shown(address)}: no Dask scheduler answers within {CONNECT_S:.0f} s ({reason}). Expected tcp://host:port or tls://host:port"
            f" of a running `dask scheduler` (docs/clusters.md); without {VARIABLE} the cores of this machine do the work"
        ) from error


async def identify(address: str) -> None:
    """Ask for the scheduler's identity: a `Client` that fails to connect waits long, at its end once more."""
    from distributed import Security, rpc  # noqa: PLC0415 (optional)

    async with rpc(address, connection_args=Security().get_connection_args("client")) as server:
        if (kind := (await server.identity())["type"]) != "Scheduler":
            raise ValueError(f"this is the address of a {kind}")


def check_workers(client: Client, here: Home, address: str) -> int:
    """How many workers there are, after all that are here now have been asked; waits up to `WORKERS_S` for the first."""
    try:
        client.wait_for_workers(1, timeout=WORKERS_S)
    except TimeoutError as error:
        raise SchedulerUnavailable(
            f"{shown(address)}: the scheduler has had no worker for {WORKERS_S:.0f} s; "
            f"start some: dask worker {shown(address)} --nthreads 1"
        ) from error
    for worker, reason in client.run(unfit, here, on_error="return").items():
        if isinstance(reason, Exception):
            raise WorkerUnfit(f"{worker}: {type(reason).__name__}: {reason}; expected the package `pipeline` {SAME}") from reason
        if reason:
            raise WorkerUnfit(f"{worker}: {reason}")
    return len(client.nthreads())


class Remote(Executor):
    """Hands jobs to Dask together with the place to do them in."""

    def __init__(self, pool: Executor, here: Home):
        self.pool, self.here = pool, here

    def submit(self, fn: Callable[..., R], /, *args: Any, **kwargs: Any) -> Future[R]:
        """As every executor."""
        return self.pool.submit(Call(self.here, fn, args, kwargs))

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """With `wait` until all jobs are done, without it cancel them all."""
        self.pool.shutdown(wait=wait and not cancel_futures)


# --- Dask, the side that works ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Home:
    """What a worker must have: the project's folder (absolute) with a file `mark` in it, and these versions."""

    project: str
    mark: str
    versions: dict[str, str]


@dataclass(frozen=True)
class Call:
    """A job as it travels to a Dask worker."""

    here: Home
    work: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]

    def __str__(self) -> str:
        """What Dask shows of it."""
        return f"{self.work.__module__}.{self.work.__name__}"

    def __call__(self) -> Any:
        """Do it in the project's folder; `WorkerUnfit` where this worker cannot. Ends the process if the job is cancelled."""
        from distributed import get_worker  # noqa: PLC0415 (optional)

        worker = get_worker()
        if reason := unfit(self.here, worker):
            raise WorkerUnfit(f"{worker.address}: {reason}")
        done = threading.Event()
        threading.Thread(target=watch, args=(worker, worker.get_current_task(), done), daemon=True).start()
        try:
            with chdir(self.here.project):
                return self.work(*self.args, **self.kwargs)
        finally:
            done.set()


def unfit(here: Home, dask_worker: Worker) -> str:
    """Why this worker must not take a job, or nothing."""
    if (threads := dask_worker.state.nthreads) != 1:
        return f"has {threads} threads, expected 1: start it with --nthreads 1 (and --nworkers for more processes)"
    if (cores := os.environ.get("OMP_NUM_THREADS")) != "1":
        return f"has OMP_NUM_THREADS={cores}, expected 1: set it so, or leave it unset and to Dask's nanny"
    if not Path(here.project, here.mark).exists():
        return f"does not see the folder {here.project} of this machine; expected a shared filesystem under the same path"
    own = versions()
    for name, version in here.versions.items():
        if own[name] != version:
            return f"has {name} {own[name]}, expected {version}: use the package {SAME}"
    return ""


@cache  # as it was when this process began: it does not see later changes of the source
def versions() -> dict[str, str]:
    """Python, the packages that compute, and a digest of this package's source."""
    digest, root = hashlib.sha256(), Path(__file__).parents[1]
    for path in sorted(root.rglob("*.py")):
        digest.update(f"{path.relative_to(root)} {sha256(path)}\n".encode())
    packages = {name: importlib.metadata.version(name) for name in PACKAGES}
    return {"Python": platform.python_version(), **packages, "source": digest.hexdigest()[:12]}


def watch(worker: Worker, key: Any, done: threading.Event) -> None:
    """End this process if the scheduler drops its job: Dask cannot stop a job that runs, and its output would not be wanted.

    A nanny starts the worker anew.
    """
    while not done.wait(WATCH_S):
        task = worker.state.tasks.get(key)
        if task is None or task.state == "cancelled":
            os._exit(1)
