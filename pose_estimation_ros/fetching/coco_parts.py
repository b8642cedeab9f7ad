"""What COCO 2017 consists of: archives, where their files go, and how many there are."""

from dataclasses import dataclass, field
from pathlib import Path

from pose_estimation_ros.fetching.tree import Tree

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


def pictures_part(name: str, files: int, size: int) -> CocoPart:
    """Describe an archive of pictures; `size` in bytes, packed or not, since pictures do not shrink."""
    places = (f'images/{name}', name)
    return CocoPart(name, f'zips/{name}.zip', places, rf'{name}/([^/]+\.jpg)', files, size, size)


ANNOTATION_FILES = tuple(
    f'{kind}_{split}2017.json' for kind in ('captions', 'instances', 'person_keypoints') for split in ('train', 'val')
)
COCO_2017 = (
    pictures_part('train2017', 118_287, 19_336_861_798),
    pictures_part('val2017', 5_000, 815_585_330),
    pictures_part('test2017', 40_670, 6_646_970_404),
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
