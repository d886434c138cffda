"""The bytes at a web address, within a time, and with the log-in that the address may have."""

from base64 import b64encode
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from threading import Thread
from urllib.parse import unquote, urlsplit, urlunsplit
from urllib.request import Request, urlopen

from tqdm import tqdm

from descent.lab.idx import LARGEST

CHUNK = 2**14  # bytes; a connection that brings less within the timeout counts as silent


def fetch(url: str, timeout: float) -> bytes:
    """The bytes at `url`, with a progress bar if someone is looking.

    Raises:
        TimeoutError: less than CHUNK bytes came within `timeout` seconds.
        OSError, HTTPException, ValueError: no such host, file, or address.
    """
    body, asked = bytearray(), request(url)
    response = within(timeout, lambda: urlopen(asked, timeout=timeout))
    file, size = Path(url).name, response.length
    try:
        with tqdm(desc=file, total=size, unit="B", unit_scale=True, disable=None) as bar:
            while len(body) < LARGEST and (chunk := within(timeout, lambda: response.read(CHUNK))):
                body += chunk
                bar.update(len(chunk))
    finally:
        Thread(target=response.close, daemon=True).start()  # it waits for a read that hangs
    return bytes(body)


def request(url: str) -> Request:
    """For an address, perhaps with a log-in: `https://user:password@host/…`, both percent-encoded.

    The log-in goes to that host and to none to which it redirects.

    Raises:
        ValueError: nobody can tell where the log-in ends.
    """
    parts = urlsplit(url)
    login, at, host = parts.netloc.rpartition("@")
    try:
        clear = parts.port is None or parts.port > 0
    except ValueError:  # the beginning of a password, say
        clear = False
    if not clear or "@" in login or (at and "@" in parts.path):
        raise ValueError("write @ and / of a log-in as %40 and %2F")
    asked = Request(urlunsplit(parts._replace(netloc=host)), headers={"User-Agent": "descent"})
    if at:
        user, _, password = map(unquote, login.partition(":"))
        told = b64encode(f"{user}:{password}".encode()).decode()
        asked.add_unredirected_header("Authorization", f"Basic {told}")
    return asked


def within(seconds: float, work: Callable):
    """The result of work(), which may hang where no timeout of its own reaches (a name lookup).

    Raises:
        TimeoutError: it took longer; its thread dies with the process.
    """
    future = Future()

    def run():
        try:
            future.set_result(work())
        except Exception as error:
            future.set_exception(error)

    Thread(target=run, daemon=True).start()
    try:
        return future.result(seconds)
    except TimeoutError:
        raise TimeoutError(f"silent for {seconds:g} s") from None
