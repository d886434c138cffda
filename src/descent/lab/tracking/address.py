"""Where the store is: $MLFLOW_TRACKING_URI, else mlflow.db at the root of the repository, also from its copies.

`dvc exp run --temp` and `--queue` work in a temporary copy that is removed with all that lies in it, so a relative
path counts from the root, in every form of an address that has one.
"""

import os
import re
from pathlib import Path

from descent.lab.messages import masked

DEFAULT = "sqlite:///mlflow.db"
SQLITE = re.compile(r"(sqlite(?:\+\w+)?)://(?:/(.*))?", re.IGNORECASE | re.DOTALL)
FILE = re.compile(r"file:(?://)?(?!localhost/)([^/].*)", re.IGNORECASE | re.DOTALL)
SCHEME = re.compile(r"[a-z][a-z0-9+.-]+:", re.IGNORECASE)  # not the one letter of a drive
SERVICES = {"databricks", "databricks-uc", "uc"}  # addresses that are one word
SECRETS = re.compile(r"MLFLOW_TRACKING_(?:PASSWORD|TOKEN)|AWS_.*(?:KEY|TOKEN)|.*SAS_TOKEN")


def address(root: Path) -> str:
    """The store's address, with its path in full.

    Raises:
        ValueError: a store that is gone with the process.
    """
    uri = os.environ.get("MLFLOW_TRACKING_URI", "").strip() or DEFAULT
    if sqlite := SQLITE.fullmatch(uri):
        scheme, (path, mark, rest) = sqlite[1].lower(), (sqlite[2] or "").partition("?")
        if not path or ":memory:" in path or "mode=memory" in rest:
            raise ValueError("a database in memory is gone with the process")
        if path.startswith("file:"):
            return f"{scheme}:///file:{root / path.removeprefix('file:')}{mark}{rest}"
        return f"{scheme}:///{root / path}{mark}{rest}"
    if relative := FILE.fullmatch(uri):
        return (root / relative[1]).as_uri()
    if SCHEME.match(uri) or uri in SERVICES:
        return uri
    return str(root / Path(uri).expanduser())


def default(root: Path) -> Path:
    """The database that is ours alone."""
    return root / DEFAULT.removeprefix("sqlite:///")


def database(uri: str) -> Path | None:
    """The file of a store that is one."""
    plain = re.fullmatch(r"sqlite(?:\+\w+)?:///([^?]+).*", uri, re.DOTALL)
    return Path(plain[1]) if plain and not plain[1].startswith("file:") else None


def artifacts(uri: str, root: Path) -> Path | None:
    """Where files go that a bare database takes no care of; a server has its own place."""
    return root / "mlartifacts" if re.match(r"(sqlite|postgres|mysql|mssql)\w*[+:]", uri) else None


def shown(uri: str) -> str:
    """The address without log-in, password and tokens."""
    scheme, there, rest = uri.partition("://")
    scheme, rest = (scheme, rest) if there else ("", uri)
    if scheme.startswith(("sqlite", "file")):
        place, mark, _ = rest.partition("?")
        return scheme + there + place + ("?***" if mark else "")
    place, *more = re.split(r"[?#]", rest, maxsplit=1)
    if "@" in "".join(more):  # of a password, or of a query: nobody can tell
        return f"{scheme}{there}***"
    _, at, place = place.rpartition("@")
    return scheme + there + ("***@" if at else "") + place + ("?***" if more else "")


def hidden(text: str, uri: str) -> str:
    """What an error says, without what opens the store: the address and the environment have it."""
    told = [value for key, value in os.environ.items() if SECRETS.fullmatch(key)]
    # What stands before an @ is taken for a log-in.
    return masked(text, uri, *(f"://{value}@" for value in told if value))
