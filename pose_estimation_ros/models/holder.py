"""The model of a learner: loading, building, optimising and saving it."""

import logging
from collections.abc import Iterable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from pose_estimation_ros.core.arrays import FloatArray
from pose_estimation_ros.core.errors import BackendError, WeightsError
from pose_estimation_ros.inference.backends.backend import Model
from pose_estimation_ros.methods.method import Method, Preprocessing
from pose_estimation_ros.models.asked import Asked
from pose_estimation_ros.models.content import checkpoint, read_graph
from pose_estimation_ros.models.embedded import embedded_model
from pose_estimation_ros.models.folder import write_model
from pose_estimation_ros.models.optimized import OptimizedModel, optimized_model
from pose_estimation_ros.models.reading import LoadedModel, read_model

LOG = logging.getLogger(__name__)


def announce(text: str, verbose: bool) -> None:
    """Tell what was loaded: in the log and, if wanted, on standard output."""
    LOG.info(text)
    if verbose:
        print(text)


class ModelHolder:
    """Owns the one model that a learner has at a time, and its optimised form once that is made."""

    def __init__(self, method: Method, asked: Asked) -> None:
        self._method = method
        self._asked = asked
        self._loaded = LoadedModel(asked.options, asked.base_height, asked.preprocessing)
        self._is_embedded = False
        self._optimized: OptimizedModel | None = None
        self._optimized_model: Model | None = None

    @property
    def options(self) -> Any:
        """The network's, None where a model file says nothing of them."""
        return self._loaded.options

    @property
    def asked_options(self) -> Any:
        """Those of the network that the learner's caller asked for."""
        return self._asked.options

    @property
    def base_height(self) -> int:
        """Rows that pictures are scaled to."""
        return self._loaded.base_height

    @base_height.setter
    def base_height(self, rows: int) -> None:
        self._loaded = replace(self._loaded, base_height=rows)

    @property
    def preprocessing(self) -> Preprocessing:
        """How pictures are normalised."""
        return self._loaded.preprocessing

    @property
    def is_optimized(self) -> bool:
        """Whether the model is the result of `optimize`."""
        return self._optimized is not None or self._loaded.optimized

    @property
    def runs_optimized(self) -> bool:
        """Whether `optimize` has been called since the model was loaded."""
        return self._optimized is not None

    @property
    def network(self) -> Any:
        """The torch module; raises WeightsError where there is none."""
        source = self._loaded.source
        if source is None or source.network is None:
            raise WeightsError('there is no torch network: load a .pth file or call init_model() first')
        return source.network

    @property
    def has_network(self) -> bool:
        """Whether there is a torch module, to be trained for instance."""
        return self._loaded.source is not None and self._loaded.source.network is not None

    def load(self, path: Path | None, trust: bool = False, torch: bool = False) -> str:
        """Read a model and return a sentence on it; raises WeightsError and keeps the one there was.

        Without a path it is the one that comes with the package, as ONNX or as a torch network.
        """
        changed = not self._asked.named.isdisjoint(self._asked.options.to_dict())  # which only a network can be
        chosen = embedded_model(self._method.name, torch or changed) if path is None else path
        self._take(read_model(chosen, self._method, self._asked, trust))
        self._is_embedded = path is None
        return self._loaded.text

    @property
    def is_embedded(self) -> bool:
        """Whether the model is the one that comes with the package."""
        return self._is_embedded

    def prepare_training(self) -> None:
        """Take the embedded weights as a torch network, where they are what is loaded; ONNX cannot be trained."""
        if self._is_embedded and not self.has_network:
            height = self.base_height
            self.load(None, torch=True)
            self.base_height = height

    def build(self, seed: int | None = None) -> None:
        """Make the network that was asked for, with random weights; a seed makes them repeatable."""
        if seed is not None:
            import torch

            torch.manual_seed(seed)
        self.adopt(self._method.network(self._asked.options))

    def adopt(self, network: Any) -> None:
        """Take a network of the options that were asked for."""
        asked = self._asked
        model = Model(self._method.output_channels, network=network, label='the network')
        self._is_embedded = False
        self._take(LoadedModel(asked.options, asked.base_height, asked.preprocessing, model))

    def source(self) -> Model:
        """Return the model as it was loaded or built; raises WeightsError where there is none."""
        if self._loaded.source is None:
            raise WeightsError('no weights are loaded: call load(path) first (download() fetches published ones)')
        return self._loaded.source

    def model(self) -> Model:
        """Return what inference runs; the same object until the model changes."""
        return self._optimized_model or self.source()

    def forget_optimized(self) -> None:
        """Go back to the model that was optimised, since it has been trained further."""
        self._optimized = self._optimized_model = None

    def learnt(self, **options: Any) -> None:
        """Take note of what training has made of the network, by its options' fields."""
        self._loaded = replace(self._loaded, options=replace(self._loaded.options, **options))
        self.forget_optimized()

    def optimize(
        self, folder: Path, precision: str, calibration: Iterable[FloatArray] | None, fold_constants: bool
    ) -> None:
        """Turn the model into ONNX, which is then run and saved; leaves a copy in `folder`."""
        self._optimized = optimized_model(
            self.source(), folder, self.metadata(), precision, calibration, fold_constants
        )
        label = 'the optimized model'
        self._optimized_model = Model(self._method.output_channels, onnx=self._optimized.content, label=label)

    def optimized_content(self) -> bytes:
        """Return the ONNX model that `optimize` made; raises BackendError where it has not run."""
        if self._optimized is None:
            raise BackendError('there is no optimised model: call optimize() first')
        return self._optimized.content

    def save(self, folder: Path, backbone: str) -> Path:
        """Write the model and its description and return the main file; a known network's backbone counts."""
        name = backbone if self.options is None else self.options.backbone
        return write_model(folder, self._contents(), name, self.metadata(), optimized=self.is_optimized)

    def metadata(self) -> dict[str, Any]:
        """Return what our own files say of themselves."""
        return {
            'method': self._method.name,
            'network': self.options.to_dict() if self.options else None,
            'base_height': self.base_height,
            'preprocessing': asdict(self.preprocessing),
        }

    def _contents(self) -> dict[str, bytes]:
        """Return the files to save by suffix, the main one first."""
        if self._optimized is not None:
            return {'.onnx': self._optimized.content}
        source = self.source()
        if source.network is not None:
            return {'.pth': checkpoint(source.network)}
        if source.xml is not None:
            return {suffix: read_graph(source.xml.with_suffix(suffix)) for suffix in ('.xml', '.bin')}
        return {'.onnx': source.onnx or b''}

    def _take(self, loaded: LoadedModel) -> None:
        """Take over a new model and forget what came of the old one."""
        self._loaded = loaded
        self.forget_optimized()
