"""Runs a learner's model: opens its backend when it is first needed, and holds the settings that may change."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Generic, Protocol, TypeVar, cast

from pose_estimation_ros.inference.backends.backend import Backend, BackendSettings, Model
from pose_estimation_ros.inference.backends.opening import open_backend
from pose_estimation_ros.inference.pipeline import ModelPipeline, Pipeline, check_size
from pose_estimation_ros.methods.method import Method
from pose_estimation_ros.models.store import ModelStore

LOG = logging.getLogger(__name__)

P = TypeVar('P', bound=ModelPipeline)
P_co = TypeVar('P_co', bound=ModelPipeline, covariant=True)

Configure = Callable[[Mapping[str, Any]], P_co]
"""Returns a pipeline with settings by name, at little cost."""


class PipelineKind(Protocol[P_co]):
    """How a system's images become poses: of what its pipelines are made, and which settings they have."""

    def check(self, method: Method, settings: Mapping[str, Any]) -> None:
        """Raise SettingsError for settings that there are not."""

    def open(self, backend: Backend, model: ModelStore) -> Configure[P_co]:
        """Return what makes pipelines of a model that a backend runs."""


@dataclass(frozen=True)
class WholeImages:
    """A network that takes whole images (bottom-up), with decoder settings."""

    decode: str
    """Name of the decoder."""

    def check(self, method: Method, settings: Mapping[str, Any]) -> None:
        method.decoder(self.decode, **settings)

    def open(self, backend: Backend, model: ModelStore) -> Configure[Pipeline]:
        method, loaded = model.method, model.loaded
        pipeline = Pipeline(backend, method, None, loaded.preprocessing, loaded.base_height)
        return lambda settings: pipeline.with_decoder(method.decoder(self.decode, **settings))


@dataclass(frozen=True)
class Looks:
    """How often every image is run."""

    scales: tuple[float, ...] = (1.0,)
    flip: bool = False
    """Mirrored too."""


class Runner(Generic[P]):
    """Opens a backend when it is first needed, and again when the model has changed."""

    def __init__(
        self, model: ModelStore, backend: BackendSettings, kind: PipelineKind[P], settings: Mapping[str, Any]
    ) -> None:
        self.model, self.settings = model, dict(settings)
        self.looks: Looks | None = None
        """None for those of the pipeline's kind."""
        self._backend_settings, self._kind = backend, kind
        self._check(self.settings)  # now, not at the first image
        self._opened: Model | None = None
        self._configure: Configure[P] | None = None

    def pipeline(self, defaults: Mapping[str, Any] | None = None, **once: Any) -> P:
        """Return what turns images into poses.

        Args:
            defaults: Settings that count where the user has not set them.
            **once: Settings for this pipeline alone; None leaves the runner's.

        """
        model = self.model.model
        if self._opened is not model:
            self._backend, self._opened, self._configure = self._open(model), model, None
        if self._configure is None:
            self._configure = self._kind.open(self._backend, self.model)
        passed = {name: value for name, value in once.items() if value is not None}
        pipeline = self._configure({**(defaults or {}), **self.settings, **passed})
        return pipeline if self.looks is None else cast(P, pipeline.with_looks(self.looks.scales, self.looks.flip))

    def tune(self, base_height: int | None = None, **settings: Any) -> None:
        """Change what needs no new model; raises SettingsError before anything has changed."""
        changed = {**self.settings, **settings}
        self._check(changed)
        if base_height is not None:
            check_size(base_height, self.model.method.base_side)
            self.model.set_height(base_height)
            self._configure = None
        self.settings = changed

    def close(self) -> None:
        """Forget the backend: the network's weights have changed in place."""
        self._opened = self._configure = None

    def _check(self, settings: Mapping[str, Any]) -> None:
        self._kind.check(self.model.method, settings)

    def _open(self, model: Model) -> Backend:
        settings = self._backend_settings
        if self.model.is_exported and settings.backend == 'torch':
            settings = replace(settings, backend='auto')  # torch runs no ONNX
        backend = open_backend(model, settings)
        LOG.info('runs on %s, %s, %s', backend.name, backend.device, backend.precision)
        return backend
