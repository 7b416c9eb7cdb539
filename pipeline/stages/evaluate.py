"""Stage `evaluate`: logits, accuracy and mean attention of a cell's runs on the test samples. Nothing here is random."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.core import cell as cells
from pipeline.core.cell import RunAll, one_by_one
from pipeline.core.files import digests, whole_folder, write_json
from pipeline.core.training.job import Job

Table = npt.NDArray[np.float64]


@dataclass
class Result:
    """One run: `predictions` as in `predictions.csv`; sums of attention by class and time bin, and of the frames in them."""

    predictions: pd.DataFrame
    alpha: Table | None  # [C, bins, K]
    beta: Table | None  # [C, bins]
    clips: npt.NDArray[np.int64]  # [C, bins]


def main(target: str, run_all: RunAll = one_by_one) -> None:
    """Write `predictions.csv`, `alpha.csv`, `beta.csv` and `metrics.json` of a cell.

    Raises `StoreMismatch` and `WeightsUnfit` where data or weights are not those that the cell was trained on and ended with.
    """
    cell = cells.load(target, "evaluate")
    cells.check_trained(cell)
    results = run_all(work, cells.jobs(cell, "finetune"), f"evaluate@{target}", cell.params.training)
    predictions = pd.concat([result.predictions for result in results])
    clips = np.sum([result.clips for result in results], axis=0)
    with whole_folder(cell.results / "evaluate") as folder:
        predictions.to_csv(folder / "predictions.csv", index=False, lineterminator="\n", float_format="%.6g")
        write_attention([r.alpha for r in results if r.alpha is not None], clips, ["label", "bin", "joint"], folder / "alpha.csv")
        write_attention([r.beta for r in results if r.beta is not None], clips, ["label", "bin"], folder / "beta.csv")
        files = {"files": digests(folder, (path.name for path in folder.iterdir()))}
        write_json(metrics(predictions) | files, folder / "metrics.json")


def work(job: Job) -> Result:
    """Predict the test samples of one run from its final weights."""
    from pipeline.core.training.augment import views  # noqa: PLC0415 (torch)
    from pipeline.core.training.files import clips_of  # noqa: PLC0415
    from pipeline.core.training.loop import device_of, predict_views  # noqa: PLC0415
    from pipeline.core.training.run import restore  # noqa: PLC0415

    clips = clips_of(job, "test")
    model = restore(job, clips.store)
    device = device_of(job.params.training)
    seen = views(clips.store.meta, job.params.evaluate.views)
    prediction = predict_views(model.to(device), clips, 256, device, seen)
    table = pd.DataFrame({"fold": job.fold, "seed": job.seed, "name": clips.store.index["name"].to_numpy()[clips.rows]})
    table["label"], table["predicted"] = clips.labels, prediction.logits.argmax(1)
    logits = pd.DataFrame(prediction.logits, index=table.index).add_prefix("logit_")
    bins, classes = job.params.evaluate.time_bins, model.config.classes
    counts = np.bincount(clips.labels, minlength=classes)[:, None].repeat(bins, 1)
    alpha = mean_by_class(prediction.alpha, clips.labels, classes, bins)
    beta = mean_by_class(prediction.beta, clips.labels, classes, bins)
    return Result(pd.concat([table, logits], axis=1), alpha, beta, counts)


def mean_by_class(weights: list[npt.NDArray[np.float32]], labels: npt.NDArray[np.int64], classes: int, bins: int) -> Table | None:
    """Sums over clips of each clip's mean attention in equal parts of its time: `[C, bins, ...]`; None where there is none.

    `weights[i]` is `[T, ...]` of clip i. A clip shorter than `bins` repeats its frames.
    """
    if not weights:
        return None
    sums = np.zeros((classes, bins, *weights[0].shape[1:]))
    for label, clip in zip(labels, weights, strict=True):
        sums[label] += in_bins(clip, bins)
    return sums


def in_bins(clip: npt.NDArray[np.float32], bins: int) -> Table:
    """Means over `bins` equal parts of a clip, a frame at a border shared by its overlap: `[T, ...]` -> `[bins, ...]`."""
    edges = np.linspace(0, len(clip), bins + 1)
    starts, frames = edges[:-1, None], np.arange(len(clip))[None]
    overlap = np.minimum(edges[1:, None], frames + 1) - np.maximum(starts, frames)  # [bins, T]
    share = np.clip(overlap, 0, None)
    mean: Table = np.tensordot(share / share.sum(1, keepdims=True), clip.astype(np.float64), 1)
    return mean


def write_attention(sums: list[Table], clips: npt.NDArray[np.int64], keys: list[str], path: Path) -> None:
    """A row for each class that has test samples, time bin (and gate): mean weight over the clips of all runs."""
    columns = [*keys, "weight", "clips"]
    table = pd.DataFrame(columns=columns)
    if sums:
        total = np.sum(sums, axis=0)
        count = np.broadcast_to(clips.reshape(*clips.shape, *[1] * (total.ndim - 2)), total.shape)
        places = np.argwhere(count > 0)
        chosen = tuple(places.T)
        table = pd.DataFrame(places, columns=keys).assign(weight=total[chosen] / count[chosen], clips=count[chosen])
    table.to_csv(path, index=False, lineterminator="\n", float_format="%.6g")


def metrics(predictions: pd.DataFrame) -> dict[str, object]:
    """Accuracy in per cent over all folds and seeds together, and the counts of each run."""
    right = predictions.assign(correct=predictions["label"] == predictions["predicted"])
    counts = right.groupby(["fold", "seed"])["correct"].agg(["size", "sum"]).reset_index()
    each = [{"fold": int(f), "seed": int(s), "samples": int(n), "correct": int(k)} for f, s, n, k in counts.to_numpy()]
    return {"accuracy": round(100 * float(right["correct"].mean()), 4), "runs": each}
