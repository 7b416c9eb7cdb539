"""params.yaml: every mistake is named by its key, overlays change what they say, every value says where it is from."""

from __future__ import annotations

import difflib
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline import params, use
from pipeline.errors import ParamsError
from tests.conftest import ROOT

FILE = ROOT / "params.yaml"
GRID = {"cells", "use", "seeds", "recipes", "methods", "search"}  # what runs, or is tried; all other sections say how


@pytest.fixture
def document(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    for name in ("SBU_SOURCE", "NTU_SOURCE", "NTU120_SOURCE"):
        monkeypatch.delenv(name, raising=False)
    loaded: dict[str, Any] = yaml.safe_load(FILE.read_text())
    return loaded


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return Path(shutil.copy(FILE, tmp_path / "params.yaml"))


def put(document: dict[str, Any], dotted: str, value: object) -> dict[str, Any]:
    """Set a value deep inside."""
    *parents, last = dotted.split(".")
    inner = document
    for parent in parents:
        inner = inner[parent]
    inner[last] = value
    return document


def test_the_projects_own_file_is_accepted(document: dict[str, Any]) -> None:
    found = params.load(FILE)
    assert found.model.layers == document["model"]["layers"]
    assert found.use.datasets == document["use"]["datasets"]


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("model.hiden", 10, "Extra inputs are not permitted"),
        ("surprise", {}, "Extra inputs are not permitted"),
        ("normalize.sbu.surprise", 1, "Extra inputs are not permitted"),
        ("download.sbu.surprise", 1, "Extra inputs are not permitted"),
        ("download.ntu.surprise", 1, "Extra inputs are not permitted"),
        ("download.surprise", "/data", "valid dictionary"),
        ("download.ntu.source", 1, "valid string"),
        ("methods.lstm.surprise", True, "Extra inputs are not permitted"),
        ("cells.sbu.sbu-paper-lstm.surprise", 1, "Extra inputs are not permitted"),
        ("model.hidden", "100", "valid integer"),
        ("model.hidden", 10.5, "valid integer"),
        ("model.hidden", True, "valid integer"),
        ("pretrain.reinit_main", "yes", "valid boolean"),
        ("seeds.demo", 1, "valid list"),
        ("model.hidden", 0, "greater than or equal to 1"),
        ("model.dropout", 1.0, "less than 1"),
        ("model.dropout", -0.1, "greater than or equal to 0"),
        ("split.validation_share", 1.0, "less than 1"),
        ("training.learning_rate", 0.0, "greater than 0"),
        ("report.confidence", 1.0, "less than 1"),
        ("objective.lambda1", -1e-9, "greater than or equal to 0"),
        ("training.schedule", "linear", "'constant', 'cosine' or 'plateau'"),
        ("normalize.ntu.spread_share", 1.5, "less than or equal to 1"),
    ],
)
def test_mistake_is_named_by_its_key(document: dict[str, Any], key: str, value: object, reason: str) -> None:
    with pytest.raises(ParamsError) as failure:
        params.build(put(document, key, value), "here.yaml")
    lines = str(failure.value).splitlines()
    assert lines[0] == "here.yaml: 1 value(s) cannot be used:"
    assert lines[1].startswith(f"  {key}: ")
    assert reason in lines[1]
    assert f"(found {value!r}" in lines[1]


@pytest.mark.parametrize("key", ["model.hidden", "finetune", "use", "normalize.ntu.order"])
def test_missing_key_is_named(document: dict[str, Any], key: str) -> None:
    *parents, last = key.split(".")
    inner = document
    for parent in parents:
        inner = inner[parent]
    del inner[last]
    with pytest.raises(ParamsError, match=rf"  {re.escape(key)}: Field required"):
        params.build(document)


def test_all_mistakes_are_named_at_once(document: dict[str, Any]) -> None:
    put(put(document, "model.layers", 0), "finetune.joint", -1)
    with pytest.raises(ParamsError, match=r"2 value\(s\)") as failure:
        params.build(document)
    assert [line.split(":")[0].strip() for line in str(failure.value).splitlines()[1:]] == ["model.layers", "finetune.joint"]


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("dataset", "sbu", "dataset 'sbu' is none of demo"),
        ("method", "gru", "method 'gru' is none of lstm, "),
        ("recipe", "fast", "recipe 'fast' is none of "),
        ("seeds", "many", "seeds 'many' is none of demo, sbu, "),
        ("store", "sbu-file-order", "store 'sbu-file-order' is none of sbu, ntu"),  # a variant of another data set
        ("switch_of", "y", "switch_of 'y' is not in use; use the group of that cell too"),
    ],
)
def test_cell_that_refers_to_nothing_is_named(document: dict[str, Any], key: str, value: str, message: str) -> None:
    put(document, "use", {"datasets": ["demo"], "cells": {"x": document["cells"]["demo"]["demo-sbu-lstm"] | {key: value}}})
    with pytest.raises(ParamsError, match=re.escape(f"use.cells.x: {message}")):
        params.build(document)


def in_use(document: dict[str, Any], **changes: dict[str, object]) -> dict[str, Any]:
    """The SBU's cells and switches in use; keyword arguments are cells, with `_` for `-`, and what to change in them."""
    cells = {**document["cells"]["sbu"], **document["cells"]["sbu-switches"]}
    for name, change in changes.items():
        key = name.replace("_", "-")
        cells[key] = {**cells.get(key, cells["sbu-paper-lstm"]), **change}
    return put(document, "use", {"datasets": ["sbu"], "cells": cells})


def test_switches_of_the_project_can_be_compared(document: dict[str, Any]) -> None:
    found = params.build(in_use(document)).use.cells
    assert {cell.switch_of for cell in found.values()} == {"", "sbu-paper-sta-lstm"}


def test_switch_of_a_switch_or_of_another_protocol_is_refused(document: dict[str, Any]) -> None:
    refused = "expected a cell of sbu that is no switch itself"
    with pytest.raises(ParamsError, match=refused):
        params.build(in_use(document, x={"switch_of": "sbu-paper-plain-alpha"}))
    with pytest.raises(ParamsError, match=r"expected a cell of other that is no switch"):
        params.build(in_use(document, x={"switch_of": "sbu-paper-sta-lstm", "protocol": "other"}))


def test_cell_that_stands_there_twice_is_named(document: dict[str, Any]) -> None:
    with pytest.raises(ParamsError, match=r"use\.cells\.x: protocol, recipe and method are those of sbu-paper-lstm; set"):
        params.build(in_use(document, x={"store": "sbu-file-order"}))


def test_variant_has_its_changes_laid_over_its_raw_format(document: dict[str, Any]) -> None:
    section = params.build(document).normalize
    changed = params.section_of(section, "sbu", "sbu-file-order")
    assert changed == section.sbu.model_copy(update={"order": "file"})
    assert params.section_of(section, "sbu", "sbu") == params.section_of(section, "demo", "sbu") == section.sbu
    assert [params.raw_format(section, "sbu", name) for name in ("sbu", "sbu-file-order", "ntu")] == ["sbu", "sbu", "ntu"]


@pytest.mark.parametrize(
    ("store", "changes", "message"),
    [
        ("kinect-raw", {"order": "file"}, r"variants\.sbu\.kinect-raw: expected a name that begins with .*: sbu-, ntu-"),
        ("sbu-raw", {"ordre": "file"}, r"variants\.sbu\.sbu-raw\.ordre: there is no such parameter"),
        ("sbu-raw", {"order": "none"}, r"variants\.sbu\.sbu-raw: 1 value\(s\)(.|\n)*order: .*'left_first' or 'file'"),
    ],
)
def test_impossible_variant_is_named(document: dict[str, Any], store: str, changes: dict[str, object], message: str) -> None:
    document["normalize"]["variants"]["sbu"][store] = changes
    with pytest.raises(ParamsError, match=message):
        params.build(document)


@pytest.mark.parametrize(("text", "reason"), [("a: [", "cannot be read"), ("- 1\n", "found list"), ("", "found NoneType")])
def test_file_that_is_no_params_is_named(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(text)
    with pytest.raises(ParamsError, match=rf"{re.escape(str(path))}: .*{reason}"):
        params.load(path)


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match=r"none\.yaml: cannot be read"):
        params.load(tmp_path / "none.yaml")


def test_environment_says_where_raw_files_are(copy: Path, document: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SBU_SOURCE", "/data/sbu")
    found = params.load(copy)
    assert found.download.sbu.source == "/data/sbu"
    assert found.download.ntu.source == document["download"]["ntu"]["source"]
    monkeypatch.setenv("NTU120_SOURCE", "/data/ntu120")
    assert params.load(copy).download.ntu120.source == "/data/ntu120"
    monkeypatch.setenv("SBU_SOURCE", "")
    monkeypatch.setenv("NTU_SOURCE", "/data/ntu.zip")
    found = params.load(copy)
    assert (found.download.sbu.source, found.download.ntu.source) == (document["download"]["sbu"]["source"], "/data/ntu.zip")


def test_overlay_changes_what_it_names_and_nothing_else() -> None:
    document = {"a": {"b": 1, "c": {"d": 2}}, "e": [3]}
    changed = params.overlay(document, {"a": {"c": {"d": 4}}, "e": [5, 6]}, "here")
    assert changed == {"a": {"b": 1, "c": {"d": 4}}, "e": [5, 6]}
    assert document == {"a": {"b": 1, "c": {"d": 2}}, "e": [3]}


def test_overlay_of_an_unknown_key_is_named(document: dict[str, Any]) -> None:
    put(document, "recipes.demo", {"training": {"bach": 1}})
    with pytest.raises(ParamsError, match=r"recipes\.demo\.training\.bach: there is no such parameter"):
        params.for_cell(params.build(document), "demo-sbu-lstm")


def test_overlay_with_an_impossible_value_is_named(document: dict[str, Any]) -> None:
    put(document, "recipes.demo", {"training": {"batch": 0}})
    with pytest.raises(ParamsError, match=r"training\.batch: .*greater than or equal to 1"):
        params.for_cell(params.build(document), "demo-sbu-lstm")


def test_cell_has_its_recipe_laid_over(document: dict[str, Any]) -> None:
    put(document, "recipes.demo", {"training": {"batch": 99}, "model": {"layers": 2}})
    whole = params.build(document)
    cell, found = params.for_cell(whole, "demo-ntu-cs-sta-lstm")
    assert (cell.protocol, cell.store, cell.method) == ("demo-ntu-cs", "ntu", "sta-lstm")
    assert (found.training.batch, found.model.layers) == (99, 2)
    assert found.training.model_copy(update={"batch": whole.training.batch}) == whole.training
    assert found.objective == whole.objective


def test_method_without_regularisers_has_no_lambdas(document: dict[str, Any]) -> None:
    put(document, "use", {"datasets": ["sbu"], "cells": document["cells"]["sbu"]})
    whole = params.build(document)
    lambdas = {}
    for name in ("sbu-paper-sta-lstm", "sbu-paper-sta-lstm-noreg"):
        _, found = params.for_cell(whole, name)
        lambdas[name] = (found.objective.lambda1, found.objective.lambda2, found.objective.lambda3)
    assert lambdas["sbu-paper-sta-lstm-noreg"] == (0.0, 0.0, 0.0)
    assert min(lambdas["sbu-paper-sta-lstm"]) > 0


def test_unknown_cell_is_answered_with_those_that_are(document: dict[str, Any]) -> None:
    with pytest.raises(ParamsError, match=r"use\.cells has no 'sbu-gru'; it has demo-sbu-lstm, "):
        params.for_cell(params.build(document), "sbu-gru")


def test_switch_rewrites_one_line_and_back(copy: Path) -> None:
    use.switch(["demo"], copy)
    before = copy.read_text()
    line = use.switch(["demo", "sbu"], copy)
    assert line == "use: {datasets: [demo, sbu], cells: {<<: [*demo, *sbu]}}"
    changed = [d for d in difflib.ndiff(before.splitlines(), copy.read_text().splitlines()) if d[0] in "+-"]
    assert changed == ["- use: {datasets: [demo], cells: {<<: [*demo]}}", f"+ {line}"]
    use.switch(["demo"], copy)
    assert copy.read_text() == before


def test_switch_brings_the_cells_of_every_group_and_their_data_sets(copy: Path, document: dict[str, Any]) -> None:
    line = use.switch(["demo-tuned", "ntu"], copy)
    assert line == "use: {datasets: [demo, ntu], cells: {<<: [*demo-tuned, *ntu]}}"
    found = params.load(copy)
    assert set(found.use.cells) == set(document["cells"]["demo-tuned"]) | set(document["cells"]["ntu"])
    assert found.use.cells["ntu-cv-tuned-lstm"].protocol == "ntu-cv"
    assert use.switch(["sbu", "sbu-switches"], copy) == "use: {datasets: [sbu], cells: {<<: [*sbu, *sbu-switches]}}"
    assert params.load(copy).use.cells["sbu-paper-file-order"].switch_of == "sbu-paper-sta-lstm"


@pytest.mark.parametrize(("names", "shown"), [(["kinetics"], "kinetics"), ([], r"\(none\)")])
def test_switch_to_an_unknown_data_set_changes_nothing(copy: Path, names: list[str], shown: str) -> None:
    before = copy.read_text()
    with pytest.raises(ParamsError, match=f"no group of cells {shown}; there are demo, demo-tuned, sbu, "):
        use.switch(names, copy)
    assert copy.read_text() == before


def test_switch_needs_one_line_to_rewrite(copy: Path) -> None:
    copy.write_text(re.sub(r"(?m)^use:", "use :", copy.read_text()))
    with pytest.raises(ParamsError, match="expected one line that starts with 'use:', found 0"):
        use.switch(["demo"], copy)


def test_cells_are_named_by_protocol_recipe_and_method(document: dict[str, Any]) -> None:
    groups = document["cells"]
    assert groups and sum(map(len, groups.values())) == len({name for group in groups.values() for name in group})
    for group, cells in groups.items():
        for name, cell in cells.items():
            recipe = "" if group == "demo" else f"{cell['recipe']}-"
            variant = "".join(f"-{part}" for part in cell["store"].split("-")[1:])
            switch = f"{cell['protocol']}-{cell['recipe']}{variant}"
            assert name == (switch if cell.get("switch_of") else f"{cell['protocol']}-{recipe}{cell['method']}")
    of_sbu = [cell["method"] for name, cells in groups.items() if name.startswith("sbu") for cell in cells.values()]
    assert set(of_sbu) == set(document["methods"])


def test_every_group_can_be_used(copy: Path, document: dict[str, Any]) -> None:
    use.switch(list(document["cells"]), copy)
    assert params.load(copy).use.datasets == ["demo", "sbu", "ntu", "ntu120"]


def leaves(document: dict[str, Any], prefix: str) -> list[tuple[str, Any]]:
    """(dotted key, value) of every parameter below a section."""
    found = []
    for key, value in document.items():
        name = f"{prefix}.{key}"
        found += leaves(value, name) if isinstance(value, dict) else [(name, value)]
    return found


def test_every_parameter_says_where_it_is_from(document: dict[str, Any]) -> None:
    wanted = [leaf for section in document.keys() - GRID for leaf in leaves(document[section], section)]
    for name, method in document["methods"].items():
        wanted += [leaf for leaf in leaves(method.get("network", {}), f"methods.{name}.network") if not leaf[0].endswith(".kind")]
    rows = params.provenance(FILE)
    assert sorted(row[0] for row in rows) == sorted(name for name, _ in wanted)
    values = dict(wanted)
    for key, value, tag, reason in rows:
        assert tag in {"paper", "same-lab", "re-implementation", "ours"}, key
        assert reason, key
        assert yaml.safe_load(value) == values[key], key


def test_provenance_of_known_lines(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(
        "# [ours] a heading is none\n"
        "a:\n"
        "  b: 1  # [paper] section 3\n"
        "  c:\n"
        "    d: x  # [same-lab]  code: line 5 # and more\n"
        "  e: 2  # no tag\n"
        "f: 0.5  # [ours]\n"
    )
    assert params.provenance(path) == [
        ("a.b", "1", "paper", "section 3"),
        ("a.c.d", "x", "same-lab", "code: line 5 # and more"),
        ("f", "0.5", "ours", ""),
    ]
