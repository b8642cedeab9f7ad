"""COCO's ten numbers: as the reference gives them, and what happens to truth and detections that are none."""

import contextlib
import io
import json
import math
import re

import numpy as np
import pytest

from pose_estimation_ros.core.errors import DatasetError, EvaluationError
from pose_estimation_ros.core.skeleton import MPII_16
from pose_estimation_ros.evaluation.coco_score import coco_score
from pose_estimation_ros.evaluation.detections import read_detections

NAMES = ['AP', 'AP50', 'AP75', 'APm', 'APl', 'AR', 'AR50', 'AR75', 'ARm', 'ARl']


@pytest.fixture
def reference(golden, golden_path):
    return golden_path('coco_ap_gt.json'), golden('coco_ap_detections.json'), golden('coco_ap')


def test_golden_stats(reference):
    truth, detections, expected = reference
    score = coco_score(truth, detections)
    assert list(score.as_dict()) == NAMES
    assert list(score.as_dict().values()) == pytest.approx(expected['stats'], abs=1e-9)


def test_golden_stats_of_some_images(reference):
    truth, detections, expected = reference
    chosen = np.sort(expected['image_ids'])[:10].tolist()
    score = coco_score(json.loads(truth.read_text()), detections, chosen)
    assert list(score.as_dict().values()) == pytest.approx(expected['stats_first10_images'], abs=1e-9)


def test_golden_precision(reference):
    truth, detections, expected = reference
    curves = coco_score(truth, detections).curves
    assert curves.precision == pytest.approx(expected['precision_all_area'], abs=1e-9)
    assert curves.thresholds == pytest.approx(np.arange(0.5, 0.96, 0.05))
    assert curves.recalls == pytest.approx(np.linspace(0, 1, 101))


def test_evaluator_pair(assets):
    folder = assets / 'coco' / 'annotations'
    score = coco_score(folder / 'evaluator_gt.json', read_detections(folder / 'evaluator_detections.json'))
    assert [round(value, 3) for value in list(score.as_dict().values())[:5]] == [0.379, 0.593, 0.395, 0.321, 0.465]


def test_table_is_what_pycocotools_prints(reference):
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    truth, detections, _ = reference
    printed = io.StringIO()
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(str(truth))
        evaluation = COCOeval(coco, coco.loadRes([dict(each) for each in detections]), 'keypoints')
        evaluation.evaluate()
        evaluation.accumulate()
    with contextlib.redirect_stdout(printed):
        evaluation.summarize()
    lines = [line for line in printed.getvalue().splitlines() if line.strip()]
    assert coco_score(coco, detections).table().splitlines() == lines


def test_truth_and_detections_stay_as_they_were(truth, perfect, capfd):
    before = json.dumps([truth, perfect])
    coco_score(truth, perfect)
    assert json.dumps([truth, perfect]) == before
    assert capfd.readouterr() == ('', '')


def test_perfect_detections(truth, perfect):
    assert list(coco_score(truth, perfect).as_dict().values()) == pytest.approx([1] * 10)


def test_the_person_of_number_0_counts(truth, perfect):
    """pycocotools itself takes whoever is matched with annotation 0 for unmatched."""
    assert truth['annotations'][0]['id'] == 0
    assert pytest.approx(1) == coco_score(truth, perfect).AP


def test_no_detections_score_0(truth):
    assert set(coco_score(truth, []).as_dict().values()) == {0.0}


def test_nothing_to_measure_is_nan_and_null(truth, perfect, make):
    large_only = make.truth({1: [make.person(150, 150, 1.5)]})
    score = coco_score(large_only, [make.detection(1, make.person(150, 150, 1.5))])
    assert (score.AP, score.APl, score.AR) == pytest.approx((1, 1, 1))
    assert math.isnan(score.APm)
    assert math.isnan(score.ARm)
    assert score.as_json()['APm'] is None
    assert json.loads(json.dumps(score.as_json(), allow_nan=False))['APl'] == pytest.approx(1)
    assert re.search(r'area=medium .* = -1.000', score.table())


def test_truth_without_people(make, perfect):
    nobody = make.truth({}, images=[1, 2])
    assert all(math.isnan(value) for value in coco_score(nobody, []).as_dict().values())
    assert all(math.isnan(value) for value in coco_score(nobody, perfect).as_dict().values())
    assert np.isnan(coco_score(nobody, []).curves.precision).all()


def test_people_without_area_break_nothing(truth, perfect):
    truth['annotations'][0]['area'] = 0
    score = coco_score(truth, perfect)
    assert pytest.approx(1) == score.AP  # an exact hit is one at any size
    shifted = [{**each, 'keypoints': [value + 1 for value in each['keypoints']]} for each in perfect]
    assert 0 < coco_score(truth, shifted).AP < 1


def test_only_so_many_of_a_image_count(make):
    everybody = [make.person(80 + 60 * number, 200, 0.5) for number in range(6)]
    truth = make.truth({1: everybody})
    detections = [make.detection(1, each, score=number) for number, each in enumerate(everybody)]
    assert pytest.approx(0.5) == coco_score(truth, detections, max_detections=3).AR
    assert '| maxDets=  3 ]' in coco_score(truth, detections, max_detections=3).table(3)


def test_custom_files_may_leave_things_out(truth, perfect):
    for row in truth['annotations']:
        del row['iscrowd'], row['num_keypoints'], row['bbox'], row['category_id'], row['id']
    assert pytest.approx(1) == coco_score(truth, perfect).AP


def test_another_skeleton_is_measured_by_its_own_sigmas(make):
    keypoints = make.person(150, 150)[:16]
    truth = make.truth({1: [keypoints]})
    shifted = make.detection(1, keypoints + [8, 0, 0])
    broad = coco_score(truth, [shifted], skeleton=MPII_16)
    assert 0 < broad.AP < 1
    with pytest.raises(DatasetError, match=r'must have 51 keypoint numbers .* got 48'):
        coco_score(truth, [shifted])


class TestBadTruth:
    @pytest.mark.parametrize(
        ('content', 'expected'),
        [
            ('<!DOCTYPE html><html>', r"is not JSON .* it begins with '<!DOCTYPE html><html>'"),
            ('', 'is not JSON'),
            ('[]', r'must be COCO keypoint annotations with the lists images, annotations, categories, got list'),
            ('{"images": []}', r'must be COCO keypoint annotations .*, got images'),
            ('{"images": [], "annotations": [], "categories": []}', 'has no images'),
            ('{"images": [{"id": "a"}], "annotations": [], "categories": []}', 'whole number as id'),
        ],
    )
    def test_file(self, tmp_path, content, expected):
        path = tmp_path / 'truth.json'
        path.write_text(content)
        with pytest.raises(DatasetError, match=expected) as caught:
            coco_score(path, [])
        assert str(path) in str(caught.value)

    def test_binary_file(self, tmp_path):
        path = tmp_path / 'truth.json'
        path.write_bytes(b'\x1f\x8b\x08\xff\xfe')
        with pytest.raises(DatasetError, match='is a binary file'):
            coco_score(path, [])

    def test_missing_file(self, tmp_path):
        with pytest.raises(DatasetError, match=r'cannot read .*none.json: No such file'):
            coco_score(tmp_path / 'none.json', [])

    def test_boxes_only(self, truth):
        del truth['annotations'][1]['keypoints']
        with pytest.raises(DatasetError, match=r'annotation 1 of the truth lacks keypoints; is this a file of boxes'):
            coco_score(truth, [])

    def test_annotation_of_no_image(self, truth):
        truth['annotations'][1]['image_id'] = 77
        with pytest.raises(DatasetError, match='annotation 1 of the truth is of image 77, which the file does not'):
            coco_score(truth, [])


class TestBadDetections:
    @pytest.mark.parametrize(
        ('change', 'expected'),
        [
            ({'image_id': 99}, 'of 1 image not among the 3 of the truth, such as 99'),
            ({'category_id': 7}, 'of category 7, the truth has 1'),
            ({'keypoints': [1.0] * 34}, r'detection 1 of the detections must have 51 keypoint numbers .* got 34'),
            ({'keypoints': [math.nan] * 51}, 'not finite numbers'),
            ({'score': None}, 'not finite numbers'),
            ({'image_id': 'one'}, 'whole numbers as image_id'),
        ],
    )
    def test_values(self, truth, perfect, change, expected):
        perfect[1] |= change
        with pytest.raises(EvaluationError, match=expected):
            coco_score(truth, perfect)

    @pytest.mark.parametrize(
        ('content', 'expected'),
        [
            ('<html>Moved</html>', "is not JSON .* it begins with '<html>Moved</html>'"),
            (
                '{"annotations": [], "images": []}',
                'must be a list of detections .* got an object with annotations, imag',
            ),
            (
                '[{"image_id": 1, "bbox": [0, 0, 1, 1], "score": 1}]',
                'lacks category_id, keypoints; it has image_id, bbo',
            ),
            ('[3]', 'detection 0 of .* must be an object'),
            ('"text"', 'got str'),
        ],
    )
    def test_file(self, tmp_path, content, expected):
        path = tmp_path / 'found.json'
        path.write_text(content)
        with pytest.raises(EvaluationError, match=expected) as caught:
            read_detections(path)
        assert str(path) in str(caught.value)

    def test_image_ids(self, truth, perfect):
        with pytest.raises(EvaluationError, match=r'image_ids are of 1 image .* such as 44'):
            coco_score(truth, perfect, [1, 44])
        with pytest.raises(EvaluationError, match='image_ids is empty'):
            coco_score(truth, perfect, [])


def test_the_20_best_detections_of_an_image_count(make):
    people = [make.person(60 + 90 * column, 60 + 120 * row, 0.5) for row in range(5) for column in range(5)]
    truth = make.truth({1: people})
    found = [make.detection(1, person, 1 - index / 100) for index, person in enumerate(people)]
    assert pytest.approx(20 / 25) == coco_score(truth, found).AR
    assert pytest.approx(1) == coco_score(truth, found, max_detections=25).AR
    recalled = np.nanmax(np.where(coco_score(truth, found).curves.precision[0] > 0, np.linspace(0, 1, 101), 0))
    assert recalled == pytest.approx(0.8)
