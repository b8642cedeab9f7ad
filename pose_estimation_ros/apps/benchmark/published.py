"""`benchmark --table METHOD`: the published tables of a method, measured here."""

import itertools
import logging
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from jsonargparse import Namespace
from tqdm import tqdm

from pose_estimation_ros.apps.benchmark.output import publish
from pose_estimation_ros.apps.options.boxes_option import DETECTOR_OPTIONS
from pose_estimation_ros.apps.options.json_option import Write
from pose_estimation_ros.apps.options.model_options import for_method, make_learner, weights_of
from pose_estimation_ros.apps.options.parser import say
from pose_estimation_ros.core.arrays import ByteArray
from pose_estimation_ros.core.errors import PoseEstimationError, SettingsError
from pose_estimation_ros.core.files import make_folder
from pose_estimation_ros.core.tables import table_lines
from pose_estimation_ros.inference.backends.opening import gpu_backends
from pose_estimation_ros.inference.pipeline import PeoplePipeline
from pose_estimation_ros.inference.two_pass.published import ResizedInput
from pose_estimation_ros.methods.system import PublishedSetting, PublishedTables
from pose_estimation_ros.methods.systems import SYSTEMS
from pose_estimation_ros.models.folder import find_model
from pose_estimation_ros.synthetic import SceneSettings, generate_image

if TYPE_CHECKING:
    from pose_estimation_ros.evaluation.coco_score import CocoScore
    from pose_estimation_ros.evaluation.scored_images import Dataset

LOG = logging.getLogger(__name__)

ROWS = 1080
SCENES = 5

IMAGES_FOLDER, ANNOTATIONS = 'val2017', 'person_keypoints_val2017.json'
"""Defaults in --dataset."""


def table_methods() -> tuple[str, ...]:
    """Return the methods that have published tables."""
    return tuple(name for name, system in SYSTEMS.items() if system.tables)


def tables_of(method: str) -> PublishedTables:
    """Return the published tables of a method that has them."""
    tables = SYSTEMS[method].tables
    assert tables is not None
    return tables


@dataclass(frozen=True)
class Measured:
    """A method in one of the published settings, to be measured."""

    method: str
    setting: PublishedSetting
    height: int | None
    """Input height of a single pass; None for two passes."""


@dataclass(frozen=True)
class TableRow:
    """One row of a table; None if not measured."""

    table: str
    method: str
    setting: str
    device: str
    backend: str
    precision: str
    height: int | None
    """Input height of a single pass; None for two passes."""
    fps: float | None = None
    ap50: float | None = None
    ar50: float | None = None
    seconds: float | None = None
    published: tuple[float, ...] = ()
    """Published measurements of the same row, on other machines."""


@dataclass(frozen=True, eq=False)
class Variant:
    """What is measured on a device, with its pipeline."""

    published: PublishedTables
    measured: Measured
    device: str
    pipeline: PeoplePipeline
    backend: str
    precision: str

    def row(self, table: str, **numbers: float) -> TableRow:
        """Return a row with measured numbers."""
        method, setting, height = self.measured.method, self.measured.setting.name, self.measured.height
        published = self.published.row(table, (method, height, setting), self.device)
        columns: dict[str, Any] = {**numbers, 'published': published}
        return TableRow(table, method, setting, self.device, self.backend, self.precision, height, **columns)


def run_tables(settings: Namespace, write_results: Write) -> None:
    """Measure, print and write the tables."""
    from pose_estimation_ros.evaluation.scored_images import Dataset

    _check(settings)
    if settings.output:
        make_folder(settings.output)  # fails now, not after minutes
    dataset = Dataset.open(settings.dataset, settings.annotations or ANNOTATIONS) if settings.dataset else None
    rows = _speed_rows(settings)
    if dataset is not None:
        rows += _accuracy_rows(settings, dataset)
    text = tables(rows, settings.regions or 'people')
    publish(settings, write_results, text, [asdict(row) for row in rows], ('table.txt', 'benchmark.json'))
    machines = ', '.join(f'{name} for {device}' for device, name in tables_of(settings.table).machines.items())
    say(f"(published: the authors' measurements, frames per second on {machines})")
    if dataset is None:
        say('(--dataset DIR measures accuracy as well)')


def _speed_rows(settings: Namespace) -> list[TableRow]:
    """Measure frames per second on frames of 1080 rows with one to three people, all variants in turn."""
    scene = SceneSettings(ROWS * 16 // 9, ROWS, (1, 3), (0.12, 0.45))
    frames = [generate_image(seed, scene).image for seed in tqdm(range(SCENES), desc='drawing people', leave=False)]
    published = tables_of(settings.table)
    ends = (published.settings[0], published.settings[-1])
    wanted = [
        *(Measured(published.single_pass, each, rows) for rows in published.single_pass_heights for each in ends),
        *(Measured(settings.table, each, None) for each in published.settings),
    ]
    rows = []
    for device in devices(settings):
        variants = [variant for each in wanted if (variant := _variant(settings, each, device)) is not None]
        milliseconds = _timed(variants, frames, settings.frames)
        rows += [
            variant.row('speed', fps=round(1000 / float(np.median(times)), 3))
            for variant, times in zip(variants, milliseconds, strict=True)
        ]
    return rows


def _timed(variants: Sequence[Variant], frames: Sequence[ByteArray], count: int) -> list[list[float]]:
    times: list[list[float]] = [[] for _ in variants]
    with tqdm(total=count * len(variants), desc='frames per second', unit='frame', leave=False) as bar:
        for number in range(count):
            for variant, own in zip(variants, times, strict=True):
                if not number:
                    variant.pipeline(frames[0])  # warm up
                own.append(variant.pipeline(frames[number % len(frames)]).timings.total_ms)
                bar.update()
    return times


def _accuracy_rows(settings: Namespace, dataset: 'Dataset') -> list[TableRow]:
    """Score every setting on the images of the dataset, and on the same scaled to 1080 rows."""
    published = tables_of(settings.table)
    baseline = published.settings[0]
    wanted = [Measured(published.single_pass, baseline, rows) for rows in published.single_pass_heights]
    wanted += [Measured(settings.table, each, None) for each in published.settings]
    rows = []
    for device, (table, wrap) in itertools.product(devices(settings), (('coco', _as_it_is), ('coco 1080', _at_1080))):
        for each in wanted:
            variant = _variant(settings, each, device)
            if variant is not None:
                rows.append(_scored(settings, dataset, variant, table, wrap))
    return rows


def _as_it_is(pipeline: PeoplePipeline) -> PeoplePipeline:
    return pipeline


def _at_1080(pipeline: PeoplePipeline) -> PeoplePipeline:
    return ResizedInput(pipeline, ROWS)


def _scored(
    settings: Namespace,
    dataset: 'Dataset',
    variant: Variant,
    table: str,
    wrap: Callable[[PeoplePipeline], PeoplePipeline],
) -> TableRow:
    from pose_estimation_ros.data.datasets.layout import find_images
    from pose_estimation_ros.evaluation.coco_score import coco_score
    from pose_estimation_ros.evaluation.run import evaluate_images

    folder = find_images(settings.dataset, settings.images_folder or IMAGES_FOLDER, '--images-folder')
    images = dataset.image_files(folder, dataset.image_ids(settings.limit))
    start = time.perf_counter()
    found = evaluate_images(wrap(variant.pipeline).batch, images)
    seconds = time.perf_counter() - start
    score = coco_score(dataset.truth, found.detections, found.image_ids)
    return scored_row(variant, table, score, seconds)


def scored_row(variant: Variant, table: str, score: 'CocoScore', seconds: float) -> TableRow:
    """Return a row of accuracy, without scores if no people are annotated."""
    known = {'ap50': score.AP50, 'ar50': score.AR50}
    numbers = {name: round(value, 4) for name, value in known.items() if not math.isnan(value)}
    return variant.row(table, **numbers, seconds=round(seconds, 1))


def devices(settings: Namespace) -> list[str]:
    """Return the devices to measure: the one selected, otherwise the CPU and a GPU if there is one."""
    if settings.device != 'auto':
        return [settings.device]
    return ['cpu', 'cuda'] if gpu_backends() else ['cpu']


def _variant(settings: Namespace, measured: Measured, device: str) -> Variant | None:
    """Return what is to be measured with its pipeline, or None if model or backend do not support it."""
    published, setting = tables_of(settings.table), measured.setting
    changed = for_method(settings, measured.method)
    changed.device, changed.height = device, measured.height
    for option, value in setting.options.items():
        changed[option] = value
    if setting.half:
        changed.precision = 'bf16' if device == 'cpu' else 'fp16'  # fp16 is slow on CPUs
    if setting.options and find_model(weights_of(settings)).kind != 'pth':
        return None  # an exported model cannot change
    try:
        pipeline = make_learner(changed).pipeline()
    except PoseEstimationError as error:
        if setting is published.settings[0]:
            raise
        LOG.warning('skipping %s: %s', setting.name, error)
        return None
    runner = pipeline.backend
    return Variant(published, measured, device, pipeline, runner.name, runner.precision)


TITLES = {
    'speed': 'Frames per second at 1080p (1 to 3 people)',
    'coco': 'COCO images as they are',
    'coco 1080': 'COCO images scaled to 1080 rows',
}
HEADINGS = ('method', 'rows', 'setting', 'device', 'backend', 'precision')
NUMBERS = {'speed': ('fps',), 'coco': ('ap50', 'ar50', 'seconds'), 'coco 1080': ('ap50', 'ar50', 'seconds')}


def tables(rows: Sequence[TableRow], regions: str) -> str:
    """Return the tables as text."""
    parts = []
    for table, title in TITLES.items():
        own = [row for row in rows if row.table == table]
        if own:
            lines = [(*HEADINGS, *NUMBERS[table], 'published'), *(_cells(row, regions) for row in own)]
            parts.append('\n'.join([title, *table_lines(lines)]))
    return '\n\n'.join(parts)


def _cells(row: TableRow, regions: str) -> tuple[str, ...]:
    method = row.method if row.height else f'{row.method} ({regions})'
    numbers = [getattr(row, name) for name in NUMBERS[row.table]]
    return (
        *(method, str(row.height or 'two'), row.setting, row.device, row.backend, row.precision),
        *('-' if each is None else _number(each) for each in numbers),
        '/'.join(map(_number, row.published)) or '-',
    )


def _number(value: float) -> str:
    return f'{value:.3f}'.rstrip('0').rstrip('.')


def _check(settings: Namespace) -> None:
    """Raise SettingsError for options that do not apply to the tables."""
    given = {
        '--ros': settings.ros,
        '--people': settings.people,
        '--tracking': settings.tracking,
        '--top-down': settings.top_down,
        '--all': settings.all,
        '--also': settings.also,
        '--video': settings.video,
        '--height': settings.height,
        **{f'--{name.replace("_", "-")}': settings[name] for name in DETECTOR_OPTIONS},
    }
    idle = [option for option, value in given.items() if value]
    if idle:
        raise SettingsError(f'--table measures fixed settings; leave out {", ".join(idle)}')
