"""ImageNet (ILSVRC 2012) from Kaggle's archive: a folder for each class."""

import csv
import io
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from pose_estimation_ros.core.errors import DatasetError, SettingsError
from pose_estimation_ros.core.files import atomic_write
from pose_estimation_ros.core.plurals import counted
from pose_estimation_ros.fetching.archives import Archive, ArchiveError, Item, opened
from pose_estimation_ros.fetching.preparation import (
    PreparationOptions,
    PreparationResult,
    Tree,
    expect_count,
    locked,
    readable_size,
    remove_empty_work,
    require_space,
    result_of,
)

KAGGLE = 'https://www.kaggle.com/competitions/imagenet-object-localization-challenge/data'
LABELS = 'wordnet_labels.yaml'


@dataclass(frozen=True)
class ImageNetCounts:
    """Contents of the published archive."""

    train: int = 1_281_167
    val: int = 50_000
    classes: int = 1_000
    most_bytes: int = 400 << 30
    """Maximum unpacked size."""
    images: str = 'ILSVRC/Data/CLS-LOC'
    val_solution: str = 'LOC_val_solution.csv'
    synsets: str = 'LOC_synset_mapping.txt'

    def trees(self, root: Path) -> tuple[Tree, Tree]:
        """Return the folders of training and validation images."""
        return (
            Tree(root, 'train', ('train',), self.train, '.JPEG'),
            Tree(root, 'val', ('val',), self.val, '.JPEG'),
        )


IMAGENET = ImageNetCounts()


def prepare_imagenet(
    output: Path, archive: Path | None, options: PreparationOptions, counts: ImageNetCounts = IMAGENET
) -> PreparationResult:
    """Prepare ImageNet in a folder: train/<wnid>, val/<wnid> and LABELS. The archive is not changed.

    Raises SettingsError if a part is missing and no archive is given, DatasetError for an invalid archive or existing
    folder, and OutputError for a full disk or a folder that cannot be written to.
    """
    trees = counts.trees(output)
    ready = {tree.name for tree in trees if tree.is_ready()}
    missing = [tree for tree in trees if tree.name not in ready]
    if missing or not (output / LABELS).exists():
        notes = _make_from(archive, output, missing, options, counts)
        if options.dry_run:
            return result_of([tree for tree in trees if tree.name in ready], ready, notes)
    remove_empty_work(output)
    return result_of(trees, ready)


def labels_yaml(synsets: str) -> str:
    """Return class index -> [wnid, label] as YAML, from lines such as `n01440764 tench, Tinca tinca`.

    Indices are in the order of wnids, and a label is the first name with _ for spaces, as in the index of published
    ImageNet classifiers.
    """
    pairs = sorted(line.split(maxsplit=1) for line in synsets.splitlines() if line.strip())
    named = [(wnid, names.partition(',')[0].strip().replace(' ', '_')) for wnid, names in pairs]
    return ''.join(f'"{index}": {json.dumps(pair)}\n' for index, pair in enumerate(named))


def _make_from(
    path: Path | None, output: Path, missing: Sequence[Tree], options: PreparationOptions, counts: ImageNetCounts
) -> tuple[str, ...]:
    """Unpack missing parts; in a dry run return what would be done, after checking the archive."""
    if path is None:
        raise SettingsError(
            f'downloading ImageNet needs an account: get imagenet-object-localization-challenge.zip from '
            f'{KAGGLE} and pass it with --archive'
        )
    if not path.is_file():
        raise DatasetError(f'there is no archive {path}; pass the zip file from Kaggle with --archive')
    if options.progress:
        tqdm.write(f'reading the table of contents of {path}', file=sys.stderr)
    with opened(path) as archive:
        labels = _labels(archive, counts)
        items = {'train': archive.items(rf'{counts.images}/train/(n\d+/[^/]+\.JPEG)', lambda match: match[1])}
        expect_count(path, 'training images', len(items['train']), counts.train)
        items['val'] = _val_items(archive, counts)
        for each in items.values():
            _refuse_bomb(archive, each, counts)
        _check_classes(archive, labels, items)
        needed = sum(tree.missing_bytes(_size(items[tree.name])) for tree in missing)
        if options.dry_run:
            return (
                *(f'would unpack {counted(tree.files, "file")} of {path} to {tree.folder}' for tree in missing),
                f'would write {output / LABELS}',
                f'would need {readable_size(needed)} on the disk, {readable_size(options.free(output))} are free',
            )
        require_space(output, needed, options.free)
        with locked(output):
            for tree in missing:
                if not tree.is_ready():
                    tree.make(archive, items[tree.name], lambda folder: None, options.progress)
            with atomic_write(output / LABELS) as temporary:
                temporary.write_text(labels)
    return ()


def _labels(archive: Archive, counts: ImageNetCounts) -> str:
    try:
        labels = labels_yaml(archive.text(counts.synsets))
    except ValueError as error:
        raise ArchiveError(f'{counts.synsets} in {archive.path} has a line without a name') from error
    expect_count(archive.path, f'classes in {counts.synsets}', labels.count('\n'), counts.classes)
    return labels


def _val_items(archive: Archive, counts: ImageNetCounts) -> list[Item]:
    """Return the validation images, each in the folder of its class."""
    rows = csv.reader(io.StringIO(archive.text(counts.val_solution)))  # ILSVRC2012_val_00048981,n03995372 85 1 499 272
    next(rows, None)
    wnid_of = {row[0]: row[1].split()[0] for row in rows if len(row) > 1 and row[1].strip()}
    items = archive.items(
        rf'{counts.images}/val/(([^/]+)\.JPEG)', lambda match: f'{wnid_of.get(match[2], "")}/{match[1]}'
    )
    expect_count(archive.path, 'validation images', len(items), counts.val)
    unknown = [item.path for item in items if item.path.startswith('/')]
    if unknown:
        raise ArchiveError(f'{counts.val_solution} in {archive.path} has no class for {unknown[0][1:]}')
    return items


def _check_classes(archive: Archive, labels: str, items: dict[str, list[Item]]) -> None:
    """Raise ArchiveError unless all classes of images have a label and all labels have training images."""
    known = {line.split('"')[3] for line in labels.splitlines()}
    trained, validated = ({item.path.partition('/')[0] for item in items[name]} for name in ('train', 'val'))
    odd = (trained ^ known) | (validated - known)
    if odd:
        raise ArchiveError(f'the classes of {archive.path} do not match: {min(odd)} is in one list and not in another')


def _refuse_bomb(archive: Archive, items: Sequence[Item], counts: ImageNetCounts) -> None:
    if _size(items) > counts.most_bytes:
        raise ArchiveError(
            f'{archive.path} would unpack to {readable_size(_size(items))}, expected at most '
            f'{readable_size(counts.most_bytes)}; it is not the published archive'
        )


def _size(items: Sequence[Item]) -> int:
    return sum(item.member.file_size for item in items)
