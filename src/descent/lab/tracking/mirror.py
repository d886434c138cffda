"""Mirror every result into the store. One that cannot be used is one line on standard error, never a failure.

The science does not depend on it: the door ends well whatever the store does, in the time that `Patience` gives.
"""

import json
import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from pathlib import Path

from descent.lab.files import write_text
from descent.lab.messages import refuse
from descent.lab.tracking import schema
from descent.lab.tracking.address import address, default, hidden, shown
from descent.lab.tracking.filling import Filling
from descent.lab.tracking.patience import Patience
from descent.lab.tracking.results import why

ROOT = Path(os.environ.get("DVC_ROOT") or Path(__file__).parents[4])
MARKER = Path("artifacts/tracked.json")  # what DVC sees of this stage
REASON = 200  # characters
QUIET = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_RESPECT_RETRY_AFTER_HEADER": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}
INTERRUPTED = 130  # the exit code of a door that Ctrl-C ended


@contextmanager
def hushed() -> Iterator[None]:
    """Without what libraries say of themselves and of their troubles."""
    os.environ |= QUIET
    logging.disable(logging.CRITICAL)
    with open(os.devnull, "w", encoding="utf-8") as nowhere, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with redirect_stderr(nowhere), redirect_stdout(nowhere):
            try:
                yield
            finally:
                logging.disable(logging.NOTSET)


def mark(filling: Filling) -> str:
    """Write what DVC sees; if that cannot be, why."""
    found = {result.block.path: result.fingerprint for result in filling.found}
    try:
        write_text(MARKER, json.dumps(found, indent=2) + "\n")
    except OSError as error:
        with suppress(OSError):  # a full disk often has room for a name: DVC asks for the file
            MARKER.touch()
        return why(error)
    return ""


def line(uri: str, filling: Filling, reasons: list[str]) -> str:
    """What was not tracked, and why; nothing if all was."""
    count = len(filling.left) + len(filling.failed)
    if filling.failed:
        first, reason = next(iter(filling.failed.items()))
        reasons = [*reasons, f"{'the first, ' * (count > 1)}{first}: {reason}"]
    if not count and not reasons:
        return ""
    of = len(filling.found) + sum(path not in filling.paths for path in filling.failed)
    said = "; ".join(hidden(reason, uri)[:REASON] for reason in reasons)
    what = f"{count} of {of} results not tracked" if count else "not all is in order"
    return f"track: {shown(uri)}: {what} ({said}); repeat with `make track`"


def main(option: str = "") -> int:
    """The exit code; with `--if-old` only a database of another MLflow is made anew, and else nothing is done."""
    if option not in ("", "--if-old"):
        refuse(f"{option}: unknown; usage: python stages/track.py [--if-old]")
    if option and not schema.foreign(default(ROOT)):
        return 0
    patience, code, reasons = Patience(), 0, []
    filling, uri = Filling(patience), os.environ.get("MLFLOW_TRACKING_URI", "")
    try:
        uri = address(ROOT)
        with hushed():
            reasons.append(patience.until(lambda: filling.work(uri, ROOT)))
    except (Exception, SystemExit) as error:  # whatever is wrong with the store, the results stand
        reasons.append(why(error))
    except KeyboardInterrupt:
        patience.over, code = True, INTERRUPTED
        reasons.append("interrupted")
    reasons = [reason for reason in (*reasons, mark(filling)) if reason]
    for said in (filling.said, line(uri, filling, reasons)):
        if said:
            print(said, file=sys.stderr)
    return code
