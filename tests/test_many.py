"""Networks trained together learn what they learn one by one."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from benchmarks.many import Many, ManyTrainer, lstm
from pipeline.core.model import STALSTM, Config, Penalties
from pipeline.core.settings import Training
from pipeline.core.training.batches import Batch
from pipeline.core.training.loop import Rate, Trainer

CONFIG = Config(joints=4, bodies=2, classes=3, hidden=12, attention_hidden=10, layers=2, dropout=0.0)
TRAINING = Training(batch=5, learning_rate=0.01, temporal_rate=0.3, clip_norm=0.5, weight_decay=0.01)
PENALTIES = Penalties(0.01, 0.02, 0.0003, label_smoothing=0.1)
COUNT, FRAMES, CLIPS = 3, 7, 5


def networks(config: Config) -> list[STALSTM]:
    found = []
    for seed in range(COUNT):
        torch.manual_seed(seed)
        found.append(STALSTM(config))
    return found


def data(step: int) -> tuple[Tensor, Tensor, Tensor]:
    """Clips of each network's own, of 3 to 7 frames."""
    drawn = torch.Generator().manual_seed(100 + step)
    lengths = torch.randint(3, FRAMES + 1, (COUNT, CLIPS), generator=drawn)
    lengths[:, 0] = FRAMES
    mask = torch.arange(FRAMES)[None, :, None] < lengths[:, None]
    x = torch.randn(COUNT, FRAMES, CLIPS, 8, 3, generator=drawn) * mask[..., None, None]
    return x, mask, torch.randint(3, (COUNT, CLIPS), generator=drawn)


def test_the_grouped_lstm_is_torchs_lstm() -> None:
    layers = [torch.nn.LSTM(6, 9) for _ in range(COUNT)]
    x = torch.randn(COUNT, FRAMES, CLIPS, 6)
    stacked = {
        f"a.{name}": torch.stack([dict(one.named_parameters())[name] for one in layers])
        for name, _ in layers[0].named_parameters()
    }
    expected = torch.stack([one(x[n])[0] for n, one in enumerate(layers)])
    torch.testing.assert_close(lstm(stacked, "a", x), expected, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize(
    ("change", "frozen"),
    [
        ({}, ()),
        ({"temporal": False}, ()),
        ({"spatial": False, "score_norm": "beta"}, ()),
        ({"spatial": False, "temporal": False, "score_norm": "none"}, ()),
        ({"alpha_scale": "one"}, ("spatial", "temporal")),
    ],
)
def test_training_together_is_training_one_by_one(change: dict[str, object], frozen: tuple[str, ...]) -> None:
    """Ten steps with penalties, clipping of each network by itself, and weight decay; within 1e-4 of the weights."""
    config = replace(CONFIG, **change)  # type: ignore[arg-type]
    models = networks(config)
    for model in models:
        for part in frozen:
            getattr(model, part).requires_grad_(False)
    together = ManyTrainer(Many(models).train(), TRAINING, PENALTIES)
    alone = [Trainer(model.train(), TRAINING, PENALTIES, torch.device("cpu"), Rate(TRAINING, 100)) for model in models]
    for step in range(10):
        x, mask, labels = data(step)
        losses = together.step(x, mask, labels, 0.01)
        expected = [one.step(Batch(x[n], mask[n], labels[n]), 0.01)[2].total for n, one in enumerate(alone)]
        torch.testing.assert_close(losses, torch.stack(expected).detach(), atol=1e-4, rtol=1e-4)
    assert not torch.equal(Many(models).weights["main.z.weight"], Many(networks(config)).weights["main.z.weight"])
    for n, model in enumerate(models):
        for name, weight in model.named_parameters():
            torch.testing.assert_close(together.many.weights[name][n].detach(), weight.detach(), atol=1e-4, rtol=1e-3)


def test_settings_that_are_not_stacked_are_refused() -> None:
    with pytest.raises(ValueError, match="only the settings of the paper"):
        Many(networks(replace(CONFIG, beta_layers=2)))
