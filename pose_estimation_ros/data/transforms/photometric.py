"""Changes of colour and sharpness, each with probability `p`."""

from dataclasses import dataclass, replace

import cv2
import numpy as np

from pose_estimation_ros.core.arrays import AnyArray, ByteArray
from pose_estimation_ros.data.sample import Sample
from pose_estimation_ros.data.transforms.steps import require_range, require_share

_LEVELS = np.arange(256, dtype=np.float32)


@dataclass(frozen=True)
class Colour:
    """Brightness, contrast and saturation by factors of 1 - x to 1 + x, hue shifted by up to x of the circle."""

    brightness: float = 0.3
    contrast: float = 0.3
    saturation: float = 0.4
    hue: float = 0.02
    p: float = 0.8

    def __post_init__(self) -> None:
        for name in ('brightness', 'contrast', 'saturation', 'hue', 'p'):
            require_share(name, getattr(self, name))

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        brightness, contrast, saturation = (
            1 + rng.uniform(-by, by) for by in (self.brightness, self.contrast, self.saturation)
        )
        turn = rng.uniform(-self.hue, self.hue)
        if rng.random() >= self.p:
            return sample
        image = sample.image
        if self.saturation or self.hue:
            image = _tinted(image, saturation, turn)
        middle = float(image.mean()) * brightness
        levels = (_LEVELS * brightness - middle) * contrast + middle
        return replace(sample, image=np.asarray(cv2.LUT(image, _bytes(levels)), np.uint8))


@dataclass(frozen=True)
class Grey:
    """Conversion to grey."""

    p: float = 0.05

    def __post_init__(self) -> None:
        require_share('p', self.p)

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        if rng.random() >= self.p:
            return sample
        grey = cv2.cvtColor(sample.image, cv2.COLOR_BGR2GRAY)
        return replace(sample, image=np.asarray(cv2.merge([grey, grey, grey]), np.uint8))


@dataclass(frozen=True)
class Blur:
    """Gaussian blur; `sigma` is the range of its standard deviation in pixels."""

    sigma: tuple[float, float] = (0.4, 1.5)
    p: float = 0.1

    def __post_init__(self) -> None:
        require_range('sigma', self.sigma, 0.1)
        require_share('p', self.p)

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        sigma = rng.uniform(*self.sigma)
        if rng.random() >= self.p:
            return sample
        return replace(sample, image=np.asarray(cv2.GaussianBlur(sample.image, (0, 0), sigma), np.uint8))


@dataclass(frozen=True)
class Noise:
    """Gaussian noise; `sigma` is the range of its standard deviation in grey levels."""

    sigma: tuple[float, float] = (1.0, 10.0)
    p: float = 0.1

    def __post_init__(self) -> None:
        require_range('sigma', self.sigma, 0.0)
        require_share('p', self.p)

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        sigma = rng.uniform(*self.sigma)
        if rng.random() >= self.p:
            return sample
        grain = rng.standard_normal(sample.image.shape, np.float32) * np.float32(sigma)
        return replace(sample, image=_bytes(sample.image + grain))


@dataclass(frozen=True)
class JpegArtifacts:
    """JPEG artefacts; `quality` is a range within 1 to 100."""

    quality: tuple[float, float] = (30, 90)
    p: float = 0.1

    def __post_init__(self) -> None:
        require_range('quality', self.quality, 1)
        require_range('quality', (self.quality[1], 100), 1)
        require_share('p', self.p)

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        quality = round(rng.uniform(*self.quality))
        if rng.random() >= self.p:
            return sample
        _, packed = cv2.imencode('.jpg', sample.image, [cv2.IMWRITE_JPEG_QUALITY, quality])
        return replace(sample, image=np.asarray(cv2.imdecode(packed, cv2.IMREAD_COLOR), np.uint8))


def _tinted(image: ByteArray, saturation: float, turn: float) -> ByteArray:
    hue, colour, value = cv2.split(cv2.cvtColor(image, cv2.COLOR_BGR2HSV_FULL))
    hue = cv2.LUT(hue, ((_LEVELS + turn * 256) % 256).astype(np.uint8))
    colour = cv2.LUT(colour, _bytes(_LEVELS * saturation))
    return np.asarray(cv2.cvtColor(cv2.merge([hue, colour, value]), cv2.COLOR_HSV2BGR_FULL), np.uint8)


def _bytes(values: AnyArray) -> ByteArray:
    return np.clip(np.round(values), 0, 255).astype(np.uint8)
