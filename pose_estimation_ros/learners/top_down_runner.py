"""Running a top-down learner's model: the backend that is open, the detector, and their settings."""

import logging
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from pose_estimation_ros.core.errors import SettingsError
from pose_estimation_ros.core.settings import settings_from
from pose_estimation_ros.inference.backends.backend import BackendSettings, Model
from pose_estimation_ros.inference.backends.opening import open_backend
from pose_estimation_ros.inference.detectors.person_detector import PersonDetector, WholeImage
from pose_estimation_ros.inference.detectors.yolox import YoloxDetector, YoloxSettings
from pose_estimation_ros.inference.top_down import PersonNetwork, TopDown, TopDownSettings
from pose_estimation_ros.learners.person_datasets import DETECTOR, WHOLE_IMAGE, BoxSource
from pose_estimation_ros.methods.method import Decoder
from pose_estimation_ros.methods.simple_baseline.method import SimpleBaseline
from pose_estimation_ros.models.holder import ModelHolder

LOG = logging.getLogger(__name__)

NO_DETECTOR = 'no detector is given: pictures without boxes are taken for one person each'
OF_PEOPLE = {field.name for field in fields(TopDownSettings)} - {'flip'}


class TopDownRunner:
    """Opens a backend when it is first needed, and again when the model has changed."""

    def __init__(
        self,
        method: SimpleBaseline,
        holder: ModelHolder,
        backend: BackendSettings,
        detector: PersonDetector | None,
        decode: str,
        tuning: Mapping[str, Any],
        flip: bool = False,
    ) -> None:
        self.method, self.holder = method, holder
        self._backend, self._detector, self._decode, self._flip = backend, detector, decode, flip
        self._tuning = dict(tuning)
        if 'upsample_ratio' in self._tuning:
            raise SettingsError('upsample_ratio is an argument of infer, not a setting of decoding')
        self._decoder()  # wrong settings are told now, not at the first picture
        self._pipeline: TopDown | None = None
        self._opened: Model | None = None

    def on(self, method: SimpleBaseline, holder: ModelHolder) -> 'TopDownRunner':
        """Return the same for another model."""
        return TopDownRunner(method, holder, self._backend, self._detector, self._decode, self._tuning, self._flip)

    def pipeline(self, upsample_ratio: int = 4, scoring: bool = False) -> TopDown:
        """Return what turns pictures into poses; with `scoring`, every keypoint is given out, as evaluations want."""
        decoder = self._decoder(upsample_ratio, scoring)
        if self._pipeline is None or self._opened is not self.holder.model():
            self._pipeline = self._open(decoder)
        return self._pipeline.with_decoder(decoder)

    def tune(self, base_height: int | None = None, **tuning: Any) -> None:
        """Change what needs no new model; raises SettingsError before anything has changed."""
        if base_height is not None:
            raise SettingsError('the height of crops cannot change: load a network for another input_size')
        before = self._tuning
        self._tuning = {**before, **tuning}
        try:
            self._decoder()
        except SettingsError:
            self._tuning = before
            raise
        if self._pipeline is not None:
            self._pipeline = self._pipeline.with_settings(**self._of_people())

    def scoring_on(self, boxes: BoxSource) -> TopDown:
        """Return what is scored, looking where `boxes` says; raises SettingsError where nothing finds people."""
        if boxes == DETECTOR and self._detector is None:
            raise SettingsError(
                "boxes='detector' needs one, and this learner has none; give its constructor detector=PATH"
            )
        pipeline = self.pipeline(scoring=True)
        return pipeline.with_detector(WholeImage()) if boxes == WHOLE_IMAGE else pipeline

    def close(self) -> None:
        """Forget the backend: the network's weights have changed in place."""
        self._pipeline = self._opened = None

    def _decoder(self, upsample_ratio: int = 4, scoring: bool = False) -> Decoder:
        """Return the decoder, after all settings have been looked at."""
        TopDownSettings(flip=self._flip, **self._of_people())
        own = {name: value for name, value in self._tuning.items() if name not in OF_PEOPLE}
        published = self.method.scoring if scoring else {}
        return self.method.decoder(self._decode, **{**published, **own, 'upsample_ratio': upsample_ratio})

    def _of_people(self) -> dict[str, Any]:
        return {name: value for name, value in self._tuning.items() if name in OF_PEOPLE}

    def _open(self, decoder: Decoder) -> TopDown:
        settings, model = self._backend, self.holder.model()
        if self.holder.runs_optimized and settings.backend == 'torch':
            settings = replace(settings, backend='auto')  # torch runs no ONNX
        backend = open_backend(model, settings)
        LOG.info('runs on %s, %s, %s', backend.name, backend.device, backend.precision)
        pipeline = TopDown(
            backend,
            self.method,
            decoder,
            person_network(self.holder),
            self._detector or WholeImage(NO_DETECTOR),
            TopDownSettings(flip=self._flip, **self._of_people()),
        )
        self._opened = model
        return pipeline


def person_network(holder: ModelHolder) -> PersonNetwork:
    """Return how a learner's model wants its crops; what a file does not say is as the learner was asked for."""
    options = holder.options or holder.asked_options
    return PersonNetwork(holder.preprocessing, options.input_hw, options.label_corner)


def open_detector(
    detector: 'PersonDetector | str | Path | None', backend: BackendSettings, settings: Mapping[str, Any]
) -> PersonDetector | None:
    """Return a detector as it is, or open the ONNX file that is named, with its settings; None for none."""
    is_file = isinstance(detector, str | Path) and str(detector) != 'whole_image'
    if settings and not is_file:
        raise SettingsError(f'detector_settings are for an ONNX file, got {detector!r} as detector; leave them out')
    if not isinstance(detector, str | Path):
        return detector
    if not is_file:
        return WholeImage()
    providers = backend.providers or ('CPUExecutionProvider',)
    return YoloxDetector(
        detector, settings_from(YoloxSettings, settings, 'detector_settings'), providers, backend.threads
    )
