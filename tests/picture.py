"""Take the README's picture of the page: its first screen, 1280 pixels wide, in 256 colours.

python tests/picture.py     # report/index.html as it is; writes docs/page.png
"""

from io import BytesIO
from pathlib import Path

from PIL.Image import Dither
from PIL.PngImagePlugin import PngImageFile

from browser import browser
from toy import ROOT

PICTURE = ROOT / "docs/page.png"
SIZE = {"width": 1280, "height": 1000}


def picture(page: Path) -> bytes:
    """The first screen of the page at `page` as a PNG, when its figure is live."""
    with browser() as chromium:
        context = chromium.new_context(viewport=SIZE, offline=True, color_scheme="light")
        tab = context.new_page()
        tab.goto(page.as_uri())
        tab.wait_for_selector("figure.hero.live", timeout=60_000)
        shot = PngImageFile(BytesIO(tab.screenshot()))
    file = BytesIO()
    shot.convert("RGB").quantize(256, dither=Dither.NONE).save(file, "PNG", optimize=True)
    return file.getvalue()


if __name__ == "__main__":
    PICTURE.parent.mkdir(exist_ok=True)
    PICTURE.write_bytes(picture(ROOT / "report/index.html"))
    print(f"{PICTURE.relative_to(ROOT)}: {PICTURE.stat().st_size // 1000} kB")
