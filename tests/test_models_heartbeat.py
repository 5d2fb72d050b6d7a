"""Heartbeat networks: sizes as published, shapes, what each input does, and that they can learn."""

import pytest
import torch
from torch.nn.functional import cross_entropy

from cardio_utils.models.heartbeat import BeatMLP, BeatNet, KachueeNet, PictureNet, ThreeConvNet, augment_beats
from cardio_utils.models.layers import ResidualBlock, as_channels, count_parameters

BUILD = {
    "mlp": lambda: BeatMLP(187, 5),
    "three": ThreeConvNet,
    "kachuee": KachueeNet,
    "beatnet": BeatNet,
}


def test_sizes_are_the_published_ones():
    assert count_parameters(BeatMLP()) == 14_145
    three = ThreeConvNet()
    running = sum(b.numel() for name, b in three.named_buffers() if "running" in name)
    assert count_parameters(three) + running == 928_645
    assert 54_000 <= count_parameters(KachueeNet()) <= 58_000
    assert count_parameters(BeatNet(n_context=20)) < 450_000


@pytest.mark.parametrize("name", BUILD)
def test_logits_have_one_value_a_class(name):
    assert BUILD[name]()(torch.randn(3, 187)).shape == (3, 5)


@pytest.mark.parametrize("name", ["three", "kachuee", "beatnet"])
def test_a_channel_axis_changes_nothing(name):
    net, wave = BUILD[name]().eval(), torch.randn(3, 187)
    assert torch.equal(net(wave), net(wave[:, None]))


@pytest.mark.parametrize("name", BUILD)
def test_beats_do_not_mix_in_evaluation(name):
    net, wave = BUILD[name]().eval(), torch.randn(4, 187)
    torch.testing.assert_close(net(wave)[:2], net(wave[:2]))


@pytest.mark.parametrize("length", [144, 187])
def test_beatnet_takes_both_layouts_and_several_channels(length):
    net = BeatNet(n_channels=3, n_context=7, n_classes=4)
    assert net(torch.randn(5, 3, length), torch.randn(5, 7)).shape == (5, 4)


def test_beatnet_uses_wave_and_context():
    torch.manual_seed(0)
    net = BeatNet(n_context=7).eval()
    wave, context = torch.randn(2, 144), torch.randn(2, 7)
    assert not torch.allclose(net(wave, context), net(wave, -context))
    assert not torch.allclose(net(wave, context), net(-wave, context))


def test_beatnet_knows_where_in_the_beat_a_wave_lies():
    torch.manual_seed(0)
    net = BeatNet().eval()
    early, late = torch.zeros(1, 144), torch.zeros(1, 144)
    early[0, 44:52], late[0, 108:116] = 1.0, 1.0
    assert not torch.allclose(net(early), net(late), atol=1e-3)


def test_beatnet_refuses_a_missing_or_needless_context():
    with pytest.raises(ValueError, match="7 values of context"):
        BeatNet(n_context=7)(torch.randn(2, 144))
    with pytest.raises(ValueError, match="0 values of context"):
        BeatNet()(torch.randn(2, 144), torch.randn(2, 7))


@pytest.mark.parametrize("name", ["three", "kachuee", "beatnet"])
def test_last_conv_is_a_convolution_that_the_output_passes_through(name):
    net = BUILD[name]()
    assert isinstance(net.last_conv, torch.nn.Conv1d)
    seen = []
    net.last_conv.register_forward_hook(lambda module, inputs, output: seen.append(output))
    net(torch.randn(2, 187)).sum().backward()
    assert seen[0].shape[-1] >= 9
    assert net.last_conv.weight.grad.abs().sum() > 0


def test_backbone_moves_to_a_network_with_other_classes():
    source, target = BeatNet(n_context=7, n_classes=5), BeatNet(n_classes=2)
    target.backbone.load_state_dict(source.backbone.state_dict())
    wave = as_channels(torch.randn(2, 187))
    assert torch.equal(source.backbone.eval()(wave), target.backbone.eval()(wave))


def test_too_short_a_wave_is_refused_at_once():
    with pytest.raises(ValueError, match="too few"):
        ThreeConvNet(n_time=20)
    with pytest.raises(ValueError, match="too few"):
        KachueeNet(n_time=40)
    with pytest.raises(ValueError, match="batch, time"):
        BeatNet()(torch.randn(187))


@pytest.mark.parametrize(("length", "stride"), [(36, 1), (36, 2), (37, 2)])
def test_residual_block_shortens_by_its_stride(length, stride):
    y = ResidualBlock(8, 12, stride=stride)(torch.randn(2, 8, length))
    assert y.shape == (2, 12, -(-length // stride))


@pytest.mark.parametrize("name", BUILD)
def test_each_network_learns_a_small_set_by_heart(name):
    torch.manual_seed(0)
    net, wave, target = BUILD[name](), torch.randn(10, 187), torch.arange(10) % 5
    optimiser = torch.optim.Adam(net.parameters(), 3e-3)
    for _ in range(50):
        optimiser.zero_grad()
        cross_entropy(net(wave), target).backward()
        optimiser.step()
    assert (net.eval()(wave).argmax(1) == target).float().mean() > 0.9


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def shifts(batch, count=40):
    """Shifts (samples) of the last input, a copy of one peak at index 60, over `count` augmentations."""
    return {int(augment_beats(batch, generator(s))[0][0, -1].argmax()) - 60 for s in range(count)}


@pytest.mark.parametrize("shape", [(6, 144), (6, 1, 187), (6, 2, 187)])
def test_augmented_beats_keep_their_shapes(shape):
    wave, context = torch.randn(shape), torch.randn(6, 7)
    before = wave.clone(), context.clone()
    changed, noisy = augment_beats((wave, context), generator())
    assert changed.shape == wave.shape and noisy.shape == context.shape
    assert not torch.equal(changed, wave)
    assert torch.equal(wave, before[0]) and torch.equal(context, before[1])
    assert len(augment_beats((wave,), generator())) == 1


def test_augmentation_follows_its_generator():
    batch = torch.randn(4, 144), torch.randn(4, 3)
    first, again, other = (augment_beats(batch, generator(seed)) for seed in (1, 1, 2))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(first, other, strict=True))
    state = torch.get_rng_state()
    augment_beats(batch, generator())
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("seed", range(8))
def test_padding_stays_zero_and_nothing_else_does(seed):
    wave = torch.rand(5, 187)
    wave[:, 120:] = 0
    wave[:, 50] = 0  # the lowest sample of a beat scaled to [0, 1] is no padding
    changed = augment_beats((wave,), generator(seed))[0]
    assert (changed[:, 122:] == 0).all()
    assert (changed[:, :118] != 0).all(), "the beat must not end up on the other side of the window either"


def test_a_mask_moves_with_its_wave_and_is_not_changed_otherwise():
    wave, mask = torch.zeros(3, 144), torch.zeros(3, 144)
    wave[:, 60], mask[:, 60] = 1.0, 1.0
    batch = (torch.stack([wave, mask], dim=1),)
    assert shifts(batch) == {-2, -1, 0, 1, 2}
    for seed in range(6):
        changed = augment_beats(batch, generator(seed))[0]
        assert torch.equal(changed[:, 1].unique(), torch.tensor([0.0, 1.0]))
        assert (changed[:, 1].sum(-1) == 1).all()
        assert torch.equal(changed[:, 0].argmax(-1), changed[:, 1].argmax(-1))


def test_augmentation_is_mild():
    time = torch.linspace(0, 1, 144)
    wave = torch.sin(6 * torch.pi * time).expand(2000, 144)
    context = torch.zeros(2000, 5)
    changed, noisy = augment_beats((wave, context), generator(3))
    assert 0.02 < (changed - wave).std() / wave.std() < 0.35
    assert abs((changed * wave).sum(-1).std() / (wave * wave).sum(-1).mean() - 0.1) < 0.04
    assert 0.02 < noisy.std() < 0.04


def test_a_flat_beat_does_not_break_the_augmentation():
    assert (augment_beats((torch.zeros(2, 187),), generator())[0] == 0).all()
    assert torch.isfinite(augment_beats((torch.full((2, 187), 0.5),), generator())[0]).all()


def test_the_picture_network_names_pictures_of_any_size():
    network = PictureNet(n_classes=3, width=8).eval()
    assert network(torch.randn(5, 32, 32)).shape == (5, 3) == network(torch.randn(5, 24, 40)).shape
    loss = network.train()(torch.randn(5, 32, 32)).square().sum()
    loss.backward()
    assert all(p.grad.abs().sum() > 0 for name, p in network.named_parameters() if "bias" not in name)
