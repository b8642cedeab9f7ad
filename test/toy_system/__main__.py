"""The command line, or with `node` first the pose node, of a package in which the toy system is registered."""

import sys

from pose_estimation_ros.methods.systems import SYSTEMS
from toy_system.method import TOY

SYSTEMS[TOY.name] = TOY


def main() -> int:
    if sys.argv[1:2] == ['node']:
        from pose_estimation_ros.ros.nodes import pose_node

        return pose_node.main(sys.argv[2:])
    from pose_estimation_ros.apps import cli

    return cli.main(sys.argv[1:])


if __name__ == '__main__':
    sys.exit(main())
