"""A drawing of Matplotlib without what a reader of a page cannot see, in about a third of the characters.

Styles that many elements share become classes, groups without a meaning go, and paths are told by steps of a tenth
of a point, which is less than a tenth of a line's width.
"""

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from xml.sax.saxutils import escape

SVG, XLINK = "{http://www.w3.org/2000/svg}", "{http://www.w3.org/1999/xlink}"
UNSEEN = {"metadata", "title", "desc"}
SIZES = {"x", "y", "width", "height"}
NAMES = "abcdefghijklmnopqrstuvwxyz"


def shrunk(svg: str) -> str:
    """The same picture, with single quotes around attributes.

    Raises:
        xml.etree.ElementTree.ParseError: it is no XML.
    """
    root = ET.fromstring(svg)
    text = " ".join(value for element in root.iter() for value in element.attrib.values())
    ids: dict[str, str] = {}
    for name in re.findall(r"#([\w.-]+)", text):
        if not re.fullmatch(r"[0-9a-fA-F]{6}", name):  # no colour
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
    style = re.sub(r"\s*([:;,])\s*", r"\1", element.get("style", "")).replace("'", "")
    style = style.replace("font-family:DejaVu Sans", "font-family:DejaVu Sans,sans-serif")
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
            yield name, re.sub(r"(\.\d\d)\d+", r"\1", referred(value, ids))


def referred(value: str, ids: dict[str, str]) -> str:
    return re.sub(r"#([\w.-]+)", lambda found: "#" + ids.get(found[1], found[1]), value)


def path(data: str) -> str:
    """Absolute coordinates as steps from point to point; a marker, which is small, as it is, to a hundredth."""
    found = re.findall(r"[A-Za-z]|-?[\d.]+(?:e-?\d+)?", data)
    numbers = [abs(float(one)) for one in found if not one.isalpha()]
    if not set("".join(found)) & set("HVSTAhvstamlcq") and max(numbers, default=0) > 8:
        return "".join(steps(found))
    short = (one if one.isalpha() else f"{float(one):.2f}".rstrip("0").rstrip(".") for one in found)
    return re.sub(r"(?<=[a-zA-Z]) | (?=[a-zA-Z-])", "", " ".join(short))


def steps(tokens: list[str]) -> Iterator[str]:
    """M, L, C, Q and Z with absolute coordinates, as m, l, c, q and z; whole tenths, so that no error adds up."""
    at, start, place, command = (0, 0), (0, 0), 0, ""
    while place < len(tokens):
        if tokens[place].isalpha():
            command = tokens[place]
            place += 1
            if command in "Zz":
                at = start
                yield "z"
                continue
            yield command.lower()
            first = True
        size = {"M": 2, "L": 2, "Q": 4, "C": 6}[command]
        values = [round(float(one) * 10) for one in tokens[place : place + size]]
        place += size
        words = [tenths(value - at[k % 2]) for k, value in enumerate(values)]
        joined = "".join(word if word[0] == "-" else f" {word}" for word in words)
        yield joined.lstrip() if first else joined
        first = False
        at = (values[-2], values[-1])
        if command == "M":
            start = at


def tenths(value: int) -> str:
    """A number of tenths in the fewest characters: 12 as 1.2, 5 as .5, 20 as 2."""
    sign, whole, part = "-" if value < 0 else "", abs(value) // 10, abs(value) % 10
    return f"{sign}{whole or ''}.{part}" if part else f"{sign}{whole}"
