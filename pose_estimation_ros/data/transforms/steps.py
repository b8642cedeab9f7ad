"""Geometric steps. Sizes and lengths are in pixels of the frame before the step."""

from dataclasses import dataclass

import numpy as np

from pose_estimation_ros.core.errors import SettingsError
from pose_estimation_ros.core.geometry import Affine
from pose_estimation_ros.core.skeleton import COCO_17, Skeleton
from pose_estimation_ros.data.transforms.warp import Step, View


def require_range(name: str, values: tuple[float, float], least: float) -> None:
    """Raise SettingsError unless values are (minimum, maximum) with a minimum of at least `least`."""
    if not least <= values[0] <= values[1] < np.inf:
        raise SettingsError(f'{name} must be (minimum, maximum), {least} or more, got {values}')


def require_share(name: str, value: float) -> None:
    """Raise SettingsError unless a value is between 0 and 1."""
    if not 0 <= value <= 1:
        raise SettingsError(f'{name} must be between 0 and 1, got {value}')


def require_size(*sides: int) -> None:
    """Raise SettingsError unless all sides are at least one pixel."""
    if min(sides) < 1:
        raise SettingsError(f'a size must be 1 pixel or more, got {"x".join(map(str, sides))}')


@dataclass(frozen=True)
class _Side:
    """Base of steps with the length of a side in pixels."""

    size: int

    def __post_init__(self) -> None:
        require_size(self.size)


@dataclass(frozen=True)
class _Frame:
    """Base of steps with the size of a frame in pixels."""

    height: int
    width: int

    def __post_init__(self) -> None:
        require_size(self.height, self.width)


@dataclass(frozen=True)
class _Factor:
    """Base of steps with a range of scales."""

    low: float
    high: float

    def __post_init__(self) -> None:
        require_range('the scale', (self.low, self.high), 0.01)


class LongestSide(_Side):
    """Resize so that the longer side has `size` pixels."""

    def __call__(self, view: View, rng: np.random.Generator) -> View:
        return _resized(view, self.size / max(view.hw))


class ShortestSide(_Side):
    """Resize so that the shorter side has `size` pixels."""

    def __call__(self, view: View, rng: np.random.Generator) -> View:
        return _resized(view, self.size / min(view.hw))


class FitInside(_Frame):
    """Resize to fit into `height` by `width` pixels."""

    def __call__(self, view: View, rng: np.random.Generator) -> View:
        return _resized(view, min(self.height / view.hw[0], self.width / view.hw[1]))


@dataclass(frozen=True)
class PadTo(_Frame):
    """Pad to at least `height` by `width`: on all sides, or only below and on the right."""

    centred: bool = True

    def __call__(self, view: View, rng: np.random.Generator) -> View:
        height, width = max(self.height, view.hw[0]), max(self.width, view.hw[1])
        if not self.centred:
            return view.cut(0, 0, (height, width))
        return view.cut(-((width - view.hw[1]) // 2), -((height - view.hw[0]) // 2), (height, width))


class CentreCrop(_Frame):
    """Crop the central `height` by `width` pixels, with padding if the frame is smaller."""

    def __call__(self, view: View, rng: np.random.Generator) -> View:
        left, top = (view.hw[1] - self.width) // 2, (view.hw[0] - self.height) // 2
        return view.cut(left, top, (self.height, self.width))


class RandomCrop(_Frame):
    """Crop `height` by `width` pixels at a random position, with padding if the frame is smaller."""

    def __call__(self, view: View, rng: np.random.Generator) -> View:
        top, left = (
            int(rng.integers(min(0, spare), max(0, spare) + 1))
            for spare in (view.hw[0] - self.height, view.hw[1] - self.width)
        )
        return view.cut(left, top, (self.height, self.width))


@dataclass(frozen=True)
class RandomFlip:
    """Mirror image and keypoints with a probability."""

    skeleton: Skeleton = COCO_17
    p: float = 0.5

    def __post_init__(self) -> None:
        require_share('p', self.p)

    def __call__(self, view: View, rng: np.random.Generator) -> View:
        return view.flipped(self.skeleton) if rng.random() < self.p else view


@dataclass(frozen=True)
class RandomRotation:
    """Rotate by up to `degrees` in either direction about the frame's centre."""

    degrees: float

    def __call__(self, view: View, rng: np.random.Generator) -> View:
        return view.then(Affine.rotation(rng.uniform(-self.degrees, self.degrees), view.middle))


class RandomScale(_Factor):
    """Scale by `low` to `high` about the frame's centre; the frame keeps its size."""

    def __call__(self, view: View, rng: np.random.Generator) -> View:
        x, y = view.middle
        factor = rng.uniform(self.low, self.high)
        about_middle = np.array([[factor, 0, x - factor * x], [0, factor, y - factor * y]])
        return view.then(Affine(about_middle))


class RandomResize(_Factor):
    """Resize frame and content by `low` to `high`, with a uniform distribution of the logarithm."""

    def __call__(self, view: View, rng: np.random.Generator) -> View:
        return _resized(view, float(np.exp(rng.uniform(np.log(self.low), np.log(self.high)))))


@dataclass(frozen=True)
class RandomTranslation:
    """Shift by up to a share of the frame's sides."""

    share: float

    def __post_init__(self) -> None:
        require_share('share', self.share)

    def __call__(self, view: View, rng: np.random.Generator) -> View:
        x, y = rng.uniform(-self.share, self.share, 2) * view.hw[::-1]
        return view.then(Affine.translation(x, y))


@dataclass(frozen=True)
class Sometimes:
    """All of several steps with one probability."""

    p: float
    steps: tuple[Step, ...]

    def __post_init__(self) -> None:
        require_share('p', self.p)

    def __call__(self, view: View, rng: np.random.Generator) -> View:
        if rng.random() < self.p:
            for step in self.steps:
                view = step(view, rng)
        return view


def _resized(view: View, scale: float) -> View:
    return view.resized((max(1, round(view.hw[0] * scale)), max(1, round(view.hw[1] * scale))))
