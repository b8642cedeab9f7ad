"""`python -m pose_estimation_ros.ros.nodes.wait_until_active NODE`: ends with 0 once a lifecycle node is active."""

import sys
import time
from collections.abc import Sequence
from typing import Any

import rclpy
from lifecycle_msgs.msg import State
from lifecycle_msgs.srv import GetState
from rclpy.client import Client
from rclpy.logging import get_logger

from pose_estimation_ros.ros.nodes.program import running_ros

PERIOD_S = 0.2


def wait_until_active(name: str) -> bool:
    """Ask a node for its state until it is active; return false where ROS was shut down before."""
    node = rclpy.create_node('wait_until_active', start_parameter_services=False)
    client: Client[Any, Any] = node.create_client(GetState, f'/{name.strip("/")}/get_state')
    while rclpy.ok():
        if not client.wait_for_service(PERIOD_S):
            continue
        answer = client.call_async(GetState.Request())
        rclpy.spin_until_future_complete(node, answer, timeout_sec=5 * PERIOD_S)
        if not answer.done():
            client.remove_pending_request(answer)
        elif (result := answer.result()) is not None and result.current_state.id == State.PRIMARY_STATE_ACTIVE:
            return True
        time.sleep(PERIOD_S)
    return False


def main(args: Sequence[str]) -> int:
    """Wait; exit 0 when the node is active, 1 when interrupted before."""
    if len(args) != 1:
        get_logger('wait_until_active').error(f'one name of a lifecycle node is needed, got {list(args)}')
        return 2
    with running_ros([]):
        return 0 if wait_until_active(args[0]) else 1
    return 1


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
