"""What is packed: predictions, report, parameters and versions; never a recording, never where one was taken from."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import re
import zipfile
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

from pipeline import cli
from pipeline.commands import pack
from pipeline.core.errors import ParamsError, ResultsMissing
from pipeline.stages import report
from tests.report_project import Project


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    found = Project(tmp_path).prepare().install(monkeypatch)
    found.cell("lstm", lambda _name, place, _seed: place > 1)
    found.cell("sta-lstm", lambda _name, _place, _seed: True)
    report.main("toy")
    text = Path("params.yaml").read_text()
    Path("params.yaml").write_text(re.sub(r'source: ""', "source: /a/secret/place", text))
    return found


def contents(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_a_pack_has_what_a_reader_checks_and_its_hashes(project: Project, tmp_path: Path) -> None:
    assert "2 cell(s)" in pack.main("toy", tmp_path / "toy.zip")
    found = contents(tmp_path / "toy.zip")
    manifest = json.loads(found.pop("manifest.json"))
    assert manifest["sha256"] == {name: hashlib.sha256(data).hexdigest() for name, data in found.items()}
    assert manifest["cells"] == ["toy-lstm", "toy-sta-lstm"] and set(manifest["packages"]) == set(pack.PACKAGES)
    assert {"reports/toy/report.md", "reports/toy/metrics.json", "params.yaml", "predictions/toy.csv.gz"} <= set(found)
    table = pd.read_csv(io.BytesIO(gzip.decompress(found["predictions/toy.csv.gz"])))
    assert table.columns.tolist() == ["cell", "fold", "seed", "name", "label", "predicted"]
    assert table.groupby("cell").size().to_dict() == {"toy-lstm": 24, "toy-sta-lstm": 24}  # 2 seeds, 12 sequences in 2 folds


def test_neither_recordings_nor_where_they_came_from_are_in_it(project: Project, tmp_path: Path) -> None:
    pack.main("toy", tmp_path / "toy.zip")
    found = contents(tmp_path / "toy.zip")
    assert not [name for name in found if name.startswith("data/")]
    assert b"secret" in Path("params.yaml").read_bytes()
    assert not [name for name, data in found.items() if b"secret" in data]


def test_a_file_in_the_place_of_a_folder_is_an_error_for_people(project: Project, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = CliRunner().invoke(cli.main, ["pack", "toy", "--to", str(tmp_path / "file" / "toy.zip")])
    assert result.exit_code == 2 and "a file stands where a folder is expected" in result.stderr


def test_two_packs_have_the_same_bytes(project: Project, tmp_path: Path) -> None:
    for name in ("one.zip", "two.zip"):
        pack.main("toy", tmp_path / name)
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()


def test_without_a_report_or_cells_nothing_is_written(project: Project, tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match="there is no data set, group or cell 'ntu'"):
        pack.main("ntu", tmp_path / "x.zip")
    Path("reports/toy/metrics.json").unlink()
    with pytest.raises(ResultsMissing, match="expected a report of these results"):
        pack.main("toy", tmp_path / "x.zip")
    assert not (tmp_path / "x.zip").exists()
