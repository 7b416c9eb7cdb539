"""Predictions as a table, and in full as JSON; both are written clip by clip, so their number costs no memory."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TextIO

import numpy as np

from pipeline.predict.card import Card
from pipeline.predict.model import Prediction

Take = Callable[[Prediction], None]
COLUMNS = (
    *("clip", "frames", "bodies", "predicted", "probability", "second", "second_probability", "true"),
    *("joint", "joint_alpha_times_k", "frame", "repaired"),
)
"""`joint` has the largest mean alpha, `joint_alpha_times_k` is that alpha as a multiple of equal weights; `frame` has the largest
beta, from 1, of the frames that the network sees; `repaired` what was wrong and mended, with the number of frames."""


@contextmanager
def as_csv(file: TextIO, card: Card) -> Iterator[Take]:
    """Takes predictions, writes a line each; columns `COLUMNS`, empty where there is nothing to say."""
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(COLUMNS)
    yield lambda prediction: writer.writerow(_line(prediction, card.gates))


def _line(prediction: Prediction, gates: list[str]) -> list[object]:
    (first, share), *others = prediction.ranked
    second, lesser = others[0] if others else ("", None)
    joint, weight, frame = "", "", ""
    if prediction.alpha is not None:
        mean = prediction.alpha.mean(axis=0)
        joint, weight = gates[int(mean.argmax())], f"{len(mean) * float(mean.max()):.3f}"
    if prediction.beta is not None:
        frame = str(int(prediction.beta.argmax()) + 1)
    length, bodies = prediction.frames.shape[:2]
    shares = [first, f"{share:.4f}", second, "" if lesser is None else f"{lesser:.4f}"]
    repaired = "; ".join(f"{repair} ({frames})" for repair, frames in prediction.repaired.items())
    return [prediction.clip, length, bodies, *shares, prediction.true or "", joint, weight, frame, repaired]


@contextmanager
def as_json(file: TextIO, card: Card) -> Iterator[Take]:
    """Takes predictions, writes one JSON document: `model`, `synthetic`, `classes`, `gates`, and a list `clips`.

    Of a clip: `clip`, `frames`, `bodies`, `predicted`, `true`, `probabilities` by class, `logits` in the order of `classes`,
    `alpha` (a list of weights a frame, in the order of `gates`) and `beta` (one a frame), or null where the model has none, and
    `repaired`, the number of frames by what was wrong with the recording and mended.
    """
    about = {"model": card.model_dump(mode="json", exclude={"skeleton"}), "synthetic": card.skeleton.synthetic}
    head = json.dumps({**about, "classes": card.skeleton.actions, "gates": card.gates})
    file.write(head[:-1] + ', "clips": [')
    separator = "\n"

    def take(prediction: Prediction) -> None:
        nonlocal separator
        file.write(separator + json.dumps(_document(prediction)))
        separator = ",\n"

    yield take
    file.write("\n]}\n")


def _document(prediction: Prediction) -> dict[str, Any]:
    length, bodies = prediction.frames.shape[:2]
    return {
        "clip": prediction.clip,
        "frames": length,
        "bodies": bodies,
        "predicted": prediction.predicted,
        "true": prediction.true,
        "probabilities": {name: round(share, 6) for name, share in prediction.probabilities.items()},
        "logits": rounded(prediction.logits),
        "alpha": None if prediction.alpha is None else rounded(prediction.alpha),
        "beta": None if prediction.beta is None else rounded(prediction.beta),
        "repaired": dict(prediction.repaired),
    }


def rounded(numbers: Any, digits: int = 6) -> Any:
    """Lists of numbers, rounded to this many decimals."""
    return np.round(np.asarray(numbers, np.float64), digits).tolist()
