"""Knock-outs of attention: replaced weights by hand, networks whose answer is known, and the command on trained networks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from click.testing import CliRunner
from torch import Tensor, nn

from pipeline import cli
from pipeline.commands import knockout
from pipeline.config import params as parameters
from pipeline.core.errors import ParamsError, ResultsMissing
from pipeline.core.model import STALSTM, Config
from pipeline.core.skeletons import Meta, Sample, Store, Writer
from pipeline.core.training.augment import views
from pipeline.core.training.batches import Clips
from pipeline.core.training.loop import predict, predict_views
from pipeline.knockout import kinds, measures, predictions, replacements
from pipeline.knockout.kinds import DIFFERENT, MEAN, OTHER, SAME, UNIFORM, Knockout
from pipeline.knockout.predictions import Means, Question, View
from pipeline.knockout.replacements import Alphas, Betas, alpha_of, beta_of, moved, there
from pipeline.stages import evaluate, finetune, pretrain
from tests.conftest import META, write_params

CPU = torch.device("cpu")
TWO = Config(2, 2, 3)  # two joints, two bodies: gates a1, a2, b1, b2
SIZES = Config(4, 2, 3, hidden=6, attention_hidden=5, beta_share=1.0)


def frames(*numbers: Any) -> Tensor:
    """One clip as a batch: `[T, 1, ...]`."""
    return torch.tensor(numbers).unsqueeze(1)


# Weights by hand


def test_a_body_is_there_where_any_of_its_joints_is() -> None:
    x = torch.zeros(3, 1, 4, 3)
    x[:2, 0, 1] = 1.0  # the second joint of the first body; its first joint is at the origin
    x[1, 0, 2, 2] = -0.1
    expected = [[True, True, False, False], [True] * 4, [False] * 4]
    assert there(x, TWO)[:, 0].tolist() == expected
    shared = there(x, replace(TWO, gates="per_person_shared"))
    assert shared[:, 0].tolist() == [[True, True], [True, True], [False, False]]


def test_uniform_alpha_keeps_the_sum_of_the_bodies_that_are_there() -> None:
    own = frames([0.1, 0.3, 0.4, 0.2], [0.1, 0.3, 0.4, 0.2])
    where = frames([True, True, False, False], [True, True, True, True])
    found = alpha_of(UNIFORM, Alphas(own, own), torch.ones(4), where)
    torch.testing.assert_close(found, frames([0.2, 0.2, 0.0, 0.0], [0.25, 0.25, 0.25, 0.25]))


def test_mean_and_lent_alpha_are_scaled_to_it() -> None:
    own, where = frames([0.1, 0.3, 0.4, 0.2]), frames([True, True, False, False])
    lent = frames([0.05, 0.15, 0.5, 0.3])
    torch.testing.assert_close(
        alpha_of(MEAN, Alphas(own, lent), torch.tensor([0.2, 0.6, 0.1, 0.1]), where), frames([0.1, 0.3, 0, 0])
    )
    torch.testing.assert_close(alpha_of(OTHER, Alphas(own, lent), torch.ones(4), where), frames([0.1, 0.3, 0.0, 0.0]))
    torch.testing.assert_close(moved(lent, own, where), torch.zeros(1, 1))


def test_beta_by_hand() -> None:
    mask = frames(True, True, True, False)
    betas = Betas(frames(1.0, 3.0, 2.0, 0.0), frames(0.0, 0.0, 0.5, 0.0), frames(1.0, 1.0, 2.0, 0.0))
    expected = {MEAN: [5.0, 5, 5, 0], UNIFORM: [2.0, 2, 2, 0], OTHER: [0.0, 0, 6, 0], kinds.BY_TIME: [1.5, 1.5, 3, 0]}
    for by, weights in expected.items():
        torch.testing.assert_close(beta_of(by, betas, 5.0, mask), frames(*weights))


def test_an_attention_that_died_stays_so_and_one_that_lends_nothing_is_uniform() -> None:
    mask, dead, live = frames(True, True), frames(0.0, 0.0), frames(1.0, 3.0)
    assert beta_of(UNIFORM, Betas(dead, live, live), 1.0, mask).flatten().tolist() == [0.0, 0.0]
    assert beta_of(OTHER, Betas(live, dead, live), 1.0, mask).flatten().tolist() == [2.0, 2.0]


def test_share_of_weight_that_moves() -> None:
    own, new = torch.tensor([0.1, 0.3, 0.6]), torch.tensor([2.0, 2.0, 6.0])
    everywhere = torch.ones(3, dtype=torch.bool)
    assert float(moved(new, own, everywhere)) == pytest.approx(0.1)
    assert float(moved(new, own, torch.tensor([True, True, False]))) == pytest.approx(0.25)


# Networks whose answer is known


@pytest.fixture
def clips(small_store: tuple[Path, Path]) -> Clips:
    """24 clips of 5 to 8 frames; every second one has both bodies."""
    return Clips(Store(small_store[0]), np.arange(24))


def network(**changes: Any) -> STALSTM:
    torch.manual_seed(5)
    model = STALSTM(replace(SIZES, **changes)).eval()
    for part in (model.spatial, model.temporal):
        for weight in part.parameters() if part is not None else ():
            nn.init.normal_(weight, std=1.0)
    return model


def asked(clips: Clips, count: int = 1) -> Question:
    lenders = predictions.lenders(clips.labels, np.random.default_rng(0))
    return Question(clips, clips, views(clips.store.meta, count), lenders, 5)


def view(model: STALSTM, clips: Clips, change: Any = None) -> View:
    means = predictions.training_means(model, clips, CPU, change, 5)
    return View(clips, change, predict(model, clips, 256, CPU, change), means, asked(clips).lenders)


@pytest.mark.parametrize("gates", ["both_people", "per_person_shared"])
@pytest.mark.parametrize("norm", ["frames", "none", "beta"])
def test_attention_given_back_changes_no_bit(clips: Clips, gates: Any, norm: Any) -> None:
    model = network(gates=gates, score_norm=norm)
    parts = model.spatial, model.temporal
    for change in views(clips.store.meta, 4):
        seen = view(model, clips, change)
        for places, batch in clips.in_order(predictions.SIZE, change):
            alphas, betas = seen.weights(MEAN, places, batch.mask)
            assert alphas and betas
            with torch.no_grad(), replacements.given(model, alphas.own, betas.own):
                found = model(batch.x, batch.mask).logits.numpy()
            with torch.no_grad():
                own = model(batch.x, batch.mask).logits.numpy()
            assert np.array_equal(found, own)
    assert (model.spatial, model.temporal) == parts


def test_before_is_what_evaluate_answers(clips: Clips) -> None:
    model, seen = network(), views(clips.store.meta, 4)
    found = predictions.answer(model, asked(clips, 4), CPU)
    assert np.array_equal(found.before, predict_views(model, clips, 256, CPU, seen).logits)
    assert list(found.after) == list(kinds.ALL)


def test_each_view_is_knocked_out_by_itself(clips: Clips) -> None:
    """With the means and the lenders' weights of that view, then the mean of the logits; the share is that of the first view."""
    model = network()
    found, each = predictions.answer(model, asked(clips, 4), CPU), [view(model, clips, c) for c in views(clips.store.meta, 4)]
    assert not np.allclose(each[0].means.alpha, each[1].means.alpha)
    for k in (Knockout("spatial", MEAN), Knockout("both", OTHER)):
        expected = [predictions.knocked_out(model, one, k, CPU) for one in each]
        np.testing.assert_allclose(found.after[k][0], np.mean([logits for logits, _ in expected], 0), atol=1e-6)
        np.testing.assert_array_equal(found.after[k][1], expected[0][1])


@pytest.mark.parametrize("count", [1, 4])
def test_weights_that_never_change_have_nothing_to_lose(clips: Clips, count: int) -> None:
    """Alpha is the same in all clips, beta in all frames; where a second body is absent too."""
    model = network()
    with torch.no_grad():
        assert model.spatial is not None and model.temporal is not None
        model.spatial.U_s.weight.zero_()
        model.temporal.w_x.weight.zero_()
        model.temporal.w_h.weight.zero_()
        model.temporal.w_x.bias.fill_(0.7)
    found = predictions.answer(model, asked(clips, count), CPU)
    for k, (logits, _) in found.after.items():
        if k.part == "temporal" or k.by != UNIFORM:
            np.testing.assert_allclose(logits, found.before, atol=1e-5)
    table = predictions.table(found, asked(clips, count))
    assert (table.loc[table["by"] != UNIFORM, "moved"].dropna() < 1e-6).all()


def test_uniform_is_the_network_without_attention(small_store: tuple[Path, Path]) -> None:
    store = Store(small_store[0])
    both = Clips(store, np.flatnonzero(store.index["bodies"] == 2))
    model = network()
    without = STALSTM(replace(SIZES, spatial=False, temporal=False)).eval()
    without.main.load_state_dict(model.main.state_dict())
    found = predictions.answer(model, asked(both), CPU).after[Knockout("both", UNIFORM)][0]
    own = predict(model, both, 256, CPU)
    level = np.array([beta.mean() for beta in own.beta])[:, None]  # beta keeps its sum over the clip
    np.testing.assert_allclose(found, level * predict(without, both, 256, CPU).logits, atol=1e-5)


def test_an_absent_body_keeps_the_total(clips: Clips) -> None:
    """Uniform over 4 joints of the one body: each has a quarter of what that body had, not an eighth of everything."""
    model = network()
    seen = view(model, clips)
    assert model.config.K == 8
    for places, batch in clips.in_order(24):
        found = predictions.replaced(seen, Knockout("spatial", UNIFORM), places, batch, model.config).alpha
        assert found is not None
        for b, i in enumerate(places):
            own = seen.own.alpha[i]
            bodies = int(clips.store.index["bodies"].iloc[i])
            expected = np.zeros_like(own)
            expected[:, : 4 * bodies] = own[:, : 4 * bodies].sum(1, keepdims=True) / (4 * bodies)
            np.testing.assert_allclose(found[: len(own), b].numpy(), expected, atol=1e-6)


class Lengths(nn.Module):
    """Alpha that grows with the distance of a joint from the origin: what a mirror does to joints it does to alpha."""

    def forward(self, x: Tensor) -> Tensor:
        """Float `[T, B, 3 K]` -> `[T, B, K]`."""
        return torch.softmax(x.unflatten(-1, (-1, 3)).norm(dim=-1), -1)  # type: ignore[no-untyped-call,no-any-return]


@pytest.mark.parametrize("left_first", [False, True])
def test_a_mirrored_view_gets_mirrored_weights(left_first: bool, tmp_path: Path) -> None:
    meta = replace(META, left_first=left_first)
    store = random_store(tmp_path / "mirrored", meta)
    clips = Clips(store, np.arange(6))
    model = network(temporal=False)
    model.spatial = Lengths()  # type: ignore[assignment]
    plain, mirrored = (view(model, clips, change) for change in views(meta, 2))
    joints = [4 * b + j for b in ((1, 0) if left_first else (0, 1)) for j in meta.mirror]  # where each gate is seen
    batch = clips.batch(np.arange(6))
    for by in kinds.LENT:
        one, other = (seen.weights(by, np.arange(6), batch.mask)[0] for seen in (plain, mirrored))
        assert one and other and not torch.allclose(one.own, one.lent)
        torch.testing.assert_close(other.lent, one.lent[..., joints])
    torch.testing.assert_close(mirrored.means.alpha, plain.means.alpha[joints])


def random_store(folder: Path, meta: Meta) -> Store:
    rng = np.random.default_rng(3)
    with Writer(folder, meta) as writer:
        for i in range(6):
            writer.add(Sample(f"{i}", 1, 0, 0, 0, 1, i % 2 + 1), rng.normal(0, 1, (4 + i, 2, 4, 3)).astype(np.float32))
    return Store(folder)


@pytest.mark.parametrize("size", [3, 256])
def test_training_means_are_those_of_all_frames(clips: Clips, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predictions, "SIZE", size)
    model = network()
    own = predict(model, clips, 256, CPU)
    means: Means = predictions.training_means(model, clips, CPU, None, 5)
    np.testing.assert_allclose(means.alpha.numpy(), np.concatenate(own.alpha).mean(0), atol=1e-6)
    assert means.beta == pytest.approx(float(np.concatenate(own.beta).mean()), rel=1e-5)
    courses = [np.interp(np.linspace(0, len(beta) - 1, 5), np.arange(len(beta)), beta) for beta in own.beta]
    np.testing.assert_allclose(means.by_time, np.mean(courses, 0), atol=1e-5)


def test_lenders_are_others_of_the_class_that_is_asked_for() -> None:
    labels = np.array([0, 0, 0, 1, 1, 2])
    first, again, other = (predictions.lenders(labels, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert all(np.array_equal(first[by], again[by]) for by in kinds.LENT)
    assert any(not np.array_equal(first[by], other[by]) for by in kinds.LENT)
    assert (first[OTHER] != np.arange(6)).all()
    assert (labels[first[SAME]] == labels).all() and (first[SAME] != np.arange(6)).tolist() == [True] * 5 + [False]
    assert (labels[first[DIFFERENT]] != labels).all()


def test_a_network_that_reads_its_answer_from_alpha_follows_the_lender(clips: Clips) -> None:
    """Alpha says which of the hands has moved, and scores come from alpha alone: the lender's class is the answer."""
    model = network(temporal=False)

    class Told(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            hand = x.unflatten(-1, (-1, 3))[:, :, 2].abs()  # type: ignore[no-untyped-call]
            told = torch.nn.functional.one_hot(hand.sum(0).argmax(-1), 8).float()  # [B, K]
            return (0.9 * told + 0.1 / 8).expand(len(x), -1, -1)

    class Reads(nn.Module):
        def forward(self, x: Tensor, mask: Tensor) -> Tensor:
            return x.unflatten(-1, (-1, 3)).norm(dim=-1)[..., :3]  # type: ignore[no-untyped-call,no-any-return]

    store = Constant(clips)
    model.spatial, model.main = Told(), Reads()  # type: ignore[assignment]
    found = predictions.answer(model, asked(store), CPU)
    table = predictions.table(found, asked(store))
    assert (table["before"] == table["label"]).all()
    lent = table[table["by"].isin([SAME, DIFFERENT])]
    assert (lent["after"] == lent["lender"]).all()
    numbers = measures.numbers(lent[lent["by"] == DIFFERENT].assign(fold=1, seed=1), 0.95)
    assert numbers["to_lender"] == numbers["flipped"] == numbers["right_to_wrong"] == 100 == -numbers["difference"]
    assert measures.numbers(lent[lent["by"] == SAME].assign(fold=1, seed=1), 0.95)["flipped"] == 0


class Constant(Clips):
    """Clips whose joints all lie at distance 1 or 2 along the axis of their class, so that alpha alone tells the class."""

    def __init__(self, clips: Clips):
        super().__init__(clips.store, clips.rows)

    def clip(self, i: int, change: Any = None) -> Any:
        frames = np.zeros((5, 8, 3), np.float32)
        frames[:, :, self.labels[i]] = 1.0
        return frames


# Numbers and the table


def answers(**columns: list[Any]) -> pd.DataFrame:
    """Two folds of two sequences each, one seed, class 0 right; `after` of each."""
    base = {"fold": [1, 1, 2, 2], "seed": [1] * 4, "name": list("abcd"), "label": [0] * 4, "before": [0, 0, 0, 1]}
    base |= {"loss_before": [0.1, 0.1, 0.1, 2.0], "loss_after": [1.0, 0.2, 0.2, 0.2], "moved": [0.1, 0.3, 0.0, 0.0]}
    return pd.DataFrame({**base, "lender": [-1] * 4, **columns})


def test_numbers_by_hand() -> None:
    found = measures.numbers(answers(after=[1, 0, 0, 0], lender=[1, 1, 2, 2]), 0.95)
    expected = {"accuracy_before": 75.0, "accuracy_after": 75.0, "difference": 0.0, "flipped": 50.0, "right_to_wrong": 25.0}
    expected |= {"wrong_to_right": 25.0, "to_lender": 25.0, "moved": 10.0, "loss_before": 0.575, "loss_after": 0.4}
    assert {name: found[name] for name in expected} == pytest.approx(expected)
    assert np.isnan(measures.numbers(answers(after=[1, 0, 0, 0]), 0.95)["to_lender"])


def test_interval_by_hand() -> None:
    """One seed: in fold 1 changes -1 and 0, in fold 2 both 0; variance 0.5 of two sequences; two imagined ones of six."""
    table = answers(after=[1, 0, 0, 1])
    changes = (table["after"] == 0).astype(float) - (table["before"] == 0)
    points, low, high = measures.interval(table.assign(change=changes), 0.95)
    half = 195.996 * np.sqrt(0.5 / 2 / 4 + 2 / 36)
    assert (points, low, high) == pytest.approx((-25.0, max(-100, -25 - half), -25 + half), abs=1e-3)


def test_runs_that_differ_widen_the_interval() -> None:
    """Seed 1 loses both sequences of the fold, seed 2 none: nothing between sequences, all between runs."""
    table = pd.DataFrame({"fold": 1, "seed": [1, 1, 2, 2], "name": list("abab"), "change": [-1.0, -1, 0, 0]})
    points, low, high = measures.interval(table, 0.95)
    half = 195.996 * np.sqrt(0.5 / 2 + 2 / 16)
    assert (points, low, high) == pytest.approx((-50, -100, min(100, -50 + half)), abs=1e-3)


def test_no_change_in_few_sequences_is_no_certainty() -> None:
    table = pd.DataFrame({"fold": 1, "seed": 1, "name": [f"{i}" for i in range(98)], "change": 0.0})
    half = 195.996 * np.sqrt(2) / 100
    assert measures.interval(table, 0.95) == pytest.approx((0.0, -half, half), abs=1e-3)


def test_knockouts_of_a_method() -> None:
    assert {k.part for k in kinds.of(spatial=True, temporal=False)} == {"spatial"}
    assert {k.part for k in kinds.of(spatial=False, temporal=True)} == {"temporal"}
    assert kinds.of(spatial=True, temporal=True) == kinds.ALL


# The command


@pytest.fixture
def trained(small_project: Path) -> Path:
    """The small project, `p-sta-lstm` and `p-ta-lstm` trained, `p-sta-lstm` with four views and evaluated."""
    document = parameters.read()
    document["evaluate"]["views"] = 4
    write_params(document)
    for stage in (pretrain, finetune, evaluate):
        stage.main("p-sta-lstm")
    for stage in (pretrain, finetune):
        stage.main("p-ta-lstm")
    return small_project


TABLE, PAGE = Path("reports/knockout/demo.csv"), Path("reports/knockout/demo.md")


def test_command_reports_all_trained_cells_with_attention(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    knockout.main([])
    shown = capsys.readouterr()
    assert shown.out == "reports/knockout/demo.md: p-ta-lstm, p-sta-lstm\n"
    left = [line.split(": ")[1] for line in shown.err.splitlines() if line.startswith("left out: ")]
    assert "p-sa-lstm" in left and "p-lstm" not in left and "not those of" not in shown.err
    table = measures.read("demo")
    expected = [("p-sta-lstm", k) for k in kinds.ALL] + [("p-ta-lstm", k) for k in kinds.of(spatial=False, temporal=True)]
    found = zip(table["cell"], table["part"], table["replaced_by"], strict=True)
    assert list(found) == [(name, k.part, k.by) for name, k in expected]
    assert (table["folds"] == 2).all() and (table["seeds"] == 2).all() and (table["sequences"] == 18).all()
    saved = pd.read_csv("data/results/demo/p-sta-lstm/evaluate/predictions.csv")
    right = (saved["label"] == saved["predicted"]).groupby(saved["fold"]).mean().mean()
    own = table.loc[table["cell"] == "p-sta-lstm"]
    assert own["accuracy_before"].to_numpy() == pytest.approx(100 * right, abs=1e-4)
    assert (own["accuracy_after"] - own["accuracy_before"]).to_numpy() == pytest.approx(own["difference"].to_numpy(), abs=2e-4)
    assert own["moved"].isna().tolist() == [k.part == "both" for k in kinds.ALL]


def test_page_says_what_the_numbers_do_not_show(trained: Path) -> None:
    knockout.main(["p-ta-lstm"])
    text = PAGE.read_text()
    assert "SYNTHETIC" in text and "protocol p, synthetic" in text
    assert "Unchanged accuracy does not show that attention is not used" in text and "A drop does not show a benefit" in text
    assert "## p-ta-lstm" in text and "p-sta-lstm" not in text
    assert sum(line.startswith("| temporal |") for line in text.splitlines()) == 6


def test_a_later_call_keeps_the_rows_of_other_cells(trained: Path) -> None:
    knockout.main(["p-sta-lstm"])
    first = TABLE.read_text()
    knockout.main(["p-ta-lstm"])
    second, page = TABLE.read_text(), PAGE.read_text()
    assert second.startswith(first) and second.count("\n") == first.count("\n") + 6
    knockout.main(["p-sta-lstm"])
    assert (TABLE.read_text(), PAGE.read_text()) == (second, page), "the same seed, the same bytes"


def test_another_seed_lets_others_lend(trained: Path) -> None:
    knockout.main(["p-sta-lstm"])
    first = measures.read("demo").set_index(["part", "replaced_by"])
    document = parameters.read()
    document["knockout"]["seed"] = 2
    write_params(document)
    knockout.main(["p-sta-lstm"])
    second = measures.read("demo").set_index(["part", "replaced_by"])
    same = (first["loss_after"] == second["loss_after"]).groupby("replaced_by").all()
    assert same[MEAN] and same[UNIFORM] and same[kinds.BY_TIME] and not same[OTHER]


def test_copies_of_training_sequences_are_left_out(trained: Path) -> None:
    saved = pd.read_csv("data/results/demo/p-sta-lstm/evaluate/predictions.csv", dtype={"name": str})
    copy = str(saved["name"].iloc[0])
    document = parameters.read()
    document["answer"]["copies"] = {"p": copy}
    write_params(document)
    knockout.main(["p-sta-lstm"])
    assert (measures.read("demo")["sequences"] == 17).all()
    assert "17 sequences, 2 folds, 2 seeds, without test sequences that are copies of training sequences" in PAGE.read_text()
    kept = saved[saved["name"] != copy]
    right = (kept["label"] == kept["predicted"]).groupby(kept["fold"]).mean().mean()
    assert measures.read("demo")["accuracy_before"].to_numpy() == pytest.approx(100 * right, abs=1e-4)


def test_weights_that_are_not_those_of_the_predictions_are_noticed(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = Path("data/results/demo/p-sta-lstm/evaluate/predictions.csv")
    table = pd.read_csv(path)
    table.loc[3, "predicted"] = (table.loc[3, "predicted"] + 1) % 3
    table.to_csv(path, index=False)
    knockout.main(["p-sta-lstm"])
    assert "p-sta-lstm: 1 of 36 predictions are not those of" in capsys.readouterr().err


def test_cells_that_cannot_be_done_are_errors_when_named(trained: Path) -> None:
    with pytest.raises(ParamsError, match="p-lstm: method lstm has no attention"):
        knockout.main(["p-lstm"])
    with pytest.raises(ResultsMissing, match=r"p-sa-lstm: .*fold-1-seed-1/model.pt: expected the weights"):
        knockout.main(["p-sta-lstm", "p-sa-lstm"])
    done = CliRunner().invoke(cli.main, ["knockout", "p-sta-lst"])
    assert done.exit_code == 2 and "p-sta-lstm" in done.output
    assert not TABLE.exists() and not PAGE.exists()


def test_nothing_trained_is_an_error(small_project: Path) -> None:
    with pytest.raises(ResultsMissing, match="no cell in use has attention and trained weights"):
        knockout.main([])
