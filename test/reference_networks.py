"""Weights that the reference outputs of networks were made with."""

import zlib
from collections.abc import Mapping

import numpy as np
import torch

Weights = dict[str, torch.Tensor]


def values_of(name: str, shape: tuple[int, ...], salt: int) -> np.ndarray:
    """Values that depend on the tensor's name and shape alone, scaled so that activations stay of order one."""
    random = np.random.default_rng([zlib.crc32(name.encode()), salt])
    kind = name.rsplit('.', 1)[-1]
    if kind == 'running_var':
        return random.uniform(0.5, 1.5, shape)
    if kind == 'running_mean':
        return random.normal(0, 0.1, shape)
    if len(shape) >= 2:
        return random.normal(0, 1, shape) * np.sqrt(2 / np.prod(shape[1:]))
    return random.uniform(0.8, 1.2, shape) if kind == 'weight' else random.normal(0, 0.05, shape)


def seeded_weights(weights: Mapping[str, torch.Tensor], salt: int) -> Weights:
    return {
        name: torch.tensor(values_of(name, tuple(tensor.shape), salt), dtype=tensor.dtype)
        if tensor.dtype.is_floating_point
        else torch.zeros_like(tensor)
        for name, tensor in weights.items()
    }


def calibrated_weights(weights: Mapping[str, torch.Tensor], arrays: Mapping[str, np.ndarray]) -> Weights:
    """Put consecutive slices of `cal_bn` into the running statistics."""
    values, result = torch.from_numpy(arrays['cal_bn'].astype(np.float32)), dict(weights)
    for name, tensor in weights.items():
        if name.endswith(('running_mean', 'running_var')):
            result[name], values = values[: tensor.numel()], values[tensor.numel() :]
    assert not len(values)
    return result


def lively(network: torch.nn.Module, salt: int = 1) -> torch.nn.Module:
    """Give a network random weights with which activations stay of order one, and return it."""
    network.load_state_dict(seeded_weights(network.state_dict(), salt))
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = None  # the statistics of one batch alone
    with torch.no_grad():
        network.train()(torch.randn(4, 3, 128, 192, generator=torch.Generator().manual_seed(0)))
    return network.eval()


def image_of(arrays: Mapping[str, np.ndarray]) -> torch.Tensor:
    """The input of a reference network, which its seed gives."""
    random = np.random.default_rng(int(arrays['input_seed']))
    values = random.normal(0, 0.5, tuple(arrays['input_shape'])).astype(np.float32)
    if 'input_first8' in arrays:
        np.testing.assert_array_equal(values.ravel()[:8], arrays['input_first8'])
    return torch.from_numpy(values)


def deviation(maps: torch.Tensor, expected: np.ndarray) -> float:
    """The largest difference in units of the expected maps' spread."""
    assert maps.shape == expected.shape
    return float(abs(maps.numpy() - expected).max() / expected.std())


def empty_state(shapes: Mapping[str, list[int]]) -> Weights:
    """Tensors of the names and shapes of a reference network."""
    return {
        name: torch.zeros(shape, dtype=torch.long if name.endswith('num_batches_tracked') else torch.float32)
        for name, shape in shapes.items()
    }


@torch.no_grad()
def settle(network: torch.nn.Module, side: int = 64) -> None:
    """Give batch norms the statistics of random inputs, so that random weights lead to outputs of order one."""
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 1.0
    network.train()(torch.randn(4, 3, side, side, generator=torch.Generator().manual_seed(0)))
    network.eval()
