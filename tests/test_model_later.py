"""The networks that are later than STA-LSTM: SGN and HCN, their pieces by hand and their sizes as published."""

from __future__ import annotations

from typing import cast

import pytest
import torch
from torch import Tensor, nn

from pipeline.core.model import STALSTM, Config, Penalties, objective
from pipeline.networks.hcn import HCN, Convolution
from pipeline.networks.normalised import Normalised
from pipeline.networks.sgn import SGN, Graph, GraphConvolution, OverTime

T, B, J, M, C = 20, 3, 5, 2, 4
LENGTHS = [20, 4, 13]
CONFIG = Config(J, M, C, channels=6, dropout=0.0, spatial=False, temporal=False)
NETWORKS = {
    "sgn": lambda inputs, c: SGN(inputs, c, frames=6, dropout=0.0),
    "hcn": lambda inputs, c: HCN(inputs, c, frames=8, channels=16, hidden=16, deep=False),
    "hcn-deep": lambda inputs, c: HCN(inputs, c, frames=16, channels=32, hidden=16, deep=True),
}


@pytest.fixture
def batch() -> tuple[Tensor, Tensor, Tensor]:
    torch.manual_seed(0)
    x = torch.randn(T, B, M * J, 6, dtype=torch.float64)
    mask = torch.arange(T).unsqueeze(1) < torch.tensor(LENGTHS)
    return x * mask[..., None, None], mask, torch.tensor([0, 3, 1])


def make(name: str, seed: int = 1) -> STALSTM:
    return STALSTM(CONFIG, {"main": torch.Generator().manual_seed(seed)}, NETWORKS[name]).double()


@pytest.mark.parametrize("name", NETWORKS)
def test_padding_changes_nothing(name: str, batch: tuple[Tensor, Tensor, Tensor]) -> None:
    x, mask, _ = batch
    model = make(name).eval()
    together = model(x, mask).logits
    assert torch.equal(model(torch.where(mask[..., None, None], x, 9.0), mask).logits, together)
    for b, length in enumerate(LENGTHS):
        torch.testing.assert_close(together[b : b + 1], model(x[:length, b : b + 1], mask[:length, b : b + 1]).logits)


@pytest.mark.parametrize("name", NETWORKS)
def test_every_weight_learns(name: str, batch: tuple[Tensor, Tensor, Tensor]) -> None:
    x, mask, labels = batch
    model = make(name)
    objective(model, model(x, mask), labels, mask, Penalties(0, 0, 0)).total.backward()  # type: ignore[no-untyped-call]
    assert [n for n, w in model.named_parameters() if w.grad is None or not w.grad.any()] == []


@pytest.mark.parametrize("name", NETWORKS)
def test_weights_come_from_the_generator_and_are_floats(name: str) -> None:
    one, same, other = make(name).state_dict(), make(name).state_dict(), make(name, 2).state_dict()
    assert all(torch.equal(one[key], same[key]) for key in one)
    assert not torch.equal(one["main.z.weight"], other["main.z.weight"])
    assert all(tensor.is_floating_point() for tensor in one.values())


@pytest.mark.parametrize("name", NETWORKS)
def test_positions_alone_are_read(name: str, batch: tuple[Tensor, Tensor, Tensor]) -> None:
    x, mask, _ = batch
    model = make(name).eval()
    changed = torch.cat([x[..., :3], torch.randn_like(x[..., 3:])], -1)
    assert torch.equal(model(changed, mask).logits, model(x, mask).logits)


@pytest.mark.parametrize("name", NETWORKS)
def test_half_precision_is_close(name: str, batch: tuple[Tensor, Tensor, Tensor]) -> None:
    x, mask, _ = batch
    model = make(name).float().eval()
    with torch.autocast("cpu", torch.bfloat16):
        rounded = model(x.float(), mask).logits.float()
    exact = model(x.float(), mask).logits
    assert float((rounded - exact).detach().abs().max()) < 0.03 * float(exact.detach().abs().max())


def parameters(network: nn.Module) -> int:
    return sum(weight.numel() for weight in network.parameters())


# SGN


def test_sgn_has_the_parameters_of_its_authors_code() -> None:
    """691,048 there for NTU's 25 joints and 60 classes (0.69 million); 256 of them are biases that a softmax cancels."""
    network = SGN(75, Config(25, 1, 60, spatial=False, temporal=False), frames=20, dropout=0.2)
    assert parameters(network) == 691_048 - 256


def test_graph_is_the_softmax_of_two_embeddings() -> None:
    torch.manual_seed(0)
    graph, bias = Graph(4, 7).double(), torch.randn(7, dtype=torch.float64)
    x = torch.randn(2, 3, 5, 4, dtype=torch.float64)
    expected = torch.softmax(graph.one(x) @ (graph.two(x) + bias).transpose(-1, -2), -1)
    torch.testing.assert_close(graph(x), expected)
    torch.testing.assert_close(graph(x).sum(-1), torch.ones(2, 3, 5, dtype=torch.float64))


def test_graph_convolution_by_hand() -> None:
    layer = GraphConvolution(1, 1).eval()
    with torch.no_grad():
        layer.others.weight[:], layer.own.weight[:], layer.own.bias[:] = 2.0, 10.0, -1.0
    x, graph = torch.tensor([[[[1.0], [-1.0]]]]), torch.tensor([[[[0.25, 0.75], [1.0, 0.0]]]])
    found = layer(x, graph).flatten().tolist()  # 2 (0.25 - 0.75) + 10 - 1 and 2 - 10 - 1
    assert found == pytest.approx([8.0, 0.0], rel=1e-4)


def test_over_time_sees_the_frames_beside_each() -> None:
    layer = OverTime(1, 1, 0.2).eval()
    with torch.no_grad():
        layer.three.weight[:] = torch.tensor([[1.0, 10.0, 100.0]])
        layer.one.weight[:] = 1.0
        layer.three.bias.zero_()
        layer.one.bias.zero_()
    found = layer(torch.tensor([[[1.0], [2.0], [3.0]]])).flatten().tolist()
    assert found == pytest.approx([210.0, 321.0, 32.0], rel=1e-4)


def test_normalised_is_torchs_own() -> None:
    torch.manual_seed(0)
    ours, theirs = Normalised(3), nn.BatchNorm1d(3)
    for _ in range(3):
        x = torch.randn(4, 5, 3) * 2 + 1
        torch.testing.assert_close(ours(x), theirs(x.flatten(0, 1)).view_as(x))
    torch.testing.assert_close(ours.mean, theirs.running_mean)
    torch.testing.assert_close(ours.variance, theirs.running_var)
    torch.testing.assert_close(ours.eval()(x), theirs.eval()(x.flatten(0, 1)).view_as(x))


def test_sgn_draws_frames_in_training_alone(batch: tuple[Tensor, Tensor, Tensor]) -> None:
    x, mask, _ = batch
    model = make("sgn")
    assert torch.equal(model.eval()(x, mask).logits, model(x, mask).logits)
    torch.manual_seed(0)
    one, other = model.train()(x, mask).logits, model(x, mask).logits
    torch.manual_seed(0)
    assert torch.equal(model(x, mask).logits, one) and not torch.equal(one, other)


# HCN


@pytest.mark.parametrize(
    ("config", "settings", "expected"),
    [
        (Config(15, 2, 8), {"frames": 16, "channels": 32, "hidden": 64, "deep": False}, 52_424),
        (Config(25, 2, 60), {"frames": 64, "channels": 64, "hidden": 256, "deep": True}, 1_047_036),
        (Config(25, 2, 60), {"frames": 32, "channels": 64, "hidden": 256, "deep": True}, 784_892),
    ],
)
def test_hcn_has_the_parameters_counted_by_hand(config: Config, settings: dict[str, int], expected: int) -> None:
    """SBU's sizes, and NTU's in its authors' code and in their paper: kernels by channels in and out, and a bias each."""
    frames, channels, hidden, deep = settings.values()
    half, shrunk = channels // 2, 16 if deep else 8
    stream = 3 * channels + channels + channels * half * 3 + half + config.joints * half * 9 + half
    stream += (half * channels * 9 + channels) * deep
    width = channels * (1 + deep)
    merged = width * width * 9 + width + width * 2 * width * 9 + 2 * width
    dense = 2 * width * (frames // shrunk) * (half // shrunk) * hidden + hidden + hidden * config.classes + config.classes
    assert 2 * stream + merged + dense == expected
    assert parameters(HCN(0, config, **settings)) == expected  # type: ignore[arg-type]


def test_convolution_is_torchs_own() -> None:
    torch.manual_seed(0)
    ours, theirs = Convolution(2, 4, (3, 1)), nn.Conv2d(2, 4, (3, 1), padding=(1, 0))
    with torch.no_grad():
        theirs.weight.copy_(ours.linear.weight.view_as(theirs.weight))
        theirs.bias.copy_(ours.linear.bias)  # type: ignore[union-attr]
    x = torch.randn(3, 2, 6, 5)
    torch.testing.assert_close(ours(x), theirs(x))


@pytest.mark.parametrize("name", ["hcn", "hcn-deep"])
def test_hcn_does_not_mind_who_comes_first(name: str, batch: tuple[Tensor, Tensor, Tensor]) -> None:
    x, mask, _ = batch
    model = make(name).eval()
    swapped = x.view(T, B, M, J, 6).flip(2).flatten(2, 3)
    torch.testing.assert_close(model(swapped, mask).logits, model(x, mask).logits)


def test_hcn_of_one_body_and_one_frame() -> None:
    model = STALSTM(Config(J, 1, C, spatial=False, temporal=False), main=NETWORKS["hcn"]).eval()
    logits = model(torch.randn(1, 2, J, 3), torch.ones(1, 2, dtype=torch.bool)).logits
    assert logits.shape == (2, C) and bool(logits.isfinite().all())


def test_hcn_has_movements_of_their_own(batch: tuple[Tensor, Tensor, Tensor]) -> None:
    """A clip that stands still has no movements, wherever it stands: the stream of movements sees zeros."""
    x, mask, _ = batch
    model = make("hcn").eval()
    seen: list[Tensor] = []
    cast(HCN, model.main).movement.register_forward_hook(lambda _module, inputs, _output: seen.append(inputs[0]))
    model(x[:1].expand_as(x), mask)
    model(x, mask)
    assert seen[0].shape == (B * M, 3, 8, J) and not seen[0].any() and bool(seen[1].any())
