"""Images in a folder for each class."""

import pytest

from pose_estimation_ros.core.errors import DatasetError
from pose_estimation_ros.data.datasets.class_folders import class_folders

CLASSES = ('n02', 'n01', 'n03')


@pytest.fixture
def folder(tmp_path):
    for name in ('n01/b10.JPEG', 'n01/b2.JPEG', 'n02/a.png', 'n03/c.jpg', 'n03/notes.txt', 'readme.txt'):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def test_every_image_has_the_index_of_its_class(folder):
    found = [(path.relative_to(folder).as_posix(), index) for path, index in class_folders(folder, CLASSES)]
    assert found == [('n02/a.png', 0), ('n01/b2.JPEG', 1), ('n01/b10.JPEG', 1), ('n03/c.jpg', 2)]


def test_trees_that_do_not_fit_are_refused_with_a_sentence(folder):
    for classes, words in (
        ((*CLASSES, 'n04', 'n05'), 'lacks 2 classes (expected 5), first n04'),
        (CLASSES[:2], 'has unknown 1 class (expected 2), first n03'),
    ):
        with pytest.raises(DatasetError) as caught:
            class_folders(folder, classes)
        assert words in str(caught.value)
        assert str(folder) in str(caught.value)
    (folder / 'n03' / 'c.jpg').unlink()
    with pytest.raises(DatasetError, match='has no images of 1 class'):
        class_folders(folder, CLASSES)
    with pytest.raises(DatasetError, match='there is no folder'):
        class_folders(folder / 'val', CLASSES)
