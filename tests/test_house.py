"""The house style, as far as it can be counted: sizes, names, and where a module may stand.

What is larger than the house allows stands in a list here, with its reason.
"""

import ast
import io
import re
import tokenize
from functools import cache
from pathlib import Path

from ruamel.yaml import YAML

from harness import work_unit

ROOT = Path(__file__).parents[1]
SRC = ROOT / "src/descent"
MODULES = sorted(SRC.rglob("*.py")) + sorted((ROOT / "stages").glob("*.py"))
FAMILIES = YAML(typ="safe").load(ROOT / "params.yaml").keys() - {"download"}

LONG_MODULES = {
    "src/descent/figure.py": "the vocabulary of figures: one place to look a mark up",
    "src/descent/polynomial/figures.py": "one function an experiment, and the family has many",
    "src/descent/sensing/figures.py": "one function an experiment, eighteen of them",
    "src/descent/sensing/_problem.py": "the problem and its coordinates, which all of the family reads",
    "src/descent/sensing/_cuda.py": "half of it is the CUDA source of two kernels",
}
LONG_FUNCTIONS: dict[str, str] = {}
# A family of one module, and a block for every source or for every network of yours.
KEYED_BY_SOURCE = {"spectra": "singular_values", "probe": "trained"}
LIBRARIES = {"probe": {"probe"}}  # modules of a family that are called by themselves, too


def where(path: Path) -> str:
    return str(path.relative_to(ROOT))


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_bytes())


def text_of_docstrings(tree: ast.Module) -> set[int]:
    """The lines that docstrings and other long texts take."""
    lines = set()
    for node in ast.walk(tree):
        text = isinstance(node, ast.Constant) and isinstance(node.value, str)
        if text and node.end_lineno > node.lineno:
            lines |= set(range(node.lineno, node.end_lineno + 1))
    return lines


def functions(path: Path):
    return [n for n in ast.walk(parsed(path)) if isinstance(n, ast.FunctionDef)]


def test_a_module_has_at_most_200_lines():
    long = {where(p) for p in MODULES if p.read_text(encoding="utf-8").count("\n") > 200}
    assert long == LONG_MODULES.keys()


def test_a_function_has_at_most_60_lines_and_run_40():
    long = set()
    for path in MODULES:
        for node in functions(path):
            most = 40 if node.name == "run" and path.parent.name in FAMILIES else 60
            if node.end_lineno - node.lineno + 1 > most:
                long.add(f"{where(path)}:{node.name}")
    assert long == LONG_FUNCTIONS.keys()


def test_no_line_of_code_is_longer_than_100_and_none_escapes_the_formatter():
    found = []
    for path in MODULES:
        text, tree = path.read_text(encoding="utf-8"), parsed(path)
        words = text_of_docstrings(tree) | {
            node.body[0].lineno  # docstrings of one line
            for node in ast.walk(tree)
            if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Module)
            and ast.get_docstring(node)
        }
        for number, line in enumerate(text.splitlines(), 1):
            if len(line) > 100 and number not in words:
                found.append(f"{where(path)}:{number}")
        if "fmt:" in text:
            tokens = tokenize.generate_tokens(io.StringIO(text).readline)
            escapes = [t for t in tokens if t.type == tokenize.COMMENT and "fmt:" in t.string]
            found += [f"{where(path)}:{t.start[0]}" for t in escapes]
    assert found == []


def test_what_a_function_returns_has_names_if_it_is_more_than_three_things():
    """A NamedTuple says what they are."""
    found = []
    for path in MODULES:
        for node in functions(path):
            returns = node.returns
            if isinstance(returns, ast.Subscript) and ast.unparse(returns.value) == "tuple":
                elements = returns.slice.elts if isinstance(returns.slice, ast.Tuple) else []
                found += [f"{where(path)}:{node.name}"] * (len(elements) > 3)
    assert found == []


def test_a_module_of_a_family_is_an_experiment_or_begins_with_an_underscore():
    params = YAML(typ="safe").load(ROOT / "params.yaml")
    for family in FAMILIES:
        experiments = {
            path.stem
            for path in (SRC / family).glob("*.py")
            if not path.name.startswith("_") and path.name != "figures.py"
        } - LIBRARIES.get(family, set())
        if family in KEYED_BY_SOURCE:
            assert experiments == {KEYED_BY_SOURCE[family]}
        else:
            assert experiments == set(params[family]), family


def test_every_module_of_the_lab_has_its_room():
    """In CONTRIBUTING.md, where a stranger looks for it."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    rooms = [line for line in text.splitlines() if line.startswith("| ")]
    named = [name for line in rooms for name in re.findall(r"`(\w+)`", line)]
    lab = [p.stem for p in (SRC / "lab").glob("*") if p.is_dir() or p.suffix == ".py"]
    assert sorted(named) == sorted(name for name in lab if not name.startswith("__"))


def test_the_lists_of_exceptions_name_what_there_is_and_say_why():
    assert LONG_MODULES.keys() <= {where(path) for path in MODULES}
    for reason in (*LONG_MODULES.values(), *LONG_FUNCTIONS.values()):
        assert len(reason) > 20


# ---- Text has an encoding, whatever the locale.

PROGRAMS = sorted(
    p for d in ("src", "stages", "benchmarks", "tests") for p in (ROOT / d).rglob("*.py")
)
SAYS = ("src/descent/lab/messages.py",)  # what a terminal's encoding lacks is escaped there


def keywords(call: ast.Call) -> dict[str, ast.expr]:
    return {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg}


def in_the_locale_s_encoding(call: ast.Call) -> bool:
    """Whether a call reads, writes or decodes text and leaves the encoding to the locale."""
    name = getattr(call.func, "attr", getattr(call.func, "id", ""))
    given, method = keywords(call), isinstance(call.func, ast.Attribute)
    if "encoding" in given:
        return False
    if name in ("read_text", "write_text"):
        return method and len(call.args) < (1 if name == "read_text" else 2)
    if name == "open":
        of = getattr(call.func.value, "id", "") if method else ""
        if of in ("os", "tarfile", "zipfile", "gzip", "bz2", "lzma", "webbrowser"):
            return False
        place = 0 if method else 1
        mode = given.get("mode", call.args[place] if len(call.args) > place else None)
        return not (isinstance(mode, ast.Constant) and "b" in str(mode.value))
    return any(
        isinstance(given.get(word), ast.Constant) and given[word].value is True
        for word in ("text", "universal_newlines")
    )


def to_standard_output(call: ast.Call) -> bool:
    """Whether a call prints where a character may have no place: standard error escapes it."""
    return getattr(call.func, "id", "") == "print" and "file" not in keywords(call)


def test_text_has_an_encoding_and_what_is_printed_a_place():
    found = []
    for path in PROGRAMS:
        placed = path in MODULES and where(path) not in SAYS
        for call in ast.walk(parsed(path)):
            if isinstance(call, ast.Call) and (
                in_the_locale_s_encoding(call) or (placed and to_standard_output(call))
            ):
                found.append(f"{where(path)}:{call.lineno}")
    assert found == []


def test_the_doors_begin_alike():
    """Each finds the code beside it, refuses any other, and settles the environment before the rest is imported."""
    beginnings = set()
    for door in (ROOT / "stages").glob("*.py"):
        text = door.read_text(encoding="utf-8").split('"""')[2]
        beginnings.add(text.partition("\nsettle()\n")[0])
    assert len(beginnings) == 1
    assert "nothing was run" in beginnings.pop()


def test_a_program_finds_the_code_beside_it():
    """Whatever `descent` is installed."""
    for program in PROGRAMS:
        text = program.read_text(encoding="utf-8")
        if "\nif __name__ ==" in text:
            before, imported, _ = text.partition("\nfrom descent.")
            assert "parents[" in before or not imported, program


def test_tests_that_share_something_run_in_one_worker():
    assert work_unit("tests/test_planted.py::test_a[sensing@exact]") == "sensing@exact"
    assert work_unit("tests/test_experiments.py::test_b[sensing@exact]") == "sensing@exact"
    assert work_unit("tests/test_experiments.py::test_b") == "test_experiments"
    assert work_unit("tests/test_page.py::test_c[sensing@exact]") == "test_page"
    assert work_unit("tests/test_page.py::test_d") == "test_page"
    assert work_unit("tests/test_faults.py::test_e[disks]") == "tests/test_faults.py::test_e[disks]"
