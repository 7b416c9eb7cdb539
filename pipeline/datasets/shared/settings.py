"""Sections of `params.yaml` that several data sets share."""

from __future__ import annotations

from pipeline.section import Section, Weight


class SourceDownload(Section):
    """Where the user has the raw files: `source` (or `<DATA SET>_SOURCE`, such as `NTU_SOURCE`) is a folder or a file."""

    source: str


class Plausible(Section):
    """What a number in a raw file may be, in the unit of the file; `0` switches a limit off.

    `largest_coordinate`: from the origin along an axis. `largest_step`: way of a joint from one frame to the next.
    """

    largest_coordinate: Weight
    largest_step: Weight
