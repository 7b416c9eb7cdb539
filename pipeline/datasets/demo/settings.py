"""The demo's section of `params.yaml`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from pipeline.section import Count, Section, Share, Weight


class DemoDownload(Section):
    """The synthetic data of the demo; `ntu_visitors` are test subjects whom only the test camera sees."""

    seed: Count
    sbu_repeats: Annotated[int, Field(ge=1, le=999)]
    ntu_training: Annotated[int, Field(ge=1, le=20)]
    ntu_test: Annotated[int, Field(ge=1, le=20)]
    ntu_visitors: Annotated[int, Field(ge=0, le=19)]
    ntu_repeats: Annotated[int, Field(ge=1, le=2)]
    noise_m: Weight
    distractor_m: Weight
    evidence_m: Weight
    faint_m: Weight
    faint_share: Share
