"""NW-UCLA's section of `params.yaml`."""

from __future__ import annotations

from typing import Literal

from pipeline.datasets.shared.settings import Plausible


class NwUclaNormalize(Plausible):
    """From the sensor's skeletons to clips; each step can be switched off."""

    zero_joints: Literal["interpolate", "keep"]
    centre: Literal["hip_first_frame", "hip_per_frame", "none"]
