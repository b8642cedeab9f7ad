"""Play a bag into the pose node, on the bag's own time.

`ros2 launch pose_estimation_ros bag_replay.launch.py bag:=my_bag image:=/camera/image_raw`; ends with the bag. What
pose_estimation.launch.py takes, this takes as well.
"""

from launch.actions import DeclareLaunchArgument, ExecuteProcess, IncludeLaunchDescription, Shutdown
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.substitutions import FindPackageShare

from launch import LaunchDescription

PACKAGE = 'pose_estimation_ros'
POSE_NODE = PathJoinSubstitution([FindPackageShare(PACKAGE), 'launch', 'pose_estimation.launch.py'])
CLOCK_HZ = '200'

ARGUMENTS = {
    'bag': (None, 'Folder or file of the bag.'),
    'image': ('image', "Topic of the bag's pictures."),
    'play_rate': ('1.0', 'Speed of playing, as a multiple of the real one.'),
    'delay': ('5.0', 'Seconds until the bag begins, in which the node loads its model.'),
}


def generate_launch_description() -> LaunchDescription:
    """Return what `ros2 launch` runs."""
    arguments = [
        DeclareLaunchArgument(name, default_value=default, description=text)
        for name, (default, text) in ARGUMENTS.items()
    ]
    options = ['--clock', CLOCK_HZ, '--rate', LaunchConfiguration('play_rate'), '--delay', LaunchConfiguration('delay')]
    player = ExecuteProcess(
        cmd=['ros2', 'bag', 'play', LaunchConfiguration('bag'), *options], output='screen', on_exit=Shutdown()
    )
    # First, since it also sets the middleware's environment.
    pose_node = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(POSE_NODE),
        launch_arguments={'use_sim_time': 'true', 'image': LaunchConfiguration('image')}.items(),
    )
    return LaunchDescription([*arguments, pose_node, player])
