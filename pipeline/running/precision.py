"""Whether this machine can train in the precision that `training.precision` says, asked before hours of work are handed out."""

from __future__ import annotations

from pipeline.core.errors import TrainingFailed
from pipeline.core.settings import Training


def check(training: Training) -> None:
    """`TrainingFailed` where an LSTM cannot be run so: on processors without AVX-512 torch has none in bfloat16 autocast."""
    if training.precision == "float32":
        return
    import torch  # noqa: PLC0415

    from pipeline.core.training.loop import autocast, device_of  # noqa: PLC0415

    device = device_of(training)
    try:
        with autocast(training, device), torch.no_grad():
            torch.nn.LSTM(4, 4).to(device)(torch.zeros(2, 1, 4, device=device))
    except RuntimeError as error:
        first = str(error).splitlines()[0]
        raise TrainingFailed(
            f"training.precision: {training.precision}: torch cannot run an LSTM so on this machine ({device}: {first});"
            " train in float32, on a GPU, or on a processor with AVX-512"
        ) from error
