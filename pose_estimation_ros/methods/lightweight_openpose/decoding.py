"""The three decodings of Lightweight OpenPose, from a network's maps to poses of the image."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

import cv2
import numpy as np

from pose_estimation_ros.core.arrays import FloatArray, finite
from pose_estimation_ros.core.geometry import Interpolation, Placement
from pose_estimation_ros.core.pose import Pose
from pose_estimation_ros.core.skeleton import OPENPOSE_18
from pose_estimation_ros.methods.lightweight_openpose import fast, reference
from pose_estimation_ros.methods.lightweight_openpose.grouping import COUNT, SCORE, Peaks
from pose_estimation_ros.methods.lightweight_openpose.limbs import NUM_KEYPOINTS
from pose_estimation_ros.methods.lightweight_openpose.mirroring import mirror_maps
from pose_estimation_ros.methods.lightweight_openpose.options import DecodingSettings, GroupingSettings
from pose_estimation_ros.methods.merging import enlarge, mean_on_image, mean_on_largest
from pose_estimation_ros.methods.method import Look

CANDIDATE_SHARE, CANDIDATE_KEYPOINTS = 0.6, 2
"""Candidates' minimum keypoint score, as a share of the usual one, and their minimum number of keypoints."""


@dataclass(frozen=True)
class FastDecoder:
    """The default: sub-cell peaks on the small maps, right pixel centres."""

    settings: DecodingSettings = field(default_factory=DecodingSettings)
    name: ClassVar[str] = 'fast'
    interpolation: ClassVar[Interpolation] = 'linear'

    def merge(self, looks: Sequence[Look]) -> Look:
        return mean_on_largest(looks, mirror_maps)

    def candidates(self) -> 'FastDecoder':
        """Return a decoder that also returns people whom the settings drop."""
        own = self.settings.grouping
        grouping = GroupingSettings(
            min_keypoints=min(CANDIDATE_KEYPOINTS, own.min_keypoints), min_mean_score=own.min_mean_score / 2
        )
        return FastDecoder(DecodingSettings(CANDIDATE_SHARE * self.settings.keypoint_threshold, grouping=grouping))

    def __call__(self, maps: Sequence[FloatArray], placement: Placement) -> list[Pose]:
        """Decode (19, H, W) heatmaps and (38, H, W) fields."""
        heatmaps, pafs = (finite(each) for each in maps)
        peaks, people = self._decoded(heatmaps, pafs, placement)
        return _poses(peaks, people, self.settings.max_persons)

    def _decoded(self, heatmaps: FloatArray, pafs: FloatArray, placement: Placement) -> tuple[Peaks, FloatArray]:
        """Return peaks in image pixels and people (P, 20), see `assemble`."""
        peak_settings = fast.PeakSettings(self.settings.keypoint_threshold, subcells=self.settings.upsample_ratio)
        peaks, people = fast.decode(heatmaps, pafs, peak_settings, self.settings.grouping)
        to_image = placement.map_to_image(_stride(heatmaps, placement))
        return replace(peaks, xy=to_image(peaks.xy)), people


@dataclass(frozen=True)
class ReferenceDecoder(FastDecoder):
    """The published demo: both maps enlarged x4, coordinates scaled without regard to pixel centres."""

    name: ClassVar[str] = 'reference'

    def _decoded(self, heatmaps: FloatArray, pafs: FloatArray, placement: Placement) -> tuple[Peaks, FloatArray]:
        ratio = self.settings.upsample_ratio
        enlarged = enlarge(heatmaps, ratio), enlarge(pafs, ratio)
        peaks, people = reference.decode_enlarged(*enlarged, self.settings.grouping, self.settings.keypoint_threshold)
        to_image = placement.map_to_image(_stride(heatmaps, placement) / ratio, pixel_centres=False)
        return replace(peaks, xy=to_image(peaks.xy)), people


@dataclass(frozen=True)
class EvaluationDecoder(FastDecoder):
    """The published COCO evaluation: maps enlarged to the image's own size. Exact and slow."""

    name: ClassVar[str] = 'evaluation'
    interpolation: ClassVar[Interpolation] = 'cubic'

    def merge(self, looks: Sequence[Look]) -> Look:
        return mean_on_image(looks, mirror_maps)

    def _decoded(self, heatmaps: FloatArray, pafs: FloatArray, placement: Placement) -> tuple[Peaks, FloatArray]:
        enlarged = _to_image_size(heatmaps, placement), _to_image_size(pafs, placement)
        peaks, people = reference.decode_enlarged(*enlarged, self.settings.grouping, self.settings.keypoint_threshold)
        return replace(peaks, xy=peaks.xy.astype(float)), people


DECODERS = {decoder.name: decoder for decoder in (FastDecoder, ReferenceDecoder, EvaluationDecoder)}


def _to_image_size(maps: FloatArray, placement: Placement) -> FloatArray:
    """Enlarge (C, H, W) maps to the network's input, cut its padding off, and resize to the image (H, W, C)."""
    height, width = placement.image_hw
    enlarged = enlarge(maps, round(_stride(maps, placement)))
    return cv2.resize(enlarged[placement.inner], (width, height), interpolation=cv2.INTER_CUBIC).astype(
        np.float32, copy=False
    )


def _stride(maps: FloatArray, placement: Placement) -> float:
    return float(placement.network_hw[0] / maps.shape[-2])


def _poses(peaks: Peaks, people: FloatArray, max_persons: int) -> list[Pose]:
    """Return people (P, 20) as poses, `peaks` being in image pixels."""
    if max_persons:
        people = people[np.sort(np.argsort(-people[:, SCORE], kind='stable')[:max_persons])]
    rows = np.column_stack([peaks.xy, peaks.score])
    rows = np.vstack([rows, [np.nan, np.nan, 0]]).astype(np.float32)  # the last row stands for a missing keypoint
    keypoints = rows[people[:, :NUM_KEYPOINTS].astype(int)]  # (P, 18, 3)
    ranking = people[:, SCORE] * np.maximum(0, people[:, COUNT] - 1)
    columns = zip(keypoints, people[:, SCORE].tolist(), ranking.tolist(), strict=True)
    return [Pose(one, score, OPENPOSE_18, ranking=rank) for one, score, rank in columns]
