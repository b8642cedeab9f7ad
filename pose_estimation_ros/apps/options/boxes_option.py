"""`--boxes`: where people are, for systems that look at one person at a time."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from jsonargparse import Namespace

from pose_estimation_ros.apps.options.model_options import destinations
from pose_estimation_ros.core.boxes import Boxes
from pose_estimation_ros.core.errors import SettingsError
from pose_estimation_ros.inference.detectors.person_detector import DetectorChoice
from pose_estimation_ros.inference.detectors.yolox import YoloxSettings
from pose_estimation_ros.learners.learner import Learner

BoxesOfFrame = Callable[[str, int], Boxes]
"""Where people are, by name of the source and index of the frame."""

DETECTOR_OPTIONS = destinations(DetectorChoice, YoloxSettings)


def add_boxes(parser: Any, sources: str) -> None:
    """Add the option; `sources` names those besides a detector and the whole image."""
    parser.add_argument(
        '--boxes', type=str | None, metavar='SOURCE',
        help=f'Person boxes of top-down methods: {sources}whole_image or detector.'
        ' [default: detector with --detector, else whole_image]',
    )  # fmt: skip


def check_boxes(settings: Namespace, learner: Learner) -> None:
    """Raise SettingsError where --boxes does not go with the method or with --detector."""
    if settings.boxes is None:
        return
    if not learner.takes_boxes:
        raise SettingsError(f'{settings.method} has no --boxes: it finds people in whole images')
    if settings.boxes == 'detector' and settings.detector is None:
        raise SettingsError('--boxes detector needs --detector PATH; `download detector` fetches one')
    if settings.boxes != 'detector' and settings.detector is not None:
        raise SettingsError(f'--boxes {settings.boxes} and --detector contradict each other; leave one of them out')


def boxes_of_frames(source: str | None) -> BoxesOfFrame | None:
    """Return the boxes of frames from a file of `infer --json`, which must have the frames asked for; None without."""
    from pose_estimation_ros.data.pose_json import read_boxes

    if source in (None, 'whole_image', 'detector'):
        return None
    path = Path(str(source))
    known = read_boxes(path)

    def boxes(name: str, index: int) -> Boxes:
        if (name, index) in known:
            return known[name, index]
        names = ', '.join(sorted({each for each, _ in known})[:3]) or 'nothing'
        raise SettingsError(
            f'{path} has no frame {index} of {name}, only frames of {names}: write it with `infer --json` from the same'
            ' sources, under the same names'
        )

    return boxes
