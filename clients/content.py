"""Bodies to send: pseudo-random, reproducible, cheap to make and to check piece by piece."""

import hashlib
import random

from harness import MIB


def body(size, seed=0):
    return random.Random(f"{seed}/{size}").randbytes(size)


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def file_sha256(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_file(path, size, seed=0):
    """Writes a file of pseudo-random bytes and returns its SHA-256."""
    digest = hashlib.sha256()
    with open(path, "wb") as file:
        for piece in pieces(size, seed):
            digest.update(piece)
            file.write(piece)
    return digest.hexdigest()


def pieces(size, seed=0):
    """A body of any size in pieces of 1 MiB, none equal to another."""
    block = random.Random(seed).randbytes(MIB)
    for number in range(0, (size + MIB - 1) // MIB):
        piece = number.to_bytes(8, "big") + block[8:]
        yield piece[: size - number * MIB]


# Keys that are legal in S3 and that something between a client and a disk gets wrong.
ODD_KEYS = [
    "a//b",
    "//a",
    "a/../b",
    "./a",
    "../../etc/passwd",
    " spaces ",
    "emoji 🎈",
    "trailing/",
    "+plus+",
    "%2F",
    "a%20b",
    "é",
    "e\u0301",
    "semi;colon",
    "quote'\"quote",
    "amp&amp;=?#",
    "back\\slash",
    "tab\tend",
    "star*(paren)!~",
    "<xml>]]>",
    ".",
    "k" * 1024,
    "é" * 512,
]


def key_name(key):
    """What pytest calls the row of a key."""
    return ascii(key[:24])[1:-1].replace("\\", "~")
