"""Geometric steps of published trainings, relative to the first (*main*) person."""

from dataclasses import dataclass, replace

import numpy as np

from pose_estimation_ros.core.boxes import PersonCrop
from pose_estimation_ros.core.geometry import Affine
from pose_estimation_ros.data.transforms.steps import require_range, require_share, require_size
from pose_estimation_ros.data.transforms.warp import View


@dataclass(frozen=True)
class ScaleToPerson:
    """Resize so that the main person's box is `target` of `size` pixels high, times a random multiplier.

    Without people, the shorter side becomes `size` pixels times the multiplier.
    """

    size: int = 368
    multiplier: tuple[float, float] = (0.5, 1.1)
    target: float = 0.6

    def __post_init__(self) -> None:
        require_size(self.size)
        require_range('multiplier', self.multiplier, 0.01)
        require_range('target', (self.target, self.target), 0.01)

    def __call__(self, view: View, rng: np.random.Generator) -> View:
        box = view.main_box
        wanted = self.size / min(view.hw) if box is None else self.target * self.size / (box[3] * view.scale)
        factor = wanted * rng.uniform(*self.multiplier)
        hw = (max(1, round(view.hw[0] * factor)), max(1, round(view.hw[1] * factor)))
        return view.then(Affine.scaling(factor), hw)


@dataclass(frozen=True)
class RotateExpanding:
    """Rotate by up to `degrees` in either direction and enlarge the frame to show the whole image."""

    degrees: float = 40.0

    def __call__(self, view: View, rng: np.random.Generator) -> View:
        degrees = rng.uniform(-self.degrees, self.degrees)
        cos, sin = abs(np.cos(np.radians(degrees))), abs(np.sin(np.radians(degrees)))
        height, width = view.hw
        hw = int(height * cos + width * sin), int(height * sin + width * cos)
        hw = max(1, hw[0]), max(1, hw[1])
        turned = view.then(Affine.rotation(degrees, view.middle))
        return turned.cut((width - hw[1]) / 2, (height - hw[0]) / 2, hw)


@dataclass(frozen=True)
class CropAroundPerson:
    """Crop `height` by `width` pixels around the centre of the main person's box, moved by up to `jitter` pixels.

    Without people, crop around the image's centre.
    """

    height: int = 368
    width: int = 368
    jitter: float = 40.0

    def __post_init__(self) -> None:
        require_size(self.height, self.width)

    def __call__(self, view: View, rng: np.random.Generator) -> View:
        box = view.main_box
        centre = np.array(view.middle) if box is None else view.affine(box[:2] + box[2:] / 2)
        x, y = centre + rng.uniform(-self.jitter, self.jitter, 2)
        return view.cut(x - (self.width - 1) / 2, y - (self.height - 1) / 2, (self.height, self.width))


@dataclass(frozen=True)
class CutOutPerson:
    """Crop the main person for top-down networks: the box in the frame's aspect ratio, enlarged by a quarter.

    It must be the first step. The size of the crop varies by a normal distribution of deviation `scale` about 1,
    clipped at one deviation; with probability `p_rotation` the crop is rotated by a normal distribution of `rotation`
    degrees, clipped at two. Without people, the crop is the whole image.
    """

    height: int = 256
    width: int = 192
    padding: float = 1.25
    scale: float = 0.3
    rotation: float = 40.0
    p_rotation: float = 0.6

    def __post_init__(self) -> None:
        require_size(self.height, self.width)
        require_range('padding', (self.padding, self.padding), 0.1)
        require_share('scale', self.scale)
        require_share('p_rotation', self.p_rotation)

    def __call__(self, view: View, rng: np.random.Generator) -> View:
        factor = 1 + float(np.clip(rng.standard_normal() * self.scale, -self.scale, self.scale))
        degrees = float(np.clip(rng.standard_normal(), -2, 2)) * self.rotation
        turned = rng.random() < self.p_rotation
        whole = np.array([-0.5, -0.5, view.sample.image.shape[1], view.sample.image.shape[0]])
        hw = self.height, self.width
        crop = PersonCrop.around(whole if view.main_box is None else view.main_box, hw, self.padding)
        return replace(view, affine=crop.to_network(hw, degrees if turned else 0.0, factor), hw=hw)
