"""Images of what a network in training sees: ground truth and prediction beside the maps behind them."""

from collections.abc import Sequence

import cv2
import numpy as np

from pose_estimation_ros.core.arrays import AnyArray, ByteArray, FloatArray
from pose_estimation_ros.core.drawing import draw_poses
from pose_estimation_ros.core.geometry import Letterbox
from pose_estimation_ros.core.pose import Pose
from pose_estimation_ros.data.sample import NOT_LABELLED, Sample
from pose_estimation_ros.inference.backends.backend import pick_outputs
from pose_estimation_ros.methods.method import Look, Method

WHITE, BLACK = (255, 255, 255), (0, 0, 0)
CAPTION_ROWS = 18
CAPTIONS = ('people', 'target', 'predicted')


def drawn_row(method: Method, sample: Sample, outputs: Sequence[FloatArray], target: FloatArray) -> ByteArray:
    """Return people, summed target heatmaps and summed predicted heatmaps of a network input, side by side.

    `outputs` are the network's, (C, h, w) each, `target` the first of its targets, whose first channels are the
    keypoints' heatmaps.
    """
    size = sample.image.shape[:2]
    maps = [
        outputs[index] for index in pick_outputs([len(each) for each in outputs], method.output_channels, 'the network')
    ]
    decoder = method.decoder(method.decoder_names()[0], **method.scoring)
    merged = decoder.merge([Look(maps, Letterbox.whole(size))])
    columns = [draw_people(sample.image, sample, decoder(merged.maps, merged.placement))]
    sums = [heatmaps[: len(method.skeleton)].sum(axis=0) for heatmaps in (target, maps[0])]
    for total in sums:
        grey = (total / max(sums[0].max(), 1e-6) * 255).clip(0, 255).astype(np.uint8)
        enlarged = cv2.resize(grey, size[::-1], interpolation=cv2.INTER_NEAREST)
        columns.append(cv2.applyColorMap(enlarged, cv2.COLORMAP_VIRIDIS))
    return np.hstack(columns)


def stacked_rows(rows: Sequence[ByteArray]) -> ByteArray:
    """Return rows below each other, with captions above the columns."""
    below = np.vstack(rows)
    band = np.zeros((CAPTION_ROWS, below.shape[1], 3), dtype=np.uint8)
    for column, caption in enumerate(CAPTIONS):
        origin = (column * below.shape[1] // len(CAPTIONS) + 4, CAPTION_ROWS - 5)
        cv2.putText(band, caption, origin, cv2.FONT_HERSHEY_SIMPLEX, 0.35, WHITE, 1, cv2.LINE_AA)
    return np.vstack([band, below])


def draw_people(image: ByteArray, sample: Sample, poses: Sequence[Pose]) -> AnyArray:
    """Draw the predicted poses, and over them the true keypoints as small white dots."""
    drawn = draw_poses(image, list(poses))
    for x, y, flag in sample.keypoints.reshape(-1, 3):
        if flag != NOT_LABELLED and np.isfinite([x, y]).all():
            for radius, colour in ((3, BLACK), (2, WHITE)):
                cv2.circle(drawn, (round(float(x)), round(float(y))), radius, colour, cv2.FILLED, cv2.LINE_AA)
    return drawn
