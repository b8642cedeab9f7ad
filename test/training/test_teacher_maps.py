"""A teacher's maps: stored once, resumed after an interruption, and what is learnt from them."""

import errno
import os
from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from pose_estimation_ros.core.errors import OutputError, SettingsError
from pose_estimation_ros.core.skeleton import OPENPOSE_18
from pose_estimation_ros.data.sample import Sample
from pose_estimation_ros.data.transforms.steps import RandomFlip
from pose_estimation_ros.data.transforms.warp import Warp
from pose_estimation_ros.methods.objective import Annotation
from pose_estimation_ros.methods.systems import find_method
from pose_estimation_ros.training.distillation.maps import (
    MAPS,
    DistillationData,
    MapStore,
    StoredMaps,
    StoredOrTransformed,
    store_maps,
)
from pose_estimation_ros.training.distillation.teacher import fingerprint
from pose_estimation_ros.training.pose.task import annotation
from test.training.conftest import StickPeople, jitter

METHOD = find_method('lightweight_openpose')
OBJECTIVE = METHOD.objective(METHOD.options({}))
SIZE, CELLS = 64, 8


@dataclass(frozen=True)
class Bare:
    """Stick figures of which every second image is unlabelled."""

    people: StickPeople = field(default_factory=lambda: StickPeople(count=10, size=SIZE))

    def __len__(self) -> int:
        return len(self.people)

    def sample(self, index: int) -> Sample:
        sample = self.people.sample(index)
        if index % 2:
            return sample
        return replace(sample, keypoints=sample.keypoints[:0], annotated=np.zeros(18, bool))


class Teacher:
    """Maps that tell which image they are of."""

    def __init__(self, ends_after=None):
        self.asked, self._ends_after = [], ends_after

    def __call__(self, images):
        if self._ends_after is not None and len(self.asked) >= self._ends_after:
            raise KeyboardInterrupt
        self.asked.append(len(images))
        return [[np.full((c, CELLS, CELLS), image.mean() / 255, np.float32) for c in (19, 38)] for image in images]


def data(samples=None, transform=jitter):
    return DistillationData(samples or Bare(), transform, OBJECTIVE)


def original(index):
    """The transformed sample that was stored at an index."""
    epoch, place = divmod(index, 10)
    return data().sample(place, np.random.default_rng((3, epoch, place)))


def store_in(folder, count=70, **description):
    return MapStore(folder, count, SIZE, {'of': 'stick people', **description})


def stored(folder, teacher=None, **named):
    store = store_in(folder, **named)
    store_maps(store, data(), 3, teacher or Teacher(), workers=0)
    return store


def test_labels_win_and_the_teacher_fills_in(tmp_path):
    store = stored(tmp_path)
    taught = StoredMaps(store, (19, 38), 8, OPENPOSE_18)
    assert len(taught) == 70
    assert store.written() == 70
    for index in (0, 1, 13, 69):
        sample, before = taught.sample(index), original(index)
        assert np.array_equal(sample.image, before.image)
        heatmaps, pafs, mask, weights = data().targets(sample)
        assert mask.all()
        assert weights.all()
        if index % 10 % 2:
            expected = OBJECTIVE.encode(annotation(before))[:2]
            assert np.abs(heatmaps - expected[0]).max() < 1e-3  # half precision
            assert np.abs(pafs - expected[1]).max() < 1e-3
        else:
            assert np.abs(heatmaps - before.image.mean() / 255).max() < 1e-3
            assert heatmaps.min() == heatmaps.max()


def test_masked_cells_are_the_teachers_and_others_the_labels():
    sample = StickPeople(size=SIZE).sample(0)
    mask = np.ones((SIZE, SIZE), np.uint8)
    mask[:, : SIZE // 2] = 0
    maps = tuple(np.full((c, CELLS, CELLS), 7, np.float32) for c in (19, 38))
    plain = OBJECTIVE.encode(Annotation(sample.keypoints, mask, sample.annotated, sample.areas))
    filled = OBJECTIVE.complete_targets(plain, maps)
    for before, after in zip(plain[:2], filled[:2], strict=True):
        assert (after[..., : CELLS // 2] == 7).all()
        assert np.array_equal(after[..., CELLS // 2 :], before[..., CELLS // 2 :])


def test_maps_of_another_stride_are_refused():
    sample = StickPeople(size=SIZE).sample(0)
    maps = tuple(np.zeros((c, 4, 4), np.float32) for c in (19, 38))
    with pytest.raises(SettingsError, match=r'maps must be \(57, 8, 8\), got \(57, 4, 4\); its stride differs'):
        OBJECTIVE.complete_targets(OBJECTIVE.encode(annotation(sample)), maps)


def test_interrupted_it_resumes_and_ends_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr('pose_estimation_ros.training.distillation.maps.NOTED_AFTER', 2)
    with pytest.raises(KeyboardInterrupt):
        stored(tmp_path / 'parts', Teacher(ends_after=3))
    assert store_in(tmp_path / 'parts').written() == 32  # the third batch was not noted
    second, progress = Teacher(), []
    store_maps(store_in(tmp_path / 'parts'), data(), 3, second, 0, progress.append)
    assert sum(second.asked) == 70 - 32
    assert sum(progress) == 70
    stored(tmp_path / 'once')
    for name in ('images.raw', 'maps.raw'):
        assert (tmp_path / 'parts' / name).read_bytes() == (tmp_path / 'once' / name).read_bytes()
    silent = Teacher()
    stored(tmp_path / 'once', silent)
    assert not silent.asked


def test_maps_of_other_data_are_refused(tmp_path):
    stored(tmp_path)
    with pytest.raises(
        SettingsError, match=r"holds a teacher's maps of other data .*choose another folder or remove it"
    ):
        store_in(tmp_path, seed=2).written()
    (tmp_path / 'maps.raw').write_bytes(b'cut')
    with pytest.raises(SettingsError, match='missing or incomplete; remove'):
        StoredMaps(store_in(tmp_path), (19, 38), 8, OPENPOSE_18).sample(0)


def test_a_full_disk_is_reported_before_the_teacher_runs(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, 'posix_fallocate', full)
    teacher = Teacher()
    with pytest.raises(OutputError, match=r'cannot write .*images.raw of 0.0 GB: No space left on device; make room'):
        stored(tmp_path, teacher)
    assert not teacher.asked
    assert not (tmp_path / 'images.raw').exists()


class Peaks:
    """Maps in which some joints are sure: `of` an image's number returns joints, each with its column and height."""

    def __init__(self, of):
        self._of, self._seen = of, 0

    def __call__(self, images):
        answers = []
        for _ in images:
            maps = [np.zeros((c, CELLS, CELLS), np.float32) for c in (19, 38)]
            maps[0][18] = 1  # the background is no joint
            for joint, column, height in self._of(self._seen):
                maps[0][joint, 2, column] = height
            self._seen += 1
            answers.append(maps)
        return answers


def five_in_every_fourth(number):
    return [(joint, 3, 0.9) for joint in range(5 * (number % 4 == 0))]


def test_of_inputs_without_people_a_tenth_is_used(tmp_path):
    bare = data(Bare(StickPeople(count=1, size=SIZE)))  # its one image is unlabelled
    store = store_in(tmp_path, count=80)
    store_maps(store, bare, 3, Peaks(five_in_every_fourth), 0)
    sizes = [len(StoredMaps(store, (19, 38), 8, OPENPOSE_18, sure)) for sure in (0, 5, 6)]
    assert sizes == [80, 20 + 6, 8]
    chosen = StoredMaps(store, (19, 38), 8, OPENPOSE_18, 5)
    shown = [chosen.sample(index).extras[MAPS][0][:18].max() for index in range(len(chosen))]
    assert sum(peak > 0.5 for peak in shown) == 20


def test_stored_inputs_are_not_transformed_again_and_other_samples_are(tmp_path):
    stored_input = StoredMaps(stored(tmp_path), (19, 38), 8, OPENPOSE_18).sample(0)
    other, transform = StickPeople(size=SIZE).sample(0), StoredOrTransformed(OBJECTIVE.mirror_targets, jitter)
    for seed in range(10):
        kept = transform(stored_input, np.random.default_rng(seed)).image
        assert any(np.array_equal(kept, image) for image in (stored_input.image, stored_input.image[:, ::-1]))
        changed = transform(other, np.random.default_rng(seed)).image
        assert np.array_equal(changed, jitter(other, np.random.default_rng(seed)).image)
        assert not np.array_equal(changed, other.image)


def test_every_other_stored_input_is_mirrored_with_its_maps():
    """Its maps are then those of the mirrored people, left and right exchanged; other samples are transformed."""
    plain = StickPeople(size=SIZE).sample(0)
    flipped = Warp((RandomFlip(OPENPOSE_18, 1.0),))(plain, np.random.default_rng(0))
    maps, expected = (tuple(OBJECTIVE.encode(annotation(each))[:2]) for each in (plain, flipped))
    sample = replace(plain, keypoints=plain.keypoints[:0], extras={MAPS: maps})
    transform, mirrored = StoredOrTransformed(OBJECTIVE.mirror_targets, jitter), 0
    for seed in range(40):
        changed = transform(sample, np.random.default_rng(seed))
        if changed is sample:
            continue
        mirrored += 1
        assert np.array_equal(changed.image, flipped.image)
        heatmaps, fields = changed.extras[MAPS]
        assert np.abs(heatmaps - expected[0]).max() < 1e-4
        # The published encoding rounds down where limbs end: in so few cells half of them differ.
        alike = (fields * expected[1]).sum() / np.sqrt(np.square(fields).sum() * np.square(expected[1]).sum())
        assert alike > 0.5
    assert 10 < mirrored < 30
    for seed in range(5):
        jittered, expected = (each(plain, np.random.default_rng(seed)) for each in (transform, jitter))
        assert np.array_equal(jittered.image, expected.image)


SHOULDERS = [OPENPOSE_18.keypoints.index(f'{side}_shoulder') for side in ('left', 'right')]
COLUMNS = (*[(6, 1)] * 8, *[(1, 6)] * 3, *[(3, 4)] * 2, (1, 6))
"""Columns of the shoulders: from the front, from behind, from the side, from behind and unsure."""


def shoulders(number):
    return [
        (joint, column, 0.9 if number < 13 else 0.3) for joint, column in zip(SHOULDERS, COLUMNS[number], strict=True)
    ]


def test_views_from_behind_are_repeated_until_they_are_as_many(tmp_path):
    bare = data(Bare(StickPeople(count=1, size=SIZE)))  # its one image is unlabelled
    store = store_in(tmp_path, count=14)
    store_maps(store, bare, 3, Peaks(shoulders), 0)
    balanced = StoredMaps(store, (19, 38), 8, OPENPOSE_18, balance_views=True)
    columns = [
        balanced.sample(index).extras[MAPS][0][SHOULDERS].max(axis=1).argmax(axis=1).tolist()
        for index in range(len(balanced))
    ]
    assert columns == [[6, 1]] * 8 + [[1, 6]] * 9 + [[3, 4]] * 2 + [[1, 6]]  # 8 / 3 is nearly 3
    assert len(StoredMaps(store, (19, 38), 8, OPENPOSE_18)) == 14


def test_a_teacher_is_known_by_graph_and_weights(tmp_path):
    """An OpenVINO file holds the graph alone."""
    graph, weights = tmp_path / 'a.xml', tmp_path / 'a.bin'
    graph.write_text('<net/>')
    weights.write_bytes(b'1')
    first = fingerprint(graph)
    for path in (graph, weights):
        path.rename(path.with_stem('b'))
    assert fingerprint(tmp_path / 'b.xml') == first
    (tmp_path / 'b.bin').write_bytes(b'2')
    assert fingerprint(tmp_path / 'b.xml') != first
