"""Old name of ros.nodes.echo, to be removed in the next version."""

from pose_estimation_ros.core.renamed import use_renamed_module

use_renamed_module(__name__, 'ros.echo', 'ros.nodes.echo')
