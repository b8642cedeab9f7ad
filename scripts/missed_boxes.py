"""Measure how many missed detections optical flow recovers: a quarter of a detector's boxes is removed at random.

`PYTHONPATH=. python scripts/missed_boxes.py VIDEO WEIGHTS DETECTOR [--start 480] [--frames 80] [--missed 0.25]`

WEIGHTS is a network of simple_baseline, DETECTOR a file of the YOLOX family. The poses found with all boxes are the
ground truth. A pose with an object keypoint similarity above 0.5 to one of them, each used once, finds that person;
the others are false positives or duplicates.
"""

import argparse
import itertools
from pathlib import Path

import numpy as np
from tqdm import tqdm

from pose_estimation_ros import Pose, SimpleBaselineLearner
from pose_estimation_ros.data.source_names import open_sources
from pose_estimation_ros.inference.detectors.yolox import YoloxDetector
from pose_estimation_ros.inference.pose_nms import pose_similarities
from pose_estimation_ros.learners.box_propagation import CARRIED, BoxPropagation
from pose_estimation_ros.tracking.flow import Propagation, flow_tracker

ALIKE = 0.5
AREA_OF_BOX = 1.6
"""A person's area for comparison, as a multiple of that of the box around the keypoints."""

RULES = {
    'no carried boxes': None,
    'the published rules, without the minimum score of detections': Propagation(min_detection_score=0.0),
    'the rules of this package': CARRIED,
}


def found_people(poses: list[Pose], people: list[Pose]) -> int:
    """Return how many of the people are among the poses."""
    together = [*poses, *people]
    areas = np.array([AREA_OF_BOX * pose.bbox[2] * pose.bbox[3] for pose in together])
    likeness = pose_similarities(together, areas)[: len(poses), len(poses) :]
    count = 0
    while likeness.size and likeness.max() > ALIKE:
        pose, person = np.unravel_index(likeness.argmax(), likeness.shape)
        likeness[pose], likeness[:, person] = 0, 0
        count += 1
    return count


def compare(arguments: argparse.Namespace) -> None:
    """Print a line per rule."""
    (source,) = open_sources([arguments.video])
    frames = list(itertools.islice(source.frames(), arguments.start, arguments.start + arguments.frames))
    if not frames:
        raise SystemExit(f'{arguments.video} has no frame {arguments.start}; choose another --start')
    detector, chance = YoloxDetector(arguments.detector, threads=1), np.random.default_rng(0)
    boxes = [detector(frame.image) for frame in tqdm(frames, desc='detecting', leave=False)]
    left = [each[np.flatnonzero(chance.random(len(each)) > arguments.missed)] for each in boxes]
    learner = SimpleBaselineLearner(device='cpu', backend='onnxruntime', threads=1)
    learner.load(arguments.weights)
    people = [
        learner.infer_timed(frame.image, boxes=each).poses for frame, each in zip(frames, boxes, strict=True)
    ]  # fmt: skip
    total = sum(map(len, people))
    for name, rules in RULES.items():
        tracker, following, poses = flow_tracker(), BoxPropagation(rules), []
        for frame, each in tqdm(zip(frames, left, strict=True), total=len(frames), desc=name, leave=False):
            if rules is None:
                result = learner.infer_timed(frame.image, boxes=each)
            else:
                result = following(learner.pipeline(), frame.image, tracker, each, frame.stamp)
            poses.append(tracker.update(result.poses, frame.stamp, smooth=False, image=frame.image))
        hits = sum(found_people(one, other) for one, other in zip(poses, people, strict=True))
        ids = {pose.id for some in poses for pose in some} - {None}
        print(f'{name}: {hits} of {total} found ({hits / total:.1%}), {sum(map(len, poses)) - hits} others', end='')
        print(f', {len(ids)} ids')


def main() -> None:
    """Print the comparison."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('video')
    parser.add_argument('weights', type=Path)
    parser.add_argument('detector', type=Path)
    parser.add_argument('--start', type=int, default=480)
    parser.add_argument('--frames', type=int, default=80)
    parser.add_argument('--missed', type=float, default=0.25)
    compare(parser.parse_args())


if __name__ == '__main__':
    main()
