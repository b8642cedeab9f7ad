"""What OpenDR's documentation of high-resolution pose estimation says of its own measurements."""

from collections.abc import Mapping

Row = tuple[str, int | None, str]
"""Method, rows of the one pass or None for two, and setting."""

ONE_PASS, TWO_PASS = 'lightweight_openpose', 'high_resolution'
MACHINES = {'cpu': 'i7-9700K', 'cuda': 'RTX 2070'}
"""By the kind of device."""
FRAMES_A_SECOND: Mapping[str, Mapping[Row, float]] = {
    'cpu': {
        (ONE_PASS, 256, 'Baseline'): 0.9,
        (ONE_PASS, 256, 'Full'): 2.9,
        (ONE_PASS, 1080, 'Baseline'): 0.05,
        (ONE_PASS, 1080, 'Full'): 0.2,
        (TWO_PASS, None, 'Baseline'): 2.3,
        (TWO_PASS, None, 'Half'): 2.7,
        (TWO_PASS, None, 'Stride'): 8.1,
        (TWO_PASS, None, 'Stages'): 3.7,
        (TWO_PASS, None, 'H+S'): 8.2,
        (TWO_PASS, None, 'Full'): 10.9,
    },
    'cuda': {
        (ONE_PASS, 256, 'Baseline'): 46.3,
        (ONE_PASS, 256, 'Full'): 83.1,
        (ONE_PASS, 1080, 'Baseline'): 2.6,
        (ONE_PASS, 1080, 'Full'): 10.8,
        (TWO_PASS, None, 'Baseline'): 13.6,
        (TWO_PASS, None, 'Half'): 16.1,
        (TWO_PASS, None, 'Stride'): 27.0,
        (TWO_PASS, None, 'Stages'): 16.5,
        (TWO_PASS, None, 'H+S'): 25.9,
        (TWO_PASS, None, 'Full'): 31.7,
    },
}
"""On a picture of 1080 rows."""
ACCURACY: Mapping[str, Mapping[Row, tuple[float, ...]]] = {
    'coco': {
        (ONE_PASS, 256, 'Baseline'): (0.0, 0.0, 6558),
        (TWO_PASS, None, 'Baseline'): (0.615, 0.637, 288),
        (TWO_PASS, None, 'Half'): (0.604, 0.621, 269),
        (TWO_PASS, None, 'Stride'): (0.262, 0.274, 160),
        (TWO_PASS, None, 'Stages'): (0.539, 0.562, 238),
        (TWO_PASS, None, 'H+S'): (0.254, 0.267, 165),
        (TWO_PASS, None, 'Full'): (0.259, 0.272, 145),
    },
    'coco 1080': {
        (TWO_PASS, None, 'Baseline'): (0.518, 0.536),
        (TWO_PASS, None, 'Half'): (0.509, 0.520),
        (TWO_PASS, None, 'Stride'): (0.143, 0.149),
        (TWO_PASS, None, 'Stages'): (0.474, 0.496),
        (TWO_PASS, None, 'H+S'): (0.134, 0.139),
        (TWO_PASS, None, 'Full'): (0.141, 0.150),
    },
}
"""AP50, AR50 and, of the first, seconds; the machine and the making of the pictures of 1080 rows are not told."""


def published_numbers(table: str, row: Row, device: str) -> tuple[float, ...]:
    """Return what was published for a line of one of our tables, () where nothing was."""
    if table == 'speed':
        fps = FRAMES_A_SECOND.get(device.partition(':')[0], {}).get(row)
        return () if fps is None else (fps,)
    return ACCURACY.get(table, {}).get(row, ())
