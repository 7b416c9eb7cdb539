"""The page on a phone and on paper, LaTeX that fits a column, the stamp of a copy, and whether probabilities are believed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline.commands import stamp
from pipeline.core.errors import PipelineError, ResultsMissing
from pipeline.report import latex, markup
from pipeline.report.tables import Column, Table, field, minor
from pipeline.results.calibration import calibration
from pipeline.stages import report
from tests.browser import Browser
from tests.conftest import ROOT
from tests.report_project import Project

DOCUMENT = r"""\documentclass{article}\usepackage{booktabs,tabularx,longtable,array}
\textwidth=%(width)s\columnwidth=\textwidth\hsize=\textwidth
\begin{document}
%(inputs)s\end{document}
"""
COLUMN, LINE = "3.3in", "6.5in"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report with all kinds of tables: two recipes, twins, an earlier method, a switch."""
    root = tmp_path_factory.mktemp("page")
    with pytest.MonkeyPatch.context() as patch:
        project = Project(root, protocol="sbu").prepare().install(patch, synthetic=False)
        for recipe in ("paper", "warm"):
            for method in ("lstm", "sta-lstm", "sta-lstm-noreg", "hbrnn"):
                project.cell(method, lambda _n, place, seed: place >= seed, recipe=recipe)
        project.cell("sta-lstm", lambda _n, place, _s: place > 2, recipe="warm", key="odd", switch_of="sta-lstm")
        report.main("toy")
    return root / "reports/toy"


def committed() -> list[Path]:
    return [made_by for made_by in (ROOT / "reports/answers", ROOT / "reports/demo") if made_by.exists()]


@pytest.mark.parametrize("page", ["toy", "answers", "demo"])
def test_no_table_scrolls_sideways_on_a_phone(page: str, made: Path, tmp_path: Path) -> None:
    file = made / "report.html" if page == "toy" else ROOT / "reports" / page / "report.html"
    with Browser(tmp_path) as browser:
        browser.open(file, width=390, height=844)
        assert browser.look("document.documentElement.scrollWidth") == 390
        wide = "[...document.querySelectorAll('.scroll')].filter(e => e.scrollWidth > e.clientWidth + 1).map(e => e.ariaLabel)"
        assert browser.look(wide) == []
        hidden = "[...document.querySelectorAll('td:not(.minor)')].filter(e => !e.offsetWidth).length"
        assert browser.look(hidden) == 0
        small = "[...document.querySelectorAll('figure svg:not(.dense)')].map(e => e.getBoundingClientRect().width)"
        assert all(width >= 350 for width in browser.look(small))


def test_every_table_has_its_anchor_files_and_command(made: Path) -> None:
    page = (made / "report.html").read_text()
    for path in (made / "tables").glob("*.csv"):
        if pd.read_csv(path).empty:
            continue
        begin = page.index(f'id="table-{path.stem}"')
        part = page[begin : page.index("</p></div>", begin)]
        assert f'href="tables/{path.stem}.csv"' in part and "dvc repro report@toy" in part, path.stem
        assert part.count("<tr>") + part.count('<tr class="strong">') == len(pd.read_csv(path)) + 1, path.stem
    assert "<!-- stamp -->" in page


def test_no_line_breaks_a_number_where_there_is_room(tmp_path: Path) -> None:
    columns = (field("who", "Who"), Column("Ours (%)", lambda row: row["ours"], numeric=True))
    rows = [{"who": "a", "ours": "88.52 ± 0.54 (5 runs)"}, {"who": "b", "ours": "[84.70, 91.48]"}, {"who": "c", "ours": "0.10"}]
    html = markup.to_html(Table("t", "T", columns, rows))
    runs = '<span class="minor"> <span class="kept">(5 runs)</span></span>'
    assert f'<td class="number"><span class="whole">88.52 ±&nbsp;0.54</span>{runs}</td>' in html
    assert '<td class="number"><span class="whole">[84.70, 91.48]</span></td>' in html and '<td class="number">0.10</td>' in html


def test_a_heading_says_that_its_name_is_a_recipe() -> None:
    table = Table("t", "T", (field("place", "Where"), field("recipe", "Recipe")), [{"place": "sbu", "recipe": "paper"}], groups=2)
    assert table.heading(0) == "sbu, recipe paper"


def test_verdicts_stand_before_sentences(made: Path) -> None:
    for page in [made / "report.md", ROOT / "reports/answers/report.md"]:
        text = page.read_text()
        assert text.index("| Verdict |") < text.index("**RQ1."), page


def test_digits_that_the_csv_is_said_to_have_are_there(made: Path) -> None:
    rows = pd.read_csv(made / "tables/runs.csv", dtype=str)
    assert set(rows["store_sha256"].str.len()) | set(rows["split_sha256"].str.len()) == {64}
    said = "12 of 64 digits are shown; the CSV has 64"
    assert said in (made / "report.md").read_text() and "Twelve digits" not in (made / "report.md").read_text()


GROUPED = Table(
    "grouped",
    "Two groups",
    (
        field("place", "Place"),
        field("who", "Who"),
        field("share", "Share of all of them", 1),
        *minor(Column("Interval", lambda row: f"[{row['share']}, 9]", numeric=True), field("why", "Why")),
    ),
    [{"place": p, "who": w, "share": 1.0, "why": "because"} for p in ("here_b", "there") for w in ("a", "b")],
    groups=1,
)


def test_float_has_a_heading_a_group_and_no_minor_columns() -> None:
    lines = latex.to_float(GROUPED).splitlines()
    assert r"\begin{tabularx}{\columnwidth}{@{}>{\raggedright\arraybackslash}Xr@{}}" in lines
    assert r"Who & \begin{tabular}[b]{@{}r@{}}Share\\of all\\of\\them\end{tabular} \\" in lines
    assert sum(line.startswith(r"\multicolumn{2}") for line in lines) == 2 and "a & 1.0 \\\\" in lines
    assert r"here\_\allowbreak{}b" in latex.to_float(GROUPED) and "because" not in latex.to_float(GROUPED)
    assert latex.to_long(GROUPED).count("because") == 4 and r"\endhead" in latex.to_long(GROUPED)


def test_long_tables_are_no_floats(tmp_path: Path) -> None:
    """By the lines that they take: few rows of long cells are as high as many short ones."""
    name = (field("name", "Name"),)
    tables = {
        "fits": Table("fits", "", name, [{"name": str(i)} for i in range(latex.ROOM)]),
        "many": Table("many", "", name, [{"name": str(i)} for i in range(latex.ROOM + 1)]),
        "wordy": Table("wordy", "", name, [{"name": "ten letters " * 14}] * 25),
    }
    assert {key: latex.height(table) for key, table in tables.items()} == {"fits": 66, "many": 67, "wordy": 75}
    for table in tables.values():
        latex.write(table, tmp_path)
    found = sorted(path.name for path in tmp_path.iterdir())
    assert found == ["fits-long.tex", "fits.tex", "many-long.tex", "wordy-long.tex"]


def test_latex_is_for_a_column(made: Path) -> None:
    files = [path for folder in (made, *committed()) for path in (folder / "tables").glob("*.tex")]
    labels = [re.findall(r"\\label\{tab:[^}]+\}", path.read_text()) for path in files]
    assert len(files) > 60 and len({name for names in labels for name in names}) == len(files)  # a paper may have them all
    for path in files:
        text = "".join(line for line in path.read_text().splitlines(True) if not line.startswith("%"))
        columns = re.search(r"\\begin\{(?:tabularx\}\{\\columnwidth|longtable)\}\{@\{\}(.*)@\{\}\}\n", text)
        assert columns and r"\caption{" in text and r"\label{tab:" in text and r"\toprule" in text, path
        count = len(re.sub(r">\{\\raggedright\\arraybackslash\}|\{[\d.]+\\linewidth\}", "", columns[1]))
        assert path.stem.endswith("-long") or 2 <= count <= 5, (path, count)
        body = re.sub(r"\\begin\{tabular\}.*?\\end\{tabular\}", "", text[text.index(r"\toprule") :])
        rows = [line for line in body.splitlines() if line.endswith(r"\\") and not line.startswith(r"\multicolumn")]
        assert {len(re.findall(r"(?<!\\)&", row)) for row in rows} == {count - 1}, path
        bare = re.sub(r"\$[^$]*\$", "", body)
        assert text.isascii() and not re.search(r"(?<!\\)[#$%_]", bare), path


def test_latex_compiles_without_overfull_lines(made: Path, tmp_path: Path) -> None:
    engine = next((name for name in ("pdflatex", "lualatex", "xelatex") if shutil.which(name)), None)
    if engine is None:
        pytest.skip("no TeX on this machine (Debian: apt install texlive-latex-recommended)")
    files = [path for folder in (made, *committed()) for path in sorted((folder / "tables").glob("*.tex"))]
    for width, ours in (
        (LINE, [f for f in files if f.stem.endswith("-long")]),
        (COLUMN, [f for f in files if "-long" not in f.stem]),
    ):
        inputs = "".join(rf"\typeout{{FILE {path.as_posix()}}}\input{{{path.as_posix()}}}\clearpage" + "\n" for path in ours)
        (tmp_path / "t.tex").write_text(DOCUMENT % {"width": width, "inputs": inputs})
        command = [engine, "-draftmode", "-interaction=nonstopmode", "-halt-on-error", "t.tex"]
        run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace", check=False)
        assert run.returncode == 0, run.stdout[-800:]
        said = (tmp_path / "t.log").read_text(errors="replace").split("FILE ")
        wide = {
            part.split("\n")[0][-60:]: found for part in said if (found := re.findall(r"Overfull \\hbox \((?!0)[^)]*\)", part))
        }
        assert wide == {}


def test_stamp_says_commit_and_machine_and_leaves_the_report(made: Path, tmp_path: Path) -> None:
    page, before = made / "report.html", (made / "report.html").read_bytes()
    assert "Commit not known. Copied on " in stamp.main(page, tmp_path / "copy.html")
    text = (tmp_path / "copy.html").read_text()
    assert "cores" in text and "Python 3." in text and "<!-- stamp -->" not in text and page.read_bytes() == before
    links = set(re.findall(r'href="([^"#]+)/headline.csv"', text))
    assert len(links) == 1 and (tmp_path / links.pop() / "headline.csv").exists()
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@example.org"]
    for arguments in (["init", "-q"], ["add", "."], ["commit", "-qm", "x"]):
        subprocess.run([*git, *arguments], cwd=made, check=True)
    assert re.search(
        r"Commit [0-9a-f]{7,} of \d{4}-\d\d-\d\d; the page is that commit's\.", stamp.main(page, tmp_path / "c.html")
    )


def test_stamp_is_for_reports(tmp_path: Path) -> None:
    (tmp_path / "other.html").write_text("<p>mine</p>")
    for name in ("other.html", "none.html"):
        with pytest.raises(ResultsMissing, match=rf"{name}: expected a report\.html"):
            stamp.main(tmp_path / name, tmp_path / "copy.html")
    assert not (tmp_path / "copy.html").exists()


def test_a_stamped_copy_is_another_page_than_the_report(made: Path, tmp_path: Path) -> None:
    page, before = made / "report.html", (made / "report.html").read_bytes()
    (tmp_path / "same.html").symlink_to(page)
    for to, said in (
        (page, "the report itself"),
        (tmp_path / "same.html", "the report itself"),
        (tmp_path / "c.md", r"with \.html"),
    ):
        with pytest.raises(PipelineError, match=said):
            stamp.main(page, to)
    assert page.read_bytes() == before and not (tmp_path / "c.md").exists()


def test_a_stamped_copy_that_cannot_be_written_is_not_left_half(made: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    code = f"""
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
from pipeline import cli
cli.main(["stamp", {str(made / "report.html")!r}, "--to", {str(tmp_path / "out" / "copy.html")!r}])
"""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {tmp_path}/out/copy.html: folder {tmp_path}/out: the file may not grow further")
    assert not list((tmp_path / "out").iterdir())


def test_calibration_by_hand() -> None:
    """Four predictions at 0.9, three of them right, and two at 0.6, both right."""
    chances = np.array([[0.9, 0.1]] * 4 + [[0.4, 0.6]] * 2)
    labels = [0, 0, 0, 1, 1, 1]
    table = pd.DataFrame({"label": labels} | {f"logit_{i}": np.log(chances[:, i]) for i in (0, 1)})
    found = calibration(table)
    assert found.confidence == pytest.approx(4.8 / 6) and found.accuracy == pytest.approx(5 / 6)
    assert [part.count for part in found.bins] == [2, 4]  # 0.6 and 0.9 are upper ends of their bins, but for rounding
    assert found.error == pytest.approx((4 * 0.15 + 2 * 0.4) / 6)
    assert found.likelihood == pytest.approx(-(3 * np.log(0.9) + np.log(0.1) + 2 * np.log(0.6)) / 6)
    assert found.brier == pytest.approx((3 * 0.02 + 1.62 + 2 * 0.32) / 6)
