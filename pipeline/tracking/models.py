"""One model a cell in MLflow, registered under the cell's name, in a format that loads without a pickle.

What MLflow stores is the file of `python -m pipeline export` (safetensors), with the signature of its input and an example made
of zeros; `mlflow.pyfunc.load_model` opens it by `pipeline.predict.flavor`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.tracking.fill import Fill
from pipeline.tracking.histories import find
from pipeline.tracking.store import failures, lock

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run as MlflowRun

LOADER, TAG, FILE = "pipeline.predict.flavor", "model_fingerprint", "model.safetensors"
EXAMPLE_FRAMES = 20


@dataclass(frozen=True)
class Exported:
    """A file of weights and what is said of it: shape of a frame (-1 bodies, joints, 3), number of classes, tags."""

    shape: tuple[int, ...]
    classes: int
    tags: dict[str, str]
    requirements: tuple[str, ...]


Export = Callable[[str, Path], Exported]  # cell, file to write


def add(root: Path, client: MlflowClient, export: Export, skipped: tuple[type[Exception], ...]) -> tuple[int, list[str]]:
    """Log and register the model of every finished cell that MLflow knows and whose model it lacks.

    Returns how many were added, and the cells whose weights cannot be exported, with the reason (`skipped` names its errors).
    Raises `TrackingUnavailable` where MLflow fails.
    """
    added, left_out = 0, []
    with failures(root), lock(root):
        fill = Fill(root, client, accuracies=False)
        for source in [source for source in find(root) if not source.live]:
            document = source.read().document
            parent = fill.parent(fill.experiment(document.protocol), document, "")
            fingerprint = document.fingerprint.get("finetune", "")
            if parent is None or parent.data.tags.get(TAG) == fingerprint:
                continue
            with tempfile.TemporaryDirectory() as folder:
                try:
                    exported = export(document.cell, Path(folder) / FILE)
                except skipped as error:
                    left_out.append(f"{document.cell}: {error}")
                    continue
                register(client, parent, document.cell, Path(folder), exported)
            client.set_tag(parent.info.run_id, TAG, fingerprint)
            added += 1
    return added, left_out


def register(client: MlflowClient, parent: MlflowRun, cell: str, folder: Path, exported: Exported) -> None:
    """Store the file in `folder` as a logged model of the run, and register it under the cell's name with its tags."""
    from mlflow.entities import LoggedModelOutput  # noqa: PLC0415
    from mlflow.exceptions import MlflowException  # noqa: PLC0415

    save(folder, exported)
    run = parent.info.run_id
    logged = client.create_logged_model(parent.info.experiment_id, cell, run, tags=exported.tags, model_type="classifier")
    client.log_model_artifacts(logged.model_id, str(folder / "model"))
    client.finalize_logged_model(logged.model_id, "READY")
    client.log_outputs(run, [LoggedModelOutput(logged.model_id, 0)])
    try:
        client.get_registered_model(cell)
    except MlflowException:
        client.create_registered_model(cell, description="Weights of one run of this cell; see its tags.")
    client.create_model_version(cell, f"models:/{logged.model_id}", run, tags=exported.tags, model_id=logged.model_id)


def save(folder: Path, exported: Exported) -> None:
    """MLflow's folder of a model, `folder/model`, around the file of weights."""
    import numpy as np  # noqa: PLC0415
    from mlflow import pyfunc  # noqa: PLC0415
    from mlflow.models import ModelSignature  # noqa: PLC0415
    from mlflow.types import Schema, TensorSpec  # noqa: PLC0415

    frames = TensorSpec(np.dtype("float32"), (-1, *exported.shape))
    probabilities = TensorSpec(np.dtype("float64"), (exported.classes,))
    pyfunc.save_model(
        str(folder / "model"),
        loader_module=LOADER,
        data_path=str(folder / FILE),
        signature=ModelSignature(Schema([frames]), Schema([probabilities])),
        input_example=np.zeros((EXAMPLE_FRAMES, 1, *exported.shape[1:]), np.float32),
        pip_requirements=list(exported.requirements),
    )
