"""One exception class per failure that a user can meet; the message says where, what was expected and what to do next."""

from __future__ import annotations

from pathlib import Path


class PipelineError(Exception):
    """Base of all failures shown to a user without a stack trace; the CLI prints the message and exits with `exit_code`."""

    exit_code = 2


class ParamsError(PipelineError):
    """`params.yaml` has an unknown key or an impossible value."""


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


class AlreadyRunning(PipelineError):
    """Another process is at work on the same store."""


class Interrupted(PipelineError):
    """The user stopped a stage with Ctrl-C; what it had done is kept, and the same command goes on from there."""

    exit_code = 130


class SplitMismatch(PipelineError):
    """A split does not have the counts of its protocol, or a sample would be in two parts."""


class StoreMismatch(PipelineError):
    """A skeleton store is incomplete, damaged, or of another format version."""


class ResultsMissing(PipelineError):
    """Predictions that the report or the check needs are not there, or do not fit the split."""


class BaselineMissing(PipelineError):
    """There is no baseline to check accuracy against, or it cannot be read."""


class AccuracyFell(PipelineError):
    """Predictions are worse than those of the baseline, or lack a cell, fold or seed that it has."""

    exit_code = 1


class TrainingFailed(PipelineError):
    """A run failed, diverged (loss not finite) or did not converge; the message names the run."""


class SchedulerUnavailable(PipelineError):
    """The Dask scheduler that was asked for cannot be reached, has no workers, or was lost; or Dask is not installed."""


class WorkerUnfit(PipelineError):
    """A Dask worker does not see the project's folder, runs other code or versions, or more than one job at a time."""


class TrackingUnavailable(PipelineError):
    """MLflow cannot be reached (only raised by commands that exist for MLflow; training never raises it)."""
