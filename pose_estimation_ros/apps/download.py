"""`download`: fetch published files. Nothing else in the package uses the network."""

from pathlib import Path
from typing import Any, Literal

from jsonargparse import Namespace

from pose_estimation_ros.learners.published_files import OPENDR_URL, fetch_published


def add_arguments(parser: Any) -> None:
    """Add what this command takes."""
    parser.add_argument(
        'what', type=Literal['pretrained', 'weights', 'test_data'],
        help='A pretrained model, the ImageNet weights of a backbone (for training), or an annotated picture.',
    )  # fmt: skip
    parser.add_argument('--output', type=Path, default=Path('temp'), metavar='DIR', help='Folder to write to.')
    parser.add_argument(
        '--backbone', type=Literal['mobilenet', 'mobilenetv2', 'shufflenet'], default='mobilenet',
        help='Of the network that the files are for.',
    )  # fmt: skip
    parser.add_argument('--url', default=OPENDR_URL, help='Server and folder that the files lie in.')


def run(settings: Namespace) -> int:
    """Fetch, resuming what an earlier try left, and say where the files are."""
    fetch_published(settings.what, settings.backbone, settings.output, settings.url, verbose=True)
    return 0
