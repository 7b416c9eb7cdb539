"""ST-LSTM: the walk, the waves against a plain double loop, the trust gate and the loss by hand."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import cast

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from pipeline.core.model import STALSTM, Config, Penalties, objective
from pipeline.datasets.shared import registry
from pipeline.networks.sampling import frames_at, places, resized
from pipeline.networks.st_lstm import STLSTM, Grid, STLayer
from pipeline.networks.walk import bones_of, walk

T, B, J, M, C, H = 9, 3, 5, 2, 4, 6
LENGTHS = [9, 4, 7]
CONFIG = Config(J, M, C, dropout=0.0, spatial=False, temporal=False)
PARTS = ((0,), (1, 2), (3,), (4,))
DATASETS = ("demo", "sbu", "florence3d", "utkinect", "nw_ucla", "ntu", "ntu120")


def make(trust: bool, parts: tuple[tuple[int, ...], ...] = PARTS) -> STALSTM:
    torch.manual_seed(1)
    return STALSTM(
        CONFIG, main=lambda inputs, c: STLSTM(inputs, c, parts, hidden=H, layers=2, steps=3, frames=2, trust=trust)
    ).double()


@pytest.fixture
def batch() -> tuple[Tensor, Tensor, Tensor]:
    torch.manual_seed(0)
    x = torch.randn(T, B, M * J, 3, dtype=torch.float64)
    mask = torch.arange(T).unsqueeze(1) < torch.tensor(LENGTHS)
    return x * mask[..., None, None], mask, torch.tensor([0, 3, 1])


# The walk


def test_walk_by_hand() -> None:
    """From the root into each branch and back, the branches in the order of the bones."""
    assert walk(((1, 0), (2, 1), (3, 0))) == [0, 1, 2, 1, 0, 3, 0]


def test_walk_of_sbu_by_hand() -> None:
    """From the torso to the neck, the head, both arms, and back; then both legs."""
    upper, lower = [2, 1, 0, 1, 3, 4, 5, 4, 3, 1, 6, 7, 8, 7, 6, 1, 2], [9, 10, 11, 10, 9, 2, 12, 13, 14, 13, 12, 2]
    assert walk(bones_of(15, ())) == upper + lower


@pytest.mark.parametrize("name", DATASETS)
def test_walk_is_along_the_bones_of_every_data_set(name: str) -> None:
    for form in registry.load(name).FORMATS.values():
        meta, own = form.META, {frozenset(bone) for bone in form.META.bones}
        found = walk(bones_of(len(meta.joints), meta.parts))
        assert found == walk(meta.bones)
        assert set(found) == set(range(len(meta.joints))) and len(found) == 2 * len(meta.joints) - 1
        assert found[0] == found[-1] and {frozenset(step) for step in pairwise(found)} == own


def test_walk_of_another_skeleton_goes_through_its_parts() -> None:
    assert walk(bones_of(J, PARTS)) == [0, 1, 2, 1, 0, 3, 0, 4, 0]


@pytest.mark.parametrize("bones", [((1, 0), (3, 2)), ((1, 0), (0, 1)), ((1, 0), (2, 3), (3, 2))])
def test_bones_that_are_no_tree_are_refused(bones: tuple[tuple[int, int], ...]) -> None:
    with pytest.raises(ValueError, match="expected bones"):
        walk(bones)


# Frames


def test_places_are_the_middles_of_equal_parts() -> None:
    mask = torch.arange(12).unsqueeze(1) < torch.tensor([12, 4, 1])
    assert places(mask, 4, random=False).T.tolist() == [[1, 4, 7, 10], [0, 1, 2, 3], [0, 0, 0, 0]]


def test_random_places_are_any_of_each_part_and_never_padding() -> None:
    mask = torch.arange(12).unsqueeze(1) < torch.tensor([12, 8])
    torch.manual_seed(0)
    found = torch.stack([places(mask, 4, random=True) for _ in range(200)])  # [200, 4, 2]
    assert [sorted(set(part.tolist())) for part in found[..., 0].T] == [[0, 1, 2], [3, 4, 5], [6, 7, 8], [9, 10, 11]]
    assert [sorted(set(part.tolist())) for part in found[..., 1].T] == [[0, 1], [2, 3], [4, 5], [6, 7]]


def test_frames_are_taken_clip_by_clip() -> None:
    x = torch.arange(6.0).view(3, 2, 1)
    assert frames_at(x, torch.tensor([[2, 0], [1, 1]])).squeeze(-1).tolist() == [[4, 1], [2, 3]]


def test_resized_is_linear_between_first_and_last_frame() -> None:
    x, mask = torch.tensor([[0.0, 5.0], [3.0, 7.0], [6.0, 0.0]]).unsqueeze(-1), torch.tensor([[True, True]] * 2 + [[True, False]])
    assert resized(x, mask, 5).squeeze(-1).T.tolist() == [[0, 1.5, 3, 4.5, 6], [5, 5.5, 6, 6.5, 7]]


# The waves


def test_waves_by_hand() -> None:
    grid = Grid(joints=3, steps=2)
    assert grid.waves() == [(0, 1), (0, 2), (0, 2), (1, 2)]
    assert grid.units() == [(0, 0), (0, 1), (1, 0), (0, 2), (1, 1), (1, 2)]


def unit(layer: STLayer, x: Tensor, joint: tuple[Tensor, Tensor], step: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """h and c of one unit of one clip, as the paper and its code have it."""
    joined = torch.cat([joint[0], step[0]])
    i, f_joint, f_step, o, u = (layer.read(x) + layer.carry(joined) + layer.bias).chunk(5)
    i, f_joint, f_step, o, u = *(torch.sigmoid(gate) for gate in (i, f_joint, f_step, o)), torch.tanh(u)
    if layer.predict is None:
        c = f_joint * joint[1] + f_step * step[1] + i * u
    else:
        trust = torch.exp(-0.5 * (u - torch.tanh(layer.predict(joined))) ** 2)
        c = (1 - trust) * f_joint * joint[1] + (1 - trust) * f_step * step[1] + trust * i * u
    return o * torch.tanh(c), c


def double_loop(layer: STLayer, x: dict[tuple[int, int], Tensor], grid: Grid) -> dict[tuple[int, int], Tensor]:
    """(t, j) -> h of one clip, unit after unit."""
    nothing = torch.zeros(layer.hidden, dtype=torch.float64), torch.zeros(layer.hidden, dtype=torch.float64)
    states: dict[tuple[int, int], tuple[Tensor, Tensor]] = {}
    for t in range(grid.steps):
        for j in range(grid.joints):
            states[t, j] = unit(layer, x[t, j], states.get((t, j - 1), nothing), states.get((t - 1, j), nothing))
    return {place: h for place, (h, _) in states.items()}


def slow(model: STALSTM, x: Tensor, length: int) -> Tensor:
    """The scores of one clip `[length, 1, K, 3]`, by a double loop over joints and steps."""
    main = cast(STLSTM, model.main)
    taken = [math.floor((k + 0.5) * length / 6) for k in range(6)]
    states = {
        (t, j): torch.cat([x[frame, 0, body * J + joint] for frame in taken[2 * t : 2 * t + 2] for body in range(M)])
        for t in range(3)
        for j, joint in enumerate(main.walk)
    }
    for layer in main.layers:
        states = double_loop(cast(STLayer, layer), states, main.grid)
    return torch.stack([torch.log_softmax(main.z(h), -1) for h in states.values()]).mean(0)


@pytest.mark.parametrize("trust", [True, False])
@pytest.mark.parametrize("parts", [PARTS, ((0, 1, 2, 3, 4),), ((0,), (1, 2, 3, 4))])
def test_waves_are_a_double_loop_forward_and_back(
    trust: bool, parts: tuple[tuple[int, ...], ...], batch: tuple[Tensor, Tensor, Tensor]
) -> None:
    x, mask, labels = batch
    model = make(trust, parts).eval()
    found = model(x, mask).logits
    functional.cross_entropy(found, labels).backward()  # type: ignore[no-untyped-call]
    gradients = [weight.grad.clone() for weight in model.parameters() if weight.grad is not None]
    model.zero_grad()
    expected = torch.stack([slow(model, x[:length, b : b + 1], length) for b, length in enumerate(LENGTHS)])
    functional.cross_entropy(expected, labels).backward()  # type: ignore[no-untyped-call]
    assert float((found - expected).detach().abs().max()) < 1e-6
    for mine, weight in zip(gradients, model.parameters(), strict=True):
        assert weight.grad is not None and float((mine - weight.grad).abs().max()) < 1e-6


def test_a_grid_of_more_steps_than_joints_is_one_too() -> None:
    torch.manual_seed(0)
    layer, grid = STLayer(3, H, trust=True).double(), Grid(joints=2, steps=5)
    x = torch.randn(10, 1, 3, dtype=torch.float64)
    found, loop = layer(x, grid), double_loop(layer, dict(zip(grid.units(), x[:, 0], strict=True)), grid)
    torch.testing.assert_close(found[:, 0], torch.stack([loop[place] for place in grid.units()]))


@pytest.mark.parametrize("trust", [True, False])
def test_padding_changes_nothing(trust: bool, batch: tuple[Tensor, Tensor, Tensor]) -> None:
    x, mask, _ = batch
    model = make(trust).eval()
    together = model(x, mask).logits
    assert torch.equal(model(torch.where(mask[..., None, None], x, 9.0), mask).logits, together)
    for b, length in enumerate(LENGTHS):
        torch.testing.assert_close(together[b : b + 1], model(x[:length, b : b + 1], mask[:length, b : b + 1]).logits)


# The trust gate


def test_trust_gate_by_hand() -> None:
    """u = tanh 1, prediction tanh(-1), so trust is exp(-2 tanh(1)^2); c is that share of i u, the rest of both cells before."""
    layer = STLayer(1, 1, trust=True)
    assert layer.predict is not None
    with torch.no_grad():
        for weight in layer.parameters():
            weight.zero_()
        layer.bias[4], layer.predict.bias[0] = 1.0, -1.0
    gates = torch.sigmoid(torch.tensor([[[0.0, 0.0, 0.0, 0.0, 2.0, -2.0]]]))
    h, c = layer.unit(gates, (torch.full((1, 1, 1), 3.0), torch.full((1, 1, 1), 5.0)))
    trust = math.exp(-2 * math.tanh(1) ** 2)
    expected = trust * 0.5 * math.tanh(1) + (1 - trust) * (0.5 * 3 + 0.5 * 5)
    assert float(c) == pytest.approx(expected, rel=1e-5)
    assert float(h) == pytest.approx(0.5 * math.tanh(expected), rel=1e-5)
    first = layer(torch.zeros(1, 1, 1), Grid(1, 1))
    assert float(first.detach()) == pytest.approx(0.5 * math.tanh(trust * 0.5 * math.tanh(1)), rel=1e-5)


def test_an_input_as_predicted_is_trusted_whole() -> None:
    layer = STLayer(1, 1, trust=True)
    gates = torch.sigmoid(torch.tensor([[[0.0, 0.0, 0.0, 0.0, 1.4, 1.4]]]))
    _, c = layer.unit(gates, (torch.full((1, 1, 1), 3.0), torch.full((1, 1, 1), 5.0)))
    assert float(c) == pytest.approx(0.5 * math.tanh(0.7), rel=1e-5)


# Learning


def test_loss_is_the_mean_over_units(batch: tuple[Tensor, Tensor, Tensor]) -> None:
    """Cross-entropy of the clip's scores and the network's own term are together the mean cross-entropy of all units."""
    x, mask, labels = batch
    model = make(True).eval()
    seen: list[Tensor] = []
    cast(STLSTM, model.main).z.register_forward_hook(lambda _module, _inputs, scores: seen.append(scores))
    for smoothing in (0.0, 0.1):
        terms = objective(model, model(x, mask), labels, mask, Penalties(0, 0, 0, label_smoothing=smoothing))
        units = seen[-1]  # [W T, B, C]
        each = functional.cross_entropy(units.flatten(0, 1), labels.repeat(len(units)), label_smoothing=smoothing)
        torch.testing.assert_close(terms.total, each)
        assert float(terms.l1.detach()) > 0


@pytest.mark.parametrize("trust", [True, False])
def test_every_weight_learns(trust: bool, batch: tuple[Tensor, Tensor, Tensor]) -> None:
    x, mask, labels = batch
    model = make(trust)
    objective(model, model(x, mask), labels, mask, Penalties(0, 0, 0)).total.backward()  # type: ignore[no-untyped-call]
    assert [n for n, w in model.named_parameters() if w.grad is None or not w.grad.any()] == []


@pytest.mark.parametrize("trust", [True, False])
def test_half_precision_is_close(trust: bool, batch: tuple[Tensor, Tensor, Tensor]) -> None:
    x, mask, _ = batch
    model = make(trust).float().eval()
    with torch.autocast("cpu", torch.bfloat16):
        rounded = model(x.float(), mask).logits.float()
    assert float((rounded - model(x.float(), mask).logits).detach().abs().max()) < 0.02


def test_forget_gates_start_open_and_weights_come_from_the_generator() -> None:
    def drawn() -> STALSTM:
        return STALSTM(
            CONFIG,
            {"main": torch.Generator().manual_seed(3)},
            lambda inputs, c: STLSTM(inputs, c, PARTS, hidden=H, layers=2, steps=3, frames=2, trust=True),
        )

    one, other = drawn().state_dict(), drawn().state_dict()
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert one["main.layers.0.bias"].view(5, H).mean(1).tolist() == [0, 1, 1, 0, 0]
    assert all(tensor.is_floating_point() for tensor in one.values())


def test_parameters_as_counted_by_hand() -> None:
    """NTU's sizes in the authors' code: 128 units, two layers, 18 numbers a joint. It has several biases where one is enough."""
    network = STLSTM(150, Config(25, 2, 60), (), hidden=128, layers=2, steps=6, frames=3, trust=True)
    first, second = 640 * (18 + 256) + 640 + 128 * 256 + 128, 640 * (128 + 256) + 640 + 128 * 256 + 128
    assert sum(weight.numel() for weight in network.parameters()) == first + second + 128 * 60 + 60
