"""What a scene is asked to be."""

from dataclasses import dataclass

from pose_estimation_ros.core.errors import SettingsError
from pose_estimation_ros.synthetic.background import BACKGROUNDS


@dataclass(frozen=True)
class SceneSettings:
    """What is drawn; raises SettingsError for values that make no image.

    `person_height` is the least and greatest height of a person standing upright, as a fraction of the image's
    height (who crouches or sits takes less; above 1 people are cut off). `people` is a number or a least and
    greatest number. `background` is one of BACKGROUNDS or None for any. `objects` is the probability that something
    stands in front of someone. `blur` (pixels) and `noise` (grey levels) are the most of each. `looks` is how many
    faces and outfits there are for either sex, which are dyed anew for everyone: fewer of them are drawn faster once
    they are painted; 0 makes everyone unique. `detail` below 1 smooths fewer people's outlines, which is faster.
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
        require(0 <= low <= high <= 100, f'people must be 0 to 100, or (least, greatest), got {self.people}')
        least, greatest = self.person_height
        require(
            0.02 <= least <= greatest <= 4,
            f'person_height must be (least, greatest) between 0.02 and 4 image heights, got {self.person_height}',
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
        """Least and greatest number of people."""
        return self.people if isinstance(self.people, tuple) else (self.people, self.people)


def require(holds: bool, message: str) -> None:
    """Raise SettingsError with the message unless it holds."""
    if not holds:
        raise SettingsError(message)
