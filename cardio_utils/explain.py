"""What a network looked at: Grad-CAM along time, and two tests that a map must pass before it is believed.

Grad-CAM follows Selvaraju 2017: channel weights are the gradients of the predicted class's logit, averaged
over time; the map is the positive part of the weighted sum of channels. A map that stays the same when the
weights are replaced by random ones says nothing about what was learnt (Adebayo 2018); a map that is right
names the samples without which the decision fades (Samek 2017).
"""

import copy
import dataclasses
import warnings

import numpy as np
import pandas as pd
import torch

from . import evaluation, training


def grad_cam(model, inputs, layer, target=None, valid_length=None, batch_size=512):
    """Grad-CAM of each beat, at the sampling rate of the beat.

    A column of the layer is placed where it looks: at the centre of its gradient with respect to the wave,
    which accounts for strides, padding and pooling. Between columns the map is interpolated linearly.

    Parameters
    ----------
    model : torch.nn.Module
        Called as `model(*inputs)`; returns logits (n, classes), or (n,) or (n, 1) for a binary outcome.
    inputs : array or tensor of shape (n, time) or (n, lead, time), or a tuple that starts with it
        Further inputs are passed on and not explained.
    layer : torch.nn.Module or str
        A convolution or block of the model with output (n, channel, column), or its name.
    target : int array of shape (n,), optional
        The class to explain; the predicted one, if not given. For a binary outcome 0 or 1.
    valid_length : int array of shape (n,), optional
        Number of samples before the padding.
    batch_size : int

    Returns
    -------
    ndarray of shape (n, time), float32
        From 0 to 1, where 1 is the maximum of the beat; zero everywhere if nothing spoke for the class; NaN
        from `valid_length` on.

    Raises
    ------
    ValueError
        Unusable inputs, an unknown layer, or a layer whose output has no time axis.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # captum's progress bars ask for notebook widgets, which nobody needs here
        from captum.attr import LayerGradCam

    inputs = training._tensors("inputs", inputs)
    layer = _find(model, layer)[1]
    target = predicted(model, inputs) if target is None else np.asarray(target)
    device = next(model.parameters()).device
    n, time = len(inputs[0]), inputs[0].shape[-1]
    was_training = model.training
    model.eval()
    try:
        placed = _placement(model, inputs, layer, time)
        method = LayerGradCam(lambda *batch: _logits(model(*batch)), layer)
        maps = []
        for start in range(0, n, batch_size):
            wave, *rest = (t[start : start + batch_size].to(device) for t in inputs)
            wanted = torch.as_tensor(target[start : start + batch_size], device=device)
            cam = method.attribute(wave, wanted, additional_forward_args=tuple(rest), relu_attributions=True)
            maps.append(cam.detach()[:, 0].cpu().double().numpy() @ placed)
    finally:
        model.train(was_training)
    maps = np.concatenate(maps)
    if valid_length is not None:
        maps[np.arange(time) >= np.asarray(valid_length)[:, None]] = np.nan
    highest = np.nanmax(maps, axis=1, keepdims=True)
    return (maps / np.maximum(highest, np.finfo("float32").tiny)).astype("float32")


def predicted(model, inputs):
    """The class that a model gives each sample: argmax of the logits, or whether the log-odds are
    positive."""
    output = training.predict(model, inputs)
    return _logits(torch.from_numpy(output)).argmax(1).numpy()


def class_mean_map(values, labels, classes=None):
    """Mean of waves or maps over the beats of each class: DataFrame (class, sample); NaN values are left
    out."""
    values, labels = np.asarray(values, float), np.asarray(labels)
    classes = list(np.unique(labels)) if classes is None else list(classes)
    rows = [pd.DataFrame(values[labels == c]).mean() for c in classes]
    return pd.DataFrame(np.stack(rows), index=pd.Index(classes, name="class"))


def randomised_weights_check(model, inputs, layer, valid_length=None, copies=3, seed=0):
    """How much the maps resemble those of the same network with random weights.

    Parameters
    ----------
    model, inputs, layer, valid_length
        As for `grad_cam`. The class that the trained network predicts is explained in all.
    copies, seed : int
        Number of random networks.

    Returns
    -------
    ndarray of shape (n,)
        Correlation along time, averaged over the copies: near 1 where a map does not depend on what was
        learnt. NaN where a map is constant.
    """
    target = predicted(model, inputs)
    name = _find(model, layer)[0]
    trained = grad_cam(model, inputs, layer, target, valid_length)
    correlations = []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for _ in range(copies):
            other = _randomised(model)
            untrained = grad_cam(other, inputs, name, target, valid_length)
            correlations.append(_correlation(trained, untrained))
    return pd.DataFrame(correlations).mean().to_numpy()


@dataclasses.dataclass(frozen=True, eq=False)
class Deletion:
    """How a decision fades as samples are taken away.

    Attributes
    ----------
    curves : DataFrame
        Index `removed` (share of the valid samples); mean probability of the originally predicted class when
        the `most` important, `least` important or `random` segments go first.
    against_random, against_least : evaluation.Estimate
        Area between the curve `random` (or `least`) and `most`, as a mean probability over the range of
        shares: above zero where the map found what the decision rests on.
    """

    curves: pd.DataFrame
    against_random: evaluation.Estimate
    against_least: evaluation.Estimate


def deletion_curve(model, inputs, maps, group, valid_length=None, width=8, most=0.5, steps=10, seed=0):
    """Remove segments of the wave in the order of a map's importance, and predict again.

    Whole segments go, because single samples could be read off their neighbours, and a straight line between
    the samples that remain takes their place, because zeros would be a feature of their own. A few hundred
    beats are enough: each is predicted `3 * (steps + 1)` times.

    Parameters
    ----------
    model, inputs, valid_length
        As for `grad_cam`.
    maps : array of shape (n, time)
        Importance, such as `grad_cam` returns.
    group : array of shape (n,)
        Patients, for the intervals.
    width : int
        Samples in a segment.
    most : float
        Largest share to remove.
    steps : int
        Number of shares.
    seed : int
        Of the random order.

    Returns
    -------
    Deletion

    Raises
    ------
    ValueError
        Maps of another shape than the waves.
    """
    inputs = training._tensors("inputs", inputs)
    wave = inputs[0].cpu().numpy()
    n, time = len(wave), wave.shape[-1]
    maps = np.asarray(maps, float)
    if maps.shape != (n, time):
        raise ValueError(f"maps of shape {maps.shape} for {n} waves of {time} samples")
    length = np.full(n, time) if valid_length is None else np.asarray(valid_length)
    segments = np.arange(time) // width
    importance = _segment_means(np.where(np.arange(time) < length[:, None], maps, np.nan), segments)
    chance = np.random.default_rng(seed).random(importance.shape)
    orders = {
        "most": importance,
        "random": np.where(np.isnan(importance), np.nan, chance),
        "least": -importance,
    }
    target = predicted(model, inputs)
    shares = np.linspace(0, most, steps + 1)
    columns = {}
    for name, key in orders.items():
        rank = np.argsort(np.argsort(-np.nan_to_num(key, nan=-np.inf), axis=1, kind="stable"), axis=1)
        quota = shares[:, None, None] * np.isfinite(key).sum(1, keepdims=True) - 1e-9
        gone = (rank < quota)[..., segments]
        bridged = (_bridged(wave, each, length) for each in gone)
        columns[name] = np.stack([_probability(model, inputs, each, target) for each in bridged])
    area = {name: p.mean(0) for name, p in columns.items()}

    def against(other):
        return evaluation.bootstrap(lambda a, b: (a - b).mean(), area[other], area["most"], group)

    curves = pd.DataFrame({k: p.mean(1) for k, p in columns.items()}, index=pd.Index(shares, name="removed"))
    return Deletion(curves, against("random"), against("least"))


def _find(model, layer):
    """Name and module of a layer given as either."""
    for name, module in model.named_modules():
        if name and (module is layer or name == layer):
            return name, module
    known = ", ".join(name for name, _ in model.named_modules() if name)
    raise ValueError(f"no layer {layer!r} in the model; it has {known}")


def _logits(output):
    """Logits (n, classes); log-odds z of a binary outcome become (-z/2, z/2)."""
    output = output[:, None] if output.ndim == 1 else output
    return torch.cat([-output / 2, output / 2], dim=1) if output.shape[1] == 1 else output


def _placement(model, inputs, layer, time, probes=16, columns=9):
    """Weights (column, time) that place each column of a layer at the samples that it looks at."""
    device = next(model.parameters()).device
    wave, *rest = (t[:probes].to(device) for t in inputs)
    # Noise, because beats are alike and would open the network's gates at the same moments only.
    noise = torch.randn(wave.shape, generator=torch.Generator().manual_seed(0)).to(device)
    wave = (wave.mean() + wave.std() * noise).requires_grad_(True)
    seen = []
    handle = layer.register_forward_hook(lambda module, args, output: seen.append(output))
    try:
        model(wave, *rest)
    finally:
        handle.remove()
    if len(seen) != 1 or seen[0].ndim != 3 or seen[0].shape[-1] < 2:
        raise ValueError("the layer must give one output of shape (n, channel, column), with at least 2 columns")
    count = seen[0].shape[-1]
    even = (np.arange(count) + 0.5) * time / count - 0.5
    # The outer columns see less of the wave than they reach for, so the inner ones are asked.
    asked = np.unique(np.linspace(count // 4, count - 1 - count // 4, min(columns, count)).round().astype(int))
    centre = []
    for column in asked:
        (gradient,) = torch.autograd.grad(seen[0][..., column].abs().sum(), wave, retain_graph=True)
        power = gradient.double().square().reshape(-1, time).sum(0).cpu().numpy()
        centre.append((power * np.arange(time)).sum() / power.sum() if power.sum() else np.nan)
    centre = np.array(centre)
    if len(asked) > 1 and np.isfinite(centre).all():
        stride = max(1, round(np.polyfit(asked, centre, 1)[0]))
        # A layer that mixes all of time has no place of its own: then the columns are spread evenly.
        if 0.7 < stride / (time / count) < 1.4:
            even = stride * np.arange(count) + (centre - stride * asked).mean()
    place = np.clip(np.interp(np.arange(time), even, np.arange(count)), 0, count - 1)
    below = np.minimum(place.astype(int), count - 2)
    weights = np.zeros((count, time))
    weights[below, np.arange(time)] = 1 - (place - below)
    weights[below + 1, np.arange(time)] += place - below
    return weights


def _randomised(model):
    other = copy.deepcopy(model)
    for module in other.modules():
        if hasattr(module, "reset_parameters"):
            module.reset_parameters()
        else:
            for parameter in module.parameters(recurse=False):
                spread = float(parameter.detach().std()) if parameter.numel() > 1 else 1.0
                torch.nn.init.normal_(parameter, std=spread)
    return other


def _correlation(a, b):
    """Pearson correlation of each row, over the samples that both know; NaN where a row is constant."""
    a = a - np.nanmean(a, axis=1, keepdims=True)
    b = b - np.nanmean(b, axis=1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.nansum(a * b, axis=1) / np.sqrt(np.nansum(a * a, axis=1) * np.nansum(b * b, axis=1))


def _segment_means(values, segments):
    """Mean over each segment of columns; NaN where a segment holds no number."""
    return pd.DataFrame(values.T).groupby(segments).mean().to_numpy().T


def _bridged(wave, removed, length):
    """Waves whose removed samples lie on a straight line between those that remain."""
    flat = wave.reshape(len(wave), -1, wave.shape[-1]).copy()
    for row in np.flatnonzero(removed.any(1)):
        gone = np.flatnonzero(removed[row, : length[row]])
        kept = np.flatnonzero(~removed[row, : length[row]])
        for trace in flat[row]:
            trace[gone] = np.interp(gone, kept, trace[kept]) if len(kept) else 0
    return flat.reshape(wave.shape)


def _probability(model, inputs, wave, target):
    output = training.predict(model, (torch.from_numpy(wave), *inputs[1:]))
    share = _logits(torch.from_numpy(output)).double().softmax(1).numpy()
    return share[np.arange(len(target)), target]


def tree_shap(model, x):
    """Contributions of the features to each prediction of boosted trees (SHAP, Lundberg 2020).

    XGBoost's own exact algorithm; the `shap` package's TreeExplainer gives the same.

    Parameters
    ----------
    model : xgboost.XGBRegressor
        With one or several outputs.
    x : DataFrame (n, feature)

    Returns
    -------
    contribution : ndarray of shape (n, output, feature)
        In the unit of the target; with `base` they sum to the prediction.
    base : ndarray of shape (n, output)
        The model's mean prediction for its training data.

    Raises
    ------
    ValueError
        The model is no boosted tree ensemble.
    """
    if not hasattr(model, "get_booster"):
        raise ValueError(f"tree_shap explains models of xgboost, not {type(model).__name__}")
    import xgboost

    both = model.get_booster().predict(xgboost.DMatrix(x), pred_contribs=True).astype(float)
    both = both.reshape(len(x), -1, x.shape[1] + 1)
    return both[..., :-1], both[..., -1]
