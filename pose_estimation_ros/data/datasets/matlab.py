"""Numbers out of MATLAB's files of version 5, which some published annotations come in."""

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from pose_estimation_ros.core.arrays import FloatArray
from pose_estimation_ros.core.errors import DatasetError

HEADER_BYTES = 128
LITTLE_ENDIAN = b'IM'
MATRIX, COMPRESSED = 14, 15
NUMBERS = {1: 'i1', 2: 'u1', 3: '<i2', 4: '<u2', 5: '<i4', 6: '<u4', 7: '<f4', 9: '<f8', 12: '<i8', 13: '<u8'}
"""Kinds of elements that hold numbers."""

NUMERIC_CLASSES = range(6, 16)
"""Classes of arrays that are plain numbers; the others are cells, structures and texts."""


def read_arrays(path: Path) -> dict[str, FloatArray]:
    """Return the numeric arrays of a file by name; what else is in it is left out. Raises DatasetError."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DatasetError(f'cannot read {path}: {error.strerror}') from error
    if content[126:128] != LITTLE_ENDIAN:
        raise DatasetError(f'{path} is no MATLAB file of version 5; save it with -v7 or older, or download it again')
    try:
        return dict(_arrays(content[HEADER_BYTES:]))
    except (struct.error, zlib.error, ValueError, KeyError, IndexError) as error:
        raise DatasetError(f'{path} is cut off or damaged; download it again') from error


def _arrays(content: bytes) -> Iterator[tuple[str, FloatArray]]:
    for kind, data in _elements(content):
        if kind == COMPRESSED:
            yield from _arrays(zlib.decompress(data))
        elif kind == MATRIX:
            parts = list(_elements(data))
            if parts and np.frombuffer(parts[0][1], '<u4')[0] & 0xFF in NUMERIC_CLASSES:
                yield _array(parts)


def _array(parts: list[tuple[int, bytes]]) -> tuple[str, FloatArray]:
    """Return name and values out of an array's parts: flags, shape, name, numbers."""
    shape = np.frombuffer(parts[1][1], '<i4').tolist()
    kind, data = parts[3]
    values = np.frombuffer(data, NUMBERS[kind]).astype(float)
    return parts[2][1].decode('ascii'), values.reshape(shape, order='F')


def _elements(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield kind and data of elements that follow each other; a short one lies in its own head."""
    place = 0
    while place < len(content):
        kind, size = struct.unpack_from('<II', content, place)
        if kind >> 16:
            yield kind & 0xFFFF, content[place + 4 : place + 4 + (kind >> 16)]
            place += 8
            continue
        data = content[place + 8 : place + 8 + size]
        if len(data) != size:
            raise ValueError('cut off')
        yield kind, data
        place += 8 + size + (0 if kind == COMPRESSED else -size % 8)
