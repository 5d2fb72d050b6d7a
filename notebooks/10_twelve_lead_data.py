# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Twelve leads: what is in the data
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/owner/cardiac-ml-book/blob/main/notebooks/10_twelve_lead_data.ipynb)
#
# The next chapter draws twelve leads from three. Before any network, this one asks what a set of twelve-lead
# electrocardiograms is: which of the leads say something that the others do not, what the labels mean and how they hang
# together, which records are unfit for use, and which patients stand on both sides of a careless split.
#
# **You will do:** draw the clinical sheet, compute four leads from two, find exchanged electrodes, count classes and their
# overlap, discard records by rule, make, clean and analyse a class of your own, and train a plain classifier.
#
# **You will learn:** why twelve leads are eight, why a perfect model cannot predict imperfect labels, and what a patient who
# is in training and test is worth.
#
# **You need:** 90 seconds, no GPU, no download. The [glossary](../book/glossary.md) explains lead, QRS and ST.

# %% tags=["remove-cell"]
import importlib.util

if importlib.util.find_spec("cardio_utils") is None:
    # %pip install -q "cardio-utils @ git+https://github.com/owner/cardiac-ml-book@main"
    pass

# %% tags=["parameters"]
source: str = "simulated"  # "simulated"; "ptbxl": published records, downloaded once; "wfdb": a folder
profile: str = "fast"  # "fast": 90 s on one core; "full": more patients
seed: int = 0  # changes the simulated patients, the split and the training
folder: str = ""  # of PTB-XL or of WFDB records, if not in CARDIO_DATA
recording: str = ""  # a WFDB header (.hea) or a table (.csv) of your own; empty: none
fs: float = 100.0  # Hz, of a table of your own

# %%
import numpy as np
import pandas as pd
from sklearn.decomposition import PCA
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from cardio_utils import ecg, evaluation, labels, lead_algebra, plots, signals
from cardio_utils.data import twelve_lead
from cardio_utils.lead_algebra import EIGHT, TWELVE
from cardio_utils.notebook import check, record, setup, versions

setup("10_twelve_lead_data", source=source, profile=profile, seed=seed)
fast = profile == "fast"

# %% [markdown]
# ## The records
#
# Each record lasts ten seconds, at 100 Hz, in millivolts as they were recorded: nothing is scaled or clipped. By default they
# come from **simulated** hearts in which infarcts, ischaemia, blocks and thick walls run at any severity from none to severe,
# alone or together, and a patient has one to three records. With `source="ptbxl"` the same chapter reads PTB-XL
# ([Wagner 2020](../book/references.md#wagner2020)), and with `source="wfdb"` any folder of WFDB records.

# %%
size = {"n_patients": 560 if fast else 2000, "seed": seed} if source == "simulated" else {}
data = twelve_lead.load(source, folder=folder or None, **size)
rate = data.attrs["fs"]
print(data)
record("data/records", data.sizes["record"])
record("data/patients", len(np.unique(data.patient)))

# %% [markdown]
# On paper, 25 mm are a second and 10 mm a millivolt. Three rows of four leads each show a quarter of the time, and lead II
# runs along the bottom.

# %% mystnb={"image": {"alt": "A twelve-lead sheet on millimetre paper with three rows of four leads and a rhythm strip of lead II."}}
labelled = data.label.values
infarct = np.flatnonzero(labelled[:, 1] & (labelled.sum(1) == 1) & (data.noise.values == ""))
print(data.statements.values[infarct[0]])
ax = plots.sheet(data.ecg.values[infarct[0]], rate)

# %% [markdown]
# ## Twelve leads are eight
#
# Three limb electrodes give two independent voltages. III, aVR, aVL and aVF follow from I and II; so a record in which they do
# not follow was filtered lead by lead, mixed up, or clipped. Whoever counts the four as *reconstructed* improves every average
# by an identity: chapter 11 counts hidden chest leads only.

# %%
residual = lead_algebra.einthoven_residual(data.ecg.values)
again = lead_algebra.twelve_from_eight(lead_algebra.eight_leads(data.ecg.values))
record("algebra/einthoven/residual", 1e6 * np.nanmedian(residual) / 1e3, unit="uV", tolerance=0.3)
check("the eight independent leads return unchanged", bool((again[:, 6:] == data.ecg.values[:, 6:]).all()))
check("III, aVR, aVL and aVF follow from I and II within 2 uV", bool(np.nanmax(residual) < 0.002))

# %% [markdown]
# ## Unfit records
#
# Rules find what is unfit: missing samples, a flat lead, a saturated amplifier, impossible voltages, leads that break the
# identities, flags set by a human reader, patients under age. The first rule that applies names the reason.

# %%
reason = labels.faults(data)
print(reason.replace("", "fit").value_counts().to_string())
for name, count in reason[reason != ""].value_counts().items():
    record(f"data/discarded/{name.replace(' ', '_')}", count)
check("fewer than one record in ten is discarded", bool((reason != "").mean() < 0.1))

# %% mystnb={"image": {"alt": "Twelve-lead sheet of a record that a rule discarded: in one chest lead the trace is flat or cut off."}}
unfit = np.concatenate([np.flatnonzero(reason == name) for name in ("flat", "clipped", "amplitude")])
print(reason.iloc[unfit[0]])
ax = plots.sheet(data.ecg.values[unfit[0]], rate)

# %% [markdown]
# What remains is parted by **patient**: folds 1 to 8 for training, 9 for validation, 10 for the test. The table counts patients
# that two parts have in common; off its diagonal it must be zero. Records dealt at random share many.

# %%
fit, _ = labels.process(data)
shared = labels.shared_patients(fit.patient.values, fit.role.values)
print(shared)
at_random = np.random.default_rng(seed).permutation(fit.role.values)
print(labels.shared_patients(fit.patient.values, at_random))
leaks = labels.shared_patients(fit.patient.values, at_random).loc["train", "test"]
record("split/random/patients_shared", leaks, better="lower", tolerance=max(0.1, 0.2 * leaks))
check("no patient is in two parts", bool((shared.values == np.diag(np.diag(shared))).all()))
check("records dealt at random share patients", bool(leaks > 0))

# %% [markdown]
# ## What the labels are
#
# A reader writes statements; 44 of the statements of PTB-XL belong to five superclasses: normal (NORM), myocardial infarction
# (MI), ST-T change (STTC), conduction disturbance (CD) and hypertrophy (HYP). A record may have several.

# %% mystnb={"image": {"alt": "Bars: records of each superclass, those without any other label in a darker colour."}}
explored = labels.explore(fit)
print(explored.round(2).to_string())
for name in fit["class"].values:
    record(f"data/share/{name}", explored.share[name])
check("NORM stands alone more often than any other class", explored.alone.iloc[:5].idxmax() == "NORM")
ax = plots.label_counts(explored)

# %% mystnb={"image": {"alt": "Matrix of how many records have two of the frequent labels at once, coloured by the share of the row's label."}}
table = labels.table(fit, least=0.03 * fit.sizes["record"])
ax = plots.co_occurrence(labels.co_occurrence(table.iloc[:, :12]))

# %% [markdown]
# ## What the classes look like
#
# The median beat of each record, averaged over records that have one class alone. Averages hide how different the records of
# a class are, but show what a classifier can hope for: a change of ST and T for STTC, a broad QRS complex for CD, tall R waves
# for HYP, lost R waves for MI.

# %% mystnb={"image": {"alt": "Mean beat of the five superclasses in six leads: broad for CD, tall for HYP, with flat T for STTC."}}
filtered = signals.bandpass(lead_algebra.eight_leads(fit.ecg.values), rate, 0.5, 40)
peaks = [ecg.find_r_peaks(x, rate) for x in filtered]
beats = np.array([ecg.mean_beat(x, rate, at, before=0.35) for x, at in zip(filtered, peaks, strict=True)])
beats -= beats[:, :, 28:31].mean(2, keepdims=True)  # the PR segment is the level of zero
alone = fit.label.values & (fit.label.values.sum(1) == 1)[:, None]
means = {str(name): beats[alone[:, k]].mean(0) for k, name in enumerate(fit["class"].values)}
shown = [EIGHT.index(name) for name in ("I", "II", "V1", "V2", "V4", "V6")]
ax = plots.mean_beats({k: v[shown] for k, v in means.items()}, np.arange(-35, 45) / 100, [EIGHT[k] for k in shown])

# %% [markdown]
# ## Waves and their bounds
#
# The QRS complex begins and ends where the slope of all leads together is small; the T wave ends where the tangent of its
# descent meets the baseline ([Lepeschkin 1952](../book/references.md#lepeschkin1952)). From these follow intervals and
# the level of ST, which chapters 11 and 12 compare.

# %% mystnb={"image": {"alt": "Three leads of one record with shaded QRS complexes and dashed lines at the ends of T waves."}}
waves = [ecg.delineate(x, rate, at) for x, at in zip(filtered, peaks, strict=True)]
ax = plots.delineated(fit.ecg.values[0], rate, waves[0])


# %%
def middle(values):
    """Median of what was seen; NaN if nothing was."""
    seen = values[np.isfinite(values)]
    return np.median(seen) if seen.size else np.nan


interval = pd.DataFrame(
    {
        "QRS (ms)": [1000 * middle(w.qrs_offset - w.qrs_onset) for w in waves],
        "QT (ms)": [1000 * middle(w.t_end - w.qrs_onset) for w in waves],
        "|ST|, all leads (uV)": [1000 * middle(np.abs(w.st)) for w in waves],
        "R in V5 (mV)": [middle(w.r[:, EIGHT.index("V5")]) for w in waves],
    }
)
medians = pd.DataFrame({name: interval[alone[:, k]].median() for k, name in enumerate(fit["class"].values)})
print(medians.round(1).to_string())
record("classes/NORM/qrs", medians.loc["QRS (ms)", "NORM"], unit="ms", tolerance=5.0)
record("classes/CD/qrs", medians.loc["QRS (ms)", "CD"], unit="ms", tolerance=10.0)
check("the QRS complex of CD is the longest", medians.loc["QRS (ms)"].idxmax() == "CD")

# %% [markdown]
# ## Exchanged electrodes
#
# Now and then right arm and left arm are exchanged. Chest leads do not change by that, and they say about what I and II
# should look like. Here records are exchanged on purpose, so that it is known what should be found.

# %%
some = np.random.default_rng(seed).choice(fit.sizes["record"], min(80, fit.sizes["record"]), replace=False)
found = {}
for pair in ("", *lead_algebra.SWAPS):
    exchanged = lead_algebra.swap_electrodes(fit.ecg.values[some], pair)
    said = pd.Series([ecg.lead_swap(x, rate) or "none" for x in exchanged])
    found[pair or "none"] = said.value_counts(normalize=True)
found = pd.DataFrame(found).reindex(["none", *lead_algebra.SWAPS], columns=["none", *lead_algebra.SWAPS]).fillna(0)
print(found.rename_axis("said").rename_axis("true", axis=1).round(2).to_string())
for pair in lead_algebra.SWAPS:
    record(f"swap/lead_swap/sensitivity/{pair}", found.loc[pair, pair], better="higher", tolerance=0.1)
record("swap/lead_swap/specificity", found.loc["none", "none"], better="higher", tolerance=0.05)
check("exchanged arms are found in nine records of ten", bool(found.loc["LA-RA", "LA-RA"] > 0.9))

# %% mystnb={"image": {"alt": "Twelve-lead sheet with the true recording and, in another colour, the same one with exchanged arms: I is upside down."}}
normal = fit.ecg.values[np.flatnonzero(alone[:, 0])[0]]
ax = plots.sheet(normal, rate, lead_algebra.swap_electrodes(normal, "LA-RA"), names=("right", "arms exchanged"))

# %% [markdown]
# Left arm and left leg are another matter: what results looks like another normal heart, and nobody finds it reliably.
#
# ## A class of one's own
#
# Questions need classes that no set has. *Inferior or anteroseptal infarct without a bundle-branch block*, say: a union of
# labels, without another one.

# %%
wanted = {"union": ("IMI", "ASMI", "ILMI", "AMI"), "without": ("CLBBB", "ILBBB", "CRBBB")}
if source == "wfdb":
    wanted = {"union": ("MI",), "without": ("CD",)}
every = labels.table(data)
wanted = {how: [name for name in names if name in every] for how, names in wanted.items()}
own = labels.generate(every, **wanted)
print(own.sum(), "records of", data.patient.values[own].size and len(set(data.patient.values[own])), "patients")
record("class/own/records", own.sum())

# %% [markdown]
# Does it matter which of its records are discarded? If noise were more frequent in the sick, cleaning would make the class
# healthier. The corrupted and the clean records of the class are compared, share by share.

# %% mystnb={"image": {"alt": "Shares of the superclasses and of women in clean and in corrupted records of the class, with p-values."}}
kept, comparison, analysis = labels.process_class(data, every, own, reason)
print(comparison.round(3).to_string())
ax = plots.side_by_side(comparison)

# %% [markdown]
# With so few corrupted records only a large difference could show: a p-value that is not small says little. Then the class is
# analysed: how probable is every other label, given the class, and how probable is it among all records?

# %% mystnb={"image": {"alt": "Probability of other labels in the class with intervals, beside their share of all records."}}
others = analysis.drop(index=[name for name in (*wanted["union"], "MI") if name in analysis.index])
others = others[others["records"] > 0].head(10)
print(others.round(3).to_string())
repolarised = analysis.loc["STTC"]
interval_of = (repolarised.low, repolarised.high)
record("class/own/probability/STTC", repolarised.probability, ci=interval_of, tolerance=0.1)
check("STTC is more frequent in the class than among all records", bool(repolarised.lift > 1))
ax = plots.label_probabilities(others)

# %% [markdown]
# ## How hard are the labels?
#
# A plain classifier sets the scale for chapter 11: the median beat of eight leads in 40 principal components, intervals and
# amplitudes; logistic regression and randomised trees, averaged. The records are dealt into three folds by patient; every
# record is judged by a model that has seen no record of its patient.

# %%
amplitude = [np.apply_along_axis(middle, 0, np.c_[w.r, w.s, w.st, w.t]) for w in waves]
heart_rate = [rate / np.median(np.diff(at)) if len(at) > 1 else 1.0 for at in peaks]
numbers = np.nan_to_num(np.c_[interval, amplitude, heart_rate]).clip(-1e3, 1e3)
flat = beats.reshape(len(beats), -1)


def components(folds):
    """Inputs of the classifier for each fold, from components of the records that are known there."""
    return [np.c_[PCA(40, random_state=seed).fit(flat[known]).transform(flat), numbers] for known, _ in folds]


def out_of_fold(folds, inputs, target):
    """Probability of a class for every record, by models that were fitted without its fold."""
    score = np.zeros(len(target))
    for (known, unseen), x in zip(folds, inputs, strict=True):
        linear = make_pipeline(StandardScaler(), LogisticRegression(C=0.02, max_iter=500))
        trees = ExtraTreesClassifier(100, min_samples_leaf=3, random_state=seed)
        fitted = [model.fit(x[known], target[known]) for model in (linear, trees)]
        score[unseen] = np.mean([model.predict_proba(x[unseen])[:, 1] for model in fitted], axis=0)
    return score


# %% mystnb={"image": {"alt": "Area under the ROC curve of the plain classifier for each of the five superclasses with intervals over patients."}}
patient, classes = fit.patient.values, [str(name) for name in fit["class"].values]
by_patient = evaluation.grouped_folds(patient, fit.label.values.argmax(1), 3, seed=seed)
inputs, areas = components(by_patient), {}
for name, target in zip(classes, fit.label.values.T, strict=True):
    areas[name] = evaluation.roc_pr(target, out_of_fold(by_patient, inputs, target), patient).auroc
    record(f"by_patient/plain/auroc/{name}", areas[name], better="higher", tolerance=0.1)
macro = np.mean([area.value for area in areas.values()])
record("by_patient/plain/auroc/macro", macro, better="higher", tolerance=0.1)
check("every class is told better than by chance", all(area.low > 0.5 for area in areas.values()))
ax = plots.metric_bars(areas, xlabel="area under the ROC curve")

# %% [markdown]
# A part of what is missing to 1 cannot be had. In the simulation it is known what each heart has, whatever the reader wrote: the
# true severity, used as a score for the labels, is what a model that sees through the chest wall would reach.

# %%
if source == "simulated":
    for name, target, severity in zip(classes, fit.label.values.T, fit.severity.values.T, strict=True):
        best = evaluation.roc_pr(target, severity, patient).auroc
        record(f"by_patient/true_severity/auroc/{name}", best, better="higher", tolerance=0.05)
        check(f"{name}: even the true severity does not predict the label perfectly", best.value < 1)

# %% [markdown]
# ## What a shared patient is worth
#
# The same classifier on folds dealt at random: now other records of many patients are known.

# %%
order = np.random.default_rng(seed).permutation(len(patient))
at_random = [(np.setdiff1d(order, part), part) for part in np.array_split(order, 3)]
inputs, gain = components(at_random), {}
for name, target in zip(classes, fit.label.values.T, strict=True):
    promised = evaluation.roc_pr(target, out_of_fold(at_random, inputs, target), patient).auroc
    gain[name] = promised - areas[name]
print("\n".join(f"{name}: {difference}" for name, difference in gain.items()))
mean_gain = np.mean([difference.value for difference in gain.values()])
record("at_random_minus_by_patient/plain/auroc/macro", mean_gain, tolerance=0.03)
if source == "simulated":
    check("known patients flatter the classifier", bool(mean_gain > 0))

# %% [markdown]
# In PTB-XL few patients of the part that is used here have several records, and the difference is small; in a set where everybody has
# several, it decides.
#
# ## Your own recording
#
# `papermill 10_twelve_lead_data.ipynb out.ipynb -r recording my_record.hea` prints what is to be known about a record with the
# leads that you have. It is a teaching tool and not a medical device.

# %%
if recording:
    mine = twelve_lead.read_record(recording, fs=fs if recording.endswith(".csv") else None)
    x, own_rate = mine.ecg.values[0], mine.attrs["fs"]
    present = np.isfinite(x).all(1)
    print("leads:", ", ".join(np.array(TWELVE)[present]))
    seen = ecg.delineate(x[present], own_rate)
    print(f"QRS {1000 * np.nanmedian(seen.qrs_offset - seen.qrs_onset):.0f} ms, {len(seen.peak)} beats")
    print("exchanged electrodes:", (ecg.lead_swap(x, own_rate) or "none seen") if present.all() else "not looked for")
    ax = plots.sheet(x, own_rate)

# %% [markdown]
# ## Summary
#
# - Four of twelve leads are arithmetic. They are exact, and no achievement.
# - Rules with names, applied before anything else, say which records were left out and why; flags and rules find different
#   records.
# - Labels overlap: a class is best understood by the probability of all others in it.
# - Readers err, and severities are continuous; the ceiling of a classifier is below 1.
# - The numbers above are of the data named in the parameters cell. [Results](../book/results.md) lists them beside those of
#   real records.
#
# ## Exercises
#
# 1. How far does the algebra go? Take leads III and aVL only and compute lead II of every fit record.
#
#    ```python
#    third, left = fit.ecg.values[:, 2], fit.ecg.values[:, 4]
#    second = lead_algebra.limb_from_two({"III": third, ...})[:, 1]
#    ```
#
#    <details><summary>Solution</summary>
#
#    ```python
#    third, left = fit.ecg.values[:, 2], fit.ecg.values[:, 4]
#    second = lead_algebra.limb_from_two({"III": third, "aVL": left})[:, 1]
#    error = 1000 * np.abs(second - fit.ecg.values[:, 1])
#    print(f"lead II from III and aVL: wrong by {error.max():.3f} uV at most")
#    check("III and aVL give II within 5 uV", bool(error.max() < 5))
#    ```
#
#    Any two limb leads give all six, here II = 2 (III + aVL). The price is rounding: the factor 2 doubles it, so a file
#    in steps of 1 uV is wrong by a few uV. Simulated records are rounded to far finer steps.
#
#    </details>
#
# 2. A vectorcardiogram ([Kors 1990](../book/references.md#kors1990)) holds three numbers at each moment. Which share of
#    the power of eight leads comes back from three published numbers, which from the best three that these records
#    have, and which lead suffers most?
#
#    ```python
#    eight = np.concatenate(filtered, axis=1)
#    again = lead_algebra.DOWER @ (lead_algebra.KORS @ eight)
#    ```
#
#    <details><summary>Solution</summary>
#
#    ```python
#    eight = np.concatenate(filtered, axis=1)
#    directions = np.linalg.svd(eight @ eight.T)[0][:, :3]
#    three = {"published": lead_algebra.DOWER @ (lead_algebra.KORS @ eight)}
#    three["best"] = directions @ (directions.T @ eight)
#    power = (eight**2).sum(1)
#    lost = {name: ((eight - again) ** 2).sum(1) for name, again in three.items()}
#    kept = {name: 1 - part.sum() / power.sum() for name, part in lost.items()}
#    by_lead = {name: 1 - part / power for name, part in lost.items()}
#    print({name: round(float(share), 3) for name, share in kept.items()})
#    print(pd.DataFrame(by_lead, index=EIGHT).round(2).T.to_string())
#    check("the best three numbers keep more than nine tenths of the power", bool(kept["best"] > 0.9))
#    check("the published ones keep less", bool(kept["published"] < kept["best"]))
#    ```
#
#    Three numbers hold most of an electrocardiogram. The tables of Kors and Dower were made for other chests, and of a
#    lead close to the heart, here V4, they lose the most. What three numbers cannot hold is what chapter 11 has to
#    draw.
#
#    </details>
#
# 3. Generate the class *ST-T change and hypertrophy*. Which labels are its most frequent companions, and which of them
#    say something about the class?
#
#    ```python
#    both = labels.generate(every, intersection=[...])
#    companions = labels.analyse(every, both, data.patient.values)
#    ```
#
#    <details><summary>Solution</summary>
#
#    ```python
#    both = labels.generate(every, intersection=["STTC", "HYP"])
#    companions = labels.analyse(every, both, data.patient.values).drop(index=["STTC", "HYP"])
#    print(both.sum(), "records\n", companions.head(6).round(2).to_string())
#    rhythm, thick = companions.loc["SR"], companions.loc["LVH"]
#    check("sinus rhythm is in more than half of the class", bool(rhythm.probability > 0.5))
#    check("and about as frequent elsewhere", bool(0.8 < rhythm.lift < 1.25))
#    check("LVH is at least three times as frequent as elsewhere", bool(thick.lift > 3))
#    ```
#
#    LVH leads the list, but it is one of the statements that make a record HYP: it comes with the definition. Sinus
#    rhythm is in most records of the class, and in most others: its lift is 1. The first companion that says something
#    new is MI, in half of the class and in a quarter of all records.
#
#    </details>
#
# 4. Discard flagged records of every kind, drift and static noise too. How many records does it cost, and does one
#    class lose more than the others?
#
#    ```python
#    strict = labels.faults(data, flags=tuple(twelve_lead.NOISE))
#    ```
#
#    <details><summary>Solution</summary>
#
#    ```python
#    strict = labels.faults(data, flags=tuple(twelve_lead.NOISE))
#    lenient_table = labels.table(data)[(reason == "").to_numpy()].iloc[:, :5]
#    strict_table = labels.table(data)[(strict == "").to_numpy()].iloc[:, :5]
#    cost = pd.DataFrame({"before": lenient_table.mean(), "after": strict_table.mean()})
#    cost["lost"] = 1 - strict_table.sum() / lenient_table.sum()
#    print(len(lenient_table), "records before,", len(strict_table), "after\n", cost.round(3).to_string())
#    check("twice as many records or more are discarded", bool((strict != "").sum() > 2 * (reason != "").sum()))
#    change = np.abs(cost.after - cost.before).max()
#    check("no class changes its share by more than 0.03", source != "simulated" or bool(change < 0.03))
#    ```
#
#    A fifth of the records goes. Each class loses about as much, within chance: in the simulation noise does not ask
#    for the diagnosis. In a hospital it may, when the sick tremble or are recorded in a hurry, and then the table looks
#    different.
#
#    </details>
#
# 5. Why does a known patient help? For every record find the one with the most similar beat. How often is it of the
#    same patient?
#
#    ```python
#    square = (flat**2).sum(1)
#    apart = square[:, None] + square - 2 * flat @ flat.T
#    ```
#
#    <details><summary>Solution</summary>
#
#    ```python
#    square = (flat**2).sum(1)
#    apart = square[:, None] + square - 2 * flat @ flat.T
#    np.fill_diagonal(apart, np.inf)
#    closest = apart.argmin(1)
#    several = (patient[:, None] == patient).sum(1) > 1
#    found_again = (patient[closest] == patient)[several].mean()
#    chance = ((patient[:, None] == patient).sum(1) - 1)[several].mean() / (len(patient) - 1)
#    alike = (fit.label.values[closest] == fit.label.values).all(1)
#    print(f"{found_again:.2f} of {several.sum()} records find their patient, by chance {chance:.3f}")
#    print(f"same labels: {alike[several].mean():.2f}, patients with one record {alike[~several].mean():.2f}")
#    check("most records are closest to another record of their patient", bool(found_again > 0.5))
#    ```
#
#    A beat is nearly a fingerprint. Dealt at random, the other record of a patient stands in the training part, and its
#    labels, which mostly are the same, can be copied. No cardiology is needed for that.
#
#    </details>
#
# ## References
#
# [Dower 1980](../book/references.md#dower1980) · [Edenbrandt 1988](../book/references.md#edenbrandt1988) ·
# [Kors 1990](../book/references.md#kors1990) · [Lepeschkin 1952](../book/references.md#lepeschkin1952) ·
# [Wagner 2020](../book/references.md#wagner2020)

# %% tags=["nbval-ignore-output"]
versions()
