"""Failures of the commands around the stages; those of the stages stand beside what raises them."""

from __future__ import annotations

from pipeline.core.errors import PipelineError


class BaselineMissing(PipelineError):
    """There is no baseline to check accuracy against, or it cannot be read."""


class AccuracyFell(PipelineError):
    """Predictions are worse than those of the baseline, or lack a cell, fold or seed that it has."""

    exit_code = 1


class NotConfirmed(PipelineError):
    """A cell whose code changed did not come to the recorded bytes, or cannot be compared with them."""

    exit_code = 1


class ModelUnusable(PipelineError):
    """A file of trained weights is not there, not complete, or not of this project."""


class InputUnusable(PipelineError):
    """What was given to predict is not there, is no recording, or not one that the model reads."""
