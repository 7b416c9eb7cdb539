"""Members of remote zips: what travels, what happens when it does not arrive, and what is never left behind."""

from __future__ import annotations

import random
import signal
import zipfile
from pathlib import Path

import pytest

from pipeline.datasets.shared import remote
from pipeline.datasets.shared.errors import ArchiveMismatch, DownloadFailed, RawDataMissing
from tests.loopback import Fault, Loopback

TEXTS = {f"s01s02/01/00{i}/skeleton_pos.txt": random.Random(i).randbytes(3000).hex().encode() for i in (1, 2, 3)}
RETRIES = 3


def is_text(name: str) -> bool:
    return name.endswith(".txt")


@pytest.fixture(autouse=True)
def _loopback_without_proxy_or_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(remote, "BACKOFF_S", 0.0)


@pytest.fixture
def web(tmp_path: Path) -> Path:
    """A folder with `a.zip`: three texts, each between pictures (5 and 5 of 4 kB, which do not compress), as in the real ones."""
    folder = tmp_path / "web"
    folder.mkdir()
    with zipfile.ZipFile(folder / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in TEXTS.items():
            for i in range(5):
                archive.writestr(
                    name.replace("skeleton_pos.txt", f"depth_{i:06}.png"), random.Random(name + str(i)).randbytes(4000)
                )
            archive.writestr(name, text)
            for i in range(5):
                archive.writestr(name.replace("skeleton_pos.txt", f"rgb_{i:06}.png"), random.Random(f"{i}{name}").randbytes(4000))
    return folder


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    folder = tmp_path / "scratch"
    folder.mkdir()
    return folder


def fetch(server: Loopback, scratch: Path, retries: int = RETRIES, name: str = "a.zip") -> dict[str, bytes]:
    return remote.fetch_members(f"{server.url}/{name}", is_text, scratch, retries, remote.Budget(5.0, 60.0, 10_000_000))


def data_span(file: Path, member: str) -> tuple[int, int]:
    """Where the content of a member lies in its archive: (first byte, end)."""
    with zipfile.ZipFile(file) as archive:
        info = archive.getinfo(member)
    header = file.read_bytes()[info.header_offset : info.header_offset + 30]
    start = info.header_offset + 30 + int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little")
    return start, start + info.compress_size


def test_with_ranges_only_the_wanted_members_travel(web: Path, scratch: Path) -> None:
    with Loopback(web) as server:
        assert fetch(server, scratch) == TEXTS
    with zipfile.ZipFile(web / "a.zip") as archive:
        pictures = [data_span(web / "a.zip", name) for name in archive.namelist() if name.endswith(".png")]
        directory = archive.start_dir
    requested = [s for s in server.served if s.end - s.start > 1]  # the first request, of one byte, only asks for the size
    assert not [(s, p) for s in requested for p in pictures if s.start < p[1] and p[0] < s.end]
    assert sum(s.end - s.start for s in requested if s.end <= directory) <= sum(map(len, TEXTS.values()))
    assert len(server.served) == 1 + 2 + 3  # size, end record and directory, three texts


def test_without_ranges_the_whole_archive_is_read_once_and_not_kept(web: Path, scratch: Path) -> None:
    with Loopback(web, ranges=False) as server:
        assert fetch(server, scratch) == TEXTS
    assert [(s.start, s.end) for s in server.served] == [(0, (web / "a.zip").stat().st_size)]
    assert list(scratch.iterdir()) == []


@pytest.mark.parametrize("ranges", [True, False])
@pytest.mark.parametrize("fault", ["cut", "flip", "long", "short", 500, 503, 429])
def test_recovers_when_the_first_requests_fail(web: Path, scratch: Path, ranges: bool, fault: Fault) -> None:
    def faults(number: int, path: str) -> Fault:
        return fault if number < (2 if not ranges or isinstance(fault, int) else 3) else None

    with Loopback(web, ranges, faults) as server:
        assert fetch(server, scratch) == TEXTS
    assert sum(s.fault is not None for s in server.served) >= 2
    assert list(scratch.iterdir()) == []


def test_what_arrived_before_the_connection_was_cut_is_not_fetched_again(web: Path, scratch: Path) -> None:
    with Loopback(web, faults=lambda number, path: "cut" if number == 4 else None) as server:  # the second text
        assert fetch(server, scratch) == TEXTS
    first, second, third = (data_span(web / "a.zip", name) for name in TEXTS)
    times = [sum(s.start < end <= s.end and s.end - s.start > 1 for s in server.served) for _, end in (first, second, third)]
    assert times == [1, 2, 1]


PERMANENT = [(r, f) for r in (True, False) for f in ("cut", "long", "short", "flip", 503) if (r, f) != (True, "long")]


@pytest.mark.parametrize(("ranges", "fault"), PERMANENT)
def test_permanent_failure_names_the_address_and_the_attempts(web: Path, scratch: Path, ranges: bool, fault: Fault) -> None:
    with Loopback(web, ranges, lambda number, path: fault) as server, pytest.raises(DownloadFailed) as caught:
        fetch(server, scratch)
    assert f"{server.url}/a.zip: not complete after {RETRIES + 1} attempt(s)" in str(caught.value)
    assert len(server.served) >= RETRIES + 1
    assert list(scratch.iterdir()) == []


def test_a_too_long_announcement_beside_a_right_range_does_no_harm(web: Path, scratch: Path) -> None:
    with Loopback(web, faults=lambda number, path: "long") as server:
        assert fetch(server, scratch, retries=0) == TEXTS  # Content-Range is right, and every CRC


@pytest.mark.parametrize(
    ("ranges", "fault", "message"),
    [
        (True, "total", "size {size}, but the server had announced {more} bytes"),
        (False, "long", "{size} bytes read, 10 more expected"),
        (False, "short", "no complete zip archive"),
    ],
)
def test_wrong_sizes_are_named(web: Path, scratch: Path, ranges: bool, fault: Fault, message: str) -> None:
    size = (web / "a.zip").stat().st_size
    expected = message.format(size=size, more=size + 1)
    faults = {0: fault}  # the first answer alone is wrong
    with Loopback(web, ranges, lambda number, path: faults.get(number)) as server, pytest.raises(DownloadFailed, match=expected):
        fetch(server, scratch, retries=0)


@pytest.mark.parametrize(("status", "kind"), [(404, RawDataMissing), (410, RawDataMissing), (403, DownloadFailed)])
def test_a_refusal_is_not_repeated(web: Path, scratch: Path, status: int, kind: type[Exception]) -> None:
    with Loopback(web, faults=lambda number, path: status) as server, pytest.raises(kind, match=f"HTTP {status}"):
        fetch(server, scratch)
    assert len(server.served) == 1


def test_a_page_instead_of_an_archive_is_named_as_such(web: Path, scratch: Path) -> None:
    (web / "a.zip").write_text("<html>Log in</html>")
    with Loopback(web, ranges=False) as server, pytest.raises(DownloadFailed, match="no complete zip archive"):
        fetch(server, scratch)


def test_no_server_at_all(web: Path, scratch: Path) -> None:
    with Loopback(web) as server:
        pass
    with pytest.raises(DownloadFailed, match="ConnectionError"):
        fetch(server, scratch)


def test_pauses_double_up_to_a_limit(web: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(remote, "BACKOFF_S", 4.0)
    monkeypatch.setattr("pipeline.datasets.shared.remote.time.sleep", pauses.append)
    with Loopback(web, faults=lambda number, path: 503) as server, pytest.raises(DownloadFailed):
        fetch(server, scratch, retries=5)
    assert pauses == [4.0, 8.0, 16.0, 30.0, 30.0]
    assert len(server.served) == 6


@pytest.mark.parametrize("ranges", [True, False])
def test_a_server_that_sends_a_byte_now_and_then_is_given_up(web: Path, scratch: Path, ranges: bool) -> None:
    """Never silent for `timeout_s`: complete it would be after 20 minutes."""
    with Loopback(web, ranges, lambda number, path: "drip") as server, pytest.raises(DownloadFailed) as caught:
        remote.fetch_members(f"{server.url}/a.zip", is_text, scratch, 5, remote.Budget(5.0, 0.5, 10_000_000))
    assert f"{server.url}/a.zip: not complete after 0.5 s in all; raise download.<data set>.total_s" in str(caught.value)
    assert list(scratch.iterdir()) == []
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_a_body_that_never_ends_is_given_up(web: Path, scratch: Path) -> None:
    with Loopback(web, False, lambda number, path: "endless") as server, pytest.raises(DownloadFailed, match="1 MB in all"):
        remote.fetch_members(f"{server.url}/a.zip", is_text, scratch, 5, remote.Budget(5.0, 60.0, 1_000_000))
    assert len(server.served) == 1
    assert list(scratch.iterdir()) == []


def test_what_several_archives_take_is_counted_together(web: Path, scratch: Path) -> None:
    size = sum(data_span(web / "a.zip", name)[1] - data_span(web / "a.zip", name)[0] for name in TEXTS)
    with Loopback(web) as server:
        budget = remote.Budget(5.0, 60.0, 2 * size)
        for _ in range(2):
            assert remote.fetch_members(f"{server.url}/a.zip", is_text, scratch, 0, budget) == TEXTS
        with pytest.raises(DownloadFailed, match="MB in all"):
            remote.fetch_members(f"{server.url}/a.zip", is_text, scratch, 0, budget)


def test_a_length_that_is_no_number_is_named(web: Path, scratch: Path) -> None:
    with Loopback(web, False, lambda number, path: "word") as server, pytest.raises(DownloadFailed, match="attempt"):
        fetch(server, scratch, retries=0)


def test_a_member_that_would_fill_the_memory_does_not_travel(web: Path, scratch: Path) -> None:
    with zipfile.ZipFile(web / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive, archive.open("big.txt", "w") as member:
        for _ in range(65):
            member.write(bytes(1 << 20))
    with Loopback(web) as server, pytest.raises(ArchiveMismatch, match=r"a\.zip: big\.txt would unpack to 68,157,440 bytes"):
        fetch(server, scratch)
