"""The published methods that run one of the two passes alone, over a network of the caller's or the learner's own."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from pose_estimation_ros.core.arrays import ByteArray, FloatArray
from pose_estimation_ros.core.errors import SettingsError
from pose_estimation_ros.inference.backends.backend import BackendSettings, Model
from pose_estimation_ros.inference.backends.opening import open_backend
from pose_estimation_ros.inference.pipeline import Pipeline
from pose_estimation_ros.inference.two_pass.published import PublishedFinder
from pose_estimation_ros.inference.two_pass.second_pass import Enlarged, enlarged_maps
from pose_estimation_ros.learners.lightweight_openpose import LightweightOpenPoseLearner
from pose_estimation_ros.learners.settings import normalisation
from pose_estimation_ros.learners.two_pass_runner import Passes


@dataclass(frozen=True, eq=False)
class SinglePasses:
    """Either pass by itself. A `net` is a torch module, a backend, or None for the learner's model."""

    learner: LightweightOpenPoseLearner
    """Of one pass; whose model, device and preprocessing count."""
    passes: Passes

    def first(self, net: Any, image: ByteArray) -> FloatArray:
        """Return a map (h, w) of where people are in a picture."""
        pipeline = self._over(net)
        if self.passes.regions == 'published':
            settings = self.passes.published()
            fields, _, _ = PublishedFinder(pipeline.backend, settings).fields(image)
            strength: FloatArray = np.where(fields < settings.threshold, 0, fields).sum(axis=0)
            return strength
        height = pipeline.base_size if pipeline.backend.fixed_hw else self.passes.first_pass_height
        heatmaps = pipeline.with_size(height).forward([image])[0].maps[0]
        heat: FloatArray = heatmaps[: len(self.learner.method.skeleton)].max(axis=0)
        return heat

    def second(
        self,
        net: Any,
        crop: ByteArray,
        rows: int,
        max_width: int,
        upsample_ratio: int,
        input_settings: Mapping[str, Any],
        stride: int | None = None,
        device: str | None = None,
    ) -> Enlarged:
        """Return what the network sees in a crop; `input_settings` are img_mean, img_scale and pad_value."""
        pipeline = self._over(net, device)
        if stride not in (None, pipeline.stride):
            raise SettingsError(f'stride is {pipeline.stride} for this network, got {stride}; leave it out')
        pipeline.preprocessing = normalisation(pipeline.preprocessing, input_settings)
        return enlarged_maps(pipeline, crop, rows, max_width, upsample_ratio)

    def _over(self, net: Any, device: str | None = None) -> Pipeline:
        """Return a pipeline that may be changed."""
        learner = self.learner
        if net is None:
            own = learner.pipeline()
            return own.with_size(own.base_size)  # a copy
        if hasattr(net, 'state_dict'):
            settings = learner.backend_settings
            where = BackendSettings('torch', device or settings.device, may_fall_back=settings.may_fall_back)
            net = open_backend(Model(learner.method.output_channels, network=net, label='net'), where)
        return Pipeline(net, learner.method, None, learner.preprocessing, learner.base_height)
