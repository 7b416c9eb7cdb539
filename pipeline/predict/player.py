"""One HTML file that plays clips with the attention that a model gave them; it holds all it needs and asks no server.

Everything that comes from files, names of clips and classes, travels as JSON and becomes text; nothing of it is markup or code.
The policy in the page's head lets its own script and style run, by their hashes, and forbids every request.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from jinja2 import Environment, StrictUndefined

from pipeline.core.files import whole
from pipeline.core.skeletons import Frames
from pipeline.predict.card import Card
from pipeline.predict.model import Prediction, Weights
from pipeline.predict.tables import rounded

STEPS = 5000  # coordinates are whole numbers from -STEPS to STEPS, of the clip's largest
BARS = 6  # classes shown of each clip, and the true one


def write(path: Path, card: Card, predictions: Sequence[Prediction], total: int = 0) -> None:
    """Write the page of these clips, whole or not at all; `total` is of how many they are the first."""
    script, style = (_text(f"player.{kind}") for kind in ("js", "css"))
    # In a script element nothing but "<" can end it or begin a comment.
    data = json.dumps(document(card, predictions), separators=(",", ":")).replace("<", "\\u003c")
    page = Environment(autoescape=True, undefined=StrictUndefined).from_string(_text("player.html.j2"))
    values = {"title": card.title, "synthetic": card.skeleton.synthetic, "policy": policy(script, style)}
    values |= {"shown": len(predictions), "total": max(total, len(predictions))}
    html = page.render(**values).replace("@STYLE@", style).replace("@SCRIPT@", script).replace("@DATA@", data)
    with whole(path) as unfinished:
        unfinished.write_text(html, encoding="utf-8")


def _text(name: str) -> str:
    return (resources.files("pipeline.predict") / name).read_text(encoding="utf-8")


def policy(script: str, style: str) -> str:
    """Content-Security-Policy: this script and this style, an empty icon, and nothing else."""
    digests = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in (script, style)]
    own = f"script-src 'sha256-{digests[0]}'; style-src 'sha256-{digests[1]}'"
    return f"default-src 'none'; {own}; img-src data:; base-uri 'none'; form-action 'none'"


def document(card: Card, predictions: Sequence[Prediction]) -> dict[str, Any]:
    """What the script reads. `alpha` of a clip are hundredths of equal weights, a frame after the other, `xyz` likewise."""
    skeleton = card.skeleton
    names = short([prediction.clip for prediction in predictions])
    return {
        "joints": skeleton.joints,
        "bones": skeleton.bones,
        "fps": skeleton.fps,
        "clips": [_clip(card, name, prediction) for name, prediction in zip(names, predictions, strict=True)],
    }


def short(names: Sequence[str]) -> list[str]:
    """Names without the folders that they all share; those belong to the machine that predicted."""
    common = os.path.commonprefix(names) if len(names) > 1 else names[0]  # noqa: RUF071 (a zip's name ends with a colon)
    start = max(common.rfind(mark) for mark in "/:\\") + 1
    return [name[start:] for name in names]


def _clip(card: Card, name: str, prediction: Prediction) -> dict[str, Any]:
    length, bodies = prediction.frames.shape[:2]
    coordinates, step = whole_numbers(prediction.frames)
    best = [pair for i, pair in enumerate(prediction.ranked) if i < BARS or pair[0] == prediction.true]
    alpha = None
    if prediction.alpha is not None:
        times = len(card.gates) * by_frame(prediction.alpha, length)
        if len(card.gates) < bodies * len(card.skeleton.joints):
            times = np.tile(times, bodies)  # the same weights for each body
        alpha = np.round(100 * times[:, : bodies * len(card.skeleton.joints)]).astype(int).ravel().tolist()
    return {
        "name": name,
        "true": prediction.true,
        "classes": [[label, round(share, 4)] for label, share in best],
        "length": length,
        "bodies": bodies,
        "step": step,
        "xyz": coordinates,
        "alpha": alpha,
        "beta": None if prediction.beta is None else rounded(by_frame(prediction.beta, length), 5),
    }


def whole_numbers(frames: Frames) -> tuple[list[int], float]:
    """Coordinates as whole numbers of a step, and the step: a third of the size of decimals."""
    step = float(np.abs(frames).max()) / STEPS or 1.0
    return np.round(frames.astype(np.float64) / step).astype(int).ravel().tolist(), step


def by_frame(weights: Weights, length: int) -> npt.NDArray[np.float64]:
    """Attention `[N, ...]` at each of the clip's frames `[length, ...]`, linear in time where the recipe resamples clips."""
    values = weights.astype(np.float64)
    if len(values) == length:
        return values
    place = np.linspace(0, len(values) - 1, length)
    flat = values.reshape(len(values), -1)
    columns = [np.interp(place, np.arange(len(values)), column) for column in flat.T]
    return np.stack(columns, axis=1).reshape(length, *values.shape[1:])
