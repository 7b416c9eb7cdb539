"""MLflow's web pages on this machine alone."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

from pipeline.addresses import shown
from pipeline.running.lifetime import ended_by_signals
from pipeline.tracking import served
from pipeline.tracking.errors import TrackingUnavailable
from pipeline.tracking.live import finish
from pipeline.tracking.store import environment, home, uri

HOST = "127.0.0.1"
PAGE = "/#/experiments?workflowType=machine_learning"  # without it MLflow shows its pages for language models

PATIENCE_S = 1.0
"""How long the pages may take to end; they have nothing to save, and a stopped command has three seconds in all."""


def check_servable(root: Path, port: int) -> None:
    """Raises `TrackingUnavailable` where the tracking URI is that of a server (it has its own pages), or the port is in use."""
    if urlsplit(uri(root)).scheme in ("http", "https"):
        raise TrackingUnavailable(f"MLFLOW_TRACKING_URI is a server; open {shown(uri(root))} in a browser instead")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a port that was just given up is free
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise TrackingUnavailable(
                f"port {port} of {HOST} cannot be used ({error.strerror}); choose one with --port"
            ) from error


def serve(root: Path, port: int) -> None:
    """Run `mlflow ui` on loopback until Ctrl-C or SIGTERM, then end its whole process tree; it ends too where this one is killed.

    One worker and no job execution: a fifth of the memory of the defaults, ready in a quarter of the time.
    Raises `TrackingUnavailable` where `mlflow ui` ends by itself.
    """
    environment()
    # As a file, without its folder on the path: this package imports more than MLflow's pages need.
    command = [sys.executable, "-P", served.__file__, str(os.getpid()), "ui", "--host", HOST, "--port", str(port)]
    command += ["--workers", "1", "--default-artifact-root", (home(root) / "mlruns").as_uri()]
    # The address may have a password: others see arguments, not the environment.
    settings = os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_BACKEND_STORE_URI": uri(root)}
    with ended_by_signals():
        process = subprocess.Popen(command, cwd=root, env=settings, start_new_session=True)
        print(f"MLflow: http://{HOST}:{port}{PAGE} in some seconds; Ctrl-C ends it", flush=True)
        try:
            code = process.wait()
            raise TrackingUnavailable(f"`mlflow ui` ended by itself with code {code}; its messages are above")
        except KeyboardInterrupt:
            pass
        finally:
            finish(process, PATIENCE_S)
