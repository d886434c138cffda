"""A block of params.yaml as a person reads it: a line a parameter with its comment, a list in that line."""

from io import StringIO

from ruamel.yaml import YAML

WIDE = 10**6  # no number or word is broken


def listed(block: dict) -> str:
    """The block, read with its comments, as text."""
    if not isinstance(block, dict):
        return flow(block)
    comments = getattr(getattr(block, "ca", None), "items", {})
    return "\n".join(f"{key}: {flow(value)}{behind(comments, key)}" for key, value in block.items())


def behind(comments: dict, key) -> str:
    """The comment behind a parameter, with a space before it."""
    tokens = comments.get(key) or ()
    text = next((token.value for token in tokens[2:3] if token), "").strip()
    return f" {text.splitlines()[0]}" if text.startswith("#") else ""


def flow(value) -> str:
    """A value in one line, its numbers as they are written."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{flow(key)}: {flow(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(flow, value)) + "]"
    text, yaml = StringIO(), YAML()
    yaml.width = WIDE
    yaml.dump(value, text)
    return text.getvalue().removesuffix("...\n").strip()
