"""Synthetic people: the same seed gives the same bytes, and the ground truth is what was drawn."""

import itertools
from pathlib import Path

import cv2
import numpy as np
import pytest

from pose_estimation_ros.core.errors import SettingsError
from pose_estimation_ros.core.geometry import Letterbox
from pose_estimation_ros.core.skeleton import COCO_17, OPENPOSE_18
from pose_estimation_ros.synthetic import SceneSettings, SyntheticFrame, SyntheticVideo, generate_image
from pose_estimation_ros.synthetic.actors import Actor, Stander
from pose_estimation_ros.synthetic.appearance import Appearance
from pose_estimation_ros.synthetic.body import ANGLES, Build, angles, mirrored, pose_figure
from pose_estimation_ros.synthetic.camera import Camera
from pose_estimation_ros.synthetic.compose import Canvas, Staged, compose, stage, visibility
from pose_estimation_ros.synthetic.motion import Style
from pose_estimation_ros.synthetic.raster import Light

WEIGHTS = Path(__file__).parents[2].parent / 'shared' / 'assets' / 'weights' / 'lwop_omz.onnx'
SMALL = SceneSettings(width=480, height=270, people=(2, 4))
CAMERA = Camera(480, 360, focal=500, horizon=150, height=1.0)
CALM = Style(phase=0.3, tempo=1.0, energy=1.0, left_handed=False, habit=np.zeros(len(ANGLES)))
K = {name: index for index, name in enumerate(OPENPOSE_18.abbreviations)}


def person(identity: int, x: float, distance: float, heading: float = 0.0) -> Staged:
    rng = np.random.default_rng(identity)
    looks = Appearance.random(rng, feminine=False, child=False, sits=False)
    journey = Stander(CALM, np.array([x, -distance]), heading, 0.0, ('stand',), 5.0)
    return stage(Actor(identity, Build(), looks, journey), 0.0, CAMERA)


def drawn(*people: Staged) -> Canvas:
    light = Light(np.array([0.3, 0.8, 0.5]), np.full(3, 0.5), np.full(3, 0.7), np.full(3, 0.4))
    return compose(np.full((360, 480, 3), 160, np.float32), list(people), [], CAMERA, light)


def truth(heading: float) -> np.ndarray:
    standing = person(1, 0.0, 3.0, heading)
    return visibility(standing, drawn(standing), CAMERA)


def same(first: SyntheticFrame, second: SyntheticFrame) -> bool:
    return np.array_equal(first.image, second.image) and all(
        np.array_equal(a.keypoints, b.keypoints) and a.id == b.id
        for a, b in zip(first.people, second.people, strict=True)
    )


def test_same_seed_gives_same_bytes():
    assert same(generate_image(7, SMALL), generate_image(7, SMALL))


def test_another_seed_gives_another_image():
    assert not np.array_equal(generate_image(7, SMALL).image, generate_image(8, SMALL).image)


def test_image_has_the_form_asked_for():
    frame = generate_image(1, SMALL)
    assert frame.image.shape == (270, 480, 3)
    assert frame.image.dtype == np.uint8
    assert frame.mask.shape == (270, 480)
    assert 0 < len(frame.people) <= 4
    assert all(p.keypoints.shape == (18, 3) and p.keypoints.dtype == np.float32 for p in frame.people)


def test_no_people_leaves_a_backdrop():
    frame = generate_image(1, SceneSettings(width=64, height=48, people=0))
    assert frame.people == ()
    assert not frame.mask.any()


def test_grey_image_has_equal_channels():
    image = generate_image(1, SceneSettings(width=160, height=120, people=1, grey=True)).image
    assert np.array_equal(image[..., 0], image[..., 2])


@pytest.mark.parametrize('background', ['street', 'room', 'park', 'studio'])
def test_every_background_is_drawn(background):
    image = generate_image(2, SceneSettings(width=160, height=120, people=1, background=background)).image
    assert image.std() > 3


def test_any_frame_of_a_video_can_be_drawn_alone():
    whole = SyntheticVideo(3, SMALL, frames=6)
    assert len(whole) == 6
    frames = list(whole)
    assert same(frames[4], SyntheticVideo(3, SMALL, frames=6).frame(4))
    assert [frame.stamp for frame in frames] == pytest.approx([index / 30 for index in range(6)])
    assert not np.array_equal(frames[0].image, frames[5].image)
    with pytest.raises(IndexError):
        whole.frame(6)


def test_video_moves_smoothly_and_keeps_ids():
    settings = SceneSettings(width=320, height=180, people=5, blur=0, noise=0)
    frames = list(SyntheticVideo(5, settings, frames=25))
    for before, after in itertools.pairwise(frames):
        earlier = {p.id: p.keypoints for p in before.people}
        for p in after.people:
            if p.id in earlier:
                tallest = settings.person_height[1] * settings.height
                step = np.linalg.norm(p.keypoints[:, :2] - earlier[p.id][:, :2], axis=1).max()
                assert step < 0.12 * tallest
    assert {p.id for frame in frames for p in frame.people} <= set(range(1, 6))


def test_people_move_in_the_video():
    frames = [SyntheticVideo(5, SMALL, frames=60).frame(index) for index in (0, 59)]
    first, last = ({p.id: p.keypoints for p in frame.people} for frame in frames)
    assert max(np.abs(first[i] - last[i])[:, :2].max() for i in first.keys() & last.keys()) > 10


def test_visible_keypoints_lie_on_their_person():
    for seed in range(4):
        frame = generate_image(seed, SMALL)
        for p in frame.people:
            seen = p.keypoints[p.keypoints[:, 2] == 2]
            column, row = np.round(seen[:, :2]).astype(int).T
            assert (frame.mask[row, column] == p.id).all()


def test_flags_agree_with_the_border():
    for seed in range(4):
        for p in generate_image(seed, SMALL).people:
            x, y, flag = p.keypoints.T
            inside = (x >= -0.5) & (x <= 479.5) & (y >= -0.5) & (y <= 269.5)
            assert np.array_equal(inside, flag > 0)
            assert np.isfinite(p.keypoints).all()


def test_box_and_area_are_those_of_the_mask():
    frame = generate_image(3, SMALL)
    for p in frame.people:
        rows, columns = np.nonzero(frame.mask == p.id)
        width, height = np.ptp(columns) + 1, np.ptp(rows) + 1
        assert p.bbox == (columns.min(), rows.min(), width, height)
        assert p.area == len(rows)


def test_neck_is_between_the_shoulders():
    keypoints = person(1, 0.2, 3.0, 0.7).keypoints
    assert np.allclose(keypoints[K['neck']], (keypoints[K['r_sho']] + keypoints[K['l_sho']]) / 2)


@pytest.mark.parametrize('joint', ['sho', 'hip', 'ank', 'ear'])
def test_left_is_on_image_right_when_facing_the_camera(joint):
    assert truth(0.0)[K[f'l_{joint}'], 0] > truth(0.0)[K[f'r_{joint}'], 0] + 3


@pytest.mark.parametrize('joint', ['sho', 'hip', 'ank', 'ear'])
def test_left_is_on_image_left_when_facing_away(joint):
    assert truth(np.pi)[K[f'l_{joint}'], 0] < truth(np.pi)[K[f'r_{joint}'], 0] - 3


def test_face_is_seen_from_the_front_only():
    face = [K['nose'], K['r_eye'], K['l_eye']]
    assert (truth(0.0)[face, 2] == 2).all()
    assert (truth(np.pi)[face, 2] == 1).all()


def test_far_side_is_hidden_in_profile():
    keypoints = truth(np.pi / 2)  # walks to image right: the person's right side is near
    assert keypoints[K['r_sho'], 2] == 2
    assert keypoints[[K['l_sho'], K['l_ear'], K['l_eye']], 2].tolist() == [1, 1, 1]
    assert keypoints[K['nose'], 0] > keypoints[K['neck'], 0]


def test_someone_in_front_hides_who_is_behind():
    behind, front = person(1, 0.0, 4.0), person(2, 0.05, 2.6)
    alone, together = (visibility(behind, canvas, CAMERA) for canvas in (drawn(behind), drawn(front, behind)))
    assert (alone[:, 2] == 2).sum() >= 14
    assert (together[:, 2] == 2).sum() < 5
    assert np.array_equal(alone[:, :2], together[:, :2])
    assert (visibility(front, drawn(front, behind), CAMERA)[:, 2] == 2).sum() >= 14


def test_people_have_the_size_asked_for():
    for seed in range(6):
        settings = SceneSettings(width=640, height=360, people=1, person_height=(0.5, 0.5), objects=0)
        for p in generate_image(seed, settings).people:
            upright = p.keypoints[[K['r_ank'], K['l_ank']], 1].max() - p.keypoints[K['neck'], 1]
            assert 0.4 * 180 < upright < 0.95 * 180


def test_nearer_people_stand_lower_and_are_taller():
    near, far = (CAMERA.project(person(1, 0.0, distance).keypoints) for distance in (3.0, 5.0))
    assert near[K['r_ank'], 1] > far[K['r_ank'], 1]
    assert np.ptp(near[:, 1]) > 1.4 * np.ptp(far[:, 1])


def test_lowest_sole_stands_on_the_ground():
    figure = pose_figure(Build(), angles(right_hip_flex=60, right_knee=80), np.zeros(2), 0.4)
    assert figure.legs[1, 2, 1] == pytest.approx(0.039 * 1.75, abs=0.01)
    assert figure.legs[0, 2, 1] > 0.3


def test_mirrored_posture_mirrors_the_body():
    posture = angles(right_shoulder_abduct=80, spine_yaw=10, left_knee=20)
    one = pose_figure(Build(), posture, np.zeros(2), 0.0)
    other = pose_figure(Build(), mirrored(posture), np.zeros(2), 0.0)
    assert np.allclose(one.arms[0] * (-1, 1, 1), other.arms[1])


def test_coco_annotations():
    frame = generate_image(11, SMALL)
    annotations = frame.to_coco(image_id=5, first_annotation_id=40)
    assert [a['id'] for a in annotations] == [40 + n for n in range(len(frame.people))]
    for annotation, p in zip(annotations, frame.people, strict=True):
        keypoints = np.array(annotation['keypoints']).reshape(17, 3)
        for index, name in enumerate(COCO_17.keypoints):
            own = p.keypoints[OPENPOSE_18.index(name)]
            assert keypoints[index] == pytest.approx(own if own[2] else (0, 0, 0), abs=0.01)
        assert annotation['num_keypoints'] == (keypoints[:, 2] > 0).sum()
        assert annotation['bbox'] == list(p.bbox)
        assert annotation['area'] == p.area
        assert (annotation['image_id'], annotation['category_id'], annotation['iscrowd']) == (5, 1, 0)
        assert annotation['segmentation']


@pytest.mark.parametrize(
    ('settings', 'sentence'),
    [
        ({'width': 10}, 'at least 32x32'),
        ({'people': (3, 1)}, 'people must be'),
        ({'people': -1}, 'people must be'),
        ({'person_height': (0.9, 0.2)}, 'person_height must be'),
        ({'fps': 0.0}, 'fps must be positive'),
        ({'background': 'moon'}, 'background must be one of street'),
        ({'objects': 2.0}, 'probability'),
        ({'noise': -1.0}, 'noise must be'),
    ],
)
def test_impossible_settings_are_refused(settings, sentence):
    with pytest.raises(SettingsError, match=sentence):
        SceneSettings(**settings)


def test_negative_seed_is_refused():
    with pytest.raises(SettingsError, match='a seed is a whole number'):
        generate_image(-1, SMALL)


def test_empty_video_is_refused():
    with pytest.raises(SettingsError, match='at least one frame'):
        SyntheticVideo(1, SMALL, frames=0)


def test_a_real_network_finds_the_people():
    if not WEIGHTS.exists():
        pytest.skip(f'needs the weights {WEIGHTS}')
    runtime = pytest.importorskip('onnxruntime')
    session = runtime.InferenceSession(WEIGHTS, providers=['CPUExecutionProvider'])
    found = [hit for seed in range(200, 204) for hit in responses(session, generate_image(seed))]
    assert len(found) > 100
    assert np.mean(found) > 0.8


def responses(session, frame: SyntheticFrame) -> list[bool]:
    """Whether the network's map exceeds 0.3 within 1.5 cells of each visible keypoint of people of some size."""
    box = Letterbox.fit(frame.image.shape[:2], 256, 8)
    resized = cv2.resize(frame.image, box.resized_hw[::-1], interpolation=cv2.INTER_AREA)
    top, left, bottom, right = box.pad
    padded = cv2.copyMakeBorder(resized, top, bottom, left, right, cv2.BORDER_CONSTANT, value=(128, 128, 128))
    planes = (padded.astype(np.float32).transpose(2, 0, 1)[None] - 128) / 256
    maps = session.run(['stage_1_output_1_heatmaps'], {'data': planes})[0][0]
    hits = []
    for p in frame.people:
        if p.bbox[3] * box.scale < 60:
            continue
        cells = box.map_to_image(8).inverse()(p.keypoints[:, :2].astype(float))
        for index in np.flatnonzero(p.keypoints[:, 2] == 2):
            low = np.maximum(np.ceil(cells[index] - 1.5), 0).astype(int)
            high = np.floor(cells[index] + 1.5).astype(int) + 1
            hits.append(bool(maps[index, low[1] : high[1], low[0] : high[0]].max(initial=0) > 0.3))
    return hits
