"""Which code a module uses, and its digest: what it imports, and what that imports, within `src`.

Comments, docstrings and the layout of the code do not count: the digest is of the syntax tree without them, written
down here so that it is the same in every Python. Imports inside functions count as those at the top do.
"""

import ast
import hashlib
from functools import cache
from pathlib import Path


class Dynamic(ValueError):
    """An import that nobody can follow."""


def imported(tree: ast.Module, package: str) -> set[str]:
    """Every dotted name that the code may import, in full; `package` is where its relative imports start.

    `from a.b import c` gives a.b and a.b.c, which may be a module or not.
    """
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1]
            base = ".".join(
                [*(above if node.level else []), *([node.module] if node.module else [])]
            )
            if any(alias.name == "*" for alias in node.names):
                raise Dynamic(f"from {base} import *: it cannot be told what that uses")
            found |= {base} | {f"{base}.{alias.name}" for alias in node.names}
    return found


def files_of(name: str, src: Path) -> set[Path]:
    """The files that importing a dotted name runs: the packages on the way, and the module."""
    parts, found = name.split("."), set()
    for k in range(1, len(parts) + 1):
        place = src.joinpath(*parts[:k])
        found |= {f for f in (place / "__init__.py", place.with_suffix(".py")) if f.is_file()}
    return found


@cache
def _parsed(code: str) -> ast.Module:
    return ast.parse(code)


def text(file: Path) -> str:
    return file.read_bytes().decode("utf-8")


def parsed(file: Path) -> ast.Module:
    return _parsed(text(file))


def package_of(file: Path, src: Path) -> str:
    """The package in which a file's relative imports start."""
    return ".".join(file.relative_to(src).parent.parts) if file.is_relative_to(src) else ""


@cache
def imports(code: str, package: str, src: Path) -> frozenset[Path]:
    """The files of `src` that this code imports itself."""
    names = imported(_parsed(code), package)
    return frozenset(file for name in names for file in files_of(name, src))


def closure(*roots: Path, src: Path) -> set[Path]:
    """The files of `src` that running these files may run, and these files themselves."""
    above = [f for root in roots if (name := package_of(root, src)) for f in files_of(name, src)]
    seen, left = set(), [*roots, *above]
    while left:
        file = left.pop()
        if file not in seen:
            seen.add(file)
            left += imports(text(file), package_of(file, src), src)
    return seen


def canonical(node) -> str:
    """A syntax tree as text: only what is there, without places, comments and texts that stand alone.

    Written out here because ast.dump and ast.unparse write the same tree differently in different Pythons.
    """
    if isinstance(node, ast.AST):
        parts = []
        for name in sorted(node._fields):
            value = getattr(node, name, None)
            if value is None and not isinstance(node, ast.Constant):
                continue
            if value == [] or name in ("ctx", "kind", "type_comment"):
                continue
            parts.append(f"{name}={canonical(value)}")
        return f"{type(node).__name__}({','.join(parts)})"
    if isinstance(node, list):
        return "[" + ",".join(canonical(one) for one in node if not alone(one)) + "]"
    return repr(node)


def alone(node) -> bool:
    """A statement that is nothing but a text: a docstring."""
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


@cache
def _code_digest(code: str) -> str:
    return hashlib.sha256(canonical(_parsed(code)).encode("utf-8", "surrogatepass")).hexdigest()


def code_digest(file: Path) -> str:
    """SHA-256 of what the code of a file does."""
    return _code_digest(text(file))


def docstring(file: Path) -> str:
    """What a module says of itself."""
    return ast.get_docstring(parsed(file)) or ""
