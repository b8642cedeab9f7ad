"""Entry point: runs the command line, or reports a missing package. Imports no optional package."""

import sys
from collections.abc import Sequence

from pose_estimation_ros.core.packages import missing_package


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code, as `cli.main` does."""
    try:
        from pose_estimation_ros.apps import cli
    except ModuleNotFoundError as error:
        missing = missing_package(error, 'the command line')
        if not missing:
            raise
        print(f'pose_estimation: {missing}', file=sys.stderr)
        return 2
    return cli.main(argv)
