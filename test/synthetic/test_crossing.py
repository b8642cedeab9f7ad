import numpy as np
import pytest

from pose_estimation_ros.core.errors import SettingsError
from pose_estimation_ros.synthetic.crossing import CrossingSettings, crossing_video

SMALL = CrossingSettings(width=320, height=180, frames=12, people=3, size=(70, 120), post=30, sway=6, postures=2)


@pytest.fixture(scope='module')
def frames():
    return list(crossing_video(3, SMALL))


def test_the_same_seed_gives_the_same_frames(frames):
    again = list(crossing_video(3, SMALL))
    for one, other in zip(frames, again, strict=True):
        np.testing.assert_array_equal(one.image, other.image)
        assert [person.id for person in one.people] == [person.id for person in other.people]
    assert [frame.stamp for frame in frames] == pytest.approx([0.1 * index for index in range(12)])
    assert frames[0].image.shape == (180, 320, 3)


def test_truth_is_what_was_drawn(frames):
    seen = 0
    for frame in frames:
        assert {person.id for person in frame.people} == set(np.unique(frame.mask)) - {0}
        for person in frame.people:
            assert person.area == (frame.mask == person.id).sum()
            for x, y, flag in person.keypoints:
                inside = -0.5 <= x < 319.5 and -0.5 <= y < 179.5
                assert (flag > 0) == inside
                if flag == 2:
                    assert frame.mask[round(float(y)), round(float(x))] in (person.id, 0)  # 0: beside a thin limb
                    seen += 1
    assert seen > 100


def test_people_move_as_far_as_was_asked_for():
    still = CrossingSettings(**{**vars(SMALL), 'speed': (0, 0), 'postures': 1, 'sway': 0})
    fast = CrossingSettings(**{**vars(still), 'speed': (0.2, 0.2)})
    for settings, low, high in ((still, 0, 0), (fast, 0.15 * 70 * 0.7, 0.2 * 120 + 1)):
        first, second = (frame.people for _, frame in zip(range(2), crossing_video(3, settings), strict=False))
        before = {person.id: person.keypoints[:, 0] for person in first}
        ways = [abs(np.median(person.keypoints[:, 0] - before[person.id])) for person in second if person.id in before]
        assert ways
        assert all(low <= way <= high for way in ways)


@pytest.mark.parametrize('wrong', [{'people': 0}, {'speed': (0.3, 0.1)}, {'size': (10, 20)}, {'sway': -1}, {'fps': 0}])
def test_senseless_settings_are_refused(wrong):
    with pytest.raises(SettingsError):
        CrossingSettings(**wrong)
