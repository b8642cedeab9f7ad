"""Compares trackers on synthetic people, with detections of simulated quality."""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from pose_estimation_ros.core.errors import SettingsError
from pose_estimation_ros.core.pose import Pose
from pose_estimation_ros.evaluation.mot import MotResult, MotScore
from pose_estimation_ros.synthetic.scene import SyntheticFrame, SyntheticPerson
from pose_estimation_ros.tracking.tracker import Tracker

SEEN = 2
"""Flag of a keypoint that can be seen."""


@dataclass(frozen=True)
class Fallible:
    """How a detector fails, by chance and because people hide each other."""

    noise: float = 0.012
    """Standard deviation of a keypoint's place, of the person's height."""
    lost_joints: float = 0.05
    """Share of visible keypoints that are not found."""
    lost_people: float = 0.05
    """Share of people who are not found although they could be."""
    phantoms: float = 0.1
    """Chance in a frame of a few keypoints where nobody is."""
    least_joints: int = 5
    """Who shows fewer is neither found nor counts as being there."""

    def __post_init__(self) -> None:
        shares = (self.lost_joints, self.lost_people, self.phantoms)
        if self.noise < 0 or not all(0 <= share <= 1 for share in shares):
            raise SettingsError(f'noise must be 0 or more, shares from 0 to 1, got {self}')


@dataclass(frozen=True, eq=False)
class Trial:
    """A frame, who is there and what was found; poses in both have the keypoints that can be seen alone."""

    frame: SyntheticFrame
    truth: list[Pose]
    found: list[Pose]


def trials(frames: Iterable[SyntheticFrame], seed: int, fallible: Fallible | None = None) -> list[Trial]:
    """Return frames with truth and detections; the same seed gives the same faults."""
    fallible, rng = fallible or Fallible(), np.random.default_rng([seed, 21])
    return [_trial(frame, fallible, rng) for frame in frames]


@dataclass(frozen=True)
class TrackerRun:
    """How well a tracker followed the people of a sequence, and the milliseconds of each `update`."""

    result: MotResult
    update_ms: tuple[float, ...]


def run_trackers(sequence: Iterable[Trial], make: Mapping[str, Callable[[], Tracker]]) -> dict[str, TrackerRun]:
    """Follow the people of one sequence with several new trackers, in turn on each frame; keypoints stay unsmoothed."""
    trackers = {name: maker() for name, maker in make.items()}
    scores = {name: MotScore() for name in make}
    spent: dict[str, list[float]] = {name: [] for name in make}
    for trial in sequence:
        for name, tracker in trackers.items():
            started = time.perf_counter()
            found = tracker.update(trial.found, trial.frame.stamp, smooth=False, image=trial.frame.image)
            spent[name].append((time.perf_counter() - started) * 1e3)
            scores[name].update_poses(trial.truth, found)
    return {name: TrackerRun(score.result(), tuple(spent[name])) for name, score in scores.items()}


def total(results: Iterable[MotResult]) -> MotResult:
    """Return the counts of several sequences together; their IDF1 is the mean by person and pose."""
    results = list(results)
    weights = [2 * each.people - each.misses + each.false_positives for each in results]
    counts = {
        name: sum(getattr(each, name) for each in results)
        for name in ('frames', 'people', 'misses', 'false_positives', 'switches', 'ids')
    }
    shares = sum(each.idf1 * weight for each, weight in zip(results, weights, strict=True) if weight)
    return MotResult(**counts, idf1=shares / sum(weights) if sum(weights) else float('nan'))


def _trial(frame: SyntheticFrame, fallible: Fallible, rng: np.random.Generator) -> Trial:
    truth = [_visible(person) for person in frame.people]
    truth = [pose for pose in truth if len(pose.found) >= fallible.least_joints]
    found = [_found(pose, fallible, rng) for pose in truth if rng.random() >= fallible.lost_people]
    if rng.random() < fallible.phantoms:
        found.append(_phantom(frame.image.shape, rng))
    return Trial(frame, truth, [found[index] for index in rng.permutation(len(found))])


def _visible(person: SyntheticPerson) -> Pose:
    seen = person.keypoints[:, 2] == SEEN
    xy = np.where(seen[:, None], person.keypoints[:, :2], np.nan)
    return Pose(np.column_stack([xy, seen]), 1.0, id=person.id)


def _found(pose: Pose, fallible: Fallible, rng: np.random.Generator) -> Pose:
    """Return a true pose as a network would give it."""
    height = max(pose.bbox[3], 1.0)
    keypoints = pose.keypoints + np.column_stack(
        [rng.normal(0, fallible.noise * height, (len(pose.keypoints), 2)), -rng.uniform(0, 0.5, len(pose.keypoints))]
    )
    keypoints[rng.random(len(keypoints)) < fallible.lost_joints] = np.nan
    return Pose(keypoints, float(np.isfinite(keypoints[:, 0]).sum() + rng.random()))


def _phantom(shape: tuple[int, ...], rng: np.random.Generator) -> Pose:
    keypoints = np.full((18, 3), np.nan)
    middle = rng.uniform(0, 1, 2) * (shape[1], shape[0])
    chosen = rng.choice(18, int(rng.integers(3, 8)), replace=False)
    keypoints[chosen] = np.column_stack([middle + rng.normal(0, 20, (len(chosen), 2)), np.full(len(chosen), 0.3)])
    return Pose(keypoints, float(len(chosen)) * 0.3)
