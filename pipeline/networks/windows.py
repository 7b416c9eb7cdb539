"""Linear support vector machine on windows of frames: Yun, Honorio, Chattopadhyay, Berg, Samaras, CVPR workshops 2012.

A window is a frame with those before it, and votes for a class. `raw` are the positions of all joints; `joint` are distances:
between all pairs of joints within a frame, and of every joint to every joint in the other frames of the window.
"""

from __future__ import annotations

from itertools import combinations
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.core.model.sta_lstm import Config

Features = Literal["raw", "joint"]


def windows(x: Tensor, width: int) -> Tensor:
    """Each frame with the `width` - 1 before it, the clip's first frame repeated: `[T, B, ...]` -> `[T, width, B, ...]`."""
    t = torch.arange(len(x), device=x.device).unsqueeze(-1)  # [T, 1]
    back = torch.arange(width - 1, -1, -1, device=x.device)  # [width], the frame itself last
    return x[(t - back).clamp(min=0)]


def measure(x: Tensor, features: Features) -> Tensor:
    """Windows of positions `[T, width, B, K, 3]` -> features of each window `[T, B, F]`."""
    if features == "raw":
        return x.movedim(1, 2).flatten(2)
    within = torch.combinations(torch.arange(x.shape[3], device=x.device))  # [pairs, 2]
    frames = x.unbind(1)  # [T, B, K, 3] each
    found = [(frame[:, :, within[:, 0]] - frame[:, :, within[:, 1]]).norm(dim=-1) for frame in frames]
    for a, b in combinations(frames, 2):
        found.append((a.unsqueeze(3) - b.unsqueeze(2)).norm(dim=-1).flatten(2))  # [T, B, K K]
    return torch.cat(found, -1)


def size(joints: int, width: int, features: Features) -> int:
    """Number of features of a window, for all joints of all bodies."""
    pairs = width * (width - 1) // 2
    return 3 * joints * width if features == "raw" else width * joints * (joints - 1) // 2 + pairs * joints**2


class WindowSVM(nn.Module):
    """A main network for `STALSTM`: each window's vote, as a one in the place of its class.

    Its weights come from `pipeline.networks.liblinear`, not from gradients. `mean` and `scale` bring the features to mean 0 and
    deviation 1 over the training windows.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, inputs: int, c: Config, features: Features, width: int):
        super().__init__()
        self.c, self.kind, self.width = c, features, width
        count = size(c.bodies * c.joints, width, features)
        self.z = nn.Linear(count, c.classes)
        self.register_buffer("mean", torch.zeros(count))
        self.register_buffer("scale", torch.ones(count))

    def measure(self, x: Tensor) -> Tensor:
        """Float `[T, B, inputs]` -> features of the window that ends in each frame, float `[T, B, F]`."""
        positions = x.reshape(*x.shape[:2], self.c.bodies * self.c.joints, self.c.channels)[..., :3]
        return measure(windows(positions, self.width), self.kind)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Float `[T, B, inputs]`, mask bool `[T, B]` -> votes, float `[T, B, C]`."""
        scores = self.z((self.measure(x) - self.mean) / self.scale)  # [T, B, C]
        return functional.one_hot(scores.argmax(-1), self.c.classes).to(x.dtype)
