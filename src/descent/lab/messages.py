"""What a door says: results on standard output, one line on standard error if it refuses."""

import re
import sys
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from io import StringIO
from itertools import chain
from typing import NoReturn
from urllib.parse import quote, quote_plus, unquote, unquote_plus

SHORT = 3  # characters: what is shorter is no secret, and would hide half of the line
TOKEN = 16  # a user name of so many is one
SECRET = r"[\w.-]*(?:pass|pwd|secret|token|key|sig|cred|auth|sas|code)[\w.-]*"
MASKS = (
    (r"://\S*@", "://***@"),  # a password may hold a slash or an @, so all up to the last one
    (rf"([?&;]{SECRET}=)[^\s&;#'\"]+", r"\1***"),
    (r"(\b\w*(?:password|passwd|pwd|secret|token)=)[^\s&;#'\"]+", r"\1***"),
    (r"\b(Bearer|Basic) +[\w.~+/=-]{8,}", r"\1 ***"),
)

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


class Refused(Exception):
    """What `refuse` would have ended the process for."""


@contextmanager
def refusals() -> Iterator[None]:
    """Turns a refusal into an error with its line.

    Raises:
        Refused: something is refused meanwhile.
    """
    said = StringIO()
    try:
        with redirect_stderr(said):
            yield
    except SystemExit:
        raise Refused(said.getvalue()) from None


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


def masked(text: str, *addresses: str) -> str:
    """Without the user names, passwords and tokens of addresses: `https://***@host?token=***`.

    What stands in `addresses` is found in every form in which an error may quote it.
    """
    for secret in sorted(set(chain.from_iterable(map(secrets, addresses))), key=len, reverse=True):
        text = text.replace(secret, "***")
    for pattern, shown in MASKS:
        text = re.sub(pattern, shown, text, flags=re.IGNORECASE)
    return text


def secrets(address: str) -> Iterator[str]:
    """The log-in and the values after ? or # of an address, as it has them and as errors write them."""
    _, there, rest = address.partition("://")
    rest = rest if there else address
    login = rest.rpartition("@")[0]
    user, colon, password = login.partition(":")
    if not (there or colon):  # a path, or a package: name@version
        return
    values = [part.rpartition("=")[2] for part in re.split(r"[?&;#]", rest)[1:]]
    named = [user] if len(user) >= TOKEN else []
    for secret in {login, password or user, *named, *values}:
        for form in {secret, unquote(secret), unquote_plus(secret)}:
            data = form.encode("utf-8", "surrogateescape")
            written = (form, quote(data, safe=""), quote(data), quote_plus(data), repr(form)[1:-1])
            found = (*written, b64encode(data).decode())
            yield from (one for one in found if len(one) >= SHORT)
