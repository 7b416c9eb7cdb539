"""Commands `keep` and `restore`: the results of cells in the repository, so that nobody has to train to look closer.

What `report` reads of a cell — its history, its predictions with logits, mean attention — is kept as
`reports/results/<dataset>/<cell>.zip`. Weights are too large, and nothing of a recording is in it but the names of samples. Put
back, the files have the hashes of the cell's `dvc.lock`, so a report can be made again by newer code.
"""

from __future__ import annotations

import lzma
import re
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.commands import locks
from pipeline.commands.confirm import chosen
from pipeline.commands.pack import MOMENT
from pipeline.commands.pipelines import folder_of
from pipeline.config import params as parameters
from pipeline.config.params import Config
from pipeline.core.errors import ResultsMissing
from pipeline.core.files import naming, whole
from pipeline.core.places import DATA

if TYPE_CHECKING:
    from dvc.repo import Repo
    from dvc.stage import Stage

FOLDER = Path("reports/results")
KEPT = re.compile(r"history\.csv|run\.json|evaluate/\w+\.(csv|json)")


def keep(names: Sequence[str]) -> Iterator[str]:
    """Keep the results of cells (none named: all in use), a line each as it is done.

    Results that are not on disk as DVC's lock has them are left out and said, and are a `ResultsMissing` at the end where they
    were named or nothing was kept.
    """
    config, kept, problems = parameters.load(), 0, []
    with locks.opened() as repo:
        for name in chosen(config, names):
            if differ := _differ(_stages(repo, config, name), _results(config, name)):
                problems.append(f"{name}: {', '.join(differ)}: not on disk as DVC's lock has it; run `dvc repro` first")
                continue
            path = _path(config, name)
            _write(path, _files(_results(config, name)))
            kept += 1
            yield f"{path}: {path.stat().st_size / 1000:.0f} kB"
    if problems and (names or not kept):
        raise _missing("not kept", problems)
    yield from (f"left out: {problem}" for problem in problems)


def restore(names: Sequence[str]) -> Iterator[str]:
    """Put kept results back to where stages read them (none named: all in use that are kept), a line each as it is done.

    `ResultsMissing` at the end, after all others: nothing is kept, other results are there already, or what is kept cannot be
    read or is not what DVC's lock has; of such a cell nothing is written or left.
    """
    config, problems = parameters.load(), []
    todo = [name for name in chosen(config, names) if names or _path(config, name).exists()]
    if not todo:
        raise ResultsMissing(f"{FOLDER}: nothing is kept of the cells in use ({', '.join(config.params.use.groups)})")
    with locks.opened() as repo:
        for name in todo:
            try:
                yield _restored(repo, config, name)
            except ResultsMissing as error:
                problems.append(str(error))
    if problems:
        raise _missing("not restored", problems)


def _missing(what: str, problems: Sequence[str]) -> ResultsMissing:
    return ResultsMissing(problems[0] if len(problems) == 1 else "\n  ".join([f"{what}: {len(problems)} cell(s)", *problems]))


def _restored(repo: Repo, config: Config, name: str) -> str:
    kept, folder, stages = _read(_path(config, name)), _results(config, name), _stages(repo, config, name)
    present = _files(folder)
    if any(data != kept.get(file) for file, data in present.items()):
        raise ResultsMissing(f"{folder}: other results than the kept ones are there; move them away to restore those")
    written = [file for file in kept if file not in present]
    for file in written:  # an interruption leaves some of the kept files, which the next time are completed
        with whole(folder / file) as unfinished:
            unfinished.write_bytes(kept[file])
    if differ := _differ(stages, folder):
        _remove(folder, written)
        lock = folder_of(name, config.every[name]) / "dvc.lock"
        raise ResultsMissing(f"{_path(config, name)}: {', '.join(differ)}: not as {lock} has it; take both from one commit")
    return f"{folder}: " + (f"restored, {len(written)} files" if written else "there already")


def _remove(folder: Path, files: Sequence[str]) -> None:
    """Take files away again, and the folders that are empty then."""
    for file in files:
        (folder / file).unlink()
    for place in sorted({(folder / file).parent for file in files} | {folder}, reverse=True):
        if place.exists() and not any(place.iterdir()):
            place.rmdir()


def _path(config: Config, name: str) -> Path:
    return FOLDER / config.every[name].dataset / f"{name}.zip"


def _results(config: Config, name: str) -> Path:
    return DATA / "results" / config.every[name].dataset / name


def _stages(repo: Repo, config: Config, name: str) -> Sequence[Stage]:
    found: Sequence[Stage] = repo.stage.load_all(str(folder_of(name, config.every[name]) / "dvc.yaml"))
    return found


def _differ(stages: Sequence[Stage], results: Path) -> list[str]:
    """The results of a cell, weights aside, that are not on disk as DVC's lock has them."""
    return [path for path in locks.outputs_differ(stages) if Path(path).is_relative_to(results)]


def _files(folder: Path) -> dict[str, bytes]:
    """The results in a folder, by their path there; a file that no stage wrote, such as a note of yours, is none."""
    found = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}
    return {name: path.read_bytes() for name, path in found.items() if KEPT.fullmatch(name)}


def _write(path: Path, files: Mapping[str, bytes]) -> None:
    with whole(path) as unfinished, zipfile.ZipFile(unfinished, "w") as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name, MOMENT), data, zipfile.ZIP_LZMA)


def _read(path: Path) -> dict[str, bytes]:
    """The files of an archive. `ResultsMissing` where it is not there, is damaged, or has other files than results."""
    try:
        with naming(path), zipfile.ZipFile(path) as archive:
            others = [name for name in archive.namelist() if not KEPT.fullmatch(name)]
            if others:
                raise ResultsMissing(f"{path}: expected results alone, found {others[0]!r}; take the file from git again")
            return {name: archive.read(name) for name in sorted(archive.namelist())}
    except FileNotFoundError as error:
        raise ResultsMissing(f"{path}: nothing is kept of this cell; `dvc repro` trains it") from error
    except (OSError, ValueError, EOFError, RuntimeError, zipfile.BadZipFile, lzma.LZMAError, zlib.error) as error:
        raise ResultsMissing(f"{path}: expected an archive of results ({error}); take it from git again") from error
