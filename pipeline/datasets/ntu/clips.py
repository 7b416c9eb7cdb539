"""From raw files of NTU RGB+D to repaired clips, side by side on all cores, in the order of the names, with bounded memory."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from pipeline.datasets.ntu import archive as ntu_archive
from pipeline.datasets.ntu import bodies as ntu_bodies
from pipeline.datasets.ntu import reader as ntu_reader
from pipeline.datasets.ntu.archive import Member
from pipeline.datasets.ntu.settings import NtuNormalize
from pipeline.datasets.shared.errors import MalformedSkeleton
from pipeline.running import executors

if TYPE_CHECKING:
    from pipeline.core.skeletons import Frames

J = TypeVar("J")
R = TypeVar("R")

CHUNK = 32  # files a job: about 8 MB of text in, 1 MB of frames out
PRELOAD = (__name__, "pipeline.datasets.ntu.kernel", "pipeline.datasets.ntu.loops", "pipeline.cli")
WAITING = 4  # jobs begun or done but not yet taken, for each worker
TWO_PERSON_ACTIONS = frozenset({*range(50, 61), *range(106, 121)})

LISTED = "sample listed as missing: left out"
MALFORMED = "file that cannot be read: set aside"
NO_BODY = "clip without a body: set aside"
ONE_OF_TWO = "two-person action with one body: kept"
TWO_OF_ONE = "one-person action with two bodies: kept"

# Repair -> the parameter that rules it, in the order of the table.
RULES = {
    LISTED: "drop_listed_missing",
    MALFORMED: "allow_malformed",
    **ntu_bodies.RULES,
    NO_BODY: "",
    ONE_OF_TWO: "",
    TWO_OF_ONE: "",
}


@dataclass(frozen=True)
class Job:
    """Some files of a source and how to repair them; plain data, so that any executor can take it."""

    source: ntu_archive.Paths
    members: tuple[Member, ...]
    section: NtuNormalize


@dataclass(frozen=True)
class Clip:
    """One file: `frames` float32 `[T, M, 25, 3]` and the frames each repair touched, or the reason why there are none."""

    name: str
    frames: Frames | None
    found: Mapping[str, int]
    failure: MalformedSkeleton | None = None


@dataclass
class Tally:
    """How many samples and frames each repair touched, and what was set aside: `malformed` is a part of `set_aside`."""

    samples: Counter[str] = field(default_factory=Counter)
    frames: Counter[str] = field(default_factory=Counter)
    set_aside: list[MalformedSkeleton] = field(default_factory=list)
    malformed: list[MalformedSkeleton] = field(default_factory=list)

    def take(self, clip: Clip) -> None:
        """Count what happened to a clip."""
        for repair, frames in clip.found.items():
            self.add(repair, frames)
        if clip.failure is not None:
            self.set_aside.append(clip.failure)
            if MALFORMED in clip.found:
                self.malformed.append(clip.failure)

    def add(self, repair: str, frames: int) -> None:
        """Count one more sample, and its frames."""
        self.samples[repair] += 1
        self.frames[repair] += frames

    def rows(self, values: Mapping[str, object]) -> list[tuple[str, str, int, int]]:
        """`repair,rule,samples,frames`, one row a repair even where it never occurred; `values`: the parameters."""
        rules = {repair: f"{key}: {values[key]}" if key else "always" for repair, key in RULES.items()}
        return [(repair, rule, self.samples[repair], self.frames[repair]) for repair, rule in rules.items()]


def repaired(text: bytes, name: str, section: NtuNormalize) -> Clip:
    """Read and repair one file. What is wrong with it stands in the clip's `failure`; nothing is raised."""
    file = f"{name}{ntu_archive.SUFFIX}"
    try:
        recording = ntu_reader.read(text, file)
        frames, found = ntu_bodies.bodies(recording, section, file)
    except MalformedSkeleton as failure:
        return Clip(name, None, {MALFORMED: 0}, failure)
    if not len(frames):
        reason = f"no body is left of {len(recording.ids)} in {len(recording.counts)} frames"
        return Clip(name, None, {NO_BODY: len(recording.counts)}, MalformedSkeleton(file, 1, reason))
    for_two = int(name[-3:]) in TWO_PERSON_ACTIONS
    if for_two != (frames.shape[1] == ntu_bodies.TWO):
        found[ONE_OF_TWO if for_two else TWO_OF_ONE] += len(frames)
    return Clip(name, frames, {repair: count for repair, count in found.items() if count})


def work(job: Job) -> list[Clip]:
    """Read and repair the files of a job; `ArchiveMismatch` where one is not what was recorded at download."""
    source = ntu_archive.open_source(*job.source)
    return [repaired(source.read(member), member.name, job.section) for member in job.members]


def clips(source: ntu_archive.Paths, members: Sequence[Member], section: NtuNormalize) -> Iterator[Clip]:
    """The clips of all members in their order, made by an executor's workers, or here where there are few files."""
    chunks = (members[start : start + CHUNK] for start in range(0, len(members), CHUNK))
    jobs = [Job(source, tuple(chunk), section) for chunk in chunks]
    if not executors.worthwhile(len(jobs)):
        for job in jobs:
            yield from work(job)
        return
    with executors.executor(len(jobs), PRELOAD) as (pool, workers):
        for done in in_order(pool, work, jobs, WAITING * workers):
            yield from done


def in_order(pool: Executor, task: Callable[[J], R], jobs: Sequence[J], waiting: int) -> Iterator[R]:
    """Results in the order of the jobs, with at most `waiting` jobs in the hands of the pool."""
    futures: deque[Future[R]] = deque()
    for job in jobs:
        if len(futures) == waiting:
            yield futures.popleft().result()
        futures.append(pool.submit(task, job))
    while futures:
        yield futures.popleft().result()
