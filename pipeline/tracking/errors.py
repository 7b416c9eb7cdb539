"""Failures of tracking."""

from __future__ import annotations

from pipeline.core.errors import PipelineError


class TrackingUnavailable(PipelineError):
    """MLflow cannot be reached (only raised by commands that exist for MLflow; training never raises it)."""
