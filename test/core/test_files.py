"""Results are written whole or not at all."""

import json
import math
import os
import stat
import tempfile
from pathlib import Path

import pytest

from pose_estimation_ros.core.errors import ImageError, OutputError
from pose_estimation_ros.core.files import atomic_write, make_folder, read_json, write_json

NOBODY = 65534


def write(path, text='new'):
    with atomic_write(path) as temporary:
        temporary.write_text(text)


def write_half(path, failure):
    with atomic_write(path) as temporary:
        temporary.write_text('half')
        raise failure


def write_to_full_disk(path):
    with atomic_write(path) as temporary:
        temporary.unlink()
        temporary.symlink_to('/dev/full')
        temporary.write_text('half')


def write_and_remove(path):
    with atomic_write(path) as temporary:
        temporary.unlink()


def listing(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def umask():
    """Function that sets the umask for the test."""
    before = os.umask(0o022)
    yield os.umask
    os.umask(before)


def test_writes_into_folders_that_it_makes(tmp_path):
    path = tmp_path / 'a' / 'b' / 'ü result.json'
    write(path)
    assert path.read_text() == 'new'
    assert listing(path.parent) == [path.name]


def test_the_temporary_name_has_the_suffix_and_lies_beside(tmp_path):
    with atomic_write(tmp_path / 'film.mp4') as temporary:
        assert temporary.suffix == '.mp4'
        assert temporary.parent == tmp_path
        assert temporary.name.startswith('.')
        assert not (tmp_path / 'film.mp4').exists()


def test_replaces_what_was_there_only_in_the_end(tmp_path):
    path = tmp_path / 'result'
    write(path, 'old')
    with atomic_write(path) as temporary:
        temporary.write_text('new')
        assert path.read_text() == 'old'
    assert path.read_text() == 'new'


@pytest.mark.parametrize('failure', [ValueError('x'), KeyboardInterrupt(), SystemExit(1)], ids=repr)
@pytest.mark.parametrize('before', [None, 'old'])
def test_a_failure_leaves_what_was_there(tmp_path, before, failure):
    path = tmp_path / 'result'
    if before:
        path.write_text(before)
    with pytest.raises(type(failure)):
        write_half(path, failure)
    assert listing(tmp_path) == ([path.name] if before else [])
    assert not before or path.read_text() == before


def test_a_full_disk_leaves_nothing_and_says_so(tmp_path):
    if not Path('/dev/full').exists():
        pytest.skip('this system has no /dev/full')
    path = tmp_path / 'result'
    with pytest.raises(OutputError, match=f'cannot write {path}: No space left'):
        write_to_full_disk(path)
    assert listing(tmp_path) == []


def test_a_writer_that_removes_its_file_is_told(tmp_path):
    path = tmp_path / 'result'
    with pytest.raises(OutputError, match='No such file'):
        write_and_remove(path)
    assert listing(tmp_path) == []


@pytest.fixture
def without_power():
    """A folder of somebody who is not root, as whom the test runs: root may write everywhere."""
    with tempfile.TemporaryDirectory() as name:
        if os.geteuid():
            yield Path(name)
        else:
            os.chown(name, NOBODY, NOBODY)
            os.seteuid(NOBODY)
            yield Path(name)
            os.seteuid(0)


@pytest.mark.parametrize('mode', [0o500, 0o600, 0o000])
def test_a_folder_that_may_not_be_written_to_is_refused(without_power, mode):
    without_power.chmod(mode)
    with pytest.raises(OutputError, match=r'cannot write .*: Permission denied'):
        write(without_power / 'result')
    with pytest.raises(OutputError, match=r'cannot make the folder .*: Permission denied'):
        write(without_power / 'deeper' / 'result')
    without_power.chmod(0o700)
    assert listing(without_power) == []


def test_a_file_system_that_is_read_only_is_refused():
    with pytest.raises(OutputError, match='/proc/result'):
        write(Path('/proc/result'))


def test_a_folder_in_place_of_the_file_is_refused(tmp_path):
    with pytest.raises(OutputError, match='it is a folder'):
        write(tmp_path)


def test_a_file_in_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / 'taken').write_text('old')
    for path in (tmp_path / 'taken' / 'result', tmp_path / 'taken' / 'deeper' / 'result'):
        with pytest.raises(OutputError, match=r'cannot make the folder .*choose another folder'):
            write(path)
    with pytest.raises(OutputError, match='File exists'):
        make_folder(tmp_path / 'taken')


@pytest.mark.parametrize('mask', [0o022, 0o077, 0o002])
def test_permissions_follow_the_umask(tmp_path, umask, mask):
    umask(mask)
    write(tmp_path / 'result')
    assert stat.S_IMODE((tmp_path / 'result').stat().st_mode) == 0o666 & ~mask
    assert umask(mask) == mask  # asking for it has not changed it


def test_json_is_written_whole(tmp_path):
    path = tmp_path / 'result.json'
    write_json(path, {'a': [1, None]}, indent=4)
    assert json.loads(path.read_text()) == {'a': [1, None]}
    assert path.read_text().endswith('\n')
    for value in ({'a': math.nan}, {'a': object()}):
        with pytest.raises((ValueError, TypeError)):
            write_json(path, value)
    assert json.loads(path.read_text()) == {'a': [1, None]}
    assert listing(tmp_path) == ['result.json']


@pytest.mark.parametrize('encoding', ['utf-8', 'utf-8-sig', 'utf-16'])
def test_json_is_read_in_any_unicode_encoding(tmp_path, encoding):
    (tmp_path / 'a.json').write_text('{"é": 1}', encoding=encoding)
    assert read_json(tmp_path / 'a.json', ValueError) == {'é': 1}


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        (None, 'cannot read .*: No such file'),
        (b'\x1f\x8b\x08\xff', 'is a binary file'),
        (b'<p> a', "begins with '<p> a'"),
    ],
)
def test_json_that_cannot_be_read(tmp_path, content, message):
    if content:
        (tmp_path / 'a.json').write_bytes(content)
    with pytest.raises(ImageError, match=message):
        read_json(tmp_path / 'a.json', ImageError)
