"""`benchmark`: milliseconds of every stage, the chosen way and the published demo's side by side in one run."""

import logging
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jsonargparse import Namespace
from jsonargparse.typing import PositiveInt
from tqdm import tqdm

from pose_estimation_ros.apps.benchmark.high_resolution import ANNOTATIONS, IMAGES_FOLDER, run_tables
from pose_estimation_ros.apps.benchmark.machine import machine
from pose_estimation_ros.apps.benchmark.ros import run_over_ros
from pose_estimation_ros.apps.benchmark.tracking import run_tracking
from pose_estimation_ros.apps.options.json_option import Write, add_json_option, json_results
from pose_estimation_ros.apps.options.model_options import add_model_options, make_learner, of_one_pass, weights_of
from pose_estimation_ros.apps.options.parser import add_flag, say
from pose_estimation_ros.apps.options.person_options import DETECTOR_OPTIONS, of_whole_pictures
from pose_estimation_ros.core.arrays import ByteArray, FloatArray
from pose_estimation_ros.core.errors import BackendError, SettingsError, WeightsError
from pose_estimation_ros.core.files import make_folder, write_json, written_whole
from pose_estimation_ros.data.opening import open_sources
from pose_estimation_ros.inference.backends.backend import BACKENDS
from pose_estimation_ros.inference.backends.opening import installed
from pose_estimation_ros.inference.pipeline import ModelPipeline
from pose_estimation_ros.synthetic import SceneSettings, generate_image

WARM_UP = 3
BLOCK = 10
"""Frames that one way of running does in a row before the next has its turn: noise of the machine meets all alike."""

SCENES_PER_CROWD = 5
PEOPLE = (1, 5, 15, 50)
PARTS_OF_DATASET = ('images_folder', 'annotations', 'limit')

TOP_DOWN = 'simple_baseline'


@dataclass(frozen=True, eq=False)
class Way:
    """One way of running: what it is called in the table, and its pipeline."""

    weights: str
    backend: str
    precision: str
    decode: str
    pipeline: ModelPipeline
    is_peer: bool = False
    method: str = ''
    """Where it is another than the one that is measured."""


@dataclass(frozen=True)
class Row:
    """Medians of one way on one source; `total_p95_ms` is the 95th percentile."""

    method: str
    weights: str
    backend: str
    precision: str
    decode: str
    height: int
    source: str
    people: float
    preprocess_ms: float
    forward_ms: float
    decode_ms: float
    total_ms: float
    total_p95_ms: float
    speedup: float
    """Over the published demo's way on the same frames."""
    detect_ms: float = 0.0
    """Of methods that look for boxes first."""


def add_arguments(parser: Any) -> None:
    """Add what this command takes."""
    add_json_option(parser, 'the numbers')
    parser.add_argument('--output', type=Path | None, metavar='DIR', help='Folder for table.txt, benchmark.json, plot.')
    parser.add_argument('--video', type=str | None, help='A video or folder to measure on as well.')
    parser.add_argument(
        '--people', type=PositiveInt, nargs='+', metavar='N',
        help=f'Of the synthetic scenes. [{" ".join(map(str, PEOPLE))}; 1 over ROS, which takes one number]',
    )  # fmt: skip
    parser.add_argument('--frames', type=PositiveInt, default=50, help='Measured for each row.')
    add_flag(parser, '--all', 'Measure every backend and precision that there is, not only the chosen one.')
    parser.add_argument(
        '--also', nargs='+', default=[], metavar='PATH', help='More weights to measure, such as an int8 model.'
    )
    parser.add_argument(
        '--top-down', type=str | None, metavar='PATH',
        help='Weights of simple_baseline to measure beside the rest, with --detector: where more people cost more.',
    )  # fmt: skip
    add_flag(
        parser, '--tracking', 'Measure trackers instead, on synthetic people who run, cross and hide; needs no weights.'
    )
    add_flag(
        parser, '--ros', "Measure the node over ROS 2 instead: its overhead over the pipeline, and skeletons' age."
    )
    parser.add_argument(
        '--table', type=Literal['high_resolution'] | None,
        help='Measure the published tables of this method instead, beside Lightweight OpenPose at 256 and 1080 rows:'
        ' --frames pictures a second at 1080p and, with --dataset, accuracy and seconds on its pictures as they are and'
        ' at 1080 rows; Baseline, Half (fp16, on CPUs bf16), Stride (16), Stages (no refinement), H+S, Full. Stride and'
        ' Stages need a .pth. --stages, --regions and both heights count.',
    )  # fmt: skip
    parser.add_argument(
        '--dataset', type=Path | None, metavar='DIR', help='For --table: a dataset like COCO, to measure accuracy on.'
    )
    parser.add_argument(
        '--images-folder', type=str | None, metavar='NAME', help=f'Folder of pictures in it. [{IMAGES_FOLDER}]'
    )
    parser.add_argument('--annotations', type=str | None, metavar='NAME', help=f'Annotations in it. [{ANNOTATIONS}]')
    parser.add_argument('--limit', type=PositiveInt | None, help='The first so many pictures of it only.')
    add_model_options(parser)


def run(settings: Namespace) -> int:
    """Measure what is asked for, print the table, and write what is wanted."""
    _check(settings)
    others = {'table': run_tables, 'ros': run_over_ros, 'tracking': run_tracking}
    measure = next((other for name, other in others.items() if settings[name]), _run)
    with json_results(settings.json) as write_results:
        measure(settings, write_results)
    return 0


def _run(settings: Namespace, write_results: Write) -> None:
    """Measure every stage in this process."""
    from pose_estimation_ros.apps.benchmark.crossing import crossings, draw_crossing
    from pose_estimation_ros.apps.benchmark.report import draw_plot, format_table

    folder = make_folder(settings.output) if settings.output else None  # told now, not after minutes
    if settings.all and not settings.verbose:
        logging.getLogger('pose_estimation_ros').setLevel(logging.ERROR)  # the table says what ran where
    ways = _ways(settings)
    frames = _frames(settings)
    rows = [row for source, images in frames.items() for row in _measure(settings, source, images, ways)]
    table = format_table(rows)
    say(table)
    for sentence in crossings(rows):
        say(sentence)
    report = {'machine': machine(), 'rows': [asdict(row) for row in rows]}
    write_results(report)
    if folder:
        with written_whole(folder / 'table.txt') as temporary:
            temporary.write_text(table + '\n')
        write_json(folder / 'benchmark.json', report, indent=1)
        draw_plot(rows, folder / 'benchmark.png')
        say(f'wrote table.txt, benchmark.json and benchmark.png in {folder}')
        if settings.top_down:
            draw_crossing(rows, folder / 'crossing.png')
            say(f'wrote crossing.png in {folder}')


def _check(settings: Namespace) -> None:
    """Raise SettingsError where options would count for nothing."""
    without_table = () if settings.table else ('dataset', *PARTS_OF_DATASET)
    without_dataset = PARTS_OF_DATASET if settings.table and not settings.dataset else ()
    without_model = ('people', 'ros', 'all', 'also', 'video', 'top_down', *DETECTOR_OPTIONS, 'weights')
    for option, names in (
        ('--table', without_table),
        ('--dataset', without_dataset),
        ('a benchmark without --tracking', without_model if settings.tracking else ()),
    ):
        idle = [f'--{name.replace("_", "-")}' for name in names if settings[name]]
        if idle and not (settings.table and settings.tracking):
            raise SettingsError(f'{", ".join(idle)}: only for {option}; leave it out')


def _frames(settings: Namespace) -> dict[str, list[ByteArray]]:
    """Return the pictures to measure on, by name of their source."""
    frames = {}
    for people in tqdm(settings.people or PEOPLE, desc='drawing people', leave=False):
        scene = SceneSettings(width=1280, height=720, people=people)
        frames[f'synthetic {people}'] = [generate_image(seed, scene).image for seed in range(SCENES_PER_CROWD)]
    if settings.video:
        frames[Path(settings.video).name] = _evenly(settings.video, settings.frames)
    return frames


def _evenly(source: str, count: int) -> list[ByteArray]:
    """Return at most `count` frames from all over a video or folder."""
    images: list[ByteArray] = []
    for opened in open_sources([source]):
        step = max(1, (opened.total or count) // count)
        for frame in opened.frames():
            if len(images) == count:
                break
            if frame.index % step == 0:
                images.append(frame.image)
    return images


def _ways(settings: Namespace) -> list[Way]:
    """Return what to measure: the published demo's way first, then the chosen one and all that is asked for."""
    chosen = [(settings.backend, settings.precision)]
    if settings.all:
        chosen = [(name, precision) for name in BACKENDS if installed(name) for precision in ('fp32', 'bf16', 'fp16')]
    ways = [_peer(settings)]
    for weights in (settings.weights, *settings.also):
        for way in _ways_of(settings, weights, chosen):
            known = {(each.weights, each.backend, each.precision, each.decode) for each in ways[1:]}
            if (way.weights, way.backend, way.precision, way.decode) not in known:
                ways.append(way)
    if settings.top_down:
        ways.append(_top_down(settings))
    return ways


def _top_down(settings: Namespace) -> Way:
    """Return the way of looking at one person at a time."""
    changed = of_one_pass(settings)
    changed.method, changed.weights, changed.decode, changed.height = TOP_DOWN, settings.top_down, None, None
    changed.stride = changed.stages = None
    pipeline = make_learner(changed).pipeline(settings.upsample_ratio)
    runner, label = pipeline.backend, Path(settings.top_down).name
    return Way(label, runner.name, runner.precision, 'published', pipeline, method=TOP_DOWN)


def _ways_of(settings: Namespace, weights: str | None, chosen: list[tuple[str, str]]) -> list[Way]:
    """Return how a model runs; of many ways those are left out that its form, or this machine, does not have.

    Raises what is wrong with a model that does not run in any.
    """
    ways = []
    for backend, precision in chosen:
        try:
            ways.append(_way(settings, weights, backend, precision, settings.decode))
        except (BackendError, WeightsError):
            if not settings.all:
                raise
    return ways or [_way(settings, weights, 'auto', 'fp32', settings.decode)]


def _way(
    settings: Namespace, weights: str | None, backend: str, precision: str, decode: str | None, peer: bool = False
) -> Way:
    changed = of_whole_pictures(settings) if settings.top_down else Namespace(settings)  # type: ignore[no-untyped-call]
    changed.weights, changed.backend, changed.precision, changed.decode = weights, backend, precision, decode
    learner = make_learner(changed)
    pipeline = learner.pipeline(settings.upsample_ratio)
    runner, decoding = pipeline.backend, decode or learner.method.decoder_names()[0]
    return Way(weights_of(changed).name, runner.name, runner.precision, decoding, pipeline, peer)


def _peer(settings: Namespace) -> Way:
    """Return the published demo's way: torch eager where the weights can run in it, and its own decoding."""
    decode = None if settings.method == TOP_DOWN else 'reference'
    try:
        return _way(settings, settings.weights, 'torch', 'fp32', decode, peer=True)
    except (BackendError, WeightsError) as error:
        way = _way(settings, settings.weights, settings.backend, 'fp32', decode, peer=True)
        say(f'(the published demo runs in torch; here only its decoding is compared: {error})')
        return way


def _measure(settings: Namespace, source: str, images: list[ByteArray], ways: list[Way]) -> list[Row]:
    """Run every way on the same frames, block by block in turn."""
    if not images:
        raise SettingsError(f'{source} has no frames to measure on')
    times: dict[int, list[tuple[float, ...]]] = {number: [] for number in range(len(ways))}
    blocks = [range(start, min(start + BLOCK, settings.frames)) for start in range(0, settings.frames, BLOCK)]
    with tqdm(total=len(ways) * settings.frames, desc=source, unit='frame', leave=False) as bar:
        for block in blocks:
            for number, way in enumerate(ways):
                for image in images[:WARM_UP]:
                    way.pipeline(image)
                for index in block:
                    result = way.pipeline(images[index % len(images)])
                    spent = result.timings
                    stages = (spent.preprocess_ms, spent.forward_ms, spent.decode_ms, spent.total_ms)
                    times[number].append((*stages, len(result.poses), spent.detect_ms))
                    bar.update()
    measured = [np.array(times[number]) for number in range(len(ways))]  # (F, 6)
    peer_ms = float(np.median(measured[0][:, 3]))
    return [_row(settings, source, way, stages, peer_ms) for way, stages in zip(ways, measured, strict=True)]


def _row(settings: Namespace, source: str, way: Way, measured: FloatArray, peer_ms: float) -> Row:
    medians = [round(float(value), 3) for value in np.median(measured, axis=0)]
    return Row(
        method=way.method or settings.method,
        weights=way.weights,
        backend=way.backend,
        precision=way.precision,
        decode=way.decode,
        height=way.pipeline.base_height,
        source=source,
        people=medians[4],
        preprocess_ms=medians[0],
        forward_ms=medians[1],
        decode_ms=medians[2],
        total_ms=medians[3],
        total_p95_ms=round(float(np.percentile(measured[:, 3], 95)), 3),
        speedup=round(peer_ms / medians[3], 2),
        detect_ms=medians[5],
    )
