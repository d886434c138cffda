"""The training set in a folder of IDX files, under any of the names that people give them.

What a file is follows from its header: images have three dimensions, labels one. Which set it is of, its name tells:
`train-images-idx3-ubyte`, `emnist-letters-train-labels-idx1-ubyte.gz`. Where a folder has several sets, the beginning
of the names says which one is meant: `data/emnist/emnist-letters`.
"""

from pathlib import Path
from re import search, sub

import numpy as np

from descent.lab.idx import HEAD, begin, files, size, unpacked

KINDS = {3: "images", 1: "labels"}
TEST = ("t10k", "test", "val")


def training_files(place: Path) -> dict[str, Path]:
    """The file of the images and that of the labels of the training set.

    Args:
        place: a folder, or a folder and what the names of the files begin with.

    Raises:
        ValueError: they are not there, or of more than one set.
        OSError: a file cannot be read.
    """
    folder, start = (place, "") if place.is_dir() else (place.parent, place.name)
    if not folder.is_dir() or not any(f.name.startswith(start) for f in files(folder)):
        raise ValueError(f"there is no folder {place}, and no file whose name begins so")
    found: dict[str, dict[str, Path]] = {}
    for file in sorted(files(folder), key=lambda f: (f.name != bare(f.name), f.name)):
        kind = kind_of(file) if file.name.startswith(start) else None
        if kind and not file.is_symlink():
            found.setdefault(set_of(file, kind), {}).setdefault(kind, file)
    whole = {name: of for name, of in found.items() if len(of) == len(KINDS)}
    chosen = {name: of for name, of in whole.items() if "train" in name} or {
        name: of for name, of in whole.items() if not any(word in name for word in TEST)
    }
    if len(chosen) > 1:
        names = ", ".join(sorted(chosen))
        raise ValueError(f"{len(chosen)} training sets ({names}): say what its names begin with")
    if not chosen:
        had = ", ".join(sorted({f.name for of in found.values() for f in of.values()})) or "none"
        raise ValueError(f"expected IDX files of training images and labels, got {had}")
    return next(iter(chosen.values()))


def bare(name: str) -> str:
    """A file's name without its packing."""
    return sub(r"\.(gz|xz|bz2)$", "", name)


def kind_of(file: Path) -> str | None:
    """Images or labels, by the header; None for any other file."""
    with file.open("rb") as opened:
        head = opened.read(HEAD)
    try:
        content = begin(head)
    except ValueError:
        return None
    return KINDS.get(content[3]) if size(content) else None


def set_of(file: Path, kind: str) -> str:
    """The name without what tells images from labels: equal for both files of a set."""
    name = sub(r"[-._ ]?idx\d?|[-._ ]?ubyte", "", bare(file.name).lower())
    return sub(r"[-._ ]+", "-", name.replace(kind, "").replace(kind[:-1], "")).strip("-")


def training_set(place: Path) -> tuple[np.ndarray, np.ndarray]:
    """Pixels (n, row, column) and labels (n) of the training set, both uint8; EMNIST's images as they are read.

    EMNIST keeps its images column by column.

    Raises:
        ValueError: the files are not there, damaged, or do not fit together.
    """
    found = training_files(place)
    images, labels = (array(found[kind], rank) for rank, kind in KINDS.items())
    if len(images) != len(labels):
        raise ValueError(f"{len(images)} images, {len(labels)} labels")
    columns_first = search(r"(?<![a-z])emnist", found["images"].as_posix().lower())
    return (images.swapaxes(1, 2) if columns_first else images), labels


def array(file: Path, rank: int) -> np.ndarray:
    """The content of an IDX file of unsigned bytes.

    Raises:
        ValueError: it is damaged.
    """
    try:
        data = unpacked(file.read_bytes())
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from None
    if len(data) != size(data[: 4 + 4 * rank]):
        raise ValueError(f"{file}: {len(data):,} bytes, another number than its header says")
    shape = np.frombuffer(data, ">u4", rank, 4)
    return np.frombuffer(data, np.uint8, offset=4 + 4 * rank).reshape(shape.astype(int))
