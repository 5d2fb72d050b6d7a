"""The U-Net family and the network of action potentials: sizes, shapes, bounds, gradients, and that it learns."""

import numpy as np
import pytest
import torch

from cardio_utils import losses, residuals, training
from cardio_utils.models.action_potential import (
    ActionPotentialNet,
    BoundedParameters,
    monotone_quantiles,
    parameter_ranges,
)
from cardio_utils.models.layers import Fold, Unfold, count_parameters
from cardio_utils.models.unet import UNet

FS = 5000.0
SMALL = {"widths": (16, 24), "strides": (5,), "kernel": 3, "patch": 40, "blocks": 1}
BUILD = {
    "compact": lambda **k: UNet(**k),
    "full length": lambda **k: UNet(widths=(8, 12), strides=(4,), blocks=0, patch=1, **k),
    "every option": lambda **k: UNet(
        widths=(32, 40, 48), strides=(4, 2), kernel=7, decoder_blocks=1, patch=10, squeeze=4, attention=True, **k
    ),
    "originals": lambda **k: UNet.originals(width=32, kernel=5, depth=1, **k),
}


def running_statistics(model):
    return sum(b.numel() for name, b in model.named_buffers() if "running" in name)


def test_originals_configuration_has_the_size_of_the_originals():
    trunk = UNet.originals()
    assert round(count_parameters(trunk) / 1e6, 2) == 6.13
    assert round(count_parameters(UNet.originals(depth=4)) / 1e6, 2) == 3.39
    assert round(count_parameters(UNet.originals(width=64, kernel=13)) / 1e6, 1) == 28.9
    whole = ActionPotentialNet.originals()
    assert whole.parameter_names == ("a", "k", "x")
    assert round(count_parameters(whole.physics) / 1e6, 2) == 0.23
    # Keras counts the running statistics of batch normalisation too.
    assert round((count_parameters(whole) + running_statistics(whole)) / 1e6, 2) == 6.37


def test_compact_configuration_is_a_seventh_of_it():
    assert count_parameters(ActionPotentialNet(3)) < 0.15 * count_parameters(ActionPotentialNet.originals(3))


@pytest.mark.parametrize("n_time", [8000, 1600, 1999])
@pytest.mark.parametrize("name", BUILD)
def test_output_is_as_long_as_the_input(name, n_time):
    net = BUILD[name](n_in=2, n_out=3).eval()
    with torch.inference_mode():
        assert net(torch.randn(2, 2, n_time)).shape == (2, 3, n_time)


def test_a_wave_needs_no_channel_axis_and_beats_do_not_mix():
    net, wave = UNet(**SMALL).eval(), torch.randn(4, 1600)
    torch.testing.assert_close(net(wave), net(wave[:, None]))
    torch.testing.assert_close(net(wave)[:2], net(wave[:2]))
    with pytest.raises(ValueError, match=r"a wave is \(batch, time\)"):
        net(torch.randn(1600))


@pytest.mark.parametrize("name", BUILD)
def test_every_weight_receives_a_gradient(name):
    torch.manual_seed(1)
    net = BUILD[name]()
    net(torch.randn(3, 1600)).square().mean().backward()
    for key, weight in net.named_parameters():
        assert weight.grad is not None and weight.grad.isfinite().all() and weight.grad.any(), key


def test_the_middle_of_the_output_sees_the_whole_window():
    """A duration shows a second after the spike that it belongs to."""
    torch.manual_seed(0)
    net = UNet().eval()
    wave = torch.randn(1, 8000, requires_grad=True)
    net(wave)[0, 0, 1000].backward()
    seen = wave.grad[0].nonzero()
    assert seen.min() < 200 and seen.max() > 6000


def test_folding_loses_no_sample_and_unfolding_shows_no_seam():
    wave = torch.arange(2 * 3 * 40.0).reshape(2, 3, 40)
    folded = Fold(8)(wave)
    assert folded.shape == (2, 24, 5)
    assert torch.equal(folded.reshape(2, 3, 8, 5).transpose(2, 3).reshape(2, 3, 40), wave)
    unfold = Unfold(1, 1, 8)
    torch.nn.init.ones_(unfold.convolution.weight)
    torch.nn.init.zeros_(unfold.convolution.bias)
    torch.testing.assert_close(unfold(torch.ones(1, 1, 5)), torch.ones(1, 1, 40))
    step = unfold(torch.tensor([[[0.0, 0.0, 1.0, 1.0]]]))[0, 0].diff()
    assert step.max() < 0.13 and step.min() >= 0  # one eighth a sample, not all at once
    with pytest.raises(ValueError, match="even number of samples apart, not 5"):
        Unfold(1, 1, 5)


def test_strides_that_do_not_fit_the_widths_are_refused():
    with pytest.raises(ValueError, match="3 levels have 2 strides between them, not 1"):
        UNet(widths=(8, 8, 8), strides=(2,))
    with pytest.raises(ValueError, match="3 levels have as many numbers of blocks, not 2"):
        UNet(blocks=(1, 1))


@pytest.mark.parametrize("n", [1, 3, 5])
def test_quantiles_never_cross(n):
    raw = 30 * torch.randn(4, n, 500)
    curves = monotone_quantiles(raw)
    assert curves.shape == raw.shape and (curves.diff(dim=1) >= 0).all()
    assert torch.equal(curves[:, n // 2], raw[:, n // 2])
    torch.testing.assert_close(monotone_quantiles(torch.zeros(1, n, 1)).diff(dim=1), torch.full((1, n - 1, 1), 0.05))


def test_quantiles_of_the_network_do_not_cross_and_each_bound_learns():
    net = ActionPotentialNet(3, None, **SMALL)
    wave = net(torch.randn(3, 1600) * 100)
    assert wave.shape == (3, 3, 1600) and (wave.diff(dim=1) >= 0).all()
    losses.pinball([0.05, 0.5, 0.95])(wave, torch.randn(3, 1600)).backward()
    assert net.trunk.head.convolution.weight.grad.abs().sum((0, 2)).gt(0).all()


@pytest.mark.parametrize("n_quantiles", [0, 2])
def test_an_even_number_of_quantiles_is_refused(n_quantiles):
    with pytest.raises(ValueError, match=f"{n_quantiles} has none"):
        ActionPotentialNet(n_quantiles)


@pytest.mark.parametrize("n_time", [8000, 1600])
def test_outputs_of_the_network(n_time):
    wave = torch.randn(2, n_time)
    assert ActionPotentialNet(1, None, **SMALL)(wave).shape == (2, n_time)
    median, recovery, parameters = ActionPotentialNet(1, **SMALL)(wave)
    assert median.shape == recovery.shape == (2, n_time) and parameters.shape == (2, 6)
    assert ((recovery > 0) & (recovery < 1)).all()
    curves, parameters = ActionPotentialNet.originals(3, width=8, kernel=5, depth=1)(wave)
    assert curves.shape == (2, 3, n_time) and parameters.shape == (2, 3)
    assert curves[:, 1].abs().max() < 1


def test_parameters_stay_within_bounds_and_are_never_dead():
    """Where the originals clip, their gradient is zero; here it is small, but there."""
    bounds = parameter_ranges("aliev_panfilov")
    head = BoundedParameters(4, bounds)
    for size in (0.0, 3.0, 30.0):
        code = size * torch.randn(50, 4)
        values = head(code)
        for name, column in zip(head.names, values.unbind(1), strict=True):
            low, high = bounds[name]
            assert (column >= low * (1 - 1e-5) - 1e-6).all() and (column <= high * (1 + 1e-5)).all(), name
    torch.nn.init.zeros_(head.linear.weight)
    torch.nn.init.constant_(head.linear.bias, -8.0)
    head(torch.ones(1, 4)).sum().backward()
    assert (head.linear.bias.grad != 0).all()
    torch.nn.init.zeros_(head.linear.bias)
    middle = dict(zip(head.names, head(torch.zeros(1, 4))[0].tolist(), strict=True))
    assert middle["k"] == pytest.approx(np.sqrt(100 * 1000)) and middle["x"] == pytest.approx(0.65)


def test_threshold_and_excitation_rate_are_two_numbers():
    """The originals clip a out of k, so that it is 0.1 for every beat."""
    torch.manual_seed(0)
    head = BoundedParameters(4, {name: parameter_ranges("aliev_panfilov")[name] for name in ("a", "k")})
    a, k = head(torch.randn(200, 4)).T
    assert a.std() > 0.005 and abs(np.corrcoef(a.detach(), k.detach())[0, 1]) < 0.95
    assert not torch.equal(head.linear.weight[0], head.linear.weight[1])


def test_bounds_can_be_replaced_but_not_invented():
    assert parameter_ranges("rogers_mcculloch", {"e": (100.0, 2000.0)})["e"] == (100.0, 2000.0)
    assert set(parameter_ranges("aliev_panfilov")) == {"a", "k", "x", "time_scale", "gain", "offset"}
    with pytest.raises(ValueError, match=r"aliev_panfilov has the parameters a, k, .*, not e"):
        parameter_ranges("aliev_panfilov", {"e": (0.0, 1.0)})
    with pytest.raises(ValueError, match="equations='hodgkin' is not known"):
        ActionPotentialNet(1, "hodgkin")
    with pytest.raises(ValueError, match="low < high"):
        BoundedParameters(3, {"a": (0.2, 0.1)})


def beats(n=3, seed=0):
    """Solutions of the model at a rest of 0.05 and a gain of 1.1, their masks, and a window that tells the length."""
    rng = np.random.default_rng(seed)
    u, _ = residuals.aliev_panfilov(0.1, rng.uniform(200, 800, n), rng.uniform(0.5, 0.8, n), duration=1.6, fs=1000.0)
    target = (0.05 + 1.1 * u).astype("float32")
    slope = np.gradient(target, axis=1) + 0.002 * rng.standard_normal(target.shape)
    return (50 * slope).astype("float32"), target, residuals.beat_mask(u, 1000.0)


@pytest.mark.parametrize("equations", ["aliev_panfilov", "rogers_mcculloch"])
def test_physics_reaches_every_output_and_every_parameter(equations):
    wave, target, mask = (torch.tensor(x) for x in beats())
    net = ActionPotentialNet(3, equations, **SMALL)
    loss = losses.physics_informed(1000.0, equations, 1.0, lambda wave, target: 0 * wave.sum(), every=5)
    loss(net(wave), (target, mask)).backward()
    for name, row in zip(net.parameter_names, net.physics.parameters_of.linear.weight.grad, strict=True):
        assert row.any() and row.isfinite().all(), name
    raw = net.trunk.head.convolution.weight.grad.abs().sum((0, 2))
    # Median and recovery variable are asked to follow the model, the two other quantiles are not.
    assert (raw > 0).tolist() == [False, True, False, True]


def test_the_originals_loss_is_there_by_name():
    net = ActionPotentialNet.originals(width=8, kernel=5, depth=1)
    loss = losses.physics_informed(FS, "originals", 0.05)
    output, target = net(torch.randn(2, 8000)), torch.rand(2, 8000)
    value = loss(output, (target, torch.ones(2, 8000, dtype=torch.bool)))
    value.backward()
    own = dict(zip(net.parameter_names, output[1].unbind(1), strict=True))
    expected = (output[0] - target).abs().mean() + 0.05 * residuals.originals_loss(output[0], own)
    assert value.item() == pytest.approx(expected.item())


def test_the_map_to_the_models_rest_undoes_the_targets_scale():
    _, target, mask = (torch.tensor(x) for x in beats(1, 3))
    rng = np.random.default_rng(3)
    k, x = rng.uniform(200, 800, 1), rng.uniform(0.5, 0.8, 1)
    w = torch.tensor(residuals.aliev_panfilov(0.1, k, x, duration=1.6, fs=1000.0)[1])
    right = torch.tensor([[0.1, k[0], x[0], 1.0, 1.1, 0.05]])
    physics = losses.physics_informed(1000.0, weight=1.0, every=2)
    unmapped = torch.tensor([[0.1, k[0], x[0], 1.0, 1.0, 0.0]])
    assert physics((target, w, right), (target, mask)) < 0.01
    assert physics((target, w, unmapped), (target, mask)) > 0.3


def test_without_weight_the_physics_is_left_out():
    wave, target, mask = (torch.tensor(x) for x in beats())
    output = ActionPotentialNet(1, **SMALL)(wave)
    value = losses.physics_informed(1000.0, weight=0.0)(output, (target, mask))
    assert value.item() == pytest.approx((output[0] - target).abs().mean().item())


@pytest.mark.parametrize("equations", [None, "aliev_panfilov"])
def test_fit_trains_it_and_predict_returns_what_forward_does(equations):
    wave, target, mask = beats(48)
    torch.manual_seed(0)
    net = ActionPotentialNet(1, equations, **SMALL)
    goal = target if equations is None else (target, mask)
    loss = losses.physics_informed(1000.0, equations, 0.01, every=5) if equations else torch.nn.L1Loss()
    half = (wave[:36], goal[:36] if equations is None else (target[:36], mask[:36]))
    rest = (wave[36:], goal[36:] if equations is None else (target[36:], mask[36:]))
    options = dict(epochs=25, batch_size=6, learning_rate=5e-3, precision="32", accelerator="cpu", patience=None)
    result = training.fit(net, half, rest, loss=loss, **options)
    output = training.predict(result.model, wave[36:])
    median = output if equations is None else output[0]
    baseline = np.abs(target[36:] - target[:36].mean(0)).mean()
    assert np.abs(median - target[36:]).mean() < 0.6 * baseline
    if equations:
        assert output[1].shape == median.shape and output[2].shape == (12, 6)


def test_windows_with_missing_samples_are_refused_before_training():
    wave, target, _ = beats(4)
    wave[1, 100] = np.nan
    with pytest.raises(ValueError, match="train inputs: 1 of 4 samples hold NaN"):
        training.fit(UNet(**SMALL), (wave, target), (wave, target), loss=torch.nn.L1Loss())


def test_low_precision_keeps_full_digits_at_the_heads():
    net, wave = ActionPotentialNet(3, **SMALL).eval(), torch.randn(2, 1600)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        curves, recovery, parameters = net(wave)
    assert {curves.dtype, recovery.dtype, parameters.dtype} == {torch.float32}
    assert (curves.diff(dim=1) > 0).all()
