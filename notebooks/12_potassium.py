# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Potassium from the electrocardiogram
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/owner/cardiac-ml-book/blob/main/notebooks/12_potassium.ipynb)
#
# Too much or too little potassium can stop a heart within minutes. A blood test takes an hour, an electrocardiogram ten
# seconds, and textbooks say what to look for. Networks have been trained for it on hundreds of thousands of private records
# ([Lin 2020](../book/references.md#lin2020), [Galloway 2019](../book/references.md#galloway2019)). This chapter builds two of them and asks
# what such a number is worth: against a constant, against features that a person could measure, and at the bedside, where
# two patients in a hundred have too much.
#
# **Performance on simulated or morphed records is a check of software and not clinical evidence. This is not a medical device.**
#
# **You will do:** turn a concentration into 60 ordered bins, compare a published network, repaired, with a smaller one and with
# baselines, put intervals around single patients, and try what breaks the answer.
#
# **You will learn:** why a mean error says little, how one distribution answers all questions without contradicting itself, what a
# positive answer is worth when the condition is rare, and whether attention explains anything.
#
# **You need:** 90 seconds, no GPU, no download. [Chapter 10](10_twelve_lead_data.ipynb) introduces the records; the
# [glossary](../book/glossary.md) explains waves and leads.

# %% tags=["remove-cell"]
import importlib.util

if importlib.util.find_spec("cardio_utils") is None:
    # %pip install -q "cardio-utils @ git+https://github.com/owner/cardiac-ml-book@main"
    pass

# %% tags=["parameters"]
source: str = "simulated"  # "simulated"; "semisynthetic": PTB-XL with potassium morphed in; "mimic"
profile: str = "fast"  # "fast": 90 s on one core; "full": all records, three seeds, an hour
seed: int = 0  # changes the simulated patients and the drawn concentrations
network_seed: int = 0  # changes the first weights of the networks and the order of the records
tune: bool = False  # search hyperparameters of our network first, 20 trials on training patients
folder: str = ""  # of PTB-XL or MIMIC-IV-ECG; empty: the usual place
laboratory: str = ""  # labevents of MIMIC-IV (csv or csv.gz), for "mimic"
recording: str = ""  # WFDB header (.hea) or csv of your own, with the leads that you have; empty: none
fs: float = 0.0  # Hz, of a csv
test_folder: str = ""  # records of your own with a label.csv, for a test only; empty: none

# %%
import warnings

import numpy as np
import pandas as pd
import torch

from cardio_utils import evaluation, lead_algebra, plots
from cardio_utils import potassium as pot
from cardio_utils.data import potassium as data
from cardio_utils.data import twelve_lead
from cardio_utils.models.layers import count_parameters
from cardio_utils.models.potassium import ECG12Net, PotassiumNet, SmallCNN
from cardio_utils.notebook import check, record, setup, versions
from cardio_utils.simulate import potassium as simulator

setup("12_potassium", source=source, profile=profile, seed=seed)
fast = profile == "fast"

# %% [markdown]
# ## The records
#
# By default, hearts are **simulated**: ventricles, a torso, and the cell model of [ten Tusscher 2006](../book/references.md#tentusscher2006)
# at eight concentrations. The model slows conduction and flattens T where potassium is low, but it does not raise T where it is
# high; that, P and U are added by gains which were set by hand and are listed in `simulator.GAINS`. With
# `source="semisynthetic"` the records are real ([PTB-XL](../book/references.md#wagner2020)), and what a concentration does to P, QRS, ST, T and U
# is added at each beat. Each patient is given several concentrations, whatever age, sex or disease: no shortcut leads there.
#
# Two patients in five hardly respond, the laboratory errs by 0.2 mmol/L, and of 50 samples one is haemolysed. Folds 1 to 8 train, fold 9
# chooses and calibrates, fold 10 is the test.

# %%
few, many = (100, 220) if fast else (600, 900)


def load(folds, n, draws):
    """Records of some folds."""
    files = {"folder": folder or None, "laboratory": laboratory or None}
    options = {"n_patients": n} if source == "simulated" else files
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what is left out is counted below
        return data.load(source, folds=folds, draws=draws, seed=seed, **options)


parts = {
    "fitting": load(range(1, 9), few, 5 if fast else 3),
    "validation": load([9], many, 5),
    "test": load([10], many, 5),
}
who = {name: part["patient"].values for name, part in parts.items()}
k = {name: part["potassium"].values for name, part in parts.items()}
for name, part in parts.items():
    record(f"data/records/{name}", part.sizes["record"])
record("data/left_out", sum(len(part.attrs["warnings"].splitlines()) for part in parts.values()))
check("no patient is in two parts", len(set.union(*map(set, who.values()))) == sum(len(set(w)) for w in who.values()))

# %% [markdown]
# The five classes are about equally frequent here, unlike in an emergency department. That is right for learning, and wrong for any
# statement about what a positive answer means; we come back to it.

# %% mystnb={"image": {"alt": "Histogram of potassium in the training records, spread over all five classes, and the distribution of an emergency department, nearly all of it between 3 and 5.5."}}
rng = np.random.default_rng(seed)
natural = [simulator.draw_potassium(rng) for _ in range(5000)]
ax = plots.potassium_histogram(k["fitting"], natural)

# %% [markdown]
# ## What to look for
#
# One beat of one patient, morphed to several concentrations as if this patient responded fully. Low potassium: T flat and
# wide, ST sagging, a U wave behind. High potassium: T tall and narrow, then QRS wide and P gone.

# %% mystnb={"image": {"alt": "One beat in leads II, V3 and V5 at six concentrations: T rises and narrows with potassium, QRS widens above 7, and a U wave stands behind a flat T at 2.2."}}
normal = np.abs(k["fitting"] - 4.2).argmin()
eight = lead_algebra.eight_leads(parts["fitting"]["ecg"].values[normal])
base = simulator.template(eight, parts["fitting"].attrs["fs"])
full_responder = simulator.Responder(1.0, 1.0, 1.0)
shown = {}
for value in (2.2, 3.0, 4.2, 5.9, 7.2, 8.3):
    effect = simulator.effect(value, full_responder)
    shown[value] = simulator.morph(base.beat, base.before, base.fs, base.marks, effect)
time = (np.arange(base.beat.shape[1]) - base.before) / base.fs
ax = plots.potassium_beats(shown, time, {"II": 1, "V3": 4, "V5": 6})

# %% [markdown]
# ## Is it too easy?
#
# A simulator in which all patients respond alike makes a task that no clinic has. So here is the test of the simulator: 60 records a class, features that a
# person could measure, trees, patients held out. On 299 public records of real patients the same kind of model reaches
# areas of 0.82 (5.5 and more) and 0.85 (2.5 and less).

# %% mystnb={"image": {"alt": "Median width and height of T in each class relative to the normal class, in these records and, with a band, in 299 real patients."}}
seen = {name: pot.beats(part) for name, part in parts.items()}
k_class = {name: part["k_class"].values for name, part in parts.items()}
n_trees = 120 if fast else 400
sixty = [rng.permutation(np.flatnonzero(k_class["fitting"] == c))[:60] for c in range(5)]
rows = np.concatenate(sixty)
table, value = seen["fitting"].table.iloc[rows], k["fitting"][rows]
difficulty = np.zeros((2, len(rows)))
for known, held in evaluation.grouped_folds(who["fitting"][rows], k_class["fitting"][rows], 5, seed):
    trees = pot.extra_trees(table.iloc[known], value[known], n_trees)
    difficulty[:, held] = trees(table.iloc[held])[1:]
for name, score, is_it in (("high", difficulty[0], value >= 5.5), ("low", difficulty[1], value <= 2.5)):
    area = evaluation.roc_pr(is_it, score, who["fitting"][rows]).auroc
    record(f"sixty_a_class/extra-trees/auc/{name}", area, tolerance=0.05)
    check(f"features do not find {name} potassium better than in real patients by 0.1", area.value < 0.95)
medians = pot.class_medians(seen["fitting"].table, k_class["fitting"])
labels = {"t_width": "width of T (II, V2 to V5)", "V4_t": "height of T (V4)"}
ax = plots.relative_medians({source: medians}, pot.REAL_MEDIANS, labels)

# %% [markdown]
# ## Baselines first
#
# A constant; a line on the slope of T over the root of its height, the classical measure
# ([Attia 2016](../book/references.md#attia2016)); ridge regression and extremely randomised trees on all features. Each gives a concentration
# and a score for *too high* and *too low*. The mean absolute error alone is a poor judge: in a clinic nearly all patients are
# normal, and a constant errs by no more than half a mmol/L. **Macro** is the mean of the errors within the five classes.

# %%
learned = seen["fitting"].table, k["fitting"]
models = {
    "constant": pot.training_mean(*learned),
    "slope of T": pot.root_slope(*learned),
    "ridge": pot.ridge(*learned),
    "extra-trees": pot.extra_trees(*learned, n_trees),
}
said, found = {}, {}


def assess(name, prediction):
    """Test scores of a model, recorded."""
    said[name], found[name] = prediction, pot.scores(prediction, k["test"], who["test"])
    better = {"mae": "lower", "macro_mae": "lower"}
    for metric, value in found[name].items():
        unit = "mmol/L" if metric in better else ""
        slug = f"test/{name.replace(' ', '_')}/{metric}"
        record(slug, value, unit=unit, better=better.get(metric, "higher"), tolerance=0.1)


for name, model in models.items():
    assess(name, model(seen["test"].table))

# %% [markdown]
# ## One distribution
#
# A concentration becomes 60 bins: the first says *1.6 or more*, the last *7.5 or more*. A network finds one place on a line and how
# sure it is; the bins are ordered cut-points on that line ([McCullagh 1980](../book/references.md#mccullagh1980)). Expected value,
# probabilities of classes and intervals are read from the same 60 numbers, and cannot contradict each other. The code is exact for
# every tenth.
#
# ## Networks
#
# **ECG12Net** ([Lin 2020](../book/references.md#lin2020)) runs one deep dense trunk over each lead and attends over the twelve. Its public
# re-implementation cannot be trained: gradients are cut, batches hold one record, all leads get the same weight. Here it is repaired.
# **Ours** has a short trunk, knows the names of leads, gives each record a width of its own, and takes any subset of leads.
# A **small CNN** sees all leads at once. All see median beats in mV, never scaled to unit variance, and age, sex, rate and
# intervals with a flag where one is missing. Classes are balanced by how the records were drawn, so the loss does not do it again.

# %% tags=["nbval-ignore-output"]
tenths = np.arange(15, 76) / 10
code, _ = pot.encode_k_concentration(tenths)
check("every tenth from 1.5 to 7.5 comes back exactly", bool((pot.decode_k_concentration(code) == tenths).all()))
context = pot.Context.fit(parts["fitting"], seen["fitting"].table)
inputs = {n: (seen[n].x, context(parts[n], seen[n].table), k[n]) for n in parts}
twelve = {n: (lead_algebra.twelve_from_eight(x), *rest) for n, (x, *rest) in inputs.items()}
rates = pot.base_rates(k["fitting"])
small = dict(units=(1, 1, 2, 2, 1), growth=12) if fast else {}
narrow = dict(width=48) if fast else {}
kinds = {
    "small CNN": lambda: SmallCNN(rates=rates),
    "ECG12Net": lambda: ECG12Net(len(context), rates=rates, **small),
    "ours": lambda **chosen: PotassiumNet(len(context), rates=rates, **narrow, **chosen),
}
for name, make in kinds.items():
    record(f"parameters/{name.replace(' ', '_')}", count_parameters(make()))
published = count_parameters(ECG12Net(len(context)))
check("ours has at most a tenth of the parameters of ECG12Net as published",
      10 * count_parameters(PotassiumNet(len(context))) <= published)  # fmt: skip

# %% tags=["nbval-ignore-output"] mystnb={"image": {"alt": "Training and validation loss of our network after each epoch."}}
imbalance = "adjustment" if source == "mimic" else "none"
chosen, how = {}, {}
if tune:
    best, trials = pot.tune(kinds["ours"], inputs["fitting"], who["fitting"], n_trials=20)
    chosen = {"dropout": best.pop("dropout")}
    how = best
epochs = {"small CNN": 20, "ECG12Net": 6, "ours": 20} if fast else {"small CNN": 12, "ECG12Net": 4, "ours": 15}
networks, histories = {}, {}
for name, make in kinds.items():
    shape = twelve if name == "ECG12Net" else inputs
    runs = 3 if name == "ours" and not fast else 1
    fits = []
    for s in range(network_seed, network_seed + runs):
        torch.manual_seed(s)
        network = make(**chosen) if name == "ours" else make()
        options = dict(imbalance=imbalance, epochs=epochs[name], seed=s, precision="32" if fast else "auto")
        options |= {"batch_size": 16 if fast else 64} | (how if name == "ours" else {})
        fits.append(pot.train_network(network, shape["fitting"], shape["validation"], **options))
    networks[name], histories[name] = [fit.model for fit in fits], fits[0]
ax = plots.history(histories["ours"].history, histories["ours"].best_epoch)

# %% [markdown]
# ## The test, read once

# %% tags=["nbval-ignore-output"]
told = {n: {p: pot.distribution(networks[n], *(twelve if n == "ECG12Net" else inputs)[p][:2])[0]
            for p in ("validation", "test")} for n in networks}  # fmt: skip
for name, each in told.items():
    assess(name, pot.of_distribution(each["test"]))
print(pd.DataFrame(found).T.map("{:.2f}".format))
for name in ("ours", "ECG12Net"):
    for metric, other in (("macro_mae", "constant"), ("auc_high", "extra-trees"), ("auc_low", "extra-trees")):
        difference = found[name][metric] - found[other][metric]
        record(f"test/{name}_minus_{other}/{metric}", difference, tolerance=0.15)
gained = found["ours"]["macro_mae"] - found["constant"]["macro_mae"]
check("our network beats the constant in macro error, beyond doubt", bool(gained.high < 0))
single = [pot.scores(pot.of_distribution(pot.distribution(net, *inputs["test"][:2])[0]), k["test"], who["test"], 2)
          for net in networks["ours"]]  # fmt: skip
spread = np.ptp([each["auc_high"].value for each in single])
record("test/ours/spread_over_seeds/auc_high", spread, tolerance=0.1)

# %% tags=["nbval-ignore-output"] mystnb={"image": {"alt": "Predicted against measured potassium of the test records: the fitted line is much flatter than the identity."}}
ours = said["ours"]
slope = found["ours"]["slope"]
check("predictions are drawn towards the mean: the slope is below 1", bool(slope.high < 1))
ax = plots.predicted_potassium(k["test"], ours.value, said["constant"].value[0], slope)

# %% [markdown]
# The slope says what the mean error hides: whoever has 7 is told less, and whoever has 2 is told more. A patient whose record does not
# change cannot be told anything else by an honest model. The errors within the classes show the price at both ends:

# %% tags=["nbval-ignore-output"] mystnb={"image": {"alt": "Mean absolute error within each class for the constant, ridge, extra-trees, ECG12Net and our network; the constant errs most in the outer classes."}}
some = ("constant", "ridge", "extra-trees", "ECG12Net", "ours")
errors = pot.class_table({name: said[name] for name in some}, k["test"])
for name, value in errors["ours"].items():
    record(
        f"test/ours/mae/{name.replace(' ', '')}", value, unit="mmol/L", better="lower", tolerance=max(0.1, value / 4)
    )
worst = errors["ours"].iloc[[0, 4]].max()
check("our network errs less in the worst outer class than the constant", worst < errors["constant"].iloc[[0, 4]].max())
ax = plots.error_by_class(errors)

# %% tags=["nbval-ignore-output"] mystnb={"image": {"alt": "ROC and precision-recall curves for potassium of 5.5 and more and of 2.5 and less, of extra-trees and of our network."}}
curves = {}
for name in ("extra-trees", "ours"):
    curves[f"{name}, high"] = evaluation.roc_pr(k_class["test"] >= 3, said[name].high, who["test"])
    curves[f"{name}, low"] = evaluation.roc_pr(k_class["test"] == 0, said[name].low, who["test"])
ax = plots.roc_pr(curves)

# %% [markdown]
# ## What an answer is worth
#
# Thresholds are chosen on validation patients so that 90 % of the patients who have it are found. Precision in the curves above
# belongs to records of which 40 % are high. In an emergency department 2 % have 5.5 or more and 22 % have 3.5 or less (Lin 2020):
# Bayes' rule carries sensitivity and specificity over.

# %% tags=["nbval-ignore-output"] mystnb={"image": {"alt": "Share of right answers among positive ones against prevalence, on a logarithmic axis, for high and for low potassium; at 2 percent most alarms are false."}}
p = told["ours"]
asked = {
    "K >= 5.5": (lambda part: pot.at_least(p[part], 5.5), lambda part: k[part] > 5.45),
    "K <= 3.5": (lambda part: pot.at_most(p[part], 3.5), lambda part: k[part] < 3.55),
}
curves = {}
for name, (score, truth) in asked.items():
    called = score("test") >= pot.threshold_at(truth("validation"), score("validation"), 0.9)
    is_it, slug = truth("test"), name.replace(" ", "")
    sensitivity, specificity = called[is_it].mean(), (~called[~is_it]).mean()
    ppv, npv = pot.predictive_values(sensitivity, specificity, pot.NATURAL[name])
    for what, value in (("sensitivity", sensitivity), ("specificity", specificity), ("ppv", ppv), ("npv", npv)):
        record(f"test/ours/{what}/{slug}", value, better="higher", tolerance=max(0.1, 0.2 * value))
    prevalence = np.geomspace(0.005, 0.5, 60)
    curves[name] = prevalence, pot.predictive_values(sensitivity, specificity, prevalence)[0]
    if name == "K >= 5.5":
        check("at 2 % most alarms of high potassium are false", bool(ppv < 0.5))
ax = plots.predictive_values(curves, {name: pot.NATURAL[name] for name in asked})

# %% [markdown]
# ## How sure
#
# A probability of 0.8 should be right in 8 of 10. One temperature ([Guo 2017](../book/references.md#guo2017)), found on validation
# patients, is all that is corrected.

# %% tags=["nbval-ignore-output"] mystnb={"image": {"alt": "Observed against predicted probability of 5.5 and more, before and after one temperature was fitted."}}
heat = pot.temperature(p["validation"], k["validation"])
calibrated = {part: pot.cooled(each, heat) for part, each in p.items()}
is_high, tables = k_class["test"] >= 3, {}
for name, each in (("before", p["test"]), ("after", calibrated["test"])):
    probability = pot.at_least(each, 5.5).clip(0, 1)
    tables[name] = evaluation.calibration(probability, is_high, who["test"])
    error = evaluation.expected_calibration_error(probability, is_high, who["test"])
    record(f"test/ours/expected_calibration_error/{name}", error, better="lower", tolerance=0.1)
ax = plots.reliability(tables)

# %% [markdown]
# An interval for a single patient: the tenths that are not too far out in the tails, where *too far* is learned from validation
# patients, once for all and once **within each class** ([Vovk 2012](../book/references.md#vovk2012)). A promise that is kept on average
# is kept mostly for those who need it least.

# %% tags=["nbval-ignore-output"] mystnb={"image": {"alt": "Share of test records whose interval holds the measured value, overall and in each class, for limits learned on average and by class."}}
coverage, sets = pd.DataFrame(index=["all", *pot.CLASSES]), {}
for name, by_class in (("on average", False), ("within each class", True)):
    limits = pot.conformal_limits(calibrated["validation"], k["validation"], 0.9, by_class)
    sets[name] = pot.conformal_sets(calibrated["test"], limits)
    inside = pd.Series(pot.coverage(sets[name], k["test"]))
    coverage[name] = [inside.mean(), *inside.groupby(k_class["test"]).mean().reindex(range(5))]
    slug = name.replace(" ", "_")
    covered = evaluation.bootstrap(lambda hit, _: hit.mean(), inside.values, inside.values, who["test"])
    record(f"test/ours/coverage/{slug}", covered, tolerance=0.08)
    record(f"test/ours/coverage_of_the_worst_class/{slug}", coverage[name].min(), tolerance=0.2)
    record(
        f"test/ours/interval_width/{slug}", 0.1 * sets[name].sum(1).mean(), unit="mmol/L", better="lower", tolerance=0.5
    )
check("within each class, the interval holds 80 to 98 % of all", 0.8 < coverage.loc["all", "within each class"] < 0.98)
ax = plots.class_coverage(coverage, 0.9, 0.8)

# %% tags=["nbval-ignore-output"] mystnb={"image": {"alt": "Probability of every tenth for three test records, with the measured value and the interval: one low, one normal, one high."}}
closest = [np.abs(k["test"] - value).argmin() for value in (2.2, 4.2, 7.0)]
each = pot.levels(calibrated["test"])[closest]
titles = [f"record {parts['test']['record'].values[i]}" for i in closest]
ax = plots.level_distributions(each, k["test"][closest], sets["within each class"][closest], titles)

# %% tags=["nbval-ignore-output"] mystnb={"image": {"alt": "Confusion matrix of the five classes on test records; most errors are between neighbours and towards normal."}}
guess = pot.class_probabilities(p["test"]).argmax(1)
matrix = evaluation.confusion(k_class["test"], guess, range(5))
near = float(np.mean(np.abs(guess - k_class["test"]) <= 1))
record("test/ours/within_one_class", near, better="higher", tolerance=0.1)
bands = pot.limits_of_agreement(ours.value, k["test"], who["test"])
record("test/ours/bias", bands.bias, unit="mmol/L", tolerance=0.3)
record("test/ours/limits_of_agreement_width", bands.upper.value - bands.lower.value, unit="mmol/L", tolerance=1)
ax = plots.confusion(matrix.to_numpy(), pot.CLASSES)

# %% [markdown]
# The Bland-Altman plot draws the same errors against the mean of both: the slope of the cloud is the shrinkage again.

# %% tags=["nbval-ignore-output"] mystnb={"image": {"alt": "Bland-Altman plot of predicted and measured potassium: small bias, limits of agreement wider than the normal range."}}
check("the limits of agreement are wider than the normal range", bands.upper.value - bands.lower.value > 2)
ax = plots.bland_altman(ours.value, k["test"], who["test"], bands, unit="mmol/L")

# %% [markdown]
# ## Fewer leads, attention, and what breaks it
#
# One network serves all sets of leads, since some were taken away while it trained. Attention says where a weighted sum was taken
# from. Whether the network *relies* on it is another question, and deletion answers it: leads are taken away, the most attended first,
# at random, or the least attended first.

# %% tags=["nbval-ignore-output"] mystnb={"image": {"alt": "Share of attention of each lead, and the area under the curve as leads are removed in the order of attention, at random and in reverse."}}
for leads in ("V2+V3+V4+V5", "I+II", "V3", "II", "I"):
    less, _ = pot.distribution(networks["ours"], *inputs["test"][:2], leads.split("+"))
    area = evaluation.roc_pr(is_high, pot.at_least(less, 5.5), who["test"]).auroc
    record(f"test/ours/auc_high/{leads}", area, better="higher", tolerance=0.15)
_, share = pot.distribution(networks["ours"], *inputs["test"][:2])
check("attention sums to 1", bool(np.allclose(share.sum(1), 1, atol=1e-4)))
deletion = pot.lead_deletion(networks["ours"], *inputs["test"][:2], is_high, share, seed)
record("test/ours/deletion/least_minus_most", (deletion.least - deletion.most).mean(), tolerance=0.15)
ax = plots.lead_attention(share, lead_algebra.EIGHT, deletion)

# %% [markdown]
# Confounders change T and QRS, too. Potassium was drawn without regard to them, so what is left is what they do to the signal.

# %% tags=["nbval-ignore-output"] mystnb={"image": {"alt": "Area under the curve for 5.5 and more in strata: thick left ventricle, bundle-branch block, fast rate, none of these."}}
flags = {name: parts["test"][name].values for name in ("lvh", "block")}
flags = {"thick left ventricle": flags["lvh"], "bundle-branch block": flags["block"]}
flags["rate 85 and more"] = parts["test"]["rate"].values >= 85
flags["none of these"] = ~np.any(list(flags.values()), axis=0)
strata = {}
for name, rows in flags.items():
    if len(np.unique(who["test"][rows])) < 3 or len(np.unique(is_high[rows])) < 2:
        continue
    strata[name] = evaluation.roc_pr(is_high[rows], ours.high[rows], who["test"][rows]).auroc
    record(f"test/ours/auc_high/{name.replace(' ', '_')}", strata[name], better="higher", tolerance=0.2)
ax = plots.metric_bars(strata, "AUC for K >= 5.5")

# %% tags=["nbval-ignore-output"] mystnb={"image": {"alt": "Mean expected potassium moves and the area changes with mains interference, a gain error and exchanged arm electrodes."}}
rows = np.linspace(0, len(k["test"]) - 1, 60 if fast else 500).astype(int)
part = parts["test"].isel(record=rows)
x, t = part["ecg"].values, part["time"].values
altered = {
    "as recorded": x,
    "50 Hz, 0.1 mV": x + 0.1 * np.sin(2 * np.pi * 50 * t + 1),
    "60 Hz, 0.1 mV": x + 0.1 * np.sin(2 * np.pi * 60 * t + 1),
    "gain too high by 20 %": 1.2 * x,
    "arm electrodes exchanged": lead_algebra.swap_electrodes(x, "LA-RA"),
}
broken, moved = {}, {}
for name, each in altered.items():
    changed = part.assign(ecg=(part["ecg"].dims, each.astype(np.float32)))
    own = pot.beats(changed)
    less, _ = pot.distribution(networks["ours"], own.x, context(changed, own.table))
    broken[name] = evaluation.roc_pr(is_high[rows], pot.at_least(less, 5.5), who["test"][rows]).auroc
    moved[name] = np.abs(pot.expected(less) - ours.value[rows]).mean()
    record(f"robustness/ours/moved_by/{name.replace(' ', '_')}", moved[name], unit="mmol/L", tolerance=0.3)
ax = plots.metric_bars(broken, "AUC for K >= 5.5", highlight="as recorded")

# %% [markdown]
# ## What has been published, and why it is not comparable
#
# | Work | Measured on | Result |
# |---|---|---|
# | [Attia 2016](../book/references.md#attia2016) | 45 dialysis patients, one lead, within a patient | error 0.36, across patients 0.50 mmol/L |
# | [Corsi 2017](../book/references.md#corsi2017) | 45 dialysis patients, 12 with long QT | error 0.46 mmol/L |
# | [Galloway 2019](../book/references.md#galloway2019) | 61,965 patients with kidney disease | AUC 0.85 to 0.88 (5.5 and more); specificity 55 to 63 % at sensitivity 90 % |
# | [Lin 2020](../book/references.md#lin2020) | 13,222 emergency records; 300 with 60 a class | error 0.53 mmol/L; AUC 0.93 low, 0.96 high |
# | [Harmon 2024](../book/references.md#harmon2024) | 40,128 emergency records, 351 above 6.0 | AUC 0.88; of 100 alarms 3 are right |
# | [von Bachmann 2024](../book/references.md#bachmann2024) | 290,000 emergency records | regression hard, uncertainties miscalibrated |
# | [An 2024](../book/references.md#an2024) | 130,415 external records | AUC 0.92; the journal has published a concern about this paper |
# | [Montague 2008](../book/references.md#montague2008) | readers, 90 patients with 6 and more | strict signs in 18 %, any change in 52 % |
#
# None of these may be compared with a number of this chapter: they are of patients, ours are not. Nor are they comparable with each other: the mixtures
# of classes, the limits, the time between blood and record and the selection of patients differ, and from hospital to hospital areas fall by
# 0.02 to 0.1.
#
# ## Your own recording, your own test set
#
# `papermill 12_potassium.ipynb out.ipynb -r recording my.hea` reads a record with the leads that it has and prints what the network says, with its
# interval: a network that has been trained on records that no patient gave.
#
# `papermill 12_potassium.ipynb out.ipynb -r test_folder path` reads CSV files of twelve columns at 500 Hz in steps of
# 0.01 mV and a `label.csv` with five class columns. It is read here, at the end, and chooses nothing. What cannot be used is named.
# The table `potassium_test.csv` holds the expected value and the probability of each class, one row a record. It is a teaching tool and not a medical device.

# %%
if recording:
    mine = twelve_lead.read_record(recording, fs=fs or None)
    beats, there = pot.own_beats(mine)
    answer, _ = pot.distribution(networks["ours"], beats.x, context(mine, beats.table), there)
    limits = pot.conformal_limits(calibrated["validation"], k["validation"])
    inside = np.flatnonzero(pot.conformal_sets(pot.cooled(answer, heat), limits)[0])
    low, high = (15 + inside[[0, -1]]) / 10
    print(
        f"{pot.expected(answer)[0]:.1f} mmol/L ({low:.1f} to {high:.1f}) from {', '.join(there)}; not a medical device"
    )
if test_folder:
    own = data.load("folder", folder=test_folder)
    beats = pot.beats(own)
    answer, _ = pot.distribution(networks["ours"], beats.x, context(own, beats.table))
    pot.prediction_table(own, answer).to_csv("potassium_test.csv")
    truth, group = own["k_class"].values, own["patient"].values
    for limit, is_it in ((5.5, truth >= 3), (6.5, truth == 4), (3.5, truth <= 1), (2.5, truth == 0)):
        score = (pot.at_least if limit > 5 else pot.at_most)(answer, limit)
        record(f"external/ours/auc/{limit}", evaluation.roc_pr(is_it, score, group).auroc, better="higher")

# %% [markdown]
# ## Summary
#
# - A constant is a strong opponent in mean error, and a useless one. Errors within classes and the slope say more.
# - One distribution over 60 ordered bins answers for the value, the classes and the interval.
# - Precision in a balanced test set says nothing about a clinic: where 2 % have it, most alarms are false, however good the curve.
# - An interval must keep its promise within the class that matters, not only on average.
# - Attention is part of a computation, not an explanation; deletion measures what the network relies on.
# - **Simulated performance is a check of software and not clinical evidence.** The numbers above are of the source named in the parameters
#   cell; [Results](../book/results.md) lists them beside those of morphed real records.
#
# ## Exercises
#
# 1. Let every patient respond: make all strengths 1, simulate forty of the training patients again, and ask the trees
#    once more. How much better do they become, and would a reader of the numbers alone notice?
#
#    ```python
#    from unittest.mock import patch
#
#    with patch.object(simulator, "draw_responder", lambda rng: full_responder):
#        eager = data.load("simulated", folds=range(1, 9), n_patients=50, seed=seed)
#    ```
#
#    <details><summary>Solution</summary>
#
#    ```python
#    from unittest.mock import patch
#
#    with patch.object(simulator, "draw_responder", lambda rng: full_responder):
#        eager = data.load("simulated", folds=range(1, 9), n_patients=50, seed=seed)
#    own = np.isin(who["fitting"], eager["patient"].values)
#    areas = {}
#    for name, features, value, patient in (
#        ("as drawn", seen["fitting"].table[own], k["fitting"][own], who["fitting"][own]),
#        ("all alike", pot.beats(eager).table, eager["potassium"].values, eager["patient"].values),
#    ):
#        score = np.zeros((2, len(value)))
#        for known, held in evaluation.grouped_folds(patient, pot.encode_k_class(value), 4, seed):
#            score[:, held] = pot.extra_trees(features.iloc[known], value[known], 100)(features.iloc[held])[1:]
#        pairs = (value >= 5.5, score[0]), (value <= 2.5, score[1])
#        areas[name] = [evaluation.roc_pr(is_it, s, patient).auroc.value for is_it, s in pairs]
#    print({name: np.round(each, 2).tolist() for name, each in areas.items()})
#    check("the task has become easier", bool(np.mean(areas["all alike"]) > np.mean(areas["as drawn"])))
#    ```
#
#    Each area rises, from about 0.8 to about 0.9. It does not come near 1: thick walls, blocks, other chests and the
#    error of the laboratory remain. Nothing in 0.9 says that the task has become another one. Only the comparison with
#    real patients, who give 0.82 and 0.85, does.
#
#    </details>
#
# 2. Scale each beat to unit variance, all its leads together. Which class suffers? Trees on the samples themselves will
#    do.
#
#    ```python
#    scaled = {n: inputs[n][0] / inputs[n][0].std((1, 2), keepdims=True) for n in parts}
#    ```
#
#    <details><summary>Solution</summary>
#
#    ```python
#    leads = {"mV": {n: inputs[n][0] for n in parts}}
#    leads["unit variance"] = {n: each / each.std((1, 2), keepdims=True) for n, each in leads["mV"].items()}
#    areas = {}
#    for name, each in leads.items():
#        learn, ask = (pd.DataFrame(each[n].reshape(len(each[n]), -1)) for n in ("fitting", "test"))
#        found = pot.extra_trees(learn, k["fitting"], n_trees)(ask)
#        table = pot.scores(found, k["test"], who["test"], 200)
#        areas[name] = table["auc_high"], table["auc_low"]
#        print(f"{name}: high {table['auc_high']}, low {table['auc_low']}, macro error {table['macro_mae']}")
#    lost = max(a.value - b.value for a, b in zip(*areas.values(), strict=True))
#    check("neither area loses more than 0.1", bool(lost < 0.1))
#    ```
#
#    None does, clearly. One might expect that high potassium suffers, since its T wave is tall; but millivolts differ
#    from chest to chest as well, and the ratio of T to R and the width of T are left. What is lost is another thing:
#    low voltage itself, which other diseases show, can no longer be seen.
#
#    </details>
#
# 3. The classes of the training records are about equal, as `imbalance="sampler"` would make them. Somebody adds a
#    second correction, with `pot.reweighted` from natural to equal shares. What happens to the probabilities, and what
#    to the areas?
#
#    ```python
#    natural_share = np.bincount(pot.encode_k_class(np.array(natural)), minlength=5) / len(natural)
#    ```
#
#    <details><summary>Solution</summary>
#
#    ```python
#    natural_share = np.bincount(pot.encode_k_class(np.array(natural)), minlength=5) / len(natural)
#    corrected = {"once": p["test"], "twice": pot.reweighted(p["test"], natural_share, np.full(5, 0.2))}
#    true_share = np.bincount(k_class["test"], minlength=5) / len(k_class["test"])
#    shares = {name: pot.class_probabilities(each).mean(0) for name, each in corrected.items()}
#    print(pd.DataFrame({"true": true_share} | shares, index=pot.CLASSES).round(2).T)
#    high_of = [pot.at_least(each, 5.5) for each in corrected.values()]
#    areas = [evaluation.roc_pr(is_high, each, who["test"]).auroc for each in high_of]
#    print("area for 5.5 and more, once and twice:", *areas)
#    check("corrected twice, the normal class nearly disappears", bool(shares["twice"][2] < shares["once"][2] / 2))
#    check("the area changes by less than 0.1", bool(abs(areas[1].value - areas[0].value) < 0.1))
#    ```
#
#    The second step takes equal shares for natural ones and pushes probability out of the class that is frequent in a
#    clinic. Mean probabilities show it at once, areas do not. The honest use goes the other way, from equal to natural
#    shares.
#
#    </details>
#
# 4. Which specificity makes every second alarm right, if 2 % of the patients have 5.5 and more and nine of ten of them
#    are found? How many does our network find at that specificity?
#
#    ```python
#    specificity = np.linspace(0.9, 1, 1001)
#    right, _ = pot.predictive_values(0.9, specificity, ...)
#    ```
#
#    <details><summary>Solution</summary>
#
#    ```python
#    specificity = np.linspace(0.9, 1, 1001)
#    right, _ = pot.predictive_values(0.9, specificity, pot.NATURAL["K >= 5.5"])
#    needed = specificity[np.argmax(right >= 0.5)]
#    score = {part: pot.at_least(p[part], 5.5) for part in ("validation", "test")}
#    limit = np.quantile(score["validation"][k_class["validation"] < 3], needed)
#    kept = (score["test"][is_high] > limit).mean()
#    print(f"needed: {needed:.1%}; with the limit of the validation patients {kept:.0%} are found")
#    check("the specificity must be above 98 %", bool(needed > 0.98))
#    check("our network then finds fewer than nine of ten", bool(kept < 0.9))
#    ```
#
#    For each patient who has it there are 49 who do not, so that not even two in a hundred of these may be called. The
#    network cannot afford that and find nine of ten. The limit hangs on the one or two highest of some seventy
#    validation records, and so is itself a guess.
#
#    </details>
#
# ## References
#
# [An 2024](../book/references.md#an2024) · [Attia 2016](../book/references.md#attia2016) · [von Bachmann 2024](../book/references.md#bachmann2024) ·
# [Corsi 2017](../book/references.md#corsi2017) · [Galloway 2019](../book/references.md#galloway2019) · [Guo 2017](../book/references.md#guo2017) ·
# [Harmon 2024](../book/references.md#harmon2024) · [Lin 2020](../book/references.md#lin2020) · [McCullagh 1980](../book/references.md#mccullagh1980) ·
# [Montague 2008](../book/references.md#montague2008) · [ten Tusscher 2006](../book/references.md#tentusscher2006) ·
# [Vovk 2012](../book/references.md#vovk2012) · [Wagner 2020](../book/references.md#wagner2020)

# %% tags=["nbval-ignore-output"]
versions()
