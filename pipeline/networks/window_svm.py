"""Kind `window-svm`: votes of windows of frames, fitted by liblinear instead of gradient steps."""

from __future__ import annotations

from pipeline.networks.liblinear import train
from pipeline.networks.windows import WindowSVM

__all__ = ["NETWORK", "train"]

NETWORK = WindowSVM
