"""Old name of ros.nodes.camera_node, to be removed in the next version."""

from pose_estimation_ros.core.renamed import use_renamed_module

use_renamed_module(__name__, 'ros.camera_node', 'ros.nodes.camera_node')
