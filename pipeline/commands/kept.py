"""Commands `keep` and `restore`: the results of cells in the repository, so that nobody has to train to look closer.

What `report` reads of a cell — its history, its predictions with logits, mean attention — is kept as
`reports/results/<dataset>/<cell>.zip`. Weights are too large, and nothing of a recording is in it but the names of samples. Put
back, the files have the hashes of the cell's `dvc.lock`, so a report can be made again by newer code.
"""

from __future__ import annotations

import lzma
import re
import shutil
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.commands import locks
from pipeline.commands.confirm import chosen
from pipeline.commands.pipelines import folder_of
from pipeline.config import params as parameters
from pipeline.config.params import Config
from pipeline.core.errors import ResultsMissing
from pipeline.core.files import naming, whole, whole_folder
from pipeline.core.places import DATA

if TYPE_CHECKING:
    from dvc.repo import Repo
    from dvc.stage import Stage

FOLDER = Path("reports/results")
KEPT = re.compile(r"history\.csv|run\.json|evaluate/\w+\.(csv|json)")
MOMENT = (1980, 1, 1, 0, 0, 0)  # of every entry: the time of keeping is no part of a result


def keep(names: Sequence[str]) -> list[str]:
    """Keep the results of cells (none named: all in use); returns what to say, a line a cell.

    `ResultsMissing` where results are not on disk as DVC's lock has them; of cells that nobody named these are passed over.
    """
    config, said = parameters.load(), []
    with locks.opened() as repo:
        for name in chosen(config, names):
            if differ := _differ(_stages(repo, config, name), _results(config, name)):
                if names:
                    raise ResultsMissing(f"{name}: {', '.join(differ)}: not on disk as DVC's lock has it; run `dvc repro` first")
                continue
            path = _path(config, name)
            _write(path, _files(_results(config, name)))
            said.append(f"{path}: {path.stat().st_size / 1000:.0f} kB")
    return said or ["no cell in use has its results on disk as DVC's lock has them; run `dvc repro` first"]


def restore(names: Sequence[str]) -> list[str]:
    """Put kept results back to where stages read them (none named: all in use that are kept); returns what to say.

    `ResultsMissing` where nothing is kept, where other results are there already, and where what is kept cannot be read or is not
    what DVC's lock has; nothing is left of it then.
    """
    config, said = parameters.load(), []
    with locks.opened() as repo:
        for name in chosen(config, names):
            if not names and not _path(config, name).exists():
                continue
            said.append(_restored(repo, config, name))
    return said or [f"{FOLDER}: nothing is kept of the cells in use"]


def _restored(repo: Repo, config: Config, name: str) -> str:
    kept, folder, stages = _read(_path(config, name)), _results(config, name), _stages(repo, config, name)
    if folder.exists():
        if _files(folder) == kept:
            return f"{folder}: there already"
        raise ResultsMissing(f"{folder}: other results than the kept ones are there; move them away to restore those")
    with whole_folder(folder) as unfinished:
        for file, data in kept.items():
            (unfinished / file).parent.mkdir(exist_ok=True)
            (unfinished / file).write_bytes(data)
    if differ := _differ(stages, folder):
        shutil.rmtree(folder)
        lock = folder_of(name, config.every[name]) / "dvc.lock"
        raise ResultsMissing(f"{_path(config, name)}: {', '.join(differ)}: not as {lock} has it; take both from one commit")
    return f"{folder}: restored, {len(kept)} files"


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
    """The content of every file below a folder, by its path there."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


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
    except (OSError, ValueError, EOFError, NotImplementedError, zipfile.BadZipFile, lzma.LZMAError) as error:
        raise ResultsMissing(f"{path}: expected an archive of results ({error}); take it from git again") from error
