"""Decoding as published: heatmaps and tags at the size of the network's input, every pixel looked at.

Heatmaps are (K, H, W), tags (T, K, H, W), people (P, K, 3 + T) as grouping.py has them. x and y count whole pixels
from the first one until `adjust` and `refine`, then from the corner of the first pixel, as labels do.
"""

import cv2
import numpy as np

from pose_estimation_ros.core.arrays import FloatArray, IntArray
from pose_estimation_ros.methods.higher_hrnet.decoding_settings import DecodingSettings
from pose_estimation_ros.methods.higher_hrnet.grouping import SCORE, People, group, usable

CENTRE = 0.5
"""From a pixel's number to its middle."""
QUARTER = 0.25


def parse(heatmaps: FloatArray, tags: FloatArray, settings: DecodingSettings, keep_strong: bool = False) -> People:
    """Find the people of full-size maps; `keep_strong` is that of `grouping.assign`."""
    peaks = find_peaks(heatmaps, tags, settings)
    people = People.of(group(peaks, settings.grouping.tag_threshold, settings.max_persons, keep_strong))
    if settings.grouping.adjust:
        adjust(people.rows, heatmaps)
    if settings.grouping.refine:
        for person in people.rows:
            refine(person, heatmaps, tags)
    return people


def find_peaks(heatmaps: FloatArray, tags: FloatArray, settings: DecodingSettings) -> list[FloatArray]:
    """Return the highest peaks of each keypoint as rows (N, 3 + T), the highest first."""
    window = np.ones((settings.grouping.nms_window,) * 2, np.uint8)
    rows = []
    for keypoint, heatmap in enumerate(heatmaps):
        highest = (cv2.dilate(heatmap, window) == heatmap) & (heatmap > settings.keypoint_threshold)
        y, x = np.nonzero(highest)
        y, x = (each[_best(heatmap[y, x], settings.max_persons)] for each in (y, x))
        found = np.column_stack([x, y, heatmap[y, x], tags[:, keypoint, y, x].T]).astype(np.float32)
        rows.append(found[usable(found)])
    return rows


def _best(scores: FloatArray, count: int) -> IntArray:
    return np.argsort(-scores, kind='stable')[: count or None]


def adjust(people: FloatArray, heatmaps: FloatArray) -> None:
    """Move the keypoints of people a quarter of a pixel towards the higher neighbour, and to the pixels' middles."""
    person, keypoint = np.nonzero(people[..., SCORE] > 0)
    x, y = people[person, keypoint, :2].astype(int).T
    people[person, keypoint, :2] = between_pixels(heatmaps, keypoint, x, y)


def between_pixels(heatmaps: FloatArray, keypoint: IntArray, x: IntArray, y: IntArray) -> FloatArray:
    """Return (N, 2) positions of pixels, a quarter nearer to the higher neighbour; if both are equal, up and left."""
    height, width = heatmaps.shape[1:]
    right, left = (heatmaps[keypoint, y, np.clip(x + step, 0, width - 1)] for step in (1, -1))
    below, above = (heatmaps[keypoint, np.clip(y + step, 0, height - 1), x] for step in (1, -1))
    shift = np.where(np.column_stack([right > left, below > above]), QUARTER, -QUARTER)
    return np.column_stack([x, y]) + shift + CENTRE


def refine(person: FloatArray, heatmaps: FloatArray, tags: FloatArray) -> None:
    """Fill the missing keypoints of a person (K, 3 + T) by the best pixels with about its tag; they keep tags of 0."""
    found = person[:, SCORE] > 0
    x, y = person[found, :2].astype(int).T
    mean = tags[:, np.flatnonzero(found), y, x].mean(axis=1)  # (T,)
    for keypoint in np.flatnonzero(~found):
        distance = np.sqrt(np.square(tags[:, keypoint] - mean[:, None, None]).sum(axis=0))
        best = np.argmax(np.fmax(heatmaps[keypoint] - np.round(distance), -np.inf))  # where tags are NaN: never
        y, x = np.array(np.unravel_index([best], distance.shape))
        value = heatmaps[keypoint, y, x]
        if value > 0:
            person[keypoint, :2] = between_pixels(heatmaps, np.array([keypoint]), x, y)
            person[keypoint, SCORE] = value[0]


def highest_pixels(heatmaps: FloatArray, tags: FloatArray) -> FloatArray:
    """Return one person (1, K, 3 + T) made of the highest pixel of each keypoint, whatever its height."""
    keypoint = np.arange(len(heatmaps))
    y, x = np.unravel_index(heatmaps.reshape(len(heatmaps), -1).argmax(axis=1), heatmaps.shape[1:])
    return np.column_stack([x, y, heatmaps[keypoint, y, x], tags[:, keypoint, y, x].T]).astype(np.float32)[None]
