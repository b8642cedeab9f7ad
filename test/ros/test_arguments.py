import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed')

from pose_estimation_ros.ros.nodes import camera_node, pose_node


@pytest.mark.parametrize(
    ('node', 'parameter'), [(pose_node, 'base_height [256]'), (camera_node, "source ['synthetic']")]
)
def test_help_names_the_parameters(node, parameter, capsys):
    with pytest.raises(SystemExit) as end:
        node.main(['--help'])
    assert end.value.code == 0
    shown = capsys.readouterr().out
    assert '--ros-args' in shown
    assert parameter in shown


@pytest.mark.parametrize('node', [pose_node, camera_node])
def test_what_ros_would_pass_over_is_refused(node, capsys):
    with pytest.raises(SystemExit) as end:
        node.main(['base_height:=300', '--ros-args', '-p', 'rate:=5'])
    assert end.value.code == 2
    assert 'base_height:=300 is not an argument; give parameters and topics after --ros-args' in capsys.readouterr().err
