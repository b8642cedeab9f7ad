"""Numeric arrays from MATLAB files of version 5, the format of some published annotations."""

from pathlib import Path

import numpy as np

from pose_estimation_ros.core.arrays import FloatArray
from pose_estimation_ros.core.errors import DatasetError

MAGIC = slice(126, 128)
LITTLE_ENDIAN = b'IM'


def read_arrays(path: Path) -> dict[str, FloatArray]:
    """Return the numeric arrays of a file by name, without cells, structures and texts; raises DatasetError."""
    from scipy.io import loadmat  # takes half a second to load

    try:
        with path.open('rb') as file:
            header = file.read(MAGIC.stop)
    except OSError as error:
        raise DatasetError(f'cannot read {path}: {error.strerror}') from error
    if header[MAGIC] != LITTLE_ENDIAN:
        raise DatasetError(f'{path} is no MATLAB file of version 5; save it with -v7 or older, or download it again')
    try:
        content = loadmat(path, appendmat=False)
    except Exception as error:  # SciPy raises nearly every builtin exception for damaged files
        raise DatasetError(f'{path} is cut off or damaged; download it again') from error
    return {
        name: value.astype(float)
        for name, value in content.items()
        if isinstance(value, np.ndarray) and value.dtype.kind in 'iuf'
    }
