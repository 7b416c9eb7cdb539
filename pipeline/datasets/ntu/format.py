"""What NTU RGB+D and NTU RGB+D 120 share: the skeleton, the raw archives, the way to the store, the protocols.

The names of files, and of joints, are those of the README of the repository shahroudy/NTURGB-D.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import pandas as pd
from tqdm import tqdm

from pipeline.core.files import whole
from pipeline.core.skeletons import Meta, Sample
from pipeline.datasets.ntu import archive as ntu_archive
from pipeline.datasets.ntu.archive import Facts, Member, sample_of
from pipeline.datasets.ntu.settings import NtuNormalize
from pipeline.datasets.shared.clips import check_allowed, write_set_aside, write_table
from pipeline.datasets.shared.errors import ArchiveMismatch, MalformedSkeleton, SplitMismatch
from pipeline.datasets.shared.reading import ReadClip
from pipeline.datasets.shared.registry import download_section, ranges
from pipeline.datasets.shared.settings import SourceDownload

STORE = "ntu"  # the raw format of both data sets
RECORD = "members.csv"

_ARM = ("shoulder", "elbow", "wrist", "hand")
_LEG = ("hip", "knee", "ankle", "foot")
JOINTS = (
    *("base of spine", "middle of spine", "neck", "head"),
    *(f"{side} {part}" for limb in (_ARM, _LEG) for side in ("left", "right") for part in limb),
    *("spine at shoulders", "tip of left hand", "left thumb", "tip of right hand", "right thumb"),
)
# of each joint but the base of the spine, the root
_PARENTS = (0, 20, 2, *(20, 4, 5, 6), *(20, 8, 9, 10), *(0, 12, 13, 14), *(0, 16, 17, 18), 1, *(22, 7), *(24, 11))


def meta_of(actions: Sequence[str]) -> Meta:
    """The store's `Meta` of a data set with these actions, A1 first."""
    return Meta(
        joints=JOINTS,
        bones=tuple(enumerate(_PARENTS, start=1)),
        mirror=(0, 1, 2, 3, 8, 9, 10, 11, 4, 5, 6, 7, 16, 17, 18, 19, 12, 13, 14, 15, 20, 23, 24, 21, 22),
        actions=tuple(actions),
        bodies=2,
        fps=30.0,
        unit="metres",
    )


@dataclass(frozen=True)
class TrainOn:
    """What a protocol trains on: samples whose `key`, a column of the index, is one of `values`. It tests on the others."""

    key: str
    values: frozenset[int]


@dataclass(frozen=True)
class NtuFormat:
    """One of the two data sets as a `Format`, and its `fetch`.

    `protocols`: protocol -> what it trains on. `counts`: (samples, protocol) -> (train, test), where they are known. `missing`:
    the file beside this module with the names of the samples that the authors ask to leave out. `licence`: said at download.
    """

    facts: Facts
    META: Meta
    protocols: Mapping[str, TrainOn]
    counts: Mapping[tuple[int, str], tuple[int, int]]
    missing: str
    licence: str

    @property
    def SECTION(self) -> type[NtuNormalize]:  # noqa: N802
        """The type of the format's parameters."""
        return NtuNormalize

    def listed_missing(self) -> frozenset[str]:
        """Names of the samples that the authors ask to leave out: their skeletons are missing or incomplete."""
        return frozenset(Path(__file__).with_name(self.missing).read_text(encoding="ascii").split())

    @property
    def complete(self) -> int:
        """Samples of the complete data set, without those that the authors ask to leave out."""
        return self.facts.samples - len(self.listed_missing())

    # --- download -----------------------------------------------------------------------------------------------------------

    def fetch(self, target: Path, section: SourceDownload) -> None:
        """Check the user's archives, or their folder of files, and write their record `target/ntu/members.csv`; copy nothing.

        Says whether they are complete, and what a part lacks. Raises `RawDataMissing`, or `ArchiveMismatch` where an archive
        is damaged, holds other files or no skeletons.
        """
        source = ntu_archive.find(section.source, self.facts)
        members = self.checked(ntu_archive.open_source(*source).members(), ntu_archive.where(source))
        with whole(target / STORE / RECORD) as record:
            ntu_archive.write_record(record, members)
        tqdm.write(self.licence, file=sys.stderr)
        samples = (sample_of(member.name, self.facts) for member in members)
        tqdm.write(f"{self.facts.name}: {self.describe(samples)}", file=sys.stderr)

    def checked(self, members: Sequence[Member], source: str) -> Sequence[Member]:
        """The members, all with names of this data set; `ArchiveMismatch` where there are none, or others."""
        if not members:
            raise ArchiveMismatch(f"{source}: no {ntu_archive.SUFFIX} file in it; expected {self.facts.archive}, or files of it")
        wrong = []
        for member in members:
            try:
                sample_of(member.name, self.facts)
            except ArchiveMismatch as error:
                wrong.append(str(error))
        if wrong:
            raise ArchiveMismatch(f"{source}: {len(wrong)} of {len(members)} files have other names, such as {wrong[0]}")
        return members

    def describe(self, samples: Iterable[Sample]) -> str:
        """Whether these are the complete data set, or which subjects, cameras, classes, setups and archives a part lacks."""
        known, facts = list(samples), self.facts
        if len(known) == facts.samples:
            return f"complete: {facts.samples:,} samples"
        setups = {sample.setup for sample in known}
        absent = [
            f"{what} absent: {ranges(set(range(1, most + 1)) - present)}"
            for what, most, present in (
                ("subjects", facts.subjects, {sample.subject for sample in known}),
                ("cameras", facts.cameras, {sample.camera for sample in known}),
                ("classes", facts.actions, {sample.action for sample in known}),
                ("setups", facts.setups, setups),
            )
        ]
        archives = [name for name, own in facts.archives.items() if setups.isdisjoint(own)]
        lacking = [f"nothing of {name}, which belongs into the same folder" for name in archives]
        return "; ".join([f"a part: {len(known):,} of {facts.samples:,} samples", *absent, *lacking])

    # --- normalize ----------------------------------------------------------------------------------------------------------

    def locate(self, raw: Path) -> ntu_archive.Paths:
        """Where the text is: a zip in `raw` itself (synthetic data), else the user's archives or folder, as at download."""
        inside = sorted(raw.glob("*.zip"))
        return (inside[0],) if inside else ntu_archive.find(self._source(), self.facts)

    def _source(self) -> str:
        return str(download_section(self.facts.name).source)

    def normalize(self, raw: Path, target: Path, section: NtuNormalize, allow_malformed: int) -> None:
        """Read and repair all recorded files and write the store, `repairs.csv` and `set_aside.csv` into `target`.

        Straight from the archive, on all cores, with constant memory; after an interruption it goes on where it was. A file
        that cannot be read is set aside; so is a clip where no body is left, which does not count against `allow_malformed`.
        Raises `TooManyMalformed`, `RawDataMissing`, and `ArchiveMismatch` where a file is not what the record made at download
        says.
        """
        from pipeline.datasets.ntu import clips as ntu_clips  # noqa: PLC0415  (compiles the reader)
        from pipeline.datasets.ntu import progress  # noqa: PLC0415

        source, members = self._recorded(raw)
        left_out = self.listed_missing() if section.drop_listed_missing else frozenset()
        wanted = [member for member in members if member.name not in left_out]
        kept = progress.folder(
            raw, target, [section.model_dump(), [(member.name, member.size, member.crc32) for member in wanted]]
        )
        meta = replace(self._meta(section), synthetic=ntu_archive.open_source(*source).synthetic)
        with progress.Progress(kept, target, meta) as done:
            clips, tally = ntu_clips.clips(source, wanted[done.files :], section), done.tally
            bar = f"normalize {self.facts.name}"
            for clip in tqdm(clips, bar, len(wanted), initial=done.files, unit="file", disable=None):
                done.take(clip, sample_of(clip.name, self.facts))
            check_allowed(tally.malformed, allow_malformed)
            if len(tally.set_aside) == len(wanted):
                where = ntu_archive.where(source)
                raise ArchiveMismatch(f"{where}: no clip is left after the listed, unreadable and empty ones are set aside")
        for _ in range(len(members) - len(wanted)):
            tally.add(ntu_clips.LISTED, 0)
        rows = tally.rows({**section.model_dump(), "allow_malformed": allow_malformed})
        write_table(target / "repairs.csv", ("repair", "rule", "samples", "frames"), rows)
        write_set_aside(target / "set_aside.csv", tally.set_aside)

    def _recorded(self, raw: Path) -> tuple[ntu_archive.Paths, Sequence[Member]]:
        """The source and its members as recorded at download; of a zip in `raw` itself, which DVC versions, also without."""
        source, record = self.locate(raw), raw / RECORD
        if source[0].parent == raw and not record.exists():
            return source, self.checked(ntu_archive.open_source(*source).members(), ntu_archive.where(source))
        return source, self.checked(ntu_archive.read_record(record), str(record))

    def _meta(self, section: NtuNormalize) -> Meta:
        return replace(self.META, unit="lengths of the spine") if section.centre == "body_per_frame" else self.META

    # --- one file -----------------------------------------------------------------------------------------------------------

    @property
    def SUFFIX(self) -> str:  # noqa: N802
        """Of the raw files."""
        return ntu_archive.SUFFIX

    @property
    def SAYS(self) -> str:  # noqa: N802
        """What a raw file is."""
        return f"a {ntu_archive.SUFFIX} file of {self.facts.title}: bodies of 25 joints in every frame"

    def read(self, text: bytes, where: str, section: NtuNormalize) -> list[ReadClip]:
        """The recording of one file, repaired; its action where the file is named as the data set's are.

        Raises `MalformedSkeleton` where it cannot be read, or no body is left.
        """
        from pipeline.datasets.ntu import bodies as ntu_bodies  # noqa: PLC0415
        from pipeline.datasets.ntu import reader as ntu_reader  # noqa: PLC0415

        recording = ntu_reader.read(text, where)
        frames, found = ntu_bodies.bodies(recording, section, where)
        if not len(frames):
            raise MalformedSkeleton(where, 1, f"no body is left of {len(recording.ids)} in {len(recording.counts)} frames")
        try:
            action = sample_of(PurePosixPath(where).name.rpartition(":")[2].removesuffix(self.SUFFIX), self.facts).action
        except ArchiveMismatch:
            action = 0
        return [ReadClip("", action, frames, {repair: count for repair, count in found.items() if count})]

    # --- protocols ----------------------------------------------------------------------------------------------------------

    def assign(self, protocol: str, index: pd.DataFrame) -> pd.DataFrame:
        """Columns `fold` (1), `name`, `part`: `train` where the protocol trains on the sample, else `test`.

        Raises `SplitMismatch` where `counts` has this number of samples, and other numbers for the two parts.
        """
        train = self.protocols[protocol]
        chosen = index[train.key].isin(train.values)
        counts = (int(chosen.sum()), int((~chosen).sum()))
        expected = self.counts.get((len(index), protocol), counts)
        if counts != expected:
            name = self.facts.name
            raise SplitMismatch(
                f"{name}-{protocol}: {counts[0]:,} train and {counts[1]:,} test samples of {len(index):,}; the protocol has "
                f"{expected[0]:,} and {expected[1]:,}. Check the names in data/raw/{name}/{STORE}/{RECORD}"
            )
        part = chosen.map({True: "train", False: "test"})
        return pd.DataFrame({"fold": 1, "name": index["name"], "part": part}, index=index.index)

    def groups(self, protocol: str, index: pd.DataFrame) -> pd.Series:
        """The subject of each sample, for all protocols.

        By camera or by setup, subjects may be in training and test alike, by design of the protocol, and the same performance
        is seen by all three cameras. Validation by subject is then a harder question than the test asks, but by clip it would
        be no question at all: the clip that camera 2 saw would be validated with that of camera 3 in training.
        """
        return index["subject"].rename("group")
