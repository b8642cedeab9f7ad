"""Milliseconds of every stage of a pipeline: several configurations on the same frames, in one process."""

import logging
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from jsonargparse import Namespace
from tqdm import tqdm

from pose_estimation_ros.apps.benchmark.output import publish
from pose_estimation_ros.apps.benchmark.report import StageRow, crossings, draw_crossing, draw_plot, format_table
from pose_estimation_ros.apps.options.json_option import Write
from pose_estimation_ros.apps.options.model_options import for_method, make_learner, weights_of
from pose_estimation_ros.apps.options.parser import say
from pose_estimation_ros.core.arrays import ByteArray, FloatArray
from pose_estimation_ros.core.errors import BackendError, SettingsError, WeightsError
from pose_estimation_ros.core.files import make_folder
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

PUBLISHED_DEMO = 'reference'
"""Decoder of the published demo, if the method has one."""


@dataclass(frozen=True, eq=False)
class Configuration:
    """A model, backend, precision and decoder to measure, with its pipeline."""

    weights: str
    backend: str
    precision: str
    decode: str
    pipeline: ModelPipeline
    method: str = ''
    """If another than --method."""

    @property
    def key(self) -> tuple[str, ...]:
        """Differences to the other configurations."""
        return self.weights, self.backend, self.precision, self.decode


def run_stages(settings: Namespace, write_results: Write) -> None:
    """Measure, print the table and the plots, and write what is wanted."""
    folder = make_folder(settings.output) if settings.output else None  # fails now, not after minutes
    if settings.all and not settings.verbose:
        logging.getLogger('pose_estimation_ros').setLevel(logging.ERROR)  # the table shows what ran where
    configurations = _configurations(settings)
    frames = _frames(settings)
    rows = [row for source, images in frames.items() for row in _measure(settings, source, images, configurations)]
    table = format_table(rows)
    publish(settings, write_results, table, [asdict(row) for row in rows], ('table.txt', 'benchmark.json'))
    for sentence in crossings(rows):
        say(sentence)
    if folder:
        draw_plot(rows, folder / 'benchmark.png')
        say(f'wrote benchmark.png in {folder}')
        if settings.top_down:
            draw_crossing(rows, folder / 'crossing.png')
            say(f'wrote crossing.png in {folder}')


def _frames(settings: Namespace) -> dict[str, list[ByteArray]]:
    """Return the images to measure on, by name of their source."""
    frames = {}
    for people in tqdm(settings.people or PEOPLE, desc='drawing people', leave=False):
        scene = SceneSettings(width=1280, height=720, people=people)
        frames[f'synthetic {people}'] = [generate_image(seed, scene).image for seed in range(SCENES_PER_CROWD)]
    if settings.video:
        frames[Path(settings.video).name] = _evenly(settings.video, settings.frames)
    return frames


def _evenly(source: str, count: int) -> list[ByteArray]:
    """Return at most `count` frames, evenly spread over a video or folder."""
    images: list[ByteArray] = []
    for opened in open_sources([source]):
        step = max(1, (opened.total or count) // count)
        for frame in opened.frames():
            if len(images) == count:
                break
            if frame.index % step == 0:
                images.append(frame.image)
    return images


def _configurations(settings: Namespace) -> list[Configuration]:
    """Return the published demo's configuration, the chosen one, and more with --all, --also and --top-down."""
    chosen = [(settings.backend, settings.precision)]
    if settings.all:
        chosen = [(name, precision) for name in BACKENDS if installed(name) for precision in ('fp32', 'bf16', 'fp16')]
    different: dict[tuple[str, ...], Configuration] = {}
    for weights in (settings.weights, *settings.also):
        for configuration in _configurations_of(settings, weights, chosen):
            different.setdefault(configuration.key, configuration)
    top_down = [_top_down(settings)] if settings.top_down else []
    return [_published_demo(settings), *different.values(), *top_down]


def _top_down(settings: Namespace) -> Configuration:
    """Return the configuration of the top-down model."""
    method = next(name for name, system in SYSTEMS.items() if system.method.sees == 'person')
    changed = for_method(settings, method)
    changed.weights, changed.decode = settings.top_down, None
    learner = make_learner(changed)
    pipeline = learner.pipeline()
    runner, label = pipeline.backend, Path(settings.top_down).name
    return Configuration(
        label, runner.name, runner.precision, learner.method.decoder_names()[0], pipeline, method=method
    )


def _configurations_of(settings: Namespace, weights: str | None, chosen: list[tuple[str, str]]) -> list[Configuration]:
    """Return a model's configurations; with --all without those that its format or this machine does not support.

    Raises the error of a model that runs in none.
    """
    configurations = []
    for backend, precision in chosen:
        try:
            configurations.append(_configuration(settings, weights, backend, precision, settings.decode))
        except (BackendError, WeightsError):
            if not settings.all:
                raise
    return configurations or [_configuration(settings, weights, 'auto', 'fp32', settings.decode)]


def _configuration(
    settings: Namespace, weights: str | None, backend: str, precision: str, decode: str | None
) -> Configuration:
    changed = for_method(settings, settings.method) if settings.top_down else Namespace(settings)  # type: ignore[no-untyped-call]
    changed.weights, changed.backend, changed.precision, changed.decode = weights, backend, precision, decode
    learner = make_learner(changed)
    pipeline = learner.pipeline()
    runner, decoding = pipeline.backend, decode or learner.method.decoder_names()[0]
    return Configuration(weights_of(changed).name, runner.name, runner.precision, decoding, pipeline)


def _published_demo(settings: Namespace) -> Configuration:
    """Return the published demo's configuration: its decoder, and eager torch if the weights allow it."""
    names = find_system(settings.method).method.decoder_names()
    decode = PUBLISHED_DEMO if PUBLISHED_DEMO in names else None
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
    times: dict[int, list[tuple[float, ...]]] = {number: [] for number in range(len(configurations))}
    blocks = [range(start, min(start + BLOCK, settings.frames)) for start in range(0, settings.frames, BLOCK)]
    with tqdm(total=len(configurations) * settings.frames, desc=source, unit='frame', leave=False) as bar:
        for block in blocks:
            for number, configuration in enumerate(configurations):
                for image in images[:WARM_UP]:
                    configuration.pipeline(image)
                for index in block:
                    result = configuration.pipeline(images[index % len(images)])
                    spent = result.timings
                    stages = (spent.preprocess_ms, spent.forward_ms, spent.decode_ms, spent.total_ms)
                    times[number].append((*stages, len(result.poses), spent.detect_ms))
                    bar.update()
    measured = [np.array(times[number]) for number in range(len(configurations))]  # (F, 6)
    demo_ms = float(np.median(measured[0][:, 3]))
    return [
        _row(settings, source, configuration, stages, demo_ms)
        for configuration, stages in zip(configurations, measured, strict=True)
    ]


def _row(
    settings: Namespace, source: str, configuration: Configuration, measured: FloatArray, demo_ms: float
) -> StageRow:
    medians = [round(float(value), 3) for value in np.median(measured, axis=0)]
    return StageRow(
        method=configuration.method or settings.method,
        weights=configuration.weights,
        backend=configuration.backend,
        precision=configuration.precision,
        decode=configuration.decode,
        height=configuration.pipeline.base_size,
        source=source,
        people=medians[4],
        preprocess_ms=medians[0],
        forward_ms=medians[1],
        decode_ms=medians[2],
        total_ms=medians[3],
        total_p95_ms=round(float(np.percentile(measured[:, 3], 95)), 3),
        speedup=round(demo_ms / medians[3], 2),
        detect_ms=medians[5],
    )
