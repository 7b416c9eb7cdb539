"""What a run of a cell costs: numbers learned, core seconds of training, milliseconds to judge a clip. For `reports/costs.csv`.

    python -m benchmarks.costs sbu-paper-lie-group sbu-paper-sta-lstm    # cells in use, their stores and splits are in data/

One run, of the first fold and seed, on one core, as `finetune` would train it (and `pretrain` before it). Inference is the mean
over clips of the fold's training parts, a clip at a time: no test clip is touched. Prints rows of the table; `--write` puts them
into it in place of older ones.
"""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import numpy as np
import pandas as pd
import torch

from pipeline.core import cell as cells
from pipeline.core.model import STALSTM
from pipeline.core.skeletons import Store
from pipeline.core.training.files import clips_of
from pipeline.core.training.job import Job
from pipeline.core.training.run import restore, train

TABLE = Path("reports/costs.csv")
COLUMNS = ["protocol", "recipe", "method", "numbers", "train_s", "infer_ms", "core"]
CLIPS = 50  # judged one at a time


@click.command(help=__doc__)
@click.argument("names", nargs=-1, required=True)
@click.option("--write", is_flag=True, help="Put the rows into reports/costs.csv.")
def main(names: tuple[str, ...], write: bool) -> None:
    """Measure the cells and show or keep what they cost."""
    torch.set_num_threads(1)
    found = pd.DataFrame([measure(name) for name in names], columns=COLUMNS)
    click.echo(found.to_csv(index=False), nl=False)
    if write:
        keep(found)


def measure(name: str) -> dict[str, object]:
    """A row of the table."""
    cell = cells.load(name, "finetune")
    with TemporaryDirectory() as folder:
        spent, job = trained(name, Path(folder))
        model = restore(job, Store(job.store)).eval()
        row = {"protocol": cell.protocol, "recipe": cell.recipe, "method": cell.method_name, "numbers": numbers(model)}
        return row | {"train_s": round(spent, 1), "infer_ms": round(1000 * inference(model, job), 2), "core": core()}


def trained(name: str, folder: Path) -> tuple[float, Job]:
    """Core seconds of the first run of a cell, all stages, and its last job; everything is written into the folder."""
    before, spent = None, 0.0
    for stage in ("pretrain", "finetune") if cells.has_pretraining(cells.load(name, "finetune").method) else ("finetune",):
        job = cells.jobs(cells.load(name, stage), stage)[0]
        own = folder / stage
        job = replace(job, start=before, target=own / "weights", live=own / "live.csv", checkpoint=own / "checkpoint.pt")
        start = time.process_time()
        train(job)
        spent += time.process_time() - start
        before = own / "weights"
    return spent, job


def numbers(model: STALSTM) -> int:
    """How many learned numbers a run keeps."""
    return sum(tensor.numel() for tensor in model.state_dict().values() if tensor.is_floating_point())


@torch.no_grad()
def inference(model: STALSTM, job: Job) -> float:
    """Seconds of a core to judge a clip of the training parts, the first one not counted."""
    clips = clips_of(job, "train")
    chosen = np.linspace(0, len(clips) - 1, min(CLIPS, len(clips)) + 1).astype(np.intp)
    batches = [clips.batch(chosen[i : i + 1]) for i in range(len(chosen))]
    model(batches[0].x, batches[0].mask)
    start = time.process_time()
    for batch in batches[1:]:
        model(batch.x, batch.mask)
    return (time.process_time() - start) / max(1, len(batches) - 1)


def core() -> str:
    """The processor's name."""
    known = Path("/proc/cpuinfo")
    lines = known.read_text().splitlines() if known.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")


def keep(found: pd.DataFrame) -> None:
    """Put rows into the table, in place of those of the same cells."""
    old = pd.read_csv(TABLE, keep_default_na=False) if TABLE.exists() else found.iloc[:0]
    both = pd.concat([old, found]).drop_duplicates(COLUMNS[:3], keep="last").sort_values(COLUMNS[:3])
    both.to_csv(TABLE, index=False, lineterminator="\n")


if __name__ == "__main__":
    main()
