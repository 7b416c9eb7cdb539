"""The networks of earlier methods against loops over single clips and frames, and hand-computed values."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pipeline.core.model import STALSTM, Config, Penalties, objective
from pipeline.networks.bidirectional import Bidirectional, reverse
from pipeline.networks.co_occurrence import CoOccurrence, InDepthDropout, cells
from pipeline.networks.deep_lstm import DeepLSTM
from pipeline.networks.hbrnn import HBRNN
from pipeline.networks.p_lstm import PLSTM, PartAwareLSTM
from pipeline.networks.windows import WindowSVM, measure, size, windows

T, B, J, M, C = 7, 3, 5, 2, 4
LENGTHS = [7, 4, 6]
CONFIG = Config(J, M, C, hidden=6, dropout=0.0, spatial=False, temporal=False)
PARTS = ((0,), (1,), (2,), (3,), (4,))
NETWORKS = {
    "deep": lambda inputs, c: DeepLSTM(inputs, c, 2),
    "hbrnn": lambda inputs, c: HBRNN(inputs, c, PARTS, [2, 3, 4, 5]),
    "co-occurrence": lambda inputs, c: CoOccurrence(inputs, c, hidden=[4, 6, 5], groups=2, sparse=0.1, group_sparse=0.01),
    "p-lstm": lambda inputs, c: PLSTM(inputs, c, PARTS, 10),
    "svm": lambda inputs, c: WindowSVM(inputs, c, "joint", 3),
}


@pytest.fixture
def batch() -> tuple[Tensor, Tensor, Tensor]:
    torch.manual_seed(0)
    x = torch.randn(T, B, M * J, 3, dtype=torch.float64)
    mask = torch.arange(T).unsqueeze(1) < torch.tensor(LENGTHS)
    return x * mask[..., None, None], mask, torch.tensor([0, 3, 1])


def make(name: str) -> STALSTM:
    torch.manual_seed(1)
    return STALSTM(CONFIG, main=NETWORKS[name]).double()


@pytest.mark.parametrize("name", NETWORKS)
def test_padding_changes_nothing(name: str, batch: tuple[Tensor, Tensor, Tensor]) -> None:
    x, mask, _ = batch
    model = make(name).eval()
    together = model(x, mask).logits
    for b, length in enumerate(LENGTHS):
        alone = model(x[:length, b : b + 1], mask[:length, b : b + 1]).logits
        torch.testing.assert_close(together[b : b + 1], alone)


@pytest.mark.parametrize("name", [name for name in NETWORKS if name != "svm"])
def test_every_weight_learns(name: str, batch: tuple[Tensor, Tensor, Tensor]) -> None:
    x, mask, labels = batch
    model = make(name)
    objective(model, model(x, mask), labels, mask, Penalties(0, 0, 0)).total.backward()
    assert [n for n, w in model.named_parameters() if w.grad is None or not w.grad.any()] == []


def test_number_of_layers_is_the_methods_own() -> None:
    assert len(make("deep").main.lstms) == 2 != CONFIG.layers  # type: ignore[arg-type]


def test_reverse_turns_the_frames_of_each_clip() -> None:
    x = torch.tensor([[1.0, 1.0], [2.0, 2.0], [3.0, 0.0]]).unsqueeze(-1)
    mask = torch.tensor([[True, True], [True, True], [True, False]])
    assert reverse(x, mask).squeeze(-1).tolist() == [[3, 2], [2, 1], [1, 0]]


@pytest.mark.parametrize("kind", [nn.RNN, nn.LSTM])
def test_bidirectional_is_torchs_own(kind: type[nn.RNN] | type[nn.LSTM]) -> None:
    torch.manual_seed(0)
    ours, theirs = Bidirectional(kind, 3, 4), kind(3, 4, bidirectional=True)
    for name, weight in ours.ahead.named_parameters():
        getattr(theirs, name).data.copy_(weight)
        getattr(theirs, f"{name}_reverse").data.copy_(ours.back.get_parameter(name))
    x = torch.randn(6, 1, 3)
    torch.testing.assert_close(ours(x, torch.ones(6, 1, dtype=torch.bool)), theirs(x)[0])


def test_a_limb_reaches_the_body_through_its_part_alone(batch: tuple[Tensor, Tensor, Tensor]) -> None:
    x, mask, _ = batch
    model = make("hbrnn").eval()
    with torch.no_grad():  # cut off the pair of the last limb, joint 4
        model.main.pairs[3].ahead.weight_ih_l0.zero_()  # type: ignore[index,union-attr]
        model.main.pairs[3].back.weight_ih_l0.zero_()  # type: ignore[index,union-attr]
    before = model(x, mask).logits
    gates = torch.arange(M * J) % J
    torch.testing.assert_close(model(torch.where((gates == 4)[:, None], x * 2, x) * mask[..., None, None], mask).logits, before)
    assert not torch.allclose(model(torch.where((gates == 3)[:, None], x * 2, x), mask).logits, before)


def test_part_aware_layer_is_its_equations_one_clip_at_a_time() -> None:
    torch.manual_seed(2)
    layer = PartAwareLSTM([3, 2], 4).double()
    parts = [torch.randn(5, 2, n, dtype=torch.float64) for n in (3, 2)]
    found = layer(parts)
    for b in range(2):
        h, c = torch.zeros(4).double(), [torch.zeros(2).double() for _ in parts]
        for t in range(5):
            for p, gate in enumerate(layer.gates):
                i, f, g = gate(torch.cat([parts[p][t, b], h])).chunk(3)
                c[p] = torch.sigmoid(f) * c[p] + torch.sigmoid(i) * torch.tanh(g)
            o = torch.sigmoid(layer.output(torch.cat([parts[0][t, b], parts[1][t, b], h])))
            h = o * torch.tanh(torch.cat(c))
            torch.testing.assert_close(found[t, b], h)


def test_cells_by_hand() -> None:
    forget, new = torch.tensor([[0.5], [0.5], [0.25]]), torch.tensor([[1.0], [1.0], [1.0]])
    assert cells(forget, new).flatten().tolist() == [1.0, 1.5, 1.375]


def test_without_dropout_the_last_layer_passes_up_its_own_states() -> None:
    torch.manual_seed(3)
    layer = InDepthDropout(3, 4, 0.0).double()
    x = torch.randn(6, 2, 3, dtype=torch.float64)
    trained, own = layer.train()(x), layer.eval()(x)
    torch.testing.assert_close(trained, own)
    assert torch.equal(own, layer.lstm(x)[0])


def test_dropout_inside_never_travels_along_time() -> None:
    layer = InDepthDropout(1, 64, 0.5).double().train()
    x = torch.ones(2, 500, 1, dtype=torch.float64)
    with torch.no_grad():
        for weight in layer.lstm.parameters():
            weight.zero_()
        layer.lstm.bias_ih_l0.fill_(1.0)
    i, g = torch.sigmoid(torch.tensor(1.0).double()), torch.tanh(torch.tensor(1.0).double())
    c1 = i * g
    torch.manual_seed(4)
    first, second = layer(x).detach()
    passed = {round(float(v), 4) for v in first.unique()}
    assert passed == {0.0, round(float(2 * i * torch.tanh(4 * c1)), 4)}  # of o, and of i and g together
    states = {round(float(v), 3) for v in (second / (2 * i)).atanh().unique()}
    assert states == {round(float(v), 3) for v in (0.0, 4 * c1, 2 * i * c1, 2 * i * c1 + 4 * c1)}  # c_1 is whole every time
    kept = float((first > 0).float().mean())
    assert kept == pytest.approx(0.125, abs=0.01)


def test_penalty_by_hand() -> None:
    network = CoOccurrence(2, Config(1, 1, 2, channels=2), hidden=[2, 2, 2], groups=1, sparse=10.0, group_sparse=1.0)
    with torch.no_grad():
        for weight in network.parameters():
            weight.zero_()
        network.first.ahead.weight_ih_l0[:2] = torch.tensor([[3.0, 0.0], [-4.0, 0.0]])  # the input gate's
        network.between.weight[0, 0] = 2.0
    assert float(network.penalty().detach()) == pytest.approx(10 * (3 + 4 + 2) + (5 + 2))


def test_penalty_is_part_of_the_objective(batch: tuple[Tensor, Tensor, Tensor]) -> None:
    x, mask, labels = batch
    model = make("co-occurrence")
    terms = objective(model, model(x, mask), labels, mask, Penalties(0, 0, 0))
    own = model.main.penalty()  # type: ignore[operator]
    torch.testing.assert_close(terms.total, terms.cross_entropy + own)
    assert float(own.detach()) > 0 and torch.equal(terms.l1, own)


def test_windows_end_in_their_frame_and_begin_with_the_first() -> None:
    assert windows(torch.arange(4), 3).tolist() == [[0, 0, 0], [0, 0, 1], [0, 1, 2], [1, 2, 3]]


def test_features_are_distances_by_hand() -> None:
    first = [[0.0, 0, 0], [3, 4, 0]]
    second = [[0.0, 0, 1], [3, 4, 0]]
    window = torch.tensor([first, second])[None, :, None]  # [1, 2, 1, 2, 3]
    between = [1.0, 5.0, np.sqrt(26), 0.0]  # joint of the first frame by joint of the second
    assert measure(window, "joint").flatten().tolist() == pytest.approx([5.0, np.sqrt(26), *between])
    assert measure(window, "raw").flatten().tolist() == [0, 0, 0, 3, 4, 0, 0, 0, 1, 3, 4, 0]
    assert size(2, 2, "joint") == 6 and size(2, 2, "raw") == 12


def test_windows_vote() -> None:
    model = STALSTM(Config(1, 1, 2, spatial=False, temporal=False), main=lambda inputs, c: WindowSVM(inputs, c, "raw", 1))
    with torch.no_grad():
        model.main.z.weight.copy_(torch.tensor([[1.0, 0, 0], [-1.0, 0, 0]]))  # type: ignore[union-attr]
        model.main.z.bias.zero_()  # type: ignore[union-attr]
    x = torch.zeros(4, 1, 1, 3)
    x[:, 0, 0, 0] = torch.tensor([0.1, 0.1, 0.1, -9.0])
    assert model(x, torch.ones(4, 1, dtype=torch.bool)).logits.tolist() == [[0.75, 0.25]]
