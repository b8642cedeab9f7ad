"""Exports torch modules to ONNX with dynamic batch, height and width."""

import contextlib
import inspect
import io
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

from pose_estimation_ros.core.errors import BackendError

OPSET = 17
INPUT_NAME = 'data'
EXAMPLE_SIDE = 64


def export_onnx(network: Any, output_names: Sequence[str] | None = None, fold_constants: bool = True) -> bytes:
    """Export a torch module with dynamic batch, height and width."""
    import torch

    require_onnx()  # the exporter below needs it at the end
    names = list(output_names) if output_names else _numbered_outputs(network)
    axes = {0: 'batch', 2: 'height', 3: 'width'}
    # The TorchScript exporter, no longer the default in newer torch, needs only the onnx package.
    exporter: dict[str, Any] = {'dynamo': False} if 'dynamo' in inspect.signature(torch.onnx.export).parameters else {}
    buffer: Any = io.BytesIO()
    parameter = next(network.parameters())
    example = torch.zeros(1, 3, EXAMPLE_SIDE, EXAMPLE_SIDE, device=parameter.device, dtype=parameter.dtype)
    with warnings.catch_warnings(), _evaluating(network):
        warnings.simplefilter('ignore')
        torch.onnx.export(
            network,
            (example,),
            buffer,
            opset_version=OPSET,
            do_constant_folding=fold_constants,
            input_names=[INPUT_NAME],
            output_names=names,
            dynamic_axes={INPUT_NAME: axes} | dict.fromkeys(names, axes),
            **exporter,
        )
    return bytes(buffer.getvalue())


@contextlib.contextmanager
def _evaluating(network: Any) -> Iterator[None]:
    was_training = network.training
    network.eval()
    try:
        yield
    finally:
        network.train(was_training)


def _numbered_outputs(network: Any) -> list[str]:
    """Return output names: the network's, or numbers if it has none."""
    import torch

    names = getattr(network, 'output_names', None)
    if names:
        return list(names)
    parameter = next(network.parameters())
    with torch.inference_mode(), _evaluating(network):
        outputs = network(torch.zeros(1, 3, EXAMPLE_SIDE, EXAMPLE_SIDE, device=parameter.device, dtype=parameter.dtype))
    return [f'output_{index}' for index in range(len(outputs))]


def require_onnx() -> Any:
    try:
        import onnx
    except ImportError as error:
        raise BackendError(
            "writing ONNX models needs the package onnx: pip install 'pose_estimation_ros[export]'"
        ) from error
    return onnx
