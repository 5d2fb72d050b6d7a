# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Primer: to name a picture
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/owner/cardiac-ml-book/blob/main/notebooks/00b_pictures_of_beats.ipynb)
#
# Networks that look at pictures are the best known ones, and many papers turn signals into pictures in order to use them.
# This chapter is for readers who have never trained such a network: heartbeats become pictures, a small network learns to name their
# class, and we look at what it gets wrong. At the end stands a question that the papers seldom ask: was the picture needed?
#
# **You will do:** draw beats as spectrograms and as Gramian fields, train a network of three convolutions, read its
# confusion matrix, enlarge the training set by copies that could be real and by copies that could not, and compare with the plain wave.
#
# **You will learn:** what a convolution, an epoch and a confusion matrix are, why rare classes need care, and which changes of
# a picture keep its meaning.
#
# **You need:** a minute, no GPU, no download. The [first primer](00a_regression.ipynb) explains baselines and splits,
# the [glossary](../book/glossary.md) has the words.

# %% tags=["remove-cell"]
import importlib.util

if importlib.util.find_spec("cardio_utils") is None:
    # %pip install -q "cardio-utils @ git+https://github.com/owner/cardiac-ml-book@main"
    pass

# %% tags=["parameters"]
source: str = "simulated"  # "simulated"; "mitdb": published records, downloaded once
profile: str = "fast"  # "fast": a minute on one core; "full": more patients, longer training
seed: int = 0  # changes the simulated patients, the split and the training
recording: str = ""  # the WFDB header (.hea) of a record of your own; empty: none
lead: str = "MLII"  # the lead of that record to read

# %%
import numpy as np
import pandas as pd
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from cardio_utils import evaluation, pictures, plots, training
from cardio_utils.data import heartbeats
from cardio_utils.losses import logit_adjusted_cross_entropy
from cardio_utils.models.heartbeat import BeatNet, PictureNet
from cardio_utils.models.layers import count_parameters
from cardio_utils.notebook import check, record, setup, versions

setup("00b_pictures_of_beats", source=source, profile=profile, seed=seed)
fast = profile == "fast"

# %% [markdown]
# ## The data
#
# Heartbeats in one lead, by default **simulated**: normal (N), early ones from above the ventricles (S), ones that begin in a
# ventricle (V), and fusions of two wavefronts (F). Each is a second and a half long, with its R peak in the middle. They are dealt
# to three parts by **patient**, so that no heart is on two sides.

# %%
size = {"n_patients": 80, "beats": 50} if fast else {"n_patients": 200, "beats": 400}
size = size if source == "simulated" else {}
beats = heartbeats.load(source, layout="centred", seed=seed, **size)
beats = beats.isel(beat=np.isin(beats.label, list("NSVF")))
wave, label, patient = beats.wave.values, beats.label.values, beats.patient.values
parts = evaluation.group_split(patient, (0.5, 0.2, 0.3), seed=seed, stratify=label)
fitting, validation, test = parts
classes = [c for c in "NSVF" if c in label]
y = np.array([classes.index(c) for c in label])
counts = {"fitting": fitting, "validation": validation, "test": test}
counts = pd.DataFrame({name: np.bincount(y[rows], minlength=len(classes)) for name, rows in counts.items()})
print(counts.set_axis(classes).to_string())
check("no patient is in two parts", not set(patient[fitting]) & set(patient[test]))

# %% [markdown]
# ## Two ways to draw a beat
#
# A **spectrogram** has time to the right and frequency upwards: how much of which frequency there is at which moment. A **Gramian
# field** ([Wang 2015](../book/references.md#wang2015)) has time to the right and upwards, and a pixel says how the values at
# its two times go together. Both are 32 by 32 pixels here. And a third picture is the plainest: each beat's samples, folded into rows.

# %% mystnb={"image": {"alt": "One beat of each class as a spectrogram and as a Gramian field: ventricular beats have their power at lower frequencies and a broad cross in the field."}}
fs = beats.attrs["fs"]
drawn = {
    "spectrogram": pictures.spectrogram(wave, fs),
    "Gramian field": pictures.gramian_field(wave),
}
first = [np.flatnonzero(y == k)[0] for k in range(len(classes))]
ax = plots.pictures([images[first] for images in drawn.values()], classes, list(drawn))

# %%
low = drawn["spectrogram"][..., : 32 // 4, 12:20].mean((1, 2))
broad = low[label == "V"].mean() - low[label == "N"].mean()
record("data/beats", len(y))
check("around the R peak, ventricular beats have more power below 10 Hz than normal ones", broad > 0)
print(f"{wave.shape[1]} samples a beat, {drawn['spectrogram'][0].size} pixels a picture")

# %% [markdown]
# ## Baselines first
#
# Always the most frequent class, and logistic regression on the pixels, which weighs each of them and adds up. The number is the
# **macro-F1**: for each class the harmonic mean of *how many of them were found* and *how many of those so called are such*, averaged
# over classes, so that a rare class counts as much as a frequent one.


# %%
def assess(name, called, rows=None):
    """Record macro-F1 on the test patients, with an interval over patients."""
    rows = test if rows is None else rows
    value = evaluation.bootstrap("macro_f1", y[rows], called, patient[rows])
    slug = f"test/{name.replace(' ', '_')}/macro_f1"
    record(slug, value, better="higher", tolerance=max(0.1, 0.2 * value.value))
    return value


results = {}
majority = DummyClassifier().fit(wave[fitting], y[fitting]).predict(wave[test])
results["most frequent"] = assess("most frequent", majority)
for name, images in drawn.items():
    pixels = images.reshape(len(images), -1)
    weights = {"C": 0.01, "class_weight": "balanced", "max_iter": 300, "tol": 1e-2}
    linear = make_pipeline(StandardScaler(), LogisticRegression(**weights))
    called = linear.fit(pixels[fitting], y[fitting]).predict(pixels[test])
    results[f"pixels of {name}"] = assess(f"linear on {name}", called)
share = np.mean(majority == y[test])
record("test/most_frequent/accuracy", share)
check("who always says normal is right for most beats and finds no class but one",
      bool(share > 0.5 and results["most frequent"].value < 0.3))  # fmt: skip

# %% [markdown]
# ## A network of three convolutions
#
# A **convolution** is a small pattern of weights, here 5 by 5 pixels, that is moved over the whole picture, two pixels at a time, and
# says where it fits. The first layer has 16 such patterns and makes 16 maps of half the size; the next look at those maps in the
# same way. At the end every map is averaged and one number a class comes out. An **epoch** is one pass
# over all training beats; the epoch that was best on the validation patients is kept. The loss counts rare classes as
# much as frequent ones.

# %% tags=["nbval-ignore-output"]
print(count_parameters(PictureNet(len(classes))), "weights")


def trained(network, inputs, known, target=None, augment=None):
    """Fit on some rows, choose the epoch on the validation patients."""
    target = y[known] if target is None else target
    return training.fit(
        network, (inputs[known], target), (inputs[validation], y[validation]),
        loss=logit_adjusted_cross_entropy(np.bincount(target)), augment=augment,
        metric=lambda true, logits: evaluation.score("macro_f1", true, logits.argmax(1)),
        epochs=8 if fast else 20, batch_size=64, learning_rate=4e-3, seed=seed, precision="32",
    )  # fmt: skip


fits = {name: trained(PictureNet(len(classes)), images, fitting) for name, images in drawn.items()}
calls = {name: training.predict(fits[name].model, images[test]).argmax(1) for name, images in drawn.items()}
for name, called in calls.items():
    results[f"network on {name}"] = assess(f"network on {name}", called)
    gain = results[f"network on {name}"] - results[f"pixels of {name}"]
    slug = f"test/network_minus_linear_on_{name.replace(' ', '_')}/macro_f1"
    record(slug, gain, tolerance=0.15)
check("each network finds more classes than who always says normal",
      all(results[f"network on {n}"].low > results["most frequent"].high for n in drawn))  # fmt: skip

# %% [markdown]
# *Minus linear* is the difference to the weighted pixels on the same beats. Where its interval holds zero, the network is not known to be
# better than a sum of pixels, however deep it is.

# %% tags=["nbval-ignore-output"] mystnb={"image": {"alt": "Training and validation loss and macro-F1 on validation patients after each epoch: the training loss falls steadily, the validation metric rises and then stays."}}
shown = fits["spectrogram"]
ax = plots.history(shown.history, shown.best_epoch, metric="macro-F1")

# %% [markdown]
# ## What it confuses
#
# One number hides much. In the **confusion matrix** each row is a true class and each column what the network said; a row adds up to 100 %.

# %% tags=["nbval-ignore-output"] mystnb={"image": {"alt": "Confusion matrix of the network on spectrograms: ventricular beats are mostly found, supraventricular and fusion beats are often called something else."}}
matrix = evaluation.confusion(np.array(classes)[y[test]], np.array(classes)[calls["spectrogram"]], classes)
found = matrix.to_numpy().diagonal() / matrix.sum(axis=1)
for name, value in found.items():
    record(f"test/network_on_spectrogram/sensitivity/{name}", value, better="higher",
           tolerance=max(0.1, 0.2 * value))  # fmt: skip
ax = plots.confusion(matrix)

# %% [markdown]
# ## Copies that could be real, and copies that could not
#
# More beats make a better network, and copies are cheap: a beat that comes 30 ms later, is a little larger, lies on a wandering
# baseline is still the same beat. So pictures of cats are mirrored, turned and cut. But a **mirrored** electrocardiogram runs backwards
# in time, with the T wave before the QRS complex: no heart makes it. Which copies are allowed follows from what
# the picture shows, not from what is usual for pictures.


# %% tags=["nbval-ignore-output"]
def shifted_copies(wave, copies, rng):
    """Beats as they might have been recorded: up to 30 ms earlier or later, 10 % larger or smaller."""
    shift = rng.integers(-4, 5, size=(copies, len(wave)))
    place = (np.arange(wave.shape[1]) + shift[..., None]).clip(0, wave.shape[1] - 1)
    moved = np.take_along_axis(np.broadcast_to(wave, (copies, *wave.shape)), place, axis=2)
    return (moved * (1 + 0.1 * rng.standard_normal((copies, len(wave), 1)))).reshape(-1, wave.shape[1])


rng = np.random.default_rng(seed)
real = pictures.spectrogram(shifted_copies(wave[fitting], 2, rng), fs)
kinds = {"shifted copies": real, "mirrored copies": np.tile(drawn["spectrogram"][fitting][..., ::-1], (2, 1, 1))}
for name, copies in kinds.items():
    images = np.concatenate([drawn["spectrogram"], copies])
    rows = np.concatenate([fitting, np.arange(len(y), len(images))])
    network = trained(PictureNet(len(classes)), images, rows, np.tile(y[fitting], 3))
    calls[name] = training.predict(network.model, drawn["spectrogram"][test]).argmax(1)
    results[name] = assess(f"spectrogram with {name}", calls[name])
copied = results["shifted copies"] - results["mirrored copies"]
record("test/shifted_minus_mirrored_copies/macro_f1", copied, tolerance=0.15)

# %% [markdown]
# The interval of the difference says how sure it is. With a few patients it is wide: whether copies help is seldom as clear as
# papers have it.
#
# ## Was the picture needed?
#
# A picture is computed from the wave and can hold nothing that the wave does not. So the same comparison once more, with a network
# that reads the **wave itself**: convolutions along one axis, [chapter 06](06_healthy_or_irregular.ipynb) explains it.

# %% tags=["nbval-ignore-output"] mystnb={"image": {"alt": "Macro-F1 of all models with intervals: the intervals overlap, and neither a picture nor a network stands out beyond doubt."}}
plain = trained(BeatNet(n_classes=len(classes), width=32), wave, fitting)
calls["wave"] = training.predict(plain.model, wave[test]).argmax(1)
results["network on the wave"] = assess("network on wave", calls["wave"])
pictured = max((n for n in results if n.startswith("network on") and n != "network on the wave"),
               key=lambda name: results[name].value)  # fmt: skip
gain = results[pictured] - results["network on the wave"]
record("test/best_picture_minus_wave/macro_f1", gain, tolerance=0.15)
check("no network on a picture is better than the one on the wave beyond doubt", gain.low <= 0)
linear = results["pixels of spectrogram"] - results["network on the wave"]
record("test/linear_on_spectrogram_minus_wave/macro_f1", linear, tolerance=0.15)
check("nor is it beyond doubt better than weighted pixels of the spectrogram", linear.high >= 0)
ax = plots.metric_bars(results, xlabel="macro-F1 on test patients", highlight="network on the wave")

# %% [markdown]
# No picture beats the wave beyond doubt, and none can know more than it: the spectrogram blurs when things happen, the Gramian field
# forgets how large they are and averages four samples into one pixel. What a picture can do is to lay open what a simple model would have
# to learn: a weighted sum of the spectrogram's pixels is hard to beat here, even for a network on the same pixels. And no window knows the beats before, which tell
# most about S: chapters 06 and 07 go on from there.
#
# ## Where it fails
#
# The beats that the network on spectrograms was surest of, and wrong:

# %% tags=["nbval-ignore-output"] mystnb={"image": {"alt": "Spectrograms of six test beats that the network named wrongly with high confidence, with the true and the predicted class."}}
logits = training.predict(fits["spectrogram"].model, drawn["spectrogram"][test])
margin = logits.max(1) - logits[np.arange(len(test)), y[test]]
worst = np.argsort(-margin)[:6]
titles = [f"{classes[y[test][i]]}, called {classes[logits[i].argmax()]}" for i in worst]
check("the worst six are mistakes", bool((margin[worst] > 0).all()))
ax = plots.pictures(drawn["spectrogram"][test][worst][None], titles)

# %% [markdown]
# ## Your own recording
#
# `papermill 00b_pictures_of_beats.ipynb out.ipynb -r recording my_record.hea` draws the beats of your record and writes what the network on
# the plain wave calls each of them to `my_record_classes.csv`. It is a teaching tool and not a medical device.

# %%
if recording:
    own = heartbeats.read_recording(recording, lead, annotator=None)
    own = heartbeats.from_recordings([own], layout="centred")
    called = training.predict(plain.model, own.wave.values).argmax(1)
    table = pd.DataFrame({"sample": own["sample"].values, "class": np.array(classes)[called]})
    table.to_csv(f"{own.record.values[0]}_classes.csv", index=False)

# %% [markdown]
# ## Summary
#
# - A network that names pictures is a stack of small patterns, trained epoch by epoch, chosen on validation patients.
# - With rare classes accuracy misleads: macro-F1 and the confusion matrix show what is missed.
# - A copy must be something that could have been recorded. What is usual for photographs may be nonsense for signals.
# - A picture of a signal holds no more than the signal. Here no network on one was better than that on the plain wave beyond doubt.
#
# ## Exercises
#
# 1. Make the window of the spectrogram three times as long. What becomes of the pictures, and of the weighted pixels' macro-F1?
#
#    ```python
#    blurred = pictures.spectrogram(wave, fs, width=0.48)
#    ```
#
#    <details><summary>Solution</summary>
#
#    ```python
#    blurred = pictures.spectrogram(wave, fs, width=0.48)
#    both = {"short window": drawn["spectrogram"], "long window": blurred}
#    steps = {"time": 2, "frequency": 1}
#    steps = {along: [np.abs(np.diff(p, axis=k)).mean() for p in both.values()] for along, k in steps.items()}
#    steps = pd.DataFrame(steps, index=list(both))
#    flat = blurred.reshape(len(blurred), -1)
#    weighted = make_pipeline(StandardScaler(), LogisticRegression(**weights)).fit(flat[fitting], y[fitting])
#    long_window = evaluation.bootstrap("macro_f1", y[test], weighted.predict(flat[test]), patient[test])
#    change = long_window - results["pixels of spectrogram"]
#    print(steps, f"macro-F1 with the long window {long_window}, change {change}", sep="\n")
#    check("the long window blurs times", steps["time"].iloc[1] < steps["time"].iloc[0])
#    check("and sharpens frequencies", steps["frequency"].iloc[1] > steps["frequency"].iloc[0])
#    check("macro-F1 changes by less than 0.15", abs(change.value) < 0.15)
#    ```
#
#    Frequencies get sharper and times blur: the QRS complex runs into its neighbours. The eye loses by it, but there is no clear
#    difference in macro-F1. What tells the classes apart is spread over many pixels, and a sum of them can bear some blur.
#
#    </details>
#
# 2. Train without care for rare classes: `torch.nn.functional.cross_entropy` as the loss. What happens to accuracy, to the number of
#    beats that are called S or F, and to macro-F1?
#
#    ```python
#    from torch.nn.functional import cross_entropy
#
#    careless = training.fit(PictureNet(len(classes)), ..., loss=cross_entropy, ...)
#    ```
#
#    <details><summary>Solution</summary>
#
#    ```python
#    from torch.nn.functional import cross_entropy
#
#    images = drawn["spectrogram"]
#    careless = training.fit(
#        PictureNet(len(classes)), (images[fitting], y[fitting]), (images[validation], y[validation]),
#        loss=cross_entropy, metric=lambda true, logits: evaluation.score("macro_f1", true, logits.argmax(1)),
#        epochs=8, batch_size=64, learning_rate=4e-3, seed=seed, precision="32",
#    )
#    named = training.predict(careless.model, images[test]).argmax(1)
#    called = {"careful": calls["spectrogram"], "careless": named}
#    told = pd.DataFrame({name: np.bincount(c, minlength=len(classes)) for name, c in called.items()}, classes)
#    right = {name: np.mean(c == y[test]) for name, c in called.items()}
#    score = {name: evaluation.bootstrap("macro_f1", y[test], c, patient[test]) for name, c in called.items()}
#    print(told, *(f"{name}: accuracy {right[name]:.2f}, macro-F1 {score[name]}" for name in called), sep="\n")
#    check("accuracy rises", right["careless"] > right["careful"])
#    check("S and F are called less often", told["careless"][["S", "F"]].sum() < told["careful"][["S", "F"]].sum())
#    check("macro-F1 does not fall by 0.1", score["careless"].value > score["careful"].value - 0.1)
#    ```
#
#    Accuracy rises, since N is called more often, and rare beats are called less. Macro-F1 does not fall with it: it counts false alarms
#    too, and the careful network calls hundreds of normal beats S or F. Care finds more of the rare beats and pays with alarms. Which
#    is better depends on what a missed beat costs, and no single number says that.
#
#    </details>
#
# 3. Give the Gramian field the height of the beat: add a second channel with the wave's range in every pixel. Does it help?
#
#    ```python
#    height = np.ptp(wave, axis=1)
#    two = np.stack([drawn["Gramian field"], ...], axis=1)
#    ```
#
#    <details><summary>Solution</summary>
#
#    ```python
#    import torch
#
#    height = np.ptp(wave, axis=1)
#    by_class = pd.Series(height).groupby(label).agg(["mean", "std"])
#    scaled = (height - height[fitting].mean()) / height[fitting].std()
#    field = drawn["Gramian field"]
#    two = np.stack([field, np.broadcast_to(scaled[:, None, None], field.shape)], axis=1)
#    torch.manual_seed(seed)
#    first_layer = torch.nn.Conv2d(2, 16, 5, stride=2, padding=2, bias=False)
#    higher = trained(torch.nn.Sequential(first_layer, *list(PictureNet(len(classes)))[2:]), two, fitting)
#    named = training.predict(higher.model, two[test]).argmax(1)
#    gain = evaluation.bootstrap("macro_f1", y[test], named, patient[test]) - results["network on Gramian field"]
#    print(by_class, f"with the height: macro-F1 changes by {gain}", sep="\n")
#    apart = by_class["mean"]["V"] - by_class["mean"]["N"]
#    check("V and N differ less in height than normal beats among themselves", apart < by_class["std"]["N"])
#    check("the height gains less than 0.15", gain.value < 0.15)
#    ```
#
#    There is no clear difference. Ventricular beats are higher on average, but normal beats differ more among themselves than that:
#    height alone does not name a beat.
#
#    </details>
#
# ## References
#
# [Wang 2015](../book/references.md#wang2015)

# %% tags=["nbval-ignore-output"]
versions()
