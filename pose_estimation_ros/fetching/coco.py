"""COCO 2017: downloaded or taken from archives, counted, checked and unpacked."""

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tqdm import tqdm

from pose_estimation_ros.core.errors import DatasetError, SettingsError
from pose_estimation_ros.core.files import make_folder
from pose_estimation_ros.core.plurals import counted
from pose_estimation_ros.fetching.archives import Archive, ArchiveError, Item, opened, output_errors
from pose_estimation_ros.fetching.download import fetch
from pose_estimation_ros.fetching.preparation import (
    WORK,
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

COCO_URL = 'http://images.cocodataset.org'


@dataclass(frozen=True)
class CocoPart:
    """One archive of COCO and its contents. Sizes in bytes are used to estimate the space needed."""

    name: str
    path_on_server: str
    paths: tuple[str, ...]
    pattern: str
    """Of the members to unpack; its first group is the file name."""
    files: int
    archive_bytes: int
    unpacked_bytes: int
    names: tuple[str, ...] = ()
    images_by_file: dict[str, int] = field(default_factory=dict)
    """Annotation file -> expected number of images."""

    @property
    def archive_name(self) -> str:
        return self.path_on_server.rpartition('/')[2]

    def tree(self, root: Path) -> Tree:
        return Tree(root, self.name, self.paths, self.files, '.json' if self.names else '.jpg', self.names)


def images_part(name: str, files: int, size: int) -> CocoPart:
    """Return an archive of images; `size` in bytes, compressed or not, since images do not compress."""
    paths = (f'images/{name}', name)
    return CocoPart(name, f'zips/{name}.zip', paths, rf'{name}/([^/]+\.jpg)', files, size, size)


ANNOTATION_FILES = tuple(
    f'{kind}_{split}2017.json' for kind in ('captions', 'instances', 'person_keypoints') for split in ('train', 'val')
)
COCO_2017 = (
    images_part('train2017', 118_287, 19_336_861_798),
    images_part('val2017', 5_000, 815_585_330),
    images_part('test2017', 40_670, 6_646_970_404),
    CocoPart(
        name='annotations',
        path_on_server='annotations/annotations_trainval2017.zip',
        paths=('annotations',),
        pattern=r'annotations/([^/]+\.json)',
        files=len(ANNOTATION_FILES),
        archive_bytes=252_907_541,
        unpacked_bytes=840_000_000,
        names=ANNOTATION_FILES,
        images_by_file={'person_keypoints_train2017.json': 118_287, 'person_keypoints_val2017.json': 5_000},
    ),
)
DEFAULT_PARTS = ('train2017', 'val2017', 'annotations')
KEPT = 'archives'
"""Folder in the output for downloaded archives that are kept."""
BOMB_FACTOR = 3
"""An archive that would unpack to more than this factor of the published size is refused."""


@dataclass(frozen=True)
class CocoRequest:
    """Parts to prepare, and their source."""

    output: Path
    parts: tuple[str, ...] = DEFAULT_PARTS
    url: str = COCO_URL
    archives: Path | None = None
    """Folder with the archives; nothing is downloaded then, and nothing in it is removed."""
    keep_archives: bool = False
    """Keep downloaded archives in KEPT."""

    def archive_of(self, part: CocoPart) -> Path:
        """Return the path of the archive of a part, which need not exist."""
        if self.archives:
            return self.archives / part.archive_name
        kept = self.output / KEPT / part.archive_name
        return kept if kept.exists() else self.fetched(part)

    def fetched(self, part: CocoPart) -> Path:
        return self.output / WORK / part.archive_name

    def url_of(self, part: CocoPart) -> str:
        return f'{self.url.rstrip("/")}/{part.path_on_server}'


def prepare_coco(
    request: CocoRequest, options: PreparationOptions, known: Sequence[CocoPart] = COCO_2017
) -> PreparationResult:
    """Prepare COCO in a folder: images/<part>, <part> as a link to it, and annotations.

    An interrupted call continues at the next one. Existing parts are not changed. Raises SettingsError for an unknown
    part, DatasetError for an invalid archive or existing folder, DownloadError, and OutputError for a full disk or a
    folder that cannot be written to.
    """
    parts = _chosen(request.parts, known)
    ready = {part.name for part in parts if part.tree(request.output).is_ready()}
    missing = [part for part in parts if part.name not in ready]
    if options.dry_run:
        there = [part.tree(request.output) for part in parts if part.name in ready]
        return result_of(there, ready, _plan(request, missing, options))
    if missing:
        with locked(request.output):
            for part in missing:
                _require_archive(request, part)
            require_space(request.output, _space_needed(request, missing), options.free)
            for part in missing:
                if not part.tree(request.output).is_ready():  # another process may have made it before the lock
                    _make(request, part, options)
    trees = [part.tree(request.output) for part in parts]
    notes = [note for note in map(Tree.link, trees) if note]
    for part in parts if ready else ():  # archives of parts that an earlier run finished before it was killed
        _put_away(request, part)
    remove_empty_work(request.output)
    return result_of(trees, ready, notes)


def _chosen(names: Sequence[str], known: Sequence[CocoPart]) -> list[CocoPart]:
    by_name = {part.name: part for part in known}
    for name in names:
        if name not in by_name:
            raise SettingsError(f'a part of COCO must be one of {", ".join(by_name)}, got {name!r}')
    if not names:
        raise SettingsError(f'no part of COCO is given; expected some of {", ".join(by_name)}')
    return [part for part in known if part.name in names]


def _make(request: CocoRequest, part: CocoPart, options: PreparationOptions) -> None:
    path = request.archive_of(part)
    if not path.exists():
        fetch(request.url_of(part), path, progress=options.progress)
    tree = part.tree(request.output)
    try:
        with opened(path) as archive:
            items = _items(archive, part)
            total = sum(item.member.file_size for item in items)
            require_space(request.output, tree.missing_bytes(total), options.free)
            tree.make(archive, items, lambda folder: _check_annotations(folder, part, options), options.progress)
    except ArchiveError as error:
        if path != request.fetched(part):
            raise
        path.unlink()
        raise ArchiveError(f'{error}; it was removed, run again to download it') from error
    _put_away(request, part)


def _items(archive: Archive, part: CocoPart) -> list[Item]:
    """Return the members to unpack, after counting them."""
    items = archive.items(part.pattern, lambda match: match[1])
    expect_count(archive.path, f'{part.name} files', len(items), part.files)
    absent = set(part.names) - {item.path for item in items}
    if absent:
        raise ArchiveError(f'{archive.path} has no {min(absent)}; it is not the published archive')
    total = sum(item.member.file_size for item in items)
    if total > BOMB_FACTOR * part.unpacked_bytes:
        raise ArchiveError(
            f'{archive.path} would unpack to {readable_size(total)}, expected about '
            f'{readable_size(part.unpacked_bytes)}; it is not the published archive'
        )
    return items


def _check_annotations(folder: Path, part: CocoPart, options: PreparationOptions) -> None:
    """Raise ArchiveError if keypoint annotations are invalid or have another number of images."""
    files = part.images_by_file.items()
    disable = not (options.progress and files)
    for name, expected in tqdm(files, f'checking {part.name}', unit='file', disable=disable, file=sys.stderr):
        try:
            content = json.loads((folder / name).read_bytes())
            found, people = len(content['images']), len(content['annotations'])
        except (ValueError, KeyError, TypeError) as error:
            raise ArchiveError(f'{name} of {part.archive_name} is no COCO annotation file: {error!r}') from error
        expect_count(Path(part.archive_name), f'images in {name}', found, expected)
        if not people:
            raise ArchiveError(f'{name} of {part.archive_name} has no annotated people; it is not the published file')


def _put_away(request: CocoRequest, part: CocoPart) -> None:
    """Keep or remove a downloaded archive that is no longer needed."""
    fetched = request.fetched(part)
    if not fetched.exists():
        return
    with output_errors(fetched):
        if request.keep_archives:
            fetched.replace(make_folder(request.output / KEPT) / fetched.name)
        else:
            fetched.unlink()


def _require_archive(request: CocoRequest, part: CocoPart) -> None:
    path = request.archive_of(part)
    if request.archives and not path.is_file():
        raise DatasetError(
            f'{part.archive_name} is not in {request.archives}; put it there, '
            f'name other --parts, or leave out --archives to fetch it from {request.url}'
        )


def _space_needed(request: CocoRequest, missing: Sequence[CocoPart]) -> int:
    """Return the peak of additional bytes on the disk."""
    added = peak = 0
    for part in missing:
        tree = part.tree(request.output)
        added += _bytes_to_fetch(request, part) + tree.missing_bytes(part.unpacked_bytes)
        peak = max(peak, added)
        if not request.archives and not request.keep_archives:
            added -= part.archive_bytes
    return peak


def _bytes_to_fetch(request: CocoRequest, part: CocoPart) -> int:
    path = request.archive_of(part)
    if path.exists():
        return 0
    begun = path.with_name(f'{path.name}.part')
    return max(0, part.archive_bytes - (begun.stat().st_size if begun.exists() else 0))


def _plan(request: CocoRequest, missing: Sequence[CocoPart], options: PreparationOptions) -> Iterator[str]:
    for part in missing:
        _require_archive(request, part)
        path, size = request.archive_of(part), _bytes_to_fetch(request, part)
        if not path.exists():
            yield f'would fetch {readable_size(size)} from {request.url_of(part)}'
        yield f'would unpack {counted(part.files, "file")} of {path} to {request.output / part.paths[0]}'
    if missing:
        needed, there = _space_needed(request, missing), options.free(request.output)
        yield f'would need {readable_size(needed)} on the disk, {readable_size(there)} are free'
