"""Pictures with people, a learner with real weights, and a server of published files."""

import functools
import http.server
import threading

import numpy as np
import pytest

from pose_estimation_ros.learners.lightweight_openpose import LightweightOpenPoseLearner


@pytest.fixture(scope='session')
def frames(street_frames):
    return street_frames[:6]


@pytest.fixture(scope='session')
def grey():
    """A picture of nobody."""
    return np.full((96, 128, 3), 128, np.uint8)


@pytest.fixture(scope='session')
def load_omz(weights):
    """Function that makes a learner with real weights, on the CPU."""

    def load(**options):
        learner = LightweightOpenPoseLearner(**{'device': 'cpu', 'mobilenet_use_stride': False, **options})
        learner.load(weights / 'lwop_omz.pth')
        return learner

    return load


@pytest.fixture(scope='session')
def _omz(load_omz):
    return load_omz(backend='onnxruntime')


@pytest.fixture
def omz(_omz):
    """A learner with real weights, which tests share and leave as they find it."""
    _omz.reset()
    return _omz


@pytest.fixture
def own_omz(load_omz, tmp_path):
    """A learner with real weights that a test may change."""
    return load_omz(backend='onnxruntime', temp_path=tmp_path / 'temp')


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@pytest.fixture
def serve():
    """Function that serves a folder over HTTP and returns its address."""
    servers = []

    def start(folder):
        server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), functools.partial(_Quiet, directory=str(folder)))
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        servers.append(server)
        return f'http://127.0.0.1:{server.server_port}/'

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()
