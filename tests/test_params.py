"""params.yaml: every mistake is named by its key, overlays change what they say, every value says where it is from."""

from __future__ import annotations

import difflib
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from pipeline.commands import use
from pipeline.config import params
from pipeline.config.resolve import of_report
from pipeline.core.errors import ParamsError
from pipeline.core.files import read_json
from pipeline.datasets.shared import registry
from pipeline.stages import resolve
from tests.conftest import ROOT, document_of_params, in_a_project

FILE = ROOT / "params.yaml"
GRID = {"protocols", "grid", "use", "seeds", "recipes", "methods", "search"}  # what runs, or is tried; all others say how


@pytest.fixture
def document() -> dict[str, Any]:
    """The content of the file, with the demo in use."""
    return document_of_params() | {"use": {"groups": ["demo"], "datasets": {"demo": "pipeline/datasets"}}}


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The file in a folder of its own, beside what `use` reads and writes there."""
    for name in ("dvc.yaml", ".dvcignore"):
        shutil.copy(ROOT / name, tmp_path)
    return Path(shutil.copy(FILE, tmp_path / "params.yaml"))


def put(document: dict[str, Any], dotted: str, value: object) -> dict[str, Any]:
    """Set a value deep inside; a number names a place in a list."""
    *parents, last = dotted.split(".")
    inner: Any = document
    for parent in parents:
        inner = inner[int(parent) if parent.isdigit() else parent]
    inner[int(last) if last.isdigit() else last] = value
    return document


def test_the_projects_own_file_is_accepted(document: dict[str, Any]) -> None:
    found = params.load(FILE)
    assert found.params.model.layers == document["model"]["layers"]
    assert {cell.dataset for cell in found.cells.values()} == set(found.params.use.datasets)
    assert found.cells == {name: cell for name, cell in found.every.items() if cell.group in found.params.use.groups}
    assert set(params.build(document).cells) == {name for name, cell in found.every.items() if cell.group == "demo"}


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
        ("grid.sbu.0.surprise", 1, "Extra inputs are not permitted"),
        ("grid.sbu.0.names", "{dataset}-{method}", "match pattern"),
        ("grid.sbu.0.names", "a/{method}", "match pattern"),
        ("grid.sbu.0.methods", "lstm", "valid list"),
        ("grid.sbu.0.methods", [], "at least 1 item"),
        ("grid.sbu", {}, "valid list"),
        ("protocols.sbu.surprise", 1, "Extra inputs are not permitted"),
        ("use.cells", {}, "Extra inputs are not permitted"),
        ("use.datasets", ["demo"], "valid dictionary"),
        ("model.hidden", "100", "valid integer"),
        ("model.hidden", 10.5, "valid integer"),
        ("model.hidden", True, "valid integer"),
        ("pretrain.reinit_main", "yes", "valid boolean"),
        ("seeds.demo", 1, "valid list"),
        ("seeds.demo", [], "at least 1 item"),
        ("seeds.demo", [1, 2, 1], "a seed stands there twice"),
        ("search.seeds", [1, 1], "a seed stands there twice"),
        ("model.hidden", 0, "greater than or equal to 1"),
        ("model.dropout", 1.0, "less than 1"),
        ("model.dropout", -0.1, "greater than or equal to 0"),
        ("split.validation_share", 1.0, "less than 1"),
        ("training.learning_rate", 0.0, "greater than 0"),
        ("report.confidence", 1.0, "less than 1"),
        ("objective.lambda1", -1e-9, "greater than or equal to 0"),
        ("training.schedule", "linear", "'constant', 'cosine' or 'plateau'"),
        ("normalize.ntu.spread_share", 1.5, "less than or equal to 1"),
        ("seeds.demo.0", 99999999999999999999, "less than or equal to 4294967295"),
        ("split.seed", 2**32, "less than or equal to 4294967295"),
        ("training.batch", 99999999999999999999, "less than or equal to 100000"),
        ("training.pool", 100_001, "less than or equal to 100000"),
        ("training.learning_rate", 1e9, "less than or equal to 100"),
        ("training.frames", 10**6, "less than or equal to 100000"),
        ("training.adam_eps", 1.5, "less than or equal to 1"),
        ("model.hidden", 1_000_000, "less than or equal to 16384"),
        ("model.layers", 65, "less than or equal to 64"),
        ("model.beta_bias", -1e9, "greater than or equal to -1000"),
        ("objective.lambda1", 1e9, "less than or equal to 1000"),
        ("pretrain.tune", 10**8, "less than or equal to 10000000"),
        ("report.margin", 101.0, "less than or equal to 100"),
        ("finetune", {"main": 0, "joint": 0}, "main and joint are both 0, so nothing would be trained"),
        ("use.groups", ["demo", "demo"], "a group stands there twice"),
        ("grid.sbu.0.methods", ["lstm", "lstm"], "a method stands there twice"),
        ("check.guarded.demo", ["demo-sbu-sta-lstm", "demo-sbu-sta-lstm"], "a cell stands there twice"),
        ("search.views", [1, 1], "a number of views stands there twice"),
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


@pytest.mark.parametrize(
    ("key", "value"), [("seeds.demo", [2**32 - 1]), ("training.batch", 100_000), ("model.hidden", 16_384), ("finetune.joint", 0)]
)
def test_a_bound_itself_is_possible(document: dict[str, Any], key: str, value: object) -> None:
    assert params.build(put(document, key, value)).cells


@pytest.mark.parametrize("kind", ["deep-lstm", "st-lstm-trust-gates", "hcn", "sgn", "hbrnn"])
def test_networks_have_bounds_too(document: dict[str, Any], kind: str) -> None:
    network = document["methods"][kind]["network"]
    key = "layers" if "layers" in network else "frames" if "frames" in network else "hidden"
    network[key] = [2**60] * 4 if key == "hidden" else 2**60
    with pytest.raises(ParamsError, match=rf"methods\.{kind}\.network\.[\w-]+\.{key}.*: Input should be less than or equal to"):
        params.build(document)


@pytest.mark.parametrize(
    ("recipe", "changes", "reason"),
    [
        (
            "tuned",
            {"finetune": {"main": 0, "joint": 0}},
            "here.yaml: recipes.tuned.finetune: 1 value(s) cannot be used:\n  Value",
        ),
        (
            "demo",
            {"pretrain": {"attention": 0}},
            "cell demo-sbu-sa-lstm: method sa-lstm is pretrained, but pretrain.attention of",
        ),
        ("demo", {"pretrain": {"attention": 0, "main": 0, "tune": 0}}, "demo-sbu-sa-lstm: method sa-lstm is pretrained, but"),
    ],
)
def test_a_recipe_in_which_nothing_is_trained_is_refused(
    document: dict[str, Any], recipe: str, changes: dict[str, Any], reason: str
) -> None:
    document["recipes"][recipe] |= changes
    with pytest.raises(ParamsError) as failure:
        params.build(document, "here.yaml")
    assert reason in str(failure.value)


def test_pretraining_of_both_attentions_needs_one_step_of_three(document: dict[str, Any]) -> None:
    for line in document["grid"]["demo"]:
        line["methods"] = [method for method in line["methods"] if method not in ("sa-lstm", "ta-lstm")]
    document["recipes"]["demo"]["pretrain"] = {"attention": 0, "main": 1, "tune": 0}
    assert params.build(document).cells
    document["recipes"]["demo"]["pretrain"]["main"] = 0
    with pytest.raises(ParamsError, match=r"pretrain\.attention, pretrain\.main, pretrain\.tune of recipe demo are 0"):
        params.build(document)


def test_use_of_a_group_twice_is_use_of_it_once(copy: Path) -> None:
    assert "use: {groups: [sbu, demo], " in use.switch(["sbu", "demo", "sbu"], copy)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "model:\n  layers: 3\n  hidden: 1\n  layers: 2\n",
            'line 4, column 3: found duplicate key "layers" with value "2" (original value: "3");'
            " a key may stand once, so remove one of the two",
        ),
        ("a: [1, 2\nb: 3", "line 2, column 2: expected ',' or ']', but got ':' while parsing a flow sequence"),
        (
            "a: 1\n\tb: 2\n",
            "line 2, column 1: found character '\\t' that cannot start any token while scanning for the next token",
        ),
    ],
)
def test_what_is_no_yaml_is_told_in_a_line(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "p.yaml").write_text(text)
    with pytest.raises(ParamsError) as failure:
        params.read(tmp_path / "p.yaml")
    assert str(failure.value) == f"{tmp_path}/p.yaml: cannot be read: {told}"


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


# Every cell of the grid: group, beginnings and ends of names, and what they are: protocol, recipe, store and seeds.
# An end that is no method is a switch of sbu-paper-sta-lstm: its recipe is `paper-<end>`, or its store `sbu-<end>`.
FULL, ABLATION = "lstm sa-lstm ta-lstm sta-lstm", "lstm sa-lstm ta-lstm sta-lstm sta-lstm-noreg sta-lstm-scratch"
FRESH = " ".join(f"{method}-fresh" for method in FULL.split())
TWINS = "sa-lstm-noreg sa-lstm-scratch ta-lstm-noreg ta-lstm-scratch"
STATIC = "static-alpha-lstm static-beta-lstm static-attention-lstm"
NETS = "deep-lstm p-lstm st-lstm-trust-gates st-lstm"
YUN = "raw-skeleton-yun2012 joint-feature-yun2012"
JI = "raw-skeleton-ji2014 joint-feature-ji2014"
NTU_ROWS = "skeletal-quads lie-group dynamic-skeletons hbrnn deep-lstm p-lstm st-lstm-trust-gates"
CELLS = (
    ("demo", "demo-sbu-", "lstm sa-lstm ta-lstm", "demo-sbu demo sbu demo"),
    ("demo", "demo-sbu-", "sta-lstm", "demo-sbu demo sbu demo-guarded"),
    ("demo", "demo-ntu-cs-", "lstm", "demo-ntu-cs demo ntu demo"),
    ("demo", "demo-ntu-cv-", "lstm", "demo-ntu-cv demo ntu demo"),
    ("demo", "demo-ntu-cs-", "sta-lstm", "demo-ntu-cs demo ntu demo-guarded"),
    ("demo", "demo-ntu-cv-", "sta-lstm", "demo-ntu-cv demo ntu demo-guarded"),
    ("demo-tuned", "demo-ntu-cs-tuned-", "lstm sta-lstm", "demo-ntu-cs tuned ntu demo"),
    ("demo-tuned", "demo-ntu-cv-tuned-", "lstm sta-lstm", "demo-ntu-cv tuned ntu demo"),
    ("demo-earlier", "demo-sbu-", f"{YUN} {JI} hbrnn co-occurrence-rnn st-lstm-trust-gates", "demo-sbu demo sbu demo"),
    ("demo-earlier", "demo-ntu-cs-", NTU_ROWS, "demo-ntu-cs demo ntu demo"),
    ("demo-earlier", "demo-ntu-cv-", NTU_ROWS, "demo-ntu-cv demo ntu demo"),
    ("sbu", "sbu-paper-", ABLATION, "sbu paper sbu sbu"),
    ("sbu", "sbu-tuned-", ABLATION, "sbu tuned sbu sbu"),
    ("sbu-switches", "sbu-paper-", "plain-alpha lambda1-0 l1-literal", "sbu recipe sbu sbu-few"),
    ("sbu-switches", "sbu-paper-", "file-order", "sbu paper store sbu-few"),
    ("sbu-switches", "sbu-paper-", "test-epoch augmented velocity", "sbu recipe sbu sbu-few"),
    ("sbu-more", "sbu-paper-", f"lstm-noreg {TWINS}", "sbu paper sbu sbu-few"),
    ("sbu-more", "sbu-tuned-", TWINS, "sbu tuned sbu sbu-few"),
    ("sbu-more", "sbu-paper-", "shared-gates beta-sum summed-scores dead-beta l1-mean", "sbu recipe sbu sbu-few"),
    ("sbu-more", "sbu-paper-", "unsmoothed uncentred centred-once", "sbu paper store sbu-few"),
    ("sbu-more", "sbu-paper-", "20-frames dropout-last heldout bfloat16 batch-8 double-phases", "sbu recipe sbu sbu-few"),
    ("sbu-fresh", "sbu-paper-", FRESH, "sbu paper sbu sbu-fresh"),
    ("sbu-fresh", "sbu-tuned-", FRESH, "sbu tuned sbu sbu-fresh"),
    ("sbu-inputs", "sbu-paper-augmented-", FRESH, "sbu paper-augmented sbu sbu-fresh"),
    ("sbu-inputs", "sbu-paper-velocity-", FRESH, "sbu paper-velocity sbu sbu-fresh"),
    ("sbu-inputs", "sbu-paper-augmented-velocity-", FRESH, "sbu paper-augmented-velocity sbu sbu-fresh"),
    ("sbu-alpha", "sbu-paper-", "plain-alpha-fresh lambda1-0-fresh dead-beta-fresh", "sbu recipe sbu sbu-fresh"),
    ("sbu-static", "sbu-paper-", STATIC, "sbu paper sbu sbu"),
    ("sbu-static", "sbu-tuned-", STATIC, "sbu tuned sbu sbu"),
    ("sbu-earlier", "sbu-paper-", f"{YUN} hbrnn co-occurrence-rnn", "sbu paper sbu sbu-three"),
    ("sbu-earlier", "sbu-tuned-", "hbrnn co-occurrence-rnn", "sbu tuned sbu sbu-three"),
    ("sbu-classic", "sbu-paper-", "lie-group dynamic-skeletons", "sbu paper sbu once"),
    ("sbu-classic", "sbu-paper-", "skeletal-quads raw-skeleton-ji2014 joint-feature-ji2014", "sbu paper sbu sbu-three"),
    ("sbu-nets", "sbu-paper-", "deep-lstm p-lstm hcn st-lstm-trust-gates", "sbu paper sbu sbu-three"),
    ("sbu-nets", "sbu-tuned-", "deep-lstm p-lstm hcn st-lstm-trust-gates", "sbu tuned sbu sbu-three"),
    ("sbu-nets-more", "sbu-paper-", "st-lstm sgn", "sbu paper sbu sbu-three"),
    ("sbu-nets-more", "sbu-tuned-", "st-lstm sgn", "sbu tuned sbu sbu-three"),
    ("ntu", "ntu-cs-tuned-", FULL, "ntu-cs tuned ntu ntu"),
    ("ntu", "ntu-cv-tuned-", FULL, "ntu-cv tuned ntu ntu"),
    ("ntu-paper", "ntu-cs-paper-large-", FULL, "ntu-cs paper-large ntu ntu"),
    ("ntu-paper", "ntu-cv-paper-large-", FULL, "ntu-cv paper-large ntu ntu"),
    ("ntu-earlier", "ntu-cs-tuned-", "hbrnn deep-lstm p-lstm", "ntu-cs tuned ntu ntu"),
    ("ntu-earlier", "ntu-cv-tuned-", "hbrnn deep-lstm p-lstm", "ntu-cv tuned ntu ntu"),
    ("ntu120", "ntu120-csub-tuned-", "lstm sta-lstm", "ntu120-csub tuned ntu ntu"),
    ("ntu120", "ntu120-cset-tuned-", "lstm sta-lstm", "ntu120-cset tuned ntu ntu"),
    ("florence3d", "florence3d-paper-", FULL, "florence3d paper florence3d five"),
    ("florence3d", "florence3d-tuned-", FULL, "florence3d tuned florence3d five"),
    ("utkinect", "utkinect-paper-", FULL, "utkinect paper utkinect five"),
    ("utkinect", "utkinect-tuned-", FULL, "utkinect tuned utkinect five"),
    ("nw-ucla", "nw-ucla-xview-paper-", FULL, "nw-ucla-xview paper nw_ucla five"),
    ("nw-ucla", "nw-ucla-xview-tuned-", FULL, "nw-ucla-xview tuned nw_ucla five"),
    ("nw-ucla-classic", "nw-ucla-xview-paper-", "lie-group dynamic-skeletons", "nw-ucla-xview paper nw_ucla once"),
    ("nw-ucla-classic", "nw-ucla-xview-paper-", "skeletal-quads", "nw-ucla-xview paper nw_ucla sbu-three"),
    ("nw-ucla-nets", "nw-ucla-xview-tuned-", "hbrnn deep-lstm p-lstm hcn", "nw-ucla-xview tuned nw_ucla three"),
    ("nw-ucla-nets-paper", "nw-ucla-xview-paper-", "hbrnn deep-lstm p-lstm", "nw-ucla-xview paper nw_ucla three"),
    ("nw-ucla-nets-more", "nw-ucla-xview-tuned-", "st-lstm-trust-gates st-lstm sgn", "nw-ucla-xview tuned nw_ucla three"),
    ("nw-ucla-nets-more", "nw-ucla-xview-paper-", "hcn", "nw-ucla-xview paper nw_ucla three"),
    ("nw-ucla-xsub", "nw-ucla-xsub-tuned-", "lstm sta-lstm", "nw-ucla-xsub tuned nw_ucla five"),
    ("nw-ucla-views", "nw-ucla-xsub-paper-", "lstm", "nw-ucla-xsub paper nw_ucla three"),
    ("nw-ucla-views", "nw-ucla-xview-paper-augmented-", "lstm", "nw-ucla-xview paper-augmented nw_ucla three"),
)
COUNTS = {
    "demo": 8,
    "demo-tuned": 4,
    "demo-earlier": 21,
    "sbu": 12,
    "sbu-switches": 7,
    "sbu-more": 23,
    "sbu-fresh": 8,
    "sbu-earlier": 6,
}
COUNTS |= {
    "ntu": 8,
    "ntu-paper": 8,
    "ntu-earlier": 6,
    "ntu120": 4,
    "sbu-static": 6,
    "sbu-nets": 8,
    "sbu-nets-more": 4,
    "sbu-classic": 5,
}
COUNTS |= {
    "florence3d": 8,
    "utkinect": 8,
    "nw-ucla": 8,
    "nw-ucla-nets": 4,
    "nw-ucla-nets-paper": 3,
    "nw-ucla-nets-more": 4,
    "nw-ucla-xsub": 2,
    "nw-ucla-classic": 3,
}
COUNTS |= {"sbu-inputs": 12, "sbu-alpha": 3, "nw-ucla-views": 2}


def expected_cells(methods: set[str]) -> dict[str, dict[str, str]]:
    found = {}
    for group, begin, ends, words in CELLS:
        protocol, recipe, store, seeds = words.split()
        for end in ends.split():
            fresh = end.removesuffix("-fresh")
            switch = fresh not in methods
            found[f"{begin}{end}"] = {
                "group": group,
                "dataset": "nw_ucla" if protocol.startswith("nw-ucla-") else protocol.partition("-")[0],
                "store": f"sbu-{end}" if store == "store" else store,
                "protocol": protocol,
                "method": "sta-lstm" if switch else fresh,
                "recipe": f"paper-{fresh}" if recipe == "recipe" else recipe,
                "seeds": seeds,
                "switch_of": "sbu-paper-sta-lstm"
                if switch
                else f"{protocol}-{recipe.split('-')[0]}-{fresh}"
                if fresh != end or recipe == "paper-augmented"
                else "",
            }
    return found


def test_grid_has_these_cells_and_no_others(document: dict[str, Any]) -> None:
    found = {name: cell.model_dump() for name, cell in params.load(FILE).every.items()}
    assert list(found) == list(expected_cells(set(document["methods"])))  # their order is that of tables and of what runs first
    assert found == expected_cells(set(document["methods"]))
    assert {group: sum(cell["group"] == group for cell in found.values()) for group in document["grid"]} == COUNTS
    switch = {"group": "sbu-switches", "dataset": "sbu", "protocol": "sbu", "method": "sta-lstm", "seeds": "sbu-few"}
    switch |= {"switch_of": "sbu-paper-sta-lstm"}
    assert found["sbu-paper-file-order"] == {**switch, "store": "sbu-file-order", "recipe": "paper"}
    assert found["sbu-paper-test-epoch"] == {**switch, "store": "sbu", "recipe": "paper-test-epoch"}
    plain = {"dataset": "ntu120", "store": "ntu", "seeds": "ntu", "switch_of": "", "group": "ntu120"}
    names = {"protocol": "ntu120-cset", "recipe": "tuned", "method": "sta-lstm"}
    assert found["ntu120-cset-tuned-sta-lstm"] == {**plain, **names}
    names = {"protocol": "demo-ntu-cs", "recipe": "demo", "method": "lstm"}
    assert found["demo-ntu-cs-lstm"] == {**plain, **names, "dataset": "demo", "seeds": "demo", "group": "demo"}


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("protocols", ["demo-sbu", "kinetics"], "grid.demo.0: protocol 'kinetics' is none of demo-sbu, demo-ntu-cs, "),
        ("methods", ["lstm", "gru"], "grid.demo.0: method 'gru' is none of lstm, "),
        ("recipes", ["demo", "fast"], "grid.demo.0: recipe 'fast' is none of paper, "),
        ("seeds", "many", "grid.demo.0: seeds 'many' is none of demo, demo-guarded, sbu, "),
        ("stores", ["sbu-file-order"], "cell demo-sbu-lstm: store 'sbu-file-order' is none of sbu, ntu"),  # of another data set
        ("switch_of", "y", "cell demo-sbu-lstm: switch_of 'y' is not in use; use the group of that cell too"),
    ],
)
def test_line_that_refers_to_nothing_is_named(document: dict[str, Any], key: str, value: object, message: str) -> None:
    put(document, f"grid.demo.0.{key}", value)
    with pytest.raises(ParamsError, match=re.escape(f"here.yaml: {message}")):
        params.build(document, "here.yaml")


@pytest.mark.parametrize(("key", "value"), [("protocols", ["no"]), ("methods", ["no"]), ("recipes", ["no"]), ("seeds", "no")])
def test_lines_that_are_not_in_use_are_checked_too(document: dict[str, Any], key: str, value: object) -> None:
    put(document, f"grid.ntu120.0.{key}", value)
    with pytest.raises(ParamsError, match=rf"grid\.ntu120\.0: {key.removesuffix('s')}s? 'no' is none of "):
        params.build(document)


def test_cell_name_that_comes_twice_is_named(document: dict[str, Any]) -> None:
    twice = r"cell demo-sbu-lstm is in group demo already; give the line other `names`"
    lines = document["grid"]
    for group in ("demo", "again"):
        more = {**lines, group: [*lines.get(group, []), lines["demo"][0]]}
        with pytest.raises(ParamsError, match=rf"grid\.{group}\.{len(more[group]) - 1}: {twice}"):
            params.build(document | {"grid": more})
    put(document, "grid.demo.0.recipes", ["demo", "paper"])  # whose names do not tell recipes apart
    with pytest.raises(ParamsError, match=rf"grid\.demo\.0: {twice}"):
        params.build(document)


def test_names_of_a_line_may_say_what_they_like(document: dict[str, Any]) -> None:
    line = {"protocols": ["sbu"], "recipes": ["paper"], "methods": ["sta-lstm"], "seeds": "sbu"}
    line |= {"switch_of": "sbu-paper-sta-lstm", "stores": ["sbu-unsmoothed", "sbu-uncentred"]}
    document["grid"]["sbu"].append(line | {"names": "{protocol}_{recipe}.{method}-{variant}-2"})
    found = params.build(in_use(document)).cells
    names = {"sbu_paper.sta-lstm-unsmoothed-2": "sbu-unsmoothed", "sbu_paper.sta-lstm-uncentred-2": "sbu-uncentred"}
    assert {name: found[name].store for name in names} == names


@pytest.mark.parametrize(
    ("used", "message"),
    [
        ({"groups": ["kinetics"], "datasets": {}}, "use.groups: no group kinetics; there are demo, demo-tuned, demo-earlier, "),
        ({"groups": ["demo", "sbu"], "datasets": {"demo": "a"}}, "run `python -m pipeline use demo sbu`"),
        ({"groups": ["demo"], "datasets": {"demo": "a", "sbu": "b"}}, "use.datasets are not those of its groups; run `python"),
        ({"groups": ["demo"], "datasets": {}}, "use.datasets are not those of its groups; run `python -m pipeline use demo`"),
    ],
)
def test_groups_and_data_sets_in_use_fit(document: dict[str, Any], used: dict[str, object], message: str) -> None:
    with pytest.raises(ParamsError, match=re.escape(message)):
        params.build(document | {"use": used})


def in_use(document: dict[str, Any], **cells: dict[str, object]) -> dict[str, Any]:
    """The SBU's cells and switches in use; keyword arguments are further cells, and how they differ from sbu-paper-lstm."""
    line = {"protocols": ["sbu"], "recipes": ["paper"], "methods": ["lstm"], "seeds": "sbu"}
    document["grid"]["sbu"] += [{**line, **change, "names": name} for name, change in cells.items()]
    return put(document, "use", {"groups": ["sbu", "sbu-switches"], "datasets": {"sbu": "pipeline/datasets/sbu"}})


def test_switches_of_the_project_can_be_compared(document: dict[str, Any]) -> None:
    found = params.build(in_use(document)).cells
    assert {cell.switch_of for cell in found.values()} == {"", "sbu-paper-sta-lstm"}


def test_switch_of_a_switch_or_of_another_protocol_is_refused(document: dict[str, Any]) -> None:
    refused = "cell x: switch_of '{}': expected a cell of {} that is no switch itself"
    with pytest.raises(ParamsError, match=refused.format("sbu-paper-plain-alpha", "sbu")):
        params.build(in_use(document, x={"switch_of": "sbu-paper-plain-alpha"}))
    document["protocols"]["other"] = {"dataset": "sbu", "store": "sbu"}
    document["grid"]["sbu"].pop()
    with pytest.raises(ParamsError, match=refused.format("sbu-paper-sta-lstm", "other")):
        params.build(in_use(document, x={"switch_of": "sbu-paper-sta-lstm", "protocols": ["other"]}))


def test_switch_whose_reference_is_not_in_use_is_named(document: dict[str, Any]) -> None:
    put(document, "use", {"groups": ["sbu-switches"], "datasets": {"sbu": "pipeline/datasets/sbu"}})
    with pytest.raises(ParamsError, match="switch_of 'sbu-paper-sta-lstm' is not in use; use the group of that cell too"):
        params.build(document)


def test_cell_that_stands_there_twice_is_named(document: dict[str, Any]) -> None:
    with pytest.raises(ParamsError, match="cell x: protocol, recipe and method are those of sbu-paper-lstm; set `switch_of`"):
        params.build(in_use(document, x={"stores": ["sbu-file-order"]}))


def test_variant_has_its_changes_laid_over_its_raw_format(document: dict[str, Any]) -> None:
    section, plain = params.build(document).params.normalize, document["normalize"]["sbu"]
    changed = params.section_of(section, "sbu", "sbu-file-order")
    assert changed == {**plain, "order": "file"} != plain
    assert params.section_of(section, "sbu", "sbu") == params.section_of(section, "demo", "sbu") == plain
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


def test_environment_says_where_raw_files_are(tmp_path: Path, document: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("sbu", "ntu", "ntu120", "florence3d", "utkinect", "nw_ucla")
    for name in (f"{dataset.upper()}_SOURCE" for dataset in names):
        monkeypatch.delenv(name, raising=False)
    in_a_project(tmp_path, monkeypatch)
    before = {path: path.read_bytes() for path in Path("data/params").glob("*/download.json")}
    assert len(before) == 7

    def source(dataset: str) -> str:
        return str(registry.download_section(dataset).source)

    written = {name: document["download"][name]["source"] for name in names}
    assert {name: source(name) for name in written} == written
    monkeypatch.setenv("SBU_SOURCE", "/data/sbu")
    assert (source("sbu"), source("ntu")) == ("/data/sbu", written["ntu"])
    monkeypatch.setenv("NTU120_SOURCE", "/data/ntu120")
    assert source("ntu120") == "/data/ntu120"
    monkeypatch.setenv("NW_UCLA_SOURCE", "/data/all_sqe.zip")
    assert source("nw_ucla") == "/data/all_sqe.zip"
    monkeypatch.setenv("SBU_SOURCE", "")
    monkeypatch.setenv("NTU_SOURCE", "/data/ntu.zip")
    assert (source("sbu"), source("ntu")) == (written["sbu"], "/data/ntu.zip")
    monkeypatch.setenv("DEMO_SOURCE", "/data/demo")  # the demo has no such parameter
    assert registry.download_section("demo").model_dump() == document["download"]["demo"]
    resolve.main()  # an environment is no parameter: nothing is stale
    assert {path: path.read_bytes() for path in before} == before


@pytest.mark.parametrize(("written", "value"), [("1e-5", 1e-5), ("2e-05", 2e-5), ("1E-3", 1e-3), ("5.e-4", 5e-4), (".5", 0.5)])
def test_numbers_are_those_of_yaml_1_2(copy: Path, written: str, value: float) -> None:
    text = re.sub(r"(?m)^(  lambda3: )\S+", rf"\g<1>{written}", copy.read_text())
    copy.write_text(
        text.replace("paper-l1-literal: {objective: {lambda3: 0.0005}}", f"tried: {{objective: {{lambda3: {written}}}}}")
    )
    found = params.load(put_recipe(copy, "paper-l1-literal", "tried")).params
    assert found.objective.lambda3 == value
    assert params.read(copy)["recipes"]["tried"] == {"objective": {"lambda3": value}}


def put_recipe(path: Path, old: str, new: str) -> Path:
    """The file with another recipe in the lines of the grid."""
    path.write_text(path.read_text().replace(f", {old}]", f", {new}]"))
    return path


@pytest.mark.parametrize("word", ["yes", "no", "on", "off", "y"])
def test_words_are_words(copy: Path, word: str) -> None:
    copy.write_text(re.sub(r"(?m)^(  reinit_main: )\S+", rf"\g<1>{word}", copy.read_text()))
    with pytest.raises(ParamsError, match=rf"pretrain\.reinit_main: .*valid boolean \(found '{word}'\)"):
        params.load(copy)


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
    with pytest.raises(ParamsError, match=r"recipes\.demo\.training: 1 value.*\n  batch: .* greater than or equal to 1"):
        params.for_cell(params.build(document), "demo-sbu-lstm")


def test_cell_has_its_recipe_laid_over(document: dict[str, Any]) -> None:
    put(document, "recipes.demo", {"training": {"batch": 99}, "model": {"layers": 2}})
    whole = params.build(document)
    cell, found = params.for_cell(whole, "demo-ntu-cs-sta-lstm")
    assert (cell.protocol, cell.store, cell.method) == ("demo-ntu-cs", "ntu", "sta-lstm")
    assert (found.training.batch, found.model.layers) == (99, 2)
    assert found.training.model_copy(update={"batch": whole.params.training.batch}) == whole.params.training
    assert found.objective == whole.params.objective


def test_method_without_regularisers_has_no_lambdas(document: dict[str, Any]) -> None:
    whole = params.build(document)  # with the demo in use: other cells can be asked for, too
    lambdas = {}
    for name in ("sbu-paper-sta-lstm", "sbu-paper-sta-lstm-noreg"):
        _, found = params.for_cell(whole, name)
        lambdas[name] = (found.objective.lambda1, found.objective.lambda2, found.objective.lambda3)
    assert lambdas["sbu-paper-sta-lstm-noreg"] == (0.0, 0.0, 0.0)
    assert min(lambdas["sbu-paper-sta-lstm"]) > 0


def test_unknown_cell_is_answered_with_those_that_are(document: dict[str, Any]) -> None:
    with pytest.raises(ParamsError, match="the grid has no cell 'sbu-gru'; in use are demo-sbu-lstm, "):
        params.for_cell(params.build(document), "sbu-gru")


SBU_LINE = "use: {groups: [demo, sbu], datasets: {demo: pipeline/datasets, sbu: pipeline/datasets/sbu}}"


def pipelines_of(path: Path) -> dict[str, list[str]]:
    """The cells of each group that have a pipeline beside the file."""
    found: dict[str, list[str]] = {}
    for pipeline in path.parent.glob("cells/*/*/dvc.yaml"):
        found.setdefault(pipeline.parts[-3], []).append(pipeline.parts[-2])
    return found


def seen_by_dvc(path: Path) -> list[str]:
    """The groups whose folders are no more ignored: DVC takes the last line that fits."""
    lines = path.with_name(".dvcignore").read_text().splitlines()
    assert lines.count("/cells/*") == 1
    shown = lines[lines.index("/cells/*") + 1 :]
    assert all(line.startswith("!/cells/") for line in shown)
    return [line.removeprefix("!/cells/") for line in shown]


def changed_lines(before: str, after: str) -> list[str]:
    return [line for line in difflib.ndiff(before.splitlines(), after.splitlines()) if line[0] in "+-"]


def test_switch_rewrites_one_line_and_back(copy: Path) -> None:
    use.switch(["demo"], copy)
    before, ignored = copy.read_text(), copy.with_name(".dvcignore").read_text()
    assert use.switch(["demo", "sbu"], copy).splitlines()[0] == f"{copy}: {SBU_LINE}"
    assert changed_lines(before, copy.read_text()) == [
        "- use: {groups: [demo], datasets: {demo: pipeline/datasets}}",
        f"+ {SBU_LINE}",
    ]
    assert seen_by_dvc(copy) == ["demo", "sbu"]
    use.switch(["demo"], copy)
    assert (copy.read_text(), copy.with_name(".dvcignore").read_text()) == (before, ignored)
    assert seen_by_dvc(copy) == ["demo"]


def test_switch_brings_the_cells_of_every_group_and_their_data_sets(copy: Path) -> None:
    use.switch(["demo-tuned", "ntu"], copy)
    found = params.load(copy)
    assert found.params.use.groups == ["demo-tuned", "ntu"]
    assert found.params.use.datasets == {"demo": "pipeline/datasets", "ntu": "pipeline/datasets/ntu"}
    assert {cell.group for cell in found.cells.values()} == {"demo-tuned", "ntu"} and len(found.cells) == 12
    assert found.cells["ntu-cv-tuned-lstm"].protocol == "ntu-cv"
    assert found.every.keys() == params.load(FILE).every.keys()
    line = "use: {groups: [sbu, sbu-switches], datasets: {sbu: pipeline/datasets/sbu}}"
    assert use.switch(["sbu", "sbu-switches"], copy).splitlines()[0] == f"{copy}: {line}"
    assert params.load(copy).cells["sbu-paper-file-order"].switch_of == "sbu-paper-sta-lstm"
    use.switch(["ntu120"], copy)  # whose code reads with that of NTU RGB+D
    assert params.load(copy).params.use.datasets == {"ntu120": "pipeline/datasets"}


def test_switch_writes_a_pipeline_for_each_cell_in_use(copy: Path) -> None:
    said = use.switch(["demo-tuned"], copy).splitlines()
    cells = [name for name, cell in params.load(copy).every.items() if cell.group == "demo-tuned"]
    assert {group: sorted(names) for group, names in pipelines_of(copy).items()} == {"demo-tuned": sorted(cells)}
    assert said[1:] == [f"cells/: pipelines written of {', '.join(cells)}"]
    stages = params.read(copy.with_name("cells") / "demo-tuned" / "demo-ntu-cs-tuned-lstm" / "dvc.yaml")["stages"]
    assert [stage["cmd"] for stage in stages.values()] == [
        f"python -m pipeline {stage} demo-ntu-cs-tuned-lstm" for stage in ("finetune", "evaluate")
    ]
    assert len(use.switch(["demo-tuned"], copy).splitlines()) == 1  # nothing left to write
    lock = copy.with_name("cells") / "demo-tuned" / cells[0] / "dvc.lock"
    lock.touch()
    said = use.switch(["demo"], copy).splitlines()
    assert said[2].startswith("no longer in use: demo-tuned. Their results stay, but `dvc gc -w` would delete them")
    assert lock.exists() and sorted(pipelines_of(copy)) == ["demo", "demo-tuned"]


def test_pipeline_of_a_cell_that_is_no_more_is_removed(copy: Path) -> None:
    use.switch(["ntu120"], copy)
    copy.write_text(copy.read_text().replace("protocols: [ntu120-csub, ntu120-cset]", "protocols: [ntu120-cset]"))
    said = use.switch(["ntu120"], copy).splitlines()
    assert sorted(pipelines_of(copy)["ntu120"]) == ["ntu120-cset-tuned-lstm", "ntu120-cset-tuned-sta-lstm"]
    assert "ntu120-csub-tuned-lstm" in said[1]


@pytest.mark.parametrize(("names", "shown"), [(["kinetics"], "kinetics"), (["demo", "no"], "no"), ([], r"\(none\)")])
def test_switch_to_an_unknown_data_set_changes_nothing(copy: Path, names: list[str], shown: str) -> None:
    before = {path: path.read_bytes() for path in copy.parent.iterdir()}
    with pytest.raises(ParamsError, match=f"no group of cells {shown};.* there are demo, demo-tuned, demo-earlier, "):
        use.switch(names, copy)
    assert {path: path.read_bytes() for path in copy.parent.iterdir()} == before


@pytest.mark.parametrize(
    ("file", "change", "group", "message"),
    [
        ("params.yaml", ("", ""), "sbu-switches", "switch_of 'sbu-paper-sta-lstm' is not in use"),
        ("params.yaml", ("dataset: ntu120,", "dataset: no,"), "ntu120", "data set 'no': expected its code in pipeline/"),
        ("params.yaml", ("\nuse:", "\nuse :"), "demo", "expected one section that starts with 'use:', found 0"),
        ("dvc.yaml", ("licensed: &licensed", "other: &licensed"), "sbu", "dvc.yaml: expected a line `licensed: "),
    ],
)
def test_switch_that_cannot_be_changes_nothing(copy: Path, file: str, change: tuple[str, str], group: str, message: str) -> None:
    changed = copy.with_name(file)
    changed.write_text(changed.read_text().replace(*change))
    before = {path: path.read_bytes() for path in copy.parent.iterdir()}
    with pytest.raises(ParamsError, match=re.escape(message)):
        use.switch([group], copy)
    assert {path: path.read_bytes() for path in copy.parent.iterdir()} == before


@pytest.mark.parametrize(
    "broken", ["use: {groups: [gone], datasets: {}}", "use: {datasets: [demo], cells: {}}", "use:", "use: []"]
)
def test_switch_mends_a_line_that_cannot_be_used(copy: Path, broken: str) -> None:
    use.switch(["demo"], copy)
    before = copy.read_text()
    copy.write_text(re.sub(r"(?m)^use:.*", broken, before))
    with pytest.raises(ParamsError):
        params.load(copy)
    use.switch(["demo"], copy)
    assert copy.read_text() == before


def written_by_dvc(path: Path) -> None:
    """Rewrite the file as `dvc exp run --set-param` does: read and written again, which folds long lines."""
    yaml = YAML()
    yaml.default_flow_style = False
    document = yaml.load(path)
    yaml.dump(document, path)


@pytest.mark.parametrize("groups", [["demo"], ["demo", "sbu", "sbu-more", "sbu-switches", "ntu", "ntu120"]])
def test_file_that_dvc_wrote_is_the_same_and_can_be_switched(copy: Path, groups: list[str]) -> None:
    use.switch(groups, copy)
    before, whole = copy.read_text(), params.load(copy)
    written_by_dvc(copy)
    assert copy.read_text() != before
    assert params.load(copy) == whole
    rows, own = ([(key, params.parse(value), *why) for key, value, *why in params.provenance(path)] for path in (copy, FILE))
    assert rows == own  # but for marks around a text
    written = copy.read_text()
    assert (re.search(r"(?m)^use:.*\n +\S", written) is not None) == (groups != ["demo"])  # a folded line
    use.switch(["sbu"], copy)
    assert (found := params.load(copy)).params.use.datasets == {"sbu": "pipeline/datasets/sbu"}
    assert {cell.group for cell in found.cells.values()} == {"sbu"} and found.every == whole.every
    new = [line for line in changed_lines(written, copy.read_text()) if line.startswith("+")]
    assert new == ["+ use: {groups: [sbu], datasets: {sbu: pipeline/datasets/sbu}}"]
    assert params.read(copy) == params.read(FILE) | {"use": params.read(copy)["use"]}
    use.switch(groups, copy)
    assert params.load(copy) == whole


def test_section_that_is_written_in_a_block_can_be_switched(copy: Path) -> None:
    lines = [
        "use:",
        "  groups:",
        "  - demo",
        "  - sbu",
        "  datasets:",
        "    demo: pipeline/datasets",
        "    sbu: pipeline/datasets/sbu",
    ]
    use.switch(["demo", "sbu"], copy)
    before = copy.read_text()
    copy.write_text(before.replace(SBU_LINE, "\n".join(lines)))
    assert params.load(copy).params.use.groups == ["demo", "sbu"]
    use.switch(["demo", "sbu"], copy)
    assert copy.read_text() == before


def test_nothing_hangs_on_anchors(copy: Path) -> None:
    """DVC writes anchors and merge keys as it likes; what runs may not follow from them."""
    events = list(YAML(pure=True).parse(copy.read_text()))
    assert len(events) > 1000
    assert not [event for event in events if getattr(event, "anchor", None)]
    assert not [event for event in events if getattr(event, "value", None) == "<<"]


def test_cells_are_named_by_protocol_recipe_and_method(document: dict[str, Any]) -> None:
    every = params.load(FILE).every
    for name, cell in every.items():
        recipe = "" if cell.group in ("demo", "demo-earlier") else f"{cell.recipe}-"
        variant = "".join(f"-{part}" for part in cell.store.split("-")[1:])
        method = f"-{cell.method}" if cell.group in ("sbu-fresh", "sbu-inputs", "nw-ucla-views") else ""
        fresh = "-fresh" if cell.seeds == "sbu-fresh" else ""
        switch = f"{cell.protocol}-{cell.recipe}{variant}{method}{fresh}"
        assert name == (switch if cell.switch_of else f"{cell.protocol}-{recipe}{cell.method}")
    of_sbu = [cell.method for cell in every.values() if cell.group.startswith("sbu")]
    assert set(of_sbu) == set(document["methods"])


def test_every_group_can_be_used(copy: Path, document: dict[str, Any]) -> None:
    use.switch(list(document["grid"]), copy)
    assert list(params.load(copy).params.use.datasets) == ["demo", "sbu", "ntu", "ntu120", "florence3d", "utkinect", "nw_ucla"]


def test_report_reads_its_own_cells_and_no_others(copy: Path, document: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    mixed = {"protocols": ["ntu-cs", "ntu120-csub"], "recipes": ["paper"], "methods": ["lstm"], "seeds": "ntu"}
    text = copy.read_text().replace("\ngrid:\n", f"\ngrid:\n  mixed: [{mixed}]\n", 1)
    copy.write_text(re.sub(r'source: ""', "source: /of/mine", text))
    monkeypatch.chdir(copy.parent)
    use.switch(["mixed", *document["grid"]])
    resolve.main()
    whole = params.load()
    for dataset in ("demo", "sbu", "ntu", "ntu120"):
        found = read_json(Path("data/params") / dataset / "report.json")
        assert found == of_report(whole, dataset) and "/of/mine" not in str(found)
        own = params.build(found["params"])
        assert own.cells == own.every == {name: cell for name, cell in whole.every.items() if cell.dataset == dataset}
        assert not {"search", "check", "knockout", "saliency"} & found["params"].keys()


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
        assert params.parse(value) == values[key], key


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


LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{b}: &{b} [{', '.join(['*' + a] * 10)}]\n" for a, b in zip("abcde", "bcdef", strict=True)
)


def test_aliases_that_stand_for_a_million_values_are_refused(tmp_path: Path) -> None:
    """Each line after the first has ten aliases of the one before: the fifth stands for more than 100,000 values."""
    few = "".join(LAUGHS.splitlines(keepends=True)[:4])
    assert len(params.parse(few)["d"]) == 10
    (tmp_path / "params.yaml").write_text(LAUGHS)
    said = r"params\.yaml: cannot be read: line 5: aliases \(& and \*\) stand for more than 100,000 values in all"
    with pytest.raises(ParamsError, match=said):
        params.load(tmp_path / "params.yaml")


@pytest.mark.parametrize(
    ("text", "most", "passes"),
    [
        ("a: &a [1, 2]\nb: [*a, *a]\n", 13, True),  # keys a and b; list and two numbers, three times; a list around two of them
        ("a: &a [1, 2]\nb: [*a, *a]\n", 12, False),
        ("a: &a {b: 1}\nc: {<<: *a, d: 2}\n", 20, True),
        ("a: &a [*a]\n", 1000, False),  # refers to itself
        ("a: &a 1\nb: *a\n", 5, True),
    ],
)
def test_values_are_counted_with_aliases_written_out(text: str, most: int, passes: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(params, "MOST_VALUES", most)
    if passes:
        assert params.parse(text)["a"]
    else:
        with pytest.raises(YAMLError, match="aliases"):
            params.parse(text)


def test_deep_nesting_is_an_error_for_people(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("a: " + "[" * 5000 + "]" * 5000)
    with pytest.raises(ParamsError, match=r"cannot be read: nested too deeply"):
        params.load(tmp_path / "params.yaml")


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (("objective", "lambda3"), float("inf"), r"objective\.lambda3: Input should be a finite number"),
        (("recipes", "unused", "training", "batches"), 4, r"recipes\.unused\.training\.batches: there is no such parameter"),
        (
            ("recipes", "unused", "training", "batch"),
            True,
            r"recipes\.unused\.training: 1 value\(s\) .*\n  batch: .* integer",
        ),
        (("recipes", "unused", "model", "dropout"), float("nan"), r"recipes\.unused\.model: 1 value\(s\)"),
    ],
)
def test_what_nothing_in_use_takes_is_checked_too(path: tuple[str, ...], value: object, said: str) -> None:
    document = document_of_params()
    document["recipes"]["unused"] = {}
    section = document
    for key in path[:-1]:
        section = section.setdefault(key, {})
    section[path[-1]] = value
    with pytest.raises(ParamsError, match=said):
        params.build(document)


def test_what_a_candidate_changes_is_checked_before_the_search() -> None:
    document = document_of_params()
    document["search"]["base"]["augment"] = {"scale": float("inf")}
    with pytest.raises(ParamsError, match=r"search\.base\.augment: 1 value\(s\)"):
        params.build(document)
    document = document_of_params()
    name = next(iter(document["search"]["candidates"]))
    document["search"]["candidates"][name]["changes"] = {"model": {"velocitys": 5.0}}
    with pytest.raises(ParamsError, match=rf"search\.candidates\.{name}\.changes\.model\.velocitys: there is no such parameter"):
        params.build(document)
