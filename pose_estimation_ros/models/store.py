"""The model of a learner: loading, building, exporting and saving it."""

from collections.abc import Iterable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from pose_estimation_ros.core.arrays import FloatArray
from pose_estimation_ros.core.errors import BackendError, WeightsError
from pose_estimation_ros.inference.backends.backend import Model
from pose_estimation_ros.methods.method import Method
from pose_estimation_ros.models.arguments import ModelArguments
from pose_estimation_ros.models.embedded import embedded_model
from pose_estimation_ros.models.export import checkpoint_bytes, export_model
from pose_estimation_ros.models.folder import read_bytes, write_model
from pose_estimation_ros.models.loading import LoadedModel, load_model


class ModelStore:
    """Owns the one model that a learner has at a time, and its ONNX form once `optimize` has made that."""

    def __init__(self, *arguments: ModelArguments) -> None:
        """Hold no weights yet.

        Args:
            arguments: For each method whose files may be loaded, the one to begin with first.

        """
        self._choices = arguments
        self._begin_with(arguments[0])

    def _begin_with(self, arguments: ModelArguments) -> None:
        self.arguments = arguments
        self._take(LoadedModel(arguments.options, arguments.base_height, arguments.preprocessing))

    def _take(self, loaded: LoadedModel, is_embedded: bool = False) -> None:
        self.loaded, self.is_embedded = loaded, is_embedded
        self.discard_export()

    @property
    def method(self) -> Method:
        return self.arguments.method

    @property
    def options(self) -> Any:
        return self.loaded.options

    @property
    def network(self) -> Any:
        """The torch module; raises WeightsError if there is none."""
        if not self.has_network:
            raise WeightsError('there is no torch network: load a .pth file or call init_model() first')
        return self.source.network

    @property
    def has_network(self) -> bool:
        """Whether there is a torch module, which can be trained."""
        return self.loaded.source is not None and self.loaded.source.network is not None

    @property
    def source(self) -> Model:
        """The model as it was loaded or built; raises WeightsError if there is none."""
        if self.loaded.source is None:
            raise WeightsError('no weights are loaded: call load(path) first (download() fetches published ones)')
        return self.loaded.source

    @property
    def model(self) -> Model:
        """What inference runs; the same object until the model changes."""
        return self._exported or self.source

    @property
    def is_exported(self) -> bool:
        """Whether `optimize` has been called since the model was loaded."""
        return self._exported is not None

    def load(self, path: Path | None, trust: bool = False, torch: bool = False) -> str:
        """Read a model and return a sentence on it; raises WeightsError and keeps the previous one.

        Without a path it is the embedded model, as ONNX or as a torch network. A file may be of any of the methods;
        the current one is tried first, and its error is raised where none fits.
        """
        errors = []
        for arguments in sorted(self._choices, key=lambda each: each is not self.arguments):
            try:
                torch = torch or arguments.changes_network
                loaded = load_model(path or embedded_model(arguments.method.name, torch), arguments, trust)
            except WeightsError as error:
                errors.append(error)
                continue
            self.arguments = arguments
            self._take(loaded, path is None)
            return loaded.text
        raise errors[0]

    def prepare_training(self) -> None:
        """Replace an embedded ONNX model by its torch network; ONNX cannot be trained."""
        if self.is_embedded and not self.has_network:
            height = self.loaded.base_height
            self.load(None, torch=True)
            self.set_height(height)

    def build(self, seed: int | None = None) -> None:
        """Build the network of the constructor's options with random weights; a seed makes them repeatable."""
        if seed is not None:
            import torch

            torch.manual_seed(seed)
        self.adopt(self.method.network(self.arguments.options))

    def adopt(self, network: Any) -> None:
        self._begin_with(self.arguments)
        model = Model(self.method.output_channels, network=network, label='the network')
        self.loaded = replace(self.loaded, source=model)

    def set_height(self, height: int) -> None:
        self.loaded = replace(self.loaded, base_height=height)

    def set_options(self, **changes: Any) -> None:
        """Note what training has changed of the network, by its options' fields."""
        self.loaded = replace(self.loaded, options=replace(self.options, **changes))

    def discard_export(self) -> None:
        """Go back to the model that was exported, since its weights have changed."""
        self._exported: Model | None = None

    def export(
        self, folder: Path, precision: str, calibration: Iterable[FloatArray] | None, fold_constants: bool
    ) -> None:
        """Turn the model into ONNX, which is then run and saved; leaves a copy in `folder`."""
        content = export_model(self.source, folder, self.metadata(), precision, calibration, fold_constants)
        self._exported = Model(self.method.output_channels, onnx=content, label='the optimized model')

    def exported_content(self) -> bytes:
        """Return the ONNX model that `export` made; raises BackendError if it has not run."""
        if self._exported is None:
            raise BackendError('there is no optimised model: call optimize() first')
        return self._exported.onnx or b''

    def save(self, folder: Path) -> Path:
        """Write the model and its description and return the main file."""
        backbone = (self.options or self.arguments.options).backbone
        optimized = self.is_exported or self.loaded.optimized
        return write_model(folder, self._contents(), backbone, self.metadata(), optimized)

    def metadata(self) -> dict[str, Any]:
        return {
            'method': self.method.name,
            'network': self.options.to_dict() if self.options else None,
            'base_height': self.loaded.base_height,
            'preprocessing': asdict(self.loaded.preprocessing),
        }

    def _contents(self) -> dict[str, bytes]:
        """Return the files to save by suffix, the main one first."""
        model = self.model
        if model.network is not None:
            return {'.pth': checkpoint_bytes(model.network)}
        if model.xml is not None:
            return {suffix: read_bytes(model.xml.with_suffix(suffix)) for suffix in ('.xml', '.bin')}
        return {'.onnx': model.onnx or b''}
