"""A page of `predict --html` as a moving picture: `python -m tests.film player.html docs/player.webp`; needs Chromium."""

from __future__ import annotations

import io
import sys
import tempfile
from pathlib import Path

from PIL import Image

from tests.browser import Browser

WIDTH, SHOWN_MS = 400, 80


def film(page: Path, to: Path) -> None:
    """Every frame of the first clip, as the page shows it: verdict, figures, legend, weights of frames."""
    pictures: list[Image.Image] = []
    with tempfile.TemporaryDirectory() as folder, Browser(Path(folder) / "profile") as browser:
        browser.open(page, width=WIDTH, height=900, still=True)
        top, bottom = (browser.look(f"{expression} + scrollY") for expression in EDGES)
        for _ in range(browser.look("Number(document.getElementById('place').max) + 1")):
            shot = Path(folder) / "shot.png"
            browser.picture(shot)
            picture = Image.open(io.BytesIO(shot.read_bytes())).convert("RGB").crop((0, int(top) - 6, WIDTH, int(bottom) + 6))
            pictures.append(picture)
            browser.press("ArrowRight")
    pictures[0].save(to, save_all=True, append_images=pictures[1:], duration=SHOWN_MS, loop=0, quality=80, method=6)


EDGES = (
    "document.getElementById('verdict').getBoundingClientRect().top",
    "document.getElementById('place').getBoundingClientRect().bottom",
)

if __name__ == "__main__":
    film(Path(sys.argv[1]), Path(sys.argv[2]))
