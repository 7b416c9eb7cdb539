"""Failures of training and of what it reads. Each package has its own failures; all are a `PipelineError`."""

from __future__ import annotations


class PipelineError(Exception):
    """Base of all failures shown to a user without a stack trace; the CLI prints the message and exits with `exit_code`."""

    exit_code = 2


class ParamsError(PipelineError):
    """`params.yaml` has an unknown key or an impossible value."""


class StoreMismatch(PipelineError):
    """A skeleton store is incomplete, damaged, or of another format version."""


class ResultsMissing(PipelineError):
    """Predictions that the report or the check needs are not there, or do not fit the split."""


class TrainingFailed(PipelineError):
    """A run failed, diverged (loss not finite) or did not converge; the message names the run."""
