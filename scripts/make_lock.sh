#!/usr/bin/env bash
# make_lock.sh FOLDER: write requirements/lock.txt from the virtual environment in FOLDER.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# The wheels named ros-... hold packages that say their own names (rclpy) without having been installed by pip; pip
# could not find them, or would find something else.
parts=$("$1/bin/python" -c 'from importlib.metadata import distributions
print(*(f"--exclude {each.name}" for each in distributions() if each.read_text("INSTALLER") is None))')
{
    echo '# Every version in the environment of `make env`, written by `make lock`; edit pins.txt instead.'
    # The label of a build (torch+cpu) depends on where it came from, so it is not part of the pin.
    "$1/bin/python" -m pip freeze --all --exclude pose_estimation_ros $parts | sed 's/^\([^=]*==[^+]*\)+.*/\1/'
} >requirements/lock.txt.part
mv requirements/lock.txt.part requirements/lock.txt
echo 'requirements/lock.txt'
