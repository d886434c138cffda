"""What a door says: results on standard output, one line on standard error if it refuses."""

import re
import sys
from typing import NoReturn


def refuse(message: str, code: int = 2) -> NoReturn:
    """One line on standard error and exit code 2: the input cannot be used."""
    refuse_all([message], code)


def refuse_all(messages: list[str], code: int = 2) -> NoReturn:
    """One line a reason."""
    for message in messages:
        print(one_line(masked(message)), file=sys.stderr)
    sys.exit(code)


def say(*lines: str) -> None:
    """Print; what the terminal's encoding lacks is written as an escape."""
    encoding = sys.stdout.encoding or "utf-8"
    for line in lines:
        print(line.encode(encoding, "backslashreplace").decode(encoding), flush=True)


def one_line(text: object) -> str:
    """An error or a text without line breaks."""
    return " ".join(str(text).split())


def masked(text: str) -> str:
    """Without the user names and passwords of addresses: `https://***@host`."""
    return re.sub(r"://[^/@\s]+@", "://***@", text)
