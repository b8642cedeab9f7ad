"""Old name of ros.messages.skeleton_messages, to be removed in the next version."""

from pose_estimation_ros.core.renamed import use_renamed_module

use_renamed_module(__name__, 'ros.skeleton_messages', 'ros.messages.skeleton_messages')
