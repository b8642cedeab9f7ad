#!/usr/bin/env bash
# make_lock.sh FOLDER: write requirements/lock.txt from the virtual environment in FOLDER.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
{
    echo '# Every version in the environment of `make env`, written by `make lock`; edit pins.txt instead.'
    # The label of a build (torch+cpu) depends on where it came from, so it is not part of the pin.
    "$1/bin/python" -m pip freeze --all --exclude pose_estimation_ros | sed 's/^\([^=]*==[^+]*\)+.*/\1/'
} >requirements/lock.txt.part
mv requirements/lock.txt.part requirements/lock.txt
echo 'requirements/lock.txt'
