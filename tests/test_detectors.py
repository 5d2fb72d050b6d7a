"""Detectors: filters against their formulas, streams against one pass, thresholds on recordings of their own."""

import dataclasses

import numpy as np
import pytest
import torch

from cardio_utils import detectors, events
from cardio_utils.data import mepp
from cardio_utils.models.mepp import Autoencoder, BottleneckAutoencoder, EventNet, MiniUNet
from cardio_utils.simulate.mepp import shape

FS = 10_000.0
SHAPE = shape(np.arange(200) / FS, 5e-4, 3.5e-3)
LEARNED = detectors.deconvolution(SHAPE, FS).kernel  # stands for one
RNG = np.random.default_rng


@pytest.fixture(scope="module")
def recordings():
    return mepp.load(tier="normal", n_recordings=3, duration=12.0, snr=8.0, seed=3)


@pytest.fixture(scope="module")
def quiet():
    return mepp.load(tier="empty", n_recordings=3, duration=12.0, seed=3)


def every_detector():
    torch.manual_seed(0)
    network = EventNet(widths=(8, 8, 8))
    torch.nn.init.normal_(network.body.head.weight, std=0.5)
    return {
        "peaks": detectors.PeakFinder(),
        "template": detectors.Clements(shape=SHAPE),
        "deconvolution": detectors.deconvolution(SHAPE, FS),
        "matched": detectors.MatchedFilter(shape=SHAPE),
        "network": detectors.EventDetector(model=network, shape=SHAPE, learned=LEARNED),
        "mask": detectors.Segmentation(model=MiniUNet()),
        "autoencoder": detectors.Reconstruction(model=Autoencoder()),
        "bottleneck": detectors.Reconstruction(model=BottleneckAutoencoder()),
    }


def events_in(noise, times, amplitude=1.0, n=100_000, seed=0):
    """White noise with events at the given times of their peaks."""
    x = noise * RNG(seed).standard_normal(n)
    for time in times:
        first = round(time * FS) - int(np.argmax(SHAPE))
        x[first : first + len(SHAPE)] += amplitude * SHAPE
    return x.astype(np.float32)


TIMES = np.array([1.0, 2.5, 4.25, 6.0, 9.0])


@pytest.mark.parametrize("name", ["peaks", "template", "deconvolution", "matched"])
def test_clear_events_have_the_highest_scores_at_the_right_time(name):
    time, value = detectors.candidates(every_detector()[name], events_in(0.05, TIMES), FS)
    best = np.sort(time[np.argsort(-value)[: len(TIMES)]])
    np.testing.assert_allclose(best, TIMES, atol=1e-3)


@pytest.mark.parametrize("name", list(every_detector()))
def test_a_stream_is_identical_to_one_pass(name):
    detector = every_detector()[name]
    x = events_in(0.2, np.arange(1, 23), n=231_234)
    x += np.cumsum(RNG(1).standard_normal(len(x))).astype(np.float32) * 0.001
    once, pieces = detectors.score(detector, x, FS, chunk=1000.0), detectors.score(detector, x, FS, chunk=3.0)
    assert len(once.value) == len(pieces.value) == -(-len(x) // 10)
    np.testing.assert_allclose(pieces.value, once.value, rtol=1e-3, atol=2e-3)
    far = np.abs(pieces.time - once.time) > 2e-4
    assert far.mean() < 1e-3  # equal values within a place may swap


@pytest.mark.parametrize("name", list(every_detector()))
@pytest.mark.parametrize("n", [1, 35, 1003, 5000])
def test_very_short_recordings_have_a_score_each_millisecond(name, n):
    found = detectors.score(every_detector()[name], events_in(0.2, [], n=n), FS)
    assert len(found.value) == -(-n // 10)
    assert np.isfinite(found.value).all()


@pytest.mark.parametrize("name", list(every_detector()))
def test_a_flat_trace_is_no_error(name):
    assert np.isfinite(detectors.score(every_detector()[name], np.full(20_000, -70.0), FS).value).all()


@pytest.mark.parametrize("name", ["peaks", "template", "deconvolution", "matched", "network"])
def test_unit_and_offset_do_not_matter(name):
    detector, x = every_detector()[name], events_in(0.1, TIMES)
    one = detectors.score(detector, x, FS).value
    other = detectors.score(detector, 1000 * x - 70, FS).value
    np.testing.assert_allclose(other, one, rtol=0.01, atol=0.02)


def test_only_slices_of_the_trace_are_read():
    class Disk:
        shape, ndim, largest = (200_000,), 1, 0

        def __len__(self):
            return self.shape[0]

        def __getitem__(self, key):
            if not isinstance(key, slice):
                return np.float32(0)
            x = np.arange(*key.indices(len(self)))
            Disk.largest = max(Disk.largest, len(x))
            return np.sin(x).astype(np.float32)

    detectors.score(detectors.MatchedFilter(shape=SHAPE), Disk(), FS, chunk=4.0)
    assert 40_000 <= Disk.largest <= 80_000


@pytest.mark.parametrize(
    ("trace", "fs", "message"),
    [
        (np.zeros((2, 100)), FS, "vector"),
        (np.zeros(0), FS, "at least one sample"),
        (np.zeros(5000), 1000.0, "resample first"),
        (np.zeros(5000), 10_500.0, "multiple of 1 kHz"),
        (np.append(np.zeros(5000), np.nan), FS, r"not finite at 0\.500 s: fill gaps"),
    ],
)
def test_bad_traces_are_refused_with_a_remedy(trace, fs, message):
    with pytest.raises(ValueError, match=message):
        detectors.score(detectors.MatchedFilter(shape=SHAPE), trace, fs)


def test_the_network_asks_for_its_rate():
    with pytest.raises(ValueError, match="10 kHz, not 20000 Hz"):
        detectors.score(every_detector()["network"], np.zeros(20_000), 20_000.0)


def test_without_a_threshold_nothing_is_detected():
    with pytest.raises(ValueError, match="tune"):
        detectors.detect(detectors.PeakFinder(), np.zeros(20_000), FS)


# Noise and filters


def test_the_local_scale_is_the_standard_deviation_and_ignores_events():
    x = events_in(0.2, np.arange(0.5, 9.5, 0.3), amplitude=5.0)
    np.testing.assert_allclose(detectors.local_scale(x, FS), 0.2, rtol=0.12)
    x[50_000:] *= 3
    scale = detectors.local_scale(x, FS)
    np.testing.assert_allclose(scale[:40_000], 0.2, rtol=0.12)
    np.testing.assert_allclose(scale[60_000:], 0.6, rtol=0.12)


def test_the_noise_spectrum_is_that_of_white_noise_despite_events():
    frequency, power = detectors.noise_spectrum(events_in(0.5, TIMES, amplitude=5.0, n=400_000), FS)
    band = (frequency > 20) & (frequency < 4900)
    assert np.mean(power[band]) == pytest.approx(0.5**2 / (FS / 2), rel=0.05)


def test_in_white_noise_the_matched_filter_is_the_correlation_with_the_shape():
    frequency = np.linspace(0, FS / 2, 2049)
    kernel = detectors._matched(SHAPE, frequency, np.full(2049, 1 / (FS / 2)), FS)
    middle, peak = len(kernel) // 2, int(np.argmax(SHAPE))
    own = kernel[middle + peak - len(SHAPE) + 1 : middle + peak + 1][::-1]
    assert np.corrcoef(own, SHAPE)[0, 1] > 0.99
    assert (kernel**2).sum() == pytest.approx(1, rel=0.02)  # noise of standard deviation 1 keeps it


def test_the_template_criterion_is_that_of_a_least_squares_fit():
    x = events_in(0.3, TIMES).astype(float)
    lead, at = 20, 25_007  # rest in front of the template, and a sample for its peak
    t = np.concatenate([np.zeros(lead), SHAPE])
    first = at - lead - int(np.argmax(SHAPE))
    design = np.stack([t, np.ones_like(t)], axis=1)
    (scale, offset), *_ = np.linalg.lstsq(design, x[first : first + len(t)], rcond=None)
    rest = x[first : first + len(t)] - design @ [scale, offset]
    expected = scale / np.sqrt((rest**2).sum() / (len(t) - 1))
    every = detectors._criterion(x, SHAPE, FS)
    assert every[at] == pytest.approx(expected, rel=1e-6)


def test_deconvolution_parts_two_events_that_overlap():
    x = events_in(0.02, [5.0, 5.006])
    time, value = detectors.candidates(detectors.deconvolution(SHAPE, FS), x, FS)
    best = np.sort(time[np.argsort(-value)[:2]])
    np.testing.assert_allclose(best, [5.0, 5.006], atol=1e-3)


def test_deconvolution_divides():
    """Of a noiseless event it makes a pulse narrower than the event; a multiplication would widen it."""
    x = events_in(0.0, [5.0])
    y = detectors._filtered(x, detectors.deconvolution(SHAPE, FS).kernel)
    assert (y > y.max() / 2).sum() < 0.7 * (x > x.max() / 2).sum()


def test_a_filter_is_learned_from_labels(recordings):
    detector = detectors.tune(detectors.learned_filter(recordings), recordings)
    other = mepp.load(tier="normal", n_recordings=2, duration=12.0, snr=8.0, seed=4)
    found = [detectors.candidates(detector, x, fs) for x, _, fs in detectors._traces(other)]
    true = [peaks for _, peaks, _ in detectors._traces(other)]
    tp, fp, fn = detectors.counts(found, true, detector.threshold)[0].sum(0)
    assert 2 * tp / (2 * tp + fp + fn) > 0.85


# Tuning and counting


def test_counts_are_those_of_matching():
    rng = RNG(0)
    for _ in range(20):
        true, found = np.sort(rng.uniform(0, 0.2, 30)), np.sort(rng.uniform(0, 0.2, 40))
        pairs = len(events.match(true, found).true)
        table = detectors.counts([(found, np.zeros(40))], [true], [-1.0])
        assert table[0, 0].tolist() == [pairs, 40 - pairs, 30 - pairs]


def test_counts_at_rising_thresholds():
    found = [(np.array([1.0, 2.0, 3.0]), np.array([0.9, 0.5, 0.1]))]
    table = detectors.counts(found, [np.array([1.001, 2.0])], [0.0, 0.3, 0.7, 1.0])
    assert table[:, 0].tolist() == [[2, 1, 0], [2, 0, 0], [1, 0, 1], [0, 0, 2]]


def test_tuning_finds_lag_and_threshold(recordings):
    late = detectors.MatchedFilter(shape=np.concatenate([np.zeros(5), SHAPE]), lag=-0.001)
    tuned = detectors.tune(late, recordings)
    assert tuned.lag == pytest.approx(0.0, abs=5e-4)
    assert 3 < tuned.threshold < 30


def test_a_limit_on_false_positives_is_kept(recordings, quiet):
    loose = detectors.tune(detectors.PeakFinder(), recordings)
    strict = detectors.tune(detectors.PeakFinder(), [recordings, quiet], limit=0.0)
    assert strict.threshold >= loose.threshold - 0.1  # both from a grid of quantiles
    assert not sum(len(detectors.detect(strict, x, fs)[0]) for x, _, fs in detectors._traces(quiet))


def test_tuning_says_what_is_missing(recordings, quiet):
    with pytest.raises(ValueError, match="needs events"):
        detectors.tune(detectors.PeakFinder(), quiet)
    with pytest.raises(ValueError, match="recordings without events"):
        detectors.tune(detectors.PeakFinder(), recordings, limit=0.5)


# The network


def test_windows_hold_every_event_once(recordings):
    detector = detectors.EventDetector(model=None, shape=SHAPE, learned=LEARNED)
    inputs, target = detectors.training_windows(detector, recordings, seconds=2.0)
    assert inputs.shape == (18, 4, 20_000) and target.shape == (18, 2000)
    assert target.sum() == pytest.approx(recordings.sizes["event"], abs=1)
    assert np.isfinite(inputs).all()
    first = target[0].argmax()
    peaks = recordings.peak.values[recordings.event_recording.values == 0]
    assert np.abs(peaks - (first + 0.5) / 1000).min() < 1e-3


def test_the_time_of_an_event_is_that_of_its_expected_number():
    class Sure(torch.nn.Module):
        def forward(self, x):
            rate = torch.full((1, x.shape[-1] // 10), 1e-6)
            rate[0, 100], rate[0, 101] = 0.75, 2.25
            return rate.log()

    detector = detectors.EventDetector(model=Sure(), shape=SHAPE, learned=LEARNED)
    time, value = detectors.candidates(detector, RNG(0).standard_normal(5000), FS)
    best = value.argmax()
    assert time[best] == pytest.approx(0.1005 + 0.00075, abs=1e-5)
    assert value[best] > 0


def test_scores_are_weighed_by_the_rate_of_the_recording():
    """Of odds 1.5, twice as many as in training are a little likelier events, and one alone is hardly one."""
    detector = detectors.EventDetector(model=None, shape=SHAPE, learned=LEARNED, rate=2.0)
    score = np.log(0.6)
    for n, weighed in ((200, (1.0, 2.5)), (1, (0.0, 0.1))):
        _, value = detector.selected(np.arange(n) / 4, np.full(n, score, np.float32), 50.0)
        assert weighed[0] < np.exp(value[0]) < weighed[1]
    _, value = detector.selected(np.zeros(1), np.log(np.array([1.5], np.float32)), 50.0)
    assert value[0] > 0  # one that is beyond doubt stays


def test_weights_can_be_saved_and_loaded(tmp_path):
    detector = dataclasses.replace(every_detector()["network"], threshold=-0.7, lag=1e-4, rate=1.5)
    path = detectors.save(tmp_path / "net.pt", detector, about={"data": "simulated", "licence": "MIT"})
    again = detectors.load(path)
    assert (again.threshold, again.lag, again.rate, again.about["data"]) == (-0.7, 1e-4, 1.5, "simulated")
    assert "| licence | MIT |" in path.with_suffix(".md").read_text()
    x = events_in(0.2, TIMES)
    np.testing.assert_allclose(detectors.score(again, x, FS).value, detectors.score(detector, x, FS).value, atol=0.05)


def test_damaged_or_foreign_weights_are_refused(tmp_path):
    detector = dataclasses.replace(every_detector()["network"], threshold=-0.7)
    path = detectors.save(tmp_path / "net.pt", detector)
    content = torch.load(path, weights_only=True)
    torch.save(content | {"threshold": -5.0}, tmp_path / "changed.pt")
    torch.save(content | {"version": 0}, tmp_path / "old.pt")
    (tmp_path / "page.pt").write_text("<html>")
    for name, message in (("changed", "damaged"), ("old", "version 0"), ("page", "no event detector")):
        with pytest.raises(ValueError, match=message):
            detectors.load(tmp_path / f"{name}.pt")
    with pytest.raises(FileNotFoundError, match="chapter 13"):
        detectors.load(tmp_path / "none.pt")


def test_what_must_know_the_recording_says_so():
    with pytest.raises(TypeError, match="MatchedFilter must know the recording first"):
        detectors.MatchedFilter(shape=SHAPE).score(np.zeros(10_000, np.float32), FS)
