"""Decoding on the network's own maps: the same peaks, tags and people, looked at only where something is.

Heatmaps are (K, H, W), tags (T, K, h, w) with cells as large or larger, people (P, K, 3 + T) as grouping.py has them.
x and y count cells of the heatmaps from the centre of the first. Scores are those that peaks have after enlarging to
the network's input, so that thresholds mean what they mean as published.
"""

from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np

from pose_estimation_ros.core.arrays import FloatArray, IntArray
from pose_estimation_ros.methods.higher_hrnet.decoding_settings import DecodingSettings
from pose_estimation_ros.methods.higher_hrnet.grouping import TAGS, People, group, usable

AROUND = np.arange(-1, 2)


@dataclass(frozen=True, eq=False)
class Maps:
    """Heatmaps and tags of one image, and the size of their cells."""

    heatmaps: FloatArray
    tags: FloatArray
    stride: float
    """Network pixels per cell of the heatmaps."""

    @property
    def block(self) -> int:
        """Cells of the heatmaps per cell of the tags, in each direction."""
        return int(self.heatmaps.shape[1] // self.tags.shape[2])


@dataclass(frozen=True, eq=False)
class Cells:
    """Cells of the heatmaps, (N,) each."""

    keypoint: IntArray
    y: IntArray
    x: IntArray


def parse(maps: Maps, settings: DecodingSettings) -> People:
    """Find the people of a network's maps."""
    peaks = find_peaks(maps, settings)
    people = People.of(group(peaks, settings.grouping.tag_threshold, settings.max_persons, keep_strong=True))
    if settings.grouping.refine:
        fill_missing(people, maps, settings.grouping.adjust)
    return people


def find_peaks(maps: Maps, settings: DecodingSettings) -> list[FloatArray]:
    """Return the highest peaks of each keypoint as rows (N, 3 + T), the highest first."""
    reach = max(1, int(settings.grouping.nms_window // 2 / maps.stride))
    cells = _highest_cells(maps.heatmaps, settings.keypoint_threshold, reach)
    rows = _measured(maps, cells, settings.grouping.adjust)
    rows = np.column_stack([rows, sample_tags(maps, cells.keypoint, rows[:, :2])]).astype(np.float32)
    scores = rows[:, 2]
    kept = np.flatnonzero((scores > settings.keypoint_threshold) & usable(rows))
    order = kept[np.argsort(-scores[kept], kind='stable')]
    limit = settings.max_persons or None
    return [rows[order[cells.keypoint[order] == each]][:limit] for each in range(len(maps.heatmaps))]


def _highest_cells(heatmaps: FloatArray, threshold: float, reach: int) -> Cells:
    """Return the cells that no other within reach exceeds, of equal ones the first: maps of low precision have such."""
    _, height, width = heatmaps.shape
    flat = heatmaps.ravel()
    index = np.flatnonzero(flat > threshold)
    for dy, dx in _neighbours(reach):
        y, x = np.divmod(index % (height * width), width)
        inside = (y + dy >= 0) & (y + dy < height) & (x + dx >= 0) & (x + dx < width)
        other, value = flat.take(index + (dy * width + dx), mode='clip'), flat[index]
        beaten = other >= value if (dy, dx) < (0, 0) else other > value
        index = index[~(inside & beaten)]
    keypoint, inner = np.divmod(index, height * width)
    return Cells(keypoint, *np.divmod(inner, width))


@cache
def _neighbours(reach: int) -> tuple[tuple[int, int], ...]:
    """Return the steps (dy, dx) to the cells within reach, the nearest first."""
    steps = range(-reach, reach + 1)
    return tuple(
        sorted(
            ((dy, dx) for dy in steps for dx in steps if (dy, dx) != (0, 0)),
            key=lambda step: abs(step[0]) + abs(step[1]),
        )
    )


def _measured(maps: Maps, cells: Cells, adjust: bool) -> FloatArray:
    """Return x, y and height (N, 3) of the peaks in cells; without `adjust` x and y are the cells' middles."""
    patches = _patches(maps.heatmaps, cells)
    xy = np.column_stack([cells.x, cells.y]).astype(float)
    return np.column_stack([xy + _offsets(patches) if adjust else xy, _enlarged_heights(patches, maps.stride)])


def _patches(heatmaps: FloatArray, cells: Cells) -> FloatArray:
    """Return cells with their neighbours (N, 3, 3); beyond the border the outermost cells repeat."""
    _, height, width = heatmaps.shape
    rows = np.clip(cells.y[:, None] + AROUND, 0, height - 1)
    columns = np.clip(cells.x[:, None] + AROUND, 0, width - 1)
    patches: FloatArray = heatmaps[cells.keypoint[:, None, None], rows[:, :, None], columns[:, None, :]]
    return patches


def _offsets(patches: FloatArray) -> FloatArray:
    """Return where the tops of parabolas through patches (N, 3, 3) lie, (N, 2) x, y from the middle, at most 0.5."""
    lines = np.stack([patches[:, 1, :], patches[:, :, 1]], axis=1)  # (N, 2, 3): along x, along y
    before, at, after = lines[..., 0], lines[..., 1], lines[..., 2]
    bend = before - 2 * at + after
    bent = bend < -1e-9
    return np.where(bent, np.clip(0.5 * (before - after) / np.where(bent, bend, -1), -0.5, 0.5), 0)


def _enlarged_heights(patches: FloatArray, stride: float) -> FloatArray:
    """Return the highest values (N,) in the middle of patches (N, 3, 3) after linear enlarging by the stride."""
    near = np.float32(0.5 / stride if stride > 1 else 0.0)
    rows = patches[:, 1:2] * (1 - near) + patches[:, ::2] * near  # (N, 2, 3): above and below the middle
    ends = rows[..., 1:2] * (1 - near) + rows[..., ::2] * near  # (N, 2, 2)
    highest: FloatArray = ends.max(axis=(1, 2))
    return highest


def sample_tags(maps: Maps, keypoint: IntArray, xy: FloatArray) -> FloatArray:
    """Return tags (N, T) at positions in the heatmaps, linear between the cells of the tags."""
    last = np.array(maps.tags.shape[:1:-1]) - 1  # x, y
    uv = np.clip((xy + 0.5) / maps.block - 0.5, 0, last)
    first = uv.astype(int)
    (left, top), (right, bottom), (u, v) = first.T, np.minimum(first + 1, last).T, (uv - first).T
    tags = maps.tags[:, keypoint, np.stack([top, top, bottom, bottom]), np.stack([left, right, left, right])]
    weights = np.stack([(1 - u) * (1 - v), u * (1 - v), (1 - u) * v, u * v])
    sampled: FloatArray = (tags * weights).sum(axis=1).T
    return sampled


def fill_missing(people: People, maps: Maps, adjust: bool) -> None:
    """Fill the missing keypoints of people by the best cells with about their tags; these keep tags of 0.

    Tags are compared cell by cell of the tags, each with the highest cell of the heatmap in it.
    """
    tagged, tags = people.tagged, people.rows[..., TAGS]
    means = (tags * tagged[..., None]).sum(axis=1) / np.maximum(tagged.sum(axis=1), 1)[:, None]  # (P, T)
    person, keypoint, index = [], [], []
    for each in np.flatnonzero(~tagged.all(axis=0)).tolist():
        lacking = np.flatnonzero(~tagged[:, each])
        person.append(lacking)
        keypoint.append(np.full(len(lacking), each))
        index.append(_best_cells(maps, each, means[lacking].astype(np.float32)))
    if person:
        people_index, kinds = np.concatenate(person), np.concatenate(keypoint)
        rows = _measured(maps, Cells(kinds, *np.divmod(np.concatenate(index), maps.heatmaps.shape[2])), adjust)
        filled = rows[:, 2] > 0
        people.rows[people_index[filled], kinds[filled], :3] = rows[filled]


def _best_cells(maps: Maps, keypoint: int, means: FloatArray) -> IntArray:
    """Return for mean tags (M, T) the numbers of the best cells of a heatmap."""
    heatmap, tags, block = maps.heatmaps[keypoint], maps.tags[:, keypoint], maps.block
    dilated = np.asarray(cv2.dilate(heatmap, np.ones((block, block), np.uint8), anchor=(0, 0)), np.float32)
    highest = dilated[::block, ::block]  # (h, w)
    best = [_best_tag_cell(highest, tags, mean) for mean in means]
    top, left = np.array(np.unravel_index(best, highest.shape)) * block
    inner = np.arange(block)
    y, x = (top[:, None] + inner)[:, :, None], (left[:, None] + inner)[:, None, :]
    row, column = np.divmod(heatmap[y, x].reshape(len(means), -1).argmax(axis=1), block)
    cells: IntArray = (top + row) * heatmap.shape[1] + left + column
    return cells


def _best_tag_cell(highest: FloatArray, tags: FloatArray, mean: FloatArray) -> int:
    """Return the number of the cell of tags (T, h, w) that is high and whose tag is near; where it is NaN: never."""
    distance = tags[0] - mean[0] if len(tags) == 1 else np.linalg.norm(tags - mean[:, None, None], axis=0)
    np.abs(distance, out=distance)
    np.rint(distance, out=distance)
    np.subtract(highest, distance, out=distance)
    best = int(distance.argmax())
    return int(np.fmax(distance, -np.inf).argmax()) if np.isnan(distance.flat[best]) else best
