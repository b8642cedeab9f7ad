"""Settings of a scene."""

from dataclasses import dataclass

from pose_estimation_ros.core.errors import SettingsError
from pose_estimation_ros.synthetic.background import BACKGROUNDS


@dataclass(frozen=True)
class SceneSettings:
    """Settings of a scene; raises SettingsError for values out of range.

    `person_height` is the minimum and maximum height of a person standing upright, as a share of the image's height
    (above 1 people are truncated). `people` is a number or a minimum and maximum. `background` is one of BACKGROUNDS or
    None for any. `objects` is the probability of an obstacle in front of a person. `blur` (pixels) and `noise` (grey
    levels) are maxima. `looks` is the number of faces and outfits per sex, which are recoloured for each person: few
    looks are faster; 0 makes every person unique. `detail` below 1 smooths fewer outlines, which is faster.
    """

    width: int = 1280
    height: int = 720
    people: int | tuple[int, int] = (1, 8)
    person_height: tuple[float, float] = (0.3, 0.85)
    fps: float = 30.0
    background: str | None = None
    objects: float = 0.25
    blur: float = 0.7
    noise: float = 6.0
    grey: bool = False
    looks: int = 0
    detail: float = 1.0

    def __post_init__(self) -> None:
        require(min(self.width, self.height) >= 32, f'a scene is at least 32x32 pixels, got {self.width}x{self.height}')
        require(
            max(self.width, self.height) <= 8192,
            f'a scene has at most 8192 pixels a side, got {self.width}x{self.height}',
        )
        low, high = self.people_range
        require(0 <= low <= high <= 100, f'people must be 0 to 100, or (minimum, maximum), got {self.people}')
        lowest, highest = self.person_height
        require(
            0.02 <= lowest <= highest <= 4,
            f'person_height must be (minimum, maximum) between 0.02 and 4 image heights, got {self.person_height}',
        )
        require(self.fps > 0, f'fps must be positive, got {self.fps}')
        require(0 <= self.objects <= 1, f'objects is a probability between 0 and 1, got {self.objects}')
        require(0 <= self.blur <= 20, f'blur must be between 0 and 20 pixels, got {self.blur}')
        require(0 <= self.noise <= 80, f'noise must be between 0 and 80 grey levels, got {self.noise}')
        require(0.1 <= self.detail <= 10, f'detail must be between 0.1 and 10, got {self.detail}')
        require(self.looks >= 0, f'looks must be 0 or more, got {self.looks}')
        known = ', '.join(BACKGROUNDS)
        require(
            self.background is None or self.background in BACKGROUNDS,
            f'background must be one of {known} or None for any, got {self.background!r}',
        )

    @property
    def people_range(self) -> tuple[int, int]:
        """Minimum and maximum number of people."""
        return self.people if isinstance(self.people, tuple) else (self.people, self.people)


def require(holds: bool, message: str) -> None:
    """Raise SettingsError with the message unless it holds."""
    if not holds:
        raise SettingsError(message)
