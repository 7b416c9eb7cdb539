"""The readers of the pipeline for `benchmarks.mutations`: for each kind of file its bytes, its damages, what is read of it."""

from __future__ import annotations

import contextlib
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pandas as pd

from benchmarks import mutants, small_project
from benchmarks.mutants import Area, Counted, Kind, Told
from pipeline.config import params as parameters
from pipeline.core import cell as cells
from pipeline.core.skeletons import Store, verify
from pipeline.datasets.ntu import archive as ntu_archive
from pipeline.datasets.ntu import clips as ntu_clips
from pipeline.datasets.ntu.settings import NtuNormalize
from pipeline.datasets.sbu import archives as sbu_archives
from pipeline.datasets.sbu import dataset as sbu
from pipeline.datasets.sbu.settings import SbuNormalize

CELL = small_project.CELL
RAW, STORE = Path("data/raw/demo"), Path("data/skeletons/demo/sbu")


def areas() -> Iterator[Area]:
    """All areas."""
    yield from texts()
    yield from zips()
    yield from store()
    yield from parameters_()
    yield from training()
    yield from results()


def with_file(path: Path, read: Callable[[], object]) -> Callable[[bytes], object]:
    """Read with other bytes in a file, which has its own again afterwards."""
    own = path.read_bytes()

    def other(data: bytes) -> object:
        path.write_bytes(data)
        try:
            return read()
        finally:
            path.write_bytes(own)

    return other


# --- texts ------------------------------------------------------------------------------------------------------------------


def texts() -> Iterator[Area]:
    """A file of NTU's format and one of SBU's, as the stage `normalize` reads them."""
    section = NtuNormalize(**parameters.read()["normalize"]["ntu"])
    name, text = ntu_text()
    known: list[Mapping[str, int]] = []

    def ntu(data: bytes) -> object:
        clip = ntu_clips.repaired(data, name, section)
        if clip.failure is not None:
            raise Told(str(clip.failure))
        known.append(clip.found)
        if clip.found != known[0]:
            raise Counted
        assert clip.frames is not None
        return clip.frames.tobytes()

    every = range(3)
    yield Area("NTU text", text, (*mutants.texts(b" ", every, 12, False), mutants.nearby(b" ", every, 12)), 16, ntu)
    path = next(iter(sorted((RAW / "sbu").glob("*.zip"))))
    members = sbu_archives.read_set(path, path.stem)
    where, content = sorted(members.items())[0]
    own = SbuNormalize(**parameters.read()["normalize"]["sbu"])

    def sbu_read(data: bytes) -> object:
        return [clip.frames.tobytes() for clip in sbu.read(data, where, own)]

    columns = range(1, 91)
    yield Area("SBU text", content, (*mutants.texts(b",", columns, 91, True), mutants.nearby(b",", columns, 91)), 16, sbu_read)


def ntu_text() -> tuple[str, bytes]:
    """A file of the demo without quirks: its name and its content, shortened to few frames."""
    with zipfile.ZipFile(next((RAW / "ntu").glob("*.zip"))) as archive:
        info = min((i for i in archive.infolist() if "A008" in i.filename), key=lambda i: i.file_size)
        return Path(info.filename).stem, archive.read(info)


# --- zips -------------------------------------------------------------------------------------------------------------------


def zips() -> Iterator[Area]:
    """Archives of few members: NTU's as a source, SBU's as a set."""
    ntu, sbu_zip = Path("trial/nturgbd_skeletons_s001_to_s017.zip"), Path("trial/s01s02.zip")
    ntu.parent.mkdir(exist_ok=True)
    with zipfile.ZipFile(next((RAW / "ntu").glob("*.zip"))) as old, zipfile.ZipFile(ntu, "w", zipfile.ZIP_DEFLATED) as new:
        for info in old.infolist()[:3]:
            new.writestr(info.filename, old.read(info))
    members = sorted(sbu_archives.read_set(RAW / "sbu/s01s02.zip", "s01s02").items())[:3]
    with zipfile.ZipFile(sbu_zip, "w", zipfile.ZIP_DEFLATED) as new:
        for name, content in members:
            new.writestr(name, content)
    count = len(members)

    def read_ntu() -> object:
        source = ntu_archive.open_source(ntu)
        found = {member.name: source.read(member) for member in source.members()}
        return compared(found, 3)

    def read_sbu() -> object:
        return compared(sbu_archives.read_set(sbu_zip, "s01s02"), count)

    yield Area("NTU zip", ntu.read_bytes(), mutants.ZIPS, 8, with_file(ntu, read_ntu))
    yield Area("SBU zip", sbu_zip.read_bytes(), mutants.ZIPS, 8, with_file(sbu_zip, read_sbu))


def compared(found: dict[str, bytes], expected: int) -> object:
    """The members; `Counted` where there are fewer: `download` and every report say how many samples there are.

    A member with a valid checksum whose text is cut is an error of `normalize`, which reads it.
    """
    if len(found) < expected:
        raise Counted
    for name, text in found.items():
        if name.endswith(".txt"):
            sbu.parse(text, name)
        else:
            from pipeline.datasets.ntu import reader  # noqa: PLC0415

            reader.read(text, name)
    return found


# --- store ------------------------------------------------------------------------------------------------------------------


def store() -> Iterator[Area]:
    """The three files of a store, as training and evaluation open it."""

    def read() -> object:
        verify(STORE)
        opened = Store(STORE)
        index = opened.index.to_csv()
        return index, opened.meta, [opened.clip(i).tobytes() for i in range(0, len(opened), 7)]

    places = range(7, 10)  # offset, length, bodies
    kinds = mutants.tables(places, 10)
    labels = Kind("another action, subject or camera", mutants.on_number(b",", range(1, 7), other_digit, 10), unknowable=True)
    yield area("store: frames.npy", STORE / "frames.npy", mutants.BINARY, 14, read)
    yield area("store: index.csv", STORE / "index.csv", (*kinds, labels), 10, read)
    yield area("store: meta.json", STORE / "meta.json", mutants.ANY, 10, read)


def other_digit(rng: Random, number: bytes) -> bytes:
    """Another small number from 1."""
    return b"%d" % (1 + (int(number) % 8) if number.isdigit() else 1)


def area(name: str, path: Path, kinds: tuple[Kind, ...], each: int, read: Callable[[], object]) -> Area:
    """An area of a file of the project."""
    return Area(name, path.read_bytes(), kinds, each, with_file(path, read))


# --- parameters -------------------------------------------------------------------------------------------------------------

WRONG = (
    "-1",
    "1e30",
    ".nan",
    ".inf",
    "[]",
    "{}",
    "null",
    "'x'",
    "true",
    "-0.5",
    "99999999999999999999",
    "*x",
    "&x",
    "!!python/x 1",
)


def parameters_() -> Iterator[Area]:
    """`params.yaml`, as every command reads it."""
    path = Path("params.yaml")

    def chosen(rng: Random, lines: list[str]) -> int:
        """A line with a value; any text is as good a source of files."""
        known = [i for i, line in enumerate(lines) if line.startswith("  ") and ": " in line and "- " not in line]
        return rng.choice([i for i in known if not lines[i].strip().startswith("source")])

    def wrong(rng: Random, data: bytes) -> bytes:
        lines = data.decode().splitlines()
        place = chosen(rng, lines)
        head = lines[place].split(": ")[0]
        return "\n".join([*lines[:place], f"{head}: {rng.choice(WRONG)}", *lines[place + 1 :], ""]).encode()

    def renamed(rng: Random, data: bytes) -> bytes:
        lines = data.decode().splitlines()
        place = chosen(rng, lines)
        return "\n".join([*lines[:place], lines[place].replace(": ", "s: ", 1), *lines[place + 1 :], ""]).encode()

    def read() -> object:
        return repr(parameters.load(path))

    document = path.read_bytes()
    kinds = (
        *mutants.ANY,
        Kind("a wrong value", wrong),
        Kind("a wrong name", renamed),
        Kind("text in UTF-16", lambda rng, data: data.decode().encode("utf-16")),
        Kind("a tab", lambda rng, data: data.replace(b"\n  ", b"\n\t", 1)),
        Kind("deep", lambda rng, data: data + b"deep: " + b"[" * 20000),
        Kind("aliases", lambda rng, data: data + bomb()),
        Kind("a section twice", lambda rng, data: data + b"training: {}\n"),
    )
    yield Area("params.yaml", document, kinds, 12, with_file(path, read))


def bomb() -> bytes:
    """Ten levels of ten aliases each."""
    lines = ["a0: &a0 [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 11)]
    return ("\n".join(lines) + "\n").encode()


# --- checkpoints, weights, results --------------------------------------------------------------------------------------------


def training() -> Iterator[Area]:
    """A checkpoint as a run resumes from it, weights as `finetune` and `evaluate` read them."""
    from pipeline.core.training import run  # noqa: PLC0415 (torch)

    job, *_ = cells.jobs(cells.load(CELL, "pretrain"), "pretrain")
    with contextlib.suppress(FileNotFoundError):
        job.checkpoint.unlink()
    kept = (job.target / "model.pt").read_bytes()
    run.train(job)
    assert (job.target / "model.pt").read_bytes() == kept

    def checkpoint() -> object:
        found = run.resume(job)
        if found is None:
            raise Told("taken as absent, with a word")
        return found.rows, {name: weight.numpy().tobytes() for name, weight in found.weights.items()}

    def pretrained() -> object:
        cells.check_pretrained(cells.load(CELL, "finetune"))
        after, *_ = cells.jobs(cells.load(CELL, "finetune"), "finetune", {(1, 1): 1})
        return {name: weight.numpy().tobytes() for name, weight in run.begin(after).weights.items()}

    def trained() -> object:
        cell = cells.load(CELL, "evaluate")
        cells.check_trained(cell)
        last, *_ = cells.jobs(cell, "finetune")
        return {name: w.numpy().tobytes() for name, w in run.restore(last, Store(last.store)).state_dict().items()}

    folder = Path("data/runs/demo", CELL)
    forged = Kind("another content with its checksum", mutants.checksum_mended)
    yield area("checkpoint", job.checkpoint, mutants.BINARY, 20, checkpoint)
    for stage, read in (("pretrain", pretrained), ("finetune", trained)):
        path = folder / stage / "weights/fold-1-seed-1/model.pt"
        yield area(f"weights of {stage}", path, (*mutants.BINARY, forged), 10, read)


def results() -> Iterator[Area]:
    """What `report` reads of a cell, the split among it."""
    from pipeline.report import results as report  # noqa: PLC0415

    config = parameters.load()
    folder = Path("data/results/demo", CELL)

    def read() -> object:
        found = report.load("demo", config, [])
        cell = found.protocols["demo-sbu"].cells[CELL]
        tables = [cell.predictions, cell.history, cell.alpha, cell.beta]
        return [table.to_csv() for table in tables], cell.run, plain(found.protocols["demo-sbu"].split)

    evaluate = folder / "evaluate"
    nearby = Kind("a number as good", mutants.on_number(b",", range(6, 9), mutants.near, 12), unknowable=True)
    yield area("predictions.csv", evaluate / "predictions.csv", (*mutants.tables(range(0, 12), 12), nearby), 8, read)
    yield area("history.csv", folder / "history.csv", mutants.tables(range(0, 8), 10), 8, read)
    yield area("alpha.csv", evaluate / "alpha.csv", mutants.tables(range(0, 5), 5), 8, read)
    yield area("beta.csv", evaluate / "beta.csv", mutants.tables(range(0, 4), 4), 6, read)
    yield area("run.json", folder / "run.json", mutants.ANY, 6, read)
    yield area("split", Path("data/splits/demo/demo-sbu.csv"), mutants.tables(range(0, 1), 3), 6, read)


def plain(frame: pd.DataFrame) -> Any:
    """The values of a table."""
    return np.asarray(frame).tolist()
