"""The plots of an image: their sizes are the published ones, and a decoder's explanation is all that they need."""

from dataclasses import replace

import numpy as np
import pytest

from pose_estimation_ros.methods.explanation import ExplainingDecoder
from pose_estimation_ros.methods.higher_hrnet.decoding import DECODERS, ThawroDecoder
from pose_estimation_ros.methods.method import InputSize, Look
from pose_estimation_ros.methods.plots import plots_of
from pose_estimation_ros.methods.short_side import place_by_short_side


def explained(golden, case, decoder):
    arrays = golden('pipeline_thawro')
    image = np.ascontiguousarray(arrays[f'{case}_image'][..., ::-1])
    placement = place_by_short_side(image.shape[:2], InputSize(int(arrays[f'{case}_input_size']), 4))
    parts = ('', 'flip_') if f'{case}_flip_out_0' in arrays else ('',)
    looks = [
        Look([arrays[f'{case}_{part}out_{index}'].astype(np.float32) for index in (0, 1)], placement, 1.0, bool(part))
        for part in parts
    ]
    merged = decoder.merge(looks)
    return image, decoder.explain(merged.maps, merged.placement)


@pytest.mark.parametrize('decoder', [pytest.param(kind(), id=name) for name, kind in DECODERS.items()])
def test_sizes_are_the_published_ones(golden, decoder):
    sizes = golden('plots_thawro')
    image, explanation = explained(golden, 'ssf', decoder)
    plots = plots_of(image, explanation)
    for name, plot in plots.items():
        assert plot.dtype == np.uint8
        assert list(plot.shape) == sizes[f'plot_{name}_shape'].tolist()
    assert list(plots) == ['connections', 'heatmaps', 'associative_embedding']


def test_decoders_explain_themselves(golden):
    decoder = ThawroDecoder()
    assert isinstance(decoder, ExplainingDecoder)
    _, explanation = explained(golden, 'ssf', decoder)
    assert explanation.tags.shape == (2, 17, 2)
    assert explanation.heatmaps.shape == (17, 256, 128)
    assert explanation.tag_maps.shape == (2, 17, 256, 128)


def test_nobody_has_an_empty_plot_of_embeddings(golden):
    image, explanation = explained(golden, 'nobody', DECODERS['published']())
    assert explanation.tags.shape == (0, 17, 1)
    nobody = plots_of(image, explanation)
    assert list(nobody) == ['connections', 'heatmaps', 'associative_embedding']
    image, explanation = explained(golden, 'nobody', ThawroDecoder())
    somebody = plots_of(image, explanation)
    assert nobody['associative_embedding'].shape == somebody['associative_embedding'].shape
    assert (nobody['associative_embedding'] != somebody['associative_embedding']).any()


def test_keypoints_below_the_decoders_threshold_are_not_shown(golden):
    image, explanation = explained(golden, 'ssf', ThawroDecoder())
    assert explanation.min_score == 0.05
    shown = plots_of(image, explanation)['connections']
    hidden = plots_of(image, replace(explanation, min_score=2.0))['connections']
    np.testing.assert_array_equal(hidden, image)
    assert (shown != image).any()


def test_maps_that_are_not_numbers_can_be_shown(golden):
    image, explanation = explained(golden, 'nobody', DECODERS['fast']())
    explanation.tag_maps[:] = np.nan
    assert plots_of(image, explanation)['heatmaps'].any()
