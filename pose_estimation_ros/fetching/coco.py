"""COCO 2017: downloaded or taken from archives, counted, checked and unpacked."""

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tqdm import tqdm

from pose_estimation_ros.core.errors import DatasetError, SettingsError
from pose_estimation_ros.core.files import make_folder
from pose_estimation_ros.core.words import counted
from pose_estimation_ros.fetching.archives import Archive, ArchiveError, Item, opened, writing
from pose_estimation_ros.fetching.download import fetch
from pose_estimation_ros.fetching.preparation import Manner, Outcome, in_words, outcome_of, require_space
from pose_estimation_ros.fetching.tree import WORK, Tree, expect_count, locked, tidy

COCO_URL = 'http://images.cocodataset.org'


@dataclass(frozen=True)
class CocoPart:
    """One archive of COCO and what is in it. Sizes are in bytes and serve to estimate the room that is needed."""

    name: str
    path_on_server: str
    places: tuple[str, ...]
    pattern: str
    """Of the members to unpack; its first group is the name a file gets."""
    files: int
    archive_bytes: int
    unpacked_bytes: int
    names: tuple[str, ...] = ()
    images_by_file: dict[str, int] = field(default_factory=dict)
    """Keypoint annotations -> how many images they are about."""

    @property
    def archive_name(self) -> str:
        return self.path_on_server.rpartition('/')[2]

    def tree(self, root: Path) -> Tree:
        return Tree(root, self.name, self.places, self.files, '.json' if self.names else '.jpg', self.names)


def images_part(name: str, files: int, size: int) -> CocoPart:
    """Describe an archive of images; `size` in bytes, packed or not, since images do not shrink."""
    places = (f'images/{name}', name)
    return CocoPart(name, f'zips/{name}.zip', places, rf'{name}/([^/]+\.jpg)', files, size, size)


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
        places=('annotations',),
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
"""Folder, in the output, for fetched archives that are to be kept."""
BOMB_FACTOR = 3
"""An archive that would unpack to so many times what the published one does is refused."""


@dataclass(frozen=True)
class CocoRequest:
    """What to prepare, and from where."""

    output: Path
    parts: tuple[str, ...] = DEFAULT_PARTS
    url: str = COCO_URL
    archives: Path | None = None
    """Folder with the archives; nothing is fetched then, and nothing there is removed."""
    keep_archives: bool = False
    """Keep fetched archives in KEPT."""

    def archive_of(self, part: CocoPart) -> Path:
        """Return where the archive of a part is, or will be."""
        if self.archives:
            return self.archives / part.archive_name
        kept = self.output / KEPT / part.archive_name
        return kept if kept.exists() else self.fetched(part)

    def fetched(self, part: CocoPart) -> Path:
        return self.output / WORK / part.archive_name

    def url_of(self, part: CocoPart) -> str:
        return f'{self.url.rstrip("/")}/{part.path_on_server}'


def prepare_coco(request: CocoRequest, manner: Manner, known: Sequence[CocoPart] = COCO_2017) -> Outcome:
    """Bring COCO into a folder: images/<part>, <part> as a link to it, and annotations.

    Whatever interrupts this, the next call goes on from there. Parts that are there are left alone.

    Raises:
        SettingsError: A part is unknown.
        DatasetError: An archive or what is in place of the dataset is not what it should be.
        DownloadError: An archive cannot be fetched.
        OutputError: The disk is full or the folder cannot be written.

    """
    parts = _chosen(request.parts, known)
    ready = {part.name for part in parts if part.tree(request.output).is_ready()}
    missing = [part for part in parts if part.name not in ready]
    if manner.dry_run:
        there = [part.tree(request.output) for part in parts if part.name in ready]
        return outcome_of(there, ready, _plan(request, missing, manner))
    if missing:
        with locked(request.output):
            _make_all(request, missing, manner)
    trees = [part.tree(request.output) for part in parts]
    notes = [note for note in map(Tree.link, trees) if note]
    if ready:
        _remove_leftovers(request, parts)
    tidy(request.output)
    return outcome_of(trees, ready, notes)


def _chosen(names: Sequence[str], known: Sequence[CocoPart]) -> list[CocoPart]:
    by_name = {part.name: part for part in known}
    for name in names:
        if name not in by_name:
            raise SettingsError(f'a part of COCO must be one of {", ".join(by_name)}, got {name!r}')
    if not names:
        raise SettingsError(f'no part of COCO is named; expected some of {", ".join(by_name)}')
    return [part for part in known if part.name in names]


def _make_all(request: CocoRequest, missing: Sequence[CocoPart], manner: Manner) -> None:
    for part in missing:
        _require_archive(request, part)
    require_space(request.output, _space_needed(request, missing), manner.free)
    for part in missing:
        if not part.tree(request.output).is_ready():  # another process may have made it before the lock was free
            _make(request, part, manner)


def _make(request: CocoRequest, part: CocoPart, manner: Manner) -> None:
    path = request.archive_of(part)
    if not path.exists():
        fetch(request.url_of(part), path, progress=manner.progress)
    tree = part.tree(request.output)
    try:
        with opened(path) as archive:
            items = _items(archive, part)
            total = sum(item.member.file_size for item in items)
            require_space(request.output, tree.missing_bytes(total), manner.free)
            tree.make(archive, items, lambda folder: _check_annotations(folder, part, manner), manner.progress)
    except ArchiveError as error:
        if path != request.fetched(part):
            raise
        path.unlink()
        raise ArchiveError(f'{error}; it was removed, run again to download it') from error
    _put_away(request, part)


def _items(archive: Archive, part: CocoPart) -> list[Item]:
    """Return what is to be unpacked, after counting it."""
    items = archive.items(part.pattern, lambda match: match[1])
    kind = f'{part.name} files'
    expect_count(archive.path, kind, len(items), part.files)
    absent = set(part.names) - {item.place for item in items}
    if absent:
        raise ArchiveError(f'{archive.path} has no {min(absent)}; it is not the published archive')
    total = sum(item.member.file_size for item in items)
    if total > BOMB_FACTOR * part.unpacked_bytes:
        raise ArchiveError(
            f'{archive.path} would unpack to {in_words(total)}, expected about {in_words(part.unpacked_bytes)}; '
            'it is not the published archive'
        )
    return items


def _check_annotations(folder: Path, part: CocoPart, manner: Manner) -> None:
    """Raise ArchiveError where keypoint annotations do not load or are about another number of images."""
    files = part.images_by_file.items()
    bar = tqdm(
        files, desc=f'checking {part.name}', unit='file', disable=not (manner.progress and files), file=sys.stderr
    )
    for name, expected in bar:
        try:
            content = json.loads((folder / name).read_bytes())
            found, people = len(content['images']), len(content['annotations'])
        except (ValueError, KeyError, TypeError) as error:
            raise ArchiveError(f'{name} of {part.archive_name} is no COCO annotation file: {error!r}') from error
        expect_count(Path(part.archive_name), f'images in {name}', found, expected)
        if not people:
            raise ArchiveError(f'{name} of {part.archive_name} annotates nobody; it is not the published file')


def _put_away(request: CocoRequest, part: CocoPart) -> None:
    """Keep or remove an archive that was fetched and is no longer needed."""
    fetched = request.fetched(part)
    if not fetched.exists():
        return
    with writing(fetched):
        if request.keep_archives:
            fetched.replace(make_folder(request.output / KEPT) / fetched.name)
        else:
            fetched.unlink()


def _remove_leftovers(request: CocoRequest, parts: Sequence[CocoPart]) -> None:
    """Put away archives of parts that were finished just before an earlier run was killed."""
    for part in parts:
        _put_away(request, part)


def _require_archive(request: CocoRequest, part: CocoPart) -> None:
    path = request.archive_of(part)
    if request.archives and not path.is_file():
        raise DatasetError(
            f'{part.archive_name} is not in {request.archives}; put it there, '
            f'name other --parts, or leave out --archives to fetch it from {request.url}'
        )


def _space_needed(request: CocoRequest, missing: Sequence[CocoPart]) -> int:
    """Return by how many bytes the disk will be fuller when it is fullest."""
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


def _plan(request: CocoRequest, missing: Sequence[CocoPart], manner: Manner) -> Iterator[str]:
    for part in missing:
        _require_archive(request, part)
        path, size = request.archive_of(part), _bytes_to_fetch(request, part)
        if not path.exists():
            yield f'would fetch {in_words(size)} from {request.url_of(part)}'
        yield f'would unpack {counted(part.files, "file")} of {path} to {request.output / part.places[0]}'
    if missing:
        needed, there = _space_needed(request, missing), manner.free(request.output)
        yield f'would need {in_words(needed)} on the disk, {in_words(there)} are free'
