"""From leads to transmembrane potentials at 75 sites: what is measured, baselines, and two kinds of networks.

Potentials are mV, (case, site, time) with one sample a ms; leads are mV, (case, lead, time), I, II and V1 to V6.
Introduced in chapter 09.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import linalg

from cardio_utils import action_potential as ap
from cardio_utils.data.intracardiac import activation_time

__all__ = [
    "METRICS",
    "Measures",
    "attribution",
    "by_activation",
    "draw",
    "errors",
    "mean_potential",
    "measure",
    "nearest",
    "own_leads",
    "parameters",
    "parametric_network",
    "predict",
    "ridge",
    "template",
    "template_by_activation",
    "train_parameters",
    "train_potentials",
]

METRICS = {
    "mae": "mV",
    "rmse": "mV",
    "skill": "",
    "activation": "ms",
    "apd90": "ms",
    "upstroke": "V/s",
}
"""Columns of `errors` and their units."""

_BLOCK = 64  # cases worked on at a time
_BEFORE, _AFTER = 10.0, 1.25  # where a wave of the template begins (ms) and ends (shares of its duration)
_STEP = 0.25  # ms between entries of the template
_COARSE = 20  # every so many entries of the template suffice to tell a shape


class Measures(NamedTuple):
    """What is read off potentials; arrays (case, site), NaN where a window does not show it.

    Attributes
    ----------
    activation : float32
        When Vm crosses 0 mV, ms: `data.intracardiac.activation_time`.
    apd90 : float32
        From the largest dV/dt to 90 % repolarisation, ms: `action_potential.apd`. NaN where the upstroke comes with
        the stimulus or the window ends too early.
    upstroke : float32
        The largest dV/dt between two samples, V/s.
    """

    activation: np.ndarray
    apd90: np.ndarray
    upstroke: np.ndarray

    def at(self, rows):
        """Those of some cases."""
        return Measures(*(column[rows] for column in self))


def measure(vm):
    """Activation times, durations and upstrokes of potentials.

    Parameters
    ----------
    vm : (case, site, time) array_like
        mV, every ms.

    Returns
    -------
    Measures
    """
    parts = []
    for block in _blocks(vm):
        durations = ap.apd(block, 1000.0, (90,)).apd[..., 0]
        parts.append((activation_time(block), durations, np.diff(block, axis=-1).max(-1)))
    return Measures(*(np.concatenate(column).astype(np.float32) for column in zip(*parts, strict=True)))


def _blocks(vm):
    vm = np.asarray(vm)
    if vm.ndim != 3 or not len(vm):
        raise ValueError(f"potentials are (case, site, time), not {vm.shape}")
    return (vm[i : i + _BLOCK] for i in range(0, len(vm), _BLOCK))


def errors(predicted, vm, mean, measured=None):
    """How far potentials are off, one row a case.

    Parameters
    ----------
    predicted, vm : (case, site, time) array_like
        mV.
    mean : (site, time) array_like
        The mean template of training, mV.
    measured : Measures, optional
        Of `vm`, where they are known already.

    Returns
    -------
    DataFrame
        `mae`, `rmse` (mV); `skill`, 1 - (mean square error) / (that of the mean template); mean absolute errors of
        `activation` and `apd90` (ms) and of `upstroke` (V/s) over the sites that have them; `lost`, share of the
        sites that are activated and not in the prediction, whose error nothing can tell.

    Raises
    ------
    ValueError
        Shapes differ.
    """
    predicted, vm = np.asarray(predicted), np.asarray(vm)
    if predicted.shape != vm.shape or np.shape(mean) != vm.shape[1:]:
        raise ValueError(f"shapes {predicted.shape}, {vm.shape} and {np.shape(mean)} do not fit each other")
    truth, found = measure(vm) if measured is None else measured, measure(predicted)
    columns = {"mae": [], "rmse": [], "skill": []}
    for said, true in zip(_blocks(predicted), _blocks(vm), strict=True):
        off = said - true
        square, reference = (np.square(x).mean((1, 2)) for x in (off, mean - true))
        columns["mae"].append(np.abs(off).mean((1, 2)))
        columns["rmse"].append(np.sqrt(square))
        columns["skill"].append(1 - square / reference)
    table = pd.DataFrame({name: np.concatenate(parts) for name, parts in columns.items()}).astype(float)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a case in which no site has a duration
        for name in Measures._fields:
            table[name] = np.nanmean(np.abs(getattr(found, name) - getattr(truth, name)), axis=1).astype(float)
    table["lost"] = (np.isfinite(truth.activation) & ~np.isfinite(found.activation)).mean(1)
    return table


def by_activation(predicted, vm, activation, edges=(0, 20, 40, 60, 80, 100, 120, 200)):
    """Mean absolute error (mV) at sites that are activated early and late.

    Parameters
    ----------
    predicted, vm : (case, site, time) array_like
        mV.
    activation : (case, site) array_like
        True activation times, ms.
    edges : sequence of float
        Of the classes, ms.

    Returns
    -------
    Series
        Index: the middle of each class that has 30 sites or more.
    """
    error = np.concatenate(
        [np.abs(said - true).mean(-1) for said, true in zip(_blocks(predicted), _blocks(vm), strict=True)]
    )
    label = pd.cut(np.ravel(activation), edges, labels=[(a + b) / 2 for a, b in pairwise(edges)])
    grouped = pd.Series(error.ravel()).groupby(label, observed=True)
    curve = grouped.mean()[grouped.size() >= 30]
    return curve.set_axis(pd.Index(curve.index.astype(float), name="activation")).rename("mae")


# Baselines: each has predict(leads) -> potentials or, ridge of activation times, whatever it was fitted to


@dataclass(frozen=True, eq=False)
class _Mean:
    wave: np.ndarray

    def predict(self, leads):
        return np.broadcast_to(self.wave, (len(leads), *self.wave.shape))


def mean_potential(vm):
    """The baseline that knows no leads: the mean over the training cases at each site."""
    total = sum(block.sum(0, dtype=float) for block in _blocks(vm))
    return _Mean((total / len(vm)).astype(np.float32))


@dataclass(frozen=True, eq=False)
class _Nearest:
    leads: np.ndarray
    target: np.ndarray

    def predict(self, leads):
        known, asked = (np.asarray(x).reshape(len(x), -1) for x in (self.leads, leads))
        length = np.square(known).sum(1)
        chosen = [(length - 2 * part @ known.T).argmin(1) for part in np.array_split(asked, -(-len(asked) // 512))]
        return self.target[np.concatenate(chosen)]


def nearest(leads, target):
    """The baseline that remembers: what belongs to the training case whose leads are closest (root mean square)."""
    return _Nearest(leads, target)


@dataclass(frozen=True, eq=False)
class _Ridge:
    inputs: object
    line: object
    outputs: object
    shape: tuple

    def predict(self, leads):
        found = self.line.predict(self.inputs.transform(leads.reshape(len(leads), -1)))
        if self.outputs is not None:
            found = found @ self.outputs.components_ + self.outputs.mean_
        return found.astype(np.float32).reshape(len(leads), *self.shape)


def ridge(train, validation, penalties=(1e-4, 1e-3, 1e-2), components=100, seed=0):
    """Ridge regression (Hoerl and Kennard 1970) of principal components on those of the leads.

    Parameters
    ----------
    train, validation : (leads, target)
        Leads (case, lead, time), and potentials, activation times or the like (case, ...); principal components of
        the target where it has more than 500 values.
    penalties : sequence of float
        In units of the mean variance of the components of the leads; the best on `validation` is kept.
    components : int
        Number of components, of leads and of the target; fewer where there are fewer cases.
    seed : int
        Components are found on 2,000 cases at most, drawn with it.

    Returns
    -------
    object with predict(leads) -> (case, ...) float32
    """
    from sklearn.linear_model import Ridge

    leads, target = train
    n = len(leads)
    rows = np.sort(np.random.default_rng(seed).permutation(n)[:2000])
    flat, goal = leads.reshape(n, -1), target.reshape(n, -1)
    inputs = _components(flat[rows], components, seed)
    outputs = _components(goal[rows], components, seed) if goal.shape[1] > 500 else None
    scores = inputs.transform(flat)
    if outputs is not None:
        goal = np.concatenate([outputs.transform(goal[i : i + 512]) for i in range(0, n, 512)])
    unit = n * scores.var(0).mean()
    lines = [Ridge(penalty * unit).fit(scores, goal) for penalty in penalties]
    models = [_Ridge(inputs, line, outputs, target.shape[1:]) for line in lines]
    some = np.unique(np.linspace(0, len(validation[0]) - 1, 300).astype(int))
    held, wanted = (np.asarray(x)[some] for x in validation)
    return min(models, key=lambda model: np.abs(model.predict(held) - wanted).mean())


def _components(values, number, seed):
    from sklearn.decomposition import PCA

    return PCA(min(number, *values.shape), svd_solver="randomized", random_state=seed).fit(values)


# Action potentials as parameters


def template(vm, measured, n_shapes=2, n_waves=1500, seed=0):
    """The waves that a `models.transmembrane.ParametricDecoder` draws with, from action potentials of training.

    Whole action potentials are laid over each other, activation on activation and duration on duration. Their mean
    and their first principal components are the waves; each component has unit spread.

    Parameters
    ----------
    vm : (case, site, time) array_like
        mV.
    measured : Measures
        Of `vm`.
    n_shapes : int
        Number of components.
    n_waves : int
        As many action potentials, drawn at random, are used.
    seed : int

    Returns
    -------
    ParametricDecoder

    Raises
    ------
    ValueError
        No window shows a whole action potential.
    """
    from cardio_utils.models.transmembrane import ParametricDecoder

    vm, (activation, apd, _) = np.asarray(vm), measured
    whole = np.isfinite(apd) & (activation > _BEFORE + 2) & (activation + _AFTER * apd < vm.shape[-1] - 1)
    rows = np.argwhere(whole)
    if len(rows) < 10 * (n_shapes + 1):
        raise ValueError(f"{len(rows)} windows show a whole action potential: too few for a template")
    case, site = rows[np.random.default_rng(seed).permutation(len(rows))[:n_waves]].T
    duration = float(np.median(apd[whole]))
    grid = np.arange(-_BEFORE, _AFTER * duration, _STEP)
    waves = _laid_over(vm[case, site], activation[case, site], apd[case, site], grid, duration)
    mean = waves.mean(0)
    table = np.vstack([mean, _components_of(waves - mean, n_shapes)]).astype(np.float32)
    return ParametricDecoder(table, _BEFORE / _STEP, _STEP, duration, vm.shape[-1])


def _components_of(off, number):
    """The first principal components (number, entry) of deviations (n, entry), times their standard deviations."""
    last = off.shape[1] - 1
    variances, components = linalg.eigh(off.T @ off / len(off), subset_by_index=[last - max(number, 1) + 1, last])
    return (np.sqrt(variances) * components).T[::-1][:number]


def _laid_over(vm, activation, apd, grid, duration):
    """Potentials (n, time) at times `grid` (ms) of a wave that begins at 0 and lasts `duration`."""
    place = activation[:, None] + grid * (apd[:, None] / duration)
    place = place.clip(0, vm.shape[1] - 1.001)
    whole = place.astype(np.int32)
    low, high = (np.take_along_axis(vm, whole + k, axis=1) for k in (0, 1))
    return low + (place - whole) * (high - low)


def parameters(vm, measured, decoder):
    """What a `ParametricDecoder` should be told to draw given potentials.

    Parameters
    ----------
    vm : (case, site, time) array_like
        mV.
    measured : Measures
        Of `vm`.
    decoder : ParametricDecoder

    Returns
    -------
    values : (case, site, 2 + n_shapes) float32
        Activation and APD (ms), shapes. Where a window does not show the duration: the decoder's, and mean shapes;
        where a site is never activated: the end of the window.
    known : (case, site) float32
        1 where the duration was seen, 0 elsewhere.
    """
    activation, apd, _ = measured
    known = np.isfinite(apd) & np.isfinite(activation)
    values = np.zeros((*known.shape, 2 + decoder.n_shapes), np.float32)
    values[..., 0] = np.where(np.isfinite(activation), activation, np.shape(vm)[-1])
    values[..., 1] = np.where(known, apd, decoder.duration)
    waves = decoder.table[::_COARSE, : decoder.n_shapes + 1].numpy().T.astype(float)
    grid = (np.arange(waves.shape[1]) * _COARSE - decoder.zero) * decoder.step
    to_shape = np.linalg.pinv(waves[1:])
    for first, block in zip(range(0, len(values), _BLOCK), _blocks(vm), strict=True):
        rows = slice(first, first + _BLOCK)
        own = known[rows] & (activation[rows] + grid[-1] * apd[rows] / decoder.duration < block.shape[-1])
        args = block[own], activation[rows][own], apd[rows][own]
        values[rows][own, 2:] = (_laid_over(*args, grid, decoder.duration) - waves[0]) @ to_shape
    return values, known.astype(np.float32)


def draw(decoder, values):
    """Parameters (case, site, 2 + n_shapes) drawn by a decoder: (case, site, time) float32, mV."""
    import torch

    out = np.empty((*values.shape[:2], decoder.n_time), np.float32)
    with torch.inference_mode():
        for i in range(0, len(values), _BLOCK):
            part = torch.from_numpy(np.ascontiguousarray(values[i : i + _BLOCK], dtype=np.float32))
            out[i : i + _BLOCK] = decoder(part[..., 0], part[..., 1], part[..., 2:]).numpy()
    return out


@dataclass(frozen=True, eq=False)
class _Drawn:
    decoder: object
    activation: object
    centre: np.ndarray

    def predict(self, leads):
        values = np.repeat(self.centre[None], len(leads), axis=0)
        values[..., 0] = self.activation.predict(leads)
        return draw(self.decoder, values)


def template_by_activation(decoder, activation, values, known):
    """The baseline that moves the mean action potential of each site to where something says that it begins.

    Parameters
    ----------
    decoder : ParametricDecoder
    activation : object with predict(leads) -> (case, site)
        Activation times, ms: a `ridge`, or a network wrapped so.
    values, known
        `parameters` of the training cases.

    Returns
    -------
    object with predict(leads) -> potentials
    """
    return _Drawn(decoder, activation, _weighted(values, known)[0])


def _weighted(values, known):
    """Mean and standard deviation (site, parameter) of parameters, activation over all cases."""
    weight = np.repeat(known[..., None], values.shape[-1], axis=-1)
    weight[..., 0] = 1
    total = np.maximum(weight.sum(0), 1)
    mean = (values * weight).sum(0) / total
    spread = np.sqrt((np.square(values - mean) * weight).sum(0) / total)
    return mean.astype(np.float32), np.maximum(spread, 1e-3).astype(np.float32)


# Networks


def parametric_network(decoder, values, known, seed=0, **arguments):
    """A `models.transmembrane.ParametricNet` that begins at the mean parameters of training.

    Parameters
    ----------
    decoder : ParametricDecoder
    values, known
        `parameters` of the training cases.
    seed : int
        Of the first weights.
    **arguments
        Of `ParametricNet`.
    """
    import torch

    from cardio_utils.models.transmembrane import ParametricNet

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return ParametricNet(decoder, *_weighted(values, known), **arguments)


def train_parameters(network, train, validation, *, mixing=0.05, **options):
    """Train a `ParametricNet`, on what its mistakes cost in mV.

    A millisecond that an upstroke or a repolarisation comes too late costs the height of the action potential in one
    sample: so the mean absolute error over the window is, to first order, the height times both delays by the length of
    the window, and nothing has to be drawn. Shapes cost the area between the waves.

    Parameters
    ----------
    network : ParametricNet
    train, validation : (leads, (values, known))
        From `parameters`.
    mixing : float
        Leads are mixed at random in training: each gains so much, as a standard deviation, of each other one.
        Electrodes on another body stand elsewhere.
    **options
        Of `training.fit`.

    Returns
    -------
    training.Fit
    """
    from cardio_utils import training

    n_time, waves = network.decoder.n_time, network.decoder.table.T[: network.decoder.n_shapes + 1]
    height = float(waves[0].max() - waves[0].min()) / n_time
    area = waves[1:].abs().sum(1) * network.decoder.step / n_time

    def loss(found, target):
        known, off = target[1], found - target[0]
        delays = off[..., 0].abs() + known * (off[..., 0] + off[..., 1]).abs()
        shapes = known * (off[..., 2:].abs() * area).sum(-1)
        return (height * delays + shapes).mean()

    return training.fit(network, train, validation, loss=loss, augment=_mixed(mixing), **options)


def train_potentials(network, train, validation, **options):
    """Train a network that draws potentials itself, on their mean absolute error.

    Parameters
    ----------
    network : torch.nn.Module
    train, validation : (leads, vm)
    **options
        Of `training.fit`.

    Returns
    -------
    training.Fit
    """
    from cardio_utils import training

    return training.fit(network, train, validation, loss=_mae, **options)


def _mae(found, wanted):
    return (found - wanted).abs().mean()


def _mixed(amount):
    def augment(inputs, generator):
        import torch

        leads = inputs[0]
        n, k, _ = leads.shape
        noise = torch.randn(n, k, k, generator=generator, device=leads.device)
        return (torch.baddbmm(leads, noise, leads, alpha=amount),)

    return augment if amount else None


def predict(model, leads):
    """Potentials that a baseline or a network gives.

    Parameters
    ----------
    model : object with predict(leads), or torch.nn.Module
        A `ParametricNet` gives parameters, which are drawn.
    leads : (case, lead, time) array_like

    Returns
    -------
    (case, site, time) float32, mV
    """
    if hasattr(model, "predict"):
        return model.predict(leads)
    from cardio_utils import training

    found = training.predict(model, leads, _BLOCK)
    if not hasattr(model, "draw"):
        return found
    return draw(model.decoder, found)


def attribution(network, leads, site, usual, parameter="activation", steps=32):
    """What each sample of each lead adds to the activation time or to the APD of one site.

    Parameters
    ----------
    network : ParametricNet
    leads : (case, lead, time) array_like
    site : int
    usual : (lead, time) array_like
        Leads that differ from nothing, such as the mean of training.
    parameter : {"activation", "apd"}
    steps : int
        On the way from `usual`.

    Returns
    -------
    (case, lead, time) ndarray
        ms; the sum over a case is by how much its parameter differs from that of `usual`, but for the error of the sum
        over few steps. By `activation.attribution`.
    """
    import torch

    from cardio_utils import activation

    column = {"activation": 0, "apd": 1}[parameter]

    class Times(torch.nn.Module):
        """The parameter in place of each quantile of an `ActivationNet`."""

        def forward(self, x):
            return network(x)[:, None, :, column].expand(-1, 3, -1)

    return activation.attribution(Times(), leads, site, usual, steps)


def own_leads(path):
    """Leads of a reader's own beat.

    Parameters
    ----------
    path : path
        ``.npy``: electrode potentials (500, 10) in mV as the published files ``pECGData`` hold them, one sample a ms
        from the stimulus on. Otherwise the header of a WFDB record with twelve leads: its usual beat
        (`activation.beat_of_record`), whose QRS complex begins at 5 ms.

    Returns
    -------
    (8, 500) float32 ndarray
        mV.

    Raises
    ------
    ValueError
        The array has another shape or is not finite, or a lead is missing.
    """
    from pathlib import Path

    from cardio_utils import activation, physics
    from cardio_utils.lead_algebra import eight_leads

    path = Path(path)
    if path.suffix == ".npy":
        potentials = np.load(path, allow_pickle=False)
        if potentials.shape != (500, 10) or not np.isfinite(potentials).all():
            raise ValueError(f"{path} is {potentials.shape}, not finite potentials (500, 10): 500 ms of ten electrodes")
        return eight_leads(physics.twelve_leads(potentials.T)).astype(np.float32)
    import wfdb

    record = wfdb.rdrecord(str(path.with_suffix("")))
    names = [name.upper() for name in record.sig_name]
    if missing := [lead for lead in physics.LEADS if lead.upper() not in names]:
        raise ValueError(f"{path} lacks the leads {', '.join(missing)}; it has {', '.join(record.sig_name)}")
    signal = record.p_signal[:, [names.index(lead.upper()) for lead in physics.LEADS]].T
    return activation.beat_of_record(signal, record.fs)[0]
