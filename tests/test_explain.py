"""Tests of cardio_utils.explain on waves where it is known which moment decides the class."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn

from cardio_utils import explain, training

TIME = 160
PLACE = {1: 40, 0: 110}  # an upright bump there speaks for class 1, a hanging one here for class 0


class Net(nn.Module):
    """A small network with strides, of a wave and, if asked, one number of context."""

    def __init__(self, padding=3, context=False, outputs=2):
        super().__init__()
        torch.manual_seed(0)
        first = nn.Conv1d(1, 16, 7, stride=2, padding=padding), nn.BatchNorm1d(16), nn.ReLU()
        self.body = nn.Sequential(*first, nn.Conv1d(16, 16, 7, stride=2, padding=padding), nn.ReLU())
        self.head = nn.Linear(16 + context, outputs)

    def forward(self, wave, *context):
        features = self.body(wave[:, None]).mean(2)
        return self.head(torch.cat([features, *context], dim=1))


def waves(n=600, seed=0):
    """Both bumps in noise; the class is that of the larger one."""
    rng = np.random.default_rng(seed)
    label = rng.integers(0, 2, n)
    size = rng.uniform(0.3, 0.8, (n, 2))
    size[np.arange(n), label] += 0.8
    time = np.arange(TIME) + rng.integers(-2, 3, (n, 1))
    wave = 0.05 * rng.standard_normal((n, TIME))
    for own, sign in ((1, 1), (0, -1)):
        wave += sign * size[:, [own]] * np.exp(-0.5 * ((time - PLACE[own]) / 4) ** 2)
    return wave.astype("float32"), label


def trained(model, inputs, label, loss=None):
    target = label if loss is None else label[:, None].astype(float)
    loss = nn.CrossEntropyLoss() if loss is None else loss
    options = dict(epochs=8, batch_size=32, learning_rate=1e-2, precision="32", accelerator="cpu")
    model = training.fit(model, (inputs, target), (inputs, target), loss=loss, **options).model
    assert np.mean(explain.predicted(model, inputs) == label) > 0.98
    return model


@pytest.fixture(scope="module")
def case():
    wave, label = waves()
    return trained(Net(), wave, label), wave, label


def test_the_map_names_the_bump(case):
    model, wave, label = case
    maps = explain.grad_cam(model, wave, "body.4")
    assert maps.shape == wave.shape and maps.dtype == np.float32
    assert maps.min() >= 0 and maps.max() <= 1 and np.allclose(maps.max(1), 1)
    for own in (0, 1):
        mean = explain.class_mean_map(maps, label).loc[own]
        assert abs(mean.idxmax() - PLACE[own]) <= 6
    assert explain.class_mean_map(wave, label).loc[1].idxmax() == pytest.approx(PLACE[1], abs=2)


def test_layer_by_module_equals_layer_by_name_and_batches_do_not_matter(case):
    model, wave, _ = case
    expected = explain.grad_cam(model, wave[:40], "body.4")
    np.testing.assert_array_equal(explain.grad_cam(model, wave[:40], model.body[4]), expected)
    np.testing.assert_allclose(explain.grad_cam(model, wave[:40], "body.4", batch_size=7), expected, atol=1e-5)


def test_agrees_with_the_definition(case):
    """Weights averaged over time, summed over channels, positive part: written out once more by hand."""
    model, wave, _ = case
    x = torch.from_numpy(wave[:5])
    activation = model.body(x[:, None]).detach().requires_grad_(True)
    model.head(activation.mean(2)).max(1).values.sum().backward()
    cam = torch.relu((activation.grad.mean(2, keepdim=True) * activation).sum(1)).detach().numpy()
    expected = cam @ explain._placement(model, (x,), model.body[4], TIME)
    got = explain.grad_cam(model, wave[:5], "body.4")
    np.testing.assert_allclose(got, expected / expected.max(1, keepdims=True), atol=1e-5)


@pytest.mark.parametrize("padding", [0, 3])
def test_columns_are_placed_where_they_look(padding):
    """With padding column k of stride 4 looks at sample 4 k; without, the kernels shift it by 3 + 2 * 3."""
    model = Net(padding).eval()
    x = torch.from_numpy(waves(16)[0])
    placed = explain._placement(model, (x,), model.body, TIME)
    columns = np.arange(5, 25)
    at = 4 * columns + (9 if padding == 0 else 0)
    centre = (placed * np.arange(TIME)).sum(1)[columns] / placed.sum(1)[columns]
    np.testing.assert_allclose(centre, at, atol=1.0)
    np.testing.assert_allclose(placed.sum(0), 1)


def test_a_layer_without_a_place_is_spread_evenly():
    class Mixed(nn.Module):
        def __init__(self):
            super().__init__()
            self.mix = nn.Linear(40, 20)

        def forward(self, wave):
            return self.mix(wave[:, None]).mean(2)

    model = Mixed()
    placed = explain._placement(model, (torch.randn(4, 40),), model.mix, 40)
    np.testing.assert_allclose((placed * np.arange(40)).sum(1)[5] / placed[5].sum(), 10.5, atol=0.1)


def test_the_predicted_class_is_explained_not_another(case):
    model, wave, label = case
    assert np.array_equal(explain.predicted(model, wave), label)
    own = explain.grad_cam(model, wave[:50], "body.4")
    np.testing.assert_array_equal(explain.grad_cam(model, wave[:50], "body.4", target=label[:50]), own)
    other = explain.grad_cam(model, wave[:50], "body.4", target=1 - label[:50])
    rows = np.arange(50)
    at = np.array([PLACE[c] for c in label[:50]])
    assert np.mean(own[rows, at] - other[rows, at]) > 0.5


def test_padding_is_masked_and_does_not_set_the_scale(case):
    model, wave, _ = case
    length = np.full(30, 70)
    maps = explain.grad_cam(model, wave[:30], "body.4", valid_length=length)
    assert np.isnan(maps[:, 70:]).all() and np.isfinite(maps[:, :70]).all()
    highest = maps[:, :70].max(1)
    assert np.all((highest == 0) | np.isclose(highest, 1))


def test_further_inputs_and_log_odds():
    wave, label = waves(seed=3)
    context = np.random.default_rng(0).standard_normal((len(wave), 1)).astype("float32")
    inputs = (wave, context)
    model = trained(Net(context=True, outputs=1), inputs, label, nn.BCEWithLogitsLoss())
    maps = explain.grad_cam(model, inputs, "body.4")
    for own in (0, 1):
        assert abs(explain.class_mean_map(maps, label).loc[own].idxmax() - PLACE[own]) <= 8
    result = explain.deletion_curve(model, inputs, maps, np.arange(len(wave)) % 20)
    expected = 1 / (1 + np.exp(-np.abs(training.predict(model, inputs))))
    assert result.curves.most.iloc[0] == pytest.approx(expected.mean(), rel=1e-4)
    assert result.against_random.low > 0


def test_deletion_prefers_the_true_map_to_random_and_to_a_wrong_one(case):
    model, wave, _ = case
    group = np.arange(len(wave)) % 20
    maps = explain.grad_cam(model, wave, "body.4")
    result = explain.deletion_curve(model, wave, maps, group)
    curves = result.curves
    assert list(curves) == ["most", "random", "least"] and curves.index[-1] == 0.5 and len(curves) == 11
    assert curves.iloc[0].nunique() == 1
    assert curves.most[0.2] < curves.random[0.2] < curves.least[0.2] + 1e-9
    assert result.against_random.low > 0 and result.against_least.low > result.against_random.value
    assert result.against_random.n == 20
    wrong = explain.deletion_curve(model, wave, 1 - maps, group)
    assert wrong.against_random.high < 0


def test_deletion_bridges_segments_and_spares_padding():
    wave = np.arange(24, dtype="float32")[None].repeat(2, 0) ** 2
    removed = np.zeros((2, 24), bool)
    removed[0, 8:16] = True
    removed[1, 16:] = True
    got = explain._bridged(wave, removed, np.array([24, 20]))
    np.testing.assert_allclose(got[0, 8:16], np.interp(range(8, 16), [7, 16], [49, 256]), rtol=1e-6)
    np.testing.assert_allclose(got[1, 16:20], 225)
    np.testing.assert_allclose(got[1, 20:], wave[1, 20:])


def test_random_weights_give_other_maps(case):
    model, wave, _ = case
    before = [p.clone() for p in model.parameters()]
    agreement = explain.randomised_weights_check(model, wave[:100], model.body[4])
    assert agreement.shape == (100,) and np.nanmean(agreement) < 0.6
    np.testing.assert_array_equal(agreement, explain.randomised_weights_check(model, wave[:100], model.body[4]))
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))
    maps = explain.grad_cam(model, wave[:100], "body.4")
    np.testing.assert_allclose(explain._correlation(maps, 3 * maps + 1), 1, rtol=1e-5)


def test_randomised_touches_every_parameter():
    model = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3))
    model.register_parameter("own", nn.Parameter(torch.ones(4)))
    nn.init.constant_(model[1].weight, 7.0)
    other = explain._randomised(model)
    assert not torch.equal(other[0].weight, model[0].weight)
    assert torch.equal(other[1].weight, torch.ones(3))
    assert model[1].weight[0] == 7


@pytest.mark.parametrize("layer", ["body.9", nn.ReLU()])
def test_unknown_layer(case, layer):
    with pytest.raises(ValueError, match=r"no layer .* it has body"):
        explain.grad_cam(case[0], case[1][:4], layer)


def test_layer_without_time_and_maps_of_another_shape(case):
    model, wave, _ = case
    with pytest.raises(ValueError, match="column"):
        explain.grad_cam(model, wave[:4], "head")
    with pytest.raises(ValueError, match=r"maps of shape \(4, 9\)"):
        explain.deletion_curve(model, wave[:4], np.ones((4, 9)), np.arange(4))


def test_importing_does_not_import_captum():
    code = "import sys, cardio_utils.explain; assert not {'captum', 'lightning'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
