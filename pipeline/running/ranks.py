"""The processes of one run (`training.processes` above 1): starting them, and the work that each does beside the others.

On one machine they are started here and find each other through a file, since the store through which torchrun's ranks
find each other listens on every network interface.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pipeline.core.errors import UNWRITABLE, PipelineError, TrainingFailed, unwritable
from pipeline.core.settings import Training
from pipeline.core.training.ranks import place
from pipeline.running.lifetime import end_with_parent, left_alone_by_the_terminal

J = TypeVar("J")
R = TypeVar("R")


def run_all(work: Callable[[J], R], jobs: Sequence[J], title: str, training: Training) -> list[R]:
    """Do the jobs one after the other, each on `training.processes` processes; results as rank 0 has them, which are plain data.

    Started by torchrun, this process is one of them; otherwise they are started here, on this machine. The first failure ends
    all and is a `TrainingFailed` naming the job.
    """
    if not jobs:
        return []
    if "TORCHELASTIC_RUN_ID" in os.environ:
        _join("env://", training)
        return _together(work, jobs, title)
    with tempfile.TemporaryDirectory(prefix="ranks-") as folder:
        _start(training.processes, (work, jobs, title, training, Path(folder)))
        results: list[R] = json.loads(Path(folder, "results.json").read_text())
    return results


def check(processes: int) -> None:
    """`TrainingFailed` where torchrun started another number of processes than `training.processes` says."""
    world = place().world
    if "TORCHELASTIC_RUN_ID" in os.environ and world != processes:
        raise TrainingFailed(
            f"torchrun started {world} process(es), but training.processes in params.yaml is {processes}: set it to {world},"
            " or start as many (it is a parameter because the random draws depend on it)"
        )


def _start(processes: int, arguments: tuple[Any, ...]) -> None:
    """Start the ranks and wait for them; none is left behind, whatever happens here."""
    from torch.multiprocessing.spawn import (  # noqa: PLC0415
        ProcessExitedException,
        ProcessRaisedException,
        start_processes,
    )

    folder: Path = arguments[-1]
    with left_alone_by_the_terminal():
        ranks = start_processes(_rank, (processes, *arguments), processes, join=False)  # type: ignore[no-untyped-call]
    try:
        while not ranks.join():
            pass
    except (ProcessRaisedException, ProcessExitedException) as error:
        cause = _cause([process.exitcode for process in ranks.processes], folder, arguments[2]) or str(error).strip()
        raise TrainingFailed(f"{cause} (one of {processes} processes; the others were ended)") from None
    finally:
        for process in ranks.processes:
            process.kill()
            process.join()


def _cause(codes: Sequence[int | None], folder: Path, title: str) -> str | None:
    """What failed first: a rank that the system killed can note nothing, and the others note that they lost it.

    Gloo may abort a rank that lost another one, before it notes that: of an abort the notes of the others stand first.
    """
    ended = [  # SIGTERM: the others, ended after the first failure
        (-code, f"{title}: rank {rank} was ended by {signal.Signals(-code).name} (out of memory?)")
        for rank, code in enumerate(codes)
        if code is not None and code < 0 and code != -signal.SIGTERM
    ]
    killed = [message for number, message in ended if number != signal.SIGABRT]
    failures = sorted(json.loads(path.read_text()) for path in folder.glob("failure-*.json"))
    noted = [message for _, message in failures[:1]]
    return next(iter([*killed, *noted, *(message for _, message in ended)]), None)


def _rank(rank: int, world: int, work: Callable[[J], R], jobs: Sequence[J], title: str, *rest: Any) -> None:
    """What a started process does. Failures are noted with their time: that of one rank makes all others fail soon after."""
    training, folder = rest
    end_with_parent()
    os.environ |= {"TORCHELASTIC_RUN_ID": title, "RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(world)}
    loopback = [name for _, name in socket.if_nameindex() if name in ("lo", "lo0")]
    os.environ |= {f"{library}_SOCKET_IFNAME": loopback[0] for library in ("GLOO", "NCCL") if loopback}
    try:
        _join(f"file://{folder / 'found-by'}", training)
        results = _together(work, jobs, title)
    except Exception as error:
        said = str(error) or repr(error)
        if isinstance(error, OSError) and error.errno in UNWRITABLE:
            said = unwritable(error)
        (folder / f"failure-{rank}.json").write_text(json.dumps([time.time(), said]))
        sys.exit(1)
    if rank == 0:
        (folder / "results.json").write_text(json.dumps(results))


def _join(address: str, training: Training) -> None:
    """Become one of the ranks: gloo for what is on the CPU, nccl for what is on GPUs, a GPU each."""
    import torch  # noqa: PLC0415

    rank, world = place()
    cuda = training.device != "cpu" and torch.cuda.is_available()
    if cuda:
        own, there = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
        if own >= there:
            raise TrainingFailed(f"process {own} of this machine has no GPU of its own ({there} found); lower training.processes")
        torch.cuda.set_device(own)
    torch.distributed.init_process_group("cpu:gloo,cuda:nccl" if cuda else "gloo", address, rank=rank, world_size=world)


def _together(work: Callable[[J], R], jobs: Sequence[J], title: str) -> list[R]:
    """All jobs in this process, beside the other ranks."""
    import torch  # noqa: PLC0415

    results = []
    for job in jobs:
        try:
            results.append(work(job))
        except PipelineError:
            raise
        except Exception as error:
            if isinstance(error, OSError) and error.errno in UNWRITABLE:
                raise
            run = f"fold {getattr(job, 'fold', '?')}, seed {getattr(job, 'seed', '?')}, rank {place().rank}"
            raise TrainingFailed(f"{title}: run {run}: {type(error).__name__}: {error}") from error
    torch.distributed.destroy_process_group()
    return results


def device() -> str:
    """The device that `training.device: auto` means here, for people."""
    import torch  # noqa: PLC0415

    from pipeline.core.training.loop import device_of  # noqa: PLC0415

    found = device_of(Training(device="auto"))
    return f"{found}, {torch.cuda.get_device_name(found)}" if found.type == "cuda" else str(found)
