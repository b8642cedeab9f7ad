"""How high-resolution pose estimation looks at an image: at all of it, then closely where people are."""

import math
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from pose_estimation_ros.core.settings import check_settings, setting
from pose_estimation_ros.methods.shared_settings import HEIGHTS, NODE_HEIGHTS

PERSON_SHARE = 0.37
"""Height of people in the second pass, as a share of its input height: 200 pixels of the published 540."""
HEIGHT: dict[str, Any] = {'range': HEIGHTS, 'parameter_range': NODE_HEIGHTS, 'live': True}


@dataclass(frozen=True)
class TwoPassSettings:
    """Settings of the two passes."""

    group: ClassVar[str] = 'passes'

    first_pass_height: int = setting(360, 'Input height of the first pass, which finds where people are.', **HEIGHT)
    second_pass_height: int = setting(
        540, f'Input height of the second pass, in which people are {PERSON_SHARE} times as tall.', **HEIGHT
    )
    regions: Literal['people', 'published'] = setting(
        'people', 'Regions of the second pass: as many as people need, or the published single box around everybody.'
    )
    newcomers_interval: int = setting(
        5, 'In videos, the first pass looks for newcomers in every Nth frame.',
        range=(1, math.inf), parameter_range=(1, 1000), metavar='N',
        requires='regions', requires_value='people',
    )  # fmt: skip

    def __post_init__(self) -> None:
        check_settings(self)
