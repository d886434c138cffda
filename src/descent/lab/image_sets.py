"""The sets in a folder of IDX files, under any of the names that people give them.

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
ARCHIVED = {
    "train": (("x_train", "y_train"), ("X_train", "y_train"), ("X", "y")),
    "test": (("x_test", "y_test"), ("X_test", "y_test")),
}


def sets(place: Path) -> dict[str, dict[str, Path]]:
    """The files of images and of labels of every set that has both, by its name.

    Args:
        place: a folder, or a folder and what the names of the files begin with.

    Raises:
        ValueError: there are none.
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
    if not whole:
        had = ", ".join(sorted({f.name for of in found.values() for f in of.values()})) or "none"
        raise ValueError(f"expected IDX files of training images and labels, got {had}")
    return whole


def is_test(name: str) -> bool:
    return "train" not in name and any(word in name for word in TEST)


def training_files(place: Path) -> dict[str, Path]:
    """The file of the images and that of the labels of the training set.

    Raises:
        ValueError: they are not there, or of more than one set.
        OSError: a file cannot be read.
    """
    whole = sets(place)
    named = {name: of for name, of in whole.items() if "train" in name}
    return only(named or {name: of for name, of in whole.items() if not is_test(name)}, "training")


def only(chosen: dict[str, dict[str, Path]], kind: str) -> dict[str, Path]:
    """The one set.

    Raises:
        ValueError: there are several, or there is none.
    """
    if len(chosen) > 1:
        names = ", ".join(sorted(chosen))
        raise ValueError(f"{len(chosen)} {kind} sets ({names}): say what its names begin with")
    if not chosen:
        raise ValueError(f"expected IDX files of {kind} images and labels, got those of tests only")
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
    """Pixels (n, row, column) and labels (n) of the training set, both uint8.

    Raises:
        ValueError: the files are not there, damaged, or do not fit together.
    """
    return pair(training_files(place))


def parts(place: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """`train` and, where there is one, `test`: pixels (n, row, column) uint8, and labels (n) int64 from 0 on.

    Args:
        place: a folder of IDX files, or an archive FILE.npz.

    Raises:
        ValueError: they are not there, damaged, or do not fit together.
    """
    if place.suffix == ".npz":
        found = archived(place)
    else:
        found = {"train": training_set(place)}
        if tests := {name: of for name, of in sets(place).items() if is_test(name)}:
            found["test"] = pair(only(tests, "test"))
    for name, (images, labels) in found.items():
        if images.ndim != 3 or images.dtype != np.uint8 or not images.size:
            had = f"{images.dtype} of shape {images.shape}"
            raise ValueError(f"{name}: expected images (n, row, column) of bytes, got {had}")
        if labels.shape != images.shape[:1] or labels.dtype.kind not in "iu" or labels.min() < 0:
            raise ValueError(f"{name}: expected a label 0, 1, … for each of {len(images)} images")
        if images.shape[1:] != found["train"][0].shape[1:]:
            raise ValueError("test images are of another size than those of training")
    classes = np.unique(found["train"][1])
    first = int(np.array_equal(classes, np.arange(1, len(classes) + 1)))  # counted from 1
    return {name: (x, y.astype(np.int64) - first) for name, (x, y) in found.items()}


def archived(file: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """The parts of an archive that has x_train and y_train, or X and y, and perhaps x_test and y_test.

    Raises:
        ValueError: it has not, or is damaged.
    """
    found = {}
    with np.load(file, allow_pickle=False) as arrays:
        for part, pairs in ARCHIVED.items():
            for x, y in pairs:
                if x in arrays and y in arrays:
                    found.setdefault(part, (arrays[x], arrays[y]))
        if "train" not in found:
            had = ", ".join(arrays) or "none"
            raise ValueError(f"expected arrays x_train and y_train, or X and y, got {had}")
    return found


def pair(found: dict[str, Path]) -> tuple[np.ndarray, np.ndarray]:
    """The images and the labels of two files; EMNIST's images, which are kept column by column, as they are read.

    Raises:
        ValueError: they are damaged, or do not fit together.
    """
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
