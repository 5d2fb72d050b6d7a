"""Lead algebra: identities to the last bit, matrices that fit each other, exchanged electrodes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardio_utils import lead_algebra as la
from cardio_utils import physics


@pytest.fixture
def twelve():
    eight = np.random.default_rng(0).normal(0, 0.5, (3, 8, 200)).astype(np.float32)
    return la.twelve_from_eight(eight)


def test_the_order_is_that_of_the_simulator():
    assert la.TWELVE == tuple(physics.LEADS)
    assert set(la.EIGHT) <= set(la.TWELVE)


def test_potentials_of_electrodes_obey_the_algebra():
    potentials = np.random.default_rng(1).normal(size=(10, 50))
    twelve = physics.twelve_leads(potentials)
    np.testing.assert_allclose(la.twelve_from_eight(la.eight_leads(twelve)), twelve, atol=1e-12)
    assert la.einthoven_residual(twelve) < 1e-12


def test_independent_leads_pass_to_the_last_bit(twelve):
    eight = la.eight_leads(twelve)
    assert twelve.dtype == np.float32
    np.testing.assert_array_equal(la.eight_leads(la.twelve_from_eight(eight)), eight)


def test_identities_of_einthoven_and_goldberger(twelve):
    lead = dict(zip(la.TWELVE, np.moveaxis(twelve.astype(float), -2, 0), strict=True))
    np.testing.assert_allclose(lead["I"] + lead["III"], lead["II"], atol=1e-6)
    np.testing.assert_allclose(lead["aVR"] + lead["aVL"] + lead["aVF"], 0, atol=1e-6)
    np.testing.assert_allclose(lead["aVL"], (lead["I"] - lead["III"]) / 2, atol=1e-6)
    np.testing.assert_allclose(lead["aVF"], (lead["II"] + lead["III"]) / 2, atol=1e-6)


@given(st.permutations(la.LIMB))
def test_any_two_limb_leads_give_all_six(order):
    twelve = la.twelve_from_eight(np.random.default_rng(2).normal(size=(8, 20)))
    pair = {name: twelve[la.TWELVE.index(name)] for name in order[:2]}
    six = la.limb_from_two(pair)
    np.testing.assert_allclose(six, twelve[:6], atol=1e-12)
    for name, given_lead in pair.items():
        np.testing.assert_array_equal(six[la.LIMB.index(name)], given_lead)


@pytest.mark.parametrize("leads", [{"I": [1.0]}, {"I": [1.0], "V1": [1.0]}, {}])
def test_two_limb_leads_are_needed(leads):
    with pytest.raises(ValueError, match="two of the leads I, II"):
        la.limb_from_two(leads)


def test_the_wrong_number_of_leads_is_refused():
    with pytest.raises(ValueError, match="12 leads are needed"):
        la.eight_leads(np.zeros((8, 10)))
    with pytest.raises(ValueError, match="8 leads are needed"):
        la.twelve_from_eight(np.zeros((12, 10)))


def test_the_residual_is_that_of_the_spoilt_lead(twelve):
    spoilt = twelve.copy()
    spoilt[1, 4] += 0.1
    assert la.einthoven_residual(spoilt) == pytest.approx([0, 0.1, 0], abs=1e-6)
    assert la.einthoven_residual(np.round(twelve, 3)).max() < 0.001


def test_the_inverse_of_dower_is_its_pseudo_inverse():
    np.testing.assert_allclose(np.linalg.pinv(la.DOWER), la.INVERSE_DOWER, atol=0.0015)
    np.testing.assert_allclose(la.INVERSE_DOWER @ la.DOWER, np.eye(3), atol=0.005)


def test_kors_and_dower_have_the_same_frame():
    """Kors makes of what Dower makes of a vector about that vector: z points to the back in both."""
    product = la.KORS @ la.DOWER
    assert (np.diag(product) > 0.85).all()
    assert np.abs(product - np.diag(np.diag(product))).max() < 0.4
    assert la.DOWER[la.EIGHT.index("V2"), 2] < -1  # V2 lies in front


@pytest.mark.parametrize("pair", la.SWAPS)
def test_an_exchange_undoes_itself_and_leaves_the_chest_alone(twelve, pair):
    exchanged = la.swap_electrodes(twelve, pair)
    np.testing.assert_array_equal(exchanged[:, 6:], twelve[:, 6:])
    np.testing.assert_allclose(la.swap_electrodes(exchanged, pair), twelve, atol=1e-6)
    assert la.einthoven_residual(exchanged).max() < 1e-6


@pytest.mark.parametrize(("pair", "electrodes"), [("LA-RA", (0, 1)), ("RA-LL", (0, 2)), ("LA-LL", (1, 2))])
def test_an_exchange_is_what_electrodes_would_record(pair, electrodes):
    potentials = np.random.default_rng(3).normal(size=(10, 30))
    changed = potentials.copy()
    changed[list(electrodes)] = potentials[list(electrodes[::-1])]
    expected = physics.twelve_leads(changed)
    np.testing.assert_allclose(la.swap_electrodes(physics.twelve_leads(potentials), pair), expected, atol=1e-12)


def test_an_unknown_exchange_is_refused(twelve):
    with pytest.raises(ValueError, match="LA-RA, RA-LL, LA-LL"):
        la.swap_electrodes(twelve, "V1-V2")
    np.testing.assert_array_equal(la.swap_electrodes(twelve, ""), twelve)
