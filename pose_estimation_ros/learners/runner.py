"""Running a learner's model: the backend that is open, and the decoder's settings."""

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pose_estimation_ros.core.errors import SettingsError
from pose_estimation_ros.inference.backends.backend import BackendSettings, Model
from pose_estimation_ros.inference.backends.opening import open_backend
from pose_estimation_ros.inference.pipeline import Pipeline, check_height
from pose_estimation_ros.methods.method import Decoder, Method
from pose_estimation_ros.models.holder import ModelHolder

LOG = logging.getLogger(__name__)


class Runner:
    """Opens a backend when it is first needed, and again when the model has changed."""

    def __init__(
        self,
        method: Method,
        holder: ModelHolder,
        backend: BackendSettings,
        decode: str,
        decoding: Mapping[str, Any],
    ) -> None:
        self._method, self._holder, self._backend = method, holder, backend
        self._decode, self._decoding = decode, dict(decoding)
        if 'upsample_ratio' in self._decoding:
            raise SettingsError('upsample_ratio is an argument of infer, not a setting of decoding')
        self.decoder()  # wrong settings are told now, not at the first picture
        self._pipeline: Pipeline | None = None
        self._opened: Model | None = None

    def pipeline(self, **changes: Any) -> Pipeline:
        """Return what turns pictures into poses; `changes` are settings of the decoder for this once."""
        if self._pipeline is None or self._opened is not self._holder.model():
            self._pipeline = self._open(self.decoder(**changes))
        return self._pipeline.with_decoder(self.decoder(**changes))

    def tune(self, base_height: int | None = None, **decoding: Any) -> None:
        """Change what needs no new model; raises SettingsError before anything has changed."""
        self.decoder(**decoding)
        check_height(self._holder.base_height if base_height is None else base_height)
        self._decoding = {**self._decoding, **decoding}
        if base_height is not None:
            self._holder.base_height = base_height
            if self._pipeline is not None:
                self._pipeline = self._pipeline.with_size(base_height)

    def close(self) -> None:
        """Forget the backend: the network's weights have changed in place."""
        self._pipeline = self._opened = None

    def decoder(self, **changes: Any) -> Decoder:
        """Return the decoder, with `changes` to its settings."""
        return self._method.decoder(self._decode, **{**self._decoding, **changes})

    def _open(self, decoder: Decoder) -> Pipeline:
        settings, model = self._backend, self._holder.model()
        if self._holder.runs_optimized and settings.backend == 'torch':
            settings = replace(settings, backend='auto')  # torch runs no ONNX
        backend = open_backend(model, settings)
        LOG.info('runs on %s, %s, %s', backend.name, backend.device, backend.precision)
        self._opened = model
        return Pipeline(backend, self._method, decoder, self._holder.preprocessing, self._holder.base_height)
