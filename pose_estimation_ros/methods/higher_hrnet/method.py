"""HigherHRNet as one object: what its targets, loss, decoders and pipelines need to know of it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pose_estimation_ros.core.errors import WeightsError
from pose_estimation_ros.core.geometry import Placement
from pose_estimation_ros.core.settings import settings_from
from pose_estimation_ros.core.skeleton import COCO_17, Skeleton
from pose_estimation_ros.data.transforms.warp import Transform
from pose_estimation_ros.methods.higher_hrnet.augmentation import (
    AugmentationSettings,
    published_augmentation,
    published_size,
)
from pose_estimation_ros.methods.higher_hrnet.decoding import DECODERS, build_decoder
from pose_estimation_ros.methods.higher_hrnet.merging import OUTPUT_CHANNELS
from pose_estimation_ros.methods.higher_hrnet.objective import TRAINING, HigherHRNetObjective
from pose_estimation_ros.methods.higher_hrnet.options import HigherHRNetOptions
from pose_estimation_ros.methods.method import (
    IMAGENET_RGB,
    SHORT_SIDE,
    BaseSide,
    Decoder,
    InputSize,
    Method,
    Preprocessing,
)
from pose_estimation_ros.methods.objective import Objective, PublishedTraining
from pose_estimation_ros.methods.short_side import place_by_short_side


class HigherHRNet(Method):
    """HigherHRNet: Scale-Aware Representation Learning for Bottom-Up Human Pose Estimation (arXiv 1908.10357)."""

    name: str = 'higher_hrnet'
    skeleton: Skeleton = COCO_17
    sees: Literal['image', 'person'] = 'image'
    preprocessing: Preprocessing = IMAGENET_RGB
    base_side: BaseSide = SHORT_SIDE
    output_channels: tuple[int, ...] = OUTPUT_CHANNELS
    training: PublishedTraining = TRAINING
    published_decoder: str = 'published'

    def place(self, image_hw: tuple[int, int], size: InputSize) -> Placement:
        return place_by_short_side(image_hw, size)

    def options(self, values: Mapping[str, Any] | None = None) -> HigherHRNetOptions:
        return HigherHRNetOptions.from_dict(values or {})

    def network(self, options: HigherHRNetOptions) -> Any:
        from pose_estimation_ros.methods.higher_hrnet.network import build_network

        return build_network(len(self.skeleton), options)

    def objective(self, options: HigherHRNetOptions, **settings: Any) -> Objective:
        return HigherHRNetObjective.of(options.stride, settings)

    def input_hw(self, options: HigherHRNetOptions, size: int | None = None) -> tuple[int, int]:
        side = size or published_size(options)
        return side, side

    def augmentation(
        self,
        options: HigherHRNetOptions,
        size: int | None = None,
        settings: Mapping[str, Any] | None = None,
        photometric: tuple[Transform, ...] = (),
    ) -> Transform:
        wanted = settings_from(AugmentationSettings, settings or {}, 'settings of the augmentation')
        side, _ = self.input_hw(options, size)
        return published_augmentation(side, wanted, photometric, self.skeleton)

    def read_checkpoint(
        self, path: Path, hint: HigherHRNetOptions | None = None, trust: bool = False
    ) -> tuple[Mapping[str, Any], HigherHRNetOptions]:
        from pose_estimation_ros.methods.higher_hrnet.weights import (
            infer_options,
            keypoints_of,
            published_names,
            read_weights,
        )

        state_dict = published_names(read_weights(path, trust))
        keypoints = keypoints_of(state_dict, str(path))
        if keypoints != len(self.skeleton):
            raise WeightsError(
                f'{path} finds {keypoints} keypoints, expected the {len(self.skeleton)} of {self.skeleton.name}; choose'
                ' a file that was trained on COCO'
            )
        return state_dict, infer_options(state_dict, hint, str(path))

    def fit_weights(
        self, network: Any, state_dict: Mapping[str, Any], source: str = 'the weights', new_parts: bool = False
    ) -> str:
        from pose_estimation_ros.methods.higher_hrnet.weights import fit_weights

        return fit_weights(network, state_dict, source)

    def load_backbone(self, network: Any, path: Path, trust: bool = False) -> str:
        """Load the trunk of an ImageNet classifier, official or pytorch-human-pose's, and return a sentence on it."""
        from pose_estimation_ros.backbones.hrnet_weights import load_trunk
        from pose_estimation_ros.methods.higher_hrnet.weights import read_weights

        return load_trunk(network, read_weights(path, trust), str(path))

    def decoder_names(self) -> tuple[str, ...]:
        return tuple(DECODERS)

    def decoder(self, name: str = 'fast', **settings: Any) -> Decoder:
        return build_decoder(name, **settings)
