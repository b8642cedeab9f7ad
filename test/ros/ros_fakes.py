"""A learner that answers by the colour of a pixel, for tests of the node. Nothing of ROS is imported.

As a program it is the node with that learner instead of the real one.
"""

import sys
import threading
import time
from dataclasses import replace
from types import SimpleNamespace

import numpy as np

from pose_estimation_ros.core.errors import WeightsError
from pose_estimation_ros.core.pose import Pose
from pose_estimation_ros.core.skeleton import OPENPOSE_18
from pose_estimation_ros.inference.pipeline import Result, Timings
from pose_estimation_ros.methods.systems import SYSTEMS
from pose_estimation_ros.tracking.tracker import Tracker

NAME = 'lightweight_openpose'
"""Whose place it takes: the table of parameters knows no others."""


def make_image(people=1, height=48, width=64, shift=0):
    """Return an image in which the fake learner sees so many people, so far to the right."""
    image = np.full((height, width, 3), 7, np.uint8)
    image[0, 0] = people, shift, 99
    return image


def poses_in(image):
    """Return what the fake learner sees: everybody lacks the last keypoint."""
    count, shift = int(image[0, 0, 0]), int(image[0, 0, 1])
    keypoints = np.column_stack([np.arange(18.0), np.arange(18.0) * 2, np.full(18, 0.5)])
    keypoints[-1] = np.nan
    moved = [keypoints + (1000.0 * person + shift, 0, 0) for person in range(count)]
    return [Pose(each, 1.0) for each in moved]


class FakeLearner:
    """What the node uses of a learner; `hurdle` is called with each image and may wait or raise."""

    method = SimpleNamespace(name=NAME, skeleton=OPENPOSE_18)
    takes_boxes = False

    def __init__(self, hurdle=lambda image: None, **options):
        self.hurdle, self.options = hurdle, options
        self.tracker = Tracker(sure_keypoints=0)
        self.tunings, self.resets, self.loaded = [], 0, ''
        self.seen = 0
        self.next_stamps = []  # of the images of a video, with the number of resets before each
        self.boxes = None

    def load(self, path):
        if 'missing' in str(path):
            raise WeightsError(f'there are no weights at {path}; put them there')
        self.loaded = path

    def pipeline(self):
        return SimpleNamespace(backend=SimpleNamespace(name='fake', device='cpu', precision='fp32'))

    def infer_timed(self, image, boxes=None):
        self.hurdle(image)
        self.seen += 1
        self.boxes = boxes
        return Result(poses_in(image), Timings(1.0, 2.0, 3.0))

    def infer_next(self, image, boxes=None, *, stamp):
        self.next_stamps.append((stamp, self.resets))
        return self.infer_timed(image, boxes)

    def tune(self, **settings):
        self.tunings.append(settings)

    def reset(self):
        self.resets += 1
        self.tracker.reset()


class Workshop:
    """Makes fake learners, and keeps what the tests turn on them."""

    def __init__(self):
        self.learners = []
        self.hurdle = lambda image: None
        self.gate = threading.Event()
        self.gate.set()

    def make(self, base_height=256, device='auto', decoding=None):
        learner = FakeLearner(self._hurdle, base_height=base_height, device=device, decoding=decoding)
        self.learners.append(learner)
        return learner

    @property
    def learner(self):
        return self.learners[-1]

    def _hurdle(self, image):
        if not is_warm_up(image):
            self.gate.wait(30)
            self.hurdle(image)


def system_with(make):
    """Return a row of the table of systems whose learner is what `make` returns."""
    sys.modules[__name__].make_learner = make
    return replace(SYSTEMS[NAME], learner=f'{__name__}:make_learner')


def is_warm_up(image):
    return image.shape == (480, 640, 3) and (image == 128).all()


def main():
    """Run the node; `--slow-load` and `--slow` wait where a real learner works."""
    workshop = Workshop()
    slow = {name: float(value) for name, _, value in (each.partition('=') for each in sys.argv) if value.isdigit()}
    workshop.hurdle = lambda image: time.sleep(slow.get('--slow', 0))

    def make(base_height=256, decoding=None):
        print('making', flush=True)
        time.sleep(slow.get('--slow-load', 0))
        return workshop.make(base_height)

    SYSTEMS[NAME] = system_with(make)
    from pose_estimation_ros.ros.nodes import pose_node

    return pose_node.main([each for each in sys.argv[1:] if not each.startswith('--slow')])


if __name__ == '__main__':
    sys.exit(main())
