"""The page over all data sets: verdicts first, then what each design can show, every effect, and what people change."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pipeline.answers import cells, earlier, inputs, pooled, searched, static, synthetic
from pipeline.answers.figure import Effects, forests
from pipeline.answers.predictions import Study, counted
from pipeline.answers.sensitivity import people
from pipeline.answers.words import MEAN, points, title, verdict
from pipeline.config.params import Config
from pipeline.datasets.shared import registry as datasets
from pipeline.report import text
from pipeline.report.answers import FIELDS, LEADS, QUESTIONS
from pipeline.report.page import INTERVALS, Page, Section
from pipeline.report.tables import Column, Table, field, minor
from pipeline.results.components import FEW
from pipeline.results.effects import EFFECTS, effect
from pipeline.results.statistics import Difference, Rule, can_show_equivalence, needed

ALL = "mean of the data sets"
EFFECTS_TITLE = "Effects, the mean of the recipes"
ONLY = "Of accuracy alone; how runs spread stands under Every method, which networks failed in the report of the data set. "


def build(config: Config, studies: Sequence[Study], generated: Sequence[Study]) -> Page:
    """The page; every number comes from the predictions of `studies`, but those of one table, from those of `generated` data."""
    rule = config.params.report
    found = {study.protocol: of_study(study, rule) for study in studies}
    pool = {study.protocol: found[study.protocol] for study in counted(studies)}
    means = {ALL: over_all(pool, rule)} if len(pool) > 1 else {}
    alone = {study.protocol: next(iter(study.compared)) for study in studies if len(study.compared) == 1}
    before = earlier.table(config, studies)
    sections = (
        Section(
            "Verdicts",
            (
                *forests(found | means, ALL, set(pool), rule),
                table("effects", EFFECTS_TITLE, _over_recipes(found | means, alone)),
                *_single(studies),
            ),
        ),
        Section("Answers", (*_answers(found, pool, means_by_recipe(studies, rule), rule), earlier.paragraph(before.rows))),
        Section("What each design can show", (designs(found | means, rule),)),
        Section("Effects by recipe", (table("recipes", "Effects by recipe", _by_recipe(studies, rule), _of_which(studies)),)),
        Section("With fresh seeds", tuple(fresh(config, studies))),
        Section("When attention pays: the input", tuple(inputs.section(config, studies))),
        Section("Does looking pay: weights that are the same for every clip", tuple(static.section(config, studies))),
        Section("Each method by a search of its own", tuple(searched.section(config))),
        Section("The same people in several sequences", (people(config, studies),)),
        Section("Earlier methods", (before,)),
        Section("The paper's rows on synthetic data", tuple(synthetic.section(config, generated))),
        Section("Every method", (cells.accuracies(studies, rule),)),
        Section("Switches", (cells.switches(config, studies), *cells.again(config, studies))),
        Section(
            "How these numbers were made", (*_method(config, studies), INTERVALS.format(level=100 * rule.confidence, few=FEW))
        ),
    )
    return Page("RQ1 to RQ4: what the committed predictions say", "", sections, "python -m pipeline answer", "answers")


def _single(studies: Sequence[Study]) -> Iterator[str]:
    """A word on protocols that have not been run under every recipe of the others, and on those that are in no mean."""
    every, pool = {recipe for study in studies for recipe in study.compared}, counted(studies)
    for study in studies:
        if set(study.compared) < every:
            own, part = text.joined(list(study.compared)), ", and its part of every mean," if study in pool else ""
            yield f"On {study.protocol} methods can be compared under {own} alone: its effects{part} are of that."
    for study in [study for study in studies if study not in pool]:
        same = [one.protocol for one in pool if one.dataset == study.dataset]
        why = f"it divides the recordings of {same[0]} otherwise" if same else "not all four methods have been run"
        yield f"{study.protocol} is in no mean of data sets: {why}."


def of_study(study: Study, rule: Rule) -> dict[str, Difference]:
    """The effects of a protocol, means over all recipes under which methods can be compared."""
    recipes = list(study.compared.values())
    return {name: difference for name in EFFECTS if (difference := effect(name, recipes, rule))}


def over_all(found: Effects, rule: Rule) -> dict[str, Difference]:
    """The equal-weight mean of the data sets of each effect that they all have; with one data set, its own."""
    names = [name for name in EFFECTS if all(name in effects for effects in found.values())]
    if len(found) == 1:
        return dict(next(iter(found.values())))
    return {name: pooled.mean([effects[name] for effects in found.values()], rule) for name in names}


def _answers(found: Effects, pool: Effects, recipes: Effects, rule: Rule) -> Iterator[str]:
    """`found`: effects by protocol; `pool`: of those that count in the means; `recipes`: the means by recipe."""
    others = {protocol: effects for protocol, effects in found.items() if protocol not in pool}
    for key, leads in LEADS.items():
        order = sorted([name for name in EFFECTS if EFFECTS[name].question == key], key=lambda name: name not in leads)
        places = {name: [protocol for protocol, effects in pool.items() if name in effects] for name in order}
        parts = []
        for where in dict.fromkeys(tuple(place) for place in places.values() if place):
            names = [name for name in order if tuple(places[name]) == where]
            estimates = over_all({protocol: pool[protocol] for protocol in where}, rule)
            parts.append(f"On {_where(where, len(pool))}, over the recipes: {_told(names, estimates)}.")
        for protocol, effects_of in others.items():
            if names := [name for name in order if name in effects_of]:
                parts.append(f"On {protocol}, which is in no mean: {_told(names, effects_of)}.")
        for recipe, means in recipes.items():
            if names := [name for name in order if name in means]:
                parts.append(f"Under {recipe} alone, on the mean of the data sets: {_told(names, means)}.")
        only = ONLY if key == "RQ3" else ""
        yield f"**{key}. {QUESTIONS[key]}** {only}{parts[0]}" if parts else f"**{key}.** Not run."
        yield from parts[1:]
        if key == "RQ1":
            yield from _random_effects(pool, rule)


def _told(names: Sequence[str], found: Mapping[str, Difference]) -> str:
    return "; ".join(f"{title(name)}: {verdict(title(name), found[name].verdict)}, {_numbers(found[name])}" for name in names)


def _where(protocols: Sequence[str], studies: int) -> str:
    if len(protocols) > 1:
        return f"the mean of {text.joined(list(protocols))}"
    return f"{protocols[0]} alone{', one data set so far' if studies == 1 else ''}"


def _numbers(found: Difference) -> str:
    level = f"{100 * found.confidence:g} % interval"
    return f"{text.signed(found.points)} points ({level} {text.number(found.low)} to {text.number(found.high)})"


def _random_effects(found: Effects, rule: Rule) -> Iterator[str]:
    parts = []
    for name in ("both", "spatial", "temporal"):
        effects = [of[name] for of in found.values() if name in of]
        if whole := pooled.random_effects(effects, rule):
            interval, beyond = text.interval(whole.low, whole.high), text.interval(whole.predicted_low, whole.predicted_high)
            parts.append(f"{title(name)} {text.signed(whole.points)} {interval}, one more data set {beyond}")
    if parts:
        yield f"As a sample of data sets like these (random effects; weak with {len(found)}): {'; '.join(parts)}."


def designs(found: dict[str, dict[str, Difference]], rule: Rule) -> Table:
    """Before any verdict: the smallest effect that each design finds, and whether it can call methods equivalent."""
    rows = []
    for protocol, effects in found.items():
        for name, difference in effects.items():
            numbers = {key: getattr(difference, key) for key in ("standard_error", "floor", "smallest")}
            rows.append({"protocol": protocol, "effect": title(name), **numbers, "reach": _reach(difference, rule)})
    columns = (
        field("protocol", "Protocol", whole=True),
        field("effect", "Effect"),
        *minor(
            field("standard_error", "Standard error", 2),
            field("floor", "Standard error with infinitely many seeds", 2),
        ),
        field("smallest", "Smallest found", 2),
        field("reach", "Equivalence found as often"),
    )
    note = (
        f"In points. Smallest found: in {100 * rule.power:g} of 100 repetitions. Equivalence: whether methods that do not differ"
        f" would be called equivalent within {rule.margin:g} point as often, which takes a standard error of at most"
        f" {needed(rule):.2f}; where not, undecided is a full answer, and an equivalence that is found was luck as well."
    )
    return Table("designs", "What each design can show, whatever the effects are", columns, rows, note, groups=1)


def _reach(found: Difference, rule: Rule) -> str:
    if can_show_equivalence(found.standard_error, rule):
        return "within reach"
    return "only with more seeds" if can_show_equivalence(found.floor, rule) else "out of reach with these sequences"


def _row(protocol: str, recipe: str, name: str, found: Difference) -> dict[str, Any]:
    numbers = {key: getattr(found, key) for key in (*FIELDS, "degrees")}
    effect = {"question": EFFECTS[name].question, "effect": title(name), "verdict": found.verdict}
    return {"protocol": protocol, "recipe": recipe, **effect, **numbers}


def _over_recipes(found: dict[str, dict[str, Difference]], alone: Mapping[str, str]) -> list[dict[str, Any]]:
    """`alone`: the recipe of protocols that have one."""
    rows = [
        _row(protocol, alone.get(protocol, MEAN), name, one)
        for protocol, effects in found.items()
        for name, one in effects.items()
    ]
    order = list(EFFECTS)
    titles = [title(name) for name in order]
    return sorted(rows, key=lambda row: titles.index(row["effect"]))


def _by_recipe(studies: Sequence[Study], rule: Rule) -> list[dict[str, Any]]:
    """Each effect under each recipe: on every protocol, then the mean of the data sets that were run under it."""
    rows = []
    for name in EFFECTS:
        rows += [
            _row(study.protocol, recipe, name, one)
            for study in studies
            for recipe, group in study.recipes.items()
            if (one := effect(name, [group], rule))
        ]
        means = {recipe: of.get(name) for recipe, of in means_by_recipe(studies, rule).items()}
        rows += [_row(ALL, recipe, name, one) for recipe, one in means.items() if one]
    return rows


def means_by_recipe(studies: Sequence[Study], rule: Rule) -> dict[str, dict[str, Difference]]:
    """Recipe -> the means of the data sets that have all four methods under it; recipes with one data set are left out."""
    found: dict[str, dict[str, dict[str, Difference]]] = {}
    for study in counted(studies):
        for recipe, group in study.whole.items():
            found.setdefault(recipe, {})[study.protocol] = {n: one for n in EFFECTS if (one := effect(n, [group], rule))}
    return {recipe: over_all(of, rule) for recipe, of in found.items() if len(of) > 1}


def _of_which(studies: Sequence[Study]) -> str:
    """Which data sets the means by recipe are of."""
    places: dict[str, list[str]] = {}
    for study in counted(studies):
        for recipe in study.whole:
            places.setdefault(recipe, []).append(study.protocol)
    parts = [f"under {recipe} of {text.joined(names)}" for recipe, names in places.items() if len(names) > 1]
    return f"Means of the data sets: {'; '.join(parts)}." if parts else ""


def table(key: str, head: str, rows: list[dict[str, Any]], note: str = "") -> Table:
    """Effects with their verdicts, a row an effect and place."""
    chance = Column("p", lambda row: text.p_value(row["p"]), numeric=True)
    columns = (
        field("question", "", whole=True),
        field("effect", "Effect"),
        field("protocol", "Protocol", whole=True),
        *([field("recipe", "Recipe", whole=True)] if key == "recipes" else []),
        Column("Verdict", lambda row: verdict(row["effect"], row["verdict"]), whole=True),
        Column("Points, interval", points, numeric=True),
        *(minor(chance) if key == "recipes" else (chance,)),
        *minor(Column("p, equivalence test", lambda row: text.p_value(row["p_equivalent"]), numeric=True)),
    )
    strong = frozenset(i for i, row in enumerate(rows) if row["protocol"] == ALL)
    return Table(key, head, columns, rows, note, strong=strong, groups=2)


def fresh(config: Config, studies: Sequence[Study]) -> Iterator[str | Table]:
    """Each effect over the recipes beside the same with seeds that were named before they were run."""
    rule, rows = config.params.report, []
    for study in studies:
        recipes = list(study.compared.values()), list(study.fresh(config).values()), study.with_fresh(config)
        for name in EFFECTS:
            old, new, every = (effect(name, group, rule) for group in recipes)
            if old and new and every:
                numbers = {f"fresh_{key}": getattr(new, key) for key in FIELDS}
                numbers |= {f"all_{key}": getattr(every, key) for key in FIELDS}
                rows.append(_row(study.protocol, MEAN, name, old) | numbers | {"repeats": _repeats(old, new)})
    if not rows:
        yield "Seeds named beforehand (params.yaml, groups of the grid that end in -fresh) have not been run yet."
        return
    columns = (
        field("protocol", "Protocol", whole=True),
        field("effect", "Effect"),
        Column("First seeds", points, numeric=True),
        Column("Fresh seeds", lambda row: points({key: row[f"fresh_{key}"] for key in FIELDS}), numeric=True),
        *minor(Column("All seeds", lambda row: points({key: row[f"all_{key}"] for key in FIELDS}), numeric=True)),
        field("repeats", "Repeats", whole=True),
    )
    note = "Fresh seeds guard against luck in training. The test sequences are the same, so they do not confirm an effect."
    yield from _repeated(rows)
    yield Table("fresh", "The same effects with seeds that were named before they were run", columns, rows, note, groups=1)
    yield _means_with_fresh(config, counted(studies))


def _repeated(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """In words which effects came again, a sentence a protocol."""
    for protocol in dict.fromkeys(row["protocol"] for row in rows):
        parts = []
        for key, word in (("yes", "repeats"), ("no", "does not repeat")):
            if titles := [row["effect"] for row in rows if (row["protocol"], row["repeats"]) == (protocol, key)]:
                parts.append(f"{word}: {'; '.join(titles)}")
        yield f"Of what is better or worse on {protocol} with the first seeds, {'. Of it '.join(parts) or 'there is nothing'}."


def _means_with_fresh(config: Config, studies: Sequence[Study]) -> str:
    """The means of the data sets with all seeds, for comparison; the verdicts above are of the first ones."""
    rule = config.params.report
    found = {}
    for study in studies:
        recipes = study.with_fresh(config)
        found[study.protocol] = {name: one for name in EFFECTS if (one := effect(name, recipes, rule))}
    whole = over_all(found, rule)
    return f"With all seeds, the fresh ones too, on {_where(list(found), len(found))}: {_told(list(whole), whole)}."


def _repeats(old: Difference, new: Difference) -> str:
    """Whether an effect that is better or worse comes again; nothing to repeat otherwise."""
    if old.verdict not in ("better", "worse"):
        return text.MISSING
    return "yes" if new.verdict == old.verdict else "no"


def _classes(study: Study) -> int:
    """How many classes the data set has."""
    return len(next(iter(datasets.load(study.dataset).FORMATS.values())).META.actions)


def _method(config: Config, studies: Sequence[Study]) -> Iterator[str]:
    counts = []
    for study in studies:
        one = next(iter(next(iter(study.recipes.values())).values()))
        recipes = text.joined(list(study.recipes))
        size = f"{len(one.names)} test sequences"
        if study.protocol in config.answer.copies:
            classes = len(set(one.labels.tolist()))
            size += f" without copies of training sequences, of {classes} of {_classes(study)} classes"
        counts.append(f"{study.protocol} ({size}, folds: {len(set(one.folds.tolist()))}, recipes {recipes})")
    yield (
        f"From the predictions in reports/baseline: {'; '.join(counts)}. `python -m pipeline answer` makes this page again."
        " Synthetic data are left out but for a table of their own, and of the effects switches and recipes that choose by test"
        " data. The ten effects are named in pipeline/results/effects.py; their p are not adjusted for their number. An effect"
        " over several recipes is their mean for each sequence, whether they agree or not. Where folds leave one subject out, the"
        " unit is the subject."
    )
