"""What the page holds within itself: drawings, fonts, and the scripts that make figures live."""

import re
from base64 import b64encode
from importlib.metadata import version
from io import BytesIO
from pathlib import Path
from urllib.parse import quote

from descent.lab.files import read_text, write_text
from descent.lab.page.shrinking import shrunk

VEGA = Path("report/vega.js")
PLAIN = "/:;=,.()-_'!*@$+?~"  # what may stand in an address that is quoted
# The % itself comes first, before others bring it.
UNPLAIN = sorted((c for c in map(chr, range(128)) if quote(c, safe=PLAIN) != c), key="%".__ne__)
FONTS = ("DejaVu Sans Mono", "DejaVu Sans")  # of formulas; Matplotlib brings them


def embeddable(script: str) -> str:
    """A script that cannot end the element it stands in."""
    return re.sub("</(script)", r"<\\/\1", script, flags=re.IGNORECASE).replace("<!--", r"<\!--")


def picture(svg: str) -> tuple[str, tuple[int, int]]:
    """The drawing as a data URL without what a reader cannot see, and its size in pixels."""
    points = map(float, re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg).groups())
    size = tuple(round(p * 4 / 3) for p in points)
    return f"data:image/svg+xml,{quoted(shrunk(svg))}", size


def quoted(text: str) -> str:
    """`quote` with PLAIN as they are, ten times faster: few characters are others, and of few kinds."""
    for character in UNPLAIN:
        text = text.replace(character, quote(character))
    return re.sub(r"[^\x00-\x7f]+", lambda found: quote(found[0]), text)


def faces(text: str) -> list[dict[str, str]]:
    """Fonts cut down to the characters of the text, base64 of WOFF: the monospaced one, then one for the rest."""
    from fontTools import subset  # with Matplotlib a third of a second
    from fontTools.ttLib import TTFont
    from matplotlib import get_data_path

    found, left = [], {ord(character) for character in text}
    for family in FONTS:
        file = f"{family.replace(' ', '')}.ttf"  # of Matplotlib's own, not of the system's
        face = TTFont(Path(get_data_path(), "fonts/ttf", file), recalcTimestamp=False)
        known = left & face.getBestCmap().keys()
        if not known:
            continue
        features = ["ccmp", "mark", "mkmk"]  # accents over their letters
        options = subset.Options(layout_features=features, hinting=False, drop_tables=["FFTM"])
        cutter = subset.Subsetter(options)
        cutter.populate(unicodes=known)
        cutter.subset(face)
        face.flavor, out = "woff", BytesIO()
        face.save(out)
        found.append({"name": f"descent {family}", "woff": b64encode(out.getvalue()).decode()})
        left -= known
    return found


def bundle() -> str:
    """Vega, Vega-Lite and vega-embed as one script; made once a version, since that takes a second."""
    made_by = f"// vl-convert {version('vl-convert-python')}\n"
    if VEGA.exists() and (known := read_text(VEGA)).startswith(made_by):
        return known
    import vl_convert

    script = made_by + embeddable(vl_convert.javascript_bundle())
    write_text(VEGA, script)
    return script
