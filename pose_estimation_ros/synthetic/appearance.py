"""How a person looks: skin, hair, clothes, and the texture atlas that holds them. Colours are BGR from 0 to 255."""

from dataclasses import dataclass, replace
from functools import lru_cache

import cv2
import numpy as np

from pose_estimation_ros.core.arrays import ByteArray, FloatArray
from pose_estimation_ros.synthetic.face import paint_face
from pose_estimation_ros.synthetic.head import Hair
from pose_estimation_ros.synthetic.mesh import MARGIN, TILES
from pose_estimation_ros.synthetic.noise import smooth_noise

_SKIN = (
    (176, 200, 236),
    (150, 182, 226),
    (132, 166, 214),
    (104, 142, 196),
    (74, 108, 160),
    (52, 78, 124),
    (38, 56, 92),
)
_HAIR = ((20, 22, 26), (28, 34, 44), (34, 48, 70), (44, 68, 104), (70, 116, 168), (96, 160, 206), (36, 62, 118))
_GREY_HAIR = ((150, 152, 155), (205, 207, 210))
_TOPS = (
    *((235, 236, 238), (40, 40, 44), (48, 44, 180), (150, 78, 36), (70, 120, 50), (60, 190, 225), (190, 160, 90)),
    *((120, 120, 124), (90, 60, 110), (180, 150, 215), (200, 190, 170), (60, 100, 200), (110, 70, 30), (140, 170, 190)),
)
_BOTTOMS = ((110, 74, 44), (80, 52, 34), (44, 42, 42), (140, 160, 178), (96, 98, 100), (60, 74, 92), (150, 110, 76))
_SHOES = ((235, 236, 238), (32, 32, 34), (40, 62, 104), (60, 50, 170), (130, 130, 132), (130, 90, 50))


@dataclass(frozen=True)
class Outfit:
    """Clothes by where they end: arm and leg stations run 0 shoulder/hip, 1 elbow/knee, 2 wrist/ankle.

    `hem` is where the top ends, as a fraction of the stature; `skirt` ends at that leg station, 0 means none.
    """

    sleeves: float
    trousers: float
    hem: float
    looseness: float
    skirt: float
    hair: Hair
    wrinkles: int
    """Seed of the folds."""


@dataclass(frozen=True, eq=False)
class Appearance:
    """An outfit and the (256, 640, 3) uint8 atlas of its textures; `TILES` has their rectangles."""

    outfit: Outfit
    atlas: ByteArray

    @classmethod
    def random(cls, rng: np.random.Generator, feminine: bool, child: bool, sits: bool) -> 'Appearance':
        outfit = _outfit(rng, feminine, child, sits)
        skin = np.array(_SKIN[int(rng.integers(len(_SKIN)))], dtype=float) * rng.uniform(0.95, 1.05)
        hair = _hair_colour(rng, child, dark=float(skin.mean()) < 120)
        top, bottom = _colour(rng, _TOPS), _colour(rng, _BOTTOMS)
        if outfit.skirt and rng.random() < 0.6:
            bottom = _colour(rng, _TOPS)
        tiles = {
            'face': paint_face(rng, skin, hair, feminine, child, outfit.hair),
            'top': _top(rng, top, skin, outfit.sleeves),
            'bottom': _trousers(rng, bottom),
            'hair': _strands(rng, hair),
            'skin': _grain(rng, skin, 128, 4),
            'shoes': _shoe(rng, _colour(rng, _SHOES)),
            'extra': _grain(rng, _colour(rng, _TOPS), 128, 8),
        }
        return cls(outfit, _atlas(tiles))


def _outfit(rng: np.random.Generator, feminine: bool, child: bool, sits: bool) -> Outfit:
    skirt = float(rng.uniform(0.75, 1.45)) if feminine and not sits and rng.random() < 0.3 else 0.0
    shorts = rng.random() < (0.45 if child else 0.2)
    trousers = float(rng.uniform(0.6, 0.95)) if shorts else float(rng.uniform(1.86, 1.97))
    return Outfit(
        sleeves=float(rng.choice([0.12, 0.5, 0.62, 1.9, 1.95], p=[0.06, 0.25, 0.2, 0.24, 0.25])),
        trousers=0.25 if skirt else trousers,
        hem=float(rng.choice([0.47, 0.485, 0.5, 0.57], p=[0.2, 0.35, 0.25, 0.2])) if not skirt else 0.57,
        looseness=float(rng.uniform(0.6, 1.6)),
        skirt=skirt,
        hair=_hair(rng, feminine, child),
        wrinkles=int(rng.integers(1 << 30)),
    )


def _hair(rng: np.random.Generator, feminine: bool, child: bool) -> Hair:
    hat = str(rng.choice(['', 'cap', 'beanie'], p=[0.86, 0.08, 0.06]))
    if feminine:
        length = float(rng.choice([0.25, -0.1, -0.45, -0.8], p=[0.3, 0.25, 0.25, 0.2]))
        return Hair(length, float(rng.uniform(0.03, 0.06)), float(rng.uniform(0.72, 0.84)), bun=length > 0, hat=hat)
    bald = not child and rng.random() < 0.12
    volume = float(rng.choice([0.012, 0.035, 0.06, 0.13], p=[0.25, 0.4, 0.25, 0.1]))
    return Hair(float(rng.uniform(0.2, 0.3)), volume, float(rng.uniform(0.76, 0.87)), bald, hat=hat)


def _hair_colour(rng: np.random.Generator, child: bool, dark: bool) -> FloatArray:
    if not child and rng.random() < 0.15:
        return np.array(_GREY_HAIR[int(rng.integers(2))], dtype=float)
    return np.array(_HAIR[int(rng.integers(2 if dark else len(_HAIR)))], dtype=float)


def _colour(rng: np.random.Generator, palette: tuple[tuple[int, int, int], ...]) -> FloatArray:
    chosen = np.array(palette[int(rng.integers(len(palette)))], dtype=float)
    return np.clip(chosen * rng.uniform(0.85, 1.1) + rng.normal(0, 9, 3), 12, 246)


def _grain(rng: np.random.Generator, colour: FloatArray, size: int, strength: float) -> FloatArray:
    """Return cloth or skin of one slightly uneven colour."""
    coarse = smooth_noise(rng, (size, size), 6) * np.float32(strength)
    uneven = coarse + rng.standard_normal((size, size), np.float32) * np.float32(0.35 * strength)
    return np.clip(colour.astype(np.float32) + uneven[..., None], 0, 255)


def _folds(rng: np.random.Generator, strength: float) -> FloatArray:
    """(128, 128) brightness factors of creases that run around the limb, slightly slanted."""
    bent = smooth_noise(rng, (128, 128), 4) * 9 + smooth_noise(rng, (128, 128), 9) * 3
    rows = np.arange(128)[:, None] + np.arange(128) * rng.uniform(-0.3, 0.3) + bent
    crease = np.sin(rows * rng.uniform(0.25, 0.4)) * np.clip(smooth_noise(rng, (128, 128), 5) + 0.2, 0, 1)
    folds = 1 + strength * crease + strength * 0.5 * smooth_noise(rng, (128, 128), 3)
    seam = np.clip(1 - np.minimum(np.arange(128), np.arange(128)[::-1]) / 20, 0, 1)
    result: FloatArray = folds * (1 - seam) + folds.mean(axis=1, keepdims=True) * seam
    return result.astype(np.float32)


def _top(rng: np.random.Generator, colour: FloatArray, skin: FloatArray, sleeves: float) -> FloatArray:
    cloth = _grain(rng, colour, 128, 5)
    other = _colour(rng, _TOPS)
    pattern = str(rng.choice(['plain', 'stripes', 'check', 'print', 'block', 'jacket', 'buttons', 'dots']))
    row, column = np.mgrid[:128, :128]
    if pattern == 'stripes':
        cloth[(row // int(rng.integers(4, 10))) % 2 == 0] = other
    elif pattern == 'check':
        period = int(rng.integers(10, 20))
        cloth[row % period < period // 3] *= 0.72
        cloth[column % period < period // 3] *= 0.72
    elif pattern == 'dots':
        cloth[((row % 12 - 6) ** 2 + (column % 8 - 4) ** 2 * 2) < 9] = other
    elif pattern == 'block':
        cloth[int(rng.integers(30, 60)) :] = other
    elif pattern == 'print':
        _print(rng, cloth, other)
    elif pattern == 'jacket' and sleeves > 1:
        _opening(cloth, other)
    elif pattern == 'buttons':
        cloth[:, 63:66] *= 0.82
        cloth[12::14, 64] = (225, 225, 225)
    if pattern != 'jacket' and rng.random() < 0.5:  # a V of skin at the throat
        throat = np.zeros((128, 128), np.uint8)
        cv2.fillPoly(throat, [np.array([[50, 0], [78, 0], [64, 17]], np.int32)], (255,))
        cloth = np.where(throat[..., None] > 0, skin * 0.93, cloth * _folds(rng, 0.19)[..., None])
    else:
        cloth = cloth * _folds(rng, 0.19)[..., None]
    return cloth


def _print(rng: np.random.Generator, cloth: FloatArray, colour: FloatArray) -> None:
    canvas = np.zeros((128, 128), np.uint8)
    for _ in range(int(rng.integers(2, 5))):
        centre = (int(rng.integers(54, 75)), int(rng.integers(26, 56)))
        axes = (int(rng.integers(2, 8)), int(rng.integers(3, 12)))
        cv2.ellipse(canvas, centre, axes, float(rng.uniform(0, 180)), 0, 360, (255,), cv2.FILLED)
    cloth[canvas > 0] = colour


def _opening(cloth: FloatArray, shirt: FloatArray) -> None:
    """Paint an open jacket: a strip of shirt down the front between darker edges."""
    wedge = np.array([[54, 64], [74, 64], [68, 191], [60, 191]], np.int32)
    mask = np.zeros((128, 128), np.uint8)
    cv2.polylines(mask, [wedge], True, (128,), 4)
    cv2.fillPoly(mask, [wedge], (255,))
    cloth[mask == 128] *= 0.7
    cloth[mask == 255] = shirt


def _trousers(rng: np.random.Generator, colour: FloatArray) -> FloatArray:
    cloth = _grain(rng, colour, 128, 7)
    if colour[0] > colour[2] * 1.3:  # worn denim
        worn = np.exp(-(((np.arange(128) - 64) / 20) ** 2))[None, :, None] * 22
        cloth = cloth + worn
    cloth[:, 62:64] *= 0.92
    cloth *= _folds(rng, 0.19)[..., None]
    return cloth


def _strands(rng: np.random.Generator, colour: FloatArray) -> FloatArray:
    streaks = cv2.GaussianBlur(rng.standard_normal((128, 128), np.float32), (0, 0), sigmaX=0.8, sigmaY=9)
    streaks = streaks / streaks.std()
    sheen = np.exp(-(((np.arange(128) - 40) / 14) ** 2))[:, None]
    brightness = 1 + min(0.22, 22 / colour.mean()) * streaks + 0.35 * sheen
    return np.asarray(np.clip(colour * brightness[..., None], 0, 255))


def _shoe(rng: np.random.Generator, colour: FloatArray) -> FloatArray:
    cloth = _grain(rng, colour, 128, 5)
    sole = np.array([225.0] * 3) if rng.random() < 0.6 else np.array([34.0] * 3)
    cloth[26:, :22] = cloth[26:, -22:] = sole
    cloth[56:90:6, 52:76] = 230 if colour.mean() < 160 else 90  # laces
    return cloth


def _atlas(tiles: dict[str, FloatArray]) -> ByteArray:
    atlas = np.zeros((256, 640, 3), np.uint8)
    for name, pixels in tiles.items():
        left, top, right, bottom = (int(edge) for edge in TILES[name])
        inner = (right - left - 2 * MARGIN, bottom - top - 2 * MARGIN)
        small = cv2.resize(np.clip(pixels, 0, 255).astype(np.uint8), inner, interpolation=cv2.INTER_AREA)
        atlas[top:bottom, left:right] = cv2.copyMakeBorder(small, MARGIN, MARGIN, MARGIN, MARGIN, cv2.BORDER_REPLICATE)
    return atlas


_KEPT = 160
"""Maximum number of cached looks, 0.5 MB each."""
_DYED = ('top', 'bottom', 'shoes', 'extra')
_LEVELS = np.arange(256, dtype=np.float32)


@dataclass(frozen=True)
class Wardrobe:
    """Source of looks: painted for each person, or, faster, chosen from about `looks` per sex and recoloured."""

    looks: int = 0

    def appearance(self, rng: np.random.Generator, feminine: bool, child: bool, sits: bool) -> Appearance:
        """Return a random look."""
        if not self.looks:
            return Appearance.random(rng, feminine, child, sits)
        few = child or sits  # rare
        number = int(rng.integers(max(1, self.looks // 8) if few else self.looks))
        worn = _painted(number, feminine, child, sits)
        return replace(worn, atlas=_dyed(worn.atlas, rng))


@lru_cache(maxsize=_KEPT)
def _painted(number: int, feminine: bool, child: bool, sits: bool) -> Appearance:
    return Appearance.random(np.random.default_rng([number, feminine, child, sits]), feminine, child, sits)


def _dyed(atlas: ByteArray, rng: np.random.Generator) -> ByteArray:
    """Return the textures with other colours of clothes and another brightness."""
    dyed = np.asarray(cv2.convertScaleAbs(atlas, alpha=rng.uniform(0.9, 1.08)), np.uint8)
    for name in _DYED:
        left, top, right, bottom = (int(edge) for edge in TILES[name])
        tile = dyed[top:bottom, left:right]
        order = rng.permutation(3)
        factors = rng.uniform(0.75, 1.2, 3) * rng.uniform(0.8, 1.15)
        table = np.clip(_LEVELS[:, None] * factors + rng.normal(0, 10), 0, 255).astype(np.uint8)
        tile[:] = cv2.LUT(np.ascontiguousarray(tile[..., order]), table[None].transpose(1, 0, 2).reshape(1, 256, 3))
    return dyed
