# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # TITLE
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/owner/cardiac-ml-book/blob/main/notebooks/00_template.ipynb)
#
# One question that somebody in the field has, why it matters, and what has been claimed. Here: which beats of an
# electrocardiogram begin in the ventricles? A broad complex after no P wave is the sign; a model should find it in patients
# whom it has never seen.
#
# **You will do:** split by patient, give two simple answers, train a network, and compare the three on the same beats.
#
# **You will learn:** what the network adds to the simple answers, and for whom it adds nothing.
#
# **You need:** half a minute, no GPU, no download. The [glossary](../book/glossary.md) explains QRS and RR.

# %% tags=["remove-cell"]
import importlib.util

if importlib.util.find_spec("cardio_utils") is None:
    # %pip install -q "cardio-utils @ git+https://github.com/owner/cardiac-ml-book@main"
    pass

# %% tags=["parameters"]
source: str = "simulated"  # "simulated"; "mitdb": published records, downloaded once
profile: str = "fast"  # "fast": seconds on one core; "full": more patients, longer training
seed: int = 0  # changes the simulated patients, the split and the training
recording: str = ""  # the WFDB header (.hea) of a record of your own; empty: none

# %%
import numpy as np
import pandas as pd
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from cardio_utils import ecg, evaluation, plots, training
from cardio_utils.data import heartbeats
from cardio_utils.models.heartbeat import BeatMLP
from cardio_utils.notebook import check, record, setup, versions

setup("00_template", source=source, profile=profile, seed=seed)
fast = profile == "fast"

# %% [markdown]
# ## The data
#
# Where they come from, what one row is, and which rows belong together. With `source="mitdb"` they are those of
# [Moody and Mark 2001](../book/references.md#moody2001).

# %%
size = {"n_patients": 24 if fast else 96, "beats": 60 if fast else 240, "seed": seed}
beats = heartbeats.load(source, layout="centred", **(size if source == "simulated" else {}))
ventricular, patient = beats.label.values == "V", beats.patient.values
print(beats)

# %%
record("data/beats", len(patient))
record("data/patients", len(np.unique(patient)))
record("data/ventricular", ventricular.sum())
check("ventricular beats are the rarer ones", ventricular.mean() < 0.5)

# %% mystnb={"image": {"alt": "Some beats of each class overlaid, with the class mean in bold; ventricular beats are broad."}}
ax = plots.beat_grid(beats, n=12, seed=seed)

# %% [markdown]
# After each figure one sentence says what to see: ventricular beats are broad, and no P wave stands before them.
#
# ## The split
#
# By the unit that is new in use, which is the patient. Everything is chosen on the validation patients; the test patients are read
# once.

# %%
fitting, validation, test = evaluation.group_split(patient, (0.5, 0.2, 0.3), seed=seed, stratify=ventricular)
parts = {"fitting": fitting, "validation": validation, "test": test}
for name, rows in parts.items():
    print(f"{name}: {len(rows)} beats of {len(np.unique(patient[rows]))} patients")
check("no patient is on two sides", not set(patient[fitting]) & set(patient[test]))

# %% [markdown]
# ## Baselines first
#
# The simple answers that a new model has to beat: how early the beat comes, and a linear model of its samples.

# %%
wave = beats.wave.values
scores, curves = {}, {}


def assess(name, score, tolerance=None):
    """Record the area under the ROC curve on the test patients."""
    scores[name], curves[name] = score, evaluation.roc_pr(ventricular[test], score[test], patient[test])
    slug = f"patients_held_out/{name.replace(' ', '_')}/auroc"
    record(slug, curves[name].auroc, better="higher", tolerance=tolerance)


# %%
early = ecg.rr_features(beats)["before_recent"].to_numpy()
assess("early", -np.nan_to_num(early, nan=np.nanmedian(early)), tolerance=0.01)

# %%
linear = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=1000))
linear.fit(wave[fitting], ventricular[fitting])
assess("linear", linear.decision_function(wave), tolerance=0.02)

# %%
check("the linear model is better than chance", curves["linear"].auroc.value > 0.5)

# %% [markdown]
# ## The model
#
# What it sees, what it is trained for, and where it is from. Its digits depend on the processor, so that these cells carry the tag
# `nbval-ignore-output` and their numbers a tolerance.

# %% tags=["nbval-ignore-output"]
label = ventricular.astype(int)
balance = torch.tensor(len(fitting) / np.bincount(label[fitting], minlength=2).clip(1), dtype=torch.float32)
network = training.fit(
    BeatMLP(wave.shape[1], n_outputs=2), (wave[fitting], label[fitting]), (wave[validation], label[validation]),
    loss=torch.nn.CrossEntropyLoss(balance), epochs=6 if fast else 20, batch_size=32, seed=seed, precision="32",
).model  # fmt: skip

# %% tags=["nbval-ignore-output"]
logits = training.predict(network, wave)
assess("network", logits[:, 1] - logits[:, 0], tolerance=0.1)

# %% [markdown]
# ## Does it pay?
#
# The difference is taken over the same resampled patients; where its interval holds zero, neither is better, and the chapter says so.

# %% tags=["nbval-ignore-output"]
gain = curves["network"].auroc - curves["linear"].auroc
record("patients_held_out/network_minus_linear/auroc", gain, better="higher", tolerance=0.1)
check("the network is better than chance", curves["network"].auroc.value > 0.5)

# %% tags=["nbval-ignore-output"] mystnb={"image": {"alt": "ROC and precision-recall curves of the beat's earliness, the linear model and the network, with bands over patients."}}
ax = plots.roc_pr(curves)

# %% [markdown]
# ## Where it fails
#
# A mean over patients hides the one for whom nothing works. The threshold balances sensitivity and specificity on the
# validation patients.

# %% tags=["nbval-ignore-output"] mystnb={"image": {"alt": "Balanced accuracy of the network in each test patient, worst first."}}
limit = evaluation.choose_threshold(ventricular[validation], scores["network"][validation])
called = scores["network"][test] >= limit
each = evaluation.by_group("balanced_accuracy", ventricular[test], called, patient[test])
ax = plots.per_group_bars(each.rename_axis("patient"), ylabel="balanced accuracy")

# %% tags=["nbval-ignore-output"]
record("patients_held_out/network/worst_balanced_accuracy", each.min(), better="higher", tolerance=0.1)
check("the worst patient is served worse than patients are on average", bool(each.min() < each.mean()))

# %% [markdown]
# ## Your own recording
#
# `papermill 00_template.ipynb out.ipynb -r recording my_record.hea` writes `my_record_ventricular.csv`, one row a beat. It is a
# teaching tool and not a medical device.

# %%
if recording:
    own = heartbeats.from_recordings([heartbeats.read_recording(recording, "MLII", annotator=None)], layout="centred")
    logits = training.predict(network, own.wave.values)
    table = pd.DataFrame({"sample": own["sample"].values, "score": logits[:, 1] - logits[:, 0] - limit})
    table.to_csv(f"{own.record.values[0]}_ventricular.csv", index=False)

# %% [markdown]
# ## Summary
#
# - Split by patient, so that the numbers are about new patients.
# - What the network adds to a linear model is a difference with an interval, not two numbers side by side.
# - The worst patient is part of the result.
#
# ## Exercises
#
# 1. Split by beats instead of by patients. How many patients are then on two sides, and what is such a test worth?
#
#    ```python
#    mixed = evaluation.group_split(np.arange(len(patient)), ...)
#    ```
#
#    <details><summary>Solution</summary>
#
#    ```python
#    mixed = evaluation.group_split(np.arange(len(patient)), (0.5, 0.2, 0.3), stratify=ventricular)
#    both = set(patient[mixed[0]]) & set(patient[mixed[2]])
#    print(len(both), "of", len(np.unique(patient)), "patients")
#    check("split by beats, most patients of the test are known", len(both) > len(np.unique(patient[mixed[2]])) / 2)
#    ```
#
#    Nearly all of them. Such a test asks for other beats of patients who are known, and not for new patients. A solution is run by
#    the tests after all cells of the chapter, whose names it may use, and claims what it claims in `check`.
#
#    </details>
#
# 2. Choose the limit on the test patients. What is that number worth?
#
#    ```python
#    best = evaluation.choose_threshold(...)
#    ```
#
#    <details><summary>Solution</summary>
#
#    ```python
#    best = evaluation.choose_threshold(ventricular[test], scores["network"][test])
#    balanced = [np.mean([(scores["network"][test] >= t)[ventricular[test] == v].mean() if v
#                         else (scores["network"][test] < t)[ventricular[test] == v].mean() for v in (0, 1)])
#                for t in (limit, best)]
#    print("balanced accuracy {:.3f} and {:.3f}".format(*balanced))
#    check("looking at the answers never does harm", balanced[1] >= balanced[0] - 1e-9)
#    ```
#
#    Nothing for a new patient: it is what looking at the answers brings.
#
#    </details>
#
# 3. What would add earliness to the linear model's inputs, and why must its median come from the fitting patients?
#    <details><summary>Solution</summary>One more column. A first beat has no earlier one and gets the median instead; a median of all patients
#    would tell the model something of the test.</details>
#
# ## References
#
# [Moody and Mark 2001](../book/references.md#moody2001)

# %% tags=["nbval-ignore-output"]
versions()
