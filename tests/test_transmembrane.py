"""Potentials from leads: measures and errors against oracles, baselines, parameters, own beats."""

import numpy as np
import pandas as pd
import pytest

from cardio_utils import activation, training
from cardio_utils import transmembrane as tm
from cardio_utils.data import intracardiac
from cardio_utils.plots.potentials import error_curves, measures
from cardio_utils.simulate import intracardiac as simulator


@pytest.fixture(scope="module")
def cases():
    return intracardiac.load(n=80, volunteers=("v1", "v2", "v4"), variables=("potentials", "vm"))


@pytest.fixture(scope="module")
def x(cases):
    return activation.leads(cases.potentials)


@pytest.fixture(scope="module")
def vm(cases):
    return cases.vm.values


@pytest.fixture(scope="module")
def measured(vm):
    return tm.measure(vm)


@pytest.fixture(scope="module")
def decoder(vm, measured):
    return tm.template(vm, measured)


def test_what_is_measured_is_what_was_simulated():
    times, apd = np.linspace(15, 120, 8), np.linspace(270, 320, 8)
    found = tm.measure(simulator.transmembrane(times, apd)[None])
    np.testing.assert_allclose(found.activation[0], times, atol=0.15)
    np.testing.assert_allclose(np.diff(found.apd90[0]), np.diff(apd), atol=0.2)
    assert (found.upstroke > 30).all() and found.apd90.dtype == np.float32
    np.testing.assert_array_equal(found.at([0]).activation, found.activation)


def test_errors_of_a_known_offset_and_delay(vm, measured):
    mean = vm.mean(0)
    same = tm.errors(vm, vm, mean, measured)
    assert (same[["mae", "rmse", "activation", "apd90", "upstroke", "lost"]] == 0).all(None)
    assert (same["skill"] == 1).all()
    higher = tm.errors(vm + 2, vm, mean)
    np.testing.assert_allclose(higher["mae"], 2, atol=1e-4)
    np.testing.assert_allclose(higher["rmse"], 2, atol=1e-4)
    late = tm.errors(np.concatenate([vm[..., :1], vm[..., :-1]], -1), vm, mean)
    np.testing.assert_allclose(late["activation"], 1, atol=1e-3)
    np.testing.assert_allclose(late["apd90"], 0, atol=0.6)
    known = tm.errors(np.broadcast_to(mean, vm.shape), vm, mean)
    np.testing.assert_allclose(known["skill"], 0, atol=1e-6)
    flat = tm.errors(np.full_like(vm, -85), vm, mean)
    assert (flat["lost"] == 1).all() and flat["activation"].isna().all()


def test_shapes_that_do_not_fit_are_refused(vm):
    with pytest.raises(ValueError, match="do not fit each other"):
        tm.errors(vm[:, :, 1:], vm, vm.mean(0))
    with pytest.raises(ValueError, match=r"potentials are \(case, site, time\)"):
        tm.measure(vm[0])


def test_errors_by_activation(vm, measured):
    off = vm + np.where(measured.activation < 40, 1.0, 3.0)[..., None]
    curve = tm.by_activation(off, vm, measured.activation)
    assert curve.index[0] == 10
    np.testing.assert_allclose(curve.loc[:30], 1, atol=1e-4)
    np.testing.assert_allclose(curve.loc[50:], 3, atol=1e-4)


def test_baselines(x, vm):
    mean = tm.mean_potential(vm)
    np.testing.assert_allclose(mean.wave, vm.mean(0), atol=1e-3)
    assert tm.predict(mean, x[:3]).shape == (3, 75, 500)
    np.testing.assert_array_equal(tm.nearest(x, vm).predict(x + 1e-4), vm)
    matrix = np.random.default_rng(0).normal(size=(x[0].size, 7))
    linear = x.reshape(len(x), -1) @ matrix
    model = tm.ridge((x[:60], linear[:60]), (x[60:], linear[60:]), penalties=(1e-4, 1e3))
    assert np.corrcoef(model.predict(x[60:]).ravel(), linear[60:].ravel())[0, 1] > 0.95
    model = tm.ridge((x[:60], vm[:60]), (x[60:], vm[60:]))
    error = np.abs(model.predict(x[60:]) - vm[60:]).mean()
    assert error < np.abs(vm[:60].mean(0) - vm[60:]).mean()


def test_parameters_draw_the_potentials_again(vm, measured, decoder):
    values, known = tm.parameters(vm, measured, decoder)
    assert values.shape == (80, 75, 4) and known.mean() > 0.95
    drawn = tm.draw(decoder, values)
    assert np.abs(drawn - vm).mean(-1)[known > 0].mean() < 0.3
    np.testing.assert_allclose(tm.measure(drawn).activation, measured.activation, atol=0.25)
    plain = tm.template(vm, measured, n_shapes=0)
    values, known = tm.parameters(vm, measured, plain)
    assert values.shape == (80, 75, 2) and np.abs(tm.draw(plain, values) - vm).mean() > 2 * np.abs(drawn - vm).mean()


def test_a_template_needs_whole_action_potentials(vm, measured):
    with pytest.raises(ValueError, match="0 windows show a whole action potential"):
        tm.template(vm, measured._replace(apd90=np.full_like(measured.apd90, np.nan)))


def test_a_template_moved_to_the_truth_is_nearly_right(x, vm, measured, decoder):
    values, known = tm.parameters(vm, measured, decoder)

    class Oracle:
        def predict(self, leads):
            return measured.activation[: len(leads)]

    found = tm.template_by_activation(decoder, Oracle(), values, known).predict(x)
    np.testing.assert_allclose(tm.measure(found).activation, measured.activation, atol=0.25)
    assert np.abs(found - vm).mean() < 0.5 * np.abs(vm.mean(0) - vm).mean()


def test_networks_learn_and_predict(x, vm, measured, decoder):
    values, known = tm.parameters(vm, measured, decoder)
    network = tm.parametric_network(decoder, values, known, widths=(64, 64), hidden=64)
    before = np.abs(tm.predict(network, x) - vm).mean()
    pair = x, (values, known)
    fit = tm.train_parameters(network, pair, pair, epochs=8, batch_size=16, learning_rate=3e-3, precision="32")
    found = tm.predict(fit.model, x)
    assert found.shape == vm.shape and np.abs(found - vm).mean() < 0.85 * before
    weights = tm.attribution(fit.model, x[:2], 5, x.mean(0), steps=32)
    given, usual = (training.predict(fit.model, a)[:, 5, 0] for a in (x[:2], x.mean(0)[None]))
    np.testing.assert_allclose(weights.sum((1, 2)), given - usual, rtol=0.1, atol=0.5)


def test_own_potentials_and_what_is_refused(cases, x, tmp_path):
    path = tmp_path / "beat.npy"
    np.save(path, cases.potentials.values[0].T)
    np.testing.assert_allclose(tm.own_leads(path), x[0], atol=1e-5)
    np.save(path, cases.potentials.values[0])
    with pytest.raises(ValueError, match=r"beat.npy is \(10, 500\), not finite potentials \(500, 10\)"):
        tm.own_leads(path)


def test_own_record_without_a_lead(tmp_path):
    import wfdb

    wfdb.wrsamp("short", 500, ["mV", "mV"], ["I", "II"], np.zeros((5000, 2)), fmt=["16", "16"], write_dir=str(tmp_path))
    with pytest.raises(ValueError, match="lacks the leads III, aVR"):
        tm.own_leads(tmp_path / "short.hea")


def test_figures():
    curve = pd.Series([1.0, 2.0], index=[10, 30])
    ax = error_curves({"ours": curve, "ridge": 2 * curve})
    assert len(ax.lines) == 2 and ax.get_ylim()[0] == 0
    truth = [np.linspace(0, 100, 50).reshape(2, 25)] * 2
    axes = measures(truth, {"U-Net": truth, "ours": truth})
    assert len(axes) == 2 and len(axes[0].lines) == 3
