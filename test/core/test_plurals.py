from pose_estimation_ros.core.plurals import counted


def test_one_is_no_plural():
    assert [counted(count, 'frame') for count in (0, 1, 2)] == ['0 frames', '1 frame', '2 frames']
    assert [counted(count, 'person', 'people') for count in (0, 1, 2)] == ['0 people', '1 person', '2 people']
