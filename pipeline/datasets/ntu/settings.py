"""NTU's sections of `params.yaml`."""

from __future__ import annotations

from typing import Literal

from pipeline.datasets.shared.settings import Plausible
from pipeline.section import Count, Share, Weight


class NtuNormalize(Plausible):
    """From NTU's raw tracks to two ordered bodies; each rule can be switched off (`0`, `none` or `false`)."""

    drop_listed_missing: bool
    shortest_track: Count
    spread_ratio: Weight
    spread_share: Share
    order: Literal["variance_of_coordinates", "variance_over_time", "file"]
    empty_frames: Literal["cut", "keep"]
    not_a_number: Literal["interpolate", "reject"]
    centre: Literal["spine_first_frame", "body_per_frame", "none"]
