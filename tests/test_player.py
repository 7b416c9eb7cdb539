"""The page that plays clips: what it holds, and that it plays, in a browser, without asking anybody for anything."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.predict import player
from pipeline.predict.card import Card, skeleton_of
from pipeline.predict.model import Prediction
from tests.browser import Browser
from tests.conftest import META

LENGTH = 12
CARD = Card.model_validate(
    {
        **{"version": 1, "cell": "p-sta-lstm", "dataset": "sbu", "format": "sbu", "store": "sbu", "protocol": "p"},
        **{"recipe": "none", "method": "sta-lstm", "switches": {"spatial": True, "temporal": True, "staged": True}},
        **{"params": {"model": {"gates": "both_people"}}, "skeleton": skeleton_of(META), "normalize": {}, "fold": 1},
        **{"seeds": (1,), "data": {"store_sha256": "", "split_sha256": ""}, "accuracy": {"correct": 0, "samples": 1}},
        **{"weights": "float32", "fingerprint": {}, "commit": ""},
    }
)
SYNTHETIC = CARD.model_copy(update={"skeleton": CARD.skeleton.model_copy(update={"synthetic": True})})


def prediction(name: str = "here/one.txt", true: str | None = "up", rows: int = LENGTH, bodies: int = 2) -> Prediction:
    """Two people who walk apart; in frame t joint t mod 8 has half of the weight; beta rises."""
    rng = np.random.default_rng(0)
    frames = rng.normal(0, 0.3, (LENGTH, bodies, 4, 3)).astype(np.float32)
    frames[..., 0] += np.linspace(0, 1, LENGTH)[:, None, None] * np.array([-1, 1][:bodies])[:, None]
    alpha = np.full((rows, 8), 0.5 / 7, np.float32)
    alpha[np.arange(rows), np.arange(rows) % 8] = 0.5
    shares = {"up": 0.75, "down": 0.2, "aside": 0.05}
    return Prediction(name, frames, np.zeros(3, np.float32), shares, alpha, np.arange(rows, dtype=np.float32), true)


# --- what the page holds ----------------------------------------------------------------------------------------------


def test_coordinates_weights_and_classes_travel() -> None:
    found = player.document(CARD, [prediction()])
    [clip] = found["clips"]
    frames = np.array(clip["xyz"]).reshape(LENGTH, 2, 4, 3) * clip["step"]
    assert frames == pytest.approx(prediction().frames, abs=float(np.abs(prediction().frames).max()) / 5000)
    times = np.array(clip["alpha"]).reshape(LENGTH, 8)
    assert times[3, 3] == 400 and times[3, 4] == 57  # hundredths of equal weights: 8 x 0.5, 8 x 0.5 / 7
    assert clip["beta"] == list(range(LENGTH))
    assert clip["classes"] == [["up", 0.75], ["down", 0.2], ["aside", 0.05]] and clip["true"] == "up"
    assert (found["joints"], found["bones"], found["fps"]) == (META.joints, META.bones, 15.0)


def test_resampled_attention_comes_back_to_the_frames() -> None:
    """A recipe that shows the network 2 frames: the weights between them are between theirs."""
    weights = np.array([[0.0, 1.0], [1.0, 0.0]], np.float32)
    assert player.by_frame(weights, 5).tolist() == [[0, 1], [0.25, 0.75], [0.5, 0.5], [0.75, 0.25], [1, 0]]
    assert player.by_frame(np.array([2.0, 4.0], np.float32), 3).tolist() == [2, 3, 4]


def test_weights_that_bodies_share_are_shown_on_each() -> None:
    shared = CARD.model_copy(update={"params": {"model": {"gates": "per_person_shared"}}})
    one = prediction()
    four = Prediction(one.clip, one.frames, one.logits, one.probabilities, np.full((LENGTH, 4), 0.25, np.float32), None, None)
    [clip] = player.document(shared, [four])["clips"]
    assert clip["alpha"] == [100] * (LENGTH * 8) and clip["beta"] is None


def test_a_second_body_that_is_not_there_has_no_weights() -> None:
    [clip] = player.document(CARD, [prediction(bodies=1)])["clips"]
    assert clip["bodies"] == 1 and len(clip["alpha"]) == LENGTH * 4


def test_names_lose_the_folders_that_they_share() -> None:
    assert player.short(["/home/me/a.zip:x/1.txt", "/home/me/a.zip:x/2.txt"]) == ["1.txt", "2.txt"]
    assert player.short(["/home/me/a.zip:x/1.txt", "/home/me/b/2.txt"]) == ["a.zip:x/1.txt", "b/2.txt"]
    assert player.short(["/home/me/walk.skeleton"]) == ["walk.skeleton"]


def test_names_are_never_markup(tmp_path: Path) -> None:
    name = "</script><script>alert(1)</script><!--"
    player.write(tmp_path / "p.html", CARD, [prediction(name), prediction("x" + name)])
    text = (tmp_path / "p.html").read_text()
    assert text.count("<script") == text.count("</script>") == 2 and "<!--" not in text
    [data] = re.findall(r'<script type="application/json" id="data">(.*?)</script>', text)
    assert [clip["name"] for clip in json.loads(data)["clips"]] == [name, "x" + name]


def test_no_address_of_a_server_is_in_the_page(tmp_path: Path) -> None:
    player.write(tmp_path / "p.html", CARD, [prediction()])
    text = (tmp_path / "p.html").read_text()
    assert re.findall(r"\b(?:https?:|//\w|url\(|@import|fetch\(|XMLHttp|import\()", re.sub(r"// .*", "", text)) == []
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)
    assert policy and policy[1].replace("&#39;", "'").startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in policy[1]


@pytest.mark.parametrize(("card", "said"), [(CARD, False), (SYNTHETIC, True)])
def test_synthetic_data_are_called_so(card: Card, said: bool, tmp_path: Path) -> None:
    player.write(tmp_path / "p.html", card, [prediction()])
    assert ("SYNTHETIC" in (tmp_path / "p.html").read_text()) == said


# --- in a browser -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with Browser(tmp_path_factory.mktemp("chromium")) as found:
        yield found


@pytest.fixture
def page(tmp_path: Path) -> Path:
    clips = [prediction(), prediction("here/two.txt", "down"), prediction("here/three <b>.txt", None, bodies=1)]
    player.write(tmp_path / "p.html", SYNTHETIC, clips)
    return tmp_path / "p.html"


FRAME = "Number(document.getElementById('place').value)"
HEAD = "Number(document.getElementById('head').getAttribute('x1'))"


def text(browser: Browser, place: str) -> Any:
    return browser.look(f"document.getElementById({place!r}).innerText")


def test_the_play_head_moves_and_no_request_leaves_the_page(browser: Browser, page: Path) -> None:
    browser.events.clear()
    browser.open(page)
    browser.until(f"{FRAME} > 0")
    browser.until(f"{FRAME} == 5")
    browser.until(f"{FRAME} < 5")  # it begins again at the end
    browser.press(" ")
    frame, head = browser.look(FRAME), browser.look(HEAD)
    assert head == pytest.approx(1000 * frame / (LENGTH - 1), abs=0.1)
    assert text(browser, "at") == f"frame {frame + 1} of {LENGTH}" and text(browser, "play") == "Play"
    assert {url.partition(":")[0] for url in browser.requests()} <= {"file", "data"}
    assert [url for url in browser.requests() if url.startswith("file:")] == [page.resolve().as_uri()]
    assert browser.complaints() == []


def test_keys_step_through_frames_and_clips(browser: Browser, page: Path) -> None:
    browser.open(page, still=True)
    assert (browser.look(FRAME), text(browser, "play")) == (0, "Play")  # who wants no motion gets none unasked
    for key, frame in (("ArrowRight", 1), ("ArrowRight", 2), ("ArrowLeft", 1), ("End", LENGTH - 1), ("ArrowRight", LENGTH - 1)):
        browser.press(key)
        assert browser.look(FRAME) == frame
    browser.press("ArrowDown")
    assert browser.look(FRAME) == 0 and text(browser, "verdict") == "up, 75.0 % · ✗ it is down"
    browser.press("ArrowDown")
    assert text(browser, "verdict") == "up, 75.0 %"
    assert browser.look("[...document.querySelectorAll('#clips button')].map(b => b.firstChild.data)") == [
        "one.txt",
        "two.txt",
        "three <b>.txt",
    ]
    browser.press("ArrowDown")
    assert text(browser, "verdict") == "up, 75.0 % · ✓ right"


def test_joints_have_the_colours_of_their_weights(browser: Browser, page: Path) -> None:
    """Frame 2: joint 3 of body 1, the right hand, has four times an equal weight, and says so; nobody else is orange."""
    browser.open(page, still=True)
    for _ in range(2):
        browser.press("ArrowRight")
    assert text(browser, "most").startswith("Most weight now: right hand, body 1 (4.0 \u00d7); ")
    orange = """(() => {
      const canvas = document.getElementById('scene'), pen = canvas.getContext('2d');
      const [w, h] = [canvas.width, canvas.height], bytes = pen.getImageData(0, 0, w, h).data;
      let n = 0;
      for (let i = 0; i < bytes.length; i += 4) n += bytes[i] > bytes[i + 2] + 60 && bytes[i + 3] > 250;
      return n;
    })()"""
    assert browser.look(orange) > 50
    assert text(browser, "beta-title") == "Weight of each frame (beta), from 0 to 11.0"


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [390, 1200])
def test_nothing_is_wider_than_the_window(width: int, dark: bool, browser: Browser, page: Path) -> None:
    browser.open(page, width=width, dark=dark, still=True)
    assert browser.look("document.documentElement.scrollWidth") == width
    wide = "[...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > innerWidth + 1).length"
    assert browser.look(wide) == 0
    low = "Math.min(...[...document.querySelectorAll('button')].map(b => b.getBoundingClientRect().height))"
    assert browser.look(low) >= 40
    dark_paper = browser.look("getComputedStyle(document.body).backgroundColor") == "rgb(20, 23, 27)"
    assert dark_paper == dark


def test_a_model_without_attention_says_so(browser: Browser, tmp_path: Path) -> None:
    one = prediction()
    bare = Prediction(one.clip, one.frames, one.logits, one.probabilities, None, None, None)
    player.write(tmp_path / "p.html", CARD, [bare])
    browser.events.clear()
    browser.open(tmp_path / "p.html", still=True)
    assert text(browser, "most") == "This model has no attention over joints."
    assert text(browser, "beta-title") == "This model has no attention over frames."
    assert browser.look("document.getElementById('legend').offsetHeight + document.getElementById('chart').offsetHeight") == 0
    assert browser.complaints() == []


def test_page_says_that_it_has_a_part_of_the_clips(tmp_path: Path) -> None:
    player.write(tmp_path / "p.html", CARD, [prediction()], 16)
    assert "Clips: the first 1 of 16" in (tmp_path / "p.html").read_text() and "--clips 16" in (tmp_path / "p.html").read_text()
    player.write(tmp_path / "p.html", CARD, [prediction()])
    assert "the first" not in (tmp_path / "p.html").read_text()
