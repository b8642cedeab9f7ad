"""The streaming score equals the one of a file, in one process and in several."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pose_estimation_ros.core.errors import EvaluationError
from pose_estimation_ros.core.pose import Pose
from pose_estimation_ros.core.skeleton import COCO_17
from pose_estimation_ros.evaluation.coco_score import coco_score
from pose_estimation_ros.evaluation.detections import coco_detection
from pose_estimation_ros.evaluation.streaming import KeypointScore

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture
def shaken(golden):
    """Real truth, and poses by image id: those of the golden detections."""
    import numpy as np

    poses = {}
    for each in golden('coco_ap_detections.json'):
        rows = np.reshape(each['keypoints'], (17, 3)) - [0.5, 0.5, 0]
        poses.setdefault(each['image_id'], []).append(Pose(rows, each['score'], COCO_17))
    truth = golden('coco_ap_gt.json')
    return truth, {image['id']: poses.get(image['id'], []) for image in truth['images']}


def offline(truth, poses, image_ids=None):
    return coco_score(truth, [coco_detection(one, key) for key, each in poses.items() for one in each], image_ids)


def streamed(truth, poses, image_ids):
    score = KeypointScore(truth)
    for image_id in image_ids:
        score.update(image_id, poses[image_id])
    return score


PROCESS = """
import json, sys
from datetime import timedelta
from pathlib import Path

import numpy as np
import torch.distributed as distributed

from pose_estimation_ros.core.pose import Pose
from pose_estimation_ros.core.skeleton import COCO_17
from pose_estimation_ros.evaluation.streaming import KeypointScore

rank, folder = int(sys.argv[1]), Path(sys.argv[2])
truth, share = json.loads((folder / 'truth.json').read_text()), json.loads((folder / f'{rank}.json').read_text())
limit = timedelta(seconds=60)
distributed.init_process_group('gloo', init_method=f'file://{folder}/meeting', rank=rank, world_size=2, timeout=limit)
score = KeypointScore(truth)
for image_id, people in share:
    score.update(image_id, [Pose(np.array(rows), ranking, COCO_17) for rows, ranking in people])
score.gather(distributed.all_gather_object, 2)
print(json.dumps(score.compute().as_json()))
distributed.destroy_process_group()
"""


def test_one_process(shaken):
    truth, poses = shaken
    assert streamed(truth, poses, poses).compute() == offline(truth, poses)
    assert 0.3 < offline(truth, poses).AP < 0.6


@pytest.mark.slow
def test_two_processes_of_a_padded_sampler(shaken, tmp_path):
    """As a distributed sampler does: every second picture each, the first again where the number is odd."""
    pytest.importorskip('torch')
    truth, poses = shaken
    image_ids = sorted(poses)[:19]
    padded = [*image_ids, image_ids[0]]
    (tmp_path / 'truth.json').write_text(json.dumps(truth))
    for rank in range(2):
        share = [(key, [(one.keypoints.tolist(), one.score) for one in poses[key]]) for key in padded[rank::2]]
        (tmp_path / f'{rank}.json').write_text(json.dumps(share))
    command = [sys.executable, '-c', PROCESS]
    environment = {**os.environ, 'PYTHONPATH': str(REPOSITORY), 'OMP_NUM_THREADS': '1'}
    processes = [
        subprocess.Popen([*command, str(rank), str(tmp_path)], stdout=subprocess.PIPE, text=True, env=environment)
        for rank in range(2)
    ]
    scores = [json.loads(process.communicate(timeout=120)[0]) for process in processes]
    expected = offline(truth, {key: poses[key] for key in image_ids}, image_ids).as_json()
    assert scores == [expected, expected]


def test_merged_parts(shaken):
    truth, poses = shaken
    image_ids = sorted(poses)
    total = KeypointScore(truth)
    total.merge(streamed(truth, poses, share).part for share in (image_ids[:7], image_ids[5:12], image_ids[12:]))
    assert total.compute() == offline(truth, poses)


def test_a_picture_counts_once(truth, poses):
    score = streamed(truth, poses, [1, 2, 5])
    score.update(1, [])
    score.update(1, poses[1] * 3)
    assert pytest.approx(1) == score.compute().AP


def test_pictures_where_nobody_was_found_count(truth, poses):
    score = KeypointScore(truth)
    score.update(1, [])
    score.update(2, poses[2])
    assert pytest.approx(1 / 3) == score.compute().AR


def test_only_pictures_that_came_count(truth, poses):
    score = streamed(truth, poses, [2])
    assert pytest.approx(1) == score.compute().AR
    score.reset()
    score.update(1, [])
    assert score.compute().AR == 0


def test_unknown_pictures_and_none_at_all(truth):
    score = KeypointScore(truth)
    with pytest.raises(EvaluationError, match='image 77 is not among the 3'):
        score.update(77, [])
    with pytest.raises(EvaluationError, match='no picture was scored'):
        score.compute()
