"""What the workers of a training inherit: a fork server imports this before they part (nobody else should).

Without the garbage collector, which would look through all that torch makes on its way again and again: a seventh of the time.
"""

from __future__ import annotations

import gc

gc.disable()
import pipeline.core.training.run  # noqa: E402, F401  (torch, pandas)

gc.enable()
gc.freeze()
