"""Compare a model with a better one on a video: `PYTHONPATH=. python scripts/compare_on_video.py VIDEO BETTER`.

The poses of the better model are the ground truth. A person is found by a pose with at least five keypoints within a
tenth of the person's size of the truth. A pose with more than half of its keypoints outside all boxes is a phantom;
other poses that find no person are fragments.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from tqdm import tqdm

from pose_estimation_ros import LightweightOpenPoseLearner, Pose
from pose_estimation_ros.core.errors import PoseEstimationError
from pose_estimation_ros.data.source_names import open_sources

NEAR = 0.1
"""Maximum distance of a keypoint, relative to the person's size (the longer side of the box)."""
LEAST_NEAR = 5
MARGIN = 0.1
"""Margin that is added to boxes, relative to the person's size."""
SURE_KEYPOINTS = 8
"""Keypoints of a true pose that must be found; poses with fewer count neither as missed nor as false positives."""
HEIGHT = 256


def size(pose: Pose) -> float:
    """Return the longer side of a pose's box."""
    return float(max(pose.bbox[2:]))


def finds(pose: Pose, person: Pose) -> bool:
    """Return whether a pose finds a person."""
    distances = np.linalg.norm((pose.keypoints - person.keypoints)[:, :2], axis=1)  # NaN where either lacks one
    return int((distances < NEAR * size(person)).sum()) >= LEAST_NEAR


def covers(pose: Pose, person: Pose) -> bool:
    """Return whether half of a pose's keypoints or more lie in a person's box."""
    x, y, width, height = person.bbox
    margin = MARGIN * size(person)
    points = pose.keypoints[pose.keypoints[:, 2] > 0, :2]
    low, high = np.array([x, y]) - margin, np.array([x + width, y + height]) + margin
    return float(((points >= low) & (points <= high)).all(axis=1).mean()) >= 0.5


def keypoints(pose: Pose) -> int:
    """Return how many keypoints a pose has."""
    return int((pose.keypoints[:, 2] > 0).sum())


def compare(video: str, better: Path, model: Path | None, sure_keypoints: int) -> dict[str, float]:
    """Return the shares of found people and frames, phantoms and fragments."""
    learners = [LightweightOpenPoseLearner(base_height=HEIGHT, mobilenet_use_stride=False) for _ in range(2)]
    for learner, path in zip(learners, (better, model), strict=True):
        learner.load(path)
    people = found = poses = phantoms = fragments = frames = frames_with = frames_found = 0
    for source in open_sources([video]):
        for frame in tqdm(source.frames(), unit='frame', leave=False):
            true, seen = (learner.infer(frame.image, track=False) for learner in learners)
            sure = [each for each in true if keypoints(each) >= sure_keypoints]
            hits = [any(finds(pose, person) for pose in seen) for person in sure]
            people, found = people + len(sure), found + sum(hits)
            poses += len(seen)
            phantoms += sum(not any(covers(pose, person) for person in true) for pose in seen)
            fragments += sum(
                any(covers(pose, person) for person in true) and not any(finds(pose, person) for person in true)
                for pose in seen
            )
            frames += 1
            frames_with += bool(sure)
            frames_found += any(hits)
    return {
        'frames': frames,
        'frames_with_people': frames_with,
        'frames_found': frames_found / max(1, frames_with),
        'people': people,
        'people_found': found / max(1, people),
        'poses': poses,
        'phantoms': phantoms / max(1, poses),
        'fragments': fragments / max(1, poses),
    }


def main() -> None:
    """Print the shares as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('video')
    parser.add_argument('better', type=Path, help='the better model')
    parser.add_argument('model', type=Path, nargs='?', help='the model to score; default: the embedded one')
    parser.add_argument(
        '--sure-keypoints',
        type=int,
        default=SURE_KEYPOINTS,
        help='minimum number of keypoints of people who must be found',
    )
    arguments = parser.parse_args()
    try:
        print(
            json.dumps(compare(arguments.video, arguments.better, arguments.model, arguments.sure_keypoints), indent=1)
        )
    except PoseEstimationError as error:
        parser.error(str(error))


if __name__ == '__main__':
    main()
