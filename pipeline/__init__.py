"""STA-LSTM (Song et al., AAAI 2017), reproduced as a DVC pipeline from raw skeleton files to the paper's tables.

`load` opens trained weights: `from pipeline import load`.
"""

from typing import TYPE_CHECKING

__version__ = "0.2.0"

if TYPE_CHECKING:
    from pipeline.predict.model import Model, Prediction, load

    __all__ = ["Model", "Prediction", "load"]


def __getattr__(name: str) -> object:
    """What `pipeline.predict.model` offers, imported (with torch) when it is first asked for."""
    if name not in ("Model", "Prediction", "load"):
        raise AttributeError(f"module 'pipeline' has no attribute {name!r}")
    import importlib  # noqa: PLC0415

    return getattr(importlib.import_module("pipeline.predict.model"), name)
