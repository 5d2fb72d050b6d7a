"""One `fit` for every network of the book, over Lightning Fabric, and one `predict`.

Fabric brings the accelerator and the precision; the loop is ours, because a batch of the small networks here
takes about a millisecond, and what happens between two batches decides how long a chapter runs.

Digits: on one processor and number of threads a run repeats exactly. `precision="auto"` times the first batch
in bfloat16 and in float32, so its choice may differ between machines and, where both are about equally fast,
between runs: a notebook whose printed digits are regressed passes `precision="32"`.
"""

import contextlib
import copy
import dataclasses
import logging
import os
import time
import warnings
import zlib
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from cardio_utils import watched


@dataclasses.dataclass(frozen=True)
class Fit:
    """A trained model and how it got there.

    Attributes
    ----------
    model : torch.nn.Module
        The model that was passed in, with the weights of `best_epoch`, in evaluation mode.
    history : DataFrame
        One row an epoch (index `epoch`, from 1): `train_loss`, `validation_loss`, `metric` (where one was
        given) and `learning_rate` (after the epoch's last batch).
    best_epoch : int
        The epoch whose weights the model carries: the best one, or the last.
    seconds : float
        Time spent training, summed over interrupted parts.
    precision : str
        "32" or "bf16": what the forward passes in training were computed in. Losses are always float32.
    """

    model: torch.nn.Module
    history: pd.DataFrame
    best_epoch: int
    seconds: float
    precision: str


def fit(
    model,
    train,
    validation,
    *,
    loss,
    metric=None,
    mode="max",
    epochs=30,
    batch_size=256,
    learning_rate=1e-3,
    weight_decay=1e-4,
    schedule="one-cycle",
    patience=6,
    keep="best",
    seed=0,
    augment=None,
    checkpoint=None,
    precision="auto",
    accelerator="auto",
):
    """Train with AdamW and keep the weights that were best on the validation set.

    Parameters
    ----------
    model : torch.nn.Module
        Called as `model(*inputs)`, returns a tensor or a tuple of tensors; trained in place.
    train, validation : (inputs, target)
        `inputs` and `target` are an array or tensor of shape (n, ...) or a tuple of them, all finite. Floats
        become float32, integers int64. The sets are held on the device whole.
    loss : callable(output, target) -> scalar tensor
        Mean over a batch, computed in float32. A `torch.nn.Module` is moved to the device.
    metric : callable(target, output) -> float, optional
        Of NumPy arrays of the whole validation set, after each epoch, to choose the best weights. Without it
        the validation loss is minimised.
    mode : {"max", "min"}
        Whether a larger or a smaller `metric` is better.
    schedule : {"one-cycle", "cosine", "constant"}
        Learning rate over the batches of all epochs: warm-up over the first 30 %, then cosine decay (Smith
        and Topin 2019); cosine decay alone (Loshchilov and Hutter 2017); or `learning_rate` throughout.
    patience : int or None
        Stop after so many epochs without improvement; None: never.
    keep : {"best", "last"}
        Weights of the best epoch, or of the last one, with which nothing is chosen among epochs: where the validation
        set is small, its best epoch is often one of chance, before the learning rate has come down.
    seed : int
        Order of the batches, dropout and augmentation. The caller's own random state is left as it was.
    augment : callable(inputs, generator) -> inputs, optional
        Applied to the tuple of inputs of each training batch; `generator` lives on the batch's device.
    checkpoint : path, optional
        Written after each epoch and removed at the end. Where it exists, the interrupted run goes on from
        it; on the CPU it ends with the same digits as a run without interruption.
    precision : {"auto", "32", "bf16"}
        "auto" takes bfloat16 for forward passes in training where the processor has it and the first batch is
        measurably faster. Validation is computed in float32, as `predict` does.
    accelerator : str
        Lightning's: "auto", "cpu", "gpu", ...

    Returns
    -------
    Fit

    Raises
    ------
    ValueError
        Empty sets, unequal lengths, NaN or infinite values, unknown settings, a checkpoint of another run, or
        a metric that was never a number.
    FloatingPointError
        The training loss was not finite; the message names the epoch. Where an earlier epoch was complete, the
        model is left with the weights of the best one, in evaluation mode.
    """
    _one_of("mode", mode, ("max", "min"))
    _one_of("keep", keep, ("best", "last"))
    _one_of("schedule", schedule, ("one-cycle", "cosine", "constant"))
    _one_of("precision", precision, ("auto", "32", "bf16"))
    sets = _pair("train", train), _pair("validation", validation)
    settings = {"epochs": epochs, "batch_size": batch_size, "learning_rate": learning_rate, "seed": seed}
    settings |= {"weight_decay": weight_decay, "schedule": schedule, "patience": patience, "mode": mode, "keep": keep}
    saved = None
    if checkpoint is not None:
        checkpoint = Path(checkpoint)
        settings |= {"data": _fingerprint(sets), "model": _shapes(model)}
        saved = _read_checkpoint(checkpoint, settings)

    device = _fabric(accelerator, "32").device
    train, validation = (_map(lambda t: t.to(device), pair) for pair in sets)
    model.to(device)
    if isinstance(loss, torch.nn.Module):
        loss.to(device)
    if saved:
        precision = saved["precision"]
    elif precision == "auto":
        first = _map(lambda t: t[:batch_size], train)
        precision = _faster_precision(model, first, loss, accelerator, device)

    with _fork_rng(device), _without_denormals():
        run = _Run(model, train, loss, augment, _fabric(accelerator, precision), settings)
        if saved:
            run.load(saved)
        started = time.perf_counter() - run.seconds
        with _progress_bar(epochs, run.epoch) as bar:
            while not run.finished():
                row = run.train_epoch()
                row |= _validate(model, *validation, loss, metric, batch_size)
                run.keep_best(row, "min" if metric is None else mode)
                run.seconds = time.perf_counter() - started
                if checkpoint is not None:
                    _write_checkpoint(checkpoint, run.state() | {"settings": settings, "precision": precision})
                bar.set_postfix({name: f"{value:.4g}" for name, value in row.items()}, refresh=False)
                bar.update()

    if checkpoint is not None:
        checkpoint.unlink(missing_ok=True)
    if not run.best_epoch:
        raise ValueError("the validation metric was NaN in every epoch: no weights can be called the best")
    model.load_state_dict(run.best_weights)
    history = pd.DataFrame(run.history, index=pd.RangeIndex(1, len(run.history) + 1, name="epoch"))
    return Fit(model.eval(), history, run.best_epoch, run.seconds, precision)


def predict(model, inputs, batch_size=2048):
    """Outputs of a model in evaluation mode, float32, computed where its weights are.

    Parameters
    ----------
    model : torch.nn.Module
        Called as `model(*inputs)`; its training mode is left as it was.
    inputs : array or tensor of shape (n, ...), or a tuple of them
    batch_size : int

    Returns
    -------
    ndarray of shape (n, ...), or a tuple of them where the model returns a tuple

    Raises
    ------
    ValueError
        Empty inputs, unequal lengths, NaN or infinite values.
    """
    return _numpy(_outputs(model, _tensors("inputs", inputs), batch_size))


class _Run:
    """What changes while a network is trained, and all that must be saved to go on after an interruption."""

    def __init__(self, model, train, loss, augment, fabric, settings):
        self.model, self.loss, self.augment = model, loss, augment
        self.fabric, self.settings = fabric, settings
        self.inputs, self.target = train
        self.epoch, self.history, self.seconds = 0, [], 0.0
        self.best_epoch, self.best_score, self.best_weights = 0, 0.0, {}
        self.device, rate = fabric.device, settings["learning_rate"]
        torch.manual_seed(settings["seed"])
        self.order = torch.Generator().manual_seed(settings["seed"])
        self.noise = torch.Generator(self.device).manual_seed(settings["seed"])
        self.optimizer = torch.optim.AdamW(
            model.parameters(),
            lr=rate,
            weight_decay=settings["weight_decay"],
            fused=self.device.type in ("cpu", "cuda"),
        )
        steps = settings["epochs"] * len(self._batches())
        # The last call of scheduler.step() follows the last batch, hence one step more than batches.
        self.scheduler = {
            "one-cycle": lambda o: torch.optim.lr_scheduler.OneCycleLR(o, rate, total_steps=steps + 1),
            "cosine": lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, T_max=steps),
            "constant": lambda o: torch.optim.lr_scheduler.ConstantLR(o, factor=1.0),
        }[settings["schedule"]](self.optimizer)
        self.wrapped = fabric.setup_module(model)

    def _batches(self, order=None):
        """Slices of a permutation; a lone last sample, too few for batch normalisation, joins the others."""
        order = torch.arange(len(self.target[0])) if order is None else order
        batches = list(order.to(self.device).split(self.settings["batch_size"]))
        if len(batches) > 1 and len(batches[-1]) == 1:
            batches[-2:] = [torch.cat(batches[-2:])]
        return batches

    def train_epoch(self):
        self.epoch += 1
        self.wrapped.train()
        n = len(self.target[0])
        total = torch.zeros((), device=self.device)
        for index in self._batches(torch.randperm(n, generator=self.order)):
            inputs, target = _map(lambda t, i=index: t.index_select(0, i), (self.inputs, self.target))
            if self.augment is not None:
                inputs = self.augment(inputs, self.noise)
            value = self.loss(self.wrapped(*inputs), _single(target))
            self.fabric.backward(value)
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
            self.optimizer.step()
            self.optimizer.zero_grad()
            self.scheduler.step()
            total += value.detach() * len(index)
        mean, rate = float(total) / n, self.scheduler.get_last_lr()[0]
        if not np.isfinite(mean):
            kept = "no epoch was complete before"
            if self.best_epoch:
                self.model.load_state_dict(self.best_weights)
                self.model.eval()
                kept = f"the model has the weights of epoch {self.best_epoch} again, the best so far"
            raise FloatingPointError(
                f"the training loss became {mean} in epoch {self.epoch}: lower the learning rate"
                f" (now {self.settings['learning_rate']:g}) or scale the inputs; {kept}"
            )
        return {"train_loss": mean, "learning_rate": rate}

    def keep_best(self, row, mode):
        score = row.get("metric", row["validation_loss"])
        self.history.append(row)
        better = score > self.best_score if mode == "max" else score < self.best_score
        better |= self.settings["keep"] == "last" and not np.isnan(score)
        if better or (not self.best_epoch and not np.isnan(score)):
            self.best_epoch, self.best_score = self.epoch, score
            self.best_weights = {name: v.detach().clone() for name, v in self.model.state_dict().items()}

    def finished(self):
        patience = self.settings["patience"]
        tired = patience is not None and self.epoch - self.best_epoch >= patience
        return self.epoch >= self.settings["epochs"] or (tired and self.epoch > 0)

    _counters = ("epoch", "history", "seconds", "best_epoch", "best_score", "best_weights")
    _parts = ("model", "optimizer", "scheduler")

    def state(self):
        state = {name: getattr(self, name) for name in self._counters}
        state |= {name: getattr(self, name).state_dict() for name in self._parts}
        state["random"] = [torch.get_rng_state(), self.order.get_state(), self.noise.get_state()]
        if self.device.type == "cuda":
            state["random"].append(torch.cuda.get_rng_state(self.device))
        return state

    def load(self, state):
        for name in self._counters:
            setattr(self, name, state[name])
        for name in self._parts:
            getattr(self, name).load_state_dict(state[name])
        torch.set_rng_state(state["random"][0])
        self.order.set_state(state["random"][1])
        self.noise.set_state(state["random"][2])
        if self.device.type == "cuda":
            torch.cuda.set_rng_state(state["random"][3], self.device)


def _validate(model, inputs, target, loss, metric, batch_size):
    """Loss and metric of the validation set, computed in pieces no larger than in training."""
    output = _outputs(model, inputs, batch_size)
    n, total = len(target[0]), 0.0
    with torch.inference_mode():
        for start in range(0, n, batch_size):
            part, wanted = _map(lambda t, s=slice(start, start + batch_size): t[s], (output, _single(target)))
            total += float(loss(part, wanted)) * min(batch_size, n - start)
    row = {"validation_loss": total / n}
    if metric is not None:
        row["metric"] = float(metric(_numpy(_single(target)), _numpy(output)))
    return row


def _outputs(model, inputs, batch_size):
    device = next((p.device for p in model.parameters()), torch.device("cpu"))
    was_training = model.training
    model.eval()
    try:
        with torch.inference_mode():
            batches = zip(*(t.split(batch_size) for t in inputs), strict=True)
            parts = [_map(torch.Tensor.float, model(*(t.to(device) for t in batch))) for batch in batches]
    finally:
        model.train(was_training)
    if isinstance(parts[0], tuple):
        return tuple(torch.cat(column) for column in zip(*parts, strict=True))
    return torch.cat(parts)


def _one_of(name, value, known):
    if value not in known:
        raise ValueError(f"{name}={value!r} is not known; one of {', '.join(known)}")


def _tensors(name, values):
    """A tuple of finite tensors of equal length; floats as float32, integers as int64."""
    tensors = tuple(_tensor(name, v) for v in (values if isinstance(values, tuple) else (values,)))
    lengths = [len(t) for t in tensors]
    if len(set(lengths)) > 1:
        raise ValueError(f"{name}: the parts have different lengths {lengths}")
    return tensors


def _tensor(name, value):
    if not torch.is_tensor(value):
        value = np.asarray(value)
        if value.dtype.kind not in "fiub":
            raise ValueError(f"{name}: numbers are needed, not dtype {value.dtype}")
        value = torch.from_numpy(np.require(value, requirements=["C", "W"]))
    if value.ndim == 0 or len(value) == 0:
        raise ValueError(f"{name}: the set is empty")
    if not value.dtype.is_floating_point:
        return value if value.dtype == torch.bool else value.long()
    value = value.float()
    finite = torch.isfinite(value).reshape(len(value), -1).all(1)
    if not finite.all():
        raise ValueError(f"{name}: {int((~finite).sum())} of {len(value)} samples hold NaN or infinite values")
    return value


def _pair(name, data):
    if not isinstance(data, (tuple, list)) or len(data) != 2:
        raise ValueError(f"{name}: a pair (inputs, target) is needed")
    inputs, target = _tensors(f"{name} inputs", data[0]), _tensors(f"{name} target", data[1])
    if len(inputs[0]) != len(target[0]):
        raise ValueError(f"{name}: {len(inputs[0])} inputs but {len(target[0])} targets")
    return inputs, target


def _map(function, values):
    return tuple(_map(function, v) for v in values) if isinstance(values, tuple) else function(values)


def _single(values):
    return values[0] if len(values) == 1 else values


def _numpy(output):
    return _map(lambda t: t.cpu().numpy(), output)


def _fork_rng(device):
    return torch.random.fork_rng(devices=[device] if device.type == "cuda" else [])


@contextlib.contextmanager
def _without_denormals():
    """Numbers below 1e-38 count as 0 meanwhile.

    A processor computes with them many times slower, and gradients of a saturated sigmoid are full of them: the
    backward pass of a physics loss, whose threshold is one, took eight times as long. PyTorch has no way to ask what
    was set before; off is its default.
    """
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


def _fabric(accelerator, precision):
    with _quiet():
        from lightning.fabric import Fabric

        name = {"32": "32-true", "bf16": "bf16-mixed"}[precision]
        return Fabric(accelerator=accelerator, devices=1, precision=name)


@contextlib.contextmanager
def _quiet():
    """No banner, tip or deprecation note of Lightning: a reader of a page can do nothing about them."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def _has_bf16(device):
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported()
    checks = ("_is_amx_tile_supported", "_is_avx512_bf16_supported")
    return device.type == "cpu" and any(getattr(torch.cpu, name, lambda: False)() for name in checks)


def _faster_precision(model, batch, loss, accelerator, device):
    """bfloat16 where the processor has it and a step takes at most 4/5 of the time; half a second."""
    if not _has_bf16(device):
        return "32"
    seconds = {}
    with _fork_rng(device):
        for name in ("32", "bf16"):
            fabric = _fabric(accelerator, name)
            trial = fabric.setup_module(copy.deepcopy(model).train())
            seconds[name] = _step_seconds(fabric, trial, batch, loss)
    return "bf16" if seconds["bf16"] < 0.8 * seconds["32"] else "32"


def _step_seconds(fabric, model, batch, loss, budget=0.25):
    """Shortest forward and backward pass within a time budget, after one to warm up."""
    inputs, target = batch
    times, begun = [], time.perf_counter()
    while len(times) < 2 or (len(times) < 10 and time.perf_counter() - begun < budget):
        start = time.perf_counter()
        value = loss(model(*inputs), _single(target))
        fabric.backward(value)
        value.item()
        times.append(time.perf_counter() - start)
    return min(times[1:])


def _progress_bar(epochs, done):
    from tqdm import tqdm

    return tqdm(total=epochs, initial=done, unit="epoch", leave=False, disable=not watched())


def _shapes(model):
    return [f"{name} {tuple(v.shape)}" for name, v in model.state_dict().items()]


def _fingerprint(sets):
    tensors = [t for pair in sets for part in pair for t in part]
    return [f"{tuple(t.shape)} {zlib.crc32(t.cpu().contiguous().numpy())}" for t in tensors]


def _write_checkpoint(path, state):
    """Write beside and rename: an interruption while writing leaves the previous checkpoint whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        torch.save(state, temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _read_checkpoint(path, settings):
    if not path.exists():
        return None
    try:
        saved = torch.load(path, map_location="cpu", weights_only=True)
        before = saved["settings"]
    except Exception as error:
        raise ValueError(f"{path} is no checkpoint of an interrupted run: delete it to start anew") from error
    changed = [name for name in settings if before.get(name) != settings[name]]
    if changed:
        raise ValueError(f"{path} is of a run with other {', '.join(changed)}: delete it or give another path")
    return saved
