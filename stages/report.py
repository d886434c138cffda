"""Write report/index.html: claims with verdicts, errata, figures, on one page that needs no network."""

import json
from base64 import b64encode
from itertools import chain
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from blocks import Block, blocks
from files import write

PAGE = Path("report/index.html")
RELATIONS = {"==": "=", "<=": "≤", ">=": "≥"}


def number(value: float) -> str:
    """Six digits, as Python prints them."""
    return f"{value:.6g}"


def entry(block: Block) -> dict:
    """What the page says of one experiment; the claim is the first line of its module."""
    claim, _, details = block.docstring().partition("\n")
    result = json.loads(Path(f"metrics/{block.path}.json").read_text())
    figure = Path(f"plots/{block.path}.svg")
    return {
        "path": block.path,
        "anchor": block.path.replace("/", "-"),
        "claim": claim,
        "details": details.strip("\n"),
        "source": block.source,
        "parameters": "\n".join(f"{key}: {value}" for key, value in block.parameters.items()),
        "figure": "data:image/svg+xml;base64," + b64encode(figure.read_bytes()).decode(),
        "checks": list(result["checks"].values()),
        "errata": list(result["errata"].values()),
    }


def main() -> None:
    experiments = [entry(block) for block in blocks()]
    checks = list(chain.from_iterable(e["checks"] for e in experiments))
    errata = list(chain.from_iterable(e["errata"] for e in experiments))
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = number
    page = environment.get_template("report.html.j2").render(
        experiments=experiments,
        relation=RELATIONS,
        checks=len(checks),
        held=sum(c["holds"] for c in checks),
        errata=len(errata),
        standing=sum(e["stands"] for e in errata),
    )
    write(PAGE, lambda p: p.write_text(page))


if __name__ == "__main__":
    main()
