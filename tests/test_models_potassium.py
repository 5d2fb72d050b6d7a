"""What the networks promise whatever their weights: gradients, order of bins, attention, masks, and augmentations."""

import numpy as np
import pytest
import torch

from cardio_utils import potassium as pot
from cardio_utils.models.layers import count_parameters
from cardio_utils.models.potassium import (
    Augment,
    ECG12Net,
    EMPNet,
    OrdinalHead,
    PotassiumNet,
    SmallCNN,
    TransitionLayer,
    masked_attention,
)


def inputs(n=4, leads=8, time=96, context=6, seed=0):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n, leads, time, generator=generator)
    mask = torch.ones(n, leads, dtype=torch.bool)
    return x, mask, torch.randn(n, context, generator=generator)


def small(kind, context=6, leads=8):
    torch.manual_seed(0)
    net = {
        "ours": lambda: PotassiumNet(context, leads, width=16),
        "pooling": lambda: ECG12Net(context, units=(1, 1, 1), growth=8),
        "transition": lambda: ECG12Net(context, units=(2, 2), growth=8, down="transition"),
        "plain": lambda: SmallCNN(leads, width=8),
    }[kind]()
    with torch.no_grad():  # away from its first weights, where the head is nearly constant
        for values in net.parameters():
            values += 0.05 * torch.randn(values.shape)
    return net


KINDS = ["ours", "pooling", "transition", "plain"]


@pytest.mark.parametrize("kind", KINDS)
def test_gradient_reaches_every_parameter_with_more_than_one_record(kind):
    net = small(kind).train()
    logits, _ = net(*inputs())
    pot.ordinal_loss()((logits, None), torch.tensor(pot.encode_k_concentration([2.0, 4.0, 5.8, 7.0])[0])).backward()
    dead = [name for name, values in net.named_parameters() if values.grad is None or not values.grad.abs().sum() > 0]
    assert not dead


@pytest.mark.parametrize("kind", KINDS)
def test_bins_are_ordered_and_each_record_has_its_own(kind):
    with torch.inference_mode():
        logits, share = small(kind).eval()(*inputs())
    assert logits.shape == (4, 60) and logits.dtype == torch.float32
    assert bool((logits.diff(dim=1) < 0).all())
    assert torch.allclose(share.sum(1), torch.ones(4))
    assert logits[:, 30].unique().numel() == 4


@pytest.mark.parametrize("kind", ["ours", "pooling"])
def test_leads_that_are_not_there_do_not_count(kind):
    net, (x, mask, context) = small(kind).eval(), inputs()
    mask = mask.clone()
    mask[:, [1, 4]] = False
    mask[0] = False
    mask[0, 3] = True  # a single lead
    other = torch.where(mask[..., None], x, torch.nan)
    with torch.inference_mode():
        first, share = net(x, mask, context)
        second, _ = net(other, mask, context)
    assert torch.equal(first, second)
    assert bool((share[~mask] == 0).all()) and torch.allclose(share.sum(1), torch.ones(4))
    assert share[0, 3] == 1


def test_permuting_leads_with_their_names_changes_nothing():
    net, (x, mask, context) = small("ours").eval(), inputs()
    mask = mask.clone()
    mask[1, 2] = False
    order = torch.tensor([3, 1, 7, 0, 2, 6, 5, 4])
    with torch.inference_mode():
        logits, share = net(x, mask, context)
        swapped, _ = net(x[:, order], mask[:, order], context)
        net.names.copy_(net.names[order])
        again, permuted = net(x[:, order], mask[:, order], context)
    assert torch.allclose(logits, again, atol=1e-5) and torch.allclose(share[:, order], permuted, atol=1e-6)
    assert not torch.allclose(logits, swapped, atol=1e-4)  # names matter


def test_the_published_network_does_not_care_for_the_order_of_leads():
    net, (x, mask, context) = small("pooling").eval(), inputs(leads=12)
    order = torch.randperm(12, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        one, other = net(x, mask, context)[0], net(x[:, order], mask, context)[0]
    assert torch.allclose(one, other, atol=1e-5)


def test_sizes():
    published, ours = ECG12Net(12), PotassiumNet(12)
    assert published.attention[0].in_features == 864
    assert sum(isinstance(layer, torch.nn.Conv1d) for layer in published.modules()) == 79
    assert count_parameters(ours) < count_parameters(published) / 10
    assert EMPNet(12).n_out == 16


def test_halving_layers_agree_in_length():
    for time in (15, 16, 1024):
        x = torch.randn(2, 8, time)
        assert TransitionLayer(8)(x).shape == (2, 4, (time + 1) // 2)
    assert small("pooling").eval()(*inputs(time=101))[0].shape == (4, 60)
    with pytest.raises(ValueError, match="'pooling' or 'transition'"):
        ECG12Net(down="none")


def test_attention_needs_a_lead():
    with pytest.raises(ValueError, match="no lead"):
        masked_attention(torch.zeros(2, 3), torch.tensor([[True, False, False], [False] * 3]))


def test_the_head_begins_with_the_rates_of_the_training_records():
    rates = pot.base_rates(np.round(np.random.default_rng(0).normal(4.2, 0.8, 500), 1))
    head = OrdinalHead(5, rates)
    p = torch.sigmoid(head(torch.zeros(1, 5)))[0].detach().numpy()
    assert np.abs(p - np.clip(rates, 0.002, 0.998)).max() < 0.02
    assert bool((head.cuts.diff() > 0).all())
    with pytest.raises(ValueError, match="cannot rise"):
        OrdinalHead(5, rates[::-1].copy())


def test_cuts_stay_ordered_whatever_the_training_does():
    head = OrdinalHead(3)
    with torch.no_grad():
        head.steps.uniform_(-30, 5)
    assert bool((head.cuts.diff() >= 0).all())


# Augmentations: what each must not change


def only(**kept):
    return Augment(100.0, **(dict.fromkeys(("gain", "wander", "muscle", "mains", "drop", "shift"), 0.0) | kept))


def run(augment, seed=3, **shape):
    x, mask, context = inputs(**shape)
    return (x, mask, context), augment((x, mask, context), torch.Generator().manual_seed(seed))


def test_without_anything_nothing_changes():
    before, after = run(only())
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


def test_gain_keeps_the_ratio_of_leads():
    (x, mask, _), (y, same, _) = run(only(gain=0.2))
    ratio = y / x
    assert torch.allclose(ratio, ratio[:, :1, :1].expand_as(ratio), rtol=1e-4) and torch.equal(mask, same)
    assert ratio[:, 0, 0].unique().numel() == 4


def test_wander_is_slow():
    (x, *_), (y, *_) = run(only(wander=0.1), time=1000)
    power = torch.fft.rfft(y - x).abs() ** 2
    assert power[..., :30].sum() > 0.97 * power.sum()  # below 3 Hz


def test_muscle_is_white_and_small():
    (x, *_), (y, *_) = run(only(muscle=0.02), time=1000)
    assert (y - x).std() == pytest.approx(0.02, rel=0.05) and (y - x).mean().abs() < 0.001


def test_mains_leaves_what_is_below_30_hz():
    x, mask, context = inputs(time=2000)
    y, *_ = Augment(500.0, gain=0, wander=0, muscle=0, mains=0.05, drop=0, shift=0)(
        (x, mask, context), torch.Generator().manual_seed(0)
    )
    power = torch.fft.rfft((y - x) * torch.hann_window(2000)).abs() ** 2
    assert power[..., :120].sum() < 0.01 * power.sum()


def test_dropped_leads_keep_their_values_and_one_lead_is_left():
    (x, mask, context), (y, dropped, same) = run(only(drop=1.0), n=200)
    assert torch.equal(x, y) and torch.equal(context, same)
    assert bool(dropped.any(1).all()) and not bool(dropped.all()) and bool((dropped <= mask).all())


def test_a_lead_that_was_missing_stays_missing():
    x, mask, context = inputs(n=100)
    mask = mask.clone()
    mask[:, 2:7] = False
    _, dropped, _ = only(drop=1.0)((x, mask, context), torch.Generator().manual_seed(0))
    assert not bool(dropped[:, 2:7].any()) and bool(dropped.any(1).all())


def test_shift_moves_all_leads_together_and_changes_no_value():
    (x, *_), (y, *_) = run(only(shift=0.03))
    for record, moved in zip(x, y, strict=True):
        found = [s for s in range(-3, 4) if torch.equal(moved[:, 5:-5], record[:, 5 - s : record.shape[1] - 5 - s])]
        assert len(found) == 1


def test_no_augmentation_stretches_or_standardises():
    x = torch.zeros(50, 8, 96)
    x[:, :, 40:50] = torch.linspace(0.2, 2, 50)[:, None, None]
    mask = torch.ones(50, 8, dtype=torch.bool)
    y, *_ = Augment(100.0, wander=0, muscle=0, mains=0)((x, mask), torch.Generator().manual_seed(0))
    assert bool(((y > 0.01).sum(-1) == 10).all())  # ten samples wide
    height = y.amax((1, 2))
    assert torch.corrcoef(torch.stack([height, x.amax((1, 2))]))[0, 1] > 0.9


# Training


def test_a_network_learns_keeps_the_best_epoch_and_serves_any_leads(tmp_path):
    rng = np.random.default_rng(0)
    values = np.round(rng.uniform(2, 7.4, 96), 1)
    shape = np.exp(-0.5 * ((np.arange(96) - 55) / 5) ** 2)
    x = ((values / 5)[:, None, None] * shape * np.ones((1, 8, 1)) + rng.normal(0, 0.02, (96, 8, 96))).astype(np.float32)
    context = np.zeros((96, 4), np.float32)
    parts = [(x[:64], context[:64], values[:64]), (x[64:], context[64:], values[64:])]
    options = dict(epochs=12, precision="32", batch_size=16, learning_rate=1e-2, imbalance="adjustment", augment=False)
    options["checkpoint"] = tmp_path / "run.pt"
    fit = pot.train_network(small("ours", 4), *parts, **options)
    assert fit.best_epoch == fit.history.validation_loss.idxmin() and not options["checkpoint"].exists()
    p, share = pot.distribution(fit.model, x[64:], context[64:])
    assert p.shape == (32, 60) and share.shape == (32, 8)
    assert np.corrcoef(pot.expected(p), values[64:])[0, 1] > 0.8
    single, _ = pot.distribution([fit.model, fit.model], x[64:], context[64:], leads=["V4"])
    assert single.shape == (32, 60)
    with pytest.raises(ValueError, match="leads are out of"):
        pot.distribution(fit.model, x, context, leads=["V7"])
    table = pot.lead_deletion(fit.model, x[64:], context[64:], values[64:] >= 5.5, share)
    assert list(table) == ["most", "random", "least"] and len(table) == 8 and (table.loc[0].nunique() == 1)
