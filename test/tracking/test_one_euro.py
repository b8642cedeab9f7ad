import numpy as np
import pytest

from pose_estimation_ros.core.errors import SettingsError
from pose_estimation_ros.tracking.one_euro import STATE, OneEuro


def run(settings, samples, stamps):
    state, outputs = np.full((STATE, *np.shape(samples[0])), np.nan), []
    for sample, stamp in zip(samples, stamps, strict=True):
        output, state = settings.step(np.asarray(sample), stamp, state)
        outputs.append(output)
    return np.array(outputs)


@pytest.mark.parametrize(
    ('name', 'settings', 'rate'),
    [
        ('filter_out_default', (1, 0.05, 1), 15),
        ('filter_out_30_05_02_2', (0.5, 0.2, 2), 30),
    ],
)
def test_equals_the_reference_at_a_fixed_rate_and_with_stamps_of_that_rate(golden, name, settings, rate):
    reference = golden('tracking_lwop')
    samples = reference['filter_in']
    fixed = run(OneEuro(*settings, frequency=rate), samples, np.zeros(60))
    stamped = run(OneEuro(*settings), samples, 1.7e9 + np.arange(60) / rate)
    np.testing.assert_allclose(fixed, reference[name], rtol=0, atol=1e-9)
    np.testing.assert_allclose(stamped, reference[name], rtol=0, atol=1e-3)  # a stamp of today resolves 0.2 us
    stamped = run(OneEuro(*settings), samples, np.arange(60) / rate)
    np.testing.assert_allclose(stamped, reference[name], rtol=0, atol=1e-9)


def test_arrays_are_filtered_point_by_point():
    samples = np.random.default_rng(0).normal(100, 20, (12, 18, 2))
    stamps = np.cumsum(np.random.default_rng(1).uniform(0.01, 0.2, 12))
    together = run(OneEuro(), samples, stamps)
    for place in ((0, 0), (7, 1)):
        np.testing.assert_array_equal(
            together[(slice(None), *place)], run(OneEuro(), samples[(slice(None), *place)], stamps)
        )


def test_the_first_sample_passes():
    sample = np.array([[3.0, 4.0], [np.nan, np.nan]])
    np.testing.assert_array_equal(run(OneEuro(), [sample], [5.0])[0], sample)


def test_stillness_is_smoothed_and_motion_followed():
    stamps = np.arange(60) / 30
    jitter = np.random.default_rng(0).normal(0, 1, 60)
    assert run(OneEuro(), jitter, stamps)[10:].std() < 0.6 * jitter.std()
    walk = 300 * stamps  # pixels a second
    assert np.abs(run(OneEuro(), walk, stamps) - walk)[30:].max() < 5
    assert np.abs(run(OneEuro(beta=0), walk, stamps) - walk)[30:].max() > 20


def test_a_missing_keypoint_is_forgotten_and_disturbs_no_other():
    samples = np.array([[[10.0, 10], [50, 50]], [[20, 10], [60, 50]], [[20, 10], [60, 50]], [[30, 10], [70, 50]]])
    stamps = [0, 0.1, 0.2, 0.3]
    whole = run(OneEuro(), samples, stamps)
    samples[1, 0] = np.nan
    gap = run(OneEuro(), samples, stamps)
    np.testing.assert_array_equal(gap[:, 1], whole[:, 1])
    assert np.isnan(gap[1, 0]).all()
    np.testing.assert_array_equal(gap[2, 0], samples[2, 0])  # afresh
    np.testing.assert_array_equal(gap[2:, 0], run(OneEuro(), samples[2:, 0], stamps[2:]))


@pytest.mark.parametrize('stamps', [[0, 0, 0], [1, 0.5, 0.2], [0, np.nan, 0]])
def test_stamps_that_do_not_advance_pass_samples_unchanged(stamps):
    samples = np.array([[1.0, 2], [50, 60], [7, 8]])
    with np.errstate(all='raise'):
        np.testing.assert_array_equal(run(OneEuro(), samples, stamps), samples)


def test_after_a_stamp_that_does_not_advance_filtering_goes_on():
    outputs = run(OneEuro(), np.array([0.0, 10, 20]), [1, 1, 1.1])
    assert outputs[1] == 10
    assert 10 < outputs[2] < 20


def test_a_long_pause_lets_the_new_sample_through():
    outputs = run(OneEuro(), np.array([0.0, 100]), [0, 1000])
    assert outputs[1] == pytest.approx(100, abs=0.1)


def test_irregular_stamps_weigh_by_time():
    quick = run(OneEuro(beta=0), np.array([0.0, 10]), [0, 0.01])[1]
    slow = run(OneEuro(beta=0), np.array([0.0, 10]), [0, 0.5])[1]
    assert 0 < quick < 1 < slow < 10


def test_people_keep_their_own_states():
    settings = OneEuro()
    first, states = settings.smooth(np.array([[[0.0, 0]], [[100, 100]]]), 0, [None, None])
    later, _ = settings.smooth(np.array([[[110.0, 100]], [[1, 0]], [[5, 5]]]), 0.1, [states[1], states[0], None])
    np.testing.assert_array_equal(first, [[[0, 0]], [[100, 100]]])
    assert 100 < later[0, 0, 0] < 110
    assert 0 < later[1, 0, 0] < 1
    np.testing.assert_array_equal(later[2], [[5, 5]])
    assert settings.smooth(np.empty((0, 18, 2)), 0, [])[1] == []


@pytest.mark.parametrize('wrong', [{'min_cutoff': 0}, {'d_cutoff': -1}, {'beta': -0.1}, {'frequency': 0}])
def test_senseless_settings_are_refused(wrong):
    with pytest.raises(SettingsError):
        OneEuro(**wrong)
