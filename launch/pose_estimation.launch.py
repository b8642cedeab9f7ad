"""Start the pose node: `ros2 launch pose_estimation_ros pose_estimation.launch.py image:=/camera/image_raw`."""

from launch.actions import DeclareLaunchArgument, OpaqueFunction, SetEnvironmentVariable
from launch.conditions import IfCondition
from launch.substitutions import EnvironmentVariable, LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

from launch import LaunchContext, LaunchDescription

PACKAGE = 'pose_estimation_ros'
PARAMS_FILE = PathJoinSubstitution([FindPackageShare(PACKAGE), 'config', 'pose_node.yaml'])
PROFILE = PathJoinSubstitution([FindPackageShare(PACKAGE), 'config', 'fastdds.xml'])

ARGUMENTS = {
    'namespace': ('', 'Namespace of the node.'),
    'image': ('image', 'Image topic; with image_transport: compressed, without the suffix /compressed.'),
    'params_file': (PARAMS_FILE, 'YAML file of node parameters.'),
    'method': ('', 'Published system to run; overrides params_file.'),
    'model': ('', 'Weights: a saved folder, .pth, .onnx or .xml; overrides params_file.'),
    'log_level': ('info', 'debug, info, warn, error or fatal.'),
    'middleware_profile': ('true', 'Enlarge the shared memory of Fast DDS for large images, unless a profile is set.'),
    'use_sim_time': ('false', 'Take the time from /clock, for bag replay and simulation.'),
}
PARAMETER_OF_ARGUMENT = {'method': 'method', 'model': 'model_path'}
FASTDDS, HUMBLES_NAME = 'FASTDDS_DEFAULT_PROFILES_FILE', 'FASTRTPS_DEFAULT_PROFILES_FILE'
ENVIRONMENT = {
    FASTDDS: EnvironmentVariable(HUMBLES_NAME, default_value=PROFILE),
    HUMBLES_NAME: EnvironmentVariable(FASTDDS, default_value=PROFILE),
    'MALLOC_MMAP_THRESHOLD_': '268435456',
    'MALLOC_TRIM_THRESHOLD_': '536870912',
}


def pose_node(context: LaunchContext) -> list[Node]:
    """Return the node; launch arguments override params_file."""
    values = {
        parameter: ParameterValue(context.launch_configurations[argument], value_type=str)
        for argument, parameter in PARAMETER_OF_ARGUMENT.items()
        if context.launch_configurations[argument]
    }
    values['use_sim_time'] = ParameterValue(LaunchConfiguration('use_sim_time'), value_type=bool)
    image = LaunchConfiguration('image')
    return [
        Node(
            package=PACKAGE,
            executable='pose_node',
            namespace=LaunchConfiguration('namespace'),
            parameters=[LaunchConfiguration('params_file'), values],
            remappings=[('image', image), ('image/compressed', [image, '/compressed'])],
            ros_arguments=['--log-level', LaunchConfiguration('log_level')],
            output='screen',
        )
    ]


def generate_launch_description() -> LaunchDescription:
    """Return what `ros2 launch` runs."""
    arguments = [
        DeclareLaunchArgument(name, default_value=default, description=text)
        for name, (default, text) in ARGUMENTS.items()
    ]
    wanted = IfCondition(LaunchConfiguration('middleware_profile'))
    environment = [
        SetEnvironmentVariable(name, EnvironmentVariable(name, default_value=value), condition=wanted)
        for name, value in ENVIRONMENT.items()
    ]
    return LaunchDescription([*arguments, *environment, OpaqueFunction(function=pose_node)])
