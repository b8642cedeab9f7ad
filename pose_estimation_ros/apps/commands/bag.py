"""`bag`: adds the skeletons of people to a ROS 2 bag, without ROS."""

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from jsonargparse import Namespace
from tqdm import tqdm

from pose_estimation_ros.apps.options.json_option import add_json_option, stdout_for_json
from pose_estimation_ros.apps.options.model_options import add_model_options, add_tracker_option, make_learner
from pose_estimation_ros.apps.options.parser import add_flag, say
from pose_estimation_ros.core.drawing import draw_poses
from pose_estimation_ros.core.errors import ImageError, OutputError, SourceError
from pose_estimation_ros.core.files import STDOUT
from pose_estimation_ros.core.packages import require_package
from pose_estimation_ros.core.plurals import counted
from pose_estimation_ros.core.pose import Pose
from pose_estimation_ros.data.pose_json import written_poses
from pose_estimation_ros.data.tally import Tally

if TYPE_CHECKING:
    from pose_estimation_ros.data.bags.messages import BagImage, Message
    from pose_estimation_ros.data.bags.reading import BagReader
    from pose_estimation_ros.learners.learner import Learner

LOG = logging.getLogger(__name__)


def add_arguments(parser: Any) -> None:
    """Add the options of this command."""
    parser.add_argument(
        'input', type=Path, metavar='IN', help='A ROS 2 bag: a folder with metadata.yaml, an .mcap or a .db3 file.'
    )
    parser.add_argument(
        '--output', type=Path, required=True, metavar='OUT',
        help='Folder for the new bag: all messages of the input and /pose_estimation/skeletons.',
    )  # fmt: skip
    parser.add_argument('--topic', type=str | None, help='Image topic; required if the bag has several.')
    add_flag(parser, '--annotate', 'Also add annotated images as /pose_estimation/image_annotated/compressed.')
    add_json_option(parser, 'the poses')
    add_flag(parser, '--no-smooth', 'Do not smooth tracked keypoints.')
    add_tracker_option(parser)
    add_model_options(parser)


def run(settings: Namespace) -> int:
    """Add the skeletons of the people in a bag's images to a copy of the bag."""
    for package in ('rosbags', 'mcap'):
        require_package(package, 'reading bags', SourceError)
    from pose_estimation_ros.data.bags.reading import open_bag
    from pose_estimation_ros.data.bags.skeleton_topics import OWN_TOPICS
    from pose_estimation_ros.data.bags.writing import refuse_existing

    with stdout_for_json(settings.json) as stdout, open_bag(settings.input) as bag:
        topic = bag.image_topic(settings.topic, without=OWN_TOPICS)
        refuse_existing(settings.output, bag.storage)
        if settings.json not in (None, STDOUT):
            json = settings.json.absolute()
            if settings.output.absolute() in (json, *json.parents):  # which is created at the end
                raise OutputError(f'--json {settings.json} must not lie in --output {settings.output}')
        learner = make_learner(settings)
        learner.pipeline()  # fails before anything is written
        estimator = TopicEstimator(learner, topic, settings)
        _process(bag, estimator, settings, stdout)
        say(f'{settings.input} {topic}: {estimator}, {estimator.tally.rate():.1f} frames/s')
        for path in filter(None, (settings.output, None if stdout else settings.json)):
            say(f'wrote {path}')
    return 0


class TopicEstimator:
    """Estimates the poses in the images of one topic, at the stamps of their headers."""

    def __init__(self, learner: 'Learner', topic: str, settings: Namespace) -> None:
        self.skeleton = learner.method.skeleton
        self.tally = Tally()
        self._learner, self._topic = learner, topic
        self._smooth = not settings.no_smooth
        self._skipped = 0
        self._unstamped = False

    def __str__(self) -> str:
        skipped = f', {self._skipped} unreadable and skipped' if self._skipped else ''
        return f'{self.tally}{skipped}'

    def estimate(self, message: 'Message') -> tuple['BagImage', float, list[Pose]] | None:
        """Return image, stamp and poses; None for a message of another topic or an unreadable one."""
        from pose_estimation_ros.data.bags.messages import image_in

        if message.topic.name != self._topic:
            return None
        try:
            bag_image = image_in(message)
        except ImageError as error:
            if not self._skipped:
                LOG.warning('skipping an image on %s, and all others like it: %s', self._topic, error)
            self._skipped += 1
            return None
        stamp = bag_image.stamp
        if stamp is None:
            stamp = message.stamp_ns * 1e-9
            if not self._unstamped:
                LOG.warning('images on %s have no stamp; the time of recording is used', self._topic)
                self._unstamped = True
        poses = self._learner.infer(bag_image.image, smooth=self._smooth, stamp=stamp)
        self.tally.add(poses)
        return bag_image, stamp, poses

    def check(self) -> None:
        """Raise SourceError if there was no image at all."""
        if not self.tally.frames:
            unread = f'none of {counted(self._skipped, "message")} can be read'
            reason = unread if self._skipped else 'the topic has no messages'
            raise SourceError(f'no image on {self._topic}: {reason}')


def _process(bag: 'BagReader', estimator: TopicEstimator, settings: Namespace, stdout: TextIO | None) -> None:
    """Copy the bag, add what the estimator finds, and write the poses as JSON if requested."""
    from pose_estimation_ros.data.bags import skeleton_topics as own
    from pose_estimation_ros.data.bags.messages import Message
    from pose_estimation_ros.data.bags.writing import written_bag

    skeleton = estimator.skeleton
    with contextlib.ExitStack() as stack:
        writer = stack.enter_context(written_bag(settings.output, bag.storage))
        poses_file = None
        if settings.json:
            poses_file = stack.enter_context(written_poses(settings.json, skeleton, stdout))
        for index, message in enumerate(_copied(bag, writer)):
            recorded = message.stamp_ns
            if index == 0:
                writer.add(Message(own.DESCRIPTION, recorded, own.serialize_description(skeleton)))
            found = estimator.estimate(message)
            if found is None:
                continue
            bag_image, stamp, poses = found
            content = own.serialize_skeletons(poses, bag_image.header, skeleton)
            writer.add(Message(own.SKELETONS, recorded, content))
            if settings.annotate:
                content = own.serialize_annotated_image(draw_poses(bag_image.image, poses), bag_image.header)
                writer.add(Message(own.ANNOTATED, recorded, content))
            if poses_file:
                size = bag_image.image.shape[:2]
                poses_file.add(str(settings.input), estimator.tally.frames - 1, stamp, size, poses)
        estimator.check()


def _copied(bag: 'BagReader', writer: Any) -> Iterator['Message']:
    """Copy and yield the messages of a bag under a progress bar, without results of an earlier run."""
    from pose_estimation_ros.data.bags.skeleton_topics import OWN_TOPICS

    kept = [topic for topic in bag.topics if topic.name not in OWN_TOPICS]
    if len(kept) < len(bag.topics):
        LOG.warning('%s already contains skeletons; they are replaced', bag.path)
    for topic in kept:
        writer.add_topic(topic)
    for message in tqdm(bag.messages(), total=bag.count, desc=bag.path.name, unit='message', leave=False):
        if message.topic.name not in OWN_TOPICS:
            writer.add(message)
            yield message
