"""Histories to MLflow, while runs train and after the fact. MLflow is a copy: the truth is in `data/results/`.

`store` opens MLflow, `histories` finds what was trained, `fill` logs what MLflow lacks, `live` does so beside a training
process, `server` shows it; `contents` and `models` are what MLflow's own pages look for beside numbers. Nothing in training
imports this package: the command line starts it around a stage.
"""

from pipeline.tracking.fill import Counts, sync
from pipeline.tracking.live import INTERVAL_S, Live, watch
from pipeline.tracking.models import Exported
from pipeline.tracking.models import add as add_models
from pipeline.tracking.server import check_servable, serve
from pipeline.tracking.store import connect, run_of, state, uri

__all__ = [
    "INTERVAL_S",
    "Counts",
    "Exported",
    "Live",
    "add_models",
    "check_servable",
    "connect",
    "run_of",
    "serve",
    "state",
    "sync",
    "uri",
    "watch",
]
