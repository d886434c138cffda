"""A drawing of Matplotlib without what a reader of a page cannot see, in about a third of the characters.

Styles that many elements share become classes, groups without a meaning go, and paths are told by steps of a tenth
of a point, which is less than a tenth of a line's width.
"""

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from functools import cache
from itertools import chain
from xml.sax.saxutils import escape

SVG, XLINK = "{http://www.w3.org/2000/svg}", "{http://www.w3.org/1999/xlink}"
UNSEEN = {"metadata", "title", "desc"}
SIZES = {"x", "y", "width", "height"}
REFERENCE = re.compile(r"#([\w.-]+)")
COLOUR = re.compile(r"[0-9a-fA-F]{6}")
DIGITS = re.compile(r"(\.\d\d)\d+")  # more than two behind the point
NUMBER = re.compile(r"-?[\d.]+(?:e-?\d+)?")
COMMAND = re.compile(r"([A-DF-Za-df-z])([^A-DF-Za-df-z]*)")  # and its numbers, which may have an e
SIZE = {"M": 2, "L": 2, "Q": 4, "C": 6}  # numbers of a command, of those that are told by steps
OTHERS = set("HVSTAhvstamlcq")
NAMES = "abcdefghijklmnopqrstuvwxyz"


def shrunk(svg: str) -> str:
    """The same picture, with single quotes around attributes.

    Raises:
        xml.etree.ElementTree.ParseError: it is no XML.
    """
    root = ET.fromstring(svg)
    text = " ".join(value for element in root.iter() for value in element.attrib.values())
    ids: dict[str, str] = {}
    for name in dict.fromkeys(REFERENCE.findall(text)):
        if not COLOUR.fullmatch(name):
            ids.setdefault(name, named(len(ids)))
    classes: dict[str, str] = {}
    inner = "".join(children(root, ids, classes))
    common = "*{stroke-linejoin:round;stroke-linecap:butt}"
    style = common + "".join(f".{name}{{{rules}}}" for rules, name in classes.items())
    box = root.get("viewBox")
    width, height = box.split()[2:]
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' width='{width}pt' height='{height}pt' viewBox='{box}'>"
        f"<style>{escape(style)}</style>{inner}</svg>"
    )


def named(count: int) -> str:
    """a, b, …, z, ab, bb, …"""
    return NAMES[count % 26] + (named(count // 26) if count >= 26 else "")


def children(element: ET.Element, ids: dict[str, str], classes: dict[str, str]) -> Iterator[str]:
    for child in element:
        tag = child.tag.removeprefix(SVG)
        if tag in UNSEEN or tag == "style":
            continue
        attributes = {
            name: value.replace("'", "&#39;") for name, value in seen(child, tag, ids, classes)
        }
        inside = escape(child.text or "") if tag in ("text", "tspan") else ""
        inside += "".join(children(child, ids, classes))
        if tag in ("g", "defs") and not (attributes if tag == "g" else inside):
            yield inside
            continue
        start = tag + "".join(f" {name}='{value}'" for name, value in attributes.items())
        yield f"<{start}>{inside}</{tag}>" if inside else f"<{start}/>"
        yield escape((child.tail or "").strip()) if tag == "tspan" else ""


def seen(
    element: ET.Element, tag: str, ids: dict[str, str], classes: dict[str, str]
) -> Iterator[tuple[str, str]]:
    """The attributes that change what is drawn, and a class for its style and its clip."""
    style = tidied(element.get("style", ""))
    if clip := element.get("clip-path"):
        style += (";" if style else "") + f"clip-path:{referred(clip, ids)}"
    if style:
        yield "class", classes.setdefault(style, named(len(classes)))
    for name, value in element.attrib.items():
        if name == "id":
            if value in ids:
                yield "id", ids[value]
        elif name == "d":
            yield "d", path(value)
        elif name == f"{XLINK}href":
            yield "href", referred(value, ids)
        elif name == "transform" and re.match(r"rotate\(-?0 ", value):
            continue
        elif name in SIZES and tag in ("use", "text", "rect"):
            yield name, tenths(round(float(value) * 10))
        elif name not in ("style", "clip-path"):
            found = referred(value, ids) if "#" in value else value
            yield name, DIGITS.sub(r"\1", found) if "." in found else found


@cache
def tidied(style: str) -> str:
    """Without spaces and quotes; a reader who lacks Matplotlib's font has another."""
    style = re.sub(r"\s*([:;,])\s*", r"\1", style).replace("'", "")
    return style.replace("font-family:DejaVu Sans", "font-family:DejaVu Sans,sans-serif")


def referred(value: str, ids: dict[str, str]) -> str:
    return REFERENCE.sub(lambda found: "#" + ids.get(found[1], found[1]), value)


def path(data: str) -> str:
    """Absolute coordinates as steps from point to point; a marker, which is small, as it is, to a hundredth."""
    numbers = (abs(float(one)) for one in NUMBER.findall(data))
    if OTHERS.isdisjoint(data) and max(numbers, default=0) > 8:
        return "".join(steps(data))
    words = (
        [command, *(f"{float(one):.2f}".rstrip("0").rstrip(".") for one in NUMBER.findall(rest))]
        for command, rest in COMMAND.findall(data)
    )
    return re.sub(r"(?<=[a-zA-Z]) | (?=[a-zA-Z-])", "", " ".join(chain.from_iterable(words)))


def steps(data: str) -> Iterator[str]:
    """M, L, C, Q and Z with absolute coordinates, as m, l, c, q and z; whole tenths, so that no error adds up."""
    at = start = (0, 0)
    for command, rest in COMMAND.findall(data):
        if command in "Zz":
            at = start
            yield "z"
            continue
        values = [round(float(one) * 10) for one in NUMBER.findall(rest)]
        yield command.lower()
        for first in range(0, len(values), SIZE[command]):
            point = values[first : first + SIZE[command]]
            words = [tenths(value - at[k % 2]) for k, value in enumerate(point)]
            joined = "".join([word if word[0] == "-" else " " + word for word in words])
            yield joined if first else joined.lstrip()
            at = point[-2], point[-1]
            if command == "M":
                start = at


@cache
def tenths(value: int) -> str:
    """A number of tenths in the fewest characters: 12 as 1.2, 5 as .5, 20 as 2."""
    sign, whole, part = "-" if value < 0 else "", abs(value) // 10, abs(value) % 10
    return f"{sign}{whole or ''}.{part}" if part else f"{sign}{whole}"
