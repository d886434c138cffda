"""The blocks of params.yaml as a person reads them: a line a parameter with its comment, a list in that line.

Numbers and words are as they are written there, so this goes by what a parser of YAML meets and not by values.
"""

import json
import re
from collections.abc import Iterator
from itertools import chain
from typing import NamedTuple

from ruamel.yaml import YAML
from ruamel.yaml.events import (
    AliasEvent,
    CollectionEndEvent,
    Event,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
)

LINE = re.compile(r"\r\n|[\r\n\x85\u2028\u2029]")
COMMENT = re.compile(r"\s*:?\s*(#.*)")
MERGE = "<<"  # in place of a name: what another block has
SAID = (NodeEvent, CollectionEndEvent)  # and not where the file begins and ends


class Place(NamedTuple):
    line: int
    column: int


class Node(NamedTuple):
    """A value: what it is in one line, its parts if it is a mapping, and where it stands."""

    shown: str
    parts: "dict[str, tuple[Place, Node]]"  # where a key ends, and its value
    start: Place
    end: Place


def listed(text: str) -> dict[str, dict[str, str]]:
    """What params.yaml says, by family and name; it is known to be valid."""
    events = (event for event in YAML(typ="safe").parse(text) if isinstance(event, SAID))
    root, lines = composed(events, {}), LINE.split(text)
    return {
        family.strip("\"'"): {
            name.strip("\"'"): block(one, lines) for name, (_, one) in blocks.parts.items()
        }
        for family, (_, blocks) in root.parts.items()
    }


def composed(events: Iterator[Event], anchors: dict[str, Node]) -> Node | CollectionEndEvent:
    """The next value, or the end of the list or the mapping that this is inside of."""
    first = next(events)
    if isinstance(first, CollectionEndEvent):
        return first
    start, end = (Place(mark.line, mark.column) for mark in (first.start_mark, first.end_mark))
    if isinstance(first, AliasEvent):
        return anchors[first.anchor]._replace(start=start, end=end)
    if isinstance(first, ScalarEvent):
        found = Node(written(first), {}, start, end)
    else:
        nodes = []
        while isinstance(one := composed(events, anchors), Node):
            nodes.append(one)
        if first.flow_style or not nodes:
            end = Place(one.end_mark.line, one.end_mark.column)
        else:  # the parser says where the next begins
            end = nodes[-1].end
        mapping = isinstance(first, MappingStartEvent)
        found = together(nodes, start, end) if mapping else row(nodes, start, end)
    if first.anchor:
        anchors[first.anchor] = found
    return found


def row(nodes: list[Node], start: Place, end: Place) -> Node:
    """A list of these."""
    return Node(f"[{', '.join(node.shown for node in nodes)}]", {}, start, end)


def together(nodes: list[Node], start: Place, end: Place) -> Node:
    """A mapping of these, keys and values in turn."""
    pairs = list(zip(nodes[::2], nodes[1::2], strict=True))
    taken = [value.parts for key, value in pairs if key.shown == MERGE]
    own = {key.shown: (key.end, value) for key, value in pairs if key.shown != MERGE}
    parts = dict(chain(*(one.items() for one in (*taken, own))))
    shown = ", ".join(f"{key}: {value.shown}" for key, (_, value) in parts.items())
    return Node(f"{{{shown}}}", parts, start, end)


def written(scalar: ScalarEvent) -> str:
    """A number or a word in one line."""
    if "\n" in scalar.value or scalar.style == '"':
        return json.dumps(scalar.value, ensure_ascii=False)
    if scalar.style:
        return "'" + scalar.value.replace("'", "''") + "'"
    return scalar.value or "null"


def block(node: Node, lines: list[str]) -> str:
    """A block, a line a parameter."""
    return "\n".join(
        f"{key}: {value.shown}{behind(end, value, lines)}"
        for key, (end, value) in node.parts.items()
    )


def behind(key: Place, value: Node, lines: list[str]) -> str:
    """The comment behind a parameter, with a space before it; behind its name where the value is below that."""
    place = key if value.start.line > key.line else value.end
    found = COMMENT.match(lines[place.line], place.column) if place.line == key.line else None
    return f" {found[1].rstrip()}" if found else ""
