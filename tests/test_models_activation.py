"""Networks for activation maps: sizes as published, shapes, quantiles that cannot cross, what a delay does."""

import pytest
import torch

from cardio_utils.models.activation import QUANTILES, ActivationNet, ConvLSTM, SqueezeNet1d, delayed
from cardio_utils.models.layers import count_parameters

SITES = 75


def ours(**arguments):
    return ActivationNet(torch.linspace(20, 90, SITES), torch.full((SITES,), 25.0), **arguments)


def test_sizes_are_the_published_ones():
    assert count_parameters(SqueezeNet1d()) == 486_657
    assert count_parameters(SqueezeNet1d(reduce=False, dropout=0.0)) == 392_907


def test_shapes():
    leads = torch.randn(2, 12, 500)
    assert SqueezeNet1d()(leads).shape == (2, SITES)
    assert SqueezeNet1d(reduce=False)(leads).shape == (2, SITES, 500)
    assert ConvLSTM()(leads).shape == (2, SITES)
    assert ours()(leads[:, :8]).shape == (2, len(QUANTILES), SITES)
    assert SqueezeNet1d(n_leads=8, n_sites=3)(leads[:, :8]).shape == (2, 3)


def test_a_sample_of_the_potentials_depends_on_25_of_the_leads():
    net = SqueezeNet1d(reduce=False).eval()
    leads = torch.randn(1, 12, 100, requires_grad=True)
    net(leads)[0, :, 50].sum().backward()
    reached = leads.grad.abs().sum((0, 1)).nonzero().ravel()
    assert reached.min() >= 50 - 12 and reached.max() <= 50 + 12


def test_quantiles_rise():
    assert (ours().eval()(5 * torch.randn(4, 8, 500)).diff(dim=1) > 0).all()


def test_a_new_network_starts_near_the_mean_of_training():
    torch.manual_seed(0)
    median = ours().eval()(torch.randn(8, 8, 500))[:, 1]
    assert (median - torch.linspace(20, 90, SITES)).abs().max() < 3 * 25


@pytest.mark.parametrize("net", [ours, SqueezeNet1d, ConvLSTM])
def test_the_gradient_reaches_every_parameter(net):
    torch.manual_seed(0)
    net = net()
    net(torch.randn(8, 8 if isinstance(net, ActivationNet) else 12, 500)).square().mean().backward()
    assert not [name for name, p in net.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]


def test_beats_do_not_mix_in_evaluation():
    net, leads = ours().eval(), torch.randn(4, 8, 500)
    torch.testing.assert_close(net(leads)[:2], net(leads[:2]))


def test_what_a_beat_was_delayed_by_is_taken_off_the_answer():
    net, leads = ours().eval(), torch.randn(3, 8, 500)
    late = torch.tensor([0.0, 7.0, 20.0])
    torch.testing.assert_close(net(leads, late), net(leads) - late[:, None, None])


def test_delayed_moves_each_beat_by_its_own_delay_and_holds_its_first_sample():
    leads, zero = torch.randn(200, 8, 500), torch.zeros(200)
    moved, late = delayed((leads, zero), torch.Generator().manual_seed(0), most=20)
    assert (zero == 0).all() and late.min() == 0 and late.max() == 20
    assert 0.4 < (late > 0).float().mean() < 0.6
    for row in (int(late.argmax()), int(late.argmin())):
        d = int(late[row])
        assert torch.equal(moved[row, :, d:], leads[row, :, : 500 - d])
        assert torch.equal(moved[row, :, :d], leads[row, :, :1].expand(-1, d))
    again, same = delayed((leads, zero), torch.Generator().manual_seed(0), most=20)
    assert torch.equal(again, moved) and torch.equal(same, late)
