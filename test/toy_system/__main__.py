"""The command line of a package in which the toy system is registered.

`node` starts the pose node instead, `parameters` prints the table of its parameters and their YAML file.
"""

import sys

from pose_estimation_ros.methods.systems import SYSTEMS
from toy_system.method import TOY

SYSTEMS[TOY.name] = TOY


def main() -> int:
    if sys.argv[1:2] == ['node']:
        from pose_estimation_ros.ros.nodes import pose_node

        return pose_node.main(sys.argv[2:])
    if sys.argv[1:] == ['parameters']:
        from pose_estimation_ros.ros.parameters.parameter_texts import to_markdown, to_yaml

        print(f'{to_markdown()}---\n{to_yaml()}')
        return 0
    from pose_estimation_ros.apps import cli

    return cli.main(sys.argv[1:])


if __name__ == '__main__':
    sys.exit(main())
