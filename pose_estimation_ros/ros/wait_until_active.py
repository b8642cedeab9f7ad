"""Old name of ros.nodes.wait_until_active, to be removed in the next version."""

from pose_estimation_ros.core.renamed import use_renamed_module

use_renamed_module(__name__, 'ros.wait_until_active', 'ros.nodes.wait_until_active')
