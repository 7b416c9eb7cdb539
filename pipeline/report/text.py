"""How numbers and names are written for people, the same in every table, figure and sentence."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from pipeline.results.statistics import Accuracy, Difference

MISSING = "\N{EN DASH}"
NOT_RUN = "not run"
MINUS = "\N{MINUS SIGN}"

LABELS = {
    "lstm": "LSTM",
    "sa-lstm": "SA-LSTM",
    "ta-lstm": "TA-LSTM",
    "sta-lstm": "STA-LSTM",
    "static-alpha-lstm": "LSTM, one weight a joint",
    "static-beta-lstm": "LSTM, one weight a moment",
    "static-attention-lstm": "LSTM, one weight a joint and a moment",
    "raw-skeleton-yun2012": "SVM on raw skeletons (Yun et al.)",
    "joint-feature-yun2012": "SVM on joint features (Yun et al.)",
    "hbrnn": "Hierarchical RNN (Du et al.)",
    "co-occurrence-rnn": "Co-occurrence LSTM (Zhu et al.)",
    "deep-lstm": "Deep LSTM, 2 layers (Shahroudy et al.)",
    "p-lstm": "P-LSTM (Shahroudy et al.)",
    "st-lstm-trust-gates": "ST-LSTM + trust gates (Liu et al.)",
    "st-lstm": "ST-LSTM without trust gates (Liu et al.)",
    "sgn": "SGN (Zhang et al.)",
    "hcn": "HCN (Li et al.)",
    "lie-group": "Lie group (Vemulapalli et al.)",
    "skeletal-quads": "Skeletal quads (Evangelidis et al.)",
    "dynamic-skeletons": "Dynamic skeletons (closest public reading of Hu et al.)",
    "raw-skeleton-ji2014": "Poselets on raw skeletons (our reading of Ji et al.)",
    "joint-feature-ji2014": "Poselets on joint distances (our reading of Ji et al.)",
}
TWINS = {"-noreg": "without regularisers", "-scratch": "without staged training"}


def label(method: str) -> str:
    """A method's name for people; its key where it has none."""
    for ending, words in TWINS.items():
        if (base := method.removesuffix(ending)) in LABELS and base != method:
            return f"{LABELS[base]} {words}"
    return LABELS.get(method, method)


def number(value: float | None, decimals: int = 2) -> str:
    """A number with a true minus sign; a dash for None and NaN."""
    if value is None or not math.isfinite(value):
        return MISSING
    return f"{_plain(value, decimals):.{decimals}f}".replace("-", MINUS)


def signed(value: float | None, decimals: int = 2) -> str:
    """A number with its sign."""
    if value is None or not math.isfinite(value):
        return MISSING
    return f"{_plain(value, decimals):+.{decimals}f}".replace("-", MINUS)


def _plain(value: float, decimals: int) -> float:
    """Rounded, and never minus zero."""
    return round(value, decimals) + 0.0


def accuracy(value: Accuracy | None) -> str:
    """Mean and spread over seeds, `95.30 ± 0.80 (3 runs)`; `not run` for None."""
    if value is None:
        return NOT_RUN
    runs = f"({value.runs} run{'s' * (value.runs > 1)})"
    return f"{value.mean:.2f} {runs}" if value.sd is None else f"{value.mean:.2f} ± {value.sd:.2f} {runs}"


_RUNS = re.compile(r" \(\d+ runs?\)$")


def brief(value: str) -> str:
    """A cell without the number of runs after its numbers."""
    return _RUNS.sub("", value)


def interval(low: float, high: float) -> str:
    """Both ends of an interval, `[1.20, 3.40]`."""
    return f"[{number(low)}, {number(high)}]"


def estimate(row: Mapping[str, Any]) -> str:
    """An effect with its interval: `points`, `low` and `high` of a table's row; a dash for None."""
    if row["points"] is None:
        return MISSING
    return f"{signed(row['points'])} {interval(row['low'], row['high'])}"


def p_value(p: float | None) -> str:
    """A p value, three decimals; a dash for None."""
    if p is None:
        return MISSING
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def difference(value: Difference) -> str:
    """A difference in a sentence: points, interval, p and seeds."""
    p = p_value(value.p)
    return (
        f"{signed(value.points)} points ({100 * value.confidence:g} % interval {number(value.low)} to {number(value.high)},"
        f" p {p if p.startswith('<') else f'= {p}'}, {seeds(value)})"
    )


def seeds(value: Difference) -> str:
    """`5 seeds`, or `5 and 2 seeds` where methods have other numbers."""
    counts = list(dict.fromkeys(value.runs))
    return f"{joined([str(count) for count in counts])} seed{'s' * (max(counts) > 1)}"


def difference_cell(value: Difference | None) -> str:
    """A difference in a table: points and interval."""
    return MISSING if value is None else f"{signed(value.points)} {interval(value.low, value.high)}"


def joined(items: list[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join([", ".join(items[:-1]), items[-1]] if len(items) > 1 else items)
