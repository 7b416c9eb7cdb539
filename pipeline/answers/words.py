"""What the tables and sentences of the page say of an effect."""

from __future__ import annotations

from pipeline.report import text
from pipeline.report.tables import Row
from pipeline.results.effects import EFFECTS

MEAN = "mean of the recipes"
METHODS = {"lstm": "LSTM", "sa": "SA-LSTM", "ta": "TA-LSTM", "sta": "STA-LSTM"}
"""The four methods of the 2 x 2 design by role."""
SIGNED = {"better": "above 0", "worse": "below 0"}
"""Verdicts of an interaction, which is neither good nor bad."""


def title(name: str) -> str:
    """The name of an effect for people."""
    return EFFECTS[name].title.replace(" - ", f" {text.MINUS} ")


def verdict(effect: str, found: str) -> str:
    """A verdict as it is said of an effect, which is named by its title."""
    return SIGNED.get(found, found) if effect == title("interaction") else found


def points(row: Row) -> str:
    """An estimate with its interval; a dash where there is none."""
    return text.MISSING if row["low"] is None else text.estimate(row)
