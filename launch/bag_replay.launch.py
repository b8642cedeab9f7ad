"""Play a bag into the pose node, on the bag's own time, once the node is active.

`ros2 launch pose_estimation_ros bag_replay.launch.py bag:=my_bag image:=/camera/image_raw`; ends with the bag. All
arguments of pose_estimation.launch.py are accepted as well.
"""

from launch.actions import (
    DeclareLaunchArgument,
    ExecuteProcess,
    IncludeLaunchDescription,
    RegisterEventHandler,
    Shutdown,
)
from launch.event_handlers import OnProcessExit
from launch.events.process import ProcessExited
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.substitutions import FindPackageShare

from launch import Action, LaunchContext, LaunchDescription

PACKAGE = 'pose_estimation_ros'
POSE_NODE = PathJoinSubstitution([FindPackageShare(PACKAGE), 'launch', 'pose_estimation.launch.py'])
CLOCK_HZ = '200'

ARGUMENTS = {
    'bag': (None, 'Folder or file of the bag.'),
    'image': ('image', 'Image topic in the bag.'),
    'play_rate': ('1.0', 'Playback speed; 1.0 is real time.'),
    'delay': ('1.0', 'Seconds between activation of the node and the start of the bag, for discovery.'),
}


def generate_launch_description() -> LaunchDescription:
    """Return what `ros2 launch` runs."""
    arguments = [
        DeclareLaunchArgument(name, default_value=default, description=text)
        for name, (default, text) in ARGUMENTS.items()
    ]
    options = ['--clock', CLOCK_HZ, '--rate', LaunchConfiguration('play_rate'), '--delay', LaunchConfiguration('delay')]
    player = ExecuteProcess(cmd=['ros2', 'bag', 'play', LaunchConfiguration('bag'), *options], output='screen')
    # First, since it also sets the middleware's environment.
    pose_node = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(POSE_NODE),
        launch_arguments={'use_sim_time': 'true', 'image': LaunchConfiguration('image')}.items(),
    )
    name = [LaunchConfiguration('namespace'), '/pose_node']
    waiting = ExecuteProcess(
        cmd=['python3', '-m', 'pose_estimation_ros.ros.nodes.wait_until_active', name], output='screen'
    )

    def go_on(event: ProcessExited, context: LaunchContext) -> list[Action]:
        """Play once the node is active; end with the bag, or if the node could not start."""
        return [player] if event.action is waiting and event.returncode == 0 else [Shutdown()]

    return LaunchDescription([*arguments, pose_node, RegisterEventHandler(OnProcessExit(on_exit=go_on)), waiting])
