"""Attention and saliency beside planted evidence: shares by hand, a network whose gradient is known, and the command."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from pipeline.commands import saliency
from pipeline.core.errors import ParamsError, PipelineError, ResultsMissing
from pipeline.core.model import STALSTM, Config
from pipeline.core.training.batches import Batch
from pipeline.datasets.demo import dataset as demo
from pipeline.datasets.demo.motion import Evidence
from pipeline.saliency import shares
from pipeline.stages import finetune, pretrain

MISSING = 'captum is not installed: pip install -c constraints.txt -e ".[saliency]"'
captum = pytest.mark.skipif(importlib.util.find_spec("captum") is None, reason=MISSING)
CPU = torch.device("cpu")


def test_shares_by_hand() -> None:
    """Four frames of two joints, the second planted, from 3/8 to 3/4 of the clip: half of frame 2 and all of frame 3."""
    weights = np.array([[1.0, 1.0], [0.0, 2.0], [3.0, 1.0], [1.0, 1.0]])
    found = shares.shares(weights, [1], (0.375, 0.75))
    assert found == pytest.approx({"joints": 50.0, "frames": 50.0, "joints_and_frames": 20.0})
    uniform = shares.shares(np.ones((4, 2)), [1], (0.375, 0.75))
    assert uniform == pytest.approx({"joints": 50.0, "frames": 37.5, "joints_and_frames": 18.75})
    assert all(np.isnan(value) for value in shares.shares(np.zeros((4, 2)), [1], (0.0, 1.0)).values())


def table(kind: str, joints: list[float]) -> pd.DataFrame:
    """Three clips, two of them in fold 1."""
    base = {"weights": kind, "fold": [1, 1, 2], "seed": 1, "joints": joints, "frames": 10.0, "joints_and_frames": 1.0}
    return pd.DataFrame(base)


def test_rows_are_means_of_folds_without_what_a_weight_does_not_say() -> None:
    head = {"cell": "c", "protocol": "p", "recipe": "r", "method": "m"}
    found = shares.rows(head, pd.concat([table("beta", [1, 1, 1]), table("alpha", [10.0, 30.0, 60.0])]))
    assert found["weights"].tolist() == ["alpha", "beta"] and found["sequences"].tolist() == [3, 3]
    assert found["joints"].iloc[0] == pytest.approx(40.0) and np.isnan(found["joints"].iloc[1])
    assert np.isnan(found["frames"].iloc[0]) and found["frames"].iloc[1] == pytest.approx(10.0)


class Linear(nn.Module):
    """Scores of a frame that are linear in its numbers: `weight` `[C, inputs]`."""

    def __init__(self, weight: Tensor):
        super().__init__()
        self.weight = weight

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Float `[T, B, inputs]` -> `[T, B, C]`."""
        return x @ self.weight.T


@captum
def test_saliency_of_a_linear_network_is_its_weight_times_the_way() -> None:
    """Logit = (1/T) sum_t w x_t: each number's part is w (x - its mean over the clip) / T, whatever is padded after it."""
    from pipeline.saliency import weights  # noqa: PLC0415 (captum)

    torch.manual_seed(0)
    model = STALSTM(Config(2, 1, 3, hidden=4, spatial=False, temporal=False)).eval()
    weight = torch.randn(3, 6)
    model.main = Linear(weight)  # type: ignore[assignment]
    mask = torch.arange(5).unsqueeze(1) < torch.tensor([5, 3])
    x = torch.randn(5, 2, 2, 3) * mask[..., None, None]
    found = weights.of_batch(model, Batch(x, mask, torch.tensor([0, 1])), 8, CPU)
    for b, length in enumerate((5, 3)):
        clip = x[:length, b]
        label = int((clip.flatten(1).mean(0) @ weight.T).argmax())
        way = (clip - clip.mean(0)).flatten(1) * weight[label] / length
        torch.testing.assert_close(found["integrated gradients"][:length, b], way.abs().unflatten(1, (2, 3)).sum(-1))
        torch.testing.assert_close(found["movement"][:length, b], (clip - clip.mean(0)).norm(dim=-1))
        assert not found["integrated gradients"][length:, b].any()


@captum
def test_attention_is_the_network_s_and_an_absent_body_has_none() -> None:
    from pipeline.saliency import weights  # noqa: PLC0415 (captum)

    torch.manual_seed(0)
    model = STALSTM(Config(2, 2, 3, channels=6, hidden=4, attention_hidden=4)).eval()
    x, mask = torch.randn(3, 1, 4, 6), torch.ones(3, 1, dtype=torch.bool)
    x[:, 0, 2:] = 0
    with torch.no_grad():
        _, alpha, beta = model(x, mask)
    found = weights.of_batch(model, Batch(x, mask, torch.tensor([0])), 4, CPU)
    there = torch.tensor([1.0, 1, 0, 0])
    torch.testing.assert_close(found["alpha"], alpha * there)
    torch.testing.assert_close(found["beta"], beta.unsqueeze(-1) * there)
    torch.testing.assert_close(found["alpha times beta"], alpha * beta.unsqueeze(-1) * there)
    assert found["uniform"][0, 0].tolist() == there.tolist() and not found["integrated gradients"][..., 2:].any()


@pytest.fixture
def evidence(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second joint of the first body, second half: where the small project's clips are told apart."""
    monkeypatch.setattr(demo, "EVIDENCE", {"sbu": Evidence((2,), (0.5, 1.0))})


@captum
def test_command(small_project: Path, evidence: None, capsys: pytest.CaptureFixture[str]) -> None:
    for stage in (pretrain, finetune):
        stage.main("p-sta-lstm")
    finetune.main("p-lstm")
    saliency.main([])
    shown = capsys.readouterr()
    assert shown.out == "reports/saliency/demo.md: p-lstm, p-sta-lstm\n" and "left out: p-sa-lstm: " in shown.err
    path, page = Path("reports/saliency/demo.csv"), Path("reports/saliency/demo.md").read_text()
    found = shares.read("demo")
    plain, full = (found[found["cell"] == name].set_index("weights") for name in ("p-lstm", "p-sta-lstm"))
    assert list(full.index) == list(shares.KINDS) and list(plain.index) == ["uniform", "movement", "integrated gradients"]
    assert plain.loc["movement", "joints"] == full.loc["movement", "joints"] > full.loc["uniform", "joints"]
    assert full.loc["uniform", "frames"] == pytest.approx(50.0, abs=1e-3)
    assert "SYNTHETIC" in page and page.count("| STA-LSTM |") == 6
    first = path.read_bytes()
    saliency.main(["p-sta-lstm"])
    assert path.read_bytes() == first, "the other cell's rows stay, and the same weights give the same bytes"


@captum
def test_cells_that_cannot_be_done_are_named(small_project: Path, monkeypatch: pytest.MonkeyPatch, evidence: None) -> None:
    with pytest.raises(ResultsMissing, match=r"p-lstm: .*expected the weights"):
        saliency.main(["p-lstm"])
    monkeypatch.setattr(demo, "EVIDENCE", {})
    with pytest.raises(ParamsError, match="p-lstm: data set demo has no planted evidence"):
        saliency.main(["p-lstm"])
    with pytest.raises(ResultsMissing, match="no cell in use has planted evidence"):
        saliency.main([])


def test_without_captum_it_says_how_to_get_it(small_project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(_name: str) -> Any:
        return None

    monkeypatch.setattr(saliency, "find_spec", none)
    with pytest.raises(PipelineError, match=r"pip install .*\[saliency\]"):
        saliency.main([])
