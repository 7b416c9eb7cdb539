"""What a data set offers, and finding it by its name.

Adding one: a module `pipeline/datasets/<name>.py`, or `dataset.py` in a folder of that name, with the members of `Dataset`, and
its lines in `params.yaml`; docs/adding.md has an example.
"""

from __future__ import annotations

import importlib
import json
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol, cast

import pandas as pd

from pipeline.core.errors import ParamsError
from pipeline.core.files import read_json
from pipeline.core.places import PARAMS
from pipeline.core.skeletons import Meta

PACKAGE = Path(__file__).parents[1]


class Format(Protocol):
    """How recordings in one raw format become a store, and which protocols they have. Implemented by `sbu` and `ntu.format`."""

    @property
    def META(self) -> Meta:  # noqa: N802
        """The store's `Meta`."""

    @property
    def SECTION(self) -> Callable[..., Any]:  # noqa: N802
        """Makes the section of `params.normalize` for this format from its values; `dict` where it is plain."""

    def normalize(self, raw: Path, target: Path, section: Any, allow_malformed: int) -> None:
        """Read the raw folder, repair, and write into `target` the store, `repairs.csv` and `set_aside.csv`.

        `section` is what `SECTION` makes of the format's parameters. `repairs.csv` has the columns
        `repair,rule,samples,frames`: every repair counted. `set_aside.csv`: `file,line,reason`.
        Raises `TooManyMalformed` where more files than `allow_malformed` cannot be read.
        """

    def assign(self, protocol: str, index: pd.DataFrame) -> pd.DataFrame:
        """Columns `fold` (from 1), `name` and `part` (`train` or `test`) of the official protocol, a row a fold and sample.

        Raises `SplitMismatch` where the counts are not those of the protocol and the data set is complete.
        """

    def groups(self, protocol: str, index: pd.DataFrame) -> pd.Series:
        """For each sample the group that must not be divided when validation data are held out (subject, or pair of subjects)."""


class Dataset(Protocol):
    """What a data set's module offers.

    `FORMATS`: store name -> `Format`. `PROTOCOLS`: protocol name as users know it -> (store name, the format's protocol).
    `COMPLETE`, where it is known: protocol -> samples of the complete data set; a report of fewer says that it is of a part.
    `SYNTHETIC`: whether every number from this data set must be called synthetic. `LICENCE`: the terms, one sentence.
    `DOWNLOAD` makes its section of `params.download` from its values.
    """

    FORMATS: Mapping[str, Format]
    PROTOCOLS: Mapping[str, tuple[str, str]]
    SYNTHETIC: bool
    LICENCE: str
    DOWNLOAD: Callable[..., Any]

    def fetch(self, target: Path, section: Any) -> None:
        """Bring the raw data, or the record of them, into `target`; one folder a store. `section`: what `DOWNLOAD` makes."""


def ranges(numbers: Iterable[int]) -> str:
    """Numbers for people, such as `1-3, 7`; `none` for none."""
    known = set(numbers)
    starts, ends = sorted(n for n in known if n - 1 not in known), sorted(n for n in known if n + 1 not in known)
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in zip(starts, ends, strict=True)) or "none"


def synthetic(name: str, skeletons: Path) -> bool:
    """Whether every number from a data set must be called synthetic: it always is, or one of its stores says so.

    `skeletons` is the folder of its stores. An archive of synthetic files in the format of a real data set says it in the
    comment of the zip.
    """
    stores = (json.loads(meta.read_text()) for meta in sorted(skeletons.glob("*/meta.json")))
    return load(name).SYNTHETIC or any(store.get("synthetic", False) for store in stores)


def complete(name: str, protocol: str) -> int | None:
    """How many samples the complete data set has under a protocol; None where that is not known."""
    counts: Mapping[str, int] = getattr(load(name), "COMPLETE", {})
    return counts.get(protocol)


def names() -> list[str]:
    """The data sets that there are."""
    modules = {path.stem for path in PACKAGE.glob("[a-z]*.py")} | {path.parent.name for path in PACKAGE.glob("*/dataset.py")}
    return sorted(modules)


def load(name: str) -> Dataset:
    """The module of a data set; `ParamsError` names those that exist where `name` is none."""
    package = PACKAGE.name
    for module in (f"pipeline.{package}.{name}.dataset", f"pipeline.{package}.{name}"):
        try:
            found = importlib.import_module(module)
        except ModuleNotFoundError as error:
            if error.name is None or not module.startswith(error.name):
                raise
            continue
        if hasattr(found, "PROTOCOLS"):
            return cast(Dataset, found)
    raise ParamsError(f"unknown data set {name!r}; there are {', '.join(names())}")


def params_of(dataset: str, stage: str) -> dict[str, Any]:
    """What a stage of a data set reads of `params.yaml`, as `resolve` wrote it; `ParamsError` where it did not."""
    path = PARAMS / dataset / f"{stage}.json"
    try:
        return cast(dict[str, Any], read_json(path))
    except (OSError, ValueError) as error:
        command = f"use {dataset}" if stage == "report" else "resolve"  # only data sets in use have a report
        raise ParamsError(
            f"{path}: expected what `{stage}` reads of params.yaml ({error}); run `python -m pipeline {command}`"
        ) from error


def download_section(dataset: str) -> Any:
    """The section of `params.download` of a data set; `SBU_SOURCE`, `NTU_SOURCE` and so on in the environment come first."""
    document = params_of(dataset, "download")
    source = os.environ.get(f"{dataset.upper()}_SOURCE")
    return load(dataset).DOWNLOAD(**document | ({"source": source} if source and "source" in document else {}))
