"""Published constants of Lightweight OpenPose's decoders that no reference vector depends on, each at its limit."""

import numpy as np
import pytest

from pose_estimation_ros.core.geometry import Letterbox
from pose_estimation_ros.core.skeleton import OPENPOSE_18
from pose_estimation_ros.methods.lightweight_openpose import fast, reference
from pose_estimation_ros.methods.lightweight_openpose.decoding import DECODERS
from pose_estimation_ros.methods.lightweight_openpose.encoding import VISIBLE, encode
from pose_estimation_ros.methods.lightweight_openpose.grouping import (
    Connections,
    Peaks,
    assemble,
)
from pose_estimation_ros.methods.lightweight_openpose.limbs import GROUPING_FIELDS, GROUPING_LIMBS, NUM_KEYPOINTS
from pose_estimation_ros.methods.lightweight_openpose.options import DecodingSettings, GroupingSettings

NETWORK_HW = (256, 256)
NOSE = OPENPOSE_18.index('nose')
START_X, END_X, ROW = 4, 22, 8
"""Ends of a limb in cells: the ten samples are two cells apart, each on the centre of a cell."""


def peaks_of(*points):
    """Peaks of the reference decoder on a heatmap of single cells; points are x, y, height."""
    heatmaps = np.zeros((32, 32, NUM_KEYPOINTS), np.float32)
    for x, y, height in points:
        heatmaps[y, x, 0] = height
    return reference.find_peaks(heatmaps)


@pytest.mark.parametrize(('dx', 'dy', 'kept'), [(5, 0, 1), (4, 4, 1), (6, 0, 2), (0, 6, 2), (5, 4, 2)])
def test_reference_peaks_are_6_pixels_apart(dx, dy, kept):
    peaks = peaks_of((10, 10, 0.5), (10 + dx, 10 + dy, 0.9))
    assert peaks.counts[0] == kept
    assert peaks.xy[0].tolist() == [10, 10]  # the left one stays, not the stronger


@pytest.mark.parametrize(('height', 'kept'), [(0.099, 0), (0.101, 1)])
def test_reference_peaks_reach_a_tenth(height, kept):
    assert peaks_of((10, 10, height)).counts[0] == kept


@pytest.mark.parametrize(('height', 'kept'), [(0.099, 0), (0.101, 1)])
def test_fast_peaks_reach_a_tenth(height, kept):
    heatmaps = np.zeros((19, 32, 32), np.float32)
    heatmaps[0, 10, 10] = 1
    (highest,) = fast.find_peaks(heatmaps, fast.PeakSettings()).score
    assert fast.find_peaks(heatmaps * (height / highest), fast.PeakSettings()).counts[0] == kept


def standing_person():
    x = np.linspace(60, 200, NUM_KEYPOINTS)
    y = np.linspace(40, 220, NUM_KEYPOINTS)[np.random.default_rng(0).permutation(NUM_KEYPOINTS)]
    return np.column_stack([x, y, np.full(NUM_KEYPOINTS, VISIBLE)])[None]


@pytest.mark.parametrize('decoder', DECODERS.values(), ids=DECODERS)
@pytest.mark.parametrize(('score', 'found'), [(0.098, False), (0.102, True)])
def test_decoders_drop_keypoints_below_a_tenth(decoder, score, found):
    heatmaps, pafs = encode(standing_person(), NETWORK_HW)
    letterbox = Letterbox(NETWORK_HW, 1.0, NETWORK_HW, (0, 0, 0, 0))
    (pose,) = decoder(DecodingSettings(keypoint_threshold=0.05))([heatmaps, pafs], letterbox)
    heatmaps[NOSE] *= score / pose.keypoints[NOSE, 2]
    (pose,) = decoder()([heatmaps, pafs], letterbox)
    assert np.isfinite(pose.keypoints[NOSE, 0]) == found


def limbs_on(along):
    """Numbers of limbs that the reference and the fast decoder accept; `along` (32,) is the field of each column."""
    limb = 1
    a, b = GROUPING_LIMBS[limb]
    counts = np.zeros(NUM_KEYPOINTS, int)
    counts[[a, b]] = 1
    ends = sorted([(a, START_X), (b, END_X)])
    peaks = Peaks(np.array([(x, ROW) for _, x in ends]), np.ones(2), counts)
    pafs = np.zeros((38, 16, 32), np.float32)
    pafs[2 * GROUPING_FIELDS[limb]] = along
    settings = GroupingSettings()
    found = reference.find_limbs(peaks, pafs.transpose(1, 2, 0), settings), fast.find_limbs(peaks, pafs, settings)
    return [len(each.limb) for each in found]


@pytest.mark.parametrize(('strength', 'accepted'), [(0.049, 0), (0.051, 1)])
def test_samples_of_a_limb_exceed_a_twentieth(strength, accepted):
    assert limbs_on(np.full(32, strength)) == [accepted, accepted]


@pytest.mark.parametrize(('wrong', 'accepted'), [([], 1), ([22], 1), ([4], 1), ([20, 22], 0), ([4, 22], 0)])
def test_nine_of_ten_samples_support_a_limb(wrong, accepted):
    along = np.full(32, 0.5)
    along[wrong] = 0
    assert limbs_on(along) == [accepted, accepted]


def test_a_limb_has_ten_samples():
    along = np.zeros(32)
    along[START_X : END_X + 1 : 2] = 0.5  # elsewhere a sample is wrong, or too weak
    assert limbs_on(along) == [1, 1]


def chain(length, total):
    """One person as a chain of limbs from the neck, and peak scores that make the sum of all scores `total`."""
    limbs = [limb for limb, (a, _) in enumerate(GROUPING_LIMBS[:17]) if a == 1][: length - 1]
    peaks = np.full(length, total / length)
    ends = np.arange(1, length)
    return Connections(np.array(limbs), np.zeros(length - 1, int), ends, np.zeros(length - 1)), peaks


@pytest.mark.parametrize(('mean', 'kept'), [(0.199, 0), (0.201, 1)])
def test_people_have_a_mean_score_of_a_fifth(mean, kept):
    connections, peaks = chain(4, 4 * mean)
    assert len(assemble(connections, peaks, GroupingSettings())) == kept


@pytest.mark.parametrize(('count', 'kept'), [(2, 0), (3, 1)])
def test_people_have_three_keypoints(count, kept):
    connections, peaks = chain(count, count)
    assert len(assemble(connections, peaks, GroupingSettings())) == kept
