"""IDX files as people keep them: packed or not, under many names, each in a folder of its own or all in one.

What a file is follows from its bytes: the header of an IDX file says how long it is, so no more is read, and its digest
says which one it is.
"""

import bz2
import lzma
import math
import os
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from re import sub

LARGEST = 2**28  # bytes read of any one file, packed or not: nothing served fills the memory
HEAD = 2**16  # bytes that tell what a file is: a packed one begins with 16 of its content
DEPTH, FILES = 4, 5000  # folders below the one that is named, and files, that are looked at

PACKED: dict[bytes, Callable] = {
    b"\x1f\x8b": lambda: zlib.decompressobj(wbits=31),
    b"\xfd7zXZ\0": lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=LARGEST),
    b"BZh": bz2.BZ2Decompressor,
}


def packing(data: bytes) -> bytes | None:
    """The first bytes of a known packing, if the data begin with them."""
    return next((magic for magic in PACKED if data.startswith(magic)), None)


def begin(data: bytes) -> bytes:
    """The first bytes of the content of a file that may be packed and cut off.

    Raises:
        ValueError: it is damaged.
    """
    magic = packing(data)
    return part(PACKED[magic](), data, 16) if magic else data[:16]


def part(member, data: bytes, most: int) -> bytes:
    """Up to so many bytes of a packed member.

    Raises:
        ValueError: it is damaged.
    """
    try:
        return member.decompress(data, most)
    except (zlib.error, lzma.LZMAError, OSError) as error:
        raise ValueError(f"cannot be unpacked ({error})") from None


def unpacked(data: bytes) -> bytes:
    """The content of a packed file, all its members in turn; data that are not packed as they are.

    Raises:
        ValueError: it is damaged, cut off, or has more in it than its header says.
    """
    magic, parts = packing(data), []
    if magic is None:
        return data
    left = min(size(begin(data)) or LARGEST, LARGEST)
    while data.startswith(magic):
        member = PACKED[magic]()
        parts.append(part(member, data, left + 1))
        left -= len(parts[-1])
        if left < 0:
            raise ValueError("has more in it than such a file has")
        if not member.eof:
            raise ValueError("cannot be unpacked (it is cut off)")
        data = member.unused_data.lstrip(b"\0")  # members may be padded
    return b"".join(parts)


def size(head: bytes) -> int | None:
    """How many bytes an IDX file of unsigned bytes has, by its first ones; None if it is no such file."""
    if head[:3] != b"\0\0\x08" or len(head) < 8 or not 1 <= head[3] <= (len(head) - 4) // 4:
        return None
    rank = head[3]
    return 4 + 4 * rank + math.prod(struct.unpack_from(f">{rank}I", head, 4))


def content(path: Path, named: bool) -> bytes | None:
    """The bytes of a file, still packed if they were, if they are an IDX file's; None if its first bytes tell otherwise.

    Args:
        named: it has the name of a file that is looked for, so that it is read whatever it is.

    Raises:
        OSError: it cannot be read.
        ValueError: it is damaged, or longer than its header says or than any such file is.
    """
    with path.open("rb") as file:
        length, head = os.fstat(file.fileno()).st_size, file.read(HEAD)
        whole = size(begin(head))
        if whole is None and not named:
            return None
        if length > LARGEST or (whole or 0) > LARGEST:
            raise ValueError(f"{max(length, whole or 0):,} bytes, more than such a file has")
        if whole is not None and not packing(head) and length != whole:
            raise ValueError(f"{length:,} bytes, and {whole:,} by its header")
        return head + file.read(length - len(head))


def meant(name: str, known: Iterable[str]) -> str:
    """Which of the known names a file's name stands for, or nothing: `train-images.idx3-ubyte.gz`, say."""
    bare = sub(r"\.(gz|xz|bz2)$", "", name.lower())
    return next((one for one in known if _alike(one) == _alike(bare)), "")


def _alike(name: str) -> str:
    return sub(r"[-._ ]+", "-", name.lower())


def files(folder: Path) -> Iterator[Path]:
    """The regular files of a folder and of those below it, as many and as deep as anybody keeps them."""
    left, seen = [(folder, 0)], 0
    while left:
        here, depth = left.pop(0)
        try:
            entries = sorted(os.scandir(here), key=lambda entry: entry.name)
        except OSError:
            if depth == 0:
                raise
            continue
        for entry in entries:
            if entry.is_dir(follow_symlinks=depth == 0) and depth < DEPTH:
                left.append((Path(entry.path), depth + 1))
            elif entry.is_file() and (seen := seen + 1) <= FILES:
                yield Path(entry.path)
