"""Networks of potentials: what a decoder draws is what it was told, gradients, counts of the originals."""

import numpy as np
import pytest
import torch

from cardio_utils.data.intracardiac import activation_time
from cardio_utils.models.layers import count_parameters
from cardio_utils.models.transmembrane import ConvGRUNet, ParametricDecoder, ParametricNet, PotentialUNet, Rescaled
from cardio_utils.simulate import intracardiac as simulator

STEP, ZERO, DURATION = 0.25, 40, 300.0


def wave(x):
    """A smooth action potential: 0 mV at x = 0, upstroke of a few ms, repolarised at 300 ms."""
    return -85 + 170 / (1 + np.exp(-x / 0.8)) - 85 * (np.tanh((x - 280) / 15) + 1)


@pytest.fixture(scope="module")
def decoder():
    x = (np.arange(1600) - ZERO) * STEP
    bump = 10 * np.exp(-(((x - 150) / 40) ** 2))
    return ParametricDecoder(torch.tensor(np.stack([wave(x), bump])), ZERO, STEP, DURATION)


def told(activation, apd, shape):
    return torch.tensor([activation], dtype=torch.float32), torch.tensor([apd]), torch.tensor([shape])[..., None]


def test_a_known_template_is_drawn_where_and_as_long_as_told(decoder):
    activation, apd = [3.4, 20.0, 77.7], [300.0, 250.0, 350.0]
    vm = decoder(*told(activation, apd, [0.0, 1.0, -2.0]))[0].numpy()
    assert vm.shape == (3, 500)
    for row, start, length, shape in zip(vm, activation, apd, (0.0, 1.0, -2.0), strict=True):
        x = (np.arange(500) - start) * DURATION / length
        wanted = wave(x.clip(-10)) + shape * 10 * np.exp(-(((x - 150) / 40) ** 2))
        inside = (x > -ZERO * STEP) & (x < 380)
        np.testing.assert_allclose(row[inside], wanted[inside], atol=1.0)


def test_simulated_potentials_are_drawn_from_their_template():
    zero = 100
    grid = np.arange(4000) * 0.1
    table = simulator.transmembrane(np.array([0.0]), np.array([300.0]))[0]  # every ms, first sample at activation
    dense = simulator._wave(simulator.PERIOD, simulator.KR)
    table = np.interp(grid - zero * 0.1, (np.arange(len(dense[0])) - 100) * 0.1, dense[0])
    decoder = ParametricDecoder(torch.tensor(table[None]), zero, 0.1, dense[2])
    activation, apd = np.array([15.3, 60.0]), np.array([280.0, 310.0])
    wanted = simulator.transmembrane(activation, apd)
    found = decoder(torch.tensor(activation[None]), torch.tensor(apd[None]), torch.zeros(1, 2, 0))[0].numpy()
    np.testing.assert_allclose(found[:, :380], wanted[:, :380], atol=0.02)


def test_activation_that_is_read_is_the_parameter(decoder):
    times = torch.linspace(5, 180, 75)[None]
    vm = decoder(times, torch.full((1, 75), 290.0), torch.randn(1, 75, 1, generator=torch.Generator().manual_seed(0)))
    np.testing.assert_allclose(activation_time(vm.numpy()), times.numpy(), atol=0.1)


def test_gradients_reach_all_three(decoder):
    inputs = [t.double().requires_grad_() for t in told([30.3, 60.6], [280.2, 310.1], [0.5, -0.5])]
    vm = decoder(*inputs)
    vm.square().mean().backward()
    assert all(t.grad.isfinite().all() and (t.grad != 0).all() for t in inputs)
    # Later by 1 ms is the same as the curve moved by a sample
    moved = decoder(inputs[0] + 1, *inputs[1:])
    torch.testing.assert_close(moved[..., 1:], vm[..., :-1])


def test_a_template_without_upstroke_is_refused():
    with pytest.raises(ValueError, match=r"no upstroke through 0 mV at entry 40"):
        ParametricDecoder(torch.full((1, 400), -85.0), ZERO, STEP, DURATION)


def test_a_parametric_network_begins_near_the_mean(decoder):
    torch.manual_seed(0)
    centre = torch.tensor([[20.0, 300.0, 0.0], [60.0, 280.0, 0.0]])
    network = ParametricNet(decoder, centre, torch.tensor([[1.0, 1.0, 0.1]] * 2)).eval()
    leads = torch.randn(3, 8, 500)
    values = network(leads)
    assert values.shape == (3, 2, 3)
    assert (values - centre).abs().amax((0, 1)).tolist() < [5.0, 5.0, 0.5]
    potentials = network.draw(values)
    np.testing.assert_allclose(activation_time(potentials.detach().numpy()), values[..., 0].detach(), atol=0.1)
    potentials.abs().mean().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())


def test_a_unet_adds_to_the_mean():
    mean = torch.linspace(-85, 20, 500).repeat(75, 1)
    network = PotentialUNet(mean, widths=(64, 64, 64)).eval()
    for p in network.unet.head.parameters():
        torch.nn.init.zeros_(p)
    torch.testing.assert_close(network(torch.randn(2, 8, 500)), mean.expand(2, -1, -1))


def test_the_last_sample_of_a_unet_depends_on_the_first_of_the_leads():
    torch.manual_seed(0)
    network = PotentialUNet(torch.zeros(75, 500), widths=(64, 64, 64)).eval()
    leads = torch.randn(1, 8, 500, requires_grad=True)
    network(leads)[0, 0, -1].backward()
    assert leads.grad[0, :, :20].abs().max() > 0


def test_the_originals_count_as_published():
    network = ConvGRUNet()
    running = sum(b.numel() for name, b in network.named_buffers() if "running" in name)
    assert count_parameters(network) == 131_951 and count_parameters(network) + running == 132_719
    assert network(torch.randn(2, 12, 500)).shape == (2, 75, 500)


def test_rescaled_outputs_are_millivolts():
    network = Rescaled(torch.nn.Identity())
    torch.testing.assert_close(network(torch.tensor([0.0, 1.0])), torch.tensor([-85.5, 50.0]))
