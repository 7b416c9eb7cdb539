"""Failures of the data sets: fetching, reading, dividing."""

from __future__ import annotations

from pathlib import Path

from pipeline.core.errors import PipelineError


class RawDataMissing(PipelineError):
    """The raw files of a data set are not where they were looked for."""


class DownloadFailed(PipelineError):
    """A server did not deliver a file completely, after all retries."""


class ArchiveMismatch(PipelineError):
    """An archive disagrees with the protocol's facts, or with the record made when it was downloaded."""


class MalformedSkeleton(PipelineError):
    """A raw skeleton file cannot be read.

    Attributes: `file` (name inside the raw data), `line` (counted from 1), `reason`.
    """

    def __init__(self, file: str | Path, line: int, reason: str):
        super().__init__(f"{file}, line {line}: {reason}")
        self.file, self.line, self.reason = str(file), line, reason

    def __reduce__(self) -> tuple[type[MalformedSkeleton], tuple[str, int, str]]:
        """Travel between processes with all three parts (the default keeps the message alone)."""
        return (MalformedSkeleton, (self.file, self.line, self.reason))


class TooManyMalformed(PipelineError):
    """More raw files were set aside than `normalize.allow_malformed` permits."""


class SplitMismatch(PipelineError):
    """A split does not have the counts of its protocol, or a sample would be in two parts."""
