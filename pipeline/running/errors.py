"""Failures of running stages and of handing out their work."""

from __future__ import annotations

from pipeline.core.errors import PipelineError


class SchedulerUnavailable(PipelineError):
    """The Dask scheduler that was asked for cannot be reached, has no workers, or was lost; or Dask is not installed."""


class WorkerUnfit(PipelineError):
    """A Dask worker does not see the project's folder, runs other code or versions, or more than one job at a time."""


class WorkerLost(PipelineError):
    """A worker process of this machine was ended from outside."""


class AlreadyRunning(PipelineError):
    """Another process is at work on the same store, cell or data set."""
