import fcntl
import json
import os
import pickle
import re
import signal
import subprocess
import sys
import threading
import zipfile
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from pose_estimation_ros.core.errors import DatasetError, DownloadError, OutputError, SettingsError
from pose_estimation_ros.fetching import coco, download
from pose_estimation_ros.fetching.coco import CocoPart, CocoRequest, images_part, prepare_coco
from pose_estimation_ros.fetching.preparation import MADE, THERE, PreparationOptions

REPOSITORY = Path(__file__).resolve().parents[2]
NAMES = ('person_keypoints_train2017.json', 'person_keypoints_val2017.json')
COUNTS = {'train2017': 12, 'val2017': 3}
QUIET = PreparationOptions(progress=False)
ALL = ('train2017', 'val2017', 'annotations')


def pictures(name, count):
    return {f'{name}/{index:012}.jpg': os.urandom(3000 + 100 * index) for index in range(count)}


def truth(images):
    people = [{'id': image, 'image_id': image, 'keypoints': [0] * 51} for image in range(images)]
    return json.dumps({'images': [{'id': image} for image in range(images)], 'annotations': people}).encode()


CONTENTS = {
    **{name: pictures(name, count) for name, count in COUNTS.items()},
    'annotations': {f'annotations/{name}': truth(COUNTS[name[17:-5]]) for name in NAMES},
}
PLACES = {'train2017': 'images/train2017', 'val2017': 'images/val2017', 'annotations': 'annotations'}


def miniature(name):
    """Describe a part of a COCO of a few images."""
    size = sum(map(len, CONTENTS[name].values()))
    if name in COUNTS:
        return images_part(name, COUNTS[name], size)
    return CocoPart(
        *(name, 'annotations/annotations_trainval2017.zip', (name,), r'annotations/([^/]+\.json)', len(NAMES), size),
        *(size, NAMES, {file: COUNTS[file[17:-5]] for file in NAMES}),
    )


KNOWN = tuple(miniature(name) for name in ALL)


def write_zip(path, contents, compression=zipfile.ZIP_DEFLATED):
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, 'w', compression) as file:
        for name, content in contents.items():
            file.writestr(name, content)
    return path


@pytest.fixture
def archives(tmp_path):
    """Folder with miniature archives."""
    for part in KNOWN:
        write_zip(tmp_path / 'zips' / part.archive_name, CONTENTS[part.name])
    return tmp_path / 'zips'


@pytest.fixture
def output(tmp_path):
    return tmp_path / 'data' / 'COCO'


@pytest.fixture
def request_of(output, archives):
    """Function that asks for parts from the archives, or as told."""
    return lambda **options: CocoRequest(**{'output': output, 'archives': archives, **options})


def prepare(request, options=QUIET):
    return prepare_coco(request, options, KNOWN)


def states(outcome):
    return {part.name: part.state for part in outcome.parts}


def assert_complete(output):
    for name, contents in CONTENTS.items():
        place = output / PLACES[name]
        assert {path.name for path in place.iterdir()} == {Path(member).name for member in contents}
        for member, content in contents.items():
            assert (place / Path(member).name).read_bytes() == content
    assert not (output / '.preparing').exists()


def assert_nothing_half_done(output):
    """Whatever is in its place is whole."""
    for name, contents in CONTENTS.items():
        place = output / PLACES[name]
        if place.exists():
            assert {path.name: path.read_bytes() for path in place.iterdir()} == {
                Path(member).name: content for member, content in contents.items()
            }


def listing(folder):
    return {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in sorted(folder.rglob('*'))}


class TestFromArchives:
    def test_lays_out_what_training_and_evaluation_look_for(self, request_of, output, archives):
        outcome = prepare(request_of())
        assert states(outcome) == dict.fromkeys(ALL, MADE)
        assert [part.files for part in outcome.parts] == [12, 3, 2]
        assert outcome.parts[0].bytes == sum(map(len, CONTENTS['train2017'].values()))
        assert_complete(output)
        assert (output / 'val2017').readlink() == Path('images/val2017')
        assert (output / 'val2017' / '000000000001.jpg').is_file()
        assert len(list(archives.iterdir())) == 3

    def test_a_second_run_does_nothing_and_says_so(self, request_of, output):
        prepare(request_of())
        before = listing(output)
        outcome = prepare(
            request_of(archives=Path('/nowhere')), PreparationOptions(progress=False, free=lambda folder: 0)
        )
        assert states(outcome) == dict.fromkeys(ALL, THERE)
        assert listing(output) == before

    def test_some_parts(self, request_of, output):
        assert states(prepare(request_of(parts=('val2017',)))) == {'val2017': MADE}
        assert sorted(path.name for path in output.iterdir()) == ['.prepared', 'images', 'val2017']
        assert states(prepare(request_of())) == {'train2017': MADE, 'val2017': THERE, 'annotations': MADE}

    def test_shows_progress(self, request_of, capsys):
        prepare(request_of(), PreparationOptions())
        shown = capsys.readouterr().err
        assert 'unpacking train2017: 100%' in shown
        assert 'checking annotations: 100%' in shown

    def test_dry_run(self, request_of, output, archives):
        outcome = prepare(request_of(), PreparationOptions(dry_run=True, free=lambda folder: 5 << 30))
        assert f'would unpack 12 files of {archives / "train2017.zip"} to {output}/images/train2017' in outcome.notes
        assert outcome.notes[-1].endswith('5.0 GiB are free')
        assert not output.parent.exists()

    def test_the_flat_layout_of_others_is_taken_as_it_is(self, request_of, output):
        for member, content in CONTENTS['val2017'].items():
            (output / member).parent.mkdir(parents=True, exist_ok=True)
            (output / member).write_bytes(content)
        assert states(prepare(request_of()))['val2017'] == THERE
        assert (output / 'images' / 'val2017').is_symlink()
        assert_complete(output)

    def test_a_folder_of_others_that_lacks_images_is_not_touched(self, request_of, output):
        stray = output / 'images' / 'val2017' / 'one.jpg'
        stray.parent.mkdir(parents=True)
        stray.write_bytes(b'mine')
        with pytest.raises(DatasetError, match=r'images/val2017 holds 1 \.jpg files, expected 3; move it away'):
            prepare(request_of())
        assert stray.read_bytes() == b'mine'
        assert not (output / '.preparing').exists()

    @pytest.mark.parametrize('harm', [Path.unlink, lambda path: path.write_bytes(b'cut')], ids=['lost', 'cut'])
    def test_what_was_damaged_since_is_mended(self, request_of, output, harm):
        prepare(request_of())
        harm(output / 'images' / 'train2017' / '000000000005.jpg')
        outcome = prepare(request_of())
        assert states(outcome) == {'train2017': MADE, 'val2017': THERE, 'annotations': THERE}
        assert_complete(output)

    def test_subsets_that_a_learner_adds_to_the_annotations_do_no_harm(self, request_of, output):
        prepare(request_of())
        (output / 'annotations' / 'val_subset.json').write_text('{}')
        assert states(prepare(request_of()))['annotations'] == THERE

    @pytest.mark.parametrize('parts', [('val2018',), ()])
    def test_unknown_parts(self, request_of, parts):
        with pytest.raises(SettingsError, match='train2017, val2017, annotations'):
            prepare(request_of(parts=parts))

    def test_an_archive_that_is_not_there(self, request_of, archives, output):
        (archives / 'val2017.zip').unlink()
        with pytest.raises(DatasetError, match=r'val2017\.zip is not in .*zips; put it there'):
            prepare(request_of())
        assert not (output / 'images').exists()

    def test_one_at_a_time(self, request_of, output):
        (output / '.prepared').mkdir(parents=True)
        with (output / '.prepared' / 'lock').open('w') as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            with pytest.raises(OutputError, match='another process is preparing'):
                prepare(request_of())
        prepare(request_of())
        assert_complete(output)


class TestBadArchives:
    def assert_refused(self, request, output, match):
        with pytest.raises(DatasetError, match=match) as caught:
            prepare(replace(request, parts=('val2017',)))
        assert '\n' not in str(caught.value)
        assert not (output / 'images').exists()
        outside = [path for path in output.parent.parent.rglob('*') if 'evil' in path.name]
        assert outside == []

    def test_a_wrong_checksum(self, request_of, output, archives):
        path = write_zip(archives / 'val2017.zip', CONTENTS['val2017'], zipfile.ZIP_STORED)
        content = CONTENTS['val2017']['val2017/000000000001.jpg']
        path.write_bytes(path.read_bytes().replace(content[:100], bytes(100)))
        self.assert_refused(request_of(), output, r'val2017\.zip is damaged at val2017/000000000001\.jpg: Bad CRC')
        write_zip(path, CONTENTS['val2017'])
        prepare(request_of())
        assert_complete(output)

    def test_garbled_deflate_data(self, request_of, output, archives):
        path = write_zip(archives / 'val2017.zip', {name: bytes(9000) for name in CONTENTS['val2017']})
        content = bytearray(path.read_bytes())
        content[60:70] = b'\xff' * 10
        path.write_bytes(content)
        self.assert_refused(request_of(), output, 'is damaged at val2017/000000000000.jpg')

    @pytest.mark.parametrize('size', [0, 100, 5000])
    def test_an_archive_that_was_cut_off(self, request_of, output, archives, size):
        path = archives / 'val2017.zip'
        path.write_bytes(path.read_bytes()[:size])
        self.assert_refused(
            request_of(), output, 'val2017.zip is damaged at its table of contents: File is not a zip file'
        )

    @pytest.mark.parametrize(
        'name', ['../evil.jpg', 'val2017/../../evil.jpg', '/tmp/evil.jpg', '..\\evil.jpg', 'C:/evil.jpg']
    )
    def test_paths_that_lead_outside(self, request_of, output, archives, name):
        write_zip(archives / 'val2017.zip', {**CONTENTS['val2017'], name: b'evil'})
        self.assert_refused(request_of(), output, 'would write outside its folder')

    def test_a_link(self, request_of, output, archives):
        with zipfile.ZipFile(archives / 'val2017.zip', 'a') as file:
            link = zipfile.ZipInfo('val2017/evil.jpg')
            link.external_attr = 0o120777 << 16
            file.writestr(link, '/etc/passwd')
        self.assert_refused(request_of(), output, 'is a link or a device')

    def test_encrypted(self, request_of, output, archives):
        path = archives / 'val2017.zip'
        content = bytearray(path.read_bytes())
        entry = content.index(b'PK\x01\x02')
        content[entry + 8] |= 1
        path.write_bytes(content)
        self.assert_refused(request_of(), output, 'is encrypted')

    def test_an_unknown_compression(self, request_of, output, archives):
        path = archives / 'val2017.zip'
        content = path.read_bytes()
        for mark, place in ((b'PK\x01\x02', 10), (b'PK\x03\x04', 8)):
            start = content.index(mark) + place
            content = content[:start] + b'\x63\x00' + content[start + 2 :]
        path.write_bytes(content)
        self.assert_refused(request_of(), output, 'is damaged at val2017/000000000000.jpg: .*compression')

    def test_a_bomb(self, request_of, output, archives):
        write_zip(archives / 'val2017.zip', {name: bytes(1 << 20) for name in CONTENTS['val2017']})
        self.assert_refused(request_of(), output, r'would unpack to 3\.0 MiB, expected about 9\.1 KiB')

    def test_a_file_twice(self, request_of, output, archives):
        with pytest.warns(UserWarning, match='Duplicate'), zipfile.ZipFile(archives / 'val2017.zip', 'a') as file:
            file.writestr('val2017/000000000001.jpg', b'evil')
        self.assert_refused(request_of(), output, 'contains 1 file twice')

    @pytest.mark.parametrize('count', [0, 2, 4])
    def test_a_wrong_count(self, request_of, output, archives, count):
        write_zip(archives / 'val2017.zip', pictures('val2017', count))
        self.assert_refused(request_of(), output, f'has {count} val2017 files, expected 3')

    @pytest.mark.parametrize(
        ('content', 'match'),
        [
            (truth(4), 'has 4 images in person_keypoints_val2017.json, expected 3'),
            (b'{"images": [', 'no COCO annotation file'),
            (b'[]', 'no COCO annotation file'),
            (b'{"images": [1, 2, 3], "annotations": []}', 'has no annotated people'),
        ],
    )
    def test_wrong_annotations(self, request_of, output, archives, content, match):
        contents = {**CONTENTS['annotations'], 'annotations/person_keypoints_val2017.json': content}
        write_zip(archives / 'annotations_trainval2017.zip', contents)
        with pytest.raises(DatasetError, match=match):
            prepare(request_of())
        assert not (output / 'annotations').exists()

    def test_other_annotations(self, request_of, output, archives):
        contents = {'annotations/a.json': b'{}', 'annotations/b.json': b'{}'}
        write_zip(archives / 'annotations_trainval2017.zip', contents)
        with pytest.raises(DatasetError, match=r'has no person_keypoints_train2017\.json'):
            prepare(request_of())


class TestDisk:
    def test_too_little_room_is_told_before_anything_is_written(self, request_of, output):
        with pytest.raises(OutputError, match=r'COCO needs 5\d\.\d KiB, but only 1000 bytes are free; free some space'):
            prepare(request_of(), PreparationOptions(progress=False, free=lambda folder: 1000))
        assert [path.name for path in output.rglob('*') if path.is_file()] == ['lock']

    def test_room_that_is_just_enough(self, request_of, output):
        needed = sum(len(content) for contents in CONTENTS.values() for content in contents.values())
        prepare(request_of(), PreparationOptions(progress=False, free=lambda folder: needed))
        assert_complete(output)

    def test_room_for_archives_counts_unless_they_are_here(self, request_of):
        by_part = [sum(map(len, CONTENTS[name].values())) for name in ALL]
        fetched = CocoRequest(request_of().output)
        assert coco._space_needed(request_of(), KNOWN) == sum(by_part)
        assert coco._space_needed(fetched, KNOWN) == max(2 * by_part[0], by_part[0] + 2 * by_part[1])
        assert coco._space_needed(replace(fetched, keep_archives=True), KNOWN) == 2 * sum(by_part)

    @pytest.mark.skipif(os.geteuid() == 0, reason='root may write anywhere')
    def test_a_folder_that_may_not_be_written(self, request_of, output):
        output.mkdir(mode=0o555, parents=True)
        with pytest.raises(OutputError, match='Permission denied'):
            prepare(request_of())

    def test_a_folder_on_a_file_system_that_takes_nothing(self, request_of):
        with pytest.raises(OutputError, match='cannot make the folder /proc/COCO'):
            prepare(
                replace(request_of(), output=Path('/proc/COCO')),
                PreparationOptions(progress=False, free=lambda folder: 1e9),
            )

    def test_a_folder_that_is_a_file(self, request_of, output):
        output.parent.mkdir()
        output.write_text('not a folder')
        with pytest.raises(OutputError, match='COCO'):
            prepare(request_of())

    @pytest.mark.skipif(not Path('/dev/full').exists(), reason='needs /dev/full')
    def test_a_disk_that_fills_up_on_the_way(self, request_of, output):
        place = output / '.preparing' / 'val2017' / '000000000001.jpg'
        place.parent.mkdir(parents=True)
        place.symlink_to('/dev/full')
        with pytest.raises(OutputError, match='No space left on device; finished files are kept'):
            prepare(request_of())
        assert not (output / 'images' / 'val2017').exists()
        place.unlink()
        prepare(request_of())
        assert_complete(output)


class Site:
    """What a web server has, and after how many bytes it hangs up."""

    def __init__(self, folder):
        self.folder, self.drops, self.asked = folder, [], []

    def answer(self, request):
        start = int(re.search(r'\d+', request.headers['Range'] or '0')[0])
        self.asked.append((request.path, start))
        path = self.folder / request.path.rpartition('/')[2]
        if not path.exists():
            return request.send_error(404)
        content = path.read_bytes()
        request.send_response(206 if start else 200)
        headers = {'ETag': f'"{path.name}"', 'Last-Modified': 'Mon, 06 Jan 2020 10:00:00 GMT'}
        headers |= {'Content-Range': f'bytes {start}-{len(content) - 1}/{len(content)}'} if start else {}
        for name, value in {**headers, 'Content-Length': len(content) - start}.items():
            request.send_header(name, str(value))
        request.end_headers()
        return request.wfile.write(content[start:][: self.drops.pop(0) if self.drops else None])


@pytest.fixture
def site(archives, monkeypatch):
    monkeypatch.setattr(download, 'PAUSE_S', 0)
    monkeypatch.setenv('no_proxy', '*')
    return Site(archives)


@pytest.fixture
def url(site):
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            site.answer(self)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(('127.0.0.1', 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f'http://127.0.0.1:{server.server_address[1]}'
        server.shutdown()


class TestFromAServer:
    def test_fetches_unpacks_and_removes_the_archives(self, request_of, output, site, url):
        outcome = prepare(request_of(archives=None, url=f'{url}/'))
        assert states(outcome) == dict.fromkeys(ALL, MADE)
        assert_complete(output)
        assert [path for path, _ in site.asked] == [
            *('/zips/train2017.zip', '/zips/val2017.zip', '/annotations/annotations_trainval2017.zip')
        ]
        assert not list(output.rglob('*.zip*'))
        site.asked.clear()
        prepare(request_of(archives=None, url=url))
        assert site.asked == []

    def test_keeps_archives_if_told_and_uses_them_again(self, request_of, output, site, url):
        wanted = request_of(archives=None, url=url, keep_archives=True)
        prepare(wanted)
        assert len(list((output / 'archives').glob('*.zip'))) == 3
        (output / 'images' / 'val2017' / '000000000001.jpg').unlink()
        site.asked.clear()
        prepare(replace(wanted, keep_archives=False))
        assert_complete(output)
        assert site.asked == []
        assert len(list((output / 'archives').glob('*.zip'))) == 3

    def test_a_download_that_broke_off_is_resumed_by_the_next_run(self, request_of, output, site, url):
        site.drops = [20_000, 0, 0]
        wanted = request_of(archives=None, url=url)
        with pytest.raises(DownloadError, match='run again to resume'):
            prepare(wanted)
        assert coco._bytes_to_fetch(wanted, KNOWN[0]) == KNOWN[0].archive_bytes - 20_000
        assert_nothing_half_done(output)
        site.asked.clear()
        prepare(wanted)
        assert site.asked[0] == ('/zips/train2017.zip', 20_000)
        assert_complete(output)

    def test_a_damaged_download_is_removed_so_that_the_next_run_mends_it(self, request_of, output, archives, url):
        good = (archives / 'val2017.zip').read_bytes()
        (archives / 'val2017.zip').write_bytes(good[:5000])
        wanted = request_of(archives=None, url=url)
        with pytest.raises(DatasetError, match=r'damaged.*it was removed, run again to download it'):
            prepare(wanted)
        assert_nothing_half_done(output)
        (archives / 'val2017.zip').write_bytes(good)
        assert states(prepare(wanted)) == {'train2017': THERE, 'val2017': MADE, 'annotations': MADE}
        assert_complete(output)

    def test_an_archive_that_the_server_has_not(self, request_of, archives, url):
        (archives / 'val2017.zip').unlink()
        with pytest.raises(DownloadError, match='404'):
            prepare(request_of(archives=None, url=url))

    def test_dry_run_asks_nobody(self, request_of, site, url):
        outcome = prepare(request_of(archives=None, url=url), PreparationOptions(dry_run=True))
        assert f'from {url}/zips/train2017.zip' in outcome.notes[0]
        assert site.asked == []


KILLED = """
import os, pickle, signal, sys
from pathlib import Path
with open(sys.argv[1], 'rb') as file:
    request, known = pickle.load(file)
from pose_estimation_ros.fetching.coco import prepare_coco
from pose_estimation_ros.fetching.preparation import PreparationOptions
left = int(sys.argv[2])
count = 0
def watch(event, arguments):
    global count
    writes = event == 'open' and isinstance(arguments[1], str) and arguments[1] != 'r' and 'r' not in arguments[1]
    if writes or event in ('os.rename', 'os.remove', 'os.mkdir', 'os.rmdir', 'os.symlink', 'os.utime'):
        count += 1
        if count == left:
            os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(watch)
prepare_coco(request, PreparationOptions(progress=False), known)
print(count)
"""


class TestKilled:
    def run(self, request, tmp_path, event):
        """Prepare in another process that is killed before its `event`th change of the disk."""
        pack = tmp_path / 'request.pickle'
        pack.write_bytes(pickle.dumps((request, KNOWN)))
        environment = {**os.environ, 'PYTHONPATH': str(REPOSITORY)}
        command = [sys.executable, '-c', KILLED, str(pack), str(event)]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment, check=False)

    @pytest.mark.slow
    def test_at_any_point(self, request_of, tmp_path, url):
        whole = self.run(request_of(archives=None, url=url, output=tmp_path / 'whole'), tmp_path, 0)
        events = int(whole.stdout)
        assert events > 40, whole.stderr
        for event in sorted({*range(1, events, 5), *range(events - 6, events + 1)}):
            output = tmp_path / f'killed{event}'
            wanted = request_of(archives=None, url=url, output=output)
            assert self.run(wanted, tmp_path, event).returncode == -signal.SIGKILL
            assert_nothing_half_done(output)
            prepare(wanted)
            assert_complete(output)
            assert states(prepare(wanted)) == dict.fromkeys(ALL, THERE)
            assert not list(output.rglob('*.zip*'))

    def test_what_was_unpacked_is_not_unpacked_again(self, request_of, tmp_path, output):
        assert self.run(request_of(), tmp_path, 20).returncode == -signal.SIGKILL
        kept = listing(output / '.preparing' / 'train2017')
        assert 1 < len(kept) < 12
        prepare(request_of())
        after = listing(output / 'images' / 'train2017')
        same = [name for name, stamp in kept.items() if after[name] == stamp]
        assert len(same) >= len(kept) - 1

    @pytest.mark.parametrize('left', [b'', b'half', bytes(3100)], ids=['empty', 'half', 'other'])
    def test_a_file_that_was_half_written_is_written_again(self, request_of, output, left):
        work = output / '.preparing' / 'train2017'
        work.mkdir(parents=True)
        (work / '000000000001.jpg').write_bytes(left)
        prepare(request_of())
        assert_complete(output)

    def test_strangers_in_the_unfinished_work_are_named(self, request_of, output):
        work = output / '.preparing' / 'train2017'
        work.mkdir(parents=True)
        (work / 'stranger.jpg').write_bytes(b'?')
        with pytest.raises(DatasetError, match=r'holds files that are not of .*; remove it and run again'):
            prepare(request_of())
        assert not (output / 'images').exists()
