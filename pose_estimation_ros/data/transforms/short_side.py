"""The random affine map that bottom-up systems on HRNet are trained with."""

from dataclasses import dataclass

import numpy as np

from pose_estimation_ros.core.geometry import centred_affine
from pose_estimation_ros.data.transforms.steps import require_range, require_share, require_size
from pose_estimation_ros.data.transforms.warp import View


@dataclass(frozen=True)
class AffineDraws:
    """What chance decides."""

    scale: float
    """0 to 1, from the smallest to the largest scale."""
    rotation: float
    """0 to 1, from the largest rotation clockwise to the largest anticlockwise."""
    dx: int
    dy: int
    """Shift of what is seen, in image pixels."""


@dataclass(frozen=True)
class ShortSideAffine:
    """See a square around the image's centre, as large as its short side times a random scale, turned and moved.

    `scale` is minimum and maximum, `translation` the maximum shift as a share of the square's side.
    """

    size: int
    scale: tuple[float, float] = (0.75, 1.5)
    degrees: float = 30.0
    translation: float = 0.2

    def __post_init__(self) -> None:
        require_size(self.size)
        require_range('the scale', self.scale, 0.01)
        require_share('the translation', self.translation)

    def __call__(self, view: View, rng: np.random.Generator) -> View:
        return self.placed(view, self.draws(view.hw, rng))

    def draws(self, image_hw: tuple[int, int], rng: np.random.Generator) -> AffineDraws:
        """Draw a map for an image; shifts are whole pixels, as published."""
        scale, rotation = rng.random(2).tolist()
        limit = int(self.translation * self._side(image_hw, scale))
        dx, dy = rng.integers(-limit, max(limit, 1 - limit), 2).tolist()
        return AffineDraws(scale, rotation, dx, dy)

    def placed(self, view: View, draws: AffineDraws) -> View:
        """Return the view that draws lead to."""
        centre = view.hw[1] / 2 + draws.dx, view.hw[0] / 2 + draws.dy
        scale, degrees = self.size / self._side(view.hw, draws.scale), (2 * draws.rotation - 1) * self.degrees
        hw = self.size, self.size
        return view.then(centred_affine(centre, scale, hw, -degrees), hw)

    def _side(self, image_hw: tuple[int, int], drawn: float) -> float:
        low, high = self.scale
        return min(image_hw) * (low + drawn * (high - low))
