"""The toy system as one object, and its row in the table of systems."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pose_estimation_ros.core.errors import SettingsError, WeightsError
from pose_estimation_ros.core.geometry import CentredAffine, Placement
from pose_estimation_ros.core.settings import settings_from
from pose_estimation_ros.core.skeleton import COCO_17, Skeleton
from pose_estimation_ros.data.transforms.builders import letterboxed
from pose_estimation_ros.data.transforms.warp import Compose, Transform
from pose_estimation_ros.methods.method import SHORT_SIDE, BaseSide, InputSize, Method, Preprocessing
from pose_estimation_ros.methods.objective import PublishedTraining
from pose_estimation_ros.methods.system import System
from toy_system.coding import ToyDecoder, ToyObjective
from toy_system.options import MULTIPLE, ToyDecoding, ToyInput, ToyOptions


class Toy(Method):
    name: str = 'toy'
    skeleton: Skeleton = COCO_17
    sees: Literal['image', 'person'] = 'image'
    preprocessing: Preprocessing = Preprocessing()
    base_side: BaseSide = SHORT_SIDE
    output_channels: tuple[int, ...] = (17,)
    training: PublishedTraining = PublishedTraining(optimizer={'weight_decay': 0.0}, schedule={'kind': 'constant'})

    def place(self, image_hw: tuple[int, int], size: InputSize) -> Placement:
        return CentredAffine.short_side(image_hw, size.base, size.scale, size.least_scale, MULTIPLE)

    def options(self, values: Mapping[str, Any] | None = None) -> ToyOptions:
        return settings_from(ToyOptions, values or {}, 'network options')

    def network(self, options: ToyOptions) -> Any:
        from toy_system.network import ToyNetwork

        return ToyNetwork(len(self.skeleton), options)

    def objective(self, options: ToyOptions, **settings: Any) -> ToyObjective:
        return ToyObjective(**settings)

    def input_hw(self, options: ToyOptions, size: int | None = None) -> tuple[int, int]:
        return size or 64, size or 64

    def augmentation(
        self,
        options: ToyOptions,
        size: int | None = None,
        settings: Mapping[str, Any] | None = None,
        photometric: tuple[Transform, ...] = (),
    ) -> Transform:
        return Compose((letterboxed(self.input_hw(options, size)), *photometric))

    def read_checkpoint(
        self, path: Path, hint: ToyOptions | None = None, trust: bool = False
    ) -> tuple[Mapping[str, Any], ToyOptions]:
        from pose_estimation_ros.backbones.weights_file import read_state_dict

        state_dict = read_state_dict(path, trust)
        if 'head.weight' not in state_dict:
            raise WeightsError(f'{path} is not a toy network')
        return state_dict, ToyOptions(state_dict['head.weight'].shape[1])

    def fit_weights(
        self, network: Any, state_dict: Mapping[str, Any], source: str = 'the weights', new_parts: bool = False
    ) -> str:
        network.load_state_dict(state_dict)
        return f'loaded {source}'

    def load_backbone(self, network: Any, path: Path, trust: bool = False) -> str:
        raise SettingsError('the toy network has no backbone')

    def decoder_names(self) -> tuple[str, ...]:
        return (ToyDecoder.name,)

    def decoder(self, name: str = ToyDecoder.name, **settings: Any) -> ToyDecoder:
        return ToyDecoder(self.skeleton, settings_from(ToyDecoding, settings, 'decoding settings'))


TOY = System(
    name='toy',
    methods=(Toy(),),
    settings=(ToyInput, ToyOptions, ToyDecoding),
    learner='toy_system.learner:ToyLearner',
)
