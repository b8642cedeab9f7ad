"""The options --flip and --scales: how often every image is run."""

import math
from typing import Any

from pose_estimation_ros.apps.options.parser import add_flag
from pose_estimation_ros.core.errors import SettingsError


def add_looks(parser: Any) -> None:
    """Add both options."""
    add_flag(parser, '--flip', 'Run every image mirrored too, and merge the maps as published.')
    parser.add_argument(
        '--scales', type=str | None, metavar='A,B,...',
        help='Run every image at several scales, as factors of the input height, and merge the maps as published.'
        ' [published: 0.5,1,1.5,2 or 0.5,1,2]',
    )  # fmt: skip


def parse_scales(text: str | None) -> tuple[float, ...]:
    """Return numbers separated by commas; raises SettingsError."""
    if text is None:
        return ()
    try:
        scales = tuple(float(part) for part in text.split(','))
    except ValueError:
        scales = ()
    if not scales or not all(0 < scale < math.inf for scale in scales):
        raise SettingsError(f'--scales must be numbers above 0 separated by commas, such as 0.5,1,1.5,2, got {text!r}')
    return scales
