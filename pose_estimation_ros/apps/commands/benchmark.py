"""`benchmark`: milliseconds of every stage, the chosen configuration and the published demo's in one run."""

from pathlib import Path
from typing import Any

from jsonargparse import Namespace
from jsonargparse.typing import PositiveInt

from pose_estimation_ros.apps.benchmark.published import ANNOTATIONS, IMAGES_FOLDER, run_tables, table_methods
from pose_estimation_ros.apps.benchmark.ros import run_over_ros
from pose_estimation_ros.apps.benchmark.stages import PEOPLE, run_stages
from pose_estimation_ros.apps.benchmark.tracking import run_tracking
from pose_estimation_ros.apps.options.boxes_option import DETECTOR_OPTIONS
from pose_estimation_ros.apps.options.json_option import add_json_option, json_results
from pose_estimation_ros.apps.options.model_options import add_model_options
from pose_estimation_ros.apps.options.parser import add_flag
from pose_estimation_ros.core.errors import SettingsError
from pose_estimation_ros.core.files import make_folder

DATASET_OPTIONS = ('images_folder', 'annotations', 'limit')


def add_arguments(parser: Any) -> None:
    """Add the options of this command."""
    add_json_option(parser, 'the numbers')
    parser.add_argument('--output', type=Path | None, metavar='DIR', help='Folder for table.txt, benchmark.json, plot.')
    parser.add_argument('--video', type=str | None, help='Also measure on a video or folder.')
    parser.add_argument(
        '--people', type=PositiveInt, nargs='+', metavar='N',
        help='People in the synthetic scenes; one number with --ros.'
        f' [default: {" ".join(map(str, PEOPLE))}; 1 with --ros]',
    )  # fmt: skip
    parser.add_argument('--frames', type=PositiveInt, default=50, help='Frames per row.')
    parser.add_argument(
        '--heights', type=PositiveInt, nargs='+', metavar='N',
        help='Measure at these input heights, each beside the published way, instead of --height.',
    )  # fmt: skip
    add_flag(parser, '--all', 'Measure every installed backend and precision, not only the selected one.')
    parser.add_argument(
        '--also', nargs='+', default=[], metavar='PATH', help='Also measure these weights, such as an int8 model.'
    )
    parser.add_argument(
        '--top-down', type=str | None, metavar='PATH',
        help='Also measure these weights of a top-down method, with --detector, against the number of people.',
    )  # fmt: skip
    add_flag(
        parser,
        '--tracking',
        'Measure the trackers instead, on synthetic people who run, cross and hide; needs no weights.',
    )
    add_flag(
        parser,
        '--ros',
        'Measure the node over ROS 2 instead: its overhead over the pipeline, and the age of skeletons.',
    )
    _add_table_options(parser)
    add_model_options(parser)


def _add_table_options(parser: Any) -> None:
    parser.add_argument(
        '--table', choices=table_methods(),
        help='Print the published tables of this method instead, beside the single-pass method of those tables:'
        ' frames per second at 1080p (over --frames) and, with --dataset, accuracy and seconds on its images at'
        ' their own size and scaled to a height of 1080; Baseline, Half (fp16, on CPUs bf16), Stride (16), Stages (no'
        ' refinement), H+S, Full.'
        ' Stride and Stages need a .pth. --stages, --regions and both heights apply.',
    )  # fmt: skip
    parser.add_argument(
        '--dataset',
        type=Path | None,
        metavar='DIR',
        help='For --table: a dataset in COCO layout, to measure accuracy on.',
    )
    parser.add_argument(
        '--images-folder',
        type=str | None,
        metavar='NAME',
        help=f'For --table: image folder of the dataset. [default: {IMAGES_FOLDER}]',
    )
    parser.add_argument(
        '--annotations',
        type=str | None,
        metavar='NAME',
        help=f'For --table: annotations of the dataset. [default: {ANNOTATIONS}]',
    )
    parser.add_argument('--limit', type=PositiveInt | None, help='For --table: use only its first N images.')


def run(settings: Namespace) -> int:
    """Measure, print and write the table."""
    _check(settings)
    if settings.output:
        make_folder(settings.output)  # fails now, not after minutes
    others = {'table': run_tables, 'ros': run_over_ros, 'tracking': run_tracking}
    measure = next((other for name, other in others.items() if settings[name]), run_stages)
    with json_results(settings.json) as write_results:
        measure(settings, write_results)
    return 0


def _check(settings: Namespace) -> None:
    """Raise SettingsError for options without effect."""
    without_table = () if settings.table else ('dataset', *DATASET_OPTIONS)
    without_dataset = DATASET_OPTIONS if settings.table and not settings.dataset else ()
    without_model = ('people', 'ros', 'all', 'heights', 'also', 'video', 'top_down', *DETECTOR_OPTIONS, 'weights')
    for option, names in (
        ('--table', without_table),
        ('--dataset', without_dataset),
        ('a benchmark without --tracking', without_model if settings.tracking else ()),
        ('a benchmark without --ros', ('heights',) if settings.ros else ()),
    ):
        idle = [f'--{name.replace("_", "-")}' for name in names if settings[name]]
        if idle and not (settings.table and settings.tracking):
            raise SettingsError(f'{", ".join(idle)}: only for {option}; leave it out')
