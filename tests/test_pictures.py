"""Beats as pictures: known fields, known tones, and what cannot be drawn."""

import numpy as np
import pytest

from cardio_utils.pictures import gramian_field, spectrogram


def test_the_diagonal_of_the_field_is_the_wave():
    x = np.linspace(-1, 1, 32)
    field = gramian_field(x)
    np.testing.assert_allclose(np.diag(field), 2 * x**2 - 1, atol=1e-6)
    np.testing.assert_allclose(field, field.T)
    np.testing.assert_allclose(field[0, -1], -1, atol=1e-6)  # cos(pi + 0)


def test_the_field_knows_no_gain_and_no_offset():
    x = np.random.default_rng(0).standard_normal((3, 187))
    np.testing.assert_allclose(gramian_field(x), gramian_field(5 * x + 2), atol=1e-5)
    assert gramian_field(x).shape == (3, 32, 32) and gramian_field(x).dtype == np.float32


def test_a_constant_wave_gives_a_constant_field():
    assert (gramian_field(np.ones(64)) == -1).all()


def test_a_tone_lies_in_its_row():
    t = np.arange(500) / 125.0
    picture = spectrogram(np.sin(2 * np.pi * 20 * t), 125.0, size=41, top=40.0, width=0.4)
    assert picture.shape == (41, 41) and picture.max() == 0 and picture.min() >= -1
    assert abs(int(picture[:, 20].argmax()) - 20) <= 1


def test_an_event_lies_in_its_column():
    x = np.zeros(320)
    x[240] = 1
    assert abs(int(spectrogram(x, 125.0).max(0).argmax()) - 24) <= 1


def test_silence_is_the_floor():
    assert (spectrogram(np.zeros(200), 125.0) == -1).all()


def test_impossible_pictures_are_refused():
    with pytest.raises(ValueError, match="choose fewer"):
        gramian_field(np.ones(20))
    with pytest.raises(ValueError, match="too high"):
        spectrogram(np.ones(200), 60.0)
    spectrogram(np.ones(200), 125.0, width=1.6)
    with pytest.raises(ValueError, match=r"window of 2 s is longer than the waves: choose a width of 1\.6 s at most"):
        spectrogram(np.ones(200), 125.0, width=2.0)
