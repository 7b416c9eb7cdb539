"""How this processor computes: whether in the precision that `training.precision` says, and by which of torch's kernels."""

from __future__ import annotations

import os

from pipeline.core.errors import TrainingFailed
from pipeline.core.settings import Training
from pipeline.running.executors import VARIABLE


def check(training: Training) -> None:
    """`TrainingFailed` where an LSTM cannot be run so on this processor: without AVX-512 torch has none in bfloat16 autocast.

    GPUs have it, and of workers on other machines this one knows nothing.
    """
    if training.precision == "float32" or os.environ.get(VARIABLE):
        return
    import torch  # noqa: PLC0415

    from pipeline.core.training.loop import autocast, device_of  # noqa: PLC0415

    device = device_of(training)
    if device.type != "cpu":
        return
    try:
        with autocast(training, device), torch.no_grad():
            torch.nn.LSTM(4, 4)(torch.zeros(2, 1, 4))
    except RuntimeError as error:
        first = str(error).splitlines()[0]
        raise TrainingFailed(
            f"training.precision: {training.precision}: torch cannot run an LSTM so on this processor ({first}); train in"
            " float32, on a GPU, or on a processor with AVX-512"
        ) from error


def kernels() -> str:
    """The instructions of this processor for which torch's kernels are made, such as `AVX512`: others round otherwise."""
    import torch  # noqa: PLC0415

    return str(torch.backends.cpu.get_cpu_capability())
