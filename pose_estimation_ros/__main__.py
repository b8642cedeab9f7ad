"""`python -m pose_estimation_ros`: the command line."""

import sys

from pose_estimation_ros.apps.start import main

sys.exit(main())
