"""Addresses are shown without passwords and keys, wherever they turn up."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from pipeline import cli, tracking
from pipeline.addresses import has_secret, shown
from pipeline.config import params
from pipeline.core.errors import ParamsError, PipelineError
from pipeline.datasets.sbu import dataset as sbu
from pipeline.datasets.sbu.settings import SbuDownload
from pipeline.datasets.shared.errors import RawDataMissing
from pipeline.running import executors
from pipeline.running.errors import SchedulerUnavailable
from pipeline.tracking.errors import TrackingUnavailable
from tests.conftest import ROOT, document_of_params
from tests.loopback import Loopback

TEXTS = {
    "http://user:secret@127.0.0.1:80/a.zip": "http://***@127.0.0.1:80/a.zip",
    "https://token@host/a": "https://***@host/a",
    "pg+psycopg2://me:p%40ss@db/x?sslpassword=word&b=1": "pg+psycopg2://***@db/x?sslpassword=***&b=1",
    "https://s3.host/b?X-Amz-Signature=abc&X-Amz-Expires=9": "https://s3.host/b?X-Amz-Signature=***&X-Amz-Expires=9",
    "fails: https://u:a@h/x: gone; https://u:b@h/y?token=c' too": "fails: https://***@h/x: gone; https://***@h/y?token=***' too",
    "https://u:a/b@h/x": "https://u:a/b@h/x",  # a path may have an @; a password with a slash is written %2F
    "sqlite:////home/me/mlflow.db": "sqlite:////home/me/mlflow.db",
    "mail me@host, see /data/a@2/b": "mail me@host, see /data/a@2/b",
    "tcp://127.0.0.1:8786": "tcp://127.0.0.1:8786",
}


@pytest.mark.parametrize("text", TEXTS)
def test_secrets_are_left_out(text: str) -> None:
    assert shown(text) == TEXTS[text]
    assert has_secret(text) == (TEXTS[text] != text)


def section(source: str) -> SbuDownload:
    return SbuDownload(source=source, retries=0, timeout_s=5.0, total_s=60.0, total_mb=100, published_frames=True)


@pytest.mark.parametrize("status", [404, 403, 500])
def test_a_failed_download_does_not_tell_the_password(status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with Loopback(tmp_path, faults=lambda number, path: status) as server, pytest.raises(PipelineError) as caught:
        sbu.fetch(tmp_path / "out", section(server.url.replace("//", "//user:secret@")))
    assert "secret" not in str(caught.value)
    assert "***@127.0.0.1" in str(caught.value)


def test_nor_does_a_server_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with Loopback(tmp_path) as server:
        pass
    with pytest.raises(PipelineError) as caught:
        sbu.fetch(tmp_path / "out", section(server.url.replace("//", "//user:secret@")))
    assert "secret" not in str(caught.value)


def test_tracking_does_not_tell_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://user:secret@127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(TrackingUnavailable) as caught:
        tracking.connect(tmp_path)
    assert str(caught.value).startswith("MLflow at http://***@127.0.0.1:9 cannot be used: ")
    assert "secret" not in str(caught.value)
    with pytest.raises(TrackingUnavailable, match=r"open http://\*\*\*@127\.0\.0\.1:9 in a browser"):
        tracking.check_servable(tmp_path, 5000)


def test_a_scheduler_that_is_not_there_does_not_tell_it() -> None:
    with pytest.raises(SchedulerUnavailable) as caught, executors.remote("tcp://user:secret@127.0.0.1:9"):
        pass
    assert "secret" not in str(caught.value)


def test_the_command_line_has_the_last_word(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)

    def fail(*_: object) -> None:
        raise RawDataMissing("no such file at https://user:secret@host/?token=secret")

    monkeypatch.setattr("pipeline.cli.stages.run", fail)
    result = CliRunner().invoke(cli.main, ["download", "sbu"])
    assert (result.exit_code, result.output) == (2, "error: no such file at https://***@host/?token=***\n")


def test_parameters_have_no_passwords() -> None:
    document = document_of_params()
    document["download"]["sbu"]["source"] = "https://user:secret@host/sbu"
    with pytest.raises(ParamsError, match=r"a source has a password or a key.*<DATA SET>_SOURCE") as caught:
        params.build(document, str(ROOT / "params.yaml"))
    assert "secret" not in str(caught.value)
