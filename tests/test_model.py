"""The model against per-frame loops and hand-computed values."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch import Tensor, nn

from pipeline.core.model import STALSTM, Config, Output, Penalties, objective
from pipeline.core.model.sta_lstm import Dropout, initialise

T, B, J, M, C = 7, 3, 5, 2, 4
LENGTHS = [7, 4, 6]


@pytest.fixture
def batch() -> tuple[Tensor, Tensor, Tensor]:
    torch.manual_seed(0)
    x = torch.randn(T, B, M * J, 3, dtype=torch.float64)
    mask = torch.arange(T).unsqueeze(1) < torch.tensor(LENGTHS)
    return x * mask[..., None, None], mask, torch.tensor([0, 3, 1])


def make(**changes: object) -> STALSTM:
    torch.manual_seed(1)
    config = dataclasses.replace(Config(J, M, C, hidden=6, attention_hidden=6, dropout=0.0), **changes)
    return STALSTM(config).double()


def cell_of(lstm: nn.LSTM) -> nn.LSTMCell:
    cell = nn.LSTMCell(lstm.input_size, lstm.hidden_size).double()
    for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
        setattr(cell, name, getattr(lstm, f"{name}_l0"))  # shares the parameters, so gradients meet in one place
    return cell


def by_frames(model: STALSTM, x: Tensor, mask: Tensor) -> Output:
    """One clip at a time, one frame at a time, equation by equation, without padding."""
    c, spatial, temporal = model.config, model.spatial, model.temporal
    assert spatial is not None and temporal is not None
    logits, alphas, betas = [], torch.zeros(T, B, c.K).double(), torch.zeros(T, B).double()
    for b in range(B):
        cells = {"s": cell_of(spatial.lstm), "t": cell_of(temporal.lstm)}
        cells |= {str(i): cell_of(lstm) for i, lstm in enumerate(model.main.lstms)}
        state = {k: (torch.zeros(1, 6).double(), torch.zeros(1, 6).double()) for k in cells}
        o = torch.zeros(C).double()
        for t in range(int(mask[:, b].sum())):
            x_t = x[t, b].reshape(1, -1)
            alpha = torch.softmax(spatial.U_s(torch.tanh(spatial.W_xs(x_t) + spatial.W_hs(state["s"][0]))), -1)[0]
            beta = torch.relu(temporal.w_x(x_t) + temporal.w_h(state["t"][0]))[0, 0]
            for k in ("s", "t"):
                state[k] = cells[k](x_t, state[k])
            h = (c.K * alpha[:, None] * x[t, b]).reshape(1, -1)
            for i in range(c.layers):
                state[str(i)] = cells[str(i)](h, state[str(i)])
                h = state[str(i)][0]
            o = o + beta * model.main.z(h)[0]
            alphas[t, b], betas[t, b] = alpha, beta
        logits.append(o / mask[:, b].sum())
    return Output(torch.stack(logits), alphas, betas)


def test_whole_clips_equal_the_loop_over_frames(batch: tuple[Tensor, Tensor, Tensor]) -> None:
    x, mask, labels = batch
    model, p = make(), Penalties(lambda1=0.1, lambda2=0.1, lambda3=0.001)
    results = []
    for forward in (model, lambda x, mask: by_frames(model, x, mask)):
        model.zero_grad()
        terms = objective(model, forward(x, mask), labels, mask, p)
        terms.total.backward()
        results.append((terms, [q.grad.clone() for q in model.parameters() if q.grad is not None]))
    (fast, fast_gradients), (slow, slow_gradients) = results
    assert len(fast_gradients) == len(list(model.parameters()))
    torch.testing.assert_close(tuple(fast), tuple(slow), atol=1e-6, rtol=0)
    torch.testing.assert_close(fast_gradients, slow_gradients, atol=1e-6, rtol=0)


@pytest.mark.parametrize("switches", [(False, False), (True, False), (False, True), (True, True)])
def test_padding_never_changes_an_output(batch: tuple[Tensor, Tensor, Tensor], switches: tuple[bool, bool]) -> None:
    x, mask, labels = batch
    model = make(spatial=switches[0], temporal=switches[1])
    padded_x = torch.cat([x, torch.full_like(x, 9.0)])  # rubbish in the padding, not even zeros
    padded_mask = torch.cat([mask, torch.zeros_like(mask)])
    short, long = model(x, mask), model(padded_x, padded_mask)
    torch.testing.assert_close(short.logits, long.logits, atol=1e-12, rtol=0)
    losses = [objective(model, o, labels, m, Penalties(1.0, 1.0)).total for o, m in ((short, mask), (long, padded_mask))]
    torch.testing.assert_close(losses[0], losses[1], atol=1e-12, rtol=0)


def test_clips_do_not_mix_in_a_batch(batch: tuple[Tensor, Tensor, Tensor]) -> None:
    x, mask, _ = batch
    model = make()
    together = model(x, mask)
    for b, length in enumerate(LENGTHS):
        alone = model(x[:length, b : b + 1], mask[:length, b : b + 1])
        torch.testing.assert_close(alone.logits[0], together.logits[b], atol=1e-12, rtol=0)
        torch.testing.assert_close(alone.alpha[:, 0], together.alpha[:length, b], atol=1e-12, rtol=0)


def test_attention_at_a_frame_sees_the_frames_up_to_it_alone(batch: tuple[Tensor, Tensor, Tensor]) -> None:
    x, mask, _ = batch
    model = make()
    changed = x.clone()
    changed[3, 0] += 1.0
    before, after = model(x, mask), model(changed, mask)
    assert torch.equal(before.alpha[:3, 0], after.alpha[:3, 0]) and torch.equal(before.beta[:3, 0], after.beta[:3, 0])
    assert not torch.allclose(before.alpha[3, 0], after.alpha[3, 0])
    assert not torch.allclose(before.alpha[4, 0], after.alpha[4, 0])  # through h_{t-1}


@pytest.mark.parametrize(("scale", "factor"), [("joints", 1.0), ("one", 0.1)])
def test_equal_weights_gate_the_input_by_the_chosen_scale(scale: str, factor: float) -> None:
    model = make(alpha_scale=scale)
    x = torch.ones(T, B, M * J, 3).double()
    gated = model.gate(x, torch.full((T, B, M * J), 1 / (M * J)).double())
    torch.testing.assert_close(gated, factor * x)


def test_shared_gates_treat_both_people_alike() -> None:
    model = make(gates="per_person_shared")
    alpha = torch.softmax(torch.arange(J).double(), 0).expand(1, 1, J)
    gated = model.gate(torch.ones(1, 1, M * J, 3).double(), alpha)[0, 0, :, 0]
    torch.testing.assert_close(gated[:J], J * alpha[0, 0])
    torch.testing.assert_close(gated[J:], J * alpha[0, 0])


def test_plain_lstm_averages_the_scores_of_the_real_frames(batch: tuple[Tensor, Tensor, Tensor]) -> None:
    x, mask, _ = batch
    model = make(spatial=False, temporal=False)
    z = model.main(x.flatten(2), mask)
    expected = torch.stack([z[:n, b].mean(0) for b, n in enumerate(LENGTHS)])
    torch.testing.assert_close(model(x, mask).logits, expected)
    summed = make(spatial=False, temporal=False, score_norm="none")(x, mask).logits
    torch.testing.assert_close(summed, expected * torch.tensor(LENGTHS)[:, None])


def test_scores_divided_by_the_sum_of_beta(batch: tuple[Tensor, Tensor, Tensor]) -> None:
    x, mask, _ = batch
    summed, normed = make(score_norm="none")(x, mask), make(score_norm="beta")(x, mask)
    torch.testing.assert_close(normed.logits * summed.beta.sum(0).unsqueeze(-1), summed.logits)


def test_dropout_after_each_layer_or_the_last_alone(batch: tuple[Tensor, Tensor, Tensor]) -> None:
    x, mask, _ = batch
    for after, calls in (("each", 3), ("last", 1)):
        model, seen = make(dropout_after=after), []
        model.main.dropout.register_forward_hook(lambda module, inputs, output, seen=seen: seen.append(output))
        model(x, mask)
        assert len(seen) == calls
        gated = model.gate(x, model.spatial(x.flatten(2))).flatten(2)
        torch.testing.assert_close(model.main.z(seen[-1]), model.main(gated, mask))


def test_penalties_by_hand() -> None:
    model = make(alpha_scale="one")
    alpha = torch.tensor([[[0.5, 0.5]], [[1.0, 0.0]], [[0.3, 0.7]]]).double()  # [T=3, B=1, K=2]; the last frame is padding
    beta = torch.tensor([[2.0], [4.0], [0.0]]).double()
    mask = torch.tensor([[True], [True], [False]])
    output = Output(torch.zeros(1, C).double(), alpha, beta)
    terms = objective(model, output, torch.tensor([0]), mask, Penalties(lambda1=10.0, lambda2=100.0))
    assert terms.cross_entropy.item() == pytest.approx(1.3862943611198906)  # log 4
    assert terms.spatial.item() == pytest.approx(10 * ((1 - 0.75) ** 2 + (1 - 0.25) ** 2))
    assert terms.temporal.item() == pytest.approx(100 * 3.0)
    squared = objective(model, output, torch.tensor([0]), mask, Penalties(lambda2=100.0, beta_norm="squared"))
    assert squared.temporal.item() == pytest.approx(100 * (4 + 16) / 2)


def test_smoothed_labels_by_hand() -> None:
    logits = torch.tensor([[2.0, 0.0, 0.0, 0.0]]).double()
    output, one = Output(logits, None, None), torch.ones(1, 1, dtype=torch.bool)
    terms = objective(make(), output, torch.tensor([0]), one, Penalties(lambda1=0.0, lambda2=0.0, label_smoothing=0.2))
    total = torch.logsumexp(logits, 1).item()  # -log p is total - 2 for the label, total for the other three
    assert terms.total.item() == pytest.approx(0.8 * (total - 2) + 0.2 * (4 * total - 2) / 4)


@pytest.mark.parametrize(("p", "per"), [(0.5, "frame"), (0.2, "frame"), (0.5, "clip")])
def test_dropout_drops_its_share_and_keeps_the_mean(p: float, per: str) -> None:
    torch.manual_seed(3)
    dropout, x = Dropout(p, per), torch.full((50, 41, 99), 2.0)
    y = dropout(x)
    kept = torch.tensor(2 / (1 - p))
    assert set(y.unique().tolist()) == {0.0, kept.item()}
    assert (y == 0).float().mean().item() == pytest.approx(p, abs=0.01 if per == "frame" else 0.03)
    same_over_time = torch.equal(y, y[:1].expand_as(y))
    assert same_over_time == (per == "clip")
    assert torch.equal(dropout.eval()(x), x)


def test_neighbouring_numbers_of_a_dropout_mask_are_independent() -> None:
    torch.manual_seed(4)
    dropped = (Dropout(0.5)(torch.ones(1, 1, 400_000)) == 0).flatten().float()
    for lag in (1, 2, 3, 4):  # four numbers come from one draw
        assert (dropped[lag:] * dropped[:-lag]).mean().item() == pytest.approx(0.25, abs=0.005)


def test_velocity_channels_are_gated_with_their_joint(batch: tuple[Tensor, Tensor, Tensor]) -> None:
    model, (x, _, _) = make(channels=6), batch
    both = torch.cat([x, 2 * x], -1)  # [T, B, K, 6]
    alpha = torch.softmax(torch.randn(T, B, M * J).double(), -1)
    torch.testing.assert_close(model.gate(both, alpha), torch.cat([model.gate(x, alpha), 2 * model.gate(x, alpha)], -1))
    assert model.main.lstms[0].input_size == M * J * 6


def test_l1_counts_connection_matrices_that_are_trained() -> None:
    model = make()
    for q in model.parameters():
        nn.init.constant_(q, -2.0)
    output = Output(torch.zeros(1, C).double(), None, None)
    one_clip = (torch.tensor([0]), torch.ones(1, 1, dtype=torch.bool))
    matrices = sum(q.numel() for q in model.parameters() if q.ndim == 2)
    main = sum(q.numel() for q in model.main.parameters() if q.ndim == 2)
    assert objective(model, output, *one_clip, Penalties(lambda3=1.0)).l1.item() == 2 * matrices
    assert objective(model, output, *one_clip, Penalties(lambda3=1.0, l1_scope="main")).l1.item() == 2 * main
    assert objective(model, output, *one_clip, Penalties(lambda3=1.0, l1_reduce="mean")).l1.item() == 2.0
    model.main.requires_grad_(False)
    assert objective(model, output, *one_clip, Penalties(lambda3=1.0)).l1.item() == 2 * (matrices - main)


def test_number_of_parameters_at_the_paper_s_size() -> None:
    """Counted by hand: an LSTM of n inputs has 4 * 100 * (n + 100 + 2); NTU has 150 inputs, 50 gates, 60 classes."""
    model = STALSTM(Config(joints=25, bodies=2, classes=60))
    lstm150, lstm100 = 400 * 252, 400 * 202
    spatial = lstm150 + 150 * 100 + 100 + 100 * 100 + 100 * 50 + 50
    temporal = lstm150 + 150 + 1 + 100
    assert sum(q.numel() for q in model.parameters()) == lstm150 + 2 * lstm100 + 6060 + spatial + temporal


@pytest.mark.parametrize("init", ["default_orthogonal", "gaussian"])
def test_weights_of_a_part_come_from_its_own_generator(init: str) -> None:
    def weights(spatial: bool) -> list[Tensor]:
        generators = {name: torch.Generator().manual_seed(i) for i, name in enumerate(("main", "spatial", "temporal"))}
        model = STALSTM(Config(J, M, C, spatial=spatial, init=init), generators)
        return [*model.main.parameters(), *model.temporal.parameters()]

    assert all(torch.equal(a, b) for a, b in zip(weights(True), weights(False), strict=True))


def test_initial_values() -> None:
    model = make(beta_bias=0.5)
    initialise(model.main, "default_orthogonal")
    lstm = model.main.lstms[0]
    for gate in lstm.weight_hh_l0.chunk(4):
        torch.testing.assert_close(gate @ gate.T, torch.eye(6).double())
    assert (lstm.bias_ih_l0 + lstm.bias_hh_l0).tolist() == [0.0] * 6 + [1.0] * 6 + [0.0] * 12
    assert model.temporal.w_x.bias.tolist() == [0.5]
    x = 3 * torch.randn(20, 8, M * J, 3).double()
    small = make(beta_share=0.0, beta_bias=0.5)
    assert bool((small.temporal(x.flatten(2)) == 0.5).all()), "beta starts at its bias in every frame"
    two = make(beta_layers=2, beta_bias=0.5)
    assert two.temporal.w_out.bias.tolist() == [0.5] and two.temporal.w_x.bias.tolist() == [0.0] * 6
