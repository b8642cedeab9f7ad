"""`download`: fetch published files. Nothing else in the package uses the network."""

from pathlib import Path
from typing import Any, Literal

from jsonargparse import Namespace

Backbone = Literal[
    'mobilenet', 'mobilenetv2', 'shufflenet', 'resnet18', 'resnet34', 'resnet50', 'resnet101', 'resnet152'
]  # fmt: skip


def add_arguments(parser: Any) -> None:
    """Add what this command takes."""
    parser.add_argument(
        'what', type=Literal['pretrained', 'weights', 'test_data', 'detector'],
        help='A pretrained model, the ImageNet weights of a backbone (for training), an annotated picture, or a'
        ' detector of people (for simple_baseline).',
    )  # fmt: skip
    parser.add_argument('--output', type=Path, default=Path('temp'), metavar='DIR', help='Folder to write to.')
    parser.add_argument('--method', type=str | None, help='Published system. [lightweight_openpose]')
    parser.add_argument(
        '--backbone', type=Backbone | None,
        help='Of the network that the files are for. [mobilenet, or resnet50 for simple_baseline]',
    )  # fmt: skip
    parser.add_argument('--url', type=str | None, help="Server and folder that the files lie in. [the publisher's]")


def run(settings: Namespace) -> int:
    """Fetch, resuming what an earlier try left, and say where the files are."""
    from pose_estimation_ros.learners.create import create_learner

    learner = create_learner(settings.method or _method_of(settings), device='cpu', backbone=settings.backbone)
    learner.download(settings.output, settings.what, True, *([settings.url] if settings.url else []))
    return 0


def _method_of(settings: Namespace) -> str:
    """Return the method that other arguments mean where it is not named."""
    if settings.what == 'detector' or (settings.backbone or '').startswith('resnet'):
        return 'simple_baseline'
    return 'lightweight_openpose'
