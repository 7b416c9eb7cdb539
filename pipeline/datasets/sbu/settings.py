"""SBU's sections of `params.yaml`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from pipeline.datasets.shared.settings import Plausible
from pipeline.section import Count, Positive, Section


class SbuDownload(Section):
    """Where the SBU archives are: `source` (or `SBU_SOURCE`) is a folder, a zip or a base URL.

    Of a web server: repetitions of a request, the longest silence, and the longest time and most data of all archives together.
    """

    source: str
    retries: Count
    timeout_s: Annotated[float, Field(gt=0)]
    total_s: Annotated[float, Field(gt=0)]
    total_mb: Positive
    published_frames: bool


class SbuNormalize(Plausible):
    """From SBU's raw numbers to metres; each step can be switched off."""

    denormalize: bool
    order: Literal["left_first", "file"]
    smooth: Literal["savgol5", "none"]
    smooth_ends: Literal["keep", "interpolate"]
    centre: Literal["torsos_per_frame", "torsos_first_frame", "none"]
