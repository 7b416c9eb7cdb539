"""Failures of training and of what it reads. Each package has its own failures; all are a `PipelineError`."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

# What the system says where nothing can be written, and what to do.
UNWRITABLE = {
    errno.ENOSPC: "no space is left; make some",
    errno.EDQUOT: "the quota is used up; make some space",
    errno.EFBIG: "the file may not grow further; raise the limit (ulimit -f)",
    errno.EROFS: "it can only be read; mount it for writing, or work in a copy of the project",
    errno.EACCES: "this user may not write there (or read); change the permissions",
    errno.EPERM: "this user may not write there; change the permissions",
    errno.ENOTDIR: "a file stands where a folder is expected; name another place",
    errno.EEXIST: "a file stands where a folder is expected; name another place",
}


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


class WeightsUnfit(PipelineError):
    """A file of weights is cut, damaged, or not that of the run that wants it."""


class Superseded(PipelineError):
    """A run would write where another one has begun since; nothing was written."""


class Interrupted(PipelineError):
    """The user stopped a command with Ctrl-C; what it had done is kept, and the same command goes on from there."""

    exit_code = 130


def unwritable(error: OSError) -> str:
    """Which folder could not be written (or read), why, how full it is, and what to do; other results stay as they were."""
    path = Path(os.fsdecode(error.filename)) if isinstance(error.filename, (str, bytes)) else Path.cwd()
    folder = next(place for place in (path, *path.absolute().parents) if place.is_dir())
    free = f" ({shutil.disk_usage(folder).free / 1e6:,.0f} MB free)" if error.errno == errno.ENOSPC else ""
    name = f"{path}: " if path != folder else ""
    return f"{name}folder {folder.absolute()}{free}: {UNWRITABLE[error.errno or 0]}, then run it again"
