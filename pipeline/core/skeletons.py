"""The skeleton store: the one format between raw files and models.

A store is a folder:

| file         | content                                                                                      |
|--------------|----------------------------------------------------------------------------------------------|
| `frames.npy` | float32 `[rows, J, 3]`, memory-mapped; a row is one body in one frame, in the unit of `meta`   |
| `index.csv`  | a line a sample: the fields of `Sample`, then `offset` (first row), `length` (frames), `bodies` |
| `meta.json`  | the fields of `Meta`, `version`, `rows`, and the SHA-256 of `frames.npy`                        |

A sample of T frames and M bodies is the rows `offset .. offset + T*M`, reshaped to `[T, M, J, 3]`: ragged, never padded.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, astuple, dataclass, fields
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.core.errors import StoreMismatch
from pipeline.core.files import sha256

VERSION = 1
Frames = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Sample:
    """What is known of a sample besides its frames. Numbers count from 1 as in the data sets; 0 means "does not apply"."""

    name: str
    subject: int
    partner: int
    camera: int
    setup: int
    replication: int
    action: int


@dataclass(frozen=True)
class Meta:
    """What is the same for all samples of a store.

    `bones` are (child, parent) and `mirror` the left-right permutation, both in 0-based joints; `bodies` is the most that
    a sample can have; `actions[a - 1]` names action `a`; `fps` are frames a second; `unit` is that of the coordinates;
    `left_first` says that of two bodies the left one comes first; `synthetic` that nobody was recorded (`meta.json` has the key
    only then, and every report says it).
    """

    joints: tuple[str, ...]
    bones: tuple[tuple[int, int], ...]
    mirror: tuple[int, ...]
    actions: tuple[str, ...]
    bodies: int
    fps: float
    unit: str
    left_first: bool = False
    synthetic: bool = False

    @property
    def parts(self) -> tuple[tuple[int, ...], ...]:
        """Joints of the trunk (those that are their own mirror image), then of each limb, in the order of their first joints.

        A limb is what hangs together by bones outside of the trunk: both data sets number arms before legs.
        """
        limb = {j: {j} for j, other in enumerate(self.mirror) if j != other}
        for child, parent in self.bones:
            if child in limb and parent in limb:
                joined = limb[child] | limb[parent]
                limb |= dict.fromkeys(joined, joined)
        trunk = tuple(j for j, other in enumerate(self.mirror) if j == other)
        return (trunk, *sorted({tuple(sorted(joints)) for joints in limb.values()}))


class Writer:
    """Writes a store sample by sample with constant memory; nothing appears under the final names before `close`.

    Use as a context manager: an exception inside leaves no half-written store. `kept` is a file for the rows that stays, after a
    failure and after `close`: a later writer can `resume` with it. `rows` and `index` are those added so far.
    """

    def __init__(self, folder: Path, meta: Meta, kept: Path | None = None):
        self.folder, self.meta = folder, meta
        self.rows = 0
        self.index: list[tuple[object, ...]] = []
        folder.mkdir(parents=True, exist_ok=True)
        self._partial, self._keep = kept or folder / "frames.partial", kept is not None
        self._file = self._partial.open("ab" if self._keep else "wb")
        self._row_bytes = len(meta.joints) * 3 * np.dtype(np.float32).itemsize

    def rows_on_disk(self) -> int:
        """Whole rows in the file, added by this writer or by another one before."""
        return self._partial.stat().st_size // self._row_bytes

    def resume(self, index: list[tuple[object, ...]], rows: int) -> None:
        """Go on after the samples of `index`, whose frames are the first `rows` rows of the kept file; the others are cut off."""
        self.index, self.rows = index, rows
        self._file.truncate(rows * self._row_bytes)

    def flush(self) -> None:
        """Bring all rows added so far to the disk."""
        self._file.flush()
        os.fsync(self._file.fileno())

    def add(self, sample: Sample, frames: Frames) -> None:
        """Append one sample; `frames` is float32 `[T, M, J, 3]` with T >= 1, 1 <= M <= meta.bodies and no NaN."""
        length, bodies, joints, axes = frames.shape
        if frames.dtype != np.float32 or joints != len(self.meta.joints) or axes != 3 or not 1 <= bodies <= self.meta.bodies:
            raise StoreMismatch(f"{sample.name}: frames {frames.dtype} {frames.shape} do not fit the store's {self.meta.joints}")
        if length == 0 or not np.isfinite(frames).all():
            raise StoreMismatch(f"{sample.name}: no frames, or coordinates that are not finite")
        self._file.write(np.ascontiguousarray(frames).tobytes())
        self.index.append((*astuple(sample), self.rows, length, bodies))
        self.rows += length * bodies

    def close(self) -> None:
        """Write `frames.npy`, `index.csv` and `meta.json`."""
        self._file.close()
        shape = (self.rows, len(self.meta.joints), 3)
        with (self.folder / "frames.npy").open("wb") as out:
            np.lib.format.write_array_header_1_0(out, {"descr": "<f4", "fortran_order": False, "shape": shape})
            with self._partial.open("rb") as rows:
                while block := rows.read(1 << 24):
                    out.write(block)
        if not self._keep:
            self._partial.unlink()
        columns = [f.name for f in fields(Sample)] + ["offset", "length", "bodies"]
        pd.DataFrame(self.index, columns=columns).to_csv(self.folder / "index.csv", index=False, lineterminator="\n")
        digest = sha256(self.folder / "frames.npy")
        document = {"version": VERSION, "rows": self.rows, "sha256": digest, **asdict(self.meta)}
        if not self.meta.synthetic:
            del document["synthetic"]
        (self.folder / "meta.json").write_text(json.dumps(document, indent=1, sort_keys=True) + "\n")

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is None:
            self.close()
        else:
            self._file.close()
            if not self._keep:
                self._partial.unlink(missing_ok=True)


def verify(folder: Path) -> None:
    """`StoreMismatch` unless `frames.npy` of a store has the SHA-256 that was written with it: reads all of it, once a stage."""
    again = f"`dvc repro --force --single-item normalize@{folder.parent.name}` makes it again"
    try:
        written, found = json.loads((folder / "meta.json").read_text())["sha256"], sha256(folder / "frames.npy")
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise StoreMismatch(f"{folder}: not a complete skeleton store ({error}); {again}") from error
    if written != found:
        digests = f"SHA-256 {found[:12]}, expected {str(written)[:12]}"
        raise StoreMismatch(f"{folder / 'frames.npy'}: not what was written ({digests}); {again}")


class Store:
    """A store opened for reading; frames stay on disk until a sample is asked for.

    `index` is a DataFrame with the columns of `index.csv`; `meta` a `Meta`; `sha256` the digest of the frames.
    Raises `StoreMismatch` where the folder is no complete store of this version.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        try:
            document = json.loads((folder / "meta.json").read_text())
            self.index = pd.read_csv(folder / "index.csv", dtype={"name": str})
            self._frames = np.load(folder / "frames.npy", mmap_mode="r", allow_pickle=False)
        except (OSError, EOFError, ValueError) as error:
            raise StoreMismatch(f"{folder}: not a complete skeleton store ({error}); run `dvc repro` to make it") from error
        try:
            if document.pop("version") != VERSION or document.pop("rows") != len(self._frames):
                raise StoreMismatch(f"{folder}: not a store of version {VERSION}, or cut short; run `dvc repro` to make it again")
            self.sha256: str = document.pop("sha256")
            self.meta = _meta(document)
            self._offset, self._length, self._bodies = (self.index[c].to_numpy() for c in ("offset", "length", "bodies"))
            wrong = inconsistent(self.index, self.meta, self._frames)
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise StoreMismatch(f"{folder}: not a skeleton store ({type(error).__name__}: {error}); run `dvc repro`") from error
        if wrong:
            raise StoreMismatch(f"{folder / 'index.csv'}: {wrong}; run `dvc repro` to make the store again")

    def __len__(self) -> int:
        return len(self.index)

    def clip(self, i: int) -> Frames:
        """Frames of sample `i` (its place in `index`): float32 `[T, M, J, 3]`, a read-only view of the file."""
        start, length, bodies = int(self._offset[i]), int(self._length[i]), int(self._bodies[i])
        rows: Frames = self._frames[start : start + length * bodies]
        return rows.reshape(length, bodies, *rows.shape[1:])


def _meta(document: dict[str, Any]) -> Meta:
    document["bones"] = tuple(tuple(bone) for bone in document["bones"])
    for key in ("joints", "mirror", "actions"):
        document[key] = tuple(document[key])
    meta, joints = Meta(**document), range(len(document["joints"]))
    if sorted(meta.mirror) != list(joints) or not all(a in joints and b in joints for a, b in meta.bones):
        raise ValueError("mirror or bones of joints that are not there")
    if not (meta.bodies >= 1 and meta.fps >= 0 and meta.actions):  # 0 where nobody published the rate
        raise ValueError("no bodies, a rate of frames below 0, or no actions")
    return meta


def inconsistent(index: pd.DataFrame, meta: Meta, frames: Frames) -> str:
    """Why an index cannot be that of these frames, or nothing: samples lie one after the other and leave no row out."""
    offset, length, bodies, action = (index[column].to_numpy() for column in ("offset", "length", "bodies", "action"))
    if not all(pd.api.types.is_integer_dtype(index[column]) for column in index if column != "name"):
        return "expected whole numbers in every column but the name"
    if frames.dtype != np.float32 or frames.shape[1:] != (len(meta.joints), 3):
        return f"frames.npy is {frames.dtype} {frames.shape}, expected float32 of {len(meta.joints)} joints"
    wrong = (length < 1) | (bodies < 1) | (bodies > meta.bodies) | (action < 1) | (action > len(meta.actions))
    wrong |= (offset + length * bodies != np.append(offset[1:], len(frames))) | (np.arange(len(index)) == 0) & (offset != 0)
    wrong |= index["name"].duplicated().to_numpy() | index["name"].isna().to_numpy()
    return f"line {int(wrong.argmax()) + 2} does not fit the frames, or its neighbours" if wrong.any() else ""
