"""Compares trackers on synthetic people, with detections of simulated quality."""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from pose_estimation_ros.core.errors import SettingsError
from pose_estimation_ros.core.pose import Pose
from pose_estimation_ros.evaluation.mot import MotResult, MotScore
from pose_estimation_ros.synthetic.scene import SyntheticFrame
from pose_estimation_ros.tracking.tracker import Tracker

VISIBLE = 2  # Flag of a visible keypoint


@dataclass(frozen=True)
class DetectorErrors:
    """Random errors of a simulated detector."""

    noise: float = 0.012  # Standard deviation of a keypoint's position, as a share of the person's height
    lost_keypoints: float = 0.05  # Share of visible keypoints that are missed
    lost_people: float = 0.05  # Share of visible people who are missed
    phantoms: float = 0.1  # Probability per frame of a false detection of a few keypoints
    min_keypoints: int = 5  # People with fewer visible keypoints are neither detected nor part of the truth

    def __post_init__(self) -> None:
        shares = (self.lost_keypoints, self.lost_people, self.phantoms)
        if self.noise < 0 or not all(0 <= share <= 1 for share in shares):
            raise SettingsError(f'noise must be 0 or more, shares from 0 to 1, got {self}')


@dataclass(frozen=True, eq=False)
class DetectedFrame:
    """A frame with truth and detections; poses have their visible keypoints only."""

    frame: SyntheticFrame
    truth: list[Pose]
    found: list[Pose]


def detect(frames: Iterable[SyntheticFrame], seed: int, errors: DetectorErrors | None = None) -> list[DetectedFrame]:
    """Return frames with truth and simulated detections; the seed determines the errors."""
    errors, rng = errors or DetectorErrors(), np.random.default_rng([seed, 21])
    return [_detect(frame, errors, rng) for frame in frames]


@dataclass(frozen=True)
class TrackerRun:
    """Score of a tracker on a sequence, and the milliseconds of each `update`."""

    result: MotResult
    update_ms: tuple[float, ...]


def run_trackers(sequence: Iterable[DetectedFrame], make: Mapping[str, Callable[[], Tracker]]) -> dict[str, TrackerRun]:
    """Track the people of a sequence with several new trackers, frame by frame in turn, without smoothing."""
    trackers = {name: maker() for name, maker in make.items()}
    scores = {name: MotScore() for name in make}
    spent: dict[str, list[float]] = {name: [] for name in make}
    for frame in sequence:
        for name, tracker in trackers.items():
            started = time.perf_counter()
            found = tracker.update(frame.found, frame.frame.stamp, smooth=False, image=frame.frame.image)
            spent[name].append((time.perf_counter() - started) * 1e3)
            scores[name].update_poses(frame.truth, found)
    return {name: TrackerRun(score.result(), tuple(spent[name])) for name, score in scores.items()}


def total(results: Iterable[MotResult]) -> MotResult:
    """Return the sum over several sequences; IDF1 is the mean weighted by people and poses."""
    results = list(results)
    weights = [2 * each.people - each.misses + each.false_positives for each in results]
    counts = {
        name: sum(getattr(each, name) for each in results)
        for name in ('frames', 'people', 'misses', 'false_positives', 'switches', 'ids')
    }
    shares = sum(each.idf1 * weight for each, weight in zip(results, weights, strict=True) if weight)
    return MotResult(**counts, idf1=shares / sum(weights) if sum(weights) else float('nan'))


def _detect(frame: SyntheticFrame, errors: DetectorErrors, rng: np.random.Generator) -> DetectedFrame:
    visible = [(each, each.keypoints[:, 2:] == VISIBLE) for each in frame.people]
    people = [(each.id, np.where(shown, each.keypoints[:, :2], np.nan), shown) for each, shown in visible]
    truth = [Pose(np.column_stack([xy, shown]), 1.0, id=identity) for identity, xy, shown in people]
    truth = [pose for pose in truth if len(pose.found) >= errors.min_keypoints]
    found = [_found(pose, errors, rng) for pose in truth if rng.random() >= errors.lost_people]
    if rng.random() < errors.phantoms:
        found.append(_phantom(frame.image.shape, rng))
    return DetectedFrame(frame, truth, [found[index] for index in rng.permutation(len(found))])


def _found(pose: Pose, errors: DetectorErrors, rng: np.random.Generator) -> Pose:
    """Return a true pose with the errors of a detector."""
    height = max(pose.bbox[3], 1.0)
    keypoints = pose.keypoints + np.column_stack(
        [rng.normal(0, errors.noise * height, (len(pose.keypoints), 2)), -rng.uniform(0, 0.5, len(pose.keypoints))]
    )
    keypoints[rng.random(len(keypoints)) < errors.lost_keypoints] = np.nan
    return Pose(keypoints, float(np.isfinite(keypoints[:, 0]).sum() + rng.random()))


def _phantom(shape: tuple[int, ...], rng: np.random.Generator) -> Pose:
    keypoints = np.full((18, 3), np.nan)
    middle = rng.uniform(0, 1, 2) * (shape[1], shape[0])
    chosen = rng.choice(18, int(rng.integers(3, 8)), replace=False)
    keypoints[chosen] = np.column_stack([middle + rng.normal(0, 20, (len(chosen), 2)), np.full(len(chosen), 0.3)])
    return Pose(keypoints, float(len(chosen)) * 0.3)
