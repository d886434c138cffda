"""Write report/index.html: every claim with its verdict, figure and numbers, on one page that needs no network.

report/vega.js, which the page holds too, is for the page of `dvc plots`.
"""

import re
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from descent.lab.files import Damaged, read_text, write_text
from descent.lab.messages import refuse
from descent.lab.page import pictures
from descent.lab.page.alike import alike
from descent.lab.page.animations import animations
from descent.lab.page.documents import answered
from descent.lab.page.entries import Moving, entry
from descent.lab.page.guide import grouped, setups, told
from descent.lab.page.known import FOLDER, remembered
from descent.lab.page.links import linked, papers
from descent.lab.page.listed import listed
from descent.lab.page.made import made
from descent.lab.page.pictures import bundle, faces
from descent.lab.page.sliders import sliders
from descent.lab.params import PARAMS, mapping
from descent.lab.project import Block, blocks
from descent.lab.results import plain
from descent.lab.words import apart, bound, decimals, finding, number, place, sentence

PAGE, HERE = Path("report/index.html"), Path(__file__).parent
SCRIPTS = ("chart.js", "tools.js", "report.js")


def template(name: str) -> Template:
    environment = Environment(
        loader=FileSystemLoader(HERE, encoding="utf-8"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        **{"number": number, "sentence": sentence, "plain": plain},
        **{"bound": bound, "place": place, "decimals": decimals, "finding": finding},
        **{"apart": apart, "alike": alike, "linked": linked},
    }
    return environment.get_template(name)


def by_family(found: list[Block], experiments: list[dict]) -> list[dict]:
    """The families in their order, each with its question, its set-up and its experiments."""
    questions = {block.family: block.question for block in found}
    known = setups()
    return [
        {
            "name": family,
            "title": known[family].title if family in known else family,
            "setup": known.get(family),
            "question": question,
            "experiments": [e for e in experiments if e["family"] == family],
        }
        for family, question in questions.items()
    ]


def render(note: str = "") -> str:
    """The page of what is in the folders now; `note` stands above everything else."""
    found, params = list(blocks()), mapping(PARAMS)
    shown = listed(read_text(PARAMS))
    moving = Moving(sliders(), animations())
    experiments = [entry(block, params, shown[block.family][block.name], moving) for block in found]
    checks = [check for e in experiments for check in e["checks"]]
    errata = [erratum for e in experiments for erratum in e["errata"]]
    content = template("report.html.j2").render(
        experiments=experiments,
        families=by_family(found, experiments),
        errata=grouped(errata),
        documents=answered(experiments),
        papers=papers(experiments),
        anchors={e["stage"]: e["anchor"] for e in experiments},
        **told(experiments),
        made=made(),
        note=note,
        total=len(checks),
        held=sum(check["holds"] for check in checks),
        examined=len(errata),
        standing=sum(erratum["stands"] for erratum in errata),
    )
    return template("page.html.j2").render(
        content=Markup(content),
        faces=fonts("".join(re.findall(r"<(?:pre|code)[^>]*>(.*?)</", content, re.DOTALL))),
        style=read_text(HERE / "report.css"),
        script="".join(read_text(HERE / name) for name in SCRIPTS),
        vega=bundle(),
    )


def fonts(monospaced: str) -> list[dict[str, str]]:
    """The faces that the page carries for its monospaced text."""
    letters = "".join(sorted(set(monospaced)))
    return remembered(FOLDER / "fonts.json", letters, lambda: faces(letters), pictures.__file__)


def apart_from_its_making(page: str) -> str:
    """The page without the sentence on when and where it was made."""
    return re.sub(
        r"(Made by <code>dvc repro</code>[^<]*no network\.).*?</p>", r"\1</p>", page, count=1
    )


def main() -> None:
    """Write the page, unless it would differ in when and where it was made alone."""
    try:
        page = render()
        there = PAGE.read_bytes().decode("utf-8", "replace") if PAGE.is_file() else ""
        if apart_from_its_making(there) != apart_from_its_making(page):
            write_text(PAGE, page)
    except Damaged as error:
        refuse(f"{PAGE}: not written: {error}", 1)
    except (OSError, ValueError, LookupError) as error:
        reason = f"{type(error).__name__}: {error}"
        refuse(f"{PAGE}: not written ({reason}); `dvc repro` makes what is missing", 1)
