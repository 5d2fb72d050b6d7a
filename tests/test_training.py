"""Tests of cardio_utils.training: what is learnt, what is refused, that interruptions change no digit."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn
from torch.optim.optimizer import register_optimizer_step_pre_hook

from cardio_utils import training

LOSS = nn.CrossEntropyLoss()


def data(n=400, seed=0):
    """Two classes parted by the sign of a sum, as inputs (n, 6) and targets (n,)."""
    x = np.random.default_rng(seed).standard_normal((n, 6)).astype("float32")
    return x, (x[:, :3].sum(1) > 0).astype(int)


def network(dropout=0.0):
    torch.manual_seed(3)
    return nn.Sequential(nn.Linear(6, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(dropout), nn.Linear(16, 2))


def accuracy(target, output):
    return (output.argmax(1) == target).mean()


def weights(model):
    return torch.cat([v.detach().flatten().float() for v in model.state_dict().values()])


def run(model=None, train=None, validation=None, **options):
    defaults = dict(loss=LOSS, metric=accuracy, epochs=6, batch_size=64, learning_rate=0.02, precision="32")
    defaults |= dict(accelerator="cpu")
    model = network() if model is None else model
    return training.fit(model, data() if train is None else train, validation or data(200, 1), **(defaults | options))


def test_learns_and_returns_the_best_weights():
    result = run(epochs=12, patience=None)
    assert list(result.history) == ["train_loss", "learning_rate", "validation_loss", "metric"]
    assert result.history.index[0] == 1 and len(result.history) == 12
    assert result.history.metric.max() > 0.93
    assert result.best_epoch == result.history.metric.idxmax()
    x, y = data(200, 1)
    assert accuracy(y, training.predict(result.model, x)) == result.history.metric.max()
    assert not result.model.training and result.precision == "32" and result.seconds > 0


def test_best_weights_are_restored_when_later_epochs_are_worse():
    # The metric prefers the weights after the second epoch, whatever comes later.
    scores = iter([0.1, 0.9, 0.3, 0.2])
    seen = []

    def metric(target, output):
        seen.append(output)
        return next(scores)

    result = run(metric=metric, epochs=4, patience=None)
    assert result.best_epoch == 2
    again = training.predict(result.model, data(200, 1)[0], batch_size=64)  # as in validation: sums in the same order
    np.testing.assert_array_equal(again, seen[1])


def test_the_last_weights_stay_where_nothing_is_to_be_chosen():
    scores = iter([0.1, 0.9, 0.3])
    result = run(metric=lambda t, o: next(scores), epochs=3, patience=None, keep="last")
    assert result.best_epoch == 3


def test_early_stopping_counts_epochs_without_improvement():
    scores = iter([0.5, 0.9] + [0.4] * 20)
    assert len(run(metric=lambda t, o: next(scores), epochs=20, patience=3).history) == 5


def test_smaller_is_better_in_min_mode_and_without_a_metric():
    scores = iter([3.0, 1.0, 2.0])
    assert run(metric=lambda t, o: next(scores), mode="min", epochs=3).best_epoch == 2
    result = run(metric=None, epochs=5, patience=None)
    assert "metric" not in result.history
    assert result.best_epoch == result.history.validation_loss.idxmin()


def test_same_seed_same_digits_and_the_callers_random_state_is_left_alone():
    torch.manual_seed(11)
    expected = torch.rand(1)
    torch.manual_seed(11)
    first = run(network(0.3), seed=5)
    torch.manual_seed(11)
    second = run(network(0.3), seed=5)
    other = run(network(0.3), seed=6)
    assert torch.equal(weights(first.model), weights(second.model))
    assert not torch.equal(weights(first.model), weights(other.model))
    torch.manual_seed(11)
    model = network(0.3)
    torch.manual_seed(11)
    run(model)
    assert torch.equal(torch.rand(1), expected)


def noise(inputs, generator):
    return (inputs[0] + 0.1 * torch.randn(inputs[0].shape, generator=generator),)


@pytest.mark.parametrize("schedule", ["one-cycle", "cosine", "constant"])
def test_interrupted_and_resumed_equals_uninterrupted_to_the_digit(tmp_path, schedule):
    options = dict(schedule=schedule, augment=noise, epochs=6, patience=None)
    whole = run(network(0.3), **options)
    path = tmp_path / "deep" / "run.pt"
    calls = []

    def interrupted(target, output):
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return accuracy(target, output)

    with pytest.raises(KeyboardInterrupt):
        run(network(0.3), checkpoint=path, metric=interrupted, **options)
    assert path.exists()
    fresh = network(0.3)
    torch.manual_seed(99)  # whatever happened in the new process before
    resumed = run(fresh, checkpoint=path, **options)
    assert torch.equal(weights(resumed.model), weights(whole.model))
    assert resumed.history.equals(whole.history)
    assert resumed.best_epoch == whole.best_epoch
    assert list(path.parent.iterdir()) == []  # a completed run leaves nothing


def interrupt_after_one(path, **options):
    def metric(target, output):
        if path.exists():
            raise KeyboardInterrupt
        return 0.5

    with pytest.raises(KeyboardInterrupt):
        run(checkpoint=path, metric=metric, **options)


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"learning_rate": 0.5}, "learning_rate"),
        ({"train": data(400, 7)}, "data"),
        ({"model": nn.Linear(6, 2)}, "model"),
    ],
)
def test_checkpoint_of_another_run_is_refused(tmp_path, change, name):
    path = tmp_path / "run.pt"
    interrupt_after_one(path)
    with pytest.raises(ValueError, match=f"other {name}: delete it"):
        run(checkpoint=path, **change)


def test_a_file_that_is_no_checkpoint_is_refused(tmp_path):
    path = tmp_path / "run.pt"
    path.write_bytes(b"<html>not found</html>")
    with pytest.raises(ValueError, match=r"run\.pt is no checkpoint"):
        run(checkpoint=path)


def test_learning_rate_schedules():
    options = dict(epochs=10, patience=None, learning_rate=0.01)
    cycle, cosine, constant = (
        run(schedule=s, **options).history.learning_rate for s in ("one-cycle", "cosine", "constant")
    )
    assert cycle.max() == pytest.approx(0.01, rel=0.05) and cycle.idxmax() == 3 and cycle.iloc[-1] < 1e-4
    assert (cosine.diff().dropna() < 0).all() and cosine.iloc[-1] == pytest.approx(0, abs=1e-6)
    assert (constant == 0.01).all()


class TwoInputs(nn.Module):
    """A network of two inputs and two outputs."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.wave, self.context = nn.Linear(6, 2), nn.Linear(1, 2)

    def forward(self, wave, context):
        output = self.wave(wave) + self.context(context)
        return output, output**2


def test_several_inputs_targets_and_outputs():
    x, y = data()
    context = x[:, :1]
    first = LOSS

    def loss(output, target):
        return first(output[0], target[0]) + 0.01 * ((output[1].mean(1) - target[1]) ** 2).mean()

    def metric(target, output):
        assert target[1].dtype == np.float32 and output[0].shape == (400, 2)
        return accuracy(target[0], output[0])

    pair = ((x, context), (y, x[:, 0].astype(float)))
    result = run(TwoInputs(), pair, pair, loss=loss, metric=metric)
    output = training.predict(result.model, (x, context), batch_size=7)
    assert isinstance(output, tuple) and output[1].shape == (400, 2)
    assert accuracy(y, output[0]) > 0.85


def test_augmentation_sees_training_batches_only():
    sizes = []

    def augment(inputs, generator):
        assert isinstance(inputs, tuple) and isinstance(generator, torch.Generator)
        sizes.append(len(inputs[0]))
        return (torch.zeros_like(inputs[0]),)

    result = run(augment=augment, epochs=2, learning_rate=1e-8)
    assert sum(sizes) == 800
    # All training inputs are equal, so the loss is that of a constant; validation inputs are not.
    assert training.predict(result.model, data(50)[0]).std(0).min() > 0


def test_a_lone_last_sample_does_not_break_batch_normalisation():
    sizes = []
    run(train=data(129), augment=lambda i, g: sizes.append(len(i[0])) or i, epochs=1)
    assert sizes == [64, 65]


def test_predict_equals_the_plain_call_and_keeps_the_mode():
    model = network(0.5).train()
    x, _ = data(100)
    with torch.no_grad():
        expected = network(0.5).eval()(torch.from_numpy(x)).numpy()
    got = training.predict(model, x, batch_size=33)
    assert got.dtype == np.float32 and model.training
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("train", "message"),
    [
        (
            lambda x, y: (np.where(np.arange(400)[:, None] == 3, np.nan, x), y),
            "train inputs: 1 of 400 samples",
        ),
        (lambda x, y: (x, np.where(np.arange(400) < 2, np.inf, y)), "train target: 2 of 400 samples"),
        (lambda x, y: (x[:0], y[:0]), "train inputs: the set is empty"),
        (lambda x, y: (x, y[:-1]), "400 inputs but 399 targets"),
        (lambda x, y: ((x, x[:-1]), y), r"different lengths \[400, 399\]"),
        (lambda x, y: (x, np.where(y > 0, "V", "N")), "numbers are needed"),
        (lambda x, y: x, r"a pair \(inputs, target\) is needed"),
    ],
)
def test_bad_data_gives_one_clear_error(train, message):
    with pytest.raises(ValueError, match=message):
        run(train=train(*data()))


@pytest.mark.parametrize(("name", "value"), [("schedule", "step"), ("mode", "best"), ("precision", "fp8")])
def test_unknown_settings_are_refused(name, value):
    with pytest.raises(ValueError, match=f"{name}='{value}' is not known; one of"):
        run(**{name: value})


def test_non_finite_loss_stops_and_names_the_epoch():
    calls = []

    def loss(output, target):
        calls.append(1)
        return LOSS(output, target) * (float("nan") if len(calls) > 20 else 1.0)

    with pytest.raises(FloatingPointError, match="nan in epoch 2: lower the learning rate"):
        run(loss=loss, batch_size=32, validation=data(10))


def test_non_finite_loss_leaves_the_best_weights_and_says_so():
    model, kept, calls = network(), [], []

    def loss(output, target):
        calls.append(1)
        return LOSS(output, target) * (float("inf") if len(calls) > 60 else 1.0)  # 14 batches an epoch

    def metric(target, output):
        kept.append(weights(model).clone())
        return [0.5, 0.9, 0.7, 0.6][len(kept) - 1]

    with pytest.raises(FloatingPointError, match=r"in epoch 5: .* the weights of epoch 2 again, the best so far"):
        run(model, loss=loss, metric=metric, batch_size=32, validation=data(10))
    assert torch.equal(weights(model), kept[1]) and not model.training
    calls[:] = [1] * 60
    with pytest.raises(FloatingPointError, match=r"in epoch 1: .* no epoch was complete before"):
        run(loss=loss)


def test_a_metric_that_is_never_a_number_is_an_error():
    with pytest.raises(ValueError, match="NaN in every epoch"):
        run(metric=lambda t, o: float("nan"))


@pytest.mark.parametrize(("slow", "expected"), [("32", "bf16"), ("bf16", "32"), ("neither", "32")])
def test_auto_precision_follows_the_measurement(monkeypatch, slow, expected):
    monkeypatch.setattr(training, "_has_bf16", lambda device: True)
    order = iter(["32", "bf16"])
    monkeypatch.setattr(training, "_step_seconds", lambda *a: 2.0 if next(order) == slow else 1.0)
    types = []

    def loss(output, target):
        types.append(output.dtype)
        return LOSS(output, target)

    result = run(precision="auto", loss=loss, epochs=8)
    assert result.precision == expected
    assert set(types) == {torch.float32}
    assert result.history.metric.max() > 0.85


def test_without_bf16_units_nothing_is_measured(monkeypatch):
    monkeypatch.setattr(training, "_has_bf16", lambda device: False)
    monkeypatch.setattr(training, "_step_seconds", lambda *a: pytest.fail("measured"))
    assert run(precision="auto", epochs=1).precision == "32"


def test_measuring_leaves_the_model_alone():
    model = network()
    before = weights(model).clone()
    batch = tuple(torch.as_tensor(a[:64]) for a in data())
    cpu = torch.device("cpu")
    assert training._faster_precision(model, ((batch[0],), (batch[1],)), LOSS, "cpu", cpu) in ("32", "bf16")
    assert torch.equal(weights(model), before)


def test_quiet_and_lazy():
    """A run prints nothing on either stream, and importing or predicting does not import Lightning."""
    code = """if True:
        import sys, torch
        from cardio_utils import training
        x = torch.randn(64, 3)
        pair = x, x[:, :1]
        training.predict(torch.nn.Linear(3, 1), x)
        assert "lightning" not in sys.modules
        loss = torch.nn.MSELoss()
        for precision in ("32", "bf16", "auto"):
            training.fit(torch.nn.Linear(3, 1), pair, pair, loss=loss, epochs=2, precision=precision)
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_progress_is_for_a_person_only(monkeypatch, capsys):
    for person in (True, False):
        monkeypatch.setattr(training, "watched", lambda person=person: person)
        run(epochs=2)
        assert ("epoch" in capsys.readouterr().err) == person


def test_gradients_are_clipped():
    norms = []

    def look(optimizer, *_):
        grads = [p.grad.flatten() for group in optimizer.param_groups for p in group["params"]]
        norms.append(float(torch.cat(grads).norm()))

    hook = register_optimizer_step_pre_hook(look)
    try:
        run(loss=lambda output, target: 1e4 * LOSS(output, target), epochs=1)
    finally:
        hook.remove()
    assert len(norms) == 7 and max(norms) == pytest.approx(1, abs=1e-3)
