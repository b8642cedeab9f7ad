"""Milliseconds of every stage of a pipeline: several configurations on the same frames, in one process."""

import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from itertools import groupby
from pathlib import Path

import numpy as np
from jsonargparse import Namespace
from tqdm import tqdm

from pose_estimation_ros.apps.benchmark.output import format_rows, publish
from pose_estimation_ros.apps.benchmark.report import StageRow, crossings, draw_crossing, draw_plot
from pose_estimation_ros.apps.options.json_option import Write
from pose_estimation_ros.apps.options.model_options import for_method, make_learner, weights_of
from pose_estimation_ros.apps.options.parser import say
from pose_estimation_ros.core.arrays import ByteArray, FloatArray
from pose_estimation_ros.core.errors import BackendError, SettingsError, WeightsError
from pose_estimation_ros.data.source_names import open_sources
from pose_estimation_ros.inference.backends.backend import BACKENDS
from pose_estimation_ros.inference.backends.opening import installed
from pose_estimation_ros.inference.pipeline import ModelPipeline
from pose_estimation_ros.methods.systems import SYSTEMS, find_system
from pose_estimation_ros.synthetic import SceneSettings, generate_image

WARM_UP = 3
BLOCK = 10
"""Frames in a row with one configuration before the next one runs, so that noise of the machine affects all equally."""

SCENES_PER_CROWD = 5
PEOPLE = (1, 5, 15, 50)

COLUMNS = {
    'source': ('source', '{}'),
    'people': ('people', '{:g}'),
    **{name: (name, '{}') for name in ('weights', 'backend', 'precision', 'decode')},
    'height': ('height', '{:d}'),
    'detect_ms': ('detect', '{:.2f}'),
    'preprocess_ms': ('prepare', '{:.2f}'),
    'forward_ms': ('forward', '{:.2f}'),
    'decode_ms': ('decode', '{:.2f}'),
    'total_ms': ('total', '{:.2f}'),
    'total_p95_ms': ('p95', '{:.2f}'),
    'speedup': ('speed-up', '{:.1f}x'),
}
NOTE = 'milliseconds a frame (medians, p95 of the total); speed-up over the first row of a source, or of its height'


@dataclass(frozen=True, eq=False)
class Configuration:
    """A model, backend, precision and decoder to measure, with its pipeline."""

    method: str
    weights: str
    backend: str
    precision: str
    decode: str
    pipeline: ModelPipeline
    is_published: bool = False
    """Whether it is the published demo, which the others of its height are compared with."""

    @property
    def key(self) -> tuple[str, ...]:
        """Differences to the other configurations."""
        return self.weights, self.backend, self.precision, self.decode


def run_stages(settings: Namespace, write_results: Write) -> None:
    """Measure, print the table and the plots, and write what is wanted."""
    if settings.all and not settings.verbose:
        logging.getLogger('pose_estimation_ros').setLevel(logging.ERROR)  # the table shows what ran where
    configurations = _configurations(settings)
    frames = _frames(settings)
    rows = [row for source, images in frames.items() for row in _measure(settings, source, images, configurations)]
    publish(settings, write_results, format_table(rows), [asdict(row) for row in rows], ('table.txt', 'benchmark.json'))
    for sentence in crossings(rows):
        say(sentence)
    if settings.output:
        draw_plot(rows, settings.output / 'benchmark.png')
        say(f'wrote benchmark.png in {settings.output}')
        if settings.top_down:
            draw_crossing(rows, settings.output / 'crossing.png')
            say(f'wrote crossing.png in {settings.output}')


def format_table(rows: Sequence[StageRow]) -> str:
    """Return the rows as text: medians in milliseconds, a block for each source."""
    detects = any(row.detect_ms for row in rows)
    columns = {name: column for name, column in COLUMNS.items() if detects or name != 'detect_ms'}
    head, *body = format_rows([asdict(row) for row in rows], columns)
    lines = [head]
    for _, members in groupby(zip(rows, body, strict=True), key=lambda pair: pair[0].source):
        lines += ['-' * len(head), *(line for _, line in members)]
    return '\n'.join([*lines, NOTE])


def _frames(settings: Namespace) -> dict[str, list[ByteArray]]:
    """Return the images to measure on, by name of their source; those of a video are evenly spread over it."""
    frames = {}
    for people in tqdm(settings.people or PEOPLE, desc='drawing people', leave=False):
        scene = SceneSettings(width=1280, height=720, people=people)
        frames[f'synthetic {people}'] = [generate_image(seed, scene).image for seed in range(SCENES_PER_CROWD)]
    if settings.video:
        images: list[ByteArray] = []
        for opened in open_sources([settings.video]):
            step = max(1, (opened.total or settings.frames) // settings.frames)
            for frame in opened.frames():
                if len(images) == settings.frames:
                    break
                if frame.index % step == 0:
                    images.append(frame.image)
        frames[Path(settings.video).name] = images
    return frames


def _configurations(settings: Namespace) -> list[Configuration]:
    """Return the configurations of every height of --heights, or of one height."""
    if not settings.heights:
        return _of_one_height(settings)
    if settings.height is not None:
        raise SettingsError('--height and --heights contradict each other; leave one of them out')
    found = []
    for height in settings.heights:
        changed = Namespace(settings)  # type: ignore[no-untyped-call]
        changed.height = height
        found += _of_one_height(changed)
    return found


def _of_one_height(settings: Namespace) -> list[Configuration]:
    """Return the published demo's configuration, the chosen one, and more with --all, --also and --top-down."""
    chosen = [(settings.backend, settings.precision)]
    if settings.all:
        chosen = [(name, precision) for name in BACKENDS if installed(name) for precision in ('fp32', 'bf16', 'fp16')]
    different: dict[tuple[str, ...], Configuration] = {}
    for weights in (settings.weights, *settings.also):
        found = []
        for backend, precision in chosen:
            try:
                found.append(_configuration(settings, weights, backend, precision, settings.decode))
            except (BackendError, WeightsError):
                if not settings.all:
                    raise
        # One that runs in none raises its error here.
        for each in found or [_configuration(settings, weights, 'auto', 'fp32', settings.decode)]:
            different.setdefault(each.key, each)
    configurations = [replace(_published_demo(settings), is_published=True), *different.values()]
    if settings.top_down:
        method = next(name for name, system in SYSTEMS.items() if system.method.sees == 'person')
        of_people = for_method(settings, method)
        own = (settings.top_down, settings.backend, settings.precision, None)
        configurations.append(_configuration(of_people, *own))
    return configurations


def _configuration(
    settings: Namespace, weights: str | None, backend: str, precision: str, decode: str | None
) -> Configuration:
    changed = for_method(settings, settings.method) if settings.top_down else Namespace(settings)  # type: ignore[no-untyped-call]
    changed.weights, changed.backend, changed.precision, changed.decode = weights, backend, precision, decode
    learner = make_learner(changed)
    pipeline = learner.pipeline()
    runner, decoding = pipeline.backend, decode or learner.method.decoder_names()[0]
    name = weights_of(changed).name
    return Configuration(settings.method, name, runner.name, runner.precision, decoding, pipeline)


def _published_demo(settings: Namespace) -> Configuration:
    """Return the published demo's configuration: its decoder, and eager torch if the weights allow it."""
    decode = find_system(settings.method).method.published_decoder
    try:
        return _configuration(settings, settings.weights, 'torch', 'fp32', decode)
    except (BackendError, WeightsError) as error:
        configuration = _configuration(settings, settings.weights, settings.backend, 'fp32', decode)
        say(f'(the published demo runs in torch; here only its decoding is compared: {error})')
        return configuration


def _measure(
    settings: Namespace, source: str, images: list[ByteArray], configurations: list[Configuration]
) -> list[StageRow]:
    """Run every configuration on the same frames, in turn after each block."""
    if not images:
        raise SettingsError(f'{source} has no frames to measure on')
    times: list[list[tuple[float, ...]]] = [[] for _ in configurations]
    blocks = [range(start, min(start + BLOCK, settings.frames)) for start in range(0, settings.frames, BLOCK)]
    with tqdm(total=len(configurations) * settings.frames, desc=source, unit='frame', leave=False) as bar:
        for block in blocks:
            for own, configuration in zip(times, configurations, strict=True):
                for image in images[:WARM_UP]:
                    configuration.pipeline(image)
                for index in block:
                    result = configuration.pipeline(images[index % len(images)])
                    spent = result.timings
                    stages = (spent.preprocess_ms, spent.forward_ms, spent.decode_ms, spent.total_ms)
                    own.append((*stages, len(result.poses), spent.detect_ms))
                    bar.update()
    rows, demo_ms = [], 0.0
    for each, measured in zip(configurations, map(np.array, times), strict=True):  # (F, 6)
        demo_ms = float(np.median(measured[:, 3])) if each.is_published else demo_ms
        rows.append(_row(source, each, measured, demo_ms))
    return rows


def _row(source: str, configuration: Configuration, measured: FloatArray, demo_ms: float) -> StageRow:
    prepare, forward, decode, total, people, detect = (round(float(each), 3) for each in np.median(measured, axis=0))
    return StageRow(
        method=configuration.method,
        weights=configuration.weights,
        backend=configuration.backend,
        precision=configuration.precision,
        decode=configuration.decode,
        height=configuration.pipeline.base_size,
        source=source,
        people=people,
        preprocess_ms=prepare,
        forward_ms=forward,
        decode_ms=decode,
        total_ms=total,
        total_p95_ms=round(float(np.percentile(measured[:, 3], 95)), 3),
        speedup=round(demo_ms / total, 2),
        detect_ms=detect,
    )
