"""The evaluation of pytorch-human-pose: from images and a network's outputs to its JSON file and COCO's numbers."""

import json

import numpy as np
import pytest

from pose_estimation_ros.evaluation.coco_score import NUMBERS, coco_score
from pose_estimation_ros.evaluation.run import evaluate_images
from pose_estimation_ros.inference.pipeline import Pipeline
from pose_estimation_ros.methods.systems import find_method

METHOD = find_method('higher_hrnet')


class Recorded:
    """A backend that returns the reference network's outputs, plain and mirrored in turn."""

    name, device, precision, fixed_hw = 'recorded', 'cpu', 'fp32', None

    def __init__(self, passes):
        self.passes = passes

    def __call__(self, batch):
        height, width = batch.shape[2:]
        if (height, width) != (128, 192):  # the pipeline asks for the stride
            return [np.zeros((1, 34, height // 4, width // 4)), np.zeros((1, 17, height // 2, width // 2))]
        return [each[None].astype(np.float32) for each in self.passes.pop(0)]


@pytest.fixture
def arrays(golden):
    return golden('evaluation_thawro')


@pytest.fixture
def run(arrays, tmp_path):
    import cv2

    passes = [[arrays[f'eval_pass{each}_out_{output}'] for output in (0, 1)] for each in range(6)]
    decoder = METHOD.decoder('thawro')
    pipeline = Pipeline(Recorded(passes), METHOD, decoder, base_size=128).with_looks(flip=True)
    files = []
    for index, image_id in enumerate(arrays['eval_ids'].tolist()):
        files.append((image_id, tmp_path / f'{image_id}.png'))
        cv2.imwrite(str(files[-1][1]), arrays[f'eval_image_{index}'])
    return evaluate_images(pipeline.batch, files)


def test_the_json_file_is_the_published_one(arrays, run):
    expected = json.loads(str(arrays['eval_results_json']))
    assert len(run.detections) == len(expected) > 3
    for ours, theirs in zip(run.detections, expected, strict=True):
        assert (ours['image_id'], ours['category_id']) == (theirs['image_id'], theirs['category_id'])
        assert ours['score'] == pytest.approx(theirs['score'], abs=1e-5)
        rows, published = (np.reshape(each['keypoints'], (17, 3)) for each in (ours, theirs))
        found = rows[:, 2] > 0
        assert found.sum() > 10
        np.testing.assert_allclose(rows[found], published[found], atol=1e-3)
        # It writes missing keypoints as found at the corner of the network's input.
        assert not rows[~found].any()
        assert len(np.unique(published[~found], axis=0)) <= 1


def test_the_numbers_are_the_published_ones_where_only_images_with_people_are_scored(arrays, run):
    truth = json.loads(str(arrays['eval_gt_json']))
    assert len(truth['images']) == 4
    found = {each['image_id'] for each in run.detections}
    score = coco_score(truth, run.detections, sorted(found)).as_dict()
    numbers = np.nan_to_num([score[name] for name in NUMBERS], nan=-1)
    np.testing.assert_allclose(numbers, arrays['eval_stats'], atol=1e-6)
    everything = coco_score(truth, run.detections, [each['id'] for each in truth['images']])
    assert score['AP'] > everything.AP
