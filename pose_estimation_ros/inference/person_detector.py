"""Old name of inference.detectors.person_detector, to be removed in the next version."""

from pose_estimation_ros.core.renamed import use_renamed_module

use_renamed_module(__name__, 'inference.person_detector', 'inference.detectors.person_detector')
