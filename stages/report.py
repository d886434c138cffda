"""Write report/index.html: every claim with its verdict, figure and numbers, on one page that needs no network.

report/vega.js, which the page holds too, is for the page of `dvc plots`.
"""

import json
import re
from base64 import b64encode
from functools import partial
from importlib.metadata import version
from io import BytesIO, StringIO
from pathlib import Path
from urllib.parse import quote

from fontTools import subset
from fontTools.ttLib import TTFont
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from matplotlib import font_manager
from ruamel.yaml import YAML

from blocks import PARAMS, Block, blocks
from descent.lab import page
from descent.lab.vega import embedded
from files import write
from spread import rows
from words import cited, sentence, words

PAGE, VEGA = Path("report/index.html"), Path("report/vega.js")
CHART = Path(page.__file__).with_name("chart.js")
FONTS = ("DejaVu Sans Mono", "DejaVu Sans")  # of formulas; Matplotlib brings them
RELATIONS = {"==": "=", "<=": "≤", ">=": "≥"}


def number(value: float, digits: int = 6) -> str:
    """So many digits, as Python prints them."""
    return f"{value:.{digits}g}"


def embeddable(text: str) -> str:
    """A script or JSON that cannot end the element it stands in."""
    return re.sub("</(script)", r"<\\/\1", text, flags=re.IGNORECASE).replace("<!--", r"<\!--")


def picture(svg: str) -> tuple[str, tuple[int, int]]:
    """The drawing as a data URL without what a reader cannot see, and its size in pixels."""
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    points = map(float, re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg).groups())
    svg = re.sub(r"(\.\d\d)\d+", r"\1", re.sub(r"\s+", " ", svg))
    svg = re.sub(r' id="[a-z0-9.]+_\d+"| transform="rotate\(-0 [^"]*"', "", svg)
    svg = re.sub(r' d=" ?([^"]*?) ?"', lambda d: f' d="{unspaced(d[1])}"', svg)
    svg = svg.replace("font-family: 'DejaVu Sans'\"", "font-family: 'DejaVu Sans', sans-serif\"")
    size = tuple(round(p * 4 / 3) for p in points)
    return "data:image/svg+xml," + quote(svg, safe="/:;=,.()-_'!*@$&+?~"), size


def unspaced(path: str) -> str:
    """The data of an SVG path with commas for spaces, which a URL would need three bytes for."""
    return re.sub(r" ?([A-Za-z]) ?", r"\1", path).replace(" ", ",")


def described(panels: list[dict]) -> str:
    """What the panels of a figure show, in words."""
    parts = [f"{p['title']} ({p['y']['label']} against {p['x']['label']})" for p in panels]
    return "; ".join(parts)


def finding(checks: list[dict]) -> str:
    """The first of them in words; a setting outside a claim's regime may leave none."""
    if not checks:
        return ""
    first = checks[0]
    predicted = f"{RELATIONS[first['relation']]} {number(first['predicted'], 3)}"
    measured = number(first["measured"], 3)
    return f"; {sentence(first['name'])}: measured {measured}, predicted {predicted}"


def cost(block: Block) -> str:
    """What the last run here took; empty where the result came from the cache."""
    try:
        spent = json.loads(Path(f"artifacts/cost/{block.path}.json").read_text())
    except (OSError, ValueError):
        return ""
    return f"{spent['seconds']:.1f} s, {spent['peak_mib']} MiB."


def parameters(params: dict, block: Block) -> str:
    """The block of params.yaml as it is written, comments and all."""
    text = StringIO()
    YAML().dump(params[block.family][block.name], text)
    return text.getvalue().strip()


def entry(block: Block, params: dict) -> dict:
    """What the page says of one experiment."""
    said = words(block.docstring())
    result = json.loads(Path(f"metrics/{block.path}.json").read_text())
    panels = json.loads(Path(f"plots/{block.path}.json").read_text())["panels"]
    figure, size = picture(Path(f"plots/{block.path}.svg").read_text())
    checks, anchor = list(result["checks"].values()), block.path.replace("/", "-")
    held = sum(check["holds"] for check in checks)
    verdict = f"{held} of {len(checks)} checks hold"
    return {
        "family": block.family,
        "name": block.name,
        "path": block.path,
        "stage": block.stage,
        "anchor": anchor,
        "claim": said.claim.rstrip("."),
        "paragraphs": said.paragraphs,
        "source": said.source,
        "document": re.split(r"[.;](?:\s|$)", said.source)[0],
        "module": block.source,
        "parameters": parameters(params, block),
        "figure": figure,
        "size": size,
        "alt": f"{said.claim} {verdict}{finding(checks)}. Shown: {described(panels)}.",
        "panels": (embedded(panels) if all(panel["whole"] for panel in panels) else ""),
        "cost": cost(block),
        "numbers": rows(f"artifacts/{block.path}.nc"),
        "checks": checks,
        "held": held,
        "holds": 0 < held == len(checks),
        "errata": [
            erratum | cited(erratum["where"]) | {"path": block.path, "anchor": anchor}
            for erratum in result["errata"].values()
        ],
    }


def faces(text: str) -> list[dict[str, str]]:
    """Fonts cut down to the characters of the text, base64 of WOFF: the monospaced one, then one for the rest."""
    found, left = [], {ord(character) for character in text}
    for family in FONTS:
        face = TTFont(font_manager.findfont(family), recalcTimestamp=False)
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
    if VEGA.exists() and (known := VEGA.read_text()).startswith(made_by):
        return known
    import vl_convert

    script = made_by + embeddable(vl_convert.javascript_bundle())
    write(VEGA, lambda p: p.write_text(script))
    return script


def main() -> None:
    found, params, here = list(blocks()), YAML().load(PARAMS), Path(__file__)
    experiments = [entry(block, params) for block in found]
    checks = [check for e in experiments for check in e["checks"]]
    errata = [erratum for e in experiments for erratum in e["errata"]]
    families = [
        {
            "name": family,
            "question": next(b.question for b in found if b.family == family),
            "experiments": [e for e in experiments if e["family"] == family],
        }
        for family in dict.fromkeys(block.family for block in found)
    ]
    environment = Environment(
        loader=FileSystemLoader(here.parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": number, "sentence": sentence}
    render = partial(
        environment.get_template("report.html.j2").render,
        experiments=experiments,
        families=families,
        errata=errata,
        relation=RELATIONS,
        style=here.with_suffix(".css").read_text(),
        script=CHART.read_text() + here.with_suffix(".js").read_text(),
        total=len(checks),
        held=sum(check["holds"] for check in checks),
        examined=len(errata),
        standing=sum(erratum["stands"] for erratum in errata),
    )
    vega = bundle()
    monospaced = "".join(
        re.findall(r"<(?:pre|code)[^>]*>(.*?)</", render(faces=[], vega=""), re.DOTALL)
    )
    page = render(faces=faces(monospaced), vega=vega)
    write(PAGE, lambda p: p.write_text(page))


if __name__ == "__main__":
    main()
