"""Protocols that several data sets share."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from pipeline.datasets.shared.errors import SplitMismatch
from pipeline.datasets.shared.registry import ranges


def leave_one_out(index: pd.DataFrame, title: str, samples: Mapping[int, int]) -> pd.DataFrame:
    """Columns `fold`, `name`, `part`: in the fold of a subject's number its samples are test, all others train.

    `samples`: subject -> how many samples of it the complete data set has. Raises `SplitMismatch` for other subjects, for names
    that occur twice, and for a complete data set with other counts; a part is divided as far as it goes, in its subjects' folds.
    """
    check_names(index, title)
    if unknown := set(index["subject"]) - set(samples):
        raise SplitMismatch(f"{title}: subjects {ranges(unknown)}, expected {ranges(samples)} only")
    counts = {subject: int((index["subject"] == subject).sum()) for subject in samples}
    if len(index) == sum(samples.values()) and counts != dict(samples):
        expected, found = (tuple(c.values()) for c in (dict(samples), counts))
        raise SplitMismatch(f"{title}: expected samples by subject {expected}, found {found}; fetch the data set again")
    folds = [subject for subject, count in counts.items() if count]
    return pd.concat([_fold(fold, index, index["subject"] == fold) for fold in folds], ignore_index=True)


def check_names(index: pd.DataFrame, title: str) -> None:
    """Raise `SplitMismatch` where a name occurs twice."""
    if repeated := sorted(set(index["name"][index["name"].duplicated()])):
        raise SplitMismatch(
            f"{title}: {', '.join(repeated[:5])} occur(s) more than once; run `dvc repro` to make the store again"
        )


def _fold(fold: int, index: pd.DataFrame, tested: pd.Series) -> pd.DataFrame:
    parts = np.where(tested, "test", "train")
    return pd.DataFrame({"fold": fold, "name": index["name"].to_numpy(), "part": parts})
