"""Systems that place, mirror and merge otherwise run through the same pipeline: vectors of HigherHRNet and DEKR."""

from collections import Counter

import numpy as np
import pytest

from pose_estimation_ros.core.errors import SettingsError
from pose_estimation_ros.core.geometry import CentredAffine
from pose_estimation_ros.core.pose import Pose
from pose_estimation_ros.core.skeleton import COCO_17
from pose_estimation_ros.inference.pipeline import Pipeline
from pose_estimation_ros.methods.method import SHORT_SIDE, Look, Preprocessing

IMAGENET = Preprocessing(
    mean=(0.485 * 255, 0.456 * 255, 0.406 * 255),
    scale=(1 / (0.229 * 255), 1 / (0.224 * 255), 1 / (0.225 * 255)),
    channel_order='rgb',
)


class Answers:
    """A backend that keeps its inputs and returns maps of two strides, numbered in the order of the calls."""

    name, device, precision, fixed_hw = 'answers', 'cpu', 'fp32', None

    def __init__(self, strides):
        self.strides, self.inputs = strides, []

    def __call__(self, batch):
        self.inputs.append(batch)
        hw = batch.shape[2:]
        number = len(self.inputs) - 1
        return [
            np.full((len(batch), 3, hw[0] // stride, hw[1] // stride), number, np.float32) for stride in self.strides
        ]


class MergesTags:
    """Averages heatmaps over scales and keeps those of scale 1 apart, as grouping by tags does."""

    name, interpolation = 'tags', 'linear'

    def __init__(self, xy_network):
        self.xy_network = xy_network
        self.looks = []

    def merge(self, looks):
        self.looks += looks
        whole = next(look for look in looks if look.scale == 1 and not look.mirrored)
        tags = np.stack([look.maps[0].max(axis=0) for look in looks if look.scale == 1])
        return Look([tags], whole.placement)

    def __call__(self, maps, placement):
        assert maps[0].ndim == 3
        to_image = placement.map_to_image(1, pixel_centres=False)
        return [Pose(np.column_stack([to_image(each), np.ones(17)]), 1.0, COCO_17) for each in self.xy_network]


class ShortSide:
    """What the pipeline asks of a method, with a placement by the short side and a finer second output."""

    preprocessing, base_side, stride_output = IMAGENET, SHORT_SIDE, 1

    def __init__(self, shift=0, least_scale_counts=True):
        self.shift, self.least_scale_counts = shift, least_scale_counts

    def place(self, image_hw, size):
        least = size.least_scale if self.least_scale_counts else 1.0
        return CentredAffine.short_side(image_hw, size.base, size.scale, least)

    def mirrored_input(self, batch):
        mirrored = np.ascontiguousarray(batch[..., ::-1])
        if self.shift:
            mirrored[..., : -self.shift] = mirrored[..., self.shift :].copy()
        return mirrored


CASES = {
    'higherhrnet': ('pipeline_higherhrnet', 'ssf', ShortSide()),
    'higherhrnet scales': ('pipeline_higherhrnet_multiscale', 'ms', ShortSide()),
    'dekr': ('pipeline_dekr', 'ssf', ShortSide(shift=3, least_scale_counts=False)),
    'dekr scales': ('pipeline_dekr_multiscale', 'ms', ShortSide(shift=3, least_scale_counts=False)),
}


@pytest.fixture(params=CASES)
def run(request, golden):
    """What a pipeline with mirrored inputs made of a case's image: arrays, method, backend, decoder and poses."""
    name, case, method = CASES[request.param]
    arrays = {key.removeprefix(f'{case}_'): each for key, each in golden(name).items() if key.startswith(f'{case}_')}
    backend = Answers((4, 2))
    decoder = MergesTags(arrays['grouped' if 'grouped' in arrays else 'poses'][..., :2].astype(float))
    pipeline = Pipeline(backend, method, decoder, base_size=int(arrays['input_size']))
    assert (pipeline.stride, pipeline.multiple) == (2, 64)
    backend.inputs.clear()
    pipeline = pipeline.with_looks(arrays['scales'].tolist(), flip=True)
    result = pipeline(np.ascontiguousarray(arrays['image'][..., ::-1]))
    return arrays, method, backend, decoder, result.poses


def test_every_scale_is_placed_as_the_reference_code_does(run):
    arrays, method, backend, _, _ = run
    for scale, plain, mirrored in zip(
        arrays['scales'].tolist(), backend.inputs[::2], backend.inputs[1::2], strict=True
    ):
        expected = arrays[f'x{scale:g}_tensor_every4']
        # One grey level for a few pixels on another version of OpenCV.
        assert plain[0, :, ::4, ::4] == pytest.approx(expected, abs=2e-2)
        assert np.abs(plain[0, :, ::4, ::4] - expected).mean() < 1e-4
        assert (mirrored == method.mirrored_input(plain)).all()
        if f'x{scale:g}_flip_tensor_every4' in arrays:
            expected = arrays[f'x{scale:g}_flip_tensor_every4']
            assert np.abs(mirrored[0, :, ::4, ::4] - expected).mean() < 1e-4


def test_the_decoder_receives_every_look(run):
    arrays, _, _, decoder, _ = run
    scales = arrays['scales'].tolist()
    assert Counter((look.scale, look.mirrored) for look in decoder.looks) == Counter(
        (scale, mirrored) for scale in scales for mirrored in (False, True)
    )
    for number, look in enumerate(decoder.looks):
        assert {float(value) for each in look.maps for value in np.unique(each)} == {number}
        assert look.placement is decoder.looks[number - number % 2].placement


def test_an_image_is_scaled_by_the_side_that_the_method_names():
    pipeline = Pipeline(Answers((4, 2)), ShortSide(), MergesTags(np.zeros((0, 17, 2))), base_size=256)
    for image_hw in ((128, 320), (320, 128)):
        assert min(pipeline.with_input_of(image_hw).place(image_hw).network_hw) == 128


def test_sizes_out_of_range_name_the_side():
    with pytest.raises(SettingsError, match='the input short side must be from 32 to 4320 pixels, got 16'):
        Pipeline(Answers((4, 2)), ShortSide(), MergesTags(np.zeros((0, 17, 2))), base_size=16)


def test_poses_come_back_as_in_the_reference_code(run):
    arrays, _, _, _, poses = run
    found = np.stack([pose.keypoints[:, :2] for pose in poses])
    assert found == pytest.approx(arrays['final_results'][..., :2], abs=1e-3)
