"""The report's smaller tables: classes, training, attention on planted evidence, data, and what the runs were made of."""

from __future__ import annotations

from typing import Any

from pipeline.report import text
from pipeline.report.analysis import ProtocolAnalysis
from pipeline.report.contents import several_recipes
from pipeline.report.results import CellResult, Results, StoreResult
from pipeline.report.tables import Column, Table, field, minor, short
from pipeline.report.tables import method as method_column
from pipeline.results import summaries
from pipeline.results.statistics import per_class


def _with_copies(analysis: ProtocolAnalysis) -> list[str]:
    """Classes some of whose test samples are copies of training samples."""
    own, actions = analysis.cell.outcomes, analysis.result.store.meta.actions
    tested = zip(own.folds.tolist(), own.names, own.labels.tolist(), strict=True)
    return [actions[i] for i in sorted({label for fold, name, label in tested if (fold, name) in analysis.result.copies})]


def classes(analysis: ProtocolAnalysis) -> Table:
    """Accuracy of each tested class by the shown method, with the LSTM of its recipe beside it."""
    actions = analysis.result.store.meta.actions
    found = per_class(analysis.cell.outcomes, len(actions))
    shown = text.label(analysis.cell.method)
    baseline = analysis.groups[analysis.cell.recipe].get("lstm")
    other = per_class(analysis.result.cells[baseline].outcomes, len(actions))["accuracy"] if baseline else None
    rows = []
    for i, row in enumerate(found.to_dict("records")):
        if not row["samples"]:
            continue
        mistaken = actions[row["mistaken"]] if row["mistaken"] >= 0 else ""
        kept = {key: row[key] for key in ("samples", "accuracy", "standard_error")}
        lstm = None if other is None else float(other[i])
        rows.append({"action": actions[i], **kept, "lstm_accuracy": lstm, "mistaken": mistaken, "mistaken_share": row["share"]})
    columns = (
        field("action", "Class"),
        *minor(field("samples", "Sequences", 0)),
        field("accuracy", f"{shown} (%)", 1),
        *minor(field("standard_error", "Binomial s.e.", 1)),
        *([field("lstm_accuracy", "LSTM (%)", 1)] if baseline and baseline != analysis.shown else []),
        Column(
            "Most often taken for", lambda r: f"{r['mistaken']} ({r['mistaken_share']:.1f} %)" if r["mistaken"] else text.MISSING
        ),
    )
    note = "Over all folds and seeds together. The standard error counts each sequence once, however many seeds there are."
    if known := _with_copies(analysis):
        note += f" Test sequences that are copies of training sequences count here; these classes have some: {', '.join(known)}."
    place = analysis.place(analysis.cell.recipe)
    return Table(f"classes-{analysis.name}", f"{place}: accuracy by class", columns, rows, note)


def recipe_column(analyses: list[ProtocolAnalysis]) -> tuple[Column, ...]:
    """The column of the recipe, where there are several."""
    return (field("recipe", "Recipe", whole=True),) if several_recipes(analyses) else ()


SVM = (
    " A support vector machine is fitted at once and counts as one epoch; its loss is the squared hinge loss. Where windows of"
    " frames vote, its training accuracy is that of the windows."
)


BEST = " Best validation is over the epochs of the last phase; test data choose nothing."
VALIDATION = (
    field("validation_accuracy", "Final validation (%)", 1),
    field("best_validation_accuracy", "Best validation (%)", 1),
)


def training(analyses: list[ProtocolAnalysis]) -> Table:
    """Stability and the ends of the training curves, a row a protocol, recipe and method."""
    rows = []
    for analysis in analyses:
        for name, cell in analysis.result.plain.items():
            stable = analysis.stability[name]
            shares = {"diverged": 100 * stable.diverged, "dead": None if stable.dead is None else 100 * stable.dead}
            row: dict[str, Any] = {"protocol": analysis.name, "method": cell.method, "recipe": cell.recipe}
            rows.append(row | {"networks": stable.trained, "sd": stable.sd} | shares | analysis.training[name])
    validated = any(row["validation_accuracy"] is not None for row in rows)
    columns = (
        field("protocol", "Protocol", whole=True),
        *recipe_column(analyses),
        method_column(),
        *minor(field("networks", "Networks", 0)),
        field("sd", "s.d. over seeds", 2),
        field("diverged", "Diverged or at chance (%)", 1),
        *minor(
            field("dead", "Dead \N{GREEK SMALL LETTER BETA} (%)", 1),
            field("steps", "Epochs", 0),
            field("loss", "Final loss", 3),
        ),
        field("train_accuracy", "Final training (%)", 1),
        *(minor(*VALIDATION) if validated else ()),
    )
    note = (
        "A network is one fold and seed. Diverged: a loss that is not finite. At chance: test accuracy no better than always"
        " naming the commonest class (one-sided binomial test). Dead: beta is 0 in all frames of all clips at the end."
        f"{BEST if validated else ''}"
        f"{SVM if any(not cell.switches.by_gradient for a in analyses for cell in a.result.plain.values()) else ''}"
    )
    return Table("stability", "Stability and training", columns, rows, note, groups=1 + several_recipes(analyses))


def samples(analyses: list[ProtocolAnalysis]) -> Table:
    """How many samples are in each part of each fold."""
    rows = []
    for analysis in analyses:
        counts = analysis.result.split.groupby(["fold", "part"]).size().unstack(fill_value=0)
        for fold, line in counts.iterrows():
            parts = {part: int(line.get(part, 0)) for part in ("train", "validation", "test")}
            rows.append({"protocol": analysis.name, "fold": int(str(fold)), **parts})
    columns = (
        field("protocol", "Protocol", whole=True),
        field("fold", "Fold", 0),
        *(field(p, p.capitalize(), 0) for p in ("train", "validation", "test")),
    )
    note = "Validation is held out of training in whole groups of subjects."
    return Table("samples", "Samples in each part", columns, rows, note, groups=1)


def repairs(results: Results) -> Table:
    """Every repair of the raw data, counted; variants of a store are named below it."""
    keys = ("repair", "rule", "samples", "frames")
    rows = [{"store": n, **{k: r[k] for k in keys}} for n, s in results.stores.items() for r in s.repairs.to_dict("records")]
    columns = (
        field("store", "Store"),
        field("repair", "Repair"),
        *minor(field("rule", "Rule")),
        *(field(k, k.capitalize(), 0) for k in keys[2:]),
    )
    return Table("repairs", "Repairs of the raw data", columns, rows, _variants(results), fields=("store", *keys), groups=1)


def _variants(results: Results) -> str:
    used = {cell.store for cell in results.config.cells.values() if cell.dataset == results.dataset} - set(results.stores)
    known = results.params.normalize.variants.get(results.dataset, {})
    parts = [f"{name} ({', '.join(f'{k}: {v}' for k, v in known[name].items())})" for name in known if name in used]
    return f"Switches use variants of a store, with one step changed: {'; '.join(parts)}." if parts else ""


def set_aside(results: Results) -> Table:
    """The files that could not be read."""
    keys = ("file", "line", "reason")
    rows = [{"store": n, **{k: r[k] for k in keys}} for n, s in results.stores.items() for r in s.set_aside.to_dict("records")]
    columns = (field("store", "Store"), *(field(k, k.capitalize()) for k in keys))
    return Table("set-aside", "Files set aside", columns, rows, fields=("store", *keys), groups=1)


def evidence(analyses: list[ProtocolAnalysis], bins: int) -> Table | None:
    """How far attention concentrates on planted evidence, against uniform; None where no data set has any."""
    rows = []
    for analysis in analyses:
        for cell in analysis.result.plain.values():
            rows += _evidence_rows(analysis.name, cell, analysis.result.store, bins)
    if not rows:
        return None
    columns = (
        field("protocol", "Protocol", whole=True),
        *recipe_column(analyses),
        method_column(),
        field("what", "Attention"),
        Column("Share on the evidence (%)", lambda row: text.number(100 * row["share"], 1), numeric=True),
        Column("Uniform share (%)", lambda row: text.number(100 * row["uniform"], 1), numeric=True),
        Column("Ratio", lambda row: text.number(row["ratio"]), numeric=True),
    )
    note = "1 is what uniform attention has. The evidence was planted by the generator of the synthetic data; no method knows it."
    groups = 2 + several_recipes(analyses)
    return Table("evidence", "Attention on the planted evidence", columns, rows, note, groups=groups)


def _evidence_rows(protocol: str, cell: CellResult, store: StoreResult, bins: int) -> list[dict[str, Any]]:
    if not store.evidence:
        return []
    gates, window = store.evidence.gates, store.evidence.window
    of = store.meta.bodies * len(store.meta.joints)
    found = {
        "alpha on the joints, whole clip": summaries.spatial_concentration(cell.alpha, gates, of),
        "alpha on the joints, within the window": summaries.spatial_concentration(cell.alpha, gates, of, window, bins),
        "beta within the window": summaries.temporal_concentration(cell.beta, window, bins),
    }
    who = {"protocol": protocol, "recipe": cell.recipe, "method": cell.method}
    return [who | {"what": what, "share": c.share, "uniform": c.uniform, "ratio": c.ratio} for what, c in found.items() if c]


def origins(analyses: list[ProtocolAnalysis]) -> Table:
    """What the runs of each cell, switches too, were made of: recipe and fingerprints of code, parameters and data."""
    rows = []
    for analysis in analyses:
        for name, cell in analysis.result.cells.items():
            prints, data = cell.run["fingerprint"], cell.run["data"]
            row: dict[str, Any] = {"cell": name, "protocol": analysis.name, "method": cell.method, "recipe": cell.recipe}
            row["runs"] = len(cell.run["runs"])
            rows.append(
                row | {f"{k}_fingerprint": prints.get(k, "") for k in ("pretrain", "finetune")} | dict(sorted(data.items()))
            )
    columns = (
        field("cell", "Cell", whole=True),
        *minor(method_column(), field("recipe", "Recipe", whole=True), field("runs", "Networks", 0)),
        field("pretrain_fingerprint", "Pretraining"),
        field("finetune_fingerprint", "Fine-tuning"),
        *minor(short("store_sha256", "Skeletons", DIGITS), short("split_sha256", "Split", DIGITS)),
    )
    note = (
        "A fingerprint covers the parameters, the data and the code of a training stage; here it stands as the runs recorded it."
        f" Of the SHA-256 of skeletons and split {DIGITS} of 64 digits are shown; the CSV has 64."
    )
    return Table("runs", "What the runs were made of", columns, rows, note)


DIGITS = 12
