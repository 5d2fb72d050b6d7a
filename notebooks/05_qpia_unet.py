# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # How sure, and in 51 channels at once
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/owner/cardiac-ml-book/blob/main/notebooks/05_qpia_unet.ipynb)
#
# Chapter 04 reconstructs the action potential inside a cell (iAP) from what an electrode sees outside (eAP). A waveform without
# an error bar invites belief. Here the network says three things at each time: a value that the potential is below with
# 5 %, with 50 % and with 95 % probability. Is that true? It is measured, on recordings that nobody has touched, made true
# as far as it can be, and then used: 51 channels of one array, while a drug washes in.
#
# **You will do:** train a U-Net with three curves that cannot cross, calibrate its band on held-out recordings, give durations an
# interval, and follow every beat of every channel under a drug.
#
# **You will learn:** what a 90 % band promises and what not, how many recordings such a promise needs, and why the duration
# of a quantile curve is no quantile of the duration.
#
# **You need:** 90 seconds, no GPU, no download. Chapter [04](04_pia_unet.ipynb) explains the windows, the network and its
# physics, chapter [03](03_eap_features.ipynb) conformal intervals; the [glossary](../book/glossary.md) has the words.

# %% tags=["remove-cell"]
import importlib.util

if importlib.util.find_spec("cardio_utils") is None:
    # %pip install -q "cardio-utils @ git+https://github.com/owner/cardiac-ml-book@main"
    pass

# %% tags=["parameters"]
source: str = "simulated"  # "simulated"; "nea": the published data, downloaded once
profile: str = "fast"  # "fast": 90 s on one core; "full": more cultures and longer training, 30 minutes
seed: int = 0  # changes the simulated cells, the split and the training
recording: str = ""  # your own array (channel, sample), npy or HDF5; empty: none
rate: float = 0.0  # Hz, of that array; 0: an HDF5 file may say it
unit: str = ""  # of that array: uV, mV or V
inside: str = ""  # its intracellular channels, such as "51"
drug_time: float = 0.0  # s, when a drug was added to it; 0: none was

# %%
import numpy as np
import pandas as pd
import torch

from cardio_utils import channels, intervals, losses, plots, residuals
from cardio_utils import reconstruction as rc
from cardio_utils.agreement import mean_over_groups
from cardio_utils.data import nea, nea_files
from cardio_utils.notebook import check, record, setup, versions

setup("05_qpia_unet", source=source, profile=profile, seed=seed)
fast = profile == "fast"

# %% [markdown]
# ## The data: recordings for three purposes
#
# Pairs of neighbouring electrodes, one inside and one outside, as in chapter 04; by default **simulated**. They are dealt by
# preparation to three purposes: the network learns from one part, the band is calibrated on the second, and the third is
# read once, at the end. A calibration on the beats that the network has learnt from would be worthless, and one on
# other beats of the same cultures nearly so.
#
# The published collection has eleven preparations. For reasons that follow, that is few; the simulator makes several
# collections of fifteen recordings each, all of different cultures.

# %%
size = (2, 3, 2) if fast else (14, 16, 8)
count = dict(zip(("fitting", "calibration", "test"), size, strict=True))
if source == "simulated":
    options = [{"seed": 100 * seed + k, "duration": 30.0 if fast else 40.0} for k in range(sum(count.values()))]
else:
    options = [{}]
seen, about = rc.collections(lambda k: nea.clean(nea.load("pairs", source=source, **options[k])), len(options))
if source == "simulated":
    purpose = np.repeat(list(count), list(count.values()))[about.collection]
else:
    part = rc.parts(seen.recording, about.preparation, nea.TEST, share=0.5, seed=seed)
    purpose = np.full(len(seen), "left out", "<U12")
    for name, rows in zip(count, (part.fitting, part.validation, part.test), strict=True):
        purpose[rows] = name
fitting, calibration, test = (seen.at(purpose == name) for name in count)
groups = {name: about.preparation[purpose == name].to_numpy() for name in count}
sensor = {name: about.sensor[purpose == name].to_numpy() for name in count}
for name in count:
    record(f"data/{name}/beats", int((purpose == name).sum()))
    record(f"data/{name}/preparations", len(set(groups[name])))
cultures = [name for own in groups.values() for name in set(own)]
check("no preparation serves two purposes", len(cultures) == len(set(cultures)))

# %% [markdown]
# ## Baselines first
#
# Any waveform can be given a band: take its errors at each time after the spike, and cut off the lowest and the highest 5 %. So
# the mean waveform and ridge regression (chapter 04) get a band here. It is the same for every beat, which the network's is not.

# %%
models = {}
for name, make in (("mean_waveform", rc.mean_waveform), ("ridge", rc.ridge)):
    model = make(fitting)
    known = rc.predict(model, fitting.wave)
    models[name] = {
        part: intervals.constant_band(rc.predict(model, own.wave), known, fitting)
        for part, own in (("calibration", calibration), ("test", test))
    }

# %% [markdown]
# ## Three curves that cannot cross
#
# The median is one output of the network, and each further curve lies a softplus, a number above zero, beyond it. The loss
# is that of quantile regression ([Koenker and Bassett 1978](../book/references.md#koenker1978)). The physics of chapter 04 is asked
# of the **median only**: the originals asked it of all three, but a pointwise quantile of solutions of an equation is no
# solution of it. Two networks are trained from different first weights, and their curves averaged.

# %%
copies, epochs, members = (1, 6, 2) if fast else (2, 6, 3)
usual = rc.mean_waveform(fitting).predict(fitting.wave[:1])[0]
networks = []
for k in range(members):
    network = rc.compact_network(usual, seed=100 * seed + k, n_quantiles=3)
    beats = rc.stretched(fitting, copies=copies, seed=100 * seed + k)
    options = dict(weight=0.002, epochs=epochs, seed=seed + k, precision="32" if fast else "auto")
    history = rc.train(network, beats, beats.at(slice(None, None, 8)), **options).history
    networks.append(network)
raw = intervals.predict(networks, test.wave)
models["network"] = {"calibration": intervals.predict(networks, calibration.wave), "test": raw}
losses_of = history.train_loss.to_numpy()
check("the loss fell in training to less than half", bool(losses_of[-1] < losses_of[0] / 2))
check("nowhere do the three curves cross", bool((np.diff(raw, axis=1) > 0).all()))

# %%
few = test.at(slice(0, 8))
output = networks[0](torch.from_numpy(few.wave))
target = torch.from_numpy(few.target), torch.from_numpy(residuals.beat_mask(few.target, rc.FS))
physics = losses.physics_informed(rc.FS, weight=1.0, data=lambda wave, truth: 0 * wave.sum())
slope = torch.autograd.grad(physics(output, target), output[0])[0].abs().sum(dim=(0, 2))
check("the physics pulls at the median", bool(slope[1] > 0))
check("and at no other curve", bool((slope[[0, 2]] == 0).all()))

# %% [markdown]
# ## What the band promises, and what it keeps
#
# On calibration recordings, how far is each sample from the median, in units of its half of the band? If 90 % of samples were
# within 1, nothing would have to be done. The factor below is what it takes: the halves of every band are multiplied by
# it, separately in four phases of the beat, which the predicted median itself defines, so that they are known for new
# beats ([Romano 2019](../book/references.md#romano2019), [Sesia and Candes 2020](../book/references.md#sesia2020)). Every
# preparation counts the same, and one more that was never seen is counted as infinitely bad
# ([Dunn 2023](../book/references.md#dunn2023)): that is the price of few recordings.
#
# One thing is known of a new recording: its kind of electrode. Each collection has one recording of a conventional array (MEA),
# where the wave arrives late, and errors are others. So each kind has factors of its own, learnt from its own
# calibration recordings ([Vovk 2012](../book/references.md#vovk2012)), if these have at least nine preparations, without which nobody can
# promise 90 %; otherwise from all.

# %% tags=["nbval-ignore-output"]
n = len(set(groups["calibration"]))
wanted = min(0.9, n / (n + 1))
speaking, bands, calibrated = {}, {}, {}
for kind in sorted(set(sensor["test"]), reverse=True):
    own = sensor["calibration"] == kind
    enough = len(set(groups["calibration"][own])) >= min(9, n)
    speaking[kind] = own if enough else np.ones(len(own), bool)
    record(f"calibration/preparations/{kind}", len(set(groups["calibration"][speaking[kind]])))
for name, curves in models.items():
    calibrated[name] = curves["test"].copy()
    for kind, rows in speaking.items():
        own, here = curves["calibration"][rows], sensor["test"] == kind
        bands[kind] = intervals.calibrate(own, calibration.at(rows), groups["calibration"][rows], wanted)
        calibrated[name][here] = intervals.widen(curves["test"][here], bands[kind])
for kind, band in bands.items():  # of the last model, the network
    for phase, factor in zip(intervals.PHASES, band.factor, strict=True):
        record(f"calibration/network/factor/{phase}/{kind}", factor, tolerance=0.5 * factor)
final = calibrated["network"]
check("calibration leaves the median alone", bool((final[:, 1] == raw[:, 1]).all()))

# %% [markdown]
# Now the test recordings are read, once. Coverage is the share of samples inside the band, first over each beat, then over the
# beats of a recording, then over recordings; the interval comes from resampled recordings.

# %% tags=["nbval-ignore-output"]
tables, cover = {}, {}
for name, curves in models.items():
    for state, own in (("raw", curves["test"]), ("calibrated", calibrated[name])):
        table = intervals.band_coverage(own, test, curves["test"])
        tables[name, state] = table.groupby(["recording", "phase"])[["coverage", "width"]].mean()
        whole = table[table["phase"] == "whole"]
        cover[name, state] = mean_over_groups(whole["coverage"], whole["recording"])
        width = mean_over_groups(whole["width"], whole["recording"])
        record(f"test/{name}/coverage/{state}", cover[name, state], tolerance=0.08)
        record(f"test/{name}/width/{state}", width, tolerance=0.25 * float(width))
wide = {name: tables[name, "calibrated"].xs("whole", level="phase")["width"] for name in models}
each = tables["network", "calibrated"].xs("whole", level="phase")["coverage"]
well = (each >= 0.8).mean()
record("test/network/share_of_recordings_above_80_percent", well, tolerance=0.15)
record("test/network/lowest_coverage_of_a_recording", each.min(), tolerance=0.4)
lowest = each[~each.index.isin(test.recording[sensor["test"] == "mea"])].min()
record("test/network/lowest_coverage_of_a_recording/nea", lowest, tolerance=0.4)
kept = cover["network", "calibrated"].high >= wanted
check("calibrated, the promise is kept or exceeded on average", kept)
narrower = wide["network"].mean() < min(wide["ridge"].mean(), wide["mean_waveform"].mean())
check("the network's band is narrower than those of the baselines", narrower)

# %% mystnb={"image": {"alt": "Share of samples inside the band of the network, and its width, in each simulated test recording, before and after calibration, in four phases of the beat."}}
shown = {state: tables["network", state] for state in ("raw", "calibrated")}
shown = {state: t.reindex(intervals.PHASES, level="phase") for state, t in shown.items()}
whole = table[table["phase"] == "whole"].groupby("recording")["coverage"]
check("most recordings are covered more than promised", (each > wanted).mean() > 0.5)
check("coverage differs more between recordings than between beats of one",
      whole.mean().std() > whole.std().mean())  # fmt: skip
ax = plots.phase_coverage(shown, wanted)

# %% mystnb={"image": {"alt": "Three simulated test beats with their calibrated band: the recording with the best coverage, a middle one, and the worst, where the measured waveform leaves the band."}}
order = each.sort_values(ascending=False).index
chosen = [order[0], order[len(order) // 2], order[-1]]
rows = [np.flatnonzero(test.recording == name)[-1] for name in chosen]
titles = [f"{' '.join(name.split('_')[:2])}\n{100 * each[name]:.0f} % inside" for name in chosen]
ax = plots.bands(test.time, calibrated["network"][rows], test.target[rows], titles, raw[rows])

# %% [markdown]
# The promise is one **on average over recordings**. Inside one recording errors go together: most recordings are covered more
# than promised, and in some the band misses much. No calibration on other recordings can know which. And within a beat errors go
# together too: one that is 20 ms longer than predicted leaves the band along its whole flank.
#
# ### How many recordings does a promise need?
#
# G recordings can promise at most G / (G + 1), and near that limit the worst of them decides. The same network, calibrated
# on the preparations of fewer collections, of all kinds together:

# %% tags=["nbval-ignore-output"]
collection = about.collection[purpose == "calibration"].rank(method="dense").to_numpy()
for size in sorted({1, 2, 3, 8, int(collection.max())} & set(collection)):
    some = collection <= size
    g = groups["calibration"][some]
    promise = min(0.9, len(set(g)) / (len(set(g)) + 1))
    curves = models["network"]["calibration"][some]
    fewer = intervals.calibrate(curves, calibration.at(some), g, promise)
    table = intervals.band_coverage(intervals.widen(raw, fewer), test, raw)
    table = table[table["phase"] == "whole"]
    share = mean_over_groups(table["coverage"], table["recording"])
    record(f"test/network/coverage/calibrated_on/{fewer.groups}", share, tolerance=0.08)
    mean = table.groupby("recording")["width"].mean().mean()
    record(f"test/network/width/calibrated_on/{fewer.groups}", mean, tolerance=0.4 * mean)

# %% [markdown]
# ## Durations are not durations of curves
#
# The originals take the duration (APD) of the lower curve as the lower end of an interval, and that of the upper curve as
# the upper end. But which beat follows the lower curve throughout? None. And a curve that is lower everywhere also has a
# lower peak: its 90 % level lies lower, and is reached *later*. The ends may even be in the wrong order.
#
# Instead, whole waveforms are drawn: the median, plus the error curve of a calibration beat, on the new beat's own time and
# scaled by its own band ([Clark 2004](../book/references.md#clark2004) do so for weather). Errors at different times then go
# together as they did once. Each drawn waveform has a duration, and 90 % of these are the interval. What is missing, the
# calibration recordings tell: a margin in milliseconds, from draws that did not use their own preparation's errors.

# %% tags=["nbval-ignore-output"]
ways = {
    "edges of the band (originals)": intervals.curve_intervals(raw),
    "edges, calibrated band": intervals.curve_intervals(calibrated["network"]),
    "drawn waveforms": np.full((len(test), 3, len(rc.LEVELS)), np.nan),
    "drawn, calibrated": np.full((len(test), 3, len(rc.LEVELS)), np.nan),
}
draws, learnt = {"n": 24, "seed": seed, "coverage": wanted}, {}
for kind, rows in speaking.items():
    own, here = models["network"]["calibration"][rows], sensor["test"] == kind
    g = groups["calibration"][rows]
    learnt[kind] = intervals.calibrate_durations(own, calibration.at(rows), g, **draws)
    errors, margin = learnt[kind]
    found = intervals.duration_intervals(raw[here], errors, **draws)
    ways["drawn waveforms"][here] = found
    ways["drawn, calibrated"][here] = found + np.array([-1, 0, 1])[:, None] * margin
    for level, ms in zip(rc.LEVELS, margin, strict=True):
        record(f"calibration/drawn/margin/apd{level}/{kind}", ms, unit="ms", tolerance=20)

# %% tags=["nbval-ignore-output"]
measured = intervals.durations(test.target)
rows = []
for way, found in ways.items():
    table = intervals.duration_coverage(found, measured, test.recording)
    for level, beats in table.groupby("level"):
        share = mean_over_groups(beats["inside"], beats["recording"])
        mean = beats.groupby("recording")[["width", "crossed"]].mean().mean()
        end = {"coverage": share.value, "low": share.low, "high": share.high}
        rows.append({"way": way, "level": level} | end | mean.to_dict())
        if level in (50, 90) and way != "edges, calibrated band":
            slug = way.replace(" (originals)", "").replace(" ", "_").replace(",", "")
            record(f"test/{slug}/coverage/apd{level}", share, tolerance=0.15)
            record(f"test/{slug}/width/apd{level}", mean["width"], unit="ms", tolerance=60)
ladder = pd.DataFrame(rows).set_index(["way", "level"])
each_apd = table[table["level"] == 90].groupby("recording")["inside"].mean()
record("test/drawn_calibrated/apd90/lowest_coverage_of_a_recording", each_apd.min(), tolerance=1.0)
well = (each_apd >= 0.8).mean()
record("test/drawn_calibrated/apd90/share_of_recordings_above_80_percent", well, tolerance=0.2)
held = ladder["coverage"].unstack("level")
off = (held - wanted).abs().mean(axis=1)
nearer = off["drawn, calibrated"] < off["edges of the band (originals)"]
check("drawn and calibrated intervals are nearer to the promise than edges", nearer)
edges = ladder.loc["edges of the band (originals)"]
record("test/edges_of_the_band/wrong_order", edges["crossed"].max(), tolerance=0.6)

# %% mystnb={"image": {"alt": "Coverage, width and share of crossed ends of intervals of APD30 to APD90 by four ways; edges of curves hold too few durations at most levels, drawn and calibrated waveforms come closest to nine in ten."}}
ax = plots.duration_methods(ladder, wanted)

# %% mystnb={"image": {"alt": "Left: waveforms drawn for one simulated test beat, the edges of its band and the measured waveform. Right: the APD90 of the drawn waveforms, with the measured one and those of the edges."}}
k = np.flatnonzero(test.recording == chosen[1])[-1]
waves = intervals.draw(raw[k : k + 1], learnt[sensor["test"][k]][0], 60, seed)[0]
edges = intervals.durations(raw[k])[[0, 2], -1]
found = intervals.durations(waves)[:, -1]
ax = plots.drawn(test.time, waves, raw[k], test.target[k], found, measured[k, -1], edges)

# %% [markdown]
# ## 51 channels and a drug
#
# A culture that is in none of the above: 51 extracellular channels and one that is inside, by default **simulated**, while
# dofetilide blocks most of I_Kr. The recording is read one channel and one minute at a time. In each channel, each beat is found
# by its spike, cut as in training (the originals put the spike elsewhere than where their network had learnt it),
# reconstructed with its band, and measured.

# %% tags=["nbval-ignore-output"]
if source == "simulated":
    data = nea.load("multichannel", seed=seed, duration=100.0 if fast else 240.0)
    array, onset = channels.from_dataset(data), float(data.attrs["drug_time"])
else:  # read from the disk; when the drug came is not published, a pause at 250 s is taken for it
    data, path = {}, nea_files.find("multichannel")
    array, onset = channels.open_file(path, 5000.0, "uV", inside=[-1]), 250.0
duration, late = array.duration, array.duration - 0.5 * (array.duration - onset)
moments = (0.8 * onset, duration - 6)
levels = channels.LEVELS
band, (errors, margin) = bands["nea"], learnt["nea"]
kept_margin = margin[[rc.LEVELS.index(level) for level in levels]]
options = {"keep": moments, "n": 20, "seed": seed}
study = channels.study(array, networks, band, errors, margin=kept_margin, **options)
beats = study.table
outside = beats["kind"] == "eap"
record("channels/beats", len(beats))
record("channels/left_out", study.left_out, tolerance=20)
record("channels/without_beats", len(study.problems))

# %% mystnb={"image": {"alt": "Small panels of the reconstructed action potential of each of 51 simulated channels with its band, at the end of the drug's wash-in; all are long."}}
eaps = np.flatnonzero(array.kind == "eap")
ax = plots.channel_grid(test.time, study.waves[moments[1]][eaps], array.electrode[eaps])

# %% [markdown]
# ### Against the inside
#
# One channel is inside, and by simulation the true potential is known at all sites. So the intervals are judged twice: against
# the truth at each site, and, as a laboratory could, against the inside channel, beat by beat.

# %% tags=["nbval-ignore-output"]
inner = beats[~outside].set_index("beat")
for level in (50, 90):
    name = f"apd{level}"
    near = beats[outside & beats["beat"].isin(inner.index)]
    other = inner[name].reindex(near["beat"]).to_numpy()
    error = mean_over_groups(np.abs(near[name] - other), near["channel"])
    record(f"channels/against_inside/mean_abs_error/{name}", error, unit="ms", tolerance=20)
if "vm" in data:
    truth, held_share = channels.true_durations(data, beats), {}
    for level in levels:
        judged = channels.against_truth(beats[outside], truth, level)
        for name, value in judged.items():
            unit_of, tolerance = ("", 0.2) if name == "coverage" else ("ms", 20)
            record(f"channels/truth/{name}/apd{level}", value, unit=unit_of, tolerance=tolerance)
        held_share[level] = judged["coverage"].value
    bias = (beats[["apd50", "apd90"]] - truth[["apd50", "apd90"]]).groupby(outside).mean()
    record("channels/inside_channel/bias/apd50", bias.loc[False, "apd50"], unit="ms", tolerance=3)
    record("channels/reconstructed/bias/apd50", bias.loc[True, "apd50"], unit="ms", tolerance=30)
    fails = held_share[50] < 0.5 and held_share[90] > 0.8
    check("against the truth, intervals of APD50 fail and those of APD90 hold", fails)
    same = bool(np.sign(bias["apd50"]).nunique() == 1)
    check("the reconstructed APD50 errs to the side to which the inside electrode errs", same)

# %% mystnb={"image": {"alt": "APD90 beat by beat in five simulated channels and the inside one: all rise from the addition of the drug on; bands follow, the true values run in or beside them."}}
some = [*eaps[np.linspace(0, len(eaps) - 1, 5).astype(int)], *np.flatnonzero(array.kind == "iap")]
shown, true = {}, {}
for channel in some:
    own = beats["channel"] == channel
    title = f"electrode {array.electrode[channel]}" + ", inside" * (array.kind[channel] == "iap")
    row = beats.loc[own, ["time", "apd90", "apd90_low", "apd90_high"]]
    shown[title] = row.set_axis(["time", "value", "low", "high"], axis=1)
    if "vm" in data:
        true[title] = truth.loc[own, "apd90"].to_numpy()
ax = plots.durations_over_time(shown, true or None, onset)

# %% [markdown]
# ### The effect of the drug, channel by channel
#
# By how much does APD90 change? Successive beats resemble each other, so means of three beats are the values of the tests; 51
# tests at 5 % would call two or three channels changed where nothing happened, so p-values are corrected
# ([Holm 1979](../book/references.md#holm1979)); and a mixed model ([Laird and Ware 1982](../book/references.md#laird1982)) gives
# the mean over channels and pulls what single channels say towards it. A stretch **before** the drug, in two halves, is the control.

# %% tags=["nbval-ignore-output"]
only = beats[outside]
effect = channels.drug_effect(only, (3.0, onset), (late, duration), block=3)
control = channels.drug_effect(only, (3.0, onset / 2), (onset / 2, onset), block=3)
found = {"unit": "ms", "ci": (effect.low, effect.high), "n": len(effect.table)}
record("drug/mixed_model/change/apd90", effect.value, tolerance=80, **found)
record("drug/mixed_model/spread_between_channels", effect.spread, unit="ms", tolerance=20)
for name, found in (("drug", effect), ("control", control)):
    for kind in ("p", "p_adjusted"):
        part = int((found.table[kind] < 0.05).sum())
        record(f"{name}/channels_changed/{kind}", part, tolerance=5)
check("the drug prolongs every channel's APD90", effect.table["change"].min() > 0)
fewer = (control.table["p_adjusted"] < 0.05).sum() <= (control.table["p"] < 0.05).sum()
check("correction calls no more control channels changed than plain tests do", bool(fewer))
changed = None
if "vm" in data:
    same = only[["channel", "electrode", "kind", "time"]].join(truth)
    true_effect = channels.drug_effect(same, (3.0, onset), (late, duration), block=3)
    changed = true_effect.table["change"]
    record("drug/truth/change/apd90", true_effect.value, unit="ms", tolerance=1)

# %% mystnb={"image": {"alt": "Change of APD90 in each of 51 simulated channels with its interval, in order, what the mixed model makes of it, and the true change."}}
ax = plots.channel_effects(effect.table, changed, (effect.value, effect.low, effect.high))

# %% tags=["nbval-ignore-output"] mystnb={"image": {"alt": "Maps of the array: delay of the spike as seen and as simulated, a plane wave; APD90 before the drug as reconstructed and as simulated."}}
if "x" in data:
    before = beats[(beats["time"] > 3) & (beats["time"] < onset)]
    seen_delay = before.groupby("channel")["delay"].median().reindex(range(len(array.kind)))
    apd = before.groupby("channel")["apd90"].mean().reindex(range(len(array.kind)))
    maps = {"delay, seen (ms)": seen_delay}
    if "vm" in data:
        delay = 1000 * (data.delay.values - np.median(data.delay.values))
        true_apd = truth.loc[before.index].groupby(before["channel"])["apd90"].mean()
        alike = np.corrcoef(apd[eaps], true_apd[eaps])[0, 1]
        record("channels/truth/correlation_of_sites/apd90", alike, tolerance=0.2)
        check("sites with a longer APD90 look longer from outside", bool(alike > 0.5))
        off = np.abs(seen_delay - delay)[eaps].mean()
        record("channels/truth/delay_error", off, unit="ms", tolerance=0.3)
        maps["delay, true (ms)"] = delay
        maps |= {"APD90, seen (ms)": apd, "APD90, true (ms)": true_apd}
    ax = plots.array_maps(data.x.values, data.y.values, maps, array.kind == "iap")

# %% [markdown]
# The wave is seen well, since it needs spikes only. The change by the drug is seen in every channel. With beats enough, as in
# the full profile, the control is found to change as well: the simulated cells lengthen a little by themselves, as the black
# lines above show. That a change is beyond doubt does not make it large. And
# sites that differ in truth differ from outside: errors of a reconstruction are mostly those of a recording, which all
# channels share, and what is shared falls out of differences. That is better than the intervals say, which hold for one
# beat of one new recording.
#
# One error is no fault of the network. APD50 is too short by as much as that of the **inside electrode**, whose
# amplifier lets the plateau sag: the network has learnt what such an electrode shows. No interval that is calibrated on its
# labels can tell, and against the true potential those of APD50 fail.
#
# All intervals here are about the sites of **one** culture. Another culture is another answer.
#
# ## Your own recording
#
# `papermill 05_qpia_unet.ipynb out.ipynb -r recording my.h5 -p rate 5000 -r unit uV -r inside 51 -p drug_time 240` reads an array
# (channel, sample), reconstructs every beat and writes `my_apd.csv` (a row a beat and channel) and `my_effect.csv`. A
# teaching tool, not a medical device; and a network that learnt from simulated cells has not seen yours.

# %% mystnb={"image": {"alt": "The change of APD90 in each channel of the reader's own recording, or its reconstructed beats."}}
if recording:
    marked = [int(k) for k in inside.split(",") if k]
    array = channels.open_file(recording, rate or None, unit, inside=marked)
    options = {"margin": kept_margin, "keep": (30.0,)}
    study = channels.study(array, networks, band, errors, **options)
    study.table.to_csv(f"{array.name}_apd.csv", index=False, float_format="%.4f")
    print(study.table.groupby("kind")[["apd50", "apd90"]].describe().round(1).T.to_string())
    ax = plots.channel_grid(rc.Windows.time, study.waves[30.0], array.electrode)
    if drug_time:
        only = study.table[study.table["kind"] == "eap"]
        end = (array.duration - min(60, (array.duration - drug_time) / 2), array.duration)
        effect = channels.drug_effect(only, (max(0, drug_time - 60), drug_time), end)
        effect.table.to_csv(f"{array.name}_effect.csv", float_format="%.6g")
        ax = plots.channel_effects(effect.table)

# %% [markdown]
# ## Summary
#
# - Three curves that cannot cross, with physics on the median only.
# - As trained, the band kept another promise than the one made; calibrated on other recordings it keeps 90 % or more on average
#   over recordings. In single recordings it does not, and cannot know in which.
# - A promise of 90 % needs at least nine independent recordings, and costs width until there are several times as many.
# - Durations of quantile curves are no quantiles of durations: how many true values lie between them is a matter of chance, and
#   their ends can be in the wrong order. Waveforms drawn with real error curves, and a margin from calibration recordings, come
#   nearer to what is promised.
# - In 51 channels the drug was seen in each, and differences between sites as well. What the labels get wrong, such as APD50,
#   the network gets wrong too, and no calibration on labels shows it.
# - By default all of this is **simulated**, by cells and sensors that are kinder than real ones.
#
# ## Exercises
#
# 1. Calibrate on the *fitting* beats, and on the calibration beats of all kinds together. Which band is wider, and how
#    much do test recordings lose in coverage?
#
#    ```python
#    learnt_from = intervals.predict(networks, fitting.wave)
#    careless = intervals.calibrate(learnt_from, fitting, groups["fitting"], ...)
#    ```
#
#    <details><summary>Solution</summary>
#
#    ```python
#    learnt_from = intervals.predict(networks, fitting.wave)
#    least = min(len(set(groups[name])) for name in ("fitting", "calibration"))
#    agreed = min(0.9, least / (least + 1))
#    careless = intervals.calibrate(learnt_from, fitting, groups["fitting"], agreed)
#    careful = intervals.calibrate(models["network"]["calibration"], calibration, groups["calibration"], agreed)
#    share, width = {}, {}
#    for name, own_band in {"fitting": careless, "calibration": careful}.items():
#        own = intervals.band_coverage(intervals.widen(raw, own_band), test, raw).query("phase == 'whole'")
#        share[name], width[name] = (mean_over_groups(own[k], own["recording"]) for k in ("coverage", "width"))
#        print(f"{name}: factors {own_band.factor.round(2)}, coverage {share[name]}, width {width[name]}")
#    print(f"difference in coverage {share['calibration'] - share['fitting']}")
#    narrower = width["fitting"].value < width["calibration"].value
#    check("calibrated on what it has learnt from, the band is narrower", narrower)
#    check("and holds less of the test", share["fitting"].value < share["calibration"].value)
#    ```
#
#    The one from the calibration beats. Errors are smaller on beats that a network has learnt from, and a band that is
#    made of them holds less: about 0.04 here, which still leaves 0.9, since this network has learnt for a few epochs
#    only and from stretched copies. How much it is for another network no fitting beat can tell.
#
#    </details>
#
# 2. Let every beat count the same, not every preparation (pass a group for each beat). What happens to factors,
#    coverage and width?
#
#    ```python
#    per_beat = intervals.calibrate(models["network"]["calibration"], calibration, np.arange(...), 0.9)
#    ```
#
#    <details><summary>Solution</summary>
#
#    ```python
#    own_curves, by_group = models["network"]["calibration"], {}
#    for own_group in (groups["calibration"], np.arange(len(calibration))):
#        own_band = intervals.calibrate(own_curves, calibration, own_group, wanted)
#        own = intervals.band_coverage(intervals.widen(raw, own_band), test, raw).query("phase == 'whole'")
#        by_group[own_band.groups] = own.groupby("recording")[["coverage", "width"]].mean().mean()
#        print(own_band.groups, "groups: factors", own_band.factor.round(2))
#    by_group = pd.DataFrame(by_group)
#    print(by_group.round(3).to_string())
#    check("the band gets narrower", by_group.loc["width"].iloc[1] < by_group.loc["width"].iloc[0])
#    ```
#
#    The calibration pretends to have hundreds of independent recordings. The correction for their number vanishes, long
#    recordings decide, and the band gets narrower. That it still holds about what was promised is the luck of these
#    recordings: what was promised is only that beats of the *same* recordings would be held.
#
#    </details>
#
# 3. Draw waveforms with the error curves of *one* preparation only, each in turn. How many APD90 do the intervals hold,
#    how wide are they, and why?
#
#    ```python
#    own_curves, one = models["network"]["calibration"], groups["calibration"] == ...
#    errors_of_one = intervals.Errors.of(own_curves[one], calibration.at(one), groups["calibration"][one])
#    ```
#
#    <details><summary>Solution</summary>
#
#    ```python
#    own_curves = models["network"]["calibration"]
#
#
#    def held_and_width(some):
#        own = intervals.Errors.of(own_curves[some], calibration.at(some), groups["calibration"][some])
#        own = intervals.duration_intervals(raw[::8], own, **draws)
#        own = intervals.duration_coverage(own, measured[::8], test.recording[::8]).query("level == 90")
#        return own.groupby("recording")[["inside", "width"]].mean().mean()
#
#
#    alone = pd.DataFrame([held_and_width(groups["calibration"] == name) for name in set(groups["calibration"])])
#    together = held_and_width(np.ones(len(calibration), bool))
#    print(pd.DataFrame({"one, on average": alone.mean(), "all": together}).round(2).to_string())
#    check("one preparation holds fewer APD90 than all", alone.inside.mean() < together.inside)
#    check("since its intervals are shorter", alone.width.mean() < together.width)
#    ```
#
#    About a third as many. Errors within a preparation share their sign. Its curves say how beats of one recording
#    differ from each other, and how a new recording will differ they cannot say.
#
#    </details>
#
# 4. Use the inside channel: shift all predicted APD90 by their mean difference from it before the drug. Does the error
#    against the truth fall?
#
#    ```python
#    near = beats[outside & beats["beat"].isin(inner.index)]
#    ahead = near["apd90"] - inner["apd90"].reindex(...).to_numpy()
#    ```
#
#    <details><summary>Solution</summary>
#
#    ```python
#    near = beats[outside & beats["beat"].isin(inner.index)]
#    ahead = near["apd90"] - inner["apd90"].reindex(near["beat"]).to_numpy()
#    before_drug = near["time"] < onset
#    off_by = near["apd90"] - truth.loc[near.index, "apd90"]
#    shifted = off_by - ahead[before_drug].mean()
#    table = pd.DataFrame({"as it is": off_by.abs(), "shifted": shifted.abs()})
#    print(table.groupby(before_drug.map({True: "before", False: "after"})).mean().round(1).to_string())
#    of_inside = (beats["apd90"] - truth["apd90"])[~outside].mean()
#    print(f"the inside electrode itself is off by {of_inside:.1f} ms")
#    check("the inside electrode is too short by 5 ms or more", of_inside < -5)
#    check("shifted, the error before the drug is above 10 ms", table["shifted"][before_drug].mean() > 10)
#    ```
#
#    It rises, before the drug and after. The shift makes the channels agree with one electrode, and that electrode is
#    wrong by itself: its amplifier lets the plateau sag, and its site is not the average site. A reference helps as far
#    as it can be trusted, and here only the simulation could tell.
#
#    </details>
#
# ## References
#
# [Clark 2004](../book/references.md#clark2004) · [Dunn 2023](../book/references.md#dunn2023) ·
# [Holm 1979](../book/references.md#holm1979) · [Koenker and Bassett 1978](../book/references.md#koenker1978) ·
# [Laird and Ware 1982](../book/references.md#laird1982) · [Romano 2019](../book/references.md#romano2019) ·
# [Sesia and Candes 2020](../book/references.md#sesia2020) · [Vovk 2012](../book/references.md#vovk2012)

# %% tags=["nbval-ignore-output"]
versions()
