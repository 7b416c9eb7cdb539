"""The data sets, one module each: raw reader, joints, bones, actions, subjects, protocols, repairs. No torch here.

Adding one: write `pipeline/datasets/<name>.py` with the members of `Dataset`, and its lines in `params.yaml`.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol, cast

import pandas as pd

from pipeline.errors import ParamsError
from pipeline.skeletons import Meta


class Format(Protocol):
    """How recordings in one raw format become a store, and which protocols they have. Implemented by `sbu` and `ntu_format`."""

    @property
    def META(self) -> Meta:  # noqa: N802
        """The store's `Meta`."""

    def normalize(self, raw: Path, target: Path, section: Any, allow_malformed: int) -> None:
        """Read the raw folder, repair, and write into `target` the store, `repairs.csv` and `set_aside.csv`.

        `section` is the format's section of `params.normalize`. `repairs.csv` has the columns
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
    """What a module in this package offers.

    `FORMATS`: store name -> `Format`. `PROTOCOLS`: protocol name as users know it -> (store name, the format's protocol).
    `SYNTHETIC`: whether every number from this data set must be called synthetic. `LICENCE`: the terms, one sentence.
    """

    FORMATS: Mapping[str, Format]
    PROTOCOLS: Mapping[str, tuple[str, str]]
    SYNTHETIC: bool
    LICENCE: str

    def fetch(self, target: Path, section: Any) -> None:
        """Bring the raw data, or the record of them, into `target`; one folder a store. `section`: `params.download.<name>`."""


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


def load(name: str) -> Dataset:
    """The module of a data set; `ParamsError` names those that exist where `name` is none."""
    names = sorted(p.stem for p in Path(__file__).parent.glob("[a-z]*.py"))
    try:
        module = importlib.import_module(f"{__name__}.{name}")
        if hasattr(module, "PROTOCOLS"):
            return cast(Dataset, module)
    except ModuleNotFoundError as error:
        if error.name != f"{__name__}.{name}":
            raise
    raise ParamsError(f"params.yaml: unknown data set {name!r}; there are modules {', '.join(names)}")
