"""Matches detections with annotated people: misses, false positives, and the accuracy of each keypoint."""

import warnings
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pose_estimation_ros.core.arrays import BoolArray, FloatArray, IntArray
from pose_estimation_ros.core.oks import LABELLED, keypoint_similarity, oks
from pose_estimation_ros.core.skeleton import COCO_17, Skeleton

MINIMUM_OKS = 0.1  # Of a match
UNMATCHED = -1


@dataclass(frozen=True, eq=False)
class ImageMatch:
    """The annotated people and the detections of an image, matched one to one."""

    image_id: int
    truth: FloatArray  # (G, K, 3) in COCO's pixels: people with labelled keypoints, without crowds
    areas: FloatArray  # (G,)
    found: FloatArray  # (P, K, 3) in COCO's pixels, by descending score
    partner: IntArray  # (G,) index in `found`, -1 for missed people
    oks: FloatArray  # (G,) with the partner, 0 for missed people
    false_positives: int  # Detections without a partner that do not lie in a crowd

    @property
    def loss(self) -> float:
        """Loss of OKS: up to 1 for each person, and 0.5 for each false positive."""
        return float((1 - self.oks).sum()) + 0.5 * self.false_positives


@dataclass(frozen=True, eq=False)
class KeypointScores:
    """Accuracy of each keypoint, over the people who were found."""

    similarity: FloatArray  # (K,) mean similarity from 0 to 1, 0 for a missing keypoint; NaN if no person has it
    distance: FloatArray
    """(K,) median distance of found keypoints in percent of the person's size (the root of the area)."""
    found: FloatArray  # (K,) percent of labelled keypoints that were found


def match_images(
    truth: dict[str, Any],
    detections: Iterable[dict[str, Any]],
    image_ids: Sequence[int],
    skeleton: Skeleton = COCO_17,
    threshold: float = 0.0,
) -> list[ImageMatch]:
    """Match people and detections of each image, greatest OKS first, without detections below a minimum score."""
    people, found = defaultdict(list), defaultdict(list)
    for annotation in truth['annotations']:
        people[annotation['image_id']].append(annotation)
    for detection in detections:
        if detection['score'] >= threshold:
            found[detection['image_id']].append(detection)
    return [_match(image_id, people[image_id], found[image_id], skeleton) for image_id in image_ids]


def _match(image_id: int, people: list[Any], detections: list[Any], skeleton: Skeleton) -> ImageMatch:
    sigmas = np.array(skeleton.sigmas)
    detections = sorted(detections, key=lambda each: -each['score'])
    found = np.array([each['keypoints'] for each in detections], dtype=float).reshape(-1, len(skeleton), 3)
    everybody = np.array([each['keypoints'] for each in people], dtype=float).reshape(-1, len(skeleton), 3)
    areas = np.array([each['area'] for each in people], dtype=float)
    boxes = np.array([each.get('bbox', (0, 0, 0, 0)) for each in people], dtype=float).reshape(-1, 4)
    crowd = np.array([bool(each.get('iscrowd')) for each in people], dtype=bool)
    counts: BoolArray = (everybody[..., 2] > LABELLED).any(axis=1) & ~crowd
    similar = oks(found, everybody, areas, sigmas, boxes)  # (P, everybody)
    partner = _greedy_pairs(similar[:, counts])
    taken = np.isin(np.arange(len(found)), partner)
    excused = (similar[:, ~counts] >= MINIMUM_OKS).any(axis=1)
    best = np.zeros(len(partner))
    matched = np.flatnonzero(partner != UNMATCHED)
    best[matched] = similar[partner[matched], np.flatnonzero(counts)[matched]]
    false_positives = int((~taken & ~excused).sum())
    return ImageMatch(image_id, everybody[counts], areas[counts], found, partner, best, false_positives)


def _greedy_pairs(similar: FloatArray) -> IntArray:
    """Return the row for every column of (P, G), greatest values first; -1 if none reaches the minimum."""
    partner = np.full(similar.shape[1], UNMATCHED)
    left = similar.copy()
    while left.size and left.max() >= MINIMUM_OKS:
        row, column = np.unravel_index(left.argmax(), left.shape)
        partner[column] = row
        left[row], left[:, column] = 0, 0
    return partner


def keypoint_scores(images: Iterable[ImageMatch], skeleton: Skeleton = COCO_17) -> KeypointScores:
    rows = [_keypoints(image, np.array(skeleton.sigmas)) for image in images]
    empty = np.empty((0, len(skeleton)))
    similarity, distance = (np.concatenate([empty, *(row[part] for row in rows)]) for part in (0, 1))  # (N, K)
    found = np.where(np.isnan(similarity), np.nan, ~np.isnan(distance))
    with warnings.catch_warnings():
        warnings.simplefilter('ignore', RuntimeWarning)  # of keypoints that nobody has: their mean is NaN
        means = (np.nanmean(similarity, axis=0), 100 * np.nanmedian(distance, axis=0), 100 * np.nanmean(found, axis=0))
    return KeypointScores(*means)


def _keypoints(image: ImageMatch, sigmas: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return similarity and distance (N, K) of the people found; NaN if not labelled, distance also if not found."""
    there = image.partner != UNMATCHED
    truth, areas, found = image.truth[there], image.areas[there], image.found[image.partner[there]]
    labelled: BoolArray = truth[..., 2] > LABELLED
    placed = labelled & (found[..., :2] != 0).any(axis=2)
    every = np.arange(len(truth))
    similarity = np.nan_to_num(keypoint_similarity(found, truth, areas, sigmas)[every, every])  # (N, K)
    distance = np.linalg.norm(found[..., :2] - truth[..., :2], axis=2) / np.sqrt(np.maximum(areas, 1))[:, None]
    return np.where(labelled, similarity * placed, np.nan), np.where(placed, distance, np.nan)
