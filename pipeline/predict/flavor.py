"""What MLflow needs to open an exported file of weights: `mlflow.pyfunc.load_model` calls `_load_pyfunc` of this module."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.special import softmax

from pipeline.core.training.batches import Clips
from pipeline.errors import ModelUnusable
from pipeline.predict.model import InMemory, Model, load


class Loaded:
    """A model as MLflow calls it: skeletons of one clip in, class probabilities out."""

    def __init__(self, model: Model):
        self.model = model

    def predict(self, frames: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        """`frames` float32 `[T, M, J, 3]` as `normalize` leaves them -> probabilities float64 `[C]`, class by class."""
        settings, store = self.model.card.settings, InMemory([np.asarray(frames, np.float32)], self.model.card.meta)
        clips = Clips(store, np.arange(1), settings.training.frames, settings.model.velocity)
        found: npt.NDArray[np.float64] = softmax(self.model.answer(clips).logits[0].astype(np.float64))
        return found


def _load_pyfunc(path: str) -> Loaded:
    """The model in the file, or in the one file of the folder, that MLflow kept."""
    place = Path(path)
    files = [place] if place.is_file() else sorted(place.glob("*.safetensors"))
    if len(files) != 1:
        raise ModelUnusable(f"{path}: expected one file of weights, found {len(files)}")
    return Loaded(load(files[0]))
