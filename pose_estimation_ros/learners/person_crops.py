"""Top-down estimation: pipelines that crop the people in an image, and the detector that finds them."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from pose_estimation_ros.core.errors import SettingsError
from pose_estimation_ros.core.settings import settings_from
from pose_estimation_ros.inference.backends.backend import Backend, BackendSettings
from pose_estimation_ros.inference.detectors.person_detector import PersonDetector, WholeImage
from pose_estimation_ros.inference.detectors.yolox import YoloxDetector, YoloxSettings
from pose_estimation_ros.inference.top_down import PersonNetwork, TopDown, TopDownSettings
from pose_estimation_ros.learners.runner import Configure
from pose_estimation_ros.methods.method import Decoder, Method
from pose_estimation_ros.models.store import ModelStore

NO_DETECTOR = 'no detector given: every image without boxes is treated as one person'
CROP_SETTINGS = {field.name for field in fields(TopDownSettings)} - {'flip'}


@dataclass(frozen=True, eq=False)
class PersonCrops:
    """A network that takes one person's crop (top-down), with the fields of TopDownSettings and decoder settings."""

    decode: str
    """Name of the decoder."""
    detector: PersonDetector | None
    flip: bool = False
    """Average the maps of each crop and its mirror image."""

    def check(self, method: Method, settings: Mapping[str, Any]) -> None:
        crops, _ = self._parts(method, settings)
        TopDownSettings(**crops)

    def open(self, backend: Backend, model: ModelStore) -> Configure[TopDown]:
        method, detector = model.method, self.detector or WholeImage(NO_DETECTOR)
        options = model.options or model.arguments.options  # those of the constructor if the file declares none
        network = PersonNetwork(model.loaded.preprocessing, options.input_hw, options.label_corner)
        _, decoder = self._parts(method, {})
        pipeline = TopDown(backend, method, decoder, network, detector).with_looks(flip=self.flip)

        def configured(settings: Mapping[str, Any]) -> TopDown:
            crops, decoder = self._parts(method, settings)
            return pipeline.with_settings(**crops).with_decoder(decoder)

        return configured

    def _parts(self, method: Method, settings: Mapping[str, Any]) -> tuple[dict[str, Any], Decoder]:
        """Return the settings of crops, and the decoder with the others."""
        crops = {name: settings[name] for name in settings.keys() & CROP_SETTINGS}
        return crops, method.decoder(self.decode, **{name: settings[name] for name in settings.keys() - CROP_SETTINGS})


def open_detector(
    detector: 'PersonDetector | str | Path | None', backend: BackendSettings, settings: Mapping[str, Any]
) -> PersonDetector | None:
    """Return the detector, or open it from an ONNX file with `settings`; None stays None."""
    is_file = isinstance(detector, str | Path) and str(detector) != 'whole_image'
    if settings and not is_file:
        raise SettingsError(f'detector_settings are for an ONNX file, got {detector!r} as detector; leave them out')
    if not isinstance(detector, str | Path):
        return detector
    if not is_file:
        return WholeImage()
    providers = backend.providers or ('CPUExecutionProvider',)
    chosen = settings_from(YoloxSettings, settings, 'detector_settings')
    return YoloxDetector(detector, chosen, providers, backend.threads)
