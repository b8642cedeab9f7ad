"""The committed reference values are small, and equal to the full ones beside the repository."""

import importlib.util
import json

import numpy as np
import pytest


@pytest.fixture
def packing(repository):
    spec = importlib.util.spec_from_file_location('pack_golden', repository / 'scripts' / 'pack_golden.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_committed_files_are_small(repository):
    sizes = {path.name: path.stat().st_size for path in (repository / 'test' / 'golden').iterdir()}
    assert {name: size for name, size in sizes.items() if size >= 200_000} == {}
    assert sum(sizes.values()) < 8_000_000


def test_committed_arrays_equal_the_full_vectors(packing, golden, shared):
    for name, expected in packing.selected(shared / 'golden'):
        arrays = golden(name)
        assert arrays.keys() == expected.keys()
        for key, array in expected.items():
            np.testing.assert_array_equal(arrays[key], array, err_msg=f'{name}: {key}')


def test_committed_lists_equal_the_full_ones(packing, golden, shared):
    names = [path.name for pattern in packing.KEY_LISTS for path in (shared / 'golden').glob(pattern)]
    for name in [*names, *packing.COPIED]:
        expected = json.loads((shared / 'golden' / name).read_text())
        assert golden(name) == expected
        assert list(golden(name)) == list(expected)  # the order of tensors counts
