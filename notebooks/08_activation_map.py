# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # The activation map behind twelve leads
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/owner/cardiac-ml-book/blob/main/notebooks/08_activation_map.ipynb)
#
# A wave of excitation crosses the ventricles in a tenth of a second. Ten electrodes on the skin see its shadow. Can the
# order in which the muscle was activated be read from the shadow: 75 times, in ms, from twelve leads?
# On simulated beats an error below 2 ms has been published ([Landajuela 2022](../book/references.md#landajuela2022)), with
# beats drawn at random for the test. This chapter asks the same of a heart that the model has never seen, and of a place
# from which no beat ever began.
#
# **You will do:** split the same beats in three ways, let simple models and networks loose on them, give each of 75 times an
# interval, ask a network which lead it read, and move the electrodes under it.
#
# **You will learn:** how far a random split flatters, what can be known from the body surface and what not, and what a map
# computed from a real beat means.
#
# **You need:** 90 seconds, no GPU, no download. The [glossary](../book/glossary.md) explains activation, lead and segment.

# %% tags=["remove-cell"]
import importlib.util

if importlib.util.find_spec("cardio_utils") is None:
    # %pip install -q "cardio-utils @ git+https://github.com/owner/cardiac-ml-book@main"
    pass

# %% tags=["parameters"]
source: str = "simulated"  # "simulated"; "ucsd": the published set, 5.2 GB, downloaded once
profile: str = "fast"  # "fast": 90 s on one core; "full": 16,000 cases, longer training
seed: int = 0  # changes the simulated hearts, the splits and the training
split: str = "heart"  # the split looked at closely: "random", "heart" or "site"
segment: str = "AHA11"  # the site whose time is explained, such as "RV02" or "EPI_AHA05"
recording: str = ""  # your own 12-lead ECG: a WFDB header (.hea), or a .csv with a column a lead
rate: float = 0.0  # Hz, of a .csv

# %%
import numpy as np
import pandas as pd
import torch

from cardio_utils import activation, evaluation, lead_algebra, plots, training
from cardio_utils.data import intracardiac, twelve_lead
from cardio_utils.models.activation import ActivationNet, ConvLSTM, SqueezeNet1d
from cardio_utils.notebook import check, record, setup, versions

setup("08_activation_map", source=source, profile=profile, seed=seed)
fast = profile == "fast"

# %% [markdown]
# ## The data
#
# A case is one beat of 500 ms: potentials at ten electrodes, and the transmembrane potential at 75 sites of the two
# ventricles. The published set holds 16,117 cases of fifteen hearts: 29 distributed patterns of activation, and pacing from
# each of the 75 sites, at several speeds, rates and levels of a potassium current. By default the cases here are **simulated**
# by this book's own heart, in the same design; `source="ucsd"` reads the published ones. Both are simulations: the
# published name for the potentials is *pseudo-ECG*. What is to be found, the activation time, is when Vm crosses 0 mV.

# %%
size = {"n": 1200 if fast else 16_000} if source == "simulated" else {}
needed = ("potentials", "activation")  # without Vm 16,000 cases take 0.3 GB
cases = activation.complete(intracardiac.load(source, variables=needed, seed=seed, **size))
print(cases)
record("data/cases", cases.sizes["case"])
record("data/activations", len(np.unique(cases["activation_group"])))

# %% mystnb={"image": {"alt": "Twelve leads of two beats of one heart: by way of its conduction system, and paced from outside at the left wall; the paced QRS complex is broader and points elsewhere."}}
heart, pattern, site = (cases[name].values for name in ("heart", "pattern", "pacing_site"))
normal = np.flatnonzero(pattern == 1)[0]
outside = np.char.startswith(site.astype(str), "EPI_AHA")
paced = np.flatnonzero((heart == heart[normal]) & outside)[0]
beat = {"through the conduction system": normal, f"paced at {site[paced]}": paced}
twelve = intracardiac.twelve_leads(cases["potentials"])
axes = plots.lead_grid({name: twelve.values[row] for name, row in beat.items()})

# %% mystnb={"image": {"alt": "The heart of the two beats from the front and from behind with isochrones every 10 ms: one activated from many places within half the time, the other from a single one."}}
axes = plots.isochrones({name: cases["activation"].values[row] for name, row in beat.items()})

# %% [markdown]
# Two beats, what the skin shows and what the muscle did. The task is to go from the first figure to the second.
#
# ## Does the simulator resemble the published set?
#
# Its constants were chosen so that the statistics below, which others have published about the set, come out within a factor of
# 1.5. Extremes, which grow with the number of cases and of which few are shown, come less close. That makes
# the task of the same kind. It does not make the numbers of this chapter, all of which are *simulated and not comparable
# with numbers on the UCSD set*, a reproduction of anything.

# %%
few = intracardiac.load(source, n=300, seed=seed)
calibration = intracardiac.calibration_table(few)
print(calibration.round(2).to_string())
close = calibration["ratio"].between(1 / 1.5, 1.5)
extreme = calibration.index.str.contains("least|greatest")
check("spreads, times and typical values are within a factor of 1.5", close[~extreme].all())
check("of all statistics three in four are", bool(close.mean() >= 0.75))

# %% [markdown]
# ## Three ways to split
#
# - **random**: beats are dealt out. A heart and a pacing site of the test are in the training, too. So is published work; but
#   there even beats that differ in nothing but the heart rate, whose maps are equal, stand on both sides. Here they do not.
# - **heart**: three of fifteen hearts are for the test, three to choose the epoch. *What about a new patient?*
# - **site**: initiations are dealt out, and the sites of one segment stay together. *What about a beat that begins where no
#   training beat began?*
#
# Eight leads go in, I, II and V1 to V6, in mV: the other four follow from them. One scale for all of them, since the ratio
# between leads says where.

# %%
x, y = activation.leads(cases["potentials"]), cases["activation"].values
places = np.stack([cases[axis].values for axis in "xyz"], axis=1)
parts = {kind: intracardiac.split(cases, kind, seed=seed) for kind in ("random", "heart", "site")}
group = cases["activation_group"].values
for kind, part in parts.items():
    record(f"{kind}/cases/test", len(part.test))
    check(f"{kind}: no activation is on two sides", not set(group[part.train]) & set(group[part.test]))
both = set(heart[parts["heart"].train]) & set(heart[parts["heart"].test])
check("heart: no heart is on two sides", not both)

# %% [markdown]
# ## Baselines first
#
# Three answers that need no network. The **mean map** of training, whatever the ECG says. **Ridge** regression, linear in the
# principal components of the leads. The **nearest neighbour**: of all training beats take the one with the most similar ECG,
# and give its map.

# %%
maps, scores = {kind: {} for kind in parts}, {kind: {} for kind in parts}


def judge(kind, name, predicted):
    """Errors of a model on the test cases of a split; the mean absolute one is recorded."""
    rows = parts[kind].test
    maps[kind][name] = predicted
    scores[kind][name] = activation.assess(y[rows], predicted, places, heart[rows])
    mae, slug = scores[kind][name]["mae"], f"{kind}/{name.replace(' ', '_')}"
    record(f"{slug}/mae", mae, unit="ms", better="lower", tolerance=max(0.1, 0.2 * mae.value))


for kind, part in parts.items():
    for name, predicted in activation.baselines(x, y, part, seed=seed).items():
        judge(kind, name, predicted)
neighbour = {kind: scores[kind]["nearest neighbour"]["mae"].value for kind in scores}
linear = scores["random"]["ridge"]["mae"].value
check("at random the nearest neighbour beats ridge", neighbour["random"] < linear)
check("by site its error is twice that at random, or more", neighbour["site"] > 2 * neighbour["random"])


# %% mystnb={"image": {"alt": "Mean absolute error of mean map, ridge and nearest neighbour under the splits random, heart and site; the nearest neighbour is best at random and worst by site."}}
def error_table():
    """Models as rows, splits as columns."""
    names = dict.fromkeys(name for kind in scores for name in scores[kind])
    rows = [[found[name]["mae"] if name in found else None for found in scores.values()] for name in names]
    return pd.DataFrame(rows, list(names), list(scores), dtype=object)


ax = plots.split_errors(error_table())

# %% [markdown]
# The first lesson. The nearest neighbour needs no learning at all, and at random it looks splendid: somewhere in the training
# is a beat paced from the same site of a similar heart. Ask about a site that is not there, and it falls apart, since the
# best it can do is to answer with another beginning. Nobody who reads one number under a random split can tell the two
# abilities apart.

# %% [markdown]
# ## Networks
#
# **Ours** looks at the eight leads through convolutions of 5, 15 and 45 ms side by side, then through three residual blocks,
# and reads the last map place by place. For each site it gives three numbers, below which the time is with 5, 50 and 95 %
# probability; they cannot cross. Half of its training beats begin late, and their times with them: nobody marks the
# stimulus in a recorded ECG. With `profile="full"` two published ones stand beside it, under the random split for which they
# were published and on new hearts, on twelve leads that are each scaled to their own range: the **SqueezeNet** of the authors
# of the set, with 486,657 weights, and a classroom solution of **convolutions and LSTM**, which takes leads for steps in time.
# They are trained for as many epochs as ours, not for the hundreds of the original runs; and ours twice more for new hearts,
# from other first weights. Nothing normalises the layers of the SqueezeNet, and where its last ReLU is zero for all cases, no
# gradient comes back: it then ends at the mean map. Published networks are trained in float32, one that ended there is given other
# first weights, up to twice, and the number of tries is recorded.
#
# All are trained by `training.fit`: the learning rate rises and falls once, training stops when the
# validation error has not improved for a while, and the best epoch is kept. The long runs also write a checkpoint after each
# epoch, from which an interrupted run goes on.

# %% tags=["nbval-ignore-output"]
epochs = 14 if fast else 12
options = {"seed": seed, "epochs": epochs, "patience": 8, "precision": "auto"}


def train(kind, network, x, seed=seed, **more):
    """Train on one split and predict its test cases."""
    place = None if fast else f"{type(network).__name__}_{kind}_{seed}.checkpoint"
    fit = activation.train(network, x, y, parts[kind], checkpoint=place, **(options | {"seed": seed} | more))
    return fit, training.predict(fit.model, (x[parts[kind].test],))


def ours(kind, seed=seed):
    """A fresh network that starts out at the mean map of training."""
    torch.manual_seed(seed)
    usual = y[parts[kind].train]
    return ActivationNet(torch.tensor(usual.mean(0)), torch.tensor(usual.std(0)))


fits, quantiles = {}, {}
for kind in parts:
    fits[kind], quantiles[kind] = train(kind, ours(kind), x, seed)
    judge(kind, "ours", quantiles[kind][:, 1])

# %% tags=["nbval-ignore-output"] mystnb={"image": {"alt": "Mean absolute error of all models under the three splits, with intervals over hearts; our network is below ridge under each of them."}}
published = {} if fast else {"SqueezeNet": SqueezeNet1d, "convolutions and LSTM": ConvLSTM}
scaled = activation.unit_leads(x)
for name, kind in [(name, kind) for name in published for kind in ("random", "heart")]:
    constant = np.abs(y[parts[kind].validation] - y[parts[kind].train].mean(0)).mean()
    for tries in (1, 2, 3):
        torch.manual_seed(seed + tries - 1)
        fit, predicted = train(kind, published[name](), scaled, seed + tries - 1, precision="32")
        if fit.history["metric"].min() < constant / 2:
            break
    judge(kind, name, predicted)
    record(f"{kind}/{name.replace(' ', '_')}/tries", tries, tolerance=2)
for k in () if fast else (1, 2):
    found = train("heart", ours("heart", seed + k), x, seed + k)[1][:, 1]
    value = activation.assess(y[parts["heart"].test], found, places, heart[parts["heart"].test])["mae"]
    record(f"heart/ours/mae/seed_{k}", value, unit="ms", better="lower", tolerance=max(0.1, 0.2 * value.value))
ax = plots.split_errors(error_table())

# %% [markdown]
# A network is worth what it adds to the simple answers, on the same beats of the same hearts. The differences below are
# paired; where an interval holds zero, neither is better.

# %% tags=["nbval-ignore-output"]
for kind in parts:
    for other in ("ridge", "nearest neighbour"):
        gain = scores[kind]["ours"]["mae"] - scores[kind][other]["mae"]
        slug = f"{kind}/ours_minus_{other.replace(' ', '_')}/mae"
        record(slug, gain, unit="ms", better="lower", tolerance=max(0.1, 0.25 * abs(gain.value)))
        if other == "ridge":
            check(f"{kind}: our network beats ridge", gain.high < 0)
falls = scores["site"]["ours"]["mae"].value / scores["random"]["ours"]["mae"].value
check("its error by site is at least 1.5 times that at random", falls > 1.5)
worse = [scores["site"][name]["mae"].value > scores["random"][name]["mae"].value
         for name in ("ridge", "nearest neighbour", "ours")]  # fmt: skip
check("ridge, look-up and network are all worse by site than at random", all(worse))

# %% [markdown]
# ## More than one number
#
# An average hides what a reader wants to know. RMSE and the 95th percentile say how bad the bad ones are; the correlation,
# whether the order within a map is right; *earliest*, how many mm apart the first site and the predicted first site are,
# which is what an electrophysiologist who looks for a focus would ask; *total*, the error of the time from the first site to the last.

# %% tags=["nbval-ignore-output"]
units = {"mae": "ms", "rmse": "ms", "p95": "ms", "correlation": "", "earliest": "mm", "total": "ms"}
table = pd.DataFrame({name: {m: str(found[m]) for m in units} for name, found in scores[split].items()}).T
print(f"{split} (simulated; not comparable with numbers on the UCSD set)\n{table.to_string()}")
for metric in list(units)[1:]:
    value = scores[split]["ours"][metric]
    better = "higher" if metric == "correlation" else "lower"
    near = max(0.1, 0.25 * abs(value.value))
    record(f"{split}/ours/{metric}", value, unit=units[metric], better=better, tolerance=near)

# %% tags=["nbval-ignore-output"] mystnb={"image": {"alt": "Bull's-eyes of one test beat: simulated activation, prediction and error, for endocardium, mid-wall and epicardium, with the right ventricle as a crescent."}}
rows = parts[split].test
error = activation.case_errors(y[rows], maps[split]["ours"], places)
typical = int((error["mae"] - error["mae"].median()).abs().argmin())
axes = plots.bullseyes(y[rows[typical]], maps[split]["ours"][typical], names=("simulated", "ours"))

# %% [markdown]
# A typical test beat: as many are better as are worse. Below, the error of each site over all test beats. Three sites lie in each
# piece of wall, a few mm apart; what differs is how far they are from the electrodes, and how much their times vary.

# %% tags=["nbval-ignore-output"] mystnb={"image": {"alt": "Bull's-eyes of the mean absolute error of each site on test hearts, for endocardium, mid-wall and epicardium."}}
by_site = np.abs(maps[split]["ours"] - y[rows]).mean(axis=0)
axes = plots.layers(by_site, label="mean absolute error (ms)")
by_segment = activation.by_segment(y[rows], maps[split]["ours"], cases).sort_values()
print(by_segment.astype(float).round(1).to_dict())
for which, value in (("best", by_segment.iloc[0]), ("worst", by_segment.iloc[-1])):
    record(f"{split}/ours/mae/{which}_segment", value, unit="ms", tolerance=max(0.1, 0.25 * value))

# %% [markdown]
# ## How sure?
#
# The network's own 90 % intervals are what it has learnt on its training hearts. Other hearts are stranger than it thinks. So the
# intervals are widened, site by site, by what hearts need that nothing has seen: here two thirds of fifteen further simulated
# ones (`full`: of forty-five); the published set has none to spare, and calibrates on the three validation hearts, which can
# promise 75 % and no more (three of four). Each heart counts the same: beats of one heart are not independent.

# %% tags=["nbval-ignore-output"]
if source == "simulated":
    sets = range(1 if fast else 3)
    more = [intracardiac.load(n=300, variables=needed, seed=seed + 1000 + k) for k in sets]
    their = [training.predict(fits["heart"].model, (activation.leads(m["potentials"]),)) for m in more]
    names = [np.char.add(f"other {k + 1}.", m["heart"].values.astype(str)) for k, m in enumerate(more)]
    their, names = np.concatenate(their), np.concatenate(names)
    truth = np.concatenate([m["activation"].values for m in more])
    known = np.isin(names, np.unique(names)[: 10 * len(sets)])
else:
    held = parts["heart"].validation
    their, names, truth = training.predict(fits["heart"].model, (x[held],)), heart[held], y[held]
    known = np.ones(len(held), bool)
promised = 0.9 if source == "simulated" else 0.75
margin = activation.calibrate(their[known], truth[known], names[known], promised)
rows = parts["heart"].test
new = np.concatenate([quantiles["heart"], their[~known]])
whose, when = np.concatenate([heart[rows], names[~known]]), np.concatenate([y[rows], truth[~known]])

# %% tags=["nbval-ignore-output"] mystnb={"image": {"alt": "Share of activation times inside their calibrated interval for each heart that nothing has seen, with the mean as a line."}}
coverage = {}
for name, band in (("raw", new), ("calibrated", activation.widen(new, margin))):
    inside = ((band[:, 0] <= when) & (when <= band[:, 2])).mean(axis=1)
    coverage[name] = evaluation.bootstrap(lambda v, _: v.mean(), inside, inside, whose)
    record(f"heart/ours_{name}/coverage", coverage[name], tolerance=0.1)
    record(f"heart/ours_{name}/width", (band[:, 2] - band[:, 0]).mean(), unit="ms", tolerance=5.0)
check("calibrated intervals hold what was promised", coverage["calibrated"].high >= promised)
by_heart = pd.Series(inside).groupby(whose).mean().rename_axis("heart that nothing has seen")
ax = plots.per_group_bars(by_heart, "share inside the interval", coverage["calibrated"])

# %% [markdown]
# The line is the mean; what was promised holds on average over hearts, not for each. From ten hearts a promise of 90 % is
# expensive: one more heart may be worse than all but one of them, so that nearly the worst of the ten sets the width, and
# most hearts get more than they were promised. More hearts, not more beats, make intervals narrow.
#
# ## What did it look at?
#
# Two questions. Within one beat, which moments of which leads made the network say *this* time for the chosen site (integrated
# gradients: [Sundararajan 2017](../book/references.md#sundararajan2017))? And over all beats, how much worse does it become
# if one lead shows what it shows on average? The other seven know much of what is taken away, so the losses do not add up.

# %% tags=["nbval-ignore-output"] mystnb={"image": {"alt": "Eight leads of one beat over 250 ms on a background of blue and red: what each moment adds to the estimated time of one site, most of it within the QRS complex."}}
network, usual = fits[split].model, x[parts[split].train].mean(axis=0)
rows = parts[split].test
column = cases["site"].values.tolist().index(segment)
weights = activation.attribution(network, x[rows[: 64 if fast else 256]], column, usual)
early = np.abs(weights[..., :200]).sum() / np.abs(weights).sum()
record(f"{split}/ours/attribution_before_200_ms", early, tolerance=0.2)
check("a moment of the first 200 ms counts more than a later one", bool(early > 200 / 500))
one = activation.attribution(network, x[rows[[typical]]], column, usual)[0]
axes = plots.lead_time_map(x[rows[typical]], one, activation.EIGHT)


# %% tags=["nbval-ignore-output"] mystnb={"image": {"alt": "Growth of the mean absolute error when one of the eight leads is replaced by its mean, with intervals over hearts."}}
def predict(leads):
    """Estimated maps (case, site) of leads (case, 8, time)."""
    return training.predict(network, (leads,))[:, 1]


lost = activation.lead_importance(predict, x[rows], y[rows], heart[rows], usual)
for name, value in lost.items():
    near = max(0.1, 0.5 * value.value)
    record(f"{split}/ours/mae_without/{name}", value, unit="ms", tolerance=near)
check("no lead can be taken away for free", all(value.value > 0 for value in lost.values()))
ax = plots.metric_bars(lost, xlabel="error added by taking the lead away (ms)")

# %% [markdown]
# ## What disturbs it?
#
# The simulated recording is perfect. A real one has noise; a nurse places electrodes a centimetre or two from where they
# belong, or connects two the wrong way round. The electrodes are moved in the simulator and the same beats simulated again;
# nothing else changes.

# %% tags=["nbval-ignore-output"] mystnb={"image": {"alt": "Mean absolute error of the network as recorded, delayed, with noise, with moved electrodes and with exchanged cables; exchanged cables do the most harm."}}
chosen = rows[:: 1 + len(rows) // 240]
test, truth = cases.isel(case=chosen), y[chosen]
late = np.pad(x[chosen], ((0, 0), (0, 0), (15, 0)), mode="edge")[..., : x.shape[-1]]
disturbed = {"as simulated": x[chosen], "15 ms late": late}
disturbed |= {f"noise, {snr} dB": activation.noisy(x[chosen], snr, seed) for snr in (30, 20, 10)}
if source == "simulated":
    for distance in (10, 20):
        moved = activation.displaced(test, distance, seed=seed, hearts_seed=seed)
        disturbed[f"electrodes moved {distance} mm"] = activation.leads(moved)
for pair in (("V1", "V2"), ("RA", "LA")):
    disturbed["-".join(pair) + " exchanged"] = activation.leads(activation.swapped(test["potentials"], *pair))
found = {}
for name, leads in disturbed.items():
    wrong = np.abs(predict(leads) - (15 if name == "15 ms late" else 0) - truth).mean(axis=1)
    found[name] = evaluation.bootstrap(lambda v, _: v.mean(), wrong, wrong, heart[chosen])
    slug = f"{split}/ours/mae/{name.replace(',', '').replace(' ', '_')}"
    record(slug, found[name], unit="ms", better="lower", tolerance=max(0.1, 0.25 * found[name].value))
harm = found["RA-LA exchanged"] - found["as simulated"]
check("exchanged arm electrodes do harm", harm.low > 0)
check("and more than noise of 20 dB", harm.value > (found["noise, 20 dB"] - found["as simulated"]).value)
ax = plots.metric_bars(found, xlabel="mean absolute error (ms)", highlight="as simulated")

# %% [markdown]
# A beat that comes late is little trouble: the network was taught that. Exchanged arm electrodes are: lead I turns over, and
# with it left and right. The map looks as smooth as before; nothing but a look at the leads would warn a reader.

# %% [markdown]
# ## Where it fails
#
# Is a long activation harder than a short one, and is it the paced beats that go wrong? A wave that starts at one site crosses
# the whole heart at the speed of muscle, and small errors of speed could add up along the way. The correlation says how
# much there is to that. Below the scatter, the worst beat of all.

# %% tags=["nbval-ignore-output"] mystnb={"image": {"alt": "Error of each test beat against the time its activation takes, beats paced at one site and distributed ones in two colours."}}
kinds = np.where(site[rows] == "", "distributed", "paced at one site")
lasting = np.ptp(y[rows], axis=1)
together = np.corrcoef(error["mae"], lasting)[0, 1]
record(f"{split}/ours/correlation_of_error_and_duration", together, tolerance=0.25)
worst = int(error["mae"].argmax())
far = error["mae"][worst] > 1.5 * error["mae"].median()
check("the worst beat is more than half as much again off as the typical one", bool(far))
ax = plots.case_scatter(error["mae"], lasting, "time from the first site to the last (ms)", kinds)

# %% tags=["nbval-ignore-output"] mystnb={"image": {"alt": "Isochrones of the worst test beat, simulated and predicted, from the front and from behind."}}
print(f"{cases['case'].values[rows[worst]]}: {error['mae'][worst]:.1f} ms")
axes = plots.isochrones({"simulated": y[rows[worst]], "ours": maps[split]["ours"][worst]})

# %% [markdown]
# ## A real beat, and your own recording
#
# `papermill 08_activation_map.ipynb out.ipynb -r recording my_record.hea` takes a recorded 12-lead ECG (WFDB, for instance of
# PTB-XL, or a table with `-p rate 500`), forms the median beat, cuts it at the beginning of the QRS complex, gives it the
# mean amplitude of a training beat, and writes `my_record_activation.csv`.
#
# What can such a map mean? It is the map that a beat of one of *these simulated hearts* with that ECG would have had. The real heart lies
# elsewhere in a torso with lungs, bones and fat; its muscle may hold a scar, which no training beat had; its electrodes are not on a
# sphere. No one can check the map without having been inside the heart. It is a teaching tool and not a medical device, and
# no map from this chapter should be shown to anyone who might act on it.

# %% mystnb={"image": {"alt": "With a recording of your own: its median beat in twelve leads, and the activation map that the network gives."}}
if recording:
    own = twelve_lead.read_record(recording, fs=rate or None)
    mine, count = activation.beat_of_record(own["ecg"].values[0], own.attrs["fs"])
    mine = mine * (np.sqrt((x[rows] ** 2).mean()) / np.sqrt((mine**2).mean()))
    answer = training.predict(fits["heart"].model, (mine[None],))
    low, median, high = activation.widen(answer, margin)[0]
    start = median.min()
    columns = {"site": cases["site"], "ms": median - start, "low": low - start, "high": high - start}
    pd.DataFrame(columns).round(1).to_csv(f"{own['record'].values[0]}_activation.csv", index=False)
    print(f"{count} beats; {np.ptp(median):.0f} ms from the first site to the last")
    print(f"intervals are {np.mean(high - low):.0f} ms wide")
    plots.lead_grid({"median beat, scaled": lead_algebra.twelve_from_eight(mine)})
    axes = plots.isochrones({"from this ECG": median - start})

# %% [markdown]
# ## Summary
#
# - Split at random, a look-up of the most similar ECG is hard to beat. It knows the hearts and the pacing sites of the test.
# - For a beat from a new place of origin ridge, look-up and network are all worse than at random. Published numbers answer
#   the easier question only.
# - An interval that was calibrated on hearts, not on beats, holds what it promises for new hearts on average.
# - The map hangs on where the electrodes are. Cables exchanged at the arms give a smooth, plausible and wrong map.
# - All numbers here are of the data named in the parameters cell: simulated, and not comparable with numbers on the UCSD set.
#   [Results](../book/results.md) lists them. Chapter [09](09_transmembrane_potential.ipynb) asks for the whole potential.
#
# ## Exercises
#
# 1. Let near-duplicates cross: deal out 5 % of the *cases* for the test, whatever their activation group. What does the
#    nearest neighbour score for test cases whose activation stands in the training, too?
#
#    ```python
#    order, count = np.random.default_rng(seed).permutation(len(x)), len(x) // 20
#    dealt = intracardiac.Split(order[2 * count :], order[count : 2 * count], order[:count])
#    ```
#
#    <details><summary>Solution</summary>
#
#    ```python
#    count, wrong, twin = len(x) // 20, [], []
#    for k in range(3):
#        order = np.random.default_rng(seed + k).permutation(len(x))
#        dealt = intracardiac.Split(order[2 * count :], order[count : 2 * count], order[:count])
#        answer = activation.baselines(x, y, dealt)["nearest neighbour"]
#        wrong.append(np.abs(answer - y[dealt.test]).mean(1))
#        twin.append(np.isin(group[dealt.test], group[dealt.train]))
#    wrong, twin = np.concatenate(wrong), np.concatenate(twin)
#    print(f"{twin.mean():.0%} have a twin: {wrong[twin].mean():.2f} ms, others {wrong[~twin].mean():.2f} ms")
#    exact = (wrong[twin] < 0.01).mean()
#    print(f"of those with a twin {exact:.0%} are right to 0.01 ms")
#    check("with a twin the error is smaller", bool(wrong[twin].mean() < 0.8 * wrong[~twin].mean()))
#    check("one map in five or more is copied exactly", bool(exact > 0.2))
#    ```
#
#    Two beats that differ in rate or I_Kr only have nearly the same QRS complex and the same map. If the closest ECG is
#    the twin, the answer is not estimated but copied. Here one case in five has a twin; the 16,000 cases of the full
#    profile share 6,222 activations, and there most cases have one.
#
#    </details>
#
# 2. Feed ridge and the nearest neighbour leads that are each scaled to their own range, as the originals have them. Do
#    they lose, and under which split most?
#
#    ```python
#    answers = activation.baselines(scaled, y, parts["heart"], seed=seed)
#    ```
#
#    <details><summary>Solution</summary>
#
#    ```python
#    lost = {}
#    for kind, part in parts.items():
#        answers = activation.baselines(scaled, y, part, seed=seed)
#        lost[kind] = {name: np.abs(answers[name] - y[part.test]).mean() - scores[kind][name]["mae"].value
#                      for name in ("ridge", "nearest neighbour")}
#    lost = pd.DataFrame(lost)
#    print("lost by scaling (ms)\n", lost.round(2).to_string())
#    check("both lose more for new sites than for new hearts", bool((lost["site"] > lost["heart"]).all()))
#    ```
#
#    For beats from new sites both lose a ms or two: there the ratio between leads, which says on which side a wave
#    begins, cannot be replaced by a beat that was seen before. Under the other splits scaling does little harm, and
#    ridge may even gain.
#
#    </details>
#
# 3. The originals define activation by whole samples: the first one above 0 mV. How much does that cost by itself?
#
#    ```python
#    first = intracardiac.activation_time(few["vm"].values, definition="first_sample")
#    ```
#
#    <details><summary>Solution</summary>
#
#    ```python
#    first = intracardiac.activation_time(few["vm"].values, definition="first_sample")
#    later = first - few["activation"].values
#    print(f"{np.nanmean(later):.2f} ms later on average, {np.nanmin(later):.2f} to {np.nanmax(later):.2f}")
#    check("it is late by about half a ms", bool(0.3 < np.nanmean(later) < 0.7))
#    check("and never by more than a sample", bool(np.nanmax(later) <= 1 + 1e-3))
#    ```
#
#    The first sample above 0 mV lies anywhere from 0 to 1 ms after the crossing, so half a ms late on average. A
#    constant delay is learned with all the rest; what remains is a rounding of a quarter of a ms, which is little
#    beside the errors of this chapter.
#
#    </details>
#
# 4. Calibrate on 90 % with the three validation hearts. What does the error message say, and why is it right? How wide
#    do the intervals become with the 75 % that three hearts can promise?
#
#    ```python
#    held = parts["heart"].validation
#    own = training.predict(fits["heart"].model, (x[held],))
#    ```
#
#    <details><summary>Solution</summary>
#
#    ```python
#    held = parts["heart"].validation
#    own = training.predict(fits["heart"].model, (x[held],))
#    refused = False
#    try:
#        activation.calibrate(own, y[held], heart[held], 0.9)
#    except ValueError as message:
#        refused = True
#        print(message)
#    check("90 % cannot be promised with three hearts", refused)
#    allowed = activation.calibrate(own, y[held], heart[held], 0.75)
#    wide = activation.widen(new, allowed)
#    share = ((wide[:, 0] <= when) & (when <= wide[:, 2])).mean()
#    print(f"75 % promised, {share:.0%} of the times inside; each end moved out by {allowed.mean():.1f} ms")
#    ```
#
#    The fourth heart is the worst of four with probability 1/4, whatever three hearts showed: no more than 75 % can be
#    promised. Three hearts set the margin by the worst of them, so it may be too narrow for the next one or, as here,
#    far too wide.
#
#    </details>
#
# ## References
#
# [Cerqueira 2002](../book/references.md#cerqueira2002) · [Dunn 2023](../book/references.md#dunn2023) ·
# [Iandola 2016](../book/references.md#iandola2016) · [Landajuela 2022](../book/references.md#landajuela2022) ·
# [Romano 2019](../book/references.md#romano2019) · [Sundararajan 2017](../book/references.md#sundararajan2017) ·
# [Szegedy 2015](../book/references.md#szegedy2015)

# %% tags=["nbval-ignore-output"]
versions()
