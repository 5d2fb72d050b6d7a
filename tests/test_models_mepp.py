"""Networks of chapter 13: the originals' sizes, shapes of any length, and a loss whose minimum is the truth."""

import pytest
import torch

from cardio_utils.models.layers import count_parameters
from cardio_utils.models.mepp import (
    Autoencoder,
    BottleneckAutoencoder,
    EventNet,
    MiniUNet,
    log_softplus,
    point_process_loss,
)


def test_the_originals_networks_have_their_number_of_parameters():
    assert count_parameters(MiniUNet("first")) == 96_591
    assert count_parameters(MiniUNet("last")) == 100_417 + 528  # convolutions, batch normalisation
    assert count_parameters(Autoencoder()) == 9_505


def test_an_unknown_version_is_refused():
    with pytest.raises(ValueError, match="'last' or 'first'"):
        MiniUNet("second")


@pytest.mark.parametrize("version", ["first", "last"])
def test_a_mask_has_one_logit_a_sample(version):
    assert MiniUNet(version).eval()(torch.zeros(3, 100)).shape == (3, 100)


def test_one_autoencoder_has_a_bottleneck_and_one_has_none():
    wave = torch.randn(5, 40)
    assert Autoencoder().encoder(wave[:, None]).numel() == 16 * wave.numel()
    assert BottleneckAutoencoder(latent=4).encoder(wave[:, None]).shape == (5, 4)
    for model in (Autoencoder(), BottleneckAutoencoder()):
        assert model.eval()(wave).shape == wave.shape


@pytest.mark.parametrize("n", [10, 1234, 5000])
def test_the_event_network_takes_any_length(n):
    assert EventNet(widths=(8, 8, 8)).eval()(torch.randn(2, 4, n)).shape == (2, -(-n // 10))


def test_untrained_it_expects_the_rate_it_was_given():
    with torch.no_grad():
        expected = EventNet(widths=(8, 8, 8), rate=0.003)(torch.randn(2, 4, 2000)).exp()
    torch.testing.assert_close(expected, torch.full_like(expected, 0.003), rtol=1e-4, atol=0)


def test_the_event_network_sees_less_than_half_a_second_to_either_side():
    torch.manual_seed(0)
    model = EventNet(widths=(8, 8, 8)).eval()
    torch.nn.init.normal_(model.body.head.weight)
    one = torch.randn(1, 4, 20_000)
    other = one.clone()
    other[..., :5000] += 1
    with torch.no_grad():
        difference = (model(one) - model(other)).abs()[0]
    assert difference[:500].max() > 1e-3
    assert difference[1000:].max() < 1e-5


def test_the_logarithm_of_softplus_is_exact_over_the_whole_range():
    raw = torch.tensor([-80.0, -10.5, -9.5, 0.0, 5.0], dtype=torch.float64)
    exact = torch.log(torch.log1p(torch.exp(raw)))
    torch.testing.assert_close(log_softplus(raw), exact, rtol=1e-4, atol=5e-5)


def test_the_loss_is_least_where_the_expected_number_is_the_mean_number():
    target = torch.tensor([[0.0, 1.0, 0.0, 0.0], [0.0, 1.0, 0.0, 1.0]])
    rate = target.mean(0, keepdim=True).clamp(min=1e-6).log().expand(2, 4)
    best = point_process_loss(rate, target)
    for change in (-0.2, 0.2):
        assert point_process_loss(rate + change, target) > best


def test_training_lowers_the_loss_on_one_window():
    torch.manual_seed(0)
    model = EventNet(widths=(16, 16, 16))
    x, target = torch.randn(4, 4, 2000), torch.zeros(4, 200)
    x[:, :, 1000:1040] += 4
    target[:, 102] = 1
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    losses = []
    for _ in range(30):
        value = point_process_loss(model(x), target)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        losses.append(value.item())
    assert losses[-1] < 0.3 * losses[0]
