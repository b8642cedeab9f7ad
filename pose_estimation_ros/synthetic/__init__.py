"""Synthetic people with exact ground truth: articulated 3-D figures, clothed, lit and drawn over a background.

Public: `generate_image`, `SyntheticVideo`, `SceneSettings`.
"""

from pose_estimation_ros.synthetic.scene import SyntheticFrame, SyntheticPerson, SyntheticVideo, generate_image
from pose_estimation_ros.synthetic.settings import SceneSettings

__all__ = ['SceneSettings', 'SyntheticFrame', 'SyntheticPerson', 'SyntheticVideo', 'generate_image']
