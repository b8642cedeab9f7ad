"""`download`: published weights, detectors and test data."""

from pathlib import Path
from typing import Any, Literal

from jsonargparse import Namespace

from pose_estimation_ros.methods.systems import DEFAULT_SYSTEM, SYSTEMS

WHAT = tuple(dict.fromkeys(what for system in SYSTEMS.values() for what in system.downloads))
BACKBONES = tuple(
    dict.fromkeys(name for system in SYSTEMS.values() for names in system.downloads.values() for name in names)
)


def add_arguments(parser: Any) -> None:
    """Add the options of this command."""
    parser.add_argument(
        'what', type=Literal[WHAT],
        help='What to download: a pretrained model, ImageNet weights of a backbone (to train from), an annotated'
        ' image, or a person detector (for top-down methods).',
    )  # fmt: skip
    parser.add_argument('--output', type=Path, default=Path('temp'), metavar='DIR', help='Output folder.')
    parser.add_argument('--method', type=str | None, help=f'Published system. [default: {DEFAULT_SYSTEM}]')
    parser.add_argument(
        '--backbone', type=Literal[BACKBONES] | None,
        help="Backbone that the files are for. [default: the method's]",
    )  # fmt: skip
    parser.add_argument('--url', type=str | None, help="Server and folder to download from. [default: the publisher's]")


def run(settings: Namespace) -> int:
    """Download, resuming an interrupted download, and print the paths."""
    from pose_estimation_ros.learners.create import create_learner

    method = settings.method or _method_for(settings.what, settings.backbone)
    learner = create_learner(method, device='cpu', backbone=settings.backbone)
    learner.download(settings.output, settings.what, True, *([settings.url] if settings.url else []))
    return 0


def _method_for(what: str, backbone: str | None) -> str:
    """Return the first system that has such files for a backbone, or any files for it."""
    for name, system in SYSTEMS.items():
        backbones = system.downloads.get(what)
        if backbones is not None and (not backbone or not backbones or backbone in backbones):
            return name
    others = [name for name, system in SYSTEMS.items() for names in system.downloads.values() if backbone in names]
    return others[0] if others else DEFAULT_SYSTEM
