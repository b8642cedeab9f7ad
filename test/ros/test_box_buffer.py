"""Boxes of another node: which message belongs to an image, and what is in it."""

from types import SimpleNamespace

import numpy as np
import pytest

from pose_estimation_ros.core.errors import SettingsError
from pose_estimation_ros.ros.nodes.box_buffer import BoxBuffer, box_buffer, decode_boxes
from pose_estimation_ros.ros.parameters.node_settings import learner_options, settings_from


class Logger:
    def __init__(self):
        self.warnings = []

    def warning(self, text, throttle_duration_sec=0.0):
        self.warnings.append(text)


def header(seconds):
    whole, part = divmod(seconds, 1)
    return SimpleNamespace(stamp=SimpleNamespace(sec=int(whole), nanosec=round(part * 1e9)))


def detection(x, y, width, height, *guesses, old=False):
    place = SimpleNamespace(x=x, y=y)
    centre = place if old else SimpleNamespace(position=place)
    results = [SimpleNamespace(hypothesis=SimpleNamespace(class_id=name, score=score)) for name, score in guesses]
    return SimpleNamespace(bbox=SimpleNamespace(center=centre, size_x=width, size_y=height), results=results)


def message(seconds, *detections):
    return SimpleNamespace(header=header(seconds), detections=list(detections))


@pytest.fixture
def buffer():
    return BoxBuffer('person', 0.1, Logger())


def test_the_boxes_nearest_to_an_images_time_are_its_own(buffer):
    for place, seconds in enumerate((10.0, 10.06, 10.2)):
        buffer.add(message(seconds, detection(50 + place, 20, 10, 30, ('person', 0.5))))
    found = buffer.boxes(header(10.05))
    np.testing.assert_allclose(found.xywh, [[51 - 5 - 0.5, 20 - 15 - 0.5, 10, 30]])
    assert found.scores.tolist() == [0.5]
    assert buffer.fault == ''


def test_without_boxes_of_its_time_an_image_has_nobody_and_a_reason(buffer):
    assert len(buffer.boxes(header(10.0))) == 0
    assert buffer.fault == 'no boxes have come on detections'
    buffer.add(message(9.5, detection(50, 20, 10, 30)))
    assert len(buffer.boxes(header(10.0))) == 0
    assert 'the nearest boxes are 0.500 s from the image, and boxes.max_age allows 0.1 s' in buffer.fault
    assert len(buffer._logger.warnings) == 2
    buffer.add(message(10.0))
    assert len(buffer.boxes(header(10.0))) == 0
    assert buffer.fault == '', 'a detector that saw nobody is no fault'


def test_classes_flat_boxes_and_older_messages():
    told = message(
        1.0,
        detection(50, 20, 10, 30, ('car', 0.9)),
        detection(60, 20, 10, 30, ('person', 0.4), ('car', 0.6)),
        detection(70, 20, 10, 30, old=True),
        detection(80, 20, 0, 30, ('person', 0.4)),
        detection(float('nan'), 20, 10, 30, ('person', 0.4)),
    )
    assert decode_boxes(told, 'person').xywh[:, 0].tolist() == [54.5, 64.5]
    assert decode_boxes(told, 'person').scores.tolist() == [0.4, 1.0]
    assert decode_boxes(told).xywh[:, 0].tolist() == [44.5, 54.5, 64.5]
    assert decode_boxes(told).scores.tolist() == [0.9, 0.6, 1.0]


def test_parameters_ask_for_boxes_or_for_a_detector():
    assert box_buffer(settings_from({}), Logger()) is None
    assert box_buffer(settings_from({'boxes.enabled': True}), Logger()) is not None
    with pytest.raises(SettingsError, match='detector contradict each other'):
        settings_from({'boxes.enabled': True, 'detector': 'yolox.onnx'})
    options = learner_options(settings_from({'method': 'simple_baseline', 'detector': 'yolox.onnx'}))
    assert options['detector'] == 'yolox.onnx'
    assert 'base_height' not in options
    assert 'detector' not in learner_options(settings_from({}))
