"""The ledger: every parameter of the runs with its value under each recipe, and where the value comes from."""

from __future__ import annotations

from typing import Any

import yaml

from pipeline.core.files import flatten
from pipeline.report.analysis import ProtocolAnalysis
from pipeline.report.results import Results
from pipeline.report.tables import Row, Table, field, minor

# Provenance tags of params.yaml, as people read them.
TAGS = {
    "paper": "stated by the paper, or by the data set's own documentation",
    "same-lab": "code that the same authors published for a later model",
    "re-implementation": "independent code that agrees",
    "ours": "our own choice, for the reason beside it",
}


def ledger(results: Results, analyses: list[ProtocolAnalysis]) -> Table:
    """A row a parameter: value, the value under each recipe in use that changes it, provenance and reason.

    Parameters of data sets, raw formats and methods that this report does not use are left out, and so are the places where raw
    files were found, which differ from one machine to the next and change nothing.
    """
    recipes = list(dict.fromkeys(recipe for analysis in analyses for recipe in analysis.groups))
    overlays = {recipe: flatten(results.params.recipes[recipe]) for recipe in recipes}
    rows: list[Row] = []
    for key, value, tag, reason in results.provenance:
        if not key.startswith("recipes."):
            changed = {f"recipe {r}": as_yaml(overlays[r][key]) if key in overlays[r] else "" for r in recipes}
            rows.append({"parameter": key, "value": value, **changed, "provenance": tag, "reason": reason})
    shown = [r for r in recipes if overlays[r]]
    columns = (
        field("parameter", "Parameter", whole=True),
        field("value", "Value", whole=True),
        *minor(*(field(f"recipe {r}", f"Under recipe {r}", empty="") for r in shown)),
        field("provenance", "Provenance"),
        *minor(field("reason", "Reason", empty="")),
    )
    note = "; ".join(f"{tag}: {meaning}" for tag, meaning in TAGS.items()) + "."
    fields = ("parameter", "value", "provenance", "reason")
    return Table("ledger", "Every parameter and where its value comes from", columns, rows, note, fields=fields)


def as_yaml(value: Any) -> str:
    """A value as `params.yaml` would have it, on one line."""
    return yaml.safe_dump(value, default_flow_style=True, width=1000).removesuffix("\n").removesuffix("\n...")


def recipes(results: Results, analyses: list[ProtocolAnalysis]) -> Table:
    """What each recipe in use changes, with the reasons written beside it in `params.yaml`."""
    used = list(dict.fromkeys(recipe for analysis in analyses for recipe in analysis.groups))
    known = {key: (tag, reason) for key, _, tag, reason in results.provenance}
    rows: list[Row] = []
    for recipe in used:
        for key, value in flatten(results.params.recipes[recipe]).items():
            tag, reason = known.get(f"recipes.{recipe}.{key}", ("ours", ""))
            rows.append({"recipe": recipe, "parameter": key, "value": as_yaml(value), "provenance": tag, "reason": reason})
    unchanged = [recipe for recipe in used if not results.params.recipes[recipe]]
    note = f"Without any change: {', '.join(unchanged)}." if unchanged else ""
    fields = ("recipe", "parameter", "value", "provenance", "reason")
    return Table(
        "recipes",
        "What the recipes change",
        (*(field(k, k.capitalize(), whole=k != "provenance") for k in fields[:-1]), *minor(field("reason", "Reason"))),
        rows,
        note,
        fields=fields,
        groups=1,
    )
