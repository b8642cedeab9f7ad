"""Fetching what OpenDR publishes, from a server of our own."""

import pytest

from pose_estimation_ros.core.errors import DownloadError, SettingsError
from pose_estimation_ros.learners.lightweight_openpose import LightweightOpenPoseLearner

TREE = {
    'openpose_default/openpose_default.json': b'{"a": 1}',
    'openpose_default/openpose_default.pth': b'weights' * 1000,
    'mobilenet_sgd_68.848.pth.tar': b'mobilenet',
    'mobilenetv2_1.0-f2a8633.pth.tar': b'mobilenetv2',
    'shufflenet.pth.tar': b'shufflenet',
    'dataset/annotation.json': b'{}',
    'dataset/image/000000000785.jpg': b'\xff\xd8 picture',
}
MODES = {
    'pretrained': ['openpose_default/openpose_default.json', 'openpose_default/openpose_default.pth'],
    'weights': ['mobilenet_sgd_68.848.pth.tar'],
    'test_data': ['dataset/annotation.json', 'dataset/image/000000000785.jpg'],
}


@pytest.fixture
def url(tmp_path, serve):
    for name, content in TREE.items():
        path = tmp_path / 'server' / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return serve(tmp_path / 'server')


@pytest.fixture
def learner(tmp_path):
    return LightweightOpenPoseLearner(temp_path=tmp_path / 'temp')


def files(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob('*') if path.is_file()}


@pytest.mark.parametrize('mode', MODES)
def test_modes_write_to_temp_path(mode, learner, url):
    paths = learner.download(mode=mode, url=url)
    assert paths == [learner.temp_path / name for name in MODES[mode]]
    assert files(learner.temp_path) == {name: TREE[name] for name in MODES[mode]}


@pytest.mark.parametrize('mode', MODES)
def test_modes_honour_the_path(mode, learner, url, tmp_path):
    """OpenDR's own learner ignores it for two of the three."""
    for path in (tmp_path / 'elsewhere', str(tmp_path / 'somewhere')):
        learner.download(path, mode, url=url.rstrip('/'))
        assert files(tmp_path / str(path)) == {name: TREE[name] for name in MODES[mode]}
    assert not learner.temp_path.exists()


def test_the_default_mode_is_the_pretrained_model(learner, url):
    assert learner.download(url=url) == learner.download(mode='pretrained', url=url)


@pytest.mark.parametrize('backbone', ['mobilenet', 'mobilenetv2', 'shufflenet'])
def test_weights_are_those_of_the_backbone(backbone, tmp_path, url):
    learner = LightweightOpenPoseLearner(backbone=backbone, temp_path=tmp_path / 'temp')
    (path,) = learner.download(mode='weights', url=url)
    assert path.read_bytes() == backbone.encode()


@pytest.mark.parametrize('backbone', ['mobilenetv2', 'shufflenet'])
def test_there_is_one_pretrained_model_only(backbone, tmp_path, url):
    learner = LightweightOpenPoseLearner(backbone=backbone, temp_path=tmp_path / 'temp')
    with pytest.raises(SettingsError, match=f'for the mobilenet backbone only, not for {backbone}'):
        learner.download(url=url)
    assert not learner.temp_path.exists()
    assert len(learner.download(mode='test_data', url=url)) == 2


def test_another_mode_is_refused(learner, url):
    with pytest.raises(SettingsError, match="must be one of pretrained, weights, test_data, got 'all'"):
        learner.download(mode='all', url=url)


def test_verbose_says_where_files_went(learner, url, capfd):
    learner.download(url=url)
    assert capfd.readouterr() == ('', '')
    learner.download(mode='weights', url=url, verbose=True)
    out, err = capfd.readouterr()
    assert out.split() == [str(learner.temp_path / 'mobilenet_sgd_68.848.pth.tar')]
    assert 'mobilenet_sgd' in err  # the progress bar


def test_a_missing_file_is_named(learner, url, tmp_path):
    (tmp_path / 'server' / 'openpose_default' / 'openpose_default.pth').unlink()
    with pytest.raises(DownloadError, match=r'openpose_default\.pth: the server answers 404'):
        learner.download(url=url)
    assert not (learner.temp_path / 'openpose_default' / 'openpose_default.pth').exists()


def test_no_server_is_an_error_with_a_way_out(learner):
    with pytest.raises(DownloadError, match=r'cannot fetch .*copy it to'):
        learner.download(url='http://127.0.0.1:9/')
