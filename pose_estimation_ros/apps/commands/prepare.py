"""`prepare`: bring published datasets into the layout that training and evaluation read."""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

from jsonargparse import Namespace
from jsonargparse.typing import NonNegativeInt, PositiveInt

from pose_estimation_ros.apps.options.json_option import add_json_option, json_results
from pose_estimation_ros.apps.options.parser import PROGRAM, add_flag, say
from pose_estimation_ros.core.errors import SettingsError
from pose_estimation_ros.core.tables import table_lines
from pose_estimation_ros.fetching.coco import COCO_2017, COCO_URL, DEFAULT_PARTS, CocoRequest, prepare_coco
from pose_estimation_ros.fetching.imagenet import IMAGENET, LABELS, prepare_imagenet
from pose_estimation_ros.fetching.preparation import THERE, PreparationOptions, PreparationResult, readable_size
from pose_estimation_ros.fetching.synthetic import prepare_synthetic
from pose_estimation_ros.methods.systems import DEFAULT_SYSTEM

FOLDERS = {'coco': Path('data/COCO'), 'imagenet': Path('data/ImageNet'), 'synthetic': Path('data/synthetic')}
OWN_OPTIONS: dict[str, dict[str, Any]] = {
    'coco': {'url': None, 'archives': None, 'parts': None, 'keep_archives': False},
    'imagenet': {'archive': None},
    'synthetic': {'count': 100, 'seed': 0},
}
"""Options that belong to one dataset, with their defaults."""
RECIPE = f'config/train/{DEFAULT_SYSTEM}.yaml'
COLUMNS = ('part', 'files', 'size', 'state', 'where')


def add_arguments(parser: Any) -> None:
    """Add the options of this command."""
    parser.add_argument(
        'what', type=Literal['coco', 'imagenet', 'synthetic'],
        help="What to prepare: COCO 2017, ImageNet (ILSVRC 2012), or synthetic people in COCO's layout.",
    )  # fmt: skip
    parser.add_argument(
        '--output', type=Path | None, metavar='DIR',
        help=f'Folder for the dataset. [default: {", ".join(map(str, FOLDERS.values()))}]',
    )  # fmt: skip
    parser.add_argument(
        '--url', type=str | None, help=f'For coco: server with zips/ and annotations/. [default: {COCO_URL}]'
    )
    parser.add_argument(
        '--archives', type=Path | None, metavar='FOLDER',
        help='For coco: unpack the zip files in this folder instead of downloading; they are kept.',
    )  # fmt: skip
    parser.add_argument(
        '--parts', type=str | None, metavar='NAMES',
        help=f'For coco: parts out of train2017,val2017,test2017,annotations. [default: {",".join(DEFAULT_PARTS)}]',
    )  # fmt: skip
    add_flag(parser, '--keep-archives', 'For coco: keep the downloaded zip files in DIR/archives.')
    parser.add_argument(
        '--archive', type=Path | None, metavar='ZIP',
        help='For imagenet: the file imagenet-object-localization-challenge.zip; Kaggle has it for registered users.',
    )  # fmt: skip
    parser.add_argument('--count', type=PositiveInt, default=100, help='For synthetic: number of images.')
    parser.add_argument('--seed', type=NonNegativeInt, default=0, help='For synthetic: random seed.')
    add_flag(parser, '--dry-run', 'Print what would be done, and do nothing.')
    add_json_option(parser, 'the table')


def run(settings: Namespace) -> int:
    """Prepare a dataset, resuming an interrupted run, and print a table of its parts."""
    for other, options in OWN_OPTIONS.items():
        for name, absent in options.items():
            if other != settings.what and settings[name] != absent:
                option = f'--{name.replace("_", "-")}'
                raise SettingsError(f'{option} is for prepare {other}, not for prepare {settings.what}')
    with json_results(settings.json, indent=2) as write_results:
        output = settings.output or FOLDERS[settings.what]
        try:
            result = _prepare(settings, output, PreparationOptions(dry_run=settings.dry_run))
        except KeyboardInterrupt:
            print(f'\n{PROGRAM}: finished parts are kept; run the same command again to continue', file=sys.stderr)
            raise
        for note in result.notes:
            say(note)
        parts = result.parts
        if parts:
            rows = [
                (each.name, str(each.files), readable_size(each.bytes), each.state, str(each.path)) for each in parts
            ]
            say('\n'.join(table_lines([COLUMNS, *rows])))
        write_results([{**asdict(part), 'path': str(part.path)} for part in parts])
        if not settings.dry_run:
            say(_next(settings.what, output, result))
    return 0


def _prepare(settings: Namespace, output: Path, options: PreparationOptions) -> PreparationResult:
    if settings.what == 'synthetic':
        return prepare_synthetic(output, settings.count, settings.seed, options)
    if settings.what == 'imagenet':
        return prepare_imagenet(output, settings.archive, options, IMAGENET)
    named = DEFAULT_PARTS if settings.parts is None else settings.parts.split(',')
    parts = tuple(part.strip() for part in named if part.strip())
    request = CocoRequest(output, parts, settings.url or COCO_URL, settings.archives, settings.keep_archives)
    return prepare_coco(request, options, COCO_2017)


def _next(what: str, output: Path, result: PreparationResult) -> str:
    """Return the result and the command to run next."""
    done = 'nothing to do' if all(part.state == THERE for part in result.parts) else 'complete'
    if what == 'imagenet':
        return f'{done}; class names are in {output / LABELS}'
    if what == 'synthetic':
        return f'{done}; next: python -m pose_estimation_ros evaluate --dataset {output}'
    names = {part.name for part in result.parts}
    if not {'val2017', 'annotations'} <= names:
        return f'{done}; evaluation needs the parts val2017 and annotations'
    evaluate = f'python -m pose_estimation_ros evaluate --dataset {output} --weights PATH'
    train = f'python -m pose_estimation_ros train --config {RECIPE} --data.root {output}'
    return f'{done}; next: {evaluate}' + (f'\n  or: {train}' if 'train2017' in names else '')
