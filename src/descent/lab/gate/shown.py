"""What the gate prints, as Markdown: a summary of at most forty lines, or all that moved."""

from collections import Counter
from collections.abc import Iterable, Iterator

from descent.lab.gate.reports import Move, Note

MOST = 4  # lines of a part of the summary, which has forty at the most with its headings


def escaped(text: str) -> str:
    """One line that ends no cell of a table."""
    return " ".join(text.split()).replace("\\", r"\\").replace("|", r"\|")


def table(moves: list[Move]) -> Iterator[str]:
    if moves:
        yield "\n| metric | base | now | change | tolerance | verdict |"
        yield "|---|--:|--:|--:|--:|---|"
    for move in moves:
        numbers = f"{move.base:.9g} | {move.now:.9g} | {move.now - move.base:+.2e}"
        verdict = f"{move.allowed:.2e} | {'FAIL' if move.fails else 'ok'}"
        yield f"| {escaped(move.metric)} | {numbers} | {verdict} |"


def bullets(title: str, lines: Iterable[str]) -> Iterator[str]:
    lines = [f"- {escaped(line)}" for line in lines]
    yield from (f"\n{title}:\n", *lines) if lines else ()


def everything(moves: list[Move], notes: list[Note], parameters: list[str]) -> Iterator[str]:
    """Every metric that moved, the largest moves first, and every remark."""
    yield from bullets("Parameters", parameters)
    yield from table(moves)
    for title, fails in (("Failures", True), ("Remarks", False)):
        yield from bullets(title, sorted(note.text for note in notes if note.fails is fails))


def summary(moves: list[Move], notes: list[Note], parameters: list[str]) -> Iterator[str]:
    """Parameters and verdicts first, then what left its tolerance; what moved within it is one line."""
    yield from bullets("Parameters", shortened(parameters, len(parameters)))
    for title, fails in (("Failures", True), ("Verdicts", False)):
        texts = sorted(n.text for n in notes if n.fails is fails and not n.new)
        yield from bullets(title, shortened(texts, len(texts)))
    failing = [move for move in moves if move.fails]
    yield from table(failing[:MOST])
    if failing[MOST:]:
        yield f"\n… and {len(failing) - MOST} more failures"
    within = [move for move in moves if not move.fails]
    if within:
        yield (
            f"\n{plural(len(within), 'metric')} moved within tolerance, the largest by "
            f"{within[0].share:.2g} of it: {escaped(within[0].metric)}"
        )
    new = Counter(note.new for note in notes if note.new)
    if new:
        yield "\nNew: " + ", ".join(plural(count, what) for what, count in sorted(new.items()))


def shortened(lines: list[str], count: int) -> list[str]:
    return lines[:MOST] + [f"… and {count - MOST} more: --all shows them"] * (count > MOST)


def plural(count: int, noun: str) -> str:
    return f"{count} {noun}{'s' * (count != 1)}"
