"""Old name of ros.nodes.pose_node, to be removed in the next version."""

from pose_estimation_ros.core.renamed import use_renamed_module

use_renamed_module(__name__, 'ros.pose_node', 'ros.nodes.pose_node')
