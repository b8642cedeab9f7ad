"""Environment variables for passing large images between processes, and for a separate ROS domain."""

import contextlib
import os
import random
import socket
from pathlib import Path

PROFILE = 'FASTDDS_DEFAULT_PROFILES_FILE'
HUMBLE_PROFILE = 'FASTRTPS_DEFAULT_PROFILES_FILE'
MEMORY = {'MALLOC_MMAP_THRESHOLD_': '268435456', 'MALLOC_TRIM_THRESHOLD_': '536870912'}
"""malloc settings that keep image-sized buffers from being returned to the OS after every frame."""
DOMAINS = 101
"""Domain ids 0 to 100 are safe everywhere; higher ones use ports in Linux's ephemeral range."""
PARTICIPANTS = 10
"""Participant ports to probe per domain; DDS numbers participants from 0."""


def fastdds_profile_path() -> Path | None:
    """Return the Fast DDS profile for large images, in the checkout or installed by ROS; None if there is none."""
    places = [Path(__file__).parents[3]]
    prefixes = os.environ.get('AMENT_PREFIX_PATH', '').split(os.pathsep)
    places += [Path(prefix) / 'share' / 'pose_estimation_ros' for prefix in prefixes if prefix]
    found = (place / 'config' / 'fastdds.xml' for place in places)
    return next((path for path in found if path.exists()), None)


def large_image_variables() -> dict[str, str]:
    """Return the environment variables for large images."""
    path = fastdds_profile_path()
    return {**MEMORY, **({PROFILE: str(path)} if path else {})}


def environment_with_profile() -> dict[str, str]:
    """Return this process's environment with the variables for large images."""
    return {**os.environ, **large_image_variables()}


def environment_without_profile() -> dict[str, str]:
    """Return this process's environment without the variables for large images, even if the user has set them."""
    return {name: value for name, value in os.environ.items() if name not in (PROFILE, HUMBLE_PROFILE, *MEMORY)}


def own_domain() -> dict[str, str]:
    """Return variables for an unused ROS domain, restricted to this machine."""
    domains = random.sample(range(1, DOMAINS), DOMAINS - 1)
    domain = next(filter(is_free, domains), domains[0])
    return {'ROS_DOMAIN_ID': str(domain), 'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST'}


def is_free(domain: int) -> bool:
    """Whether no local process uses a domain: each participant binds a UDP port computed from the domain id."""
    first = 7410 + 250 * domain  # as DDS prescribes
    with contextlib.ExitStack() as stack:
        try:
            for participant in range(PARTICIPANTS):
                port = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
                port.bind(('', first + 2 * participant))
        except OSError:
            return False
    return True
