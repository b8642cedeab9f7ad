"""The plots of one image: connections, heatmaps and associative embeddings, as pytorch-human-pose shows them."""

import cv2
import numpy as np

from pose_estimation_ros.core.arrays import ByteArray, FloatArray
from pose_estimation_ros.core.plots import Limbs, grid, heatmap_overlay, side_by_side, skeletons_by_person
from pose_estimation_ros.core.scatter import Labels, points_of, scatter
from pose_estimation_ros.methods.explanation import Explanation

GRID_ROWS = 2
SHRUNK = 0.6
"""Size of the plot of heatmaps, relative to the network's input."""
TITLE_ROWS = 30


def connections(image: ByteArray, explanation: Explanation, min_score: float, limbs: Limbs | None = None) -> ByteArray:
    """Return the image with skeletons, a colour a person."""
    return skeletons_by_person(image, explanation.poses, min_score, limbs)


def heatmaps(image: ByteArray, explanation: Explanation) -> ByteArray:
    """Return the heatmaps over the network's input, two rows, and those of the first tags below them."""
    placed = explanation.placement
    pixels = np.zeros((*placed.network_hw, 3), np.uint8)
    pixels[placed.inner] = placed.resample(image)
    parts = [_overlays(pixels, explanation.heatmaps, stretch=False)]
    if len(explanation.tag_maps):
        parts.append(_overlays(pixels, explanation.tag_maps[0], stretch=True))
    whole = np.vstack(parts)
    return np.asarray(cv2.resize(whole, (0, 0), fx=SHRUNK, fy=SHRUNK, interpolation=cv2.INTER_LINEAR), np.uint8)


def _overlays(pixels: ByteArray, maps: FloatArray, stretch: bool) -> ByteArray:
    enlarged = (cv2.resize(each, pixels.shape[1::-1], interpolation=cv2.INTER_LINEAR) for each in maps)
    return grid([heatmap_overlay(pixels, np.nan_to_num(each), stretch) for each in enlarged], GRID_ROWS)


def embeddings(tags: FloatArray) -> ByteArray:
    """Return a plot of tags (P, K, T) for each of the T dimensions: the keypoints of a person in one colour."""
    rows = tags.shape[1]
    plots = [
        scatter(
            points_of(tags[..., each]), rows, Labels(f'Embedding dim = {each}', 'Embedding values', 'Keypoint index')
        )
        for each in range(tags.shape[2])
    ]
    whole = np.hstack(plots)
    title = 'Associative Embeddings after grouping'
    (width, _), _ = cv2.getTextSize(title, cv2.FONT_HERSHEY_SIMPLEX, 0.7, 1)
    origin = ((whole.shape[1] - width) // 2, TITLE_ROWS)
    cv2.putText(whole, title, origin, cv2.FONT_HERSHEY_SIMPLEX, 0.7, (0, 0, 0), 1, cv2.LINE_AA)
    return whole


def plots_of(image: ByteArray, explanation: Explanation, limbs: Limbs | None = None) -> dict[str, ByteArray]:
    """Return all plots of an image by name; embeddings only where the method groups by tags."""
    drawn = connections(image, explanation, explanation.min_score, limbs)
    plots = {'connections': drawn, 'heatmaps': heatmaps(image, explanation)}
    if explanation.tags.shape[2]:
        plots['associative_embedding'] = side_by_side([drawn, embeddings(explanation.tags)])
    return plots
