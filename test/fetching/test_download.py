import hashlib
import os
import re
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from pose_estimation_ros.core.errors import DownloadError, OutputError
from pose_estimation_ros.fetching import download
from pose_estimation_ros.fetching.download import RemoteFile, fetch, fetch_all

CONTENT = bytes(range(256)) * 4000
OTHER = CONTENT[::-1]
HASH = hashlib.sha256(CONTENT).hexdigest()
HALF = len(CONTENT) // 2
MONDAY, TUESDAY = 'Mon, 06 Jan 2020 10:00:00 GMT', 'Tue, 07 Jan 2020 10:00:00 GMT'


class Site:
    """What the small web server serves, how it misbehaves, and what it was asked."""

    def __init__(self):
        self.content, self.headers, self.status = CONTENT, {'ETag': '"one"', 'Last-Modified': MONDAY}, None
        self.ranges, self.if_range, self.length = True, True, True
        self.drops = []  # for one request after the other: send so many bytes, then hang up
        self.after_drop = None
        self.asked = []

    def answer(self, request):
        self.asked.append({key: request.headers[key] for key in ('Range', 'If-Range') if request.headers[key]})
        if self.status:
            return request.send_error(self.status)
        start = self.start(request)
        if start >= len(self.content):
            return self.send(request, 416, {'Content-Range': f'bytes */{len(self.content)}'}, b'')
        body = self.content[start:]
        ends = f'bytes {start}-{len(self.content) - 1}/{len(self.content)}'
        return self.send(request, 206 if start else 200, {'Content-Range': ends} if start else {}, body)

    def start(self, request):
        asked = request.headers['Range']
        same = request.headers['If-Range'] in (None, self.headers.get('ETag'), self.headers.get('Last-Modified'))
        return int(re.search(r'\d+', asked)[0]) if asked and self.ranges and (same or not self.if_range) else 0

    def send(self, request, status, headers, body):
        request.send_response(status)
        length = {'Content-Length': str(len(body))} if self.length else {}
        for key, value in {**self.headers, **headers, **length}.items():
            request.send_header(key, value)
        request.end_headers()
        most = self.drops.pop(0) if self.drops else len(body)
        request.wfile.write(body[:most])
        if most < len(body) and self.after_drop:
            self.after_drop()


@pytest.fixture
def site():
    return Site()


@pytest.fixture
def url(site):
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            site.answer(self)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(('127.0.0.1', 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f'http://127.0.0.1:{server.server_address[1]}/models/net.bin'
        server.shutdown()


@pytest.fixture
def target(tmp_path):
    return tmp_path / 'weights' / 'net.bin'


@pytest.fixture(autouse=True)
def no_pause(monkeypatch):
    monkeypatch.setattr(download, 'PAUSE_S', 0)
    monkeypatch.setenv('no_proxy', '*')


def files(target):
    return sorted(path.name for path in target.parent.iterdir())


def break_off(site, url, target, at=HALF):
    """Leave the part of a download whose connections all broke, `at` bytes in the end."""
    site.drops = [at, 0, 0]
    with pytest.raises(
        DownloadError, match=f'lost the connection.* after {at} of {len(site.content)} bytes.*run again to resume'
    ):
        fetch(url, target)
    assert files(target) == ['net.bin.part']
    assert target.with_name('net.bin.part').read_bytes() == CONTENT[:at]
    site.asked.clear()


def test_a_whole_file(site, url, target, capsys):
    assert fetch(url, target, sha256=HASH.upper(), size=len(CONTENT)) == target
    assert target.read_bytes() == CONTENT
    assert files(target) == ['net.bin']
    assert target.stat().st_mtime > 1.6e9
    shown = capsys.readouterr()
    assert 'net.bin: 100%' in shown.err
    assert shown.out == ''


def test_quiet_without_progress(url, target, capsys):
    fetch(url, target, progress=False)
    fetch(url, target, progress=False)
    assert capsys.readouterr() == ('', '')


def test_length_unknown(site, url, target):
    site.length = False
    fetch(url, target)
    assert target.read_bytes() == CONTENT


def test_length_unknown_to_the_server_but_not_to_the_caller(site, url, target):
    site.length = False
    site.drops = [HALF]
    fetch(url, target, size=len(CONTENT))
    assert target.read_bytes() == CONTENT


def test_a_broken_connection_is_taken_up_at_once(site, url, target, capsys):
    site.drops = [HALF]
    fetch(url, target)
    assert target.read_bytes() == CONTENT
    assert site.asked == [{}, {'Range': f'bytes={HALF}-', 'If-Range': '"one"'}]
    assert f'lost after {HALF} of {len(CONTENT)} bytes' in capsys.readouterr().err


def test_a_server_that_hangs_up_before_it_answers_is_asked_again(site, url, target):
    answers = iter([lambda request: None, site.answer])
    site.answer = lambda request: next(answers)(request)
    fetch(url, target)
    assert target.read_bytes() == CONTENT


def test_a_later_run_resumes(site, url, target):
    break_off(site, url, target)
    fetch(url, target)
    assert target.read_bytes() == CONTENT
    assert site.asked == [{'Range': f'bytes={HALF}-', 'If-Range': MONDAY}]


def test_a_later_run_finds_the_part_complete(site, url, target):
    break_off(site, url, target)
    part = target.with_name('net.bin.part')
    part.write_bytes(CONTENT)
    os.utime(part, (1578304800, 1578304800))  # Monday
    fetch(url, target)
    assert [len(asked) for asked in site.asked] == [2]
    assert target.read_bytes() == CONTENT


def test_a_part_that_is_too_long_is_dropped(site, url, target):
    break_off(site, url, target)
    part = target.with_name('net.bin.part')
    part.write_bytes(CONTENT * 2)
    os.utime(part, (1578304800, 1578304800))
    fetch(url, target)
    assert target.read_bytes() == CONTENT


@pytest.mark.parametrize('sha256', [HASH, None])
def test_a_part_of_unknown_origin_is_continued_only_if_a_hash_will_tell(site, url, target, sha256):
    site.headers = {}
    break_off(site, url, target)
    fetch(url, target, sha256=sha256)
    assert target.read_bytes() == CONTENT
    assert site.asked == [{'Range': f'bytes={HALF}-'} if sha256 else {}]


def test_a_server_without_ranges_starts_again(site, url, target):
    site.ranges = False
    site.drops = [HALF]
    fetch(url, target)
    assert target.read_bytes() == CONTENT
    assert len(site.asked) == 2


@pytest.mark.parametrize('if_range', [True, False], ids=['if_range', 'if_range_ignored'])
@pytest.mark.parametrize('headers', [{'ETag': '"two"'}, {'ETag': '"two"', 'Last-Modified': TUESDAY}])
def test_a_file_that_changes_on_the_way_is_not_glued_together(site, url, target, if_range, headers):
    site.if_range = if_range
    site.drops = [HALF]
    site.after_drop = lambda: site.__dict__.update(content=OTHER, headers=headers)
    fetch(url, target)
    assert target.read_bytes() == OTHER


@pytest.mark.parametrize('if_range', [True, False], ids=['if_range', 'if_range_ignored'])
def test_a_file_that_changed_between_runs_is_not_glued_together(site, url, target, if_range):
    break_off(site, url, target)
    site.if_range, site.content, site.headers = if_range, OTHER, {'Last-Modified': TUESDAY}
    fetch(url, target)
    assert target.read_bytes() == OTHER


def test_a_wrong_hash_is_named_and_the_file_removed(url, target):
    with pytest.raises(DownloadError, match=f'{"0" * 64}.*{HASH}'):
        fetch(url, target, sha256='0' * 64)
    assert not target.parent.exists()


def test_a_wrong_size_is_told_before_the_download(url, target):
    with pytest.raises(DownloadError, match=f'should have 5 bytes.*offers {len(CONTENT)}'):
        fetch(url, target, size=5)
    assert not target.parent.exists()


@pytest.mark.parametrize('expected', [{}, {'sha256': HASH}, {'size': len(CONTENT)}])
def test_a_file_that_is_there_is_kept_and_said_so(site, url, target, expected, capsys):
    target.parent.mkdir()
    target.write_bytes(CONTENT)
    assert fetch(url, target, **expected) == target
    assert site.asked == []
    assert f'{target} already exists' in capsys.readouterr().err


@pytest.mark.parametrize('expected', [{'sha256': HASH}, {'size': len(CONTENT)}])
def test_a_wrong_file_that_is_there_is_replaced_and_only_by_the_right_one(site, url, target, expected, capsys):
    target.parent.mkdir()
    target.write_bytes(b'old')
    site.status = 503
    with pytest.raises(DownloadError, match='503'):
        fetch(url, target, **expected)
    assert target.read_bytes() == b'old'
    site.status = None
    fetch(url, target, **expected)
    assert target.read_bytes() == CONTENT
    assert 'a different file' in capsys.readouterr().err


def test_not_found(site, url, target):
    site.status = 404
    with pytest.raises(DownloadError, match='404') as caught:
        fetch(url, target)
    message = str(caught.value)
    assert url in message
    assert f'copy it to {target}' in message
    assert '\n' not in message
    assert len(site.asked) == 1
    assert not target.parent.exists()


@pytest.mark.parametrize(
    'page', [b'<!DOCTYPE html><title>Log in</title>', b'\xef\xbb\xbf\n <HTML lang="en">' + b' ' * 999]
)
def test_a_web_page_in_place_of_a_file(site, url, target, page):
    site.content = page
    with pytest.raises(DownloadError, match='web page'):
        fetch(url, target)
    assert not target.parent.exists()
    fetch(url, target.with_name('page.html'))
    assert files(target) == ['page.html']


def test_a_web_page_does_not_replace_what_has_arrived(site, url, target):
    break_off(site, url, target)
    site.content, site.headers = b'<html>pay here</html>', {}
    with pytest.raises(DownloadError, match='web page'):
        fetch(url, target)
    assert target.with_name('net.bin.part').read_bytes() == CONTENT[:HALF]


@pytest.fixture
def silent_port():
    with socket.create_server(('127.0.0.1', 0)) as server:
        yield server.getsockname()[1]


@pytest.mark.parametrize('scheme', ['http', 'ftp'])
def test_a_server_that_says_nothing(silent_port, target, scheme):
    with pytest.raises(DownloadError, match=r'no answer within 0\.2 s'):
        fetch(f'{scheme}://127.0.0.1:{silent_port}/net.bin', target, timeout=0.2)


def test_a_connection_that_falls_silent_counts_as_broken(site, url, target):
    silence = threading.Event()
    site.drops, site.after_drop = [HALF], lambda: silence.wait(5)
    fetch(url, target, timeout=1)
    silence.set()
    assert target.read_bytes() == CONTENT
    assert len(site.asked) == 2


@pytest.mark.parametrize('scheme', ['http', 'https', 'ftp'])
def test_nobody_listens(target, scheme):
    with socket.create_server(('127.0.0.1', 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(DownloadError, match=r'refused.*copy it to'):
        fetch(f'{scheme}://127.0.0.1:{port}/net.bin', target)


@pytest.mark.parametrize('scheme', ['http', 'ftp'])
def test_an_unknown_host(target, scheme, monkeypatch):
    def fail(*_, **__):
        raise socket.gaierror(-2, 'Name or service not known')

    monkeypatch.setattr(socket, 'getaddrinfo', fail)
    with pytest.raises(DownloadError, match='host is unknown or there is no network') as caught:
        fetch(f'{scheme}://me:secret@nowhere.invalid/net.bin', target)
    assert 'secret' not in str(caught.value)


@pytest.mark.parametrize('wrong', ['net.bin', 'gopher://host/net.bin', 'http://[broken/net.bin', 'http://host/a b'])
def test_an_address_that_is_none(target, wrong):
    with pytest.raises(DownloadError, match=re.escape(wrong)):
        fetch(wrong, target)


def test_folders_that_were_there_stay_and_those_made_for_nothing_go(site, url, tmp_path):
    site.status = 404
    (tmp_path / 'mine').mkdir()
    with pytest.raises(DownloadError):
        fetch(url, tmp_path / 'mine' / 'a' / 'b' / 'net.bin')
    assert list(tmp_path.iterdir()) == [tmp_path / 'mine']
    assert list((tmp_path / 'mine').iterdir()) == []


def test_an_interrupt_leaves_only_the_part(site, url, target, monkeypatch):
    class Impatient(download.tqdm):
        def update(self, n=1):
            super().update(n)
            if self.n > HALF:
                raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(download, 'tqdm', Impatient)
        with pytest.raises(KeyboardInterrupt):
            fetch(url, target)
    assert files(target) == ['net.bin.part']
    arrived = target.with_name('net.bin.part').stat().st_size
    assert HALF < arrived < len(CONTENT)
    fetch(url, target)
    assert site.asked[-1]['Range'] == f'bytes={arrived}-'
    assert target.read_bytes() == CONTENT


def test_a_folder_that_is_a_file(url, target):
    target.parent.write_text('not a folder')
    with pytest.raises(OutputError, match='folder'):
        fetch(url, target)


@pytest.mark.parametrize('name', ['net.bin', 'net.bin.part'])
def test_a_target_that_is_a_folder(url, target, name):
    target.with_name(name).mkdir(parents=True)
    with pytest.raises(OutputError, match='cannot write'):
        fetch(url, target)


@pytest.mark.skipif(os.geteuid() == 0, reason='root may write anywhere')
def test_a_folder_that_may_not_be_written(url, target):
    target.parent.mkdir(mode=0o555)
    with pytest.raises(OutputError, match='Permission denied'):
        fetch(url, target)


@pytest.mark.skipif(not os.path.exists('/dev/full'), reason='needs /dev/full')  # noqa: PTH110
def test_a_full_disk(url, target):
    target.parent.mkdir()
    target.with_name('net.bin.part').symlink_to('/dev/full')
    with pytest.raises(OutputError, match='No space left'):
        fetch(url, target)


def test_several_files(site, url, tmp_path):
    wanted = [RemoteFile('models/net.bin', 'a/net.bin', HASH), RemoteFile('/data/image.jpg', 'image.jpg')]
    paths = fetch_all(url.removesuffix('models/net.bin'), wanted, tmp_path, verbose=False)
    assert paths == [tmp_path / 'a' / 'net.bin', tmp_path / 'image.jpg']
    assert all(path.read_bytes() == CONTENT for path in paths)


def test_a_password_is_used_and_kept_out_of_errors(site, url, target):
    site.status = 403
    seen = []
    answer = site.answer
    site.answer = lambda request: (seen.append(request.headers['Authorization']), answer(request))
    with pytest.raises(DownloadError, match='403') as caught:
        fetch(url.replace('//', '//me:secret@'), target)
    assert seen == ['Basic bWU6c2VjcmV0']
    assert 'secret' not in str(caught.value)


def test_a_file_url(tmp_path, target):
    source = tmp_path / 'with space.bin'
    source.write_bytes(CONTENT)
    fetch(source.as_uri(), target, sha256=HASH)
    assert target.read_bytes() == CONTENT
    assert source.read_bytes() == CONTENT
    with pytest.raises(DownloadError, match='No such file'):
        fetch((tmp_path / 'none').as_uri(), target.with_name('other'))


def test_a_file_url_resumes(tmp_path, target):
    source = tmp_path / 'net.bin'
    source.write_bytes(CONTENT)
    target.parent.mkdir()
    part = target.with_name('net.bin.part')
    part.write_bytes(b'x' * HALF)
    os.utime(part, (0, int(source.stat().st_mtime)))
    fetch(source.as_uri(), target)
    assert target.read_bytes() == b'x' * HALF + CONTENT[HALF:]


class FtpSite:
    """A tiny FTP server for one anonymous reader at a time."""

    def __init__(self):
        self.drops, self.knows_times, self.asked = [], True, []
        self.control = socket.create_server(('127.0.0.1', 0))
        self.url = f'ftp://127.0.0.1:{self.control.getsockname()[1]}/models/net.bin'
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                connection, _ = self.control.accept()
            except OSError:
                return
            with connection, connection.makefile('rw', newline='\r\n') as lines:
                self.converse(lines)

    def converse(self, lines):
        def reply(text):
            lines.write(text + '\n')
            lines.flush()

        reply('220 ready')
        start, data = 0, None
        for line in lines:
            self.asked.append(line.strip())
            command, _, argument = line.strip().partition(' ')
            if command in ('SIZE', 'RETR', 'MDTM') and argument != 'models/net.bin':
                reply('550 no such file')
                if data:
                    data.close()
            elif command == 'PASV':
                data = socket.create_server(('127.0.0.1', 0))
                port = data.getsockname()[1]
                reply(f'227 passive (127,0,0,1,{port >> 8},{port & 255})')
            elif command == 'REST':
                start = int(argument)
                reply('350 ok')
            elif command == 'RETR':
                reply('150 here it comes')
                with data, data.accept()[0] as channel:
                    most = self.drops.pop(0) if self.drops else len(CONTENT)
                    channel.sendall(CONTENT[start:][:most])
                reply('226 done')
            else:
                times = '213 20200106100000' if self.knows_times else '502 what?'
                sizes = f'213 {len(CONTENT)}'
                reply({'USER': '331 who?', 'PASS': '230 in', 'SIZE': sizes, 'MDTM': times}.get(command, '200 ok'))


@pytest.fixture
def ftp():
    site = FtpSite()
    yield site
    site.control.shutdown(socket.SHUT_RDWR)
    site.control.close()


@pytest.mark.parametrize('knows_times', [True, False])
def test_ftp(ftp, target, knows_times):
    ftp.knows_times = knows_times
    ftp.drops = [HALF]
    fetch(ftp.url, target)
    assert target.read_bytes() == CONTENT
    assert f'REST {HALF}' in ftp.asked
    assert 'TYPE I' in ftp.asked


@pytest.mark.parametrize(('knows_times', 'resumes'), [(True, True), (False, False)])
def test_ftp_resumes_in_a_later_run_if_the_file_has_a_time(ftp, target, knows_times, resumes):
    ftp.knows_times = knows_times
    ftp.drops = [HALF, 0, 0]
    with pytest.raises(DownloadError, match='run again'):
        fetch(ftp.url, target)
    ftp.asked.clear()
    fetch(ftp.url, target)
    assert target.read_bytes() == CONTENT
    assert (f'REST {HALF}' in ftp.asked) == resumes


def test_ftp_not_found(ftp, target):
    with pytest.raises(DownloadError, match='550 no such file'):
        fetch(ftp.url + 'x', target)
