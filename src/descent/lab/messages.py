"""What a door says: results on standard output, one line on standard error if it refuses."""

import re
import sys
from typing import NoReturn

LONGEST = 600  # characters of a line; what is longer loses its middle
CONTROL = {
    code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160)) if not chr(code).isspace()
}


def refuse(message: str, code: int = 2) -> NoReturn:
    """One line on standard error and exit code 2: the input cannot be used."""
    refuse_all([message], code)


def refuse_all(messages: list[str], code: int = 2) -> NoReturn:
    """One line a reason."""
    for message in messages:
        print(bounded(one_line(masked(message))), file=sys.stderr)
    sys.exit(code)


def say(*lines: str) -> None:
    """Print; what the terminal's encoding lacks is written as an escape."""
    encoding = sys.stdout.encoding or "utf-8"
    for line in lines:
        print(line.encode(encoding, "backslashreplace").decode(encoding), flush=True)


def one_line(text: object) -> str:
    """An error or a text without line breaks, and with what would steer a terminal as an escape."""
    return " ".join(str(text).split()).translate(CONTROL)


def bounded(line: str) -> str:
    """The line, or its beginning and its end: the rule stands at the one, the place at the other."""
    half = LONGEST // 2
    return line if len(line) <= LONGEST else f"{line[:half]} … {line[-half:]}"


def masked(text: str) -> str:
    """Without the user names and passwords of addresses: `https://***@host`."""
    return re.sub(r"://[^/@\s]+@", "://***@", text)
