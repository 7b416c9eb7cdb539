"""Florence 3D's section of `params.yaml`."""

from __future__ import annotations

from typing import Literal

from pipeline.datasets.shared.settings import Plausible


class Florence3dNormalize(Plausible):
    """From the numbers of the file to metres; each step can be switched off."""

    axes: Literal["upright", "file"]
    centre: Literal["torso_first_frame", "torso_per_frame", "none"]
