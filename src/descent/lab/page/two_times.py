"""The figures in plots/ of a commit and of now: whether they look the same, over each other, and as pictures."""

import json
from pathlib import Path
from xml.etree.ElementTree import ParseError

from descent.lab.gate.reports import contents
from descent.lab.page.over import over, same
from descent.lab.page.pictures import picture
from descent.lab.vega import embedded

OTHER = (LookupError, TypeError, ValueError, AttributeError, ParseError)  # of another layout


def drawings(sha: str, names: list[str]) -> tuple[dict[str, bytes], dict[str, bytes]]:
    """The data of figures at both times; empty where there is none."""
    paths = [f"plots/{name}.json" for name in names]
    now = {name: here(Path(path)) for name, path in zip(names, paths, strict=True)}
    return dict(zip(names, contents(sha, paths), strict=True)), now


def here(path: Path) -> bytes:
    return path.read_bytes() if path.is_file() else b""


def panels(data: bytes) -> list[dict]:
    """Raises those of OTHER where the file is of another layout."""
    return json.loads(data)["panels"]


def alike(then: bytes, now: bytes) -> bool:
    """Whether a reader sees no difference."""
    try:
        return then == now or same(panels(then), panels(now))
    except OTHER:
        return False


def overlaid(then: bytes, now: bytes, when: str) -> str:
    """The panels of both times for the page; empty where one of them cannot be drawn from its data."""
    try:
        found = over(panels(then), panels(now), when)
        return embedded(found) if all(panel["whole"] for panel in found) else ""
    except OTHER:
        return ""


def stills(sha: str, names: list[str]) -> dict[str, dict | None]:
    """The pictures of a commit."""
    paths = [f"plots/{name}.svg" for name in names]
    return dict(zip(names, map(pictured, contents(sha, paths)), strict=True))


def still(name: str) -> dict | None:
    return pictured(here(Path(f"plots/{name}.svg")))


def pictured(svg: bytes) -> dict | None:
    """A picture as the page holds it; None of what is none."""
    try:
        address, size = picture(svg.decode())
    except OTHER:
        return None
    return {"address": address, "size": size, "map": b"<image" in svg}
