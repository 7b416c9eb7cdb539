"""Would a temperature make the demo's probabilities better? Synthetic data; fitted on validation parts, looked at on test parts.

    python -m benchmarks.temperature [CELL ...]

A network's scores are divided by the temperature at which its validation clips, which it did not learn from, have the least
negative log-likelihood (Guo et al., ICML 2017); one for all runs of a cell. Needs the demo's weights (`make repro`).
"""

from __future__ import annotations

import sys

import numpy as np
import numpy.typing as npt
import torch

from pipeline.core import cell as cells
from pipeline.core.training.files import clips_of
from pipeline.core.training.loop import predict
from pipeline.core.training.run import restore

CELLS = ("demo-sbu-lstm", "demo-sbu-sta-lstm", "demo-ntu-cs-sta-lstm", "demo-ntu-cv-sta-lstm")
Scored = tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]


def scored(name: str, part: str) -> Scored:
    """Logits `[N, C]` and labels `[N]` of all runs of a cell on a part of its split."""
    logits, labels = [], []
    for job in cells.jobs(cells.load(name, "evaluate"), "finetune"):
        clips = clips_of(job, part)
        logits.append(predict(restore(job, clips.store), clips, 256, torch.device("cpu")).logits)
        labels.append(clips.labels)
    return np.concatenate(logits).astype(np.float64), np.concatenate(labels)


def log_probabilities(logits: npt.NDArray[np.float64], temperature: float) -> npt.NDArray[np.float64]:
    """log softmax of `logits / temperature`, `[N, C]`."""
    z = logits / temperature
    z = z - z.max(1, keepdims=True)
    return np.asarray(z - np.log(np.exp(z).sum(1, keepdims=True)))


def loss(found: Scored, temperature: float) -> float:
    """Mean negative log-likelihood."""
    logits, labels = found
    return -float(log_probabilities(logits, temperature)[np.arange(len(labels)), labels].mean())


def fitted(validation: Scored) -> float:
    """The temperature between 0.1 and 10 of least loss, to 1 %."""
    steps = np.exp(np.linspace(np.log(0.1), np.log(10), 461))
    return float(min(steps, key=lambda temperature: loss(validation, temperature)))


def main(names: list[str]) -> None:
    """A line a cell."""
    print("| cell | clips to fit on | temperature | log-likelihood lost, before and after | confidence | right |")
    print("|---|---:|---:|---:|---:|---:|")
    for name in names or CELLS:
        validation, test = scored(name, "validation"), scored(name, "test")
        temperature = fitted(validation)
        losses = " / ".join(f"{loss(test, t):.3f}" for t in (1.0, temperature))
        sure = " / ".join(f"{100 * np.exp(log_probabilities(test[0], t)).max(1).mean():.1f}" for t in (1.0, temperature))
        right = 100 * (test[0].argmax(1) == test[1]).mean()
        print(f"| {name} | {len(validation[1])} | {temperature:.2f} | {losses} | {sure} | {right:.1f} |")


if __name__ == "__main__":
    main(sys.argv[1:])
