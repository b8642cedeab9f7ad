import json
import socket
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest


class Silent(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture
def site(tmp_path, tiny):
    """Address of a server that has a pretrained model and an annotated picture, and the folder behind it."""
    folder = tmp_path / 'site'
    files = {
        'openpose_default/openpose_default.pth': (tiny / 'tiny.pth').read_bytes(),
        'openpose_default/openpose_default.json': described(tiny / 'tiny.json'),
        'dataset/annotation.json': b'{"images": []}',
        'dataset/image/000000000785.jpg': b'\xff\xd8 a picture \xff\xd9',
        'shufflenet.pth.tar': b'weights',
    }
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    with ThreadingHTTPServer(('127.0.0.1', 0), partial(Silent, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f'http://127.0.0.1:{server.server_address[1]}', folder
        server.shutdown()


def described(path):
    content = json.loads(path.read_text())
    return json.dumps(content | {'model_paths': ['openpose_default.pth']}).encode()


def files_under(folder):
    return sorted(str(path.relative_to(folder)) for path in Path(folder).rglob('*') if path.is_file())


@pytest.fixture
def closed_port():
    """A port of this machine at which nobody listens."""
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        yield probe.getsockname()[1]


def test_pretrained_model_runs(cli, site, picture):
    url, folder = site
    outcome = cli('download', 'pretrained', '--output', 'models', '--url', url)
    assert outcome.code == 0, outcome
    names = ['openpose_default/openpose_default.json', 'openpose_default/openpose_default.pth']
    assert files_under('models') == names
    assert outcome.out.split() == [f'models/{name}' for name in names]
    assert 'openpose_default.pth:' in outcome.err  # the progress bar
    for name in names:
        assert (Path('models') / name).read_bytes() == (folder / name).read_bytes()
    assert cli('infer', picture, '--weights', 'models/openpose_default', '--backend', 'torch').code == 0


@pytest.mark.parametrize(
    ('arguments', 'names'),
    [
        (['test_data'], ['dataset/annotation.json', 'dataset/image/000000000785.jpg']),
        (['weights', '--backbone', 'shufflenet'], ['shufflenet.pth.tar']),
    ],
)
def test_other_files(cli, site, arguments, names):
    outcome = cli('download', *arguments, '--url', f'{site[0]}/')
    assert outcome.code == 0, outcome
    assert files_under('temp') == names


def test_a_second_time_nothing_is_fetched(cli, site):
    url, folder = site
    cli('download', 'test_data', '--url', url)
    for file in (folder / 'dataset').rglob('*.*'):
        file.unlink()
    outcome = cli('download', 'test_data', '--url', url)
    assert outcome.code == 0
    assert outcome.err.count('already exists') == 2


def test_files_of_a_folder(cli, site):
    outcome = cli('download', 'test_data', '--url', site[1].as_uri())
    assert outcome.code == 0, outcome
    assert len(files_under('temp')) == 2


def test_nobody_there(cli, closed_port):
    sentence = cli('download', 'pretrained', '--url', f'http://127.0.0.1:{closed_port}').sentence()
    assert f'cannot fetch http://127.0.0.1:{closed_port}/openpose_default/openpose_default.json' in sentence
    assert 'temp/openpose_default/openpose_default.json' in sentence
    assert files_under('.') == []


def test_no_such_host(cli):
    """A name that cannot exist (RFC 6761), on a machine with or without a network."""
    sentence = cli('download', 'pretrained', '--url', 'http://pose.invalid/files').sentence()
    assert 'cannot fetch http://pose.invalid/files/' in sentence
    assert files_under('.') == []


def test_no_such_file(cli, site):
    sentence = cli('download', 'weights', '--backbone', 'mobilenetv2', '--url', site[0]).sentence()
    assert 'mobilenetv2_1.0-f2a8633.pth.tar' in sentence
    assert '404' in sentence
    assert files_under('.') == []


def test_a_login_page_in_place_of_the_file(cli, site):
    url, folder = site
    (folder / 'shufflenet.pth.tar').write_text('<!DOCTYPE html><html>Log in</html>')
    sentence = cli('download', 'weights', '--backbone', 'shufflenet', '--url', url).sentence()
    assert 'a web page instead of the file' in sentence
    assert files_under('.') == []


def test_no_address(cli):
    assert 'a URL must begin with' in cli('download', 'pretrained', '--url', 'example').sentence()


def test_a_backbone_without_pretrained_model(cli):
    sentence = cli('download', 'pretrained', '--backbone', 'shufflenet').sentence()
    assert 'is published for the mobilenet backbone only, not for shufflenet' in sentence


def test_a_file_where_the_folder_should_be(cli, site):
    Path('taken').write_text('mine')
    sentence = cli('download', 'test_data', '--url', site[0], '--output', 'taken').sentence()
    assert 'taken' in sentence
    assert Path('taken').read_text() == 'mine'
