"""A fixed number of frames of every clip, whatever its length: for networks that do not read all of them."""

from __future__ import annotations

import torch
from torch import Tensor


def places(mask: Tensor, count: int, random: bool) -> Tensor:
    """One frame of each of `count` equal parts of each clip, int64 `[count, B]`, for a mask `[T, B]`.

    With `random` any frame of the part, from torch's generator; without, its middle. Parts of a short clip share frames.
    """
    length = mask.sum(0)  # [B]
    shape = (count, len(length))
    inside = torch.rand(shape, device=mask.device) if random else torch.full(shape, 0.5, device=mask.device)
    part = torch.arange(count, device=mask.device).unsqueeze(-1)  # [count, 1]
    return ((part + inside) * length / count).long().clamp(max=length - 1)


def frames_at(x: Tensor, place: Tensor) -> Tensor:
    """Those frames of each clip: float `[T, B, ...]`, int64 `[count, B]` -> `[count, B, ...]`."""
    return x[place, torch.arange(x.shape[1], device=x.device)]


def resized(x: Tensor, mask: Tensor, count: int) -> Tensor:
    """Each clip brought to `count` frames, linear from its first to its last: float `[T, B, ...]` -> `[count, B, ...]`."""
    last = mask.sum(0) - 1  # [B]
    place = torch.linspace(0, 1, count, device=x.device, dtype=x.dtype).unsqueeze(-1) * last  # [count, B]
    low = place.floor().long().clamp(max=last)
    part = (place - low).reshape(*place.shape, *[1] * (x.ndim - 2))
    return torch.lerp(frames_at(x, low), frames_at(x, (low + 1).clamp(max=last)), part)
