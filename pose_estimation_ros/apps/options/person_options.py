"""The options of methods that look at one person at a time: where boxes come from, and how crops are made."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from jsonargparse import Namespace
from jsonargparse.typing import ClosedUnitInterval

from pose_estimation_ros.core.boxes import Boxes
from pose_estimation_ros.core.errors import SettingsError

if TYPE_CHECKING:
    from pose_estimation_ros.learners.learner import Learner

BoxesOfFrame = Callable[[str, int], Boxes]
"""Where people are, by name of the source and number of the frame."""

DETECTOR_THRESHOLDS = {'detector_score_threshold': 'score_threshold', 'detector_nms_threshold': 'nms_threshold'}
"""Options that the detector has under another name."""
DETECTOR_OPTIONS = ('detector', *DETECTOR_THRESHOLDS)
PERSON_OPTIONS = (*DETECTOR_OPTIONS, 'channel_order')


def add_person_options(parser: Any) -> None:
    """Add what chooses the detector and how crops enter the network."""
    people = parser.add_argument_group('people, of top-down methods (simple_baseline)')
    people.add_argument(
        '--detector', type=Path | None, metavar='PATH',
        help='An ONNX file of the YOLOX family that finds people (`download detector` fetches one).',
    )  # fmt: skip
    people.add_argument(
        '--detector-score-threshold', type=ClosedUnitInterval | None, help='Least score of its boxes. [0.3]'
    )
    people.add_argument(
        '--detector-nms-threshold', type=ClosedUnitInterval | None,
        help='IoU above which the less sure of two of its boxes is left out. [0.45]',
    )  # fmt: skip
    people.add_argument(
        '--channel-order', type=Literal['bgr', 'rgb'] | None,
        help='Of what the network was trained with. [what the file says, or bgr as published]',
    )  # fmt: skip


def person_options(settings: Namespace) -> dict[str, Any]:
    """Return the constructor's arguments that were named; raises SettingsError where the method has none of them."""
    from pose_estimation_ros.learners.create import takes

    given = {name: settings[name] for name in PERSON_OPTIONS if settings.get(name) is not None}
    for name in given:
        if not takes(settings.method, 'detector'):
            option = name.replace('_', '-')
            raise SettingsError(f'{settings.method} has no --{option}: it looks at whole pictures')
    named = [name for name in DETECTOR_THRESHOLDS if name in given]
    if named and 'detector' not in given:
        options = ', '.join(f'--{name.replace("_", "-")}' for name in named)
        raise SettingsError(f'{options}: only for --detector PATH; leave it out')
    thresholds = {DETECTOR_THRESHOLDS[name]: given.pop(name) for name in named}
    if settings.get('boxes') == 'whole_image' and takes(settings.method, 'detector'):
        given.setdefault('detector', 'whole_image')
    return {**given, 'detector_settings': thresholds} if thresholds else given


def of_whole_pictures(settings: Namespace) -> Namespace:
    """Return a copy in which nothing is asked of a detector, which methods that see whole pictures do not have."""
    changed = Namespace(settings)  # type: ignore[no-untyped-call]
    for name in DETECTOR_OPTIONS:
        changed[name] = None
    return changed


def add_boxes(parser: Any, sources: str) -> None:
    """Add where boxes come from; `sources` says which there are besides a detector and the whole image."""
    parser.add_argument(
        '--boxes', type=str | None, metavar='SOURCE',
        help=f'Of top-down methods, where people are: {sources}whole_image or detector.'
        ' [detector if --detector names one, else whole_image]',
    )  # fmt: skip


def check_boxes(settings: Namespace, learner: 'Learner') -> None:
    """Raise SettingsError where --boxes does not go with the method or with --detector."""
    if settings.boxes is None:
        return
    if not learner.takes_boxes:
        raise SettingsError(f'{settings.method} takes no --boxes: it finds people in whole pictures')
    if settings.boxes == 'detector' and settings.detector is None:
        raise SettingsError('--boxes detector needs --detector PATH; `download detector` fetches one')
    if settings.boxes != 'detector' and settings.detector is not None:
        raise SettingsError(f'--boxes {settings.boxes} and --detector contradict each other; leave one of them out')


def boxes_of_frames(source: str | None) -> BoxesOfFrame | None:
    """Return what tells where people are in a frame, out of a file that `infer --json` wrote; None for no file.

    It raises SettingsError for a frame that the file does not have: to find nobody there would be no answer.
    """
    from pose_estimation_ros.data.pose_file import read_boxes

    if source in (None, 'whole_image', 'detector'):
        return None
    path = Path(str(source))
    known = read_boxes(path)

    def boxes(name: str, index: int) -> Boxes:
        if (name, index) in known:
            return known[name, index]
        names = ', '.join(sorted({each for each, _ in known})[:3]) or 'nothing'
        raise SettingsError(
            f'{path} says nothing of frame {index} of {name}; it is about {names}: write it with `infer --json` from'
            ' the same sources, named alike'
        )

    return boxes
