"""From pictures to poses: batches, sizes, and poses in image pixels."""

import cv2
import numpy as np
import pytest

from pose_estimation_ros.core.errors import SettingsError
from pose_estimation_ros.core.geometry import MAX_ASPECT
from pose_estimation_ros.core.skeleton import OPENPOSE_18
from pose_estimation_ros.inference.backends.backend import BackendSettings, Model
from pose_estimation_ros.inference.backends.opening import open_backend
from pose_estimation_ros.inference.pipeline import Pipeline, Timings
from pose_estimation_ros.methods.lightweight_openpose.encoding import VISIBLE, encode
from pose_estimation_ros.methods.systems import find_method

METHOD = find_method('lightweight_openpose')
NECK = OPENPOSE_18.index('neck')
DIRECTIONS = np.array([(np.sin(angle), np.cos(angle)) for angle in np.linspace(0, 6, 18)])


class SpotBackend:
    """Sees a person whose neck is in the middle of what is bright, and nobody where nothing is."""

    name, device, precision = 'spot', 'cpu', 'fp32'

    def __init__(self, fixed_hw=None):
        self.fixed_hw = fixed_hw
        self.shapes = []

    def __call__(self, batch):
        self.shapes.append(batch.shape)
        maps = [encode(self._people(each), each.shape[1:]) for each in batch]
        return [np.stack(each) for each in zip(*maps, strict=True)]

    @staticmethod
    def _people(inputs):
        weight = np.maximum(inputs[0], 0)
        if not weight.sum():
            return np.empty((0, 18, 3))
        rows, columns = np.indices(weight.shape)
        centre = np.array([(columns * weight).sum(), (rows * weight).sum()]) / weight.sum()
        xy = centre + 40 * DIRECTIONS
        xy[NECK] = centre
        return np.column_stack([xy, np.full(18, VISIBLE)])[None]


def spotted(height, width, x, y, radius=6):
    image = np.zeros((height, width, 3), np.uint8)
    cv2.circle(image, (x, y), radius, (255, 255, 255), -1)
    return image


def spot_pipeline(base_size=256, **backend):
    return Pipeline(SpotBackend(**backend), METHOD, base_size=base_size)


@pytest.fixture(scope='module')
def pipeline(omz_onnx):
    backend = open_backend(omz_onnx, BackendSettings(backend='onnxruntime', device='cpu'))
    return Pipeline(backend, METHOD)


def xy_of(poses):
    return np.stack([pose.keypoints[:, :2] for pose in poses])


def same(poses, others, tolerance=1e-3):
    """Whether two lists show the same people in the same places."""
    return len(poses) == len(others) and (
        not poses or np.allclose(xy_of(poses), xy_of(others), atol=tolerance, equal_nan=True)
    )


@pytest.mark.parametrize('base_size', [250, 368])
@pytest.mark.parametrize(
    ('height', 'width', 'x', 'y'), [(480, 640, 300, 200), (500, 333, 120, 317), (720, 1280, 1000, 400)]
)
@pytest.mark.parametrize('fixed_hw', [None, (256, 456)])
def test_a_spot_in_the_picture_is_where_the_pose_is(height, width, x, y, base_size, fixed_hw):
    pipeline = spot_pipeline(base_size, fixed_hw=fixed_hw)
    (pose,) = pipeline(spotted(height, width, x, y, radius=9)).poses
    assert pose['neck'][:2] == pytest.approx([x, y], abs=height / 250)


@pytest.mark.parametrize('name', METHOD.decoder_names())
def test_every_decoding_gives_image_pixels(name):
    pipeline = spot_pipeline().with_decoder(METHOD.decoder(name))
    (pose,) = pipeline(spotted(400, 600, 380, 150)).poses
    assert pose['neck'][:2] == pytest.approx([380, 150], abs=4)


def test_moved_pictures_move_the_poses(pipeline, photo):
    canvas = np.full((560, 960, 3), 128, np.uint8)
    poses = []
    for x, y in ((20, 10), (83, 51)):
        moved = canvas.copy()
        moved[y : y + 480, x : x + 854] = photo
        poses.append(pipeline(moved).poses)
    assert len(poses[0]) >= 3
    before, after = (sorted(each, key=lambda pose: -pose.score)[:3] for each in poses)
    difference = np.nanmedian(xy_of(after) - xy_of(before), axis=1)
    assert difference == pytest.approx(np.tile([63, 41], (3, 1)), abs=2)


def test_enlarged_pictures_give_the_same_poses(pipeline, photo):
    twice = cv2.resize(photo, (0, 0), fx=2, fy=2, interpolation=cv2.INTER_LINEAR)
    before, after = (sorted(pipeline(each).poses, key=lambda pose: -pose.score)[:3] for each in (photo, twice))
    expected = (xy_of(before) + 0.5) * 2 - 0.5
    assert np.nanmedian(abs(xy_of(after) - expected)) < 2


def test_a_batch_equals_singles(pipeline, photo):
    images = [photo, photo[:, ::-1], photo[:300, :500], photo, photo[60:360, 300:800]]
    singles = [pipeline(image).poses for image in images]
    assert len(singles[0]) >= 3
    batch = [result.poses for result in pipeline.batch(images)]
    assert [same(a, b, 0.05) for a, b in zip(batch, singles, strict=True)] == [True] * 5
    assert not same(batch[0], batch[1])


def test_inputs_of_equal_size_share_a_forward_pass():
    pipeline = spot_pipeline()
    backend = pipeline.backend
    backend.shapes.clear()
    nothing = np.zeros((480, 640, 3), np.uint8)
    images = [spotted(480, 640, 100, 100), spotted(256, 256, 90, 90), spotted(480, 640, 300, 200), nothing]
    results = pipeline.batch(images)
    assert sorted(backend.shapes) == [(1, 3, 256, 256), (3, 3, 256, 344)]
    assert [len(result.poses) for result in results] == [1, 1, 1, 0]
    assert results[0].poses[0]['neck'][:2] == pytest.approx([100, 100], abs=2)
    assert results[2].poses[0]['neck'][:2] == pytest.approx([300, 200], abs=2)
    assert pipeline.batch([]) == []


def test_timings(pipeline, photo):
    for result in [pipeline(photo), *pipeline.batch([photo, photo])]:
        timings = result.timings
        assert min(timings.preprocess_ms, timings.forward_ms, timings.decode_ms) > 0
        assert timings.total_ms == timings.preprocess_ms + timings.forward_ms + timings.decode_ms


def test_the_picture_is_not_changed(pipeline, photo):
    before = photo.copy()
    pipeline(photo)
    assert (photo == before).all()


@pytest.mark.parametrize('shape', [(1, 1), (2, 20000), (1, 5000), (5000, 1), (3, 3)])
def test_extreme_pictures(pipeline, shape):
    assert isinstance(pipeline(np.full((*shape, 3), 200, np.uint8)).poses, list)


def test_a_very_wide_picture_does_not_make_a_huge_input():
    pipeline = spot_pipeline()
    pipeline.backend.shapes.clear()
    (pose,) = pipeline(spotted(200, 10000, 7000, 90, radius=40)).poses
    assert pipeline.backend.shapes == [(1, 3, 256, MAX_ASPECT * 256)]
    assert pose['neck'][:2] == pytest.approx([7000, 90], abs=4)


def test_a_model_of_fixed_size(fixed_onnx):
    model = Model(METHOD.output_channels, onnx=fixed_onnx(1, 3, 64, 96))
    backend = open_backend(model, BackendSettings(backend='onnxruntime', device='cpu'))
    pipeline = Pipeline(backend, METHOD)
    assert pipeline.stride == 8
    images = [np.full((*hw, 3), 90, np.uint8) for hw in ((480, 640), (100, 30), (7, 500))]
    assert [pipeline.place(image.shape[:2]).network_hw for image in images] == [(64, 96)] * 3
    assert len(pipeline.batch(images)) == 3


def test_with_decoder_shares_the_backend(pipeline, photo):
    other = pipeline.with_decoder(METHOD.decoder('reference', max_persons=1))
    assert other.backend is pipeline.backend
    assert len(other(photo).poses) == 1
    assert len(pipeline(photo).poses) > 1


def test_prepare_is_the_networks_input(pipeline, photo):
    prepared = pipeline.prepare(photo)
    assert prepared.shape == (1, 3, 256, 456)
    assert prepared.dtype == np.float32


@pytest.mark.parametrize('height', [0, 31, 4321, -256])
def test_heights_out_of_range_are_refused(height):
    with pytest.raises(SettingsError, match=f'the input height must be from 32 to 4320 pixels, got {height}'):
        spot_pipeline(height)


def test_times_add_up_stage_by_stage():
    both = Timings(1.0, 2.0, 3.0, detect_ms=4.0) + Timings(10.0, 20.0, 30.0, detect_ms=40.0)
    assert both == Timings(11.0, 22.0, 33.0, detect_ms=44.0)
    assert both.share(0.5) == Timings(5.5, 11.0, 16.5, detect_ms=22.0)
    assert both.total_ms == 110
