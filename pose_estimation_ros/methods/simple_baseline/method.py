"""SimpleBaselines as one object: what its targets, loss, decoder and pipelines need to know of it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from pose_estimation_ros.core.boxes import PersonCrop
from pose_estimation_ros.core.errors import SettingsError, WeightsError
from pose_estimation_ros.core.geometry import Placement
from pose_estimation_ros.core.settings import settings_from
from pose_estimation_ros.core.skeleton import COCO_17, MPII_16, Skeleton
from pose_estimation_ros.data.datasets.coco import coco_persons
from pose_estimation_ros.data.transforms.warp import Transform
from pose_estimation_ros.methods.method import (
    IMAGENET_MEAN,
    IMAGENET_RGB,
    IMAGENET_SCALE,
    Decoder,
    GraphFacts,
    InputSize,
    Method,
    Preprocessing,
)
from pose_estimation_ros.methods.objective import Objective, PublishedTraining
from pose_estimation_ros.methods.simple_baseline import augmentation
from pose_estimation_ros.methods.simple_baseline.augmentation import AugmentationSettings, published_augmentation
from pose_estimation_ros.methods.simple_baseline.decoding import DECODERS
from pose_estimation_ros.methods.simple_baseline.objective import SimpleBaselineObjective
from pose_estimation_ros.methods.simple_baseline.options import DecodingSettings, PoseResNetOptions

PUBLISHED = Preprocessing(mean=IMAGENET_MEAN, scale=IMAGENET_SCALE, channel_order='bgr')
"""As published: the constants are ImageNet's of red, green and blue, the channels are OpenCV's blue, green and red.
Most other implementations, such as GluonCV and MMPose, have IMAGENET_RGB."""

COCO_OPTIONS = PoseResNetOptions()
MPII_OPTIONS = PoseResNetOptions(input_width=256)

MXNET_GRAPH = 'mxnet_converted_model'


@dataclass(frozen=True)
class SimpleBaseline(Method):
    """Simple Baselines for Human Pose Estimation (arXiv 1804.06208): one skeleton a person's crop."""

    name: str = 'simple_baseline'
    skeleton: Skeleton = COCO_17
    default_options: PoseResNetOptions = COCO_OPTIONS
    published_label_corner: bool = True
    """Whether published networks learnt the dataset's labels half a pixel off, see PoseResNetOptions."""

    sees: Literal['image', 'person'] = 'person'
    preprocessing: Preprocessing = PUBLISHED
    scoring: ClassVar[Mapping[str, Any]] = {'keypoint_threshold': 0.0}
    training: ClassVar[PublishedTraining] = PublishedTraining(
        optimizer={'lr': 1e-3, 'weight_decay': 0.0},
        schedule={'kind': 'multistep', 'milestones': (90, 120), 'gamma': 0.1},
        trainer={'max_epochs': 140, 'batch_size': 128},
        validation={'flip': True},
        open_coco=coco_persons,
        still={'scale': 0.0, 'rotation': 0.0, 'flip': 0.0},
    )
    augmented: AugmentationSettings = augmentation.COCO

    @property
    def output_channels(self) -> tuple[int, ...]:
        return (len(self.skeleton),)

    def place(self, image_hw: tuple[int, int], size: InputSize) -> Placement:
        """Return the crop of one person who fills an image."""
        height, width = image_hw
        box = np.array([-0.5, -0.5, width, height])
        network_hw = size.fixed_hw or self.default_options.input_hw
        return PersonCrop.around(box, network_hw, 1.0).placement(image_hw, network_hw)

    @property
    def published_options(self) -> PoseResNetOptions:
        """Options of published files that declare none."""
        return replace(self.default_options, label_corner=self.published_label_corner)

    def options(self, values: Mapping[str, Any] | None = None) -> PoseResNetOptions:
        return self.default_options.changed(values or {})

    def network(self, options: PoseResNetOptions) -> Any:
        from pose_estimation_ros.methods.simple_baseline.network import build_network

        return build_network(len(self.skeleton), options)

    def objective(self, options: PoseResNetOptions, **settings: Any) -> Objective:
        return SimpleBaselineObjective.of(options, settings)

    def input_hw(self, options: PoseResNetOptions, size: int | None = None) -> tuple[int, int]:
        return options.input_hw

    def augmentation(
        self,
        options: PoseResNetOptions,
        size: int | None = None,
        settings: Mapping[str, Any] | None = None,
        photometric: tuple[Transform, ...] = (),
    ) -> Transform:
        values = {**asdict(self.augmented), **(settings or {})}
        wanted = settings_from(AugmentationSettings, values, 'settings of the augmentation')
        return published_augmentation(options.input_hw, self.skeleton, wanted, photometric)

    def read_checkpoint(
        self, path: Path, hint: PoseResNetOptions | None = None, trust: bool = False
    ) -> tuple[Mapping[str, Any], PoseResNetOptions]:
        from pose_estimation_ros.methods.simple_baseline.weights import infer_options, keypoints_of, read_weights

        state_dict = read_weights(path, trust)
        keypoints = keypoints_of(state_dict, str(path))
        if keypoints != len(self.skeleton):
            raise WeightsError(
                f'{path} finds {keypoints} keypoints, expected the {len(self.skeleton)} of {self.skeleton.name};'
                f' choose a method with {keypoints} keypoints'
            )
        return state_dict, infer_options(state_dict, hint or self.published_options, path)

    def onnx_preprocessing(self, graph: GraphFacts) -> Preprocessing | None:
        """Return GluonCV's preprocessing for a graph exported by MXNet, None for others."""
        return IMAGENET_RGB if graph.name == MXNET_GRAPH else None

    def fit_weights(
        self, network: Any, state_dict: Mapping[str, Any], source: str = 'the weights', new_parts: bool = False
    ) -> str:
        from pose_estimation_ros.methods.simple_baseline.weights import fit_weights

        return fit_weights(network, state_dict, source)

    def load_backbone(self, network: Any, path: Path, trust: bool = False) -> str:
        from pose_estimation_ros.methods.simple_baseline.weights import load_backbone, read_weights

        return load_backbone(network, read_weights(path, trust), str(path))

    def decoder_names(self) -> tuple[str, ...]:
        return tuple(DECODERS)

    def decoder(self, name: str = 'published', **settings: Any) -> Decoder:
        if name not in DECODERS:
            raise SettingsError(f'decode must be one of {", ".join(DECODERS)}, got {name!r}')
        return DECODERS[name](self.skeleton, settings_from(DecodingSettings, settings, 'decoding settings'))


SIMPLE_BASELINE = SimpleBaseline()
"""COCO's 17 keypoints; crops of 256x192 unless a network's options differ."""

SIMPLE_BASELINE_MPII = SimpleBaseline(
    'simple_baseline_mpii', MPII_16, MPII_OPTIONS, published_label_corner=False, augmented=augmentation.MPII
)
"""MPII's 16 keypoints; crops of 256x256."""
