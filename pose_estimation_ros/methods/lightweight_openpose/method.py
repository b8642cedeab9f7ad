"""Lightweight OpenPose as one object: what its targets, loss, decoders and pipelines need to know of it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pose_estimation_ros.core.errors import SettingsError
from pose_estimation_ros.core.geometry import MAX_ASPECT, Letterbox, Placement
from pose_estimation_ros.core.settings import settings_from
from pose_estimation_ros.core.skeleton import OPENPOSE_18, Skeleton
from pose_estimation_ros.data.datasets.coco import CocoMainPersons
from pose_estimation_ros.data.transforms.warp import Transform
from pose_estimation_ros.methods.lightweight_openpose.augmentation import (
    PUBLISHED_SIZE,
    AugmentationSettings,
    published_augmentation,
)
from pose_estimation_ros.methods.lightweight_openpose.decoding import DECODERS
from pose_estimation_ros.methods.lightweight_openpose.encoding import TargetSettings
from pose_estimation_ros.methods.lightweight_openpose.limbs import NUM_HEATMAPS, NUM_PAFS
from pose_estimation_ros.methods.lightweight_openpose.objective import LightweightOpenPoseObjective
from pose_estimation_ros.methods.lightweight_openpose.options import DecodingSettings, NetworkOptions
from pose_estimation_ros.methods.lightweight_openpose.published import OPEN_MODEL_ZOO_OUTPUT, RAW_PIXELS
from pose_estimation_ros.methods.method import Decoder, InputSize, Method, Preprocessing
from pose_estimation_ros.methods.objective import Objective, PublishedTraining
from pose_estimation_ros.methods.shared_settings import target_settings


class LightweightOpenPose(Method):
    """Real-time 2D Multi-Person Pose Estimation on CPU: Lightweight OpenPose (arXiv 1811.12004)."""

    name: str = 'lightweight_openpose'
    skeleton: Skeleton = OPENPOSE_18
    sees: Literal['image', 'person'] = 'image'
    preprocessing: Preprocessing = Preprocessing()
    published_decoder: str = 'reference'
    output_channels: tuple[int, ...] = (NUM_HEATMAPS, NUM_PAFS)
    training: PublishedTraining = PublishedTraining(
        optimizer={'lr': 4e-5, 'weight_decay': 5e-4},
        schedule={'kind': 'multistep', 'milestones': (100, 200, 260), 'gamma': 0.333},
        trainer={'max_epochs': 280, 'batch_size': 80},
        validation={'limit': 250},
        open_coco=CocoMainPersons,
        still={'min_scale': 1.0, 'max_scale': 1.0, 'rotation': 0.0, 'jitter': 0.0, 'flip': 0.0},
    )

    def place(self, image_hw: tuple[int, int], size: InputSize) -> Placement:
        """Return the published letterbox: an image in the middle, both sides multiples of the stride."""
        if size.fixed_hw:
            return Letterbox.fit_inside(image_hw, size.fixed_hw)
        rows = round(size.base * size.scale)
        return Letterbox.fit(image_hw, rows, size.stride, MAX_ASPECT * rows)

    def options(self, values: Mapping[str, Any] | None = None) -> NetworkOptions:
        return NetworkOptions.from_dict(values or {})

    def network(self, options: NetworkOptions) -> Any:
        from pose_estimation_ros.methods.lightweight_openpose.network import build_network

        return build_network(options)

    def objective(self, options: NetworkOptions, **settings: Any) -> Objective:
        return LightweightOpenPoseObjective(target_settings(TargetSettings, options.stride, settings))

    def input_hw(self, options: NetworkOptions, size: int | None = None) -> tuple[int, int]:
        side = size or PUBLISHED_SIZE
        return side, side

    def augmentation(
        self,
        options: NetworkOptions,
        size: int | None = None,
        settings: Mapping[str, Any] | None = None,
        photometric: tuple[Transform, ...] = (),
    ) -> Transform:
        wanted = settings_from(AugmentationSettings, settings or {}, 'settings of the augmentation')
        return published_augmentation(size or PUBLISHED_SIZE, self.skeleton, photometric, wanted)

    def read_checkpoint(
        self, path: Path, hint: NetworkOptions | None = None, trust: bool = False
    ) -> tuple[Mapping[str, Any], NetworkOptions]:
        from pose_estimation_ros.methods.lightweight_openpose.weights import infer_options, read_weights

        state_dict = read_weights(path, trust)
        return state_dict, infer_options(state_dict, hint, str(path))

    def xml_preprocessing(self, model: str) -> Preprocessing | None:
        return RAW_PIXELS if OPEN_MODEL_ZOO_OUTPUT in model else None

    def fit_weights(
        self, network: Any, state_dict: Mapping[str, Any], source: str = 'the weights', new_parts: bool = False
    ) -> str:
        """Load all of a file into a network; refinement stages that the network lacks are dropped and reported."""
        from pose_estimation_ros.methods.lightweight_openpose.weights import fit_weights

        return fit_weights(network, state_dict, source, new_stages=new_parts).text

    def load_backbone(self, network: Any, path: Path, trust: bool = False) -> str:
        from pose_estimation_ros.methods.lightweight_openpose.weights import load_backbone, read_weights

        return load_backbone(network, read_weights(path, trust), str(path)).text

    def decoder_names(self) -> tuple[str, ...]:
        return tuple(DECODERS)

    def decoder(self, name: str = 'fast', **settings: Any) -> Decoder:
        if name not in DECODERS:
            raise SettingsError(f'decode must be one of {", ".join(DECODERS)}, got {name!r}')
        decoder: Decoder = DECODERS[name](settings_from(DecodingSettings, settings, 'decoding settings'))
        return decoder
