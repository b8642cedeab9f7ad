#!/usr/bin/env bash
# make_env.sh FOLDER: make, or complete, the virtual environment that tests, demo and benchmarks run in.
# PYTHON names the interpreter to make it from.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
venv=$1

stop() {
    echo "make env: $1" >&2
    exit 1
}

find_python() {
    local name
    for name in ${PYTHON:-python3.11 python3.12 python3}; do
        if "$name" -c '' 2>/dev/null; then
            echo "$name"
            return
        fi
    done
    stop "no working Python found as '${PYTHON:-python3.11 or python3}'; install Python 3.11, or name one: make env PYTHON=/path/to/python3.11"
}

make_venv() {
    local python version
    python=$(find_python)
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    "$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 13))' ||
        stop "$python is Python $version, the pinned versions need 3.11 or 3.12 (ROS has wheels for these); name one: make env PYTHON=/path/to/python3.11"
    "$python" -c 'import ensurepip, venv' 2>/dev/null ||
        stop "$python has no venv module; install it (on Debian and Ubuntu: apt install python$version-venv)"
    "$python" -m venv --clear "$venv"
}

# Two makes at once in one folder: the second waits, then finds everything there.
mkdir -p "$venv"
if command -v flock >/dev/null; then
    exec 9<"$venv"
    flock 9
fi

"$venv/bin/python" -m pip --version >/dev/null 2>&1 || make_venv
pip=("$venv/bin/python" -m pip --disable-pip-version-check --no-input)
# A person sees pip's progress; a log only what goes wrong.
[[ -t 1 ]] || pip+=(--quiet --quiet)
echo "make env: installing the packages of requirements/lock.txt into $venv: 2.4 GB, some minutes"
"${pip[@]}" install -c requirements/lock.txt pip setuptools wheel
"${pip[@]}" install --prefer-binary -c requirements/lock.txt -r requirements/pins.txt
"${pip[@]}" check
touch "$venv/.complete"
