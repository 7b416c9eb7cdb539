"""Where things are, from the project's folder."""

from __future__ import annotations

from pathlib import Path

DATA, WORK = Path("data"), Path(".work")
PARAMS, SOURCE = DATA / "params", "params.yaml.sha256"
"""What each stage reads of `params.yaml`, and the file beside it that names the `params.yaml` that it was made from."""
