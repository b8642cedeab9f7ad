"""`download`: published weights, detectors and test data."""

from pathlib import Path
from typing import Any, Literal

from jsonargparse import Namespace

Backbone = Literal[
    'mobilenet', 'mobilenetv2', 'shufflenet', 'resnet18', 'resnet34', 'resnet50', 'resnet101', 'resnet152'
]  # fmt: skip


def add_arguments(parser: Any) -> None:
    """Add the options of this command."""
    parser.add_argument(
        'what', type=Literal['pretrained', 'weights', 'test_data', 'detector'],
        help='What to download: a pretrained model, ImageNet weights of a backbone (to train from), an annotated'
        ' image, or a person detector (for simple_baseline).',
    )  # fmt: skip
    parser.add_argument('--output', type=Path, default=Path('temp'), metavar='DIR', help='Output folder.')
    parser.add_argument('--method', type=str | None, help='Published system. [lightweight_openpose]')
    parser.add_argument(
        '--backbone', type=Backbone | None,
        help='Backbone that the files are for. [mobilenet, or resnet50 for simple_baseline]',
    )  # fmt: skip
    parser.add_argument('--url', type=str | None, help="Server and folder to download from. [the publisher's]")


def run(settings: Namespace) -> int:
    """Download, resuming an interrupted download, and print the paths."""
    from pose_estimation_ros.learners.create import create_learner

    learner = create_learner(settings.method or _method_of(settings), device='cpu', backbone=settings.backbone)
    learner.download(settings.output, settings.what, True, *([settings.url] if settings.url else []))
    return 0


def _method_of(settings: Namespace) -> str:
    """Return the method that the other arguments imply."""
    if settings.what == 'detector' or (settings.backbone or '').startswith('resnet'):
        return 'simple_baseline'
    return 'lightweight_openpose'
