"""The promises of SECURITY.md that no other test holds: what lies on disk is data, and is never run."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.core.skeletons import Sample, Store, Writer
from pipeline.core.training.files import read_tensors
from tests.conftest import META, ROOT


class Trap:
    """Makes a folder where it is unpickled."""

    def __init__(self, place: Path):
        self.place = place

    def __reduce__(self) -> tuple[object, ...]:
        return (os.mkdir, (str(self.place),))


def test_a_checkpoint_from_elsewhere_runs_nothing(tmp_path: Path) -> None:
    path = tmp_path / "fold-1-seed-1.pt"
    torch.save({"phase": 1, "rows": Trap(tmp_path / "sprung")}, path)
    with pytest.raises(ValueError, match="UnpicklingError: Weights only load failed"):
        read_tensors(path)
    assert not (tmp_path / "sprung").exists()
    torch.load(path, weights_only=False)  # the trap is one
    assert (tmp_path / "sprung").exists()


def test_a_store_from_elsewhere_runs_nothing(tmp_path: Path) -> None:
    with Writer(tmp_path / "store", META) as writer:
        writer.add(Sample("a", 1, 0, 0, 0, 1, 1), np.zeros((3, 1, 4, 3), np.float32))
    np.save(tmp_path / "store/frames.npy", np.array([Trap(tmp_path / "sprung")], object), allow_pickle=True)
    with pytest.raises(Exception, match=r"pickle|frames\.npy|object"):
        Store(tmp_path / "store").clip(0)
    assert not (tmp_path / "sprung").exists()


def test_every_test_that_the_page_names_is_there() -> None:
    named = set(re.findall(r"`(test_\w+\.py)`", (ROOT / "SECURITY.md").read_text()))
    assert len(named) > 10
    assert [name for name in sorted(named) if not (ROOT / "tests" / name).exists()] == []
