"""Command `check`: broken networks are caught, honest ones with other seeds are not, and nothing goes missing unseen."""

from __future__ import annotations

import contextlib
import gzip
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from subprocess import run

import pandas as pd
import pytest
from click.testing import CliRunner
from torch import Tensor

from pipeline import cli
from pipeline.commands import baseline, check, locks, pack, reproduced
from pipeline.config import params as parameters
from pipeline.core import cell as cells
from pipeline.core.errors import ParamsError, ResultsMissing
from pipeline.core.files import digest_of, sha256, write_digest
from pipeline.core.model import STALSTM, Output, attention
from pipeline.core.training import run as joint
from pipeline.core.training.batches import Clips
from pipeline.core.training.job import Job
from pipeline.errors import AccuracyFell, BaselineMissing
from tests import check_project
from tests.check_project import CELL
from tests.conftest import ROOT, write_params

BASELINE = Path("reports/baseline/demo.csv.gz")
BEFORE = 12  # seeds of the baseline


# The command, on networks that are really trained


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, pd.DataFrame]:
    """A project, and the predictions of honest networks with seeds 1 to 24, of which 1 to 12 are the baseline."""
    folder = tmp_path_factory.mktemp("trained")
    check_project.make(folder, 240, list(range(1, 25)))
    with contextlib.chdir(folder):
        want(check={"guarded": {"demo": [CELL]}})
        check_project.train()
        honest = check_project.predict()
        put(honest[honest["seed"] <= BEFORE])
        baseline.accept()
    return folder, honest


@pytest.fixture
def honest(trained: tuple[Path, pd.DataFrame], monkeypatch: pytest.MonkeyPatch) -> Iterator[pd.DataFrame]:
    """In that project, as it was accepted: the predictions of the baseline's seeds."""
    monkeypatch.chdir(trained[0])
    kept = [Path("params.yaml").read_bytes(), BASELINE.read_bytes()]
    put(trained[1][trained[1]["seed"] <= BEFORE])
    yield trained[1]
    Path("params.yaml").write_bytes(kept[0])
    BASELINE.write_bytes(kept[1])
    write_digest(BASELINE)


def put(predictions: pd.DataFrame) -> None:
    """Make these the results, and their seeds those of params.yaml."""
    seeds = sorted(predictions["seed"].unique().tolist())
    want(seeds={"demo": seeds})
    folder = cells.load(CELL, "evaluate").results / "evaluate"
    folder.mkdir(parents=True, exist_ok=True)
    predictions.to_csv(folder / "predictions.csv", index=False, lineterminator="\n")


def want(**sections: dict[str, object]) -> None:
    """Change sections of params.yaml."""
    document = parameters.read()
    for name, values in sections.items():
        document[name] |= values
    with contextlib.redirect_stdout(None):  # what `resolve` says
        write_params(document)


def findings() -> list[str]:
    """What `check` objects to."""
    with pytest.raises(AccuracyFell) as failure:
        check.main()
    return [text.strip() for text in str(failure.value).splitlines()[1:-1]]


def test_the_honest_networks_are_good_and_not_perfect(honest: pd.DataFrame) -> None:
    right = (honest["label"] == honest["predicted"]).groupby([honest["fold"], honest["seed"]]).mean()
    assert 0.85 < right.mean() < 0.96
    assert (right < 1).all()


def test_the_accepted_networks_are_identical(honest: pd.DataFrame, capsys: pytest.CaptureFixture[str]) -> None:
    check.main()
    first, *rest = capsys.readouterr().out.splitlines()
    seeds = ", ".join(map(str, range(1, BEFORE + 1)))
    ours = rf"{CELL}: (9\d\.\d) %, baseline \1 ± \d\.\d %, difference \+0\.0 \[.*\]; "
    shown = ours + f"identical to the baseline's seed {seeds}; notices .*"
    assert re.fullmatch(shown, first)
    assert rest == [
        "1 guarded: alarms in at most 1% of honest checks; `notices` is the fall of a cell that is noticed in 95% of checks",
        "no finding against the baseline",
    ]


def test_equal_predictions_are_tested_like_others_where_accuracy_alone_counts(
    honest: pd.DataFrame, capsys: pytest.CaptureFixture[str]
) -> None:
    check.main(bytes_count=False)
    assert "; ok; notices " in capsys.readouterr().out


def test_identical_means_every_prediction_of_seeds_that_the_baseline_has(
    honest: pd.DataFrame, capsys: pytest.CaptureFixture[str]
) -> None:
    one = honest[honest["seed"] == 2]
    for table, said in (
        (one, f"; identical to the baseline's seed 2 (the difference is from all {BEFORE} seeds of the baseline); "),
        (one.assign(seed=30), "; ok; "),
        (changed(one, 1), "; ok; "),
    ):
        put(table)
        check.main()
        assert said in capsys.readouterr().out


def changed(table: pd.DataFrame, count: int) -> pd.DataFrame:
    """The first right answers made wrong."""
    right = table.index[table["label"] == table["predicted"]][:count]
    table = table.copy()
    table.loc[right, "predicted"] = (table.loc[right, "label"] + 1) % 4
    return table


def test_honest_trainings_with_other_seeds_pass(honest: pd.DataFrame) -> None:
    for seed in range(BEFORE + 1, 25):
        put(honest[honest["seed"] == seed])
        check.main()


def test_a_gain_is_a_finding_too(honest: pd.DataFrame) -> None:
    put(honest[honest["seed"] == 2].assign(predicted=lambda table: table["label"]))
    (found,) = findings()
    assert "accuracy rose, as it does where test data reach training: 100.0 %" in found and found.endswith("lies above 0")


def test_cell_that_is_not_guarded_is_shown_and_passes(honest: pd.DataFrame, capsys: pytest.CaptureFixture[str]) -> None:
    want(check={"guarded": {}})
    put(honest[honest["seed"] == 2].assign(predicted=0))
    check.main()
    line, *rest = capsys.readouterr().out.splitlines()
    assert line.startswith(f"{CELL}: 25.0 %, baseline 9") and "; not guarded; would notice " in line
    assert rest[-3] == f"none of these cells is guarded (params.yaml, check.guarded, says why): shown, not tested: {CELL}"
    assert re.match(rf"fell by more than 10 points without a guard, so no finding: {CELL} by [67]\d\.\d\. `python", rest[-2])
    assert rest[-1] == "no finding against the baseline"


def test_cell_whose_seeds_spread_too_far_notices_no_fall(honest: pd.DataFrame, capsys: pytest.CaptureFixture[str]) -> None:
    two = honest[honest["seed"].isin([1, 2])]
    BASELINE.unlink()
    put(two.assign(predicted=two["label"].where(two["seed"] == 1, two["predicted"])))  # 100 % and about 91 %
    baseline.accept()
    check.main()
    with pytest.raises(AccuracyFell, match=f"{CELL} .*: guarded, but its baseline is too small to notice any fall"):
        check.main(bytes_count=False)
    assert "; ok; notices no fall\n" in capsys.readouterr().out


def test_few_seeds_do_not_take_the_place_of_the_many(honest: pd.DataFrame, capsys: pytest.CaptureFixture[str]) -> None:
    """Two runs that come again leave the baseline of twelve as it is; two others are refused, and it stays as well."""
    before = BASELINE.read_bytes()
    put(honest[honest["seed"].isin([2, 3])])
    baseline.accept()
    assert BASELINE.read_bytes() == before
    for other in (changed(honest[honest["seed"].isin([2, 3])], 1), honest[honest["seed"].isin([14, 15])]):
        put(other)
        with pytest.raises(ResultsMissing, match=r"demo\.csv\.gz has 12 seeds of it, .* remove the file first"):
            baseline.accept()
        assert BASELINE.read_bytes() == before


def test_guarded_cell_needs_several_seeds_in_its_baseline(honest: pd.DataFrame) -> None:
    BASELINE.unlink()
    put(honest[honest["seed"] == 2])
    baseline.accept()
    put(honest[honest["seed"] == 3])
    (found,) = findings()
    assert "guarded, but one seed in the baseline does not say how far seeds spread" in found


def late_gates(self: STALSTM, x: Tensor, alpha: Tensor | None) -> Tensor:
    """The gates of frame t on frame t + 1."""
    assert alpha is not None
    return x * (self.config.K * attention.previous(alpha)).unsqueeze(-1)


def mask_ignored(forward: Callable[..., Output]) -> Callable[..., Output]:
    """Padding as if it were frames."""
    return lambda self, x, mask: forward(self, x, mask.new_ones(mask.shape))


def labels_shifted(clips_of: Callable[[Job, str], Clips]) -> Callable[[Job, str], Clips]:
    """Training labels of fold 2 one too high."""

    def changed(job: Job, part: str) -> Clips:
        clips = clips_of(job, part)
        if (job.fold, part) == (2, "train"):
            clips.labels = (clips.labels + 1) % len(clips.store.meta.actions)
        return clips

    return changed


def break_it(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if how == "gates":
        monkeypatch.setattr(STALSTM, "gate", late_gates)
    elif how == "mask":
        monkeypatch.setattr(STALSTM, "forward", mask_ignored(STALSTM.forward))
    else:
        monkeypatch.setattr(joint, "clips_of", labels_shifted(joint.clips_of))


def retrained(seeds: list[int]) -> pd.DataFrame:
    want(seeds={"demo": seeds})
    check_project.train()
    return check_project.predict()


@pytest.mark.parametrize("how", ["gates", "mask"])
def test_a_broken_network_is_caught_though_it_trains_with_the_fault(
    how: str, honest: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    break_it(how, monkeypatch)
    put(retrained([31, 32]))
    found = findings()
    assert f"{CELL} (protocol p, method sta-lstm-scratch): accuracy fell: " in found[0]
    ours = r"fell: \d\d\.\d %, baseline 9\d\.\d ± \d\.\d %, difference -\d+\.\d \[-\d+\.\d, -\d+\.\d\]; "
    assert re.search(ours + r"most in fold \d, -\d+\.\d; rule: ", found[0])


@pytest.mark.parametrize("how", ["gates", "mask"])
def test_a_network_that_is_broken_after_training_is_caught(
    how: str, honest: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    # cached weights, changed model code: what a fault in `evaluate` looks like
    want(seeds={"demo": [1, 2, 3]})
    break_it(how, monkeypatch)
    put(check_project.predict())
    assert "accuracy fell" in findings()[0]


def test_labels_shifted_in_one_fold_are_caught_and_the_fold_is_named(
    honest: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    break_it("labels", monkeypatch)
    put(retrained([31, 32]))
    (found,) = findings()
    assert "accuracy fell" in found and "; most in fold 2, -" in found


# What is not there


def accepted(honest: pd.DataFrame) -> pd.DataFrame:
    return honest[honest["seed"] <= BEFORE]


def test_baseline_is_small_sorted_and_the_same_bytes_each_time(honest: pd.DataFrame) -> None:
    before = BASELINE.read_bytes()
    put(accepted(honest).sample(frac=1, random_state=1))
    baseline.accept(["demo"])
    assert BASELINE.read_bytes() == before
    table = pd.read_csv(BASELINE)
    assert list(table) == ["cell", "fold", "seed", "name", "label", "predicted"]
    assert len(table) == BEFORE * 240 and table.equals(table.sort_values(["cell", "fold", "seed", "name"], ignore_index=True))
    assert sorted(path.name for path in BASELINE.parent.iterdir()) == ["demo.csv.gz", "demo.csv.gz.sha256"]


def test_accepting_results_that_are_not_there_changes_nothing(honest: pd.DataFrame) -> None:
    before = BASELINE.read_bytes()
    (cells.load(CELL, "evaluate").results / "evaluate/predictions.csv").unlink()
    with pytest.raises(ResultsMissing, match=r"expected a table of predictions .* run `dvc repro`"):
        baseline.accept()
    assert BASELINE.read_bytes() == before


def test_without_any_predictions_there_is_nothing_to_compare(honest: pd.DataFrame) -> None:
    (cells.load(CELL, "evaluate").results / "evaluate/predictions.csv").unlink()
    with pytest.raises(
        ResultsMissing, match=r"there is nothing to compare:\n  .*predictions\.csv: expected a table of predictions"
    ):
        check.main()


def test_cell_that_the_grid_has_no_more_is_a_finding(honest: pd.DataFrame) -> None:
    with gzip.open(BASELINE, "rt") as file:
        text = file.read()
    BASELINE.write_bytes(gzip.compress((text + "p-gone,1,1,clip-000,0,0\n").encode()))
    write_digest(BASELINE)
    assert findings() == [f"p-gone: in {BASELINE}, but not in the grid of params.yaml"]


def test_cell_without_baseline_is_named_and_passes(honest: pd.DataFrame, capsys: pytest.CaptureFixture[str]) -> None:
    with gzip.open(BASELINE, "rt") as file:
        text = file.read()
    BASELINE.write_bytes(gzip.compress(text.replace(CELL, "p-other").encode()))
    write_digest(BASELINE)
    assert findings() == [f"p-other: in {BASELINE}, but not in the grid of params.yaml"]
    assert capsys.readouterr().out.startswith(f"{CELL}: new, {BASELINE} does not have it\n0 guarded: ")


def test_missing_fold_is_a_finding(honest: pd.DataFrame) -> None:
    put(accepted(honest).query("fold == 1"))
    assert findings() == [f"{CELL}: fold 2 is missing, the baseline has it"]


def test_fewer_seeds_are_a_finding_unless_the_data_set_may_have_fewer(honest: pd.DataFrame) -> None:
    put(honest[honest["seed"].isin([14, 15])])
    check.main()
    want(check={"fewer_seeds": []})
    assert findings() == [f"{CELL}: seeds [14, 15], fewer than the baseline's {list(range(1, BEFORE + 1))}"]
    put(honest[honest["seed"] > BEFORE])
    check.main()


def test_seed_that_params_yaml_asks_for_is_missed(honest: pd.DataFrame) -> None:
    put(honest[honest["seed"].isin([1, 2, 3])])
    want(seeds={"demo": [1, 2, 3, 4]})
    with pytest.raises(ResultsMissing, match=r"expected seeds \[1, 2, 3, 4\] as in params\.yaml, found \[1, 2, 3\]"):
        check.main()


def test_run_that_lacks_samples_and_repeated_rows_are_findings(honest: pd.DataFrame) -> None:
    put(accepted(honest).iloc[1:])
    with pytest.raises(ResultsMissing, match="the seeds do not have the same sequences"):
        check.main()
    put(pd.concat([accepted(honest)] * 2))
    with pytest.raises(ResultsMissing, match="expected one prediction a fold, seed and sample, found several"):
        check.main()


def test_predictions_that_were_edited_are_not_judged(honest: pd.DataFrame) -> None:
    """They have the SHA-256 that `evaluate` wrote down, or none."""
    path = cells.load(CELL, "evaluate").results / "evaluate/predictions.csv"
    document = path.with_name("metrics.json")
    document.write_text(json.dumps({"files": {"predictions.csv": sha256(path)}}))
    try:
        check.main()
        path.write_text(path.read_text().replace("clip-001", "clip-009", 1))
        for judge in (check.main, baseline.accept, lambda: pack.predictions([CELL])):
            with pytest.raises(ResultsMissing, match=r"predictions\.csv: not the file that was written"):
                judge()
    finally:
        document.unlink()


def test_other_label_of_the_same_sample_is_a_finding(honest: pd.DataFrame) -> None:
    table = accepted(honest).copy()
    table.loc[(table["fold"] == 2) & (table["name"] == "clip-005"), "label"] += 1
    put(table)
    assert findings() == [f"{CELL}: 1 samples have other labels (fold 2, clip-005: class 1, now 2)"]


def test_other_samples_are_said_to_be_others(honest: pd.DataFrame, capsys: pytest.CaptureFixture[str]) -> None:
    put(accepted(honest).assign(name=lambda table: "new-" + table["name"]))
    check.main()
    assert "; other test samples; ok; " in capsys.readouterr().out


def test_an_edited_baseline_is_no_baseline(honest: pd.DataFrame) -> None:
    text = gzip.decompress(BASELINE.read_bytes()).decode()
    row = next(line for line in text.splitlines() if line.endswith(",0,0"))
    BASELINE.write_bytes(gzip.compress(text.replace(row, row[:-1] + "1").encode()))
    with pytest.raises(BaselineMissing, match=r"not the file that demo\.csv\.gz\.sha256 vouches for: changed by hand"):
        check.main()


def test_no_baseline_and_a_damaged_one(honest: pd.DataFrame) -> None:
    whole = BASELINE.read_bytes()
    digest_of(BASELINE).unlink()
    for content in (whole[:200], b"cell,fold\n", b"\x1f\x8b" + bytes(40)):
        BASELINE.write_bytes(content)
        with pytest.raises(BaselineMissing, match=r"demo\.csv\.gz: expected a table of predictions .* take it from git again"):
            check.main()
    BASELINE.unlink()
    with pytest.raises(BaselineMissing, match="`python -m pipeline check --accept demo`"):
        check.main()
    with pytest.raises(ParamsError, match=r"there is no data set, group or cell 'sbu'; groups in use: p"):
        check.main(["sbu"])


def test_cells_are_named_by_their_data_set_their_group_or_themselves() -> None:
    committed = parameters.load(ROOT / "params.yaml")
    config = replace(
        committed,
        cells={
            name: cell for name, cell in committed.every.items() if cell.group in ("nw-ucla-xsub", "nw-ucla-views", "utkinect")
        },
    )
    lstm, sta = (f"nw-ucla-xsub-tuned-{method}" for method in ("lstm", "sta-lstm"))
    views = ["nw-ucla-xsub-paper-lstm", "nw-ucla-xview-paper-augmented-lstm"]
    assert baseline.selected(config, [sta]) == {"nw_ucla": [sta]}
    assert baseline.selected(config, ["nw-ucla-xsub"]) == baseline.selected(config, [sta, lstm]) == {"nw_ucla": [lstm, sta]}
    assert sorted(baseline.selected(config, ["nw_ucla"])["nw_ucla"]) == sorted([lstm, sta, *views])
    assert {name: len(own) for name, own in baseline.selected(config).items()} == {"utkinect": 8, "nw_ucla": 4}
    for name, group in (("nw-ucla", "nw-ucla"), ("florence3d", "florence3d"), ("sbu-more", "sbu-more"), ("demo", "demo")):
        wanted = " ".join(dict.fromkeys(["demo", group]))  # beside what params.yaml has in use
        with pytest.raises(ParamsError, match=rf"no cell of '{name}' is in use; run `python -m pipeline use {wanted}`"):
            baseline.selected(config, [sta, name])
    with pytest.raises(ParamsError, match="no cell of 'sbu-tuned-lstm' is in use; run `python -m pipeline use demo sbu`"):
        baseline.selected(config, ["sbu-tuned-lstm"])
    with pytest.raises(
        ParamsError, match=r"there is no data set, group or cell 'utkinekt'; did you mean utkinect\?; groups in use: demo"
    ):
        baseline.selected(config, ["utkinekt"])


def test_command_ends_with_a_code_and_a_message(honest: pd.DataFrame) -> None:
    result = CliRunner().invoke(cli.main, ["check", "demo"])
    assert (result.exit_code, result.stderr) == (0, "")
    put(accepted(honest).assign(predicted=0))
    result = CliRunner().invoke(cli.main, ["check"])
    assert result.exit_code == 1
    assert "; FELL; " in result.stdout
    assert result.stderr.startswith("error: 1 finding(s) against the baseline:\n")
    assert "`python -m pipeline check --accept`" in result.stderr
    assert CliRunner().invoke(cli.main, ["check", "--accept"]).exit_code == 0
    assert CliRunner().invoke(cli.main, ["check"]).exit_code == 0
    digest_of(BASELINE).unlink()
    result = CliRunner().invoke(cli.main, ["check"])
    assert result.exit_code == 2 and "demo.csv.gz.sha256, which vouches for it, is not there" in result.stderr


# Other revisions, other machines


def git(*arguments: str) -> None:
    run(["git", "-c", "user.name=a", "-c", "user.email=a@b", *arguments], check=True, capture_output=True)


def test_baseline_of_another_revision(honest: pd.DataFrame, capsys: pytest.CaptureFixture[str]) -> None:
    git("init", "-q")
    git("add", str(BASELINE))
    git("commit", "-q", "-m", "x")
    git("tag", "--force", "then")
    BASELINE.unlink()
    put(honest[honest["seed"] > BEFORE])
    baseline.accept()
    check.main()
    assert "; identical " in capsys.readouterr().out
    check.main(against="then")
    assert "; ok; " in capsys.readouterr().out
    with pytest.raises(BaselineMissing, match=r"--against gone: git has no reports/baseline/demo\.csv\.gz there"):
        check.main(against="gone")
    with pytest.raises(BaselineMissing, match="--against --output=x: "):
        check.main(against="--output=x")


def with_others(*names: str) -> None:
    """The grid has a group `more` that is not in use; the baseline has those of its cells, or others, that are named."""
    before, document = baseline.read("demo")[CELL], parameters.read()
    document["grid"]["more"] = [{"protocols": ["p"], "recipes": ["paper"], "methods": ["lstm", "sa-lstm"], "seeds": "demo"}]
    with contextlib.redirect_stdout(None):
        write_params(document)
    baseline.file_of("demo").write_bytes(baseline.as_csv(dict.fromkeys((CELL, *names), before)))
    write_digest(baseline.file_of("demo"))


def test_accepting_keeps_cells_that_are_not_in_use(honest: pd.DataFrame, capsys: pytest.CaptureFixture[str]) -> None:
    with_others("p-paper-lstm", "gone")
    baseline.accept()
    assert sorted(baseline.read("demo")) == sorted([CELL, "p-paper-lstm"])
    said = capsys.readouterr().out
    assert "kept: those of p-paper-lstm\n" in said
    assert "dropped: those of gone, which the grid of params.yaml does not have\n" in said


def test_cells_of_groups_that_are_not_in_use_are_counted_and_no_finding(
    honest: pd.DataFrame, capsys: pytest.CaptureFixture[str]
) -> None:
    with_others("p-paper-lstm", "p-paper-sa-lstm")
    want(check={"guarded": {"demo": [CELL, "p-paper-sa-lstm"]}})
    check.main()
    said = "in the baseline, but not compared, since their groups are not in use: more (2 cells)"
    assert f"{said}; guarded among them: p-paper-sa-lstm" in capsys.readouterr().out.splitlines()


def test_one_cell_is_accepted_and_compared_where_others_have_no_results(honest: pd.DataFrame) -> None:
    with_others("p-paper-lstm")
    want(use={"groups": ["p", "more"]})
    put(accepted(honest).assign(predicted=0))
    with pytest.raises(ResultsMissing, match=r"p-paper-lstm.*expected a table of predictions"):
        baseline.accept()
    baseline.accept([CELL])
    tables = baseline.read("demo")
    assert (tables[CELL]["predicted"] == 0).all()
    assert sorted(tables["p-paper-lstm"]["predicted"].unique()) == sorted(accepted(honest)["predicted"].unique())
    check.main([CELL])
    tables = baseline.read("demo") | {"gone": baseline.read("demo")[CELL]}
    baseline.file_of("demo").write_bytes(baseline.as_csv(tables))
    write_digest(baseline.file_of("demo"))
    check.main([CELL])  # what is wrong with the file elsewhere is for a check of all cells
    baseline.accept([CELL])
    assert "gone" in baseline.read("demo")
    assert any(finding.startswith("p-paper-lstm: ") for finding in findings())


def test_a_cell_by_itself_is_tested_as_among_all(honest: pd.DataFrame, capsys: pytest.CaptureFixture[str]) -> None:
    """The share of false alarms is that of all guarded cells of the data set, whichever are named."""
    with_others("p-paper-lstm")
    want(use={"groups": ["p", "more"]}, check={"guarded": {"demo": [CELL, "p-paper-lstm"]}})
    put(honest[honest["seed"] > BEFORE])
    other = cells.load("p-paper-lstm", "evaluate").results / "evaluate"
    other.mkdir(parents=True)
    honest[honest["seed"] > BEFORE].to_csv(other / "predictions.csv", index=False, lineterminator="\n")
    assert [finding.partition(":")[0] for finding in findings()] == ["p-paper-sa-lstm"]  # it has no results here
    among = [line for line in capsys.readouterr().out.splitlines() if line.startswith(CELL)]
    check.main([CELL])
    assert [line for line in capsys.readouterr().out.splitlines() if line.startswith(CELL)] == among
    (other / "predictions.csv").unlink()


def test_an_empty_revision_is_no_revision(honest: pd.DataFrame) -> None:
    result = CliRunner().invoke(cli.main, ["check", "--against", ""])
    assert result.exit_code == 2 and "--against: expected a git revision, found nothing" in result.stderr


def test_reproduction_looks_at_the_same_seeds(honest: pd.DataFrame, capsys: pytest.CaptureFixture[str]) -> None:
    one = honest[honest["seed"] == 2]
    for table, said in (
        (honest[honest["seed"].isin([2, 3])], "seed 2, 3: identical, all 480 predictions"),
        (changed(one, 3), r"seed 2: 3 of 240 predictions differ, accuracy -1\.\d points \[.*\]: undecided"),
        (one.assign(seed=50), r"no seed of \[50\] is among the baseline's \[1, 2, .*"),
        (one.assign(name="new-" + one["name"]), r"tested on other samples than the baseline; .*"),
    ):
        put(table)
        compared = said.startswith("seed")
        with contextlib.nullcontext() if compared else pytest.raises(ResultsMissing, match="none of these cells has predictions"):
            reproduced.main()
        assert re.fullmatch(f"{CELL}: {said}\n", capsys.readouterr().out)


def test_reproduction_that_is_worse_or_absent_ends_with_a_code(honest: pd.DataFrame) -> None:
    put(honest[honest["seed"] == 2].assign(predicted=0))
    result = CliRunner().invoke(cli.main, ["check", "--reproduced"])
    assert result.exit_code == 1 and result.stderr == f"error: worse than the baseline with the same seeds: {CELL}\n"
    (cells.load(CELL, "evaluate").results / "evaluate/predictions.csv").unlink()
    result = CliRunner().invoke(cli.main, ["check", "--reproduced"])
    assert (
        result.exit_code != 0
        and "none of these cells has predictions of the same seeds here and in the baseline" in result.stderr
    )
    assert CliRunner().invoke(cli.main, ["check", "--accept", "--reproduced"]).exit_code == 2


@pytest.mark.parametrize(
    ("status", "said"),
    [
        ({}, ""),
        ({"resolve": [{"changed deps": {"params.yaml": "modified"}}]}, ""),
        ({"x:evaluate": [{"changed deps": {"data/a": "deleted"}, "changed outs": {"data/b": "new"}}]}, ""),
        ({"x:finetune": [{"changed deps": {"pipeline/core": "modified"}}]}, "x:finetune: pipeline/core"),
        ({"x:evaluate": [{"changed outs": {"data/b": "modified"}}, "changed command"]}, "x:evaluate: changed command, data/b"),
    ],
)
def test_results_of_other_parameters_data_or_code_are_not_judged(
    honest: pd.DataFrame, monkeypatch: pytest.MonkeyPatch, status: dict[str, list[object]], said: str
) -> None:
    """Whatever DVC says of the stages; what is only not there is no other result."""
    asked: list[str] = []
    monkeypatch.setattr(
        locks, "_status", lambda stages: asked.extend(stages) or {**status, "y:split": [{"a": {"b": "modified"}}]}
    )
    Path(".dvc").mkdir()
    Path("dvc.lock").write_text("stages: {finetune: {}, evaluate: {}}\n")  # beside x and y; it has no entry of y's stage
    try:
        for judge in (check.main, baseline.accept, reproduced.main):
            if not said:
                judge()
                continue
            with pytest.raises(ResultsMissing, match=rf"run `dvc repro` first:\n  {said}"):
                judge()
    finally:
        Path(".dvc").rmdir()
        Path("dvc.lock").unlink()
    assert asked[0] == f"cells/p/{CELL}/dvc.yaml:evaluate"


@pytest.mark.parametrize(
    ("guarded", "message"),
    [
        ({"demo": [CELL + "m"]}, f"check.guarded.demo: there is no cell of demo '{CELL}m'; do you mean {CELL}"),
        ({"dmo": [CELL]}, r"check\.guarded: there is no data set 'dmo'; do you mean demo\?"),
    ],
)
def test_a_misspelt_guard_is_no_guard(honest: pd.DataFrame, guarded: dict[str, list[str]], message: str) -> None:
    want(check={"guarded": guarded})
    with pytest.raises(ParamsError, match=message):
        check.main()
