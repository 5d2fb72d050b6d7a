# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Primer: to predict a number
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/owner/cardiac-ml-book/blob/main/notebooks/00a_regression.ipynb)
#
# Twelve currents flow through the membrane of a heart cell. How long its beat lasts follows from all of them. Can a model that has
# seen a few hundred cells say the duration for the next one, and does it know *which* currents matter? This chapter is for readers
# who have never trained a model. Everything that later chapters do is here once, in its simplest form: a baseline, a split,
# a few models, an honest error, and a look at what the model has learnt.
#
# **You will do:** simulate cells, split them, fit a line, trees, a forest and a small network, compare them by
# cross-validation, read a test set once, and compare what each model believes with what the equations of the cell say.
#
# **You will learn:** what a baseline is for, how a model can fit too much, why the rows of a table are not always the unit
# that counts, what residuals tell, and why no model should be asked about cells unlike those it has seen.
#
# **You need:** a minute, no GPU, no download, and a little Python. The [glossary](../book/glossary.md) has the words.

# %% tags=["remove-cell"]
import importlib.util

if importlib.util.find_spec("cardio_utils") is None:
    # %pip install -q "cardio-utils @ git+https://github.com/owner/cardiac-ml-book@main"
    pass

# %% tags=["parameters"]
source: str = "simulated"  # the only one here: cells whose equations are known
profile: str = "fast"  # "fast": 400 cells; "full": 3,000
seed: int = 0  # changes the cells, the split and the models
recording: str = ""  # a CSV table of your own: numbers, the last column is to be predicted; empty: none

# %%
import numpy as np
import pandas as pd
from sklearn.compose import TransformedTargetRegressor
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import RandomForestRegressor
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LinearRegression, RidgeCV
from sklearn.model_selection import KFold, cross_val_predict, train_test_split
from sklearn.neighbors import KNeighborsRegressor
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler
from sklearn.tree import DecisionTreeRegressor

from cardio_utils import action_potential, plots
from cardio_utils.agreement import mean_over_groups
from cardio_utils.data import fetch
from cardio_utils.notebook import check, record, setup, versions
from cardio_utils.simulate import cells

setup("00a_regression", source=source, profile=profile, seed=seed)

# %% [markdown]
# ## The data: one row a cell
#
# The cells are **simulated** by the equations of [Paci 2018](../book/references.md#paci2018), stimulated every 1.2 s. They differ in
# twelve factors, one for each current: 1 is the published cell, 0.5 has half of that current. The duration is APD90,
# from the upstroke until the cell has gone back 90 % of its way.

# %%
n = 400 if profile == "fast" else 3000
factors = cells.population(n, spread=0.2, seed=seed)


def durations(factors, beats=3, period=1.2, fs=1000.0):
    """APD90 (ms) of some beats of each cell, and the membrane potential (cell, beat, sample)."""
    options = {"run_in": 12.0, "period": period, "fs": fs}
    vm = cells.simulate(factors, beats * period, **options).vm
    vm = vm.reshape(len(factors), beats, -1)
    return action_potential.apd(vm, fs, levels=[90]).apd[..., 0], vm


by_beat, vm = durations(factors)
x = pd.DataFrame(np.log(factors), columns=cells.CURRENTS)
y = pd.Series(by_beat.mean(axis=1), name="APD90")
known = y.notna()
print(x.assign(APD90=y).head(3).round(2).to_string())
print(f"{n} cells, {n - known.sum()} without a duration, APD90 {y.min():.0f} to {y.max():.0f} ms")
x, y, by_beat = x[known], y[known], by_beat[known]

# %% mystnb={"image": {"alt": "Simulated action potentials of sixty cells, coloured by APD90: plateaus differ in height and length, and so do their ends."}}
shown = vm[known.to_numpy()][:60, 0]
time = np.arange(shown.shape[1])
labels = {"ylabel": "membrane potential (mV)", "label": "APD90 (ms)"}
ax = plots.coloured_curves(time, shown, y[:60], **labels)

# %% [markdown]
# The columns are logarithms of the factors: half and double are then equally far from 1.
#
# ## What is a row?
#
# Each cell was seen for three beats. Would three rows a cell not be three times as many data? Try it. The next model does
# nothing but look up the most similar row. Once the *beats* are dealt at random to a training and a test part, once the *cells*.

# %%
rows, cell = np.repeat(x.to_numpy(), 3, axis=0), np.repeat(np.arange(len(x)), 3)
lookup = KNeighborsRegressor(1)
error = {}
for name, unit in (("beats", np.arange(len(rows))), ("cells", cell)):
    chosen = train_test_split(np.unique(unit), test_size=0.25, random_state=seed)[1]
    test = np.isin(unit, chosen)
    fitted = lookup.fit(rows[~test], by_beat.ravel()[~test])
    error[name] = np.abs(fitted.predict(rows[test]) - by_beat.ravel()[test])
    record(f"split_by_{name}/nearest_row/mae", error[name].mean(), unit="ms")
check("split by beats, looking up a row seems to be far better than it is",
      error["beats"].mean() < error["cells"].mean() / 2)  # fmt: skip

# %% [markdown]
# Split by beats, most test beats have a twin of the same cell in the training part, and a model that has understood nothing
# finds it. The first number answers a question that nobody asks. **Split by the unit that the model will meet anew**: here the
# cell, in later chapters the recording, the heart, the patient. From here on a row is a cell.
#
# ## A part for the end, and a baseline
#
# A quarter of the cells is put aside and read once, at the end. All choices are made on the others. And before any model
# comes the one that knows nothing: it says the mean for every cell. A model is worth what it gains over that.

# %%
options = {"test_size": 0.25, "random_state": seed}
x_fit, x_test, y_fit, y_test = train_test_split(x, y, **options)
print(len(x_fit), "cells to learn from,", len(x_test), "for the end")
folds = KFold(5, shuffle=True, random_state=seed)


def held_out(model, x=x_fit, y=y_fit):
    """Predictions for each fifth of the cells by the model that learnt from the other four."""
    return cross_val_predict(model, x, y, cv=folds)


def mae(error):
    """Mean absolute error with its 95 % interval, found by resampling cells."""
    return mean_over_groups(np.abs(error), np.arange(len(error)))


missed = {"mean": y_fit - held_out(DummyRegressor())}
record("cross_validation/mean/mae", mae(missed["mean"]), unit="ms", better="lower")

# %% [markdown]
# `held_out` is **cross-validation**: the cells are cut into five parts, each is predicted by a model that learnt from the other
# four. So every cell is predicted once by a model that has not seen it.
#
# ## A line
#
# Linear regression adds up twelve contributions, each a number times the logarithm of a factor.

# %%
models = {"line": LinearRegression()}
missed["line"] = y_fit - held_out(models["line"])
record("cross_validation/line/mae", mae(missed["line"]), unit="ms", better="lower")
slope = pd.Series(models["line"].fit(x_fit, y_fit).coef_, x.columns)
print((slope * np.log(1.1)).sort_values().round(1).tail(3).to_string())
check("more of I_Kr makes the beat shorter", slope["Kr"] < 0)

# %% [markdown]
# The printed numbers say by how many ms a beat grows with 10 % more of that current.
#
# ## A tree, and how to fit too much
#
# A decision tree asks one question after the other (is Kr below 0.5? is CaL above 1.4?) and ends in a box of similar cells. How many
# questions in a row may it ask? Its error on the cells that it learnt from falls with every one. That on other cells does not.

# %% mystnb={"image": {"alt": "Error of a decision tree against its depth: on the cells it learnt from it falls to zero, on held-out cells it stops falling at a depth of about five."}}
depths = {}
for depth in range(1, 13):
    tree = DecisionTreeRegressor(max_depth=depth, random_state=seed)
    own = np.abs(y_fit - tree.fit(x_fit, y_fit).predict(x_fit)).mean()
    depths[depth] = {"learnt from": own, "held out": np.abs(y_fit - held_out(tree)).mean()}
depths = pd.DataFrame.from_dict(depths, "index")
best = depths["held out"].idxmin()
missed["tree"] = y_fit - held_out(DecisionTreeRegressor(max_depth=best, random_state=seed))
record("cross_validation/tree/mae", mae(missed["tree"]), unit="ms", better="lower")
gap = depths["held out"] - depths["learnt from"]
check("the deepest tree misses held-out cells by five times more than its own",
      depths["held out"].iloc[-1] > 5 * depths["learnt from"].iloc[-1])  # fmt: skip
long = depths.melt(ignore_index=False, var_name="cells", value_name="mae").reset_index()
options = {"xlabel": "questions in a row", "ylabel": "mean absolute error (ms)", "log": False}
ax = plots.ablation(long, "index", "mae", "cells", **options)

# %% [markdown]
# The distance between the two lines is what the tree has learnt by heart. The depth with the smallest *held-out* error is kept.
#
# ## A forest, a network, and a line with squares
#
# A **forest** averages many trees, each grown on a random draw of the cells. A small **network** bends its answer by two layers of 32 units, and
# learns best when all that goes in and out is of size one (the scalers).
# And the line can be given more to add up: squares and products of the columns, 90 numbers in place of 12, with a penalty on large
# coefficients (ridge) that cross-validation inside the training part chooses.

# %%
layers = {"hidden_layer_sizes": (32, 32), "alpha": 0.1}
layers |= {"solver": "lbfgs", "max_iter": 2000, "random_state": seed}
models |= {
    "line with squares": make_pipeline(PolynomialFeatures(2), StandardScaler(), RidgeCV(np.geomspace(1e-2, 1e2, 9))),
    "forest": RandomForestRegressor(200, random_state=seed),
    "network": TransformedTargetRegressor(
        make_pipeline(StandardScaler(), MLPRegressor(**layers)),
        transformer=StandardScaler(),
    ),
}
for name in ("line with squares", "forest", "network"):
    missed[name] = y_fit - held_out(models[name])
    value = mae(missed[name])
    slug = f"cross_validation/{name.replace(' ', '_')}/mae"
    record(slug, value, unit="ms", better="lower", tolerance=0.2 * float(value))
forest, network = (np.abs(missed[name]).mean() for name in ("forest", "network"))
check("the network is off by less than half as much as the forest", network < forest / 2)

# %% [markdown]
# More is not better. The duration changes smoothly with each current, and 300 cells are few: models that can only bend smoothly, the
# line with squares and the network, need fewer of them than a forest, which must cut twelve dimensions into boxes. A model is an
# assumption, and the one that fits the matter wins.
#
# ## How many cells does it take?
#
# The same models, with fewer cells, three draws each. Ninety numbers cannot be learnt from 25 cells: there the plain line is best, and only
# from about a hundred cells on the squares pay. Which model is best depends on how much there is to learn from.

# %% tags=["nbval-ignore-output"] mystnb={"image": {"alt": "Held-out error of the line, the line with squares and the forest against the number of cells: the line stops improving early, the others go on."}}
sizes = [s for s in (25, 50, 100, 200, 400, 800, 1600) if s < 0.8 * len(x_fit)]
rows = []
for name in ("line", "line with squares", "forest"):
    for size in sizes:
        for repeat in range(3):
            rng = np.random.default_rng((seed, repeat))
            order = rng.permutation(len(x_fit))
            some, rest = order[:size], order[-len(order) // 5 :]
            fitted = models[name].fit(x_fit.iloc[some], y_fit.iloc[some])
            miss = np.abs(fitted.predict(x_fit.iloc[rest]) - y_fit.iloc[rest])
            rows.append((name, size, miss.mean()))
learning = pd.DataFrame(rows, columns=["model", "cells", "mae"])
by_size = learning.groupby(["model", "cells"]).mae.mean().unstack("cells")
check("with more cells every model gets better", bool((by_size[sizes[-1]] < by_size[25]).all()))
check("with 25 cells the plain line is best", by_size[25].idxmin() == "line")
check("with all of them the squares are", by_size[sizes[-1]].idxmin() == "line with squares")
options = {"xlabel": "cells to learn from", "ylabel": "mean absolute error (ms)"}
ax = plots.ablation(learning, "cells", "mae", "model", **options)

# %% [markdown]
# ## What residuals tell
#
# A residual is what a model has missed. Its size is the error; its *pattern* says what is wrong with the model. The red line is the
# mean in fifths of the predictions: if a model has the right form, it stays at zero. (Each panel has its own scale.)

# %% mystnb={"image": {"alt": "Residuals against predictions for the line, the line with squares and the forest: those of the line bend, those of the forest tilt, those of the line with squares stay at zero."}}
shown = ["line", "line with squares", "forest"]
said = {name: y_fit - missed[name] for name in shown}
ax = plots.residuals(said, {name: missed[name] for name in shown})
slopes = {name: np.polyfit(said[name], missed[name], 1)[0] for name in shown}
bends = {name: np.polyfit(said[name], missed[name], 2)[0] for name in shown}
record("cross_validation/line/residual_bend", 1e4 * bends["line"], unit="ms/(100ms)^2")
check("the residuals of the line bend, with squares they bend less than half as much",
      abs(bends["line with squares"]) < abs(bends["line"]) / 2)  # fmt: skip
check("the forest says too little for long beats and too much for short ones",
      slopes["forest"] > 0.1)  # fmt: skip

# %% [markdown]
# ## The test, read once
#
# Now each model learns from all cells that were not put aside, and the others are read.

# %% tags=["nbval-ignore-output"] mystnb={"image": {"alt": "Test error of each model with its interval: the line with squares has the smallest, the mean by far the largest."}}
everything = {"mean": DummyRegressor(), "tree": DecisionTreeRegressor(max_depth=best)} | models
fitted = {name: model.fit(x_fit, y_fit) for name, model in everything.items()}
test_error = {name: y_test - model.predict(x_test) for name, model in fitted.items()}
results = {name: mae(error) for name, error in test_error.items()}
for name, value in results.items():
    slug = f"test/{name.replace(' ', '_')}/mae"
    record(slug, value, unit="ms", better="lower", tolerance=0.2 * float(value))
difference = mae(test_error["line with squares"]) - mae(test_error["forest"])
record("test/line_with_squares_minus_forest/mae", difference, unit="ms", tolerance=3)
check("the line with squares beats the forest beyond doubt", difference.high < 0)
ax = plots.metric_bars(results, xlabel="mean absolute error (ms)", highlight="line with squares")

# %% [markdown]
# The interval of a *difference* is narrower than those of the two errors suggest, because both models met the same cells. Always compare
# models on the same rows, and look at the difference.
#
# ## What has the model learnt?
#
# **Permutation importance**: shuffle one column of the test cells, and see by how much the error grows. It says what a model *uses*. For
# these cells we can also ask the equations what is *true*: change one current of a cell by 10 %, simulate again.

# %% tags=["nbval-ignore-output"] mystnb={"image": {"alt": "Effect of ten per cent more of each current on APD90 by the equations, beside what the line and the line with squares believe: I_Kr shortens most, I_CaL lengthens most."}}
some = factors[known.to_numpy()][:20]
more = np.repeat(some, len(cells.CURRENTS), axis=0)
more[np.arange(len(more)), np.tile(np.arange(len(cells.CURRENTS)), len(some))] *= 1.1
changed = durations(more)[0].mean(axis=1).reshape(len(some), -1)
believed = {"by the equations": np.nanmean(changed - by_beat[:20].mean(axis=1)[:, None], axis=0)}
for name in ("line", "line with squares"):
    after = fitted[name].predict(pd.DataFrame(np.log(more), columns=x.columns))
    before = fitted[name].predict(x.iloc[:20])
    believed[name] = (after.reshape(len(some), -1) - before[:, None]).mean(axis=0)
effects = pd.DataFrame(believed, index=cells.CURRENTS)
wrong = (effects["line with squares"] - effects["by the equations"]).abs().max()
record("effects/line_with_squares/largest_error", wrong, unit="ms", tolerance=2)
check("each effect is known to within 3 ms", bool(wrong < 3))
ax = plots.effects(effects, "by the equations", "change of APD90 by 10 % more of a current (ms)")

# %% tags=["nbval-ignore-output"]
importance = {}
for name in ("line with squares", "forest"):
    options = {"scoring": "neg_mean_absolute_error", "n_repeats": 10, "random_state": seed}
    found = permutation_importance(fitted[name], x_test, y_test, **options)
    importance[name] = found.importances_mean
importance = pd.DataFrame(importance, index=cells.CURRENTS).sort_values("forest", ascending=False)
print(importance.head(5).round(1).to_string())
largest = set(effects["by the equations"].abs().nlargest(2).index)
check("both models use the two currents most that matter most",
      all(set(importance[name].nlargest(2).index) == largest for name in importance))  # fmt: skip

# %% [markdown]
# ## Where it fails: cells unlike those it has seen
#
# Now a drug takes away half of I_Kr of every test cell. Few training cells had so little of it. A forest can only answer with means of
# what it has seen, a line goes on straight ahead, and neither is told by its data what happens there.

# %% tags=["nbval-ignore-output"] mystnb={"image": {"alt": "True against predicted APD90 of cells with half of their I_Kr: the forest's predictions end at the longest beats it has seen, the other models follow further."}}
blocked = np.exp(x_test.to_numpy()[:60])
blocked[:, cells.CURRENTS.index("Kr")] *= 0.5
truth = durations(blocked)[0].mean(axis=1)
beating = np.isfinite(truth)
drugged = pd.DataFrame(np.log(blocked), columns=x.columns)[beating]
said = {name: fitted[name].predict(drugged) for name in shown}
for name, values in said.items():
    value = mae(truth[beating] - values)
    slug = f"half_of_kr/{name.replace(' ', '_')}/mae"
    record(slug, value, unit="ms", better="lower", tolerance=0.25 * float(value))
check("no answer of the forest is longer than the longest beat it has seen",
      said["forest"].max() <= y_fit.max())  # fmt: skip
check("all models are worse here than on the test cells",
      all(np.abs(truth[beating] - said[name]).mean() > results[name].value for name in shown))  # fmt: skip
ax = plots.against_truth(truth[beating], said, how="predicted")

# %% [markdown]
# ## Your own table
#
# `papermill 00a_regression.ipynb out.ipynb -r recording my_table.csv` does the same for numbers of yours: a CSV file with a header, one row an
# independent unit, the last column to be predicted. It writes `my_table_predictions.csv` with the held-out prediction of each
# model, and prints their errors beside that of the mean.

# %%
if recording:
    own = fetch.read_csv(recording)
    own_x, own_y = own.iloc[:, :-1], own.iloc[:, -1]
    predicted = pd.DataFrame({name: held_out(m, own_x, own_y) for name, m in everything.items()})
    print(predicted.sub(own_y, axis=0).abs().mean().to_string())
    predicted.to_csv(recording.removesuffix(".csv") + "_predictions.csv", index=False)

# %% [markdown]
# ## Summary
#
# - A baseline first: without it an error is only a number.
# - Split by the unit that is new in use. Split by beats, a model that understands nothing looked several times better than it is.
# - Choose by cross-validation, read the test once, compare models on the same rows.
# - On these cells a line with squares and a small network beat the forest by far: the matter is smooth, and the cells are few.
# - Residuals say what kind of model is missing, effects say what was learnt, and neither speaks for cells that are unlike the data.
#
# ## Exercises
#
# 1. What is the error of the line if the factors are not put into logarithms?
#
#    ```python
#    raw = y_fit - held_out(LinearRegression(), np.exp(x_fit))
#    worse = ...
#    ```
#
#    <details><summary>Solution</summary>
#
#    ```python
#    raw = y_fit - held_out(LinearRegression(), np.exp(x_fit))
#    worse = mae(raw) - mae(missed["line"])
#    print(f"without logarithms {mae(raw)} ms, more than with them by {worse} ms")
#    check("the line is better on logarithms", worse.low > 0)
#    ```
#
#    Its error is larger by several ms. What counts for a cell is by how many per cent a current changes, not by how much of the
#    published one: from 0.5 to 0.6 is a larger step than from 1.4 to 1.5. In the logarithm the duration is closer to a straight line.
#
#    </details>
#
# 2. Add a column that is a copy of Kr with a little noise, and fit the line. What happens to the coefficients, and to the error?
#
#    ```python
#    noise = np.random.default_rng(seed).standard_normal(len(x_fit))
#    twice = x_fit.assign(copy=x_fit["Kr"] + 0.02 * noise)
#    ```
#
#    <details><summary>Solution</summary>
#
#    ```python
#    shared = []
#    for draw in range(20):
#        noise = np.random.default_rng((seed, draw)).standard_normal(len(x_fit))
#        twice = x_fit.assign(copy=x_fit["Kr"] + 0.02 * noise)
#        shared.append(LinearRegression().fit(twice, y_fit).coef_[[twice.columns.get_loc("Kr"), -1]])
#    shared = pd.DataFrame(shared, columns=["Kr", "copy"])
#    shared["sum"] = shared["Kr"] + shared["copy"]
#    print(shared.describe().loc[["min", "max"]].round(0), f"\nKr alone: {slope['Kr']:.0f}")
#    with_copy, without = mae(y_fit - held_out(LinearRegression(), twice)), mae(missed["line"])
#    print(f"error {with_copy} ms with a copy, {without} ms without")
#    check("the sum of both coefficients stays", (shared["sum"] / slope["Kr"]).between(0.9, 1.1).all())
#    check("one by one they depend on the noise", shared["Kr"].std() > 10 * shared["sum"].std())
#    check("the error changes by less than a tenth", abs(with_copy.value - without.value) < 0.1 * without.value)
#    ```
#
#    The error stays. The coefficient of Kr is shared out between the two columns in a way that the noise decides; only the sum is
#    known. Coefficients of correlated columns must not be read one by one.
#
#    </details>
#
# 3. Repeat the look-up of the second section with five neighbours. Why does the gap between the two splits shrink?
#
#    ```python
#    five = KNeighborsRegressor(5)
#    by_five = {}
#    ```
#
#    <details><summary>Solution</summary>
#
#    ```python
#    five, by_five = KNeighborsRegressor(5), {}
#    table, answer = np.repeat(x.to_numpy(), 3, axis=0), by_beat.ravel()
#    for name, unit in (("beats", np.arange(len(table))), ("cells", cell)):
#        chosen = train_test_split(np.unique(unit), test_size=0.25, random_state=seed)[1]
#        test = np.isin(unit, chosen)
#        five.fit(table[~test], answer[~test])
#        by_five[name] = np.abs(five.predict(table[test]) - answer[test]).mean()
#    gap_of_one = error["cells"].mean() - error["beats"].mean()
#    gap_of_five = by_five["cells"] - by_five["beats"]
#    print(by_five, f"gap {gap_of_five:.0f} ms, with one neighbour {gap_of_one:.0f} ms")
#    check("with five neighbours the gap is less than half as wide", gap_of_five < gap_of_one / 2)
#    ```
#
#    At most two of the five are twins. The other three or more belong to other cells and pull the answer away, so that the split by
#    beats loses much of its unfair advantage. It still flatters.
#
#    </details>
#
# 4. Fit the network without scaling what goes out. What does it cost, and can a larger penalty `alpha` repair it?
#
#    ```python
#    unscaled = models["network"].regressor
#    ```
#
#    <details><summary>Solution</summary>
#
#    ```python
#    from sklearn.base import clone
#
#    unscaled = models["network"].regressor
#    heavier = clone(unscaled).set_params(mlpregressor__alpha=0.1 * y_fit.var())
#    for name, network in {"unscaled": unscaled, "unscaled, heavier penalty": heavier}.items():
#        missed[name] = y_fit - held_out(network)
#        print(name, mae(missed[name]), "ms; scaled", mae(missed["network"]), "ms")
#    cost = mae(missed["unscaled"]) - mae(missed["network"])
#    repaired = mae(missed["unscaled"]) - mae(missed["unscaled, heavier penalty"])
#    check("without scaling the network is worse", cost.low > 0)
#    check("a heavier penalty takes much of that back", repaired.value > cost.value / 2)
#    ```
#
#    Its error about doubles. The penalty on large weights is set against the squared error, and in ms that is some thousand times
#    larger than in standard deviations: the same `alpha` is next to none, and the network learns its cells by heart. Multiplied by the
#    variance of the answers, the penalty brings most of it back. With scalers one need not think of it.
#
#    </details>
#
# 5. Let a forest learn the *residuals* of the line with squares and add both. Does it help?
#
#    ```python
#    squares, small = models["line with squares"], RandomForestRegressor(100, random_state=seed)
#    left = y_fit - held_out(squares)
#    ```
#
#    <details><summary>Solution</summary>
#
#    ```python
#    squares, small = clone(models["line with squares"]), RandomForestRegressor(100, random_state=seed)
#    together = y_fit.copy()
#    for own, rest in folds.split(x_fit):
#        own_x, own_y, rest_x = x_fit.iloc[own], y_fit.iloc[own], x_fit.iloc[rest]
#        left = own_y - cross_val_predict(squares, own_x, own_y, cv=5)
#        squares.fit(own_x, own_y)
#        small.fit(own_x, left)
#        together.iloc[rest] = squares.predict(rest_x) + small.predict(rest_x)
#    gain = mae(missed["line with squares"]) - mae(y_fit - together)
#    print(f"the forest gains {gain} ms")
#    check("the forest gains less than 1 ms", gain.value < 1)
#    ```
#
#    There is no clear difference: what is left after the squares is too small and too irregular for a forest and 300 cells. The forest
#    must learn from *held-out* residuals of its own training cells, since those of a fitted model are too small.
#
#    </details>
#
# ## References
#
# [Paci 2018](../book/references.md#paci2018)

# %% tags=["nbval-ignore-output"]
versions()
