"""Sections of `params.yaml` that several data sets share."""

from __future__ import annotations

from pipeline.section import Section


class SourceDownload(Section):
    """Where the user has the raw files: `source` (or `<DATA SET>_SOURCE`, such as `NTU_SOURCE`) is a folder or a file."""

    source: str
