"""Mutations of a file's bytes: flipped bits; zeroed, swapped and repeated blocks; truncation; and changes of its structure."""

import random
import re
import struct
import zlib
from collections.abc import Callable

from aetheria.recording.hdf5_checksums import metadata_blocks
from aetheria.recording.superblock import checksum

BLOCKS = (16, 512, 4096)
Mutation = Callable[[bytearray, random.Random], None]
_SIGNATURES = rb"\x89HDF|OHDR|OCHK|FRHP|FHDB|FHIB|BTHD|BTLF|BTIN|GCOL|EAHD|EAIB|EADB|EASB"
_NUMBERS = (0, 1, 2, 7, 255, 4096, 2**16, 2**31 - 1, 2**31, 2**32 - 1, 2**40, 2**62, 2**63, 2**64 - 1)
_WORDS = (b"0", b"-1", b"9" * 20, b"1e999", b"nan", b"[" * 40, b"{", b"}", b'"', b"\n", b"\0", b"\xff\xfe", b"$" * 9)


def flip_bits(content: bytearray, dice: random.Random) -> None:
    """Flips one to eight bits, half of the time among the first bytes."""
    for _ in range(dice.choice((1, 1, 2, 8))):
        content[_place(content, dice)] ^= 1 << dice.randrange(8)


def zero_block(content: bytearray, dice: random.Random) -> None:
    """Sets a block to zeros, at a multiple of its size half of the time, as a disk does."""
    at, length = _block(content, dice)
    content[at : at + length] = bytes(len(content[at : at + length]))


def swap_blocks(content: bytearray, dice: random.Random) -> None:
    """Exchanges two blocks of one size."""
    (at, length), other = _block(content, dice), _place(content, dice)
    length = min(length, len(content) - at, len(content) - other)
    first, second = bytes(content[at : at + length]), bytes(content[other : other + length])
    content[at : at + length] = second
    content[other : other + length] = first


def repeat_block(content: bytearray, dice: random.Random) -> None:
    """Writes a block over another one."""
    (at, length), other = _block(content, dice), _place(content, dice)
    length = min(length, len(content) - at, len(content) - other)
    content[other : other + length] = bytes(content[at : at + length])


def truncate(content: bytearray, dice: random.Random) -> None:
    """Removes the end."""
    del content[_place(content, dice) :]


PLAIN: tuple[Mutation, ...] = (flip_bits, zero_block, swap_blocks, repeat_block, truncate)


def _place(content: bytearray, dice: random.Random) -> int:
    return dice.randrange(min(len(content), dice.choice((len(content), 20_000, 500))))


def _block(content: bytearray, dice: random.Random) -> tuple[int, int]:
    length = dice.choice(BLOCKS)
    at = _place(content, dice)
    return (at - at % length if dice.random() < 0.5 else at), length


def change_text(content: bytearray, dice: random.Random) -> None:
    """Replaces a number, or inserts something, in a text or a header."""
    numbers = [match.span() for match in re.finditer(rb"\d+", bytes(content[:20_000]))]
    if numbers and dice.random() < 0.6:
        first, last = dice.choice(numbers)
        content[first:last] = str(dice.choice(_NUMBERS)).encode()
    else:
        at = _place(content, dice)
        content[at : at + dice.choice((0, 0, 1, 8))] = dice.choice(_WORDS)


def change_header(content: bytearray, dice: random.Random) -> None:
    """Overwrites a field of 1, 2, 4 or 8 bytes near the beginning or the end with a size, an offset or a limit."""
    width = dice.choice((1, 2, 4, 8))
    span = min(len(content), 4000)
    at = dice.randrange(span) if dice.random() < 0.5 else len(content) - 1 - dice.randrange(span)
    number = dice.choice((*_NUMBERS, len(content), dice.randrange(len(content)))) & ((1 << 8 * width) - 1)
    content[at : at + width] = number.to_bytes(width, dice.choice(("little", "big")))


def change_png(content: bytearray, dice: random.Random) -> None:
    """Changes a field of a part of a PNG, and corrects the checksum of that part, as a forger does."""
    parts, at = [], 8
    while at + 8 <= len(content):
        length = int.from_bytes(content[at : at + 4], "big")
        parts.append((at, length))
        at += 12 + length
    at, length = dice.choice(parts)
    place = at + dice.randrange(12 + length)
    width = dice.choice((1, 2, 4))
    content[place : place + width] = (dice.choice(_NUMBERS) & ((1 << 8 * width) - 1)).to_bytes(width, "big")
    if len(content) >= at + 12 + length:
        content[at + 8 + length : at + 12 + length] = zlib.crc32(content[at + 4 : at + 8 + length]).to_bytes(4, "big")


class ChangeHdf5:
    """Changes sizes, addresses and types in HDF5's metadata, and corrects the checksums of the blocks most of the time."""

    def __init__(self, original: bytes) -> None:
        self._places = [match.start() for match in re.finditer(_SIGNATURES, original)]
        # Of each block with a checksum: its beginning, that of its checksum, and its end.
        self._checked = [
            (b.first, b.first + b.length - 4 if b.check is None else b.check, b.first + b.length)
            for b in metadata_blocks(original)
            if b.first + b.length <= len(original)
        ]
        self._checked += [span for at in self._places if (span := _found_checksum(original, at))]
        self._checked.append((0, 44, 48))

    def __call__(self, content: bytearray, dice: random.Random) -> None:
        changed = [self._change(content, dice) for _ in range(dice.choice((1, 1, 2, 4)))]
        if dice.random() < 0.85:
            for first, check, end in self._checked:
                if any(first <= at < end for at in changed):
                    self._correct(content, first, check, end)

    def _change(self, content: bytearray, dice: random.Random) -> int:
        at = dice.choice(self._places) + dice.randrange(dice.choice((16, 64, 300, 600)))
        at = min(at, len(content) - 8)
        width = dice.choice((1, 1, 2, 4, 8))
        values = (*_NUMBERS, len(content), dice.choice(self._places), dice.choice(self._places), dice.randrange(256))
        number = dice.choice(values) & ((1 << 8 * width) - 1)
        content[at : at + width] = number.to_bytes(width, "little")
        return at

    @staticmethod
    def _correct(content: bytearray, first: int, check: int, end: int) -> None:
        covered = bytes(content[first:check]) + (bytes(4) + bytes(content[check + 4 : end]) if end > check + 4 else b"")
        content[check : check + 4] = struct.pack("<I", checksum(covered))


def _found_checksum(original: bytes, at: int) -> tuple[int, int, int] | None:
    """The span of a B-tree node or of a heap's table of blocks, whose length no field states, found by its checksum."""
    if original[at : at + 4] not in (b"BTLF", b"BTIN", b"FHIB"):
        return None
    for check in range(at + 6, min(at + 600, len(original) - 4)):
        if struct.pack("<I", checksum(original[at:check])) == original[check : check + 4]:
            return at, check, check + 4
    return None
