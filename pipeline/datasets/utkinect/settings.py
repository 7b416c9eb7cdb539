"""UTKinect's section of `params.yaml`."""

from __future__ import annotations

from typing import Literal

from pipeline.datasets.shared.settings import Plausible


class UtkinectNormalize(Plausible):
    """From takes and intervals to clips; each repair can be switched off."""

    corrections: bool
    no_interval: Literal["drop", "reject"]
    overlaps: Literal["cut", "keep"]
    repeated_frames: Literal["first", "keep"]
    centre: Literal["hip_first_frame", "hip_per_frame", "none"]
