"""Files as MATLAB writes them."""

import struct
import zlib

import numpy as np


def element(kind, data):
    return struct.pack('<II', kind, len(data)) + data + bytes(-len(data) % 8)


def matrix(name, values, class_number=6, kind=9, dtype='<f8'):
    """One array as MATLAB writes it; a name of four letters or fewer lies in its own head."""
    text = name.encode()
    short = struct.pack('<I', len(text) << 16 | 1) + text.ljust(4, b'\0') if len(text) <= 4 else element(1, text)
    parts = [
        element(6, struct.pack('<II', class_number, 0)),
        element(5, np.array(values.shape, '<i4').tobytes()),
        short,
        element(kind, values.astype(dtype).tobytes(order='F')),
    ]
    return element(14, b''.join(parts))


def mat_file(path, *matrices, compressed=True):
    header = b'MATLAB 5.0 MAT-file'.ljust(124) + struct.pack('<H', 0x0100) + b'IM'
    packed = [zlib.compress(each) for each in matrices]
    body = b''.join(struct.pack('<II', 15, len(each)) + each for each in packed) if compressed else b''.join(matrices)
    path.write_bytes(header + body)
    return path
