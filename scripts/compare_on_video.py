"""Compare a model with a better one on a video: `python scripts/compare_on_video.py VIDEO BETTER [MODEL]`.

What the better model finds counts as true. A person is found where a pose covers the same place: the boxes around
keypoints have an intersection over union of a third or more. Poses that cover nobody are phantoms.
"""

import json
import sys
from pathlib import Path

from tqdm import tqdm

from pose_estimation_ros import LightweightOpenPoseLearner, Pose
from pose_estimation_ros.data.opening import open_sources

SAME_PLACE = 1 / 3
SURE_KEYPOINTS = 8
"""Of a pose of the better model that must be found; those with fewer excuse a pose, and ask for none."""
HEIGHT = 256


def overlap(first: Pose, second: Pose) -> float:
    """Return the intersection over union of two poses' boxes."""
    (ax, ay, aw, ah), (bx, by, bw, bh) = first.bbox, second.bbox
    width = min(ax + aw, bx + bw) - max(ax, bx)
    height = min(ay + ah, by + bh) - max(ay, by)
    shared = max(0.0, width) * max(0.0, height)
    return float(shared / max(aw * ah + bw * bh - shared, 1e-9))


def keypoints(pose: Pose) -> int:
    """Return how many keypoints a pose has."""
    return int((pose.keypoints[:, 2] > 0).sum())


def compare(video: str, better: str, model: str | None) -> dict[str, float]:
    """Return shares of people and frames."""
    learners = [LightweightOpenPoseLearner(base_height=HEIGHT, mobilenet_use_stride=False) for _ in range(2)]
    for learner, path in zip(learners, (better, model), strict=True):
        learner.load(path)
    people = found = poses = phantoms = frames = frames_with = frames_found = 0
    for source in open_sources([video]):
        for frame in tqdm(source.frames(), unit='frame', leave=False):
            true, seen = (learner.infer(frame.image, track=False) for learner in learners)
            sure = [each for each in true if keypoints(each) >= SURE_KEYPOINTS]
            hits = [any(overlap(each, other) >= SAME_PLACE for other in seen) for each in sure]
            people, found = people + len(sure), found + sum(hits)
            poses += len(seen)
            phantoms += sum(all(overlap(each, other) < SAME_PLACE for other in true) for each in seen)
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
    }


if __name__ == '__main__':
    if len(sys.argv) not in (3, 4) or not Path(sys.argv[1]).exists():
        sys.exit(__doc__)
    print(json.dumps(compare(sys.argv[1], sys.argv[2], sys.argv[3] if len(sys.argv) == 4 else None), indent=1))
