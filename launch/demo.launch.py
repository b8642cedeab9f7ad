"""A camera and the pose node: `ros2 launch pose_estimation_ros demo.launch.py model:=lwop.onnx`.

All arguments of pose_estimation.launch.py are accepted as well.
"""

from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

from launch import LaunchDescription

PACKAGE = 'pose_estimation_ros'
POSE_NODE = PathJoinSubstitution([FindPackageShare(PACKAGE), 'launch', 'pose_estimation.launch.py'])

ARGUMENTS = {
    'namespace': ('', 'Namespace of both nodes.'),
    'source': ('synthetic', 'Video, folder of images, camera (0, /dev/video0), stream, or synthetic for drawn people.'),
    'rate': ('0', "Frames per second; 0: the source's own rate."),
    'loop': ('true', 'Start again at the end of the source.'),
}


def generate_launch_description() -> LaunchDescription:
    """Return what `ros2 launch` runs."""
    arguments = [
        DeclareLaunchArgument(name, default_value=default, description=text)
        for name, (default, text) in ARGUMENTS.items()
    ]
    camera = Node(
        package=PACKAGE,
        executable='camera_node',
        namespace=LaunchConfiguration('namespace'),
        parameters=[
            {
                'source': ParameterValue(LaunchConfiguration('source'), value_type=str),
                'rate': ParameterValue(LaunchConfiguration('rate'), value_type=float),
                'loop': ParameterValue(LaunchConfiguration('loop'), value_type=bool),
            }
        ],
        output='screen',
    )
    # First, since it also sets the middleware's environment.
    pose_node = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(POSE_NODE), launch_arguments={'image': 'image'}.items()
    )
    return LaunchDescription([*arguments, pose_node, camera])
