"""`mlflow ui` as a process that ends with the one that started it, its workers too: what `pipeline.tracking.server` starts.

A process that is killed can tell nobody, so this one looks whether its parent is still there.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time

EVERY_S = 0.5


def end_with(parent: int) -> None:
    """Kill the group of this process, which must lead one of its own, as soon as its parent is another than `parent`."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(EVERY_S)
        os.killpg(os.getpgrp(), signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()


def main(parent: int, arguments: list[str]) -> None:
    """Run `mlflow` with these arguments for the process with the id `parent`."""
    end_with(parent)
    from mlflow.cli import cli  # noqa: PLC0415 (seconds, in which the parent may end)

    cli(arguments, prog_name="mlflow")


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
