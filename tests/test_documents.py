"""Pages that people read first: links that lead somewhere, the citation, and the notebook, which runs."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

import pipeline
from pipeline.cli import main as cli
from pipeline.report.text import MINUS
from tests.conftest import ROOT

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
MADE = {"docs/reference/params.md", "docs/reference/modules.rst"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.M | re.S)
    targets = [target.split("#")[0] for target in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in target]
    missing = [target for target in targets if target and not (page.parent / target).exists()]
    assert [m for m in missing if str(((page.parent / m).resolve()).relative_to(ROOT)) not in MADE] == []


def test_readme_is_read_in_a_minute() -> None:
    text = (ROOT / "README.md").read_text()
    before = text[: text.index("## Where to go on")]
    assert len(text.split()) < 800 and text.count("```sh") == 1 and text.count("](docs/player.webp)") == 1
    block = before[before.index("```sh") :]
    assert len([line for line in block[: block.index("\n```")].splitlines()[1:] if line]) == 3
    rows = re.findall(r"^\| (?!SBU)\**(\S[^|]*?)\** \|", before, flags=re.M)
    assert rows == [
        "LSTM",
        "SA-LSTM (spatial attention)",
        "TA-LSTM (temporal attention)",
        "STA-LSTM",
        f"STA-LSTM {MINUS} LSTM, points",
    ]


def test_figures_of_the_readme_are_those_of_the_answers() -> None:
    """Each row of the table, and the sentence about the effect, as the committed answers have them."""
    import pandas as pd  # noqa: PLC0415

    text = (ROOT / "README.md").read_text().replace("**", "")
    rows = pd.read_csv(ROOT / "reports/answers/tables/accuracies.csv").query("protocol == 'sbu'").set_index(["method", "recipe"])
    for method, name in (("lstm", "LSTM"), ("sa-lstm", "SA-LSTM"), ("ta-lstm", "TA-LSTM"), ("sta-lstm", "STA-LSTM")):
        line = next(line for line in text.splitlines() if re.match(rf"\| {name}[ (|]", line))
        for recipe in ("paper", "tuned"):
            row = rows.loc[(method, recipe)]
            mean, sd, low, high = (row[key] for key in ("mean", "sd", "low", "high"))
            found = re.findall(r"([\d.]+) ± ([\d.]+) \[([\d.]+), ([\d.]+)\]", line)[recipe == "tuned"]
            assert [float(number) for number in found] == pytest.approx([mean, sd, low, high], abs=0.05), (method, recipe)
    effects = (
        pd.read_csv(ROOT / "reports/answers/tables/effects.csv").query("protocol == 'mean of the data sets'").set_index("effect")
    )
    told = {
        f"spatial attention alone: SA-LSTM {MINUS} LSTM": "better",
        f"temporal attention alone: TA-LSTM {MINUS} LSTM": "better",
        f"both attentions: STA-LSTM {MINUS} LSTM": "better",
    }
    for name, verdict in told.items():
        row = effects.loc[name]
        points, low, high = (f"{row[key]:.1f}".replace("-", MINUS) for key in ("points", "low", "high"))
        sign = "" if points.startswith(MINUS) else "+"
        assert f"{sign}{points} points, 95 % interval {low} to {high}" in " ".join(text.split())
        assert row["verdict"] == verdict


EFFECTS = {
    "both attentions": "both attentions: STA-LSTM - LSTM",
    "spatial attention alone": "spatial attention alone: SA-LSTM - LSTM",
    "temporal attention alone": "temporal attention alone: TA-LSTM - LSTM",
    "spatial attention, main effect": "spatial attention, main effect",
    "temporal attention, main effect": "temporal attention, main effect",
    "spatial beside temporal": "spatial beside temporal attention: STA-LSTM - TA-LSTM",
    "temporal beside spatial": "temporal beside spatial attention: STA-LSTM - SA-LSTM",
    "interaction": "interaction of the two",
}
PLACES = {
    "mean": "mean of the data sets",
    "SBU": "sbu",
    "Florence 3D": "florence3d",
    "UTKinect": "utkinect",
    "NW-UCLA": "nw-ucla-xview",
}


def results_tables() -> list[list[list[str]]]:
    """The tables of docs/results.md, as cells without marks."""
    text = (ROOT / "docs/results.md").read_text().replace("**", "").replace("`", "").replace(MINUS, "-")
    blocks = re.findall(r"(?:^ *\|.*\n)+", text, flags=re.M)
    return [[[cell.strip() for cell in line.strip().strip("|").split("|")] for line in block.splitlines()] for block in blocks]


def test_effects_in_the_results_are_those_of_the_answers() -> None:
    import pandas as pd  # noqa: PLC0415

    rows = pd.read_csv(ROOT / "reports/answers/tables/effects.csv")
    rows["effect"] = rows["effect"].str.replace(MINUS, "-")
    rows = rows.set_index(["protocol", "effect"])
    (head, _, *lines) = next(table for table in results_tables() if table[0][1] == "mean")
    assert [line[0] for line in lines] == list(EFFECTS) and set(head[2:]) == set(PLACES) - {"mean"}
    for name, *cells in lines:
        for place, cell in zip(head[1:], cells, strict=True):
            row = rows.loc[(PLACES[place], EFFECTS[name])]
            numbers = [float(number) for number in re.findall(r"[+-]?[\d.]+", cell)]
            assert numbers == pytest.approx([row["points"], row["low"], row["high"]], abs=0.051), (place, name)


def test_means_by_recipe_in_the_results_are_those_of_the_answers() -> None:
    import pandas as pd  # noqa: PLC0415

    rows = pd.read_csv(ROOT / "reports/answers/tables/recipes.csv").query("protocol == 'mean of the data sets'")
    rows = rows.assign(effect=rows["effect"].str.replace(MINUS, "-")).set_index(["recipe", "effect"])
    (head, _, *lines) = next(table for table in results_tables() if table[0][0] == "mean of the data sets")
    assert head[1:] == ["paper", "tuned"] and [line[0] for line in lines] == list(EFFECTS)
    for name, *cells in lines:
        for recipe, cell in zip(head[1:], cells, strict=True):
            row = rows.loc[(recipe, EFFECTS[name])]
            numbers = [float(number) for number in re.findall(r"[+-]?[\d.]+", cell)]
            assert numbers == pytest.approx([row["points"], row["low"], row["high"]], abs=0.051), (recipe, name)


def test_accuracies_by_input_in_the_results_are_those_of_the_answers() -> None:
    import pandas as pd  # noqa: PLC0415

    means = pd.read_csv(ROOT / "reports/answers/tables/inputs-sbu.csv", index_col="input")
    effects = pd.read_csv(ROOT / "reports/answers/tables/inputs-effects-sbu.csv").query("effect.str.startswith('both')")
    (_, _, *lines) = next(table for table in results_tables() if table[0][0] == "input")
    assert [line[0] for line in lines] == list(means.index)
    for name, *cells in lines:
        row = effects.set_index("input").loc[name, ["points", "low", "high"]]
        numbers = [float(number) for cell in cells for number in re.findall(r"[+-]?[\d.]+", cell)]
        assert numbers == pytest.approx([*means.loc[name, ["lstm", "sa", "ta", "sta"]], *row], abs=0.051), name


def test_static_weights_in_the_results_are_those_of_the_answers() -> None:
    import pandas as pd  # noqa: PLC0415

    rows = pd.read_csv(ROOT / "reports/answers/tables/static-sbu.csv")
    rows = rows.assign(effect=rows["effect"].str.replace(MINUS, "-")).set_index(["effect", "recipe"])
    (_, _, *lines) = next(table for table in results_tables() if table[0][0] == "difference")
    assert {line[0] for line in lines} == set(rows.index.get_level_values("effect"))
    for name, *cells in lines:
        for recipe, cell in zip(("paper", "tuned", "mean of the recipes"), cells, strict=True):
            numbers = [float(number) for number in re.findall(r"[+-]?[\d.]+", cell)]
            assert numbers == pytest.approx(rows.loc[(name, recipe), ["points", "low", "high"]].tolist(), abs=0.051), (
                name,
                recipe,
            )


def test_accuracies_in_the_results_are_those_of_the_answers() -> None:
    import pandas as pd  # noqa: PLC0415

    rows = pd.read_csv(ROOT / "reports/answers/tables/accuracies.csv").set_index(["protocol", "recipe", "method"])
    tables = [table for table in results_tables() if table[0][:2] == ["recipe", "LSTM"]]
    protocols = ("florence3d", "utkinect", "nw-ucla-xview")
    for (head, _, *lines), protocol in zip(tables, protocols, strict=True):
        assert [line[0] for line in lines] == ["paper", "tuned"]
        for recipe, *cells in lines:
            for method, cell in zip(head[1:], cells, strict=True):
                row = rows.loc[(protocol, recipe, method.lower())]
                numbers = [float(number) for number in re.findall(r"[\d.]+", cell)]
                assert numbers == pytest.approx(row[["mean", "sd", "low", "high"]].tolist(), abs=0.051), (
                    protocol,
                    recipe,
                    method,
                )


SBU = {
    "linear SVM on positions": "raw-skeleton-yun2012",
    "linear SVM on joint distances": "joint-feature-yun2012",
    "poselets on raw skeletons": "raw-skeleton-ji2014",
    "poselets on joint distances": "joint-feature-ji2014",
    "Lie group": "lie-group",
    "skeletal quads": "skeletal-quads",
    "dynamic skeletons": "dynamic-skeletons",
    "hierarchical RNN": "hbrnn",
    "co-occurrence LSTM": "co-occurrence-rnn",
    "deep LSTM, 2 layers": "deep-lstm",
    "P-LSTM": "p-lstm",
    "ST-LSTM with trust gates": "st-lstm-trust-gates",
    "LSTM": "lstm",
    "SA-LSTM": "sa-lstm",
    "TA-LSTM": "ta-lstm",
    "STA-LSTM": "sta-lstm",
    "HCN": "hcn",
}


def test_every_method_of_sbu_in_the_results_is_that_of_the_answers() -> None:
    """A row a method, those that were run, with the numbers of the answers; a dash where a recipe was not run."""
    import pandas as pd  # noqa: PLC0415

    rows = pd.read_csv(ROOT / "reports/answers/tables/accuracies.csv", index_col=["protocol", "recipe", "method"])
    (_, _, *lines) = next(table for table in results_tables() if table[0][:2] == ["method", "reported"])
    methods = [SBU[line[0].split(" (")[0].split(", a later")[0]] for line in lines]
    run = {
        method for protocol, _, method in rows.index if protocol == "sbu" and not re.search("-noreg$|-scratch$|^static-", method)
    }
    assert len(set(methods)) == len(methods) and set(methods) == run
    for method, (_, _, *cells) in zip(methods, lines, strict=True):
        for recipe, cell in zip(("paper", "tuned"), cells, strict=True):
            assert (cell == "\N{EN DASH}") == (("sbu", recipe, method) not in rows.index)
            if cell != "\N{EN DASH}":
                keys = ["mean", "sd", "low", "high"] if "±" in cell else ["mean", "low", "high"]
                numbers = [float(number) for number in re.findall(r"[\d.]+", cell)]
                assert numbers == pytest.approx(rows.loc[("sbu", recipe, method), keys].tolist(), abs=0.051), (method, recipe)


def test_the_search_of_a_method_in_the_results_is_that_of_the_answers() -> None:
    import pandas as pd  # noqa: PLC0415

    rows = pd.read_csv(ROOT / "reports/answers/tables/searched-sbu.csv", index_col="method")
    tuned = pd.read_csv(ROOT / "reports/answers/tables/accuracies.csv", index_col=["protocol", "recipe", "method"])["mean"]
    link = r"\| \[([\d.]+)\]\(\.\./reports/searched/sbu-([\w-]+)\.json\) \[([\d.]+), ([\d.]+)\] \| ([\d.]+) \|"
    found = re.findall(link, (ROOT / "docs/results.md").read_text())
    assert [method for _, method, *_ in found] == rows.index.tolist()
    for mean, method, low, high, frozen in found:
        wanted = [*rows.loc[method, ["mean", "low", "high"]], tuned["sbu", "tuned", method]]
        assert [float(number) for number in (mean, low, high, frozen)] == pytest.approx(wanted, abs=0.051)


def test_effects_by_own_searches_in_the_results_are_those_of_the_answers() -> None:
    """The sentence with those and with what `tuned` has in their place, and the same in the first section."""
    import pandas as pd  # noqa: PLC0415

    found = pd.read_csv(ROOT / "reports/answers/tables/searched-effects-sbu.csv")
    tuned = pd.read_csv(ROOT / "reports/answers/tables/recipes.csv").query("recipe == 'tuned' and protocol == 'sbu'")
    rows = pd.concat([found, tuned], keys=["own", "tuned"]).assign(effect=lambda t: t["effect"].str.replace(MINUS, "-"))
    rows = rows.reset_index(0, names="search").set_index(["search", "effect"])
    said = " ".join((ROOT / "docs/results.md").read_text().replace(MINUS, "-").split())
    estimate = r"([+-][\d.]+) \[(-?[\d.]+), (-?[\d.]+)\]"
    sentence = re.search(r"Both attentions then bring .*? are better\.", said)
    first = re.search(r"has a search of its own, both attentions bring .*? under `tuned`", said)
    assert sentence and first
    keys = ["both attentions", "spatial attention alone", "temporal attention alone"]
    for text, names in ((sentence[0], keys), (first[0], keys[:1])):
        wanted = [rows.loc[(search, EFFECTS[name])] for search in ("own", "tuned") for name in names]
        numbers = [[float(number) for number in numbers] for numbers in re.findall(estimate, text)]
        assert numbers == [pytest.approx([row["points"], row["low"], row["high"]], abs=0.051) for row in wanted]
    assert rows.loc["own"].loc[[EFFECTS[name] for name in keys], "verdict"].tolist() == ["undecided"] * 3
    assert rows.loc["tuned"].loc[[EFFECTS[name] for name in keys], "verdict"].tolist() == ["better", "better", "undecided"]


def test_leads_in_the_results_are_those_of_the_records() -> None:
    import pandas as pd  # noqa: PLC0415

    rows = pd.read_csv(ROOT / "reports/answers/tables/candidates-sbu.csv")
    lead = rows["sta-lstm"] - rows["lstm"]
    said = " ".join((ROOT / "docs/results.md").read_text().replace(MINUS, "-").split())
    told = re.search(
        r"lead is ([\d.]+) to ([\d.]+) points where LSTM has less than 91 %, and (-[\d.]+) to ([\d.]+) where it has 94", said
    )
    best = re.search(r"third round has ([\d.]+) on validation parts, where the second has ([\d.]+)", said)
    assert told and best
    poor, good = lead[rows["lstm"] < 91], lead[rows["lstm"] >= 94]
    assert [float(end) for end in told.groups()] == pytest.approx([poor.min(), poor.max(), good.min(), good.max()], abs=0.051)
    means = rows.groupby("round")["sta-lstm"].max()
    assert [float(mean) for mean in best.groups()] == pytest.approx([means[3], means[2]], abs=0.051)


def test_citation_is_valid() -> None:
    """What the schema of CFF 1.2.0 asks for; and the version is that of the package."""
    found: dict[str, Any] = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert found["cff-version"] == "1.2.0" and {"message", "title", "authors"} <= set(found)
    assert found["version"] == project["version"] == pipeline.__version__
    newest = re.search(r"(?m)^## (\S+), (\d{4}-\d\d-\d\d)$", (ROOT / "CHANGELOG.md").read_text())
    assert newest and newest.groups() == (found["version"], found["date-released"])
    known = {"cff-version", "message", "title", "type", "version", "date-released"}
    known |= {"license", "authors", "keywords", "references"}
    assert set(found) <= known and found["type"] == "software"
    for reference in found["references"]:
        assert {"type", "title", "authors"} <= set(reference)
        assert all(set(person) == {"family-names", "given-names"} for person in reference["authors"])


def test_notebook_runs_from_a_raw_file_to_a_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The committed outputs are those that come out again."""
    nbformat = pytest.importorskip("nbformat", reason="no Jupyter here: pip install -c constraints.txt -e '.[dev]'")
    client = pytest.importorskip("nbclient", reason="no Jupyter here: pip install -c constraints.txt -e '.[dev]'")
    for name in ("params.yaml", "dvc.yaml", ".dvcignore"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "models").symlink_to(ROOT / "models")
    monkeypatch.setenv("PYTHONPATH", str(ROOT), prepend=":")
    monkeypatch.setenv("JUPYTER_PLATFORM_DIRS", "1")
    monkeypatch.delenv("MPLBACKEND", raising=False)  # the command line's, imported by other tests
    path = ROOT / "docs/attention.ipynb"
    notebook, before = nbformat.read(path, as_version=4), json.loads(path.read_text())
    client.NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    said = ["".join(out["text"]) for cell in before["cells"] for out in cell.get("outputs", []) if out.get("name") == "stdout"]
    printed = [out["text"] for cell in notebook.cells for out in cell.get("outputs", []) if out.get("name") == "stdout"]
    assert [text for text in printed if "archives" not in text][-3:] == said[-3:] and "true: kicking" in "".join(printed)
    assert any("image/png" in out.get("data", {}) for cell in notebook.cells for out in cell.get("outputs", []))


def test_windows_is_refused_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.cli.PLATFORM", "win32")
    found = CliRunner().invoke(cli, ["where"])
    assert found.exit_code == 2 and found.output.startswith("error: Windows itself is not supported; in WSL 2")


def test_make_finds_a_python_or_says_that_there_is_none() -> None:
    make = ["make", "--no-print-directory", "-n", "setup", "-W", "pyproject.toml"]
    found = subprocess.run(make, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert re.search(r"^python3\S* -m venv|^python -m venv", found, re.M)
    none = subprocess.run([*make, "PYTHONS=nopython"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert '[ -n "" ] || { echo "error: no Python 3.11 to 3.14 found (nopython)' in none
    other = subprocess.run([*make, "UV=uv", "TORCH=cpu"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert "uv venv" in other and "--index-url https://download.pytorch.org/whl/cpu" in other
