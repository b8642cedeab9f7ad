import pytest

from pose_estimation_ros import Learner
from pose_estimation_ros.core.errors import SettingsError
from pose_estimation_ros.methods.systems import SYSTEMS, find_method, find_system


@pytest.mark.parametrize('name', SYSTEMS)
def test_every_row_names_a_learner_of_its_default_method(name):
    system = find_system(name)
    assert issubclass(system.learner_class(), Learner)
    assert system.learner_class()(device='cpu').method == system.method


def test_methods_are_found_by_name_whatever_their_system():
    assert find_method('simple_baseline_mpii') is SYSTEMS['simple_baseline'].methods[1]
    assert find_method('lightweight_openpose') is SYSTEMS['high_resolution'].method


def test_what_does_not_exist_is_refused_with_what_does():
    with pytest.raises(SettingsError, match=r"one of lightweight_openpose, high_resolution, .*got 'openpose'"):
        find_system('openpose')
    with pytest.raises(SettingsError, match=r"simple_baseline_mpii, .*got 'high_resolution'"):
        find_method('high_resolution')
