"""`benchmark --table METHOD`: the published tables of a method, measured here."""

import itertools
import logging
import math
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from jsonargparse import Namespace
from tqdm import tqdm

from pose_estimation_ros.apps.benchmark.output import Row, format_rows, publish
from pose_estimation_ros.apps.options.boxes_option import DETECTOR_OPTIONS
from pose_estimation_ros.apps.options.json_option import Write
from pose_estimation_ros.apps.options.model_options import for_method, make_learner, weights_of
from pose_estimation_ros.apps.options.parser import say
from pose_estimation_ros.core.errors import PoseEstimationError, SettingsError
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

TITLES = {
    'speed': 'Frames per second at 1080p (1 to 3 people)',
    'coco': 'COCO images as they are',
    'coco 1080': 'COCO images scaled to 1080 rows',
}
COLUMNS = {name: (name, '{}') for name in ('method', 'rows', 'setting', 'device', 'backend', 'precision')}
ACCURACY = ('ap50', 'ar50', 'seconds')
NUMBERS = {'speed': ('fps',), 'coco': ACCURACY, 'coco 1080': ACCURACY}


def table_methods() -> tuple[str, ...]:
    """Return the methods that have published tables."""
    return tuple(name for name, system in SYSTEMS.items() if system.tables)


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
    published = SYSTEMS[settings.table].tables
    assert published is not None
    dataset = Dataset.open(settings.dataset, settings.annotations or ANNOTATIONS) if settings.dataset else None
    devices = [settings.device]
    if settings.device == 'auto':
        devices = ['cpu', 'cuda'] if gpu_backends() else ['cpu']
    rows = [row for device in devices for row in _speed_rows(settings, published, device)]
    if dataset is not None:
        rows += [row for device in devices for row in _accuracy_rows(settings, published, device, dataset)]
    text = tables(rows, settings.regions or 'people')
    publish(settings, write_results, text, [asdict(row) for row in rows], ('table.txt', 'benchmark.json'))
    machines = ', '.join(f'{name} for {device}' for device, name in published.machines.items())
    say(f"(published: the authors' measurements, frames per second on {machines})")
    if dataset is None:
        say('(--dataset DIR measures accuracy as well)')


def _speed_rows(settings: Namespace, published: PublishedTables, device: str) -> list[TableRow]:
    """Measure frames per second on frames of 1080 rows with one to three people, all variants in turn."""
    scene = SceneSettings(ROWS * 16 // 9, ROWS, (1, 3), (0.12, 0.45))
    frames = [generate_image(seed, scene).image for seed in tqdm(range(SCENES), desc='drawing people', leave=False)]
    variants = _variants(settings, published, device, (published.settings[0], published.settings[-1]))
    times: list[list[float]] = [[] for _ in variants]
    with tqdm(total=settings.frames * len(variants), desc='frames per second', unit='frame', leave=False) as bar:
        for number in range(settings.frames):
            for variant, own in zip(variants, times, strict=True):
                if not number:
                    variant.pipeline(frames[0])  # warm up
                own.append(variant.pipeline(frames[number % len(frames)]).timings.total_ms)
                bar.update()
    return [
        variant.row('speed', fps=round(1000 / float(np.median(own)), 3))
        for variant, own in zip(variants, times, strict=True)
    ]


def _accuracy_rows(settings: Namespace, published: PublishedTables, device: str, dataset: 'Dataset') -> list[TableRow]:
    """Score every setting on the images of the dataset, and on the same scaled to 1080 rows."""
    from pose_estimation_ros.data.datasets.layout import find_images
    from pose_estimation_ros.evaluation.coco_score import coco_score
    from pose_estimation_ros.evaluation.run import evaluate_images

    folder = find_images(settings.dataset, settings.images_folder or IMAGES_FOLDER, '--images-folder')
    images = dataset.image_files(folder, dataset.image_ids(settings.limit))
    variants = _variants(settings, published, device, published.settings[:1])
    rows = []
    for table, variant in itertools.product(('coco', 'coco 1080'), variants):
        pipeline = variant.pipeline if table == 'coco' else ResizedInput(variant.pipeline, ROWS)
        start = time.perf_counter()
        found = evaluate_images(pipeline.batch, images)
        seconds = time.perf_counter() - start
        rows.append(scored_row(variant, table, coco_score(dataset.truth, found.detections, found.image_ids), seconds))
    return rows


def scored_row(variant: Variant, table: str, score: 'CocoScore', seconds: float) -> TableRow:
    """Return a row of accuracy, without scores if no people are annotated."""
    known = {'ap50': score.AP50, 'ar50': score.AR50}
    numbers = {name: round(value, 4) for name, value in known.items() if not math.isnan(value)}
    return variant.row(table, **numbers, seconds=round(seconds, 1))


def _variants(
    settings: Namespace, published: PublishedTables, device: str, single_pass: Sequence[PublishedSetting]
) -> list[Variant]:
    """Return what a device can run: the single pass in some settings and every height, two passes in all settings."""
    wanted = [
        *(
            Measured(published.single_pass, each, rows)
            for rows in published.single_pass_heights
            for each in single_pass
        ),
        *(Measured(settings.table, each, None) for each in published.settings),
    ]
    return [found for each in wanted if (found := _variant(settings, published, each, device)) is not None]


def _variant(settings: Namespace, published: PublishedTables, measured: Measured, device: str) -> Variant | None:
    """Return what is to be measured with its pipeline, or None if model or backend do not support it."""
    setting = measured.setting
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


def tables(rows: Sequence[TableRow], regions: str) -> str:
    """Return the tables as text."""
    parts = []
    for table, title in TITLES.items():
        names = (*NUMBERS[table], 'published')
        own = [_cells(row, names[:-1], regions) for row in rows if row.table == table]
        if own:
            parts.append('\n'.join([title, *format_rows(own, {**COLUMNS, **{name: (name, '{}') for name in names}})]))
    return '\n\n'.join(parts)


def _cells(row: TableRow, numbers: Sequence[str], regions: str) -> Row:
    """Return a row as it is printed."""
    return {
        **asdict(row),
        'method': row.method if row.height else f'{row.method} ({regions})',
        'rows': row.height or 'two',
        **{name: None if (value := getattr(row, name)) is None else _number(value) for name in numbers},
        'published': '/'.join(map(_number, row.published)) or None,
    }


def _number(value: float) -> str:
    return f'{value:.3f}'.rstrip('0').rstrip('.')


def _check(settings: Namespace) -> None:
    """Raise SettingsError for options that do not apply to the tables."""
    fixed = ('ros', 'people', 'tracking', 'top_down', 'all', 'also', 'video', 'height', 'heights', *DETECTOR_OPTIONS)
    if idle := [f'--{name.replace("_", "-")}' for name in fixed if settings[name]]:
        raise SettingsError(f'--table measures fixed settings; leave out {", ".join(idle)}')
