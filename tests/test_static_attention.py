"""Attention that does not look: with equal weights it is the main LSTM, and its own weights do what they say."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from pipeline.core.model import STALSTM, Config, MainLSTM, Penalties, objective
from pipeline.core.training import phases
from pipeline.core.training.streams import Streams
from pipeline.networks.static_attention import StaticAttention
from tests.conftest import META, Plain

T, B, J, M, C = 7, 3, 4, 2, 3
LENGTHS = [7, 4, 6]
CONFIG = Config(J, M, C, hidden=6, dropout=0.0, spatial=False, temporal=False)


@pytest.fixture
def batch() -> tuple[Tensor, Tensor, Tensor]:
    torch.manual_seed(0)
    x = torch.randn(T, B, M * J, 3, dtype=torch.float64)
    mask = torch.arange(T).unsqueeze(1) < torch.tensor(LENGTHS)
    return x * mask[..., None, None], mask, torch.tensor([0, 2, 1])


def make(joints: bool = True, bins: int = 5, lambda1: float = 0.0) -> STALSTM:
    torch.manual_seed(1)
    return STALSTM(CONFIG, main=lambda inputs, c: StaticAttention(inputs, c, joints, bins, lambda1)).double()


def plain(model: STALSTM) -> STALSTM:
    """The LSTM without attention, with the same weights."""
    made = STALSTM(CONFIG).double()
    made.main.load_state_dict({k: v for k, v in model.main.state_dict().items() if k not in ("joints", "bins")})
    return made


def put(model: STALSTM, name: str, values: list[float]) -> None:
    """Scores whose softmax is these shares."""
    with torch.no_grad():
        getattr(model.main, name).copy_(torch.tensor(values, dtype=torch.float64).log())


@pytest.mark.parametrize(("joints", "bins"), [(True, 0), (False, 5), (True, 5), (False, 0)])
def test_before_training_it_is_the_lstm(joints: bool, bins: int, batch: tuple[Tensor, Tensor, Tensor]) -> None:
    x, mask, _ = batch
    model = make(joints, bins)
    torch.testing.assert_close(model(x, mask).logits, plain(model)(x, mask).logits)


def test_a_joint_s_weight_scales_its_coordinates(batch: tuple[Tensor, Tensor, Tensor]) -> None:
    x, mask, _ = batch
    model = make(bins=0)
    shares = [0.3, 0.05, 0.05, 0.1, 0.2, 0.1, 0.1, 0.1]
    put(model, "joints", shares)
    weights = 8 * torch.tensor(shares, dtype=torch.float64)
    torch.testing.assert_close(model(x, mask).logits, plain(model)(x * weights[:, None], mask).logits)


def test_frames_weigh_by_their_place_in_the_clip() -> None:
    """Two bins with weights 0.5 and 1.5, whose middles are at 1/4 and 3/4: frames at 1/8, 3/8, 5/8, 7/8 of a clip of four."""
    model = make(joints=False, bins=2)
    put(model, "bins", [0.25, 0.75])
    mask = torch.tensor([[True, True], [True, True], [True, False], [True, False]])
    weights = model.main.beta(mask)  # type: ignore[operator]
    torch.testing.assert_close(weights[:, 0], torch.tensor([0.5, 0.75, 1.25, 1.5], dtype=torch.float64))
    torch.testing.assert_close(weights[:2, 1], torch.tensor([0.5, 1.5], dtype=torch.float64))


def test_scores_are_weighed_and_added(batch: tuple[Tensor, Tensor, Tensor]) -> None:
    x, mask, _ = batch
    model = make(joints=False, bins=2)
    put(model, "bins", [0.9, 0.1])
    z = plain(model).main(x.flatten(2), mask)
    weights = model.main.beta(mask) * mask  # type: ignore[operator]
    expected = (weights.unsqueeze(-1) * z).sum(0) / torch.tensor(LENGTHS).unsqueeze(-1)
    torch.testing.assert_close(model(x, mask).logits, expected)


def test_padding_changes_nothing(batch: tuple[Tensor, Tensor, Tensor]) -> None:
    x, mask, _ = batch
    model = make()
    put(model, "bins", [0.1, 0.4, 0.2, 0.2, 0.1])
    together = model(x, mask).logits
    for b, length in enumerate(LENGTHS):
        alone = model(x[:length, b : b + 1], mask[:length, b : b + 1]).logits
        torch.testing.assert_close(together[b : b + 1], alone)


def test_penalty_is_the_objective_s_for_a_constant_alpha(batch: tuple[Tensor, Tensor, Tensor]) -> None:
    x, mask, labels = batch
    shares = [0.3, 0.05, 0.05, 0.1, 0.2, 0.1, 0.1, 0.1]
    static = make(bins=0, lambda1=0.02)
    put(static, "joints", shares)
    torch.manual_seed(1)
    looking = STALSTM(Config(J, M, C, hidden=6, attention_hidden=4, dropout=0.0, temporal=False)).double()
    score = looking.spatial.U_s  # type: ignore[union-attr]
    with torch.no_grad():
        score.weight.zero_()
        score.bias.copy_(torch.tensor(shares, dtype=torch.float64).log())
    expected = objective(looking, looking(x, mask), labels, mask, Penalties(0.02, 0, 0)).spatial
    found = objective(static, static(x, mask), labels, mask, Penalties(0, 0, 0))
    torch.testing.assert_close(found.l1, expected)
    torch.testing.assert_close(found.total, found.cross_entropy + expected)
    assert float(expected.detach()) > 0


def test_every_weight_learns(batch: tuple[Tensor, Tensor, Tensor]) -> None:
    x, mask, labels = batch
    model = make(lambda1=0.01)
    objective(model, model(x, mask), labels, mask, Penalties(0, 0, 0)).total.backward()
    assert [n for n, w in model.named_parameters() if w.grad is None or not w.grad.any()] == []


def test_layers_start_as_those_of_the_lstm(small_params: object) -> None:
    """With the same seed and fold, so that a difference is one of weights of joints and frames."""
    settings: Plain = small_params()  # type: ignore[operator]

    def main(name: str) -> nn.Module:
        method = settings.methods[name]
        draw = {"main": Streams(3, 1).torch("weights", "main")}
        return phases.build(phases.finetune_phases(method, settings)[0], method, settings, META, draw).main

    static, lstm = main("static-attention-lstm"), main("lstm")
    assert isinstance(static, StaticAttention) and isinstance(lstm, MainLSTM)
    own = static.state_dict()
    assert set(own) - set(lstm.state_dict()) == {"joints", "bins"}
    assert all(torch.equal(own[name], weight) for name, weight in lstm.state_dict().items())
