"""Classes of twelve-lead records: counted, made, cleaned and analysed; rules for unfit records."""

import numpy as np
import pandas as pd
import pytest

from cardio_utils import labels, lead_algebra
from cardio_utils.data import twelve_lead

FS, N = 100.0, 1000


def signal(seed=0):
    """Eight leads with a beat every 0.8 s, and noise, as twelve."""
    rng = np.random.default_rng(seed)
    time = np.arange(N) / FS
    phase = (time - 0.4) % 0.8 - 0.2
    beat = np.exp(-0.5 * (phase / 0.02) ** 2) + 0.25 * np.exp(-0.5 * ((phase - 0.25) / 0.04) ** 2)
    eight = np.array([0.6, 1.0, -0.7, 0.5, 0.9, 1.3, 1.2, 1.0])[:, None] * beat + rng.normal(0, 0.01, (8, N))
    return lead_algebra.twelve_from_eight(eight.astype(np.float32))


def dataset(statements, *, patient=None, age=None, noise=None, fold=None, x=None):
    n = len(statements)
    columns = {
        "record": [f"r{i}" for i in range(n)],
        "patient": patient or [f"p{i}" for i in range(n)],
        "fold": fold or [1] * n,
        "age": age or [60.0] * n,
        "sex": [("female", "male")[i % 2] for i in range(n)],
        "noise": noise or [""] * n,
        "statements": statements,
    }
    return twelve_lead._dataset(np.stack([signal(i) for i in range(n)]) if x is None else x, columns, FS, "simulated")


@pytest.fixture
def four():
    return dataset(["NORM SR", "IMI LAFB SR", "IMI SR", "LVH NDT"], patient=["a", "b", "b", "c"])


# Tables


def test_the_label_table_has_superclasses_and_frequent_statements(four):
    table = labels.table(four)
    assert list(table) == ["NORM", "MI", "STTC", "CD", "HYP", "SR", "IMI", "LAFB", "LVH", "NDT"]
    assert table.sum().tolist() == [1, 2, 1, 1, 1, 3, 2, 1, 1, 1]
    assert list(labels.table(four, least=2)) == ["NORM", "MI", "STTC", "CD", "HYP", "SR", "IMI"]
    assert table.index.tolist() == ["r0", "r1", "r2", "r3"]


def test_explore_counts_records_and_patients(four):
    explored = labels.explore(four)
    assert explored.index.tolist() == ["NORM", "MI", "STTC", "CD", "HYP", "none", "all"]
    assert explored.loc["MI", ["records", "patients", "share", "alone"]].tolist() == [2, 1, 0.5, 0.5]
    assert explored.loc["all", "records"] == 4
    assert explored.loc["none", "records"] == 0
    assert explored.loc["all", "rate"] == pytest.approx(75, abs=1)
    assert 1 < explored.loc["all", "voltage"] < 2


def test_co_occurrence_is_symmetric_with_counts_on_its_diagonal(four):
    counts = labels.co_occurrence(labels.table(four))
    np.testing.assert_array_equal(counts, counts.T)
    assert counts.loc["MI", "CD"] == 1
    assert counts.loc["NORM", "MI"] == 0
    assert np.diag(counts).tolist() == labels.table(four).sum().tolist()


# Rules


def spoilt(how):
    x = signal()
    if how == "missing":
        x[3, 10] = np.nan
    elif how == "flat":
        x[8, 500:] = 0
    elif how == "clipped":
        x[9, 300:420] += 4
        x[9] = np.minimum(x[9], 3)
    elif how == "amplitude":
        x[7, 20] = 12
    elif how == "algebra":
        x[5] *= 1.4
    return x


@pytest.mark.parametrize("how", ["missing", "flat", "clipped", "amplitude", "algebra"])
def test_each_rule_names_its_fault(how):
    found = labels.faults(dataset(["NORM", "NORM"], x=np.stack([signal(), spoilt(how)])))
    assert found.tolist() == ["", how]


def test_an_all_zero_lead_is_flat():
    x = np.stack([signal()])
    x[0, 6] = 0
    assert labels.faults(dataset(["NORM"], x=x)).tolist() == ["flat"]


def test_flags_and_age():
    made = dataset(["NORM"] * 5, noise=["", "drift", "burst", "static electrodes", ""], age=[17.0, 30, 30, 30, np.nan])
    assert labels.faults(made).tolist() == ["under age", "", "flagged", "flagged", ""]
    assert labels.faults(made, flags=("drift",), youngest=0).tolist() == ["", "flagged", "", "", ""]


def test_exchanged_electrodes_are_looked_for_on_demand(monkeypatch):
    monkeypatch.setattr("cardio_utils.ecg.lead_swap", lambda x, fs: "LA-RA" if x[0, 0] > 5 else "")
    x = np.stack([signal(), signal()])
    x[1] = lead_algebra.twelve_from_eight(lead_algebra.eight_leads(x[1]) + (np.arange(8) == 0)[:, None] * 6)
    made = dataset(["NORM", "NORM"], x=x)
    assert labels.faults(made).tolist() == ["", ""]
    assert labels.faults(made, swaps=True).tolist() == ["", "swapped"]


# Parts


def test_process_discards_and_follows_the_folds():
    made = dataset(["NORM"] * 4, fold=[1, 8, 9, 10], age=[5.0, 60, 60, 60])
    fit, reason = labels.process(made)
    assert fit.record.values.tolist() == ["r1", "r2", "r3"]
    assert fit.role.values.tolist() == ["train", "validation", "test"]
    assert reason.tolist() == ["under age", "", "", ""]
    assert labels.process(made, youngest=0).dataset.sizes["record"] == 4


def test_process_deals_patients_where_there_are_no_folds():
    patient = [f"p{i // 2}" for i in range(40)]
    x = np.broadcast_to(signal(), (40, 12, N))
    fit, _ = labels.process(dataset(["NORM", "IMI"] * 20, patient=patient, x=x), fractions=(0.6, 0.2, 0.2))
    shared = labels.shared_patients(fit.patient.values, fit.role.values)
    assert shared.values.sum() == np.diag(shared).sum() == 20
    assert set(fit.role.values) == {"train", "validation", "test"}


def test_shared_patients_are_counted():
    shared = labels.shared_patients(["a", "a", "b", "c"], ["train", "test", "train", "test"])
    assert shared.loc["train", "test"] == shared.loc["test", "train"] == 1
    assert np.diag(shared).tolist() == [2, 2]


# Classes


def test_generate_joins_meets_and_subtracts(four):
    table = labels.table(four)
    assert labels.generate(table, union=["NORM", "HYP"]).tolist() == [True, False, False, True]
    assert labels.generate(table, intersection=["MI", "CD"]).tolist() == [False, True, False, False]
    assert labels.generate(table, without=["MI"]).tolist() == [True, False, False, True]
    assert labels.generate(table, union=["MI", "HYP"], without=["CD"]).tolist() == [False, False, True, True]
    with pytest.raises(ValueError, match="there is no label PMI"):
        labels.generate(table, union=["PMI"])
    with pytest.raises(ValueError, match="sequences of names"):
        labels.generate(table, union="MI")
    with pytest.raises(ValueError, match="sequences of names"):
        labels.generate(table)


def test_clean_compares_fit_with_unfit_records():
    n = 24
    x = np.broadcast_to(signal(), (n, 12, N))
    made = dataset(["IMI"] * 12 + ["IMI LVH"] * 12, x=x, age=[70.0] * 12 + [40.0 + i for i in range(12)])
    reason = pd.Series([""] * 12 + ["flat"] * 12)
    fit, comparison = labels.clean(made, np.ones(n, bool), reason)
    assert fit.sum() == 12
    assert comparison.loc["records", ["clean", "corrupted"]].tolist() == [12, 12]
    assert comparison.loc["HYP", ["clean", "corrupted"]].tolist() == [0, 1]
    assert comparison.loc["HYP", "p"] < 1e-5
    assert comparison.loc["MI", "p"] == 1
    assert comparison.loc["age", "p"] < 0.01
    assert comparison.loc["rate", "clean"] == pytest.approx(75, abs=1)
    _, empty = labels.clean(made, np.ones(n, bool), pd.Series([""] * n))
    assert empty.loc["records", "corrupted"] == 0
    assert np.isnan(empty.loc["age", ["corrupted", "p"]].tolist()).all()


def test_analyse_gives_conditional_probabilities():
    rng = np.random.default_rng(0)
    member = rng.random(600) < 0.4
    table = pd.DataFrame({"often": np.where(member, rng.random(600) < 0.8, rng.random(600) < 0.1), "same": member})
    table["never"] = False
    patient = np.arange(600) // 2
    found = labels.analyse(table, member, patient, n_resamples=300)
    assert found.index.tolist() == ["same", "often", "never"]
    assert found.loc["same", "probability"] == found.loc["same", "low"] == 1
    assert found.loc["often", "probability"] == table["often"][member].mean()
    assert found.loc["often", "low"] < found.loc["often", "probability"] < found.loc["often", "high"]
    assert found.loc["often", "lift"] == pytest.approx(table["often"][member].mean() / table["often"].mean())
    assert found.loc["never", ["records", "probability"]].tolist() == [0, 0]
    assert np.isnan(found.loc["never", "lift"])
    with pytest.raises(ValueError, match="no record"):
        labels.analyse(table, np.zeros(600, bool), patient)


def test_process_class_is_clean_then_analyse(four):
    table, reason = labels.table(four), pd.Series(["", "flat", "", ""])
    member = labels.generate(table, union=["IMI"])
    fit, comparison, analysis = labels.process_class(four, table, member, reason, n_resamples=50)
    assert fit.tolist() == [False, False, True, False]
    assert comparison.loc["CD", ["clean", "corrupted"]].tolist() == [0, 1]
    assert analysis.loc["CD", "probability"] == 0
    assert analysis.loc["IMI", "records"] == 1
