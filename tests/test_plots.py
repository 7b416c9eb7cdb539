"""Command `plots`: DVC's pages of plots hold what draws them, and fetch nothing."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.commands import plots
from pipeline.core.errors import PipelineError


def dvc(*arguments: str) -> str:
    return subprocess.run([sys.executable, "-m", "dvc", *arguments], check=True, capture_output=True, text=True).stdout


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with one table that DVC plots."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_NO_ANALYTICS", "1")
    subprocess.run(["git", "init", "-q"], check=True)
    dvc("init", "-q")
    Path("dvc.yaml").write_text("plots:\n  - curve.csv:\n      x: step\n      y: loss\n")
    Path("curve.csv").write_text("step,loss\n1,2.0\n2,1.0\n")
    return tmp_path


def outside(page: str) -> list[str]:
    """Scripts and styles that a page fetches."""
    return re.findall(r"<(?:script|link)[^>]+(?:src|href)=[\"']?(https?:[^\"'>]+)", page)


def test_the_page_fetches_nothing_and_draws_what_dvc_gives_it(project: Path) -> None:
    dvc("plots", "show")
    assert outside(Path("dvc_plots/index.html").read_text()), "DVC's own page needs the web"
    plots.main()
    dvc("plots", "show")
    page = Path("dvc_plots/index.html").read_text()
    assert outside(page) == []
    assert "window.vegaEmbed=" in page.replace(" ", "") and "vegaEmbed('#curve_csv', spec)" in page
    assert '"loss": "1.0"' in page or '"loss": 1.0' in page
    assert "plots.html" in Path(".dvc/config.local").read_text()


def test_without_the_package_it_says_how_to_get_it(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    with pytest.raises(PipelineError, match=r'pip install -c constraints.txt -e ".\[plots\]"'):
        plots.main()
    assert not plots.PAGE.exists()
