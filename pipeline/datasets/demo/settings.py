"""The demo's section of `params.yaml`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from pipeline.section import Count, Section, Weight


class DemoDownload(Section):
    """The synthetic data of the demo; half of `ntu_subjects` are training subjects of the protocol, half test subjects."""

    seed: Count
    sbu_repeats: Annotated[int, Field(ge=1, le=999)]
    ntu_subjects: Annotated[int, Field(ge=2, le=40, multiple_of=2)]
    ntu_repeats: Annotated[int, Field(ge=1, le=2)]
    noise_m: Weight
    distractor_m: Weight
    evidence_m: Weight
