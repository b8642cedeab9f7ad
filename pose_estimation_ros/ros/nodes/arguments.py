"""What the nodes' programs answer to arguments that are not ROS's own."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from rclpy.utilities import remove_ros_args

USAGE = '%(prog)s [--ros-args [-p NAME:=VALUE] [-r TOPIC:=OTHER] [--params-file FILE] ...]'


def check_arguments(args: Sequence[str] | None, name: str, description: str, parameters: Mapping[str, Any]) -> None:
    """Answer --help, and refuse arguments that ROS would pass over in silence; both end the program (SystemExit)."""
    lines = [f'  {each} [{default!r}]' for each, default in parameters.items()]
    parser = argparse.ArgumentParser(
        prog=name,
        usage=USAGE,
        description=description,
        epilog='\n'.join(['parameters and their defaults:', *lines]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    given = sys.argv[1:] if args is None else list(args)
    try:
        plain = remove_ros_args([name, *given])[1:]
    except RuntimeError:  # ROS says what is wrong with its own arguments when it begins
        return
    _, others = parser.parse_known_args(plain)
    if others:
        parser.error(f'{" ".join(others)} is no argument; parameters and topics are named behind --ros-args')
