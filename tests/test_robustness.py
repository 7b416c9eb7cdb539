"""A fixed, seeded sample of `benchmarks.mutations` and `benchmarks.kills`; docs/robustness.md has the full counts."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import kills, mutants, mutations, small_project


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small project, trained once."""
    folder = tmp_path_factory.mktemp("small")
    with mutations.project(str(folder)):
        pass
    return folder


def test_no_damage_passes_in_silence(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One of each kind: an error for people, a count, or the same outcome; another one only of the kinds that were listed."""
    with mutations.project(str(project)):
        counts = mutations.run(mutations.areas(), share=0.01)
    bad = [line for line in capsys.readouterr().err.splitlines() if line.startswith(mutations.BAD)]
    assert bad == []
    assert len(counts) == 17
    total = sum(count.total() for count in counts.values())
    assert total > 110
    unknowable = sum(count["unknowable"] for count in counts.values())
    assert unknowable <= 5
    assert sum(count["error"] for count in counts.values()) > 0.8 * total


def test_what_is_said_of_a_reader_that_is_wrong() -> None:
    def read(data: bytes) -> object:
        if data == b"":
            raise ZeroDivisionError
        return len(data)

    area = mutants.Area(
        "a", b"0123456789", (*mutants.ANY, mutants.Kind("other", lambda rng, data: b"x", unknowable=True)), 2, read
    )
    count = mutations.run([area])["a"]
    assert count["TRACEBACK"] == 2 and count["unknowable"] == 2
    assert count["SILENT"] == 4 and count["same"] == 2  # cut and noise; a block of zeros has the same length


@pytest.mark.parametrize(("stage", "way"), [("finetune", "terminal"), ("report", "kill -9")])
def test_a_killed_stage_goes_on_to_the_same_bytes(stage: str, way: str, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project)
    target, outputs = kills.OUTPUTS[stage]
    kills.finish(stage, target)
    expected, row = kills.digest(outputs), kills.Row()
    kills.remove(outputs)
    kills.kill(stage, 2.0, way, kills.Random(1), row)
    assert not row.codes and not row.tracebacks
    kills.finish(stage, target)
    assert kills.digest(outputs) == expected
    assert small_project.CELL in {path.name for path in Path("data/results/demo").iterdir()}
