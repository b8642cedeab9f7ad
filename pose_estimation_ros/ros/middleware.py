"""The environment in which processes of one machine exchange large pictures, and stay among themselves."""

import os
import random
from pathlib import Path

PROFILE = 'FASTDDS_DEFAULT_PROFILES_FILE'
MEMORY = {'MALLOC_MMAP_THRESHOLD_': '268435456', 'MALLOC_TRIM_THRESHOLD_': '536870912'}
"""Keeps memory of a picture's size from going back to the system after each."""
DOMAINS = 101
"""0 to 100 are safe everywhere."""


def profile() -> Path | None:
    """Return where the Fast DDS profile for large pictures lies: in the checkout or where ROS installed it."""
    places = [Path(__file__).parents[2]]
    prefixes = os.environ.get('AMENT_PREFIX_PATH', '').split(os.pathsep)
    places += [Path(prefix) / 'share' / 'pose_estimation_ros' for prefix in prefixes if prefix]
    found = (place / 'config' / 'fastdds.xml' for place in places)
    return next((path for path in found if path.exists()), None)


def own_domain() -> dict[str, str]:
    """Return what keeps a few processes to themselves: a domain by chance, on this machine only."""
    return {'ROS_DOMAIN_ID': str(random.randrange(1, DOMAINS)), 'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST'}
