"""Environment variables for large images between processes, and for a ROS domain of their own."""

import contextlib
import os
import random
import socket
from pathlib import Path

PROFILE = 'FASTDDS_DEFAULT_PROFILES_FILE'
HUMBLES_PROFILE = 'FASTRTPS_DEFAULT_PROFILES_FILE'
MEMORY = {'MALLOC_MMAP_THRESHOLD_': '268435456', 'MALLOC_TRIM_THRESHOLD_': '536870912'}
"""Keeps memory of an image's size from going back to the system after each."""
DOMAINS = 101
"""0 to 100 are safe everywhere: above, Linux hands out the same ports to any program."""
PARTICIPANTS = 10
"""So many of a domain's processes are looked for; they number themselves from 0."""


def profile() -> Path | None:
    """Return where the Fast DDS profile for large images lies: in the checkout or where ROS installed it."""
    places = [Path(__file__).parents[3]]
    prefixes = os.environ.get('AMENT_PREFIX_PATH', '').split(os.pathsep)
    places += [Path(prefix) / 'share' / 'pose_estimation_ros' for prefix in prefixes if prefix]
    found = (place / 'config' / 'fastdds.xml' for place in places)
    return next((path for path in found if path.exists()), None)


def with_profile() -> dict[str, str]:
    """Return this process's environment, with what large images need."""
    path = profile()
    return {**os.environ, **MEMORY, **({PROFILE: str(path)} if path else {})}


def without_profile() -> dict[str, str]:
    """Return this process's environment without what large images need, also where the user has set it."""
    return {name: value for name, value in os.environ.items() if name not in (PROFILE, HUMBLES_PROFILE, *MEMORY)}


def own_domain() -> dict[str, str]:
    """Return an unused ROS domain, on this machine only."""
    domains = random.sample(range(1, DOMAINS), DOMAINS - 1)
    domain = next(filter(is_free, domains), domains[0])
    return {'ROS_DOMAIN_ID': str(domain), 'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST'}


def is_free(domain: int) -> bool:
    """Whether no process of this machine takes part in a domain; each holds a port that its number tells."""
    first = 7410 + 250 * domain  # as DDS prescribes
    with contextlib.ExitStack() as stack:
        try:
            for participant in range(PARTICIPANTS):
                port = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
                port.bind(('', first + 2 * participant))
        except OSError:
            return False
    return True
