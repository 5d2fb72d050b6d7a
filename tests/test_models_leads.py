"""What reconstructors promise whatever their weights: pass-through, blindness to hidden leads, start at FIR ridge."""

import numpy as np
import pytest
import torch

from cardio_utils import lead_algebra, leads
from cardio_utils.models.layers import count_parameters
from cardio_utils.models.leads import LeadCritic, LeadEvaluator, LeadNet, OriginalsLeadNet, RandomLeads

SMALL = dict(widths=(16, 16), strides=(5,), blocks=(1, 1), squeeze=4)


def hearts(n=6, time=200, seed=0):
    rng = np.random.default_rng(seed)
    dipole = np.cumsum(rng.normal(0, 0.1, (n, 3, time)), axis=-1)
    return (lead_algebra.DOWER @ dipole + rng.normal(0, 0.05, (n, 8, time))).astype(np.float32)


def network(shaken=True, **arguments):
    """A small network, its last layer away from zero."""
    net = leads.lead_network(leads.gram(hearts(20)), **(SMALL | arguments))
    if shaken:
        with torch.no_grad():
            for values in net.unet.head.parameters():
                values += 0.05 * torch.randn(values.shape, generator=torch.Generator().manual_seed(0))
    return net.eval()


def inputs(names, seed=1):
    x = torch.from_numpy(hearts(len(names), seed=seed))
    return x, torch.from_numpy(np.stack([leads.lead_set(name) for name in names]))


def test_visible_leads_pass_to_the_last_bit_and_curves_are_ordered():
    x, mask = inputs(["I+II", "II", "V1+V5", "I+II+V3"])
    with torch.inference_mode():
        curves, same, _ = network()(x, mask)
    assert curves.shape == (4, 3, 8, 200) and same is x
    assert torch.equal(curves.transpose(1, 2)[mask], x[mask][:, None].expand(-1, 3, -1))
    hidden = curves.transpose(1, 2)[~mask]
    assert bool((hidden[:, 0] < hidden[:, 1]).all() and (hidden[:, 1] < hidden[:, 2]).all())


def test_nothing_of_a_hidden_lead_reaches_the_curves():
    x, mask = inputs(["I+II", "I+II+V2", "V4"])
    other = torch.where(mask[..., None], x, torch.full_like(x, 7.0))
    with torch.inference_mode():
        assert torch.equal(network()(x, mask)[0], network()(other, mask)[0])


def test_before_training_the_middle_curve_is_fir_ridge():
    known = leads.gram(hearts(20))
    net = leads.lead_network(known, **SMALL).eval()
    x = hearts(3, seed=2)
    for name in ("I+II", "II+V1+V5"):
        expected = leads.reconstruct(leads.linear_weights(known, name), x)
        assert np.allclose(leads.draw(net, x, name)[:, 1], expected, atol=1e-4)


def test_a_heart_twice_as_large_is_drawn_twice_as_large():
    x, mask = inputs(["I+II+V3"] * 2)
    with torch.inference_mode():
        once, twice = network()(x, mask)[0], network()(2 * x, mask)[0]
    assert torch.allclose(twice, 2 * once, rtol=1e-3, atol=1e-3)


def test_einthoven_holds_for_what_is_drawn():
    twelve = lead_algebra.twelve_from_eight(leads.draw(network(), hearts(3), "V2")[:, 1])
    assert lead_algebra.einthoven_residual(twelve).max() < 1e-6


def test_any_length_and_missing_leads():
    x = hearts(2, 333)
    x[:, leads.hidden("I+II")] = np.nan
    assert np.isfinite(leads.draw([network(), network()], x, "I+II")).all()


def test_one_curve_or_three():
    x, mask = inputs(["I+II"])
    assert network(quantiles=1)(x, mask)[0].shape == (1, 1, 8, 200)
    with pytest.raises(ValueError, match="one curve or three"):
        LeadNet(np.zeros((256, 8, 8, 1)), quantiles=2)


def test_sizes_of_the_networks():
    assert count_parameters(OriginalsLeadNet(leads.lead_set("I+II"))) == 5_272_840
    assert count_parameters(OriginalsLeadNet(leads.lead_set("I+II+V3"))) == 5_556_336
    assert count_parameters(leads.lead_network(leads.gram(hearts(2)))) == 2_095_420


def test_the_originals_draw_chest_leads_only():
    x, mask = inputs(["I+II+V3"] * 2)
    net = OriginalsLeadNet(leads.lead_set("I+II+V3"), width=4, kernel=5)
    curves = net(x, mask)[0]
    assert curves.shape == (2, 1, 8, 200)
    assert torch.equal(curves[:, 0][mask], x[mask])
    with pytest.raises(ValueError, match="I and II must be visible"):
        OriginalsLeadNet(leads.lead_set("II+V3"))


@pytest.mark.parametrize("kind", [LeadCritic, LeadEvaluator])
def test_classifiers_do_not_see_hidden_leads(kind):
    x, mask = inputs(["I+II", "V1"])
    model = kind(width=16).eval()
    other = torch.where(mask[..., None], x, torch.full_like(x, 9.0))
    with torch.inference_mode():
        assert model(x, mask).shape == (2, 5)
        assert torch.equal(model(x, mask), model(other, mask))
        assert not torch.equal(model(x, mask), model(x, torch.ones_like(mask)))


# Records varied while training


def test_variation_keeps_the_shape_and_depends_on_the_generator_only():
    x, mask = inputs(["I+II"] * 4)
    varied = RandomLeads(noise=0.01, length=150)
    first, second = (varied((x, mask), torch.Generator().manual_seed(3)) for _ in range(2))
    assert first[0].shape == (4, 8, 150) and first[1].shape == (4, 8)
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_without_turn_and_shift_only_height_and_start_change():
    x, mask = inputs(["I+II"] * 3)
    y, _ = RandomLeads(turn=0.0, shift=0.0)((x, mask), torch.Generator().manual_seed(0))
    ratio = (y.norm(dim=(1, 2)) / x.norm(dim=(1, 2))).numpy()
    assert ((ratio > 0.79) & (ratio < 1.26)).all()
    lead = y[0] / ratio[0]
    assert any(torch.allclose(torch.roll(lead, k, -1), x[0], atol=1e-4) for k in range(200))


def test_masks_are_drawn_from_the_sets_that_are_given():
    generator = torch.Generator().manual_seed(0)
    only = RandomLeads([leads.lead_set("I+II+V3")]).draw(20, generator)
    assert (only == torch.from_numpy(leads.lead_set("I+II+V3"))).all()
    mixed = RandomLeads().draw(2000, generator)
    assert bool(mixed.any(1).all()) and not bool(mixed.all(1).any())
    assert len({row.numpy().tobytes() for row in mixed}) > 50
    complete = RandomLeads(complete=0.5).draw(2000, generator).all(1).float().mean()
    assert 0.45 < float(complete) < 0.55


# Loss and training


def test_the_loss_is_zero_for_the_truth_and_blind_to_visible_leads():
    x, mask = inputs(["I+II"] * 2)
    label, exact = torch.zeros(2, 5), x[:, None].expand(-1, 3, -1, -1).clone()
    loss = leads.waveform_loss()
    assert float(loss((exact, x, mask), label)) == pytest.approx(0, abs=1e-3)
    wrong = exact.clone()
    wrong[:, :, 0] += 1
    assert float(loss((wrong, x, mask), label)) == pytest.approx(0, abs=1e-3)
    wrong[:, :, 4] += 1
    assert float(loss((wrong, x, mask), label)) > 0.01


def test_a_critic_takes_part_and_is_not_trained():
    x, mask = inputs(["I+II"] * 2)
    critic = LeadCritic(width=16)
    curves = x[:, None].expand(-1, 3, -1, -1).clone().requires_grad_()
    loss = leads.waveform_loss(alpha=0.5, critic=critic)((curves, x, mask), torch.ones(2, 5))
    loss.backward()
    assert float(curves.grad.abs().sum()) > 0
    assert all(p.grad is None for p in critic.parameters())
    with pytest.raises(ValueError, match="critic is needed"):
        leads.waveform_loss(alpha=0.5)


def records(n, seed):
    label = np.random.default_rng(seed).random((n, 5)) < 0.5
    return leads.Records(hearts(n, seed=seed), label, np.arange(n).astype(str), np.arange(n).astype(str))


def test_a_network_and_a_classifier_are_trained():
    fitting, validation = records(24, 0), records(12, 1)
    options = dict(epochs=1, batch_size=8, precision="32", seconds=1.0)
    net = leads.lead_network(leads.gram(fitting.x), **SMALL)
    fit = leads.train_network(net, fitting, validation, **options)
    assert 0 < fit.history.metric.iloc[-1] <= 1
    critic = leads.train_classifier(LeadCritic(width=16), fitting, validation, **options).model
    assert leads.classify(critic, validation.x, "I+II").shape == (12, 5)
    before = [p.clone() for p in critic.parameters()]
    fit = leads.train_network(net, fitting, validation, ["I+II"], alpha=0.5, critic=critic, **options)
    assert all(torch.equal(a, b) for a, b in zip(before, critic.parameters(), strict=True))
    large = OriginalsLeadNet(leads.lead_set("I+II"), width=4, kernel=5)
    large = leads.train_network(large, fitting, validation, ["I+II"], **options).model
    assert leads.draw(large, validation.x, "I+II").shape == (12, 1, 8, 200)


def test_the_same_seed_gives_the_same_network():
    known = leads.gram(hearts(2))
    first, second, third = (leads.lead_network(known, seed=s, **SMALL) for s in (1, 1, 2))
    weights = [next(net.unet.encoder.parameters()) for net in (first, second, third)]
    assert torch.equal(weights[0], weights[1]) and not torch.equal(weights[0], weights[2])


def test_a_recording_of_ones_own_becomes_twelve_leads():
    import xarray as xr

    time = np.arange(2500) / 250
    x = np.full((1, 12, 2500), np.nan, np.float32)
    x[0, :2] = np.sin(2 * np.pi * 1.5 * time)
    own = xr.Dataset({"ecg": (("record", "lead", "time"), x)}, attrs={"fs": 250.0})
    low, middle, high = leads.own_twelve(own, network(), np.full(8, 2.0))
    assert middle.shape == (12, 1000)
    assert np.array_equal(low[:6], middle[:6]) and np.array_equal(high[:6], middle[:6])
    assert (low[6:] <= middle[6:]).all() and (middle[6:] <= high[6:]).all()
    assert np.allclose(middle[0], middle[1]) and np.abs(middle[2]).max() < 1e-6
