"""Simulated intracardiac cases: the design, sites in their walls, activation from where it begins, and potentials."""

from collections import Counter

import numpy as np
import pytest
from scipy.spatial import cKDTree

from cardio_utils import physics
from cardio_utils.simulate import heart as engine
from cardio_utils.simulate import intracardiac as ic

NAN = float("nan")


def case(pattern=-1, innerindex=-1, *, volunteer="v1", bcl=NAN, gkr=NAN, act=0):
    return ic.Case("hearts_dd_0p2", volunteer, pattern, innerindex, bcl, gkr, act)


@pytest.fixture(scope="module")
def subject():
    return ic.subject("v1")


def test_the_design_has_the_published_numbers():
    cases = ic.design()
    assert len(cases) == len(set(cases)) == 16_140
    count = Counter(c.study.removeprefix("hearts_dd_0p2") for c in cases)
    assert count[""] == 435 and count["_geo_inn"] == 1125
    for act in (1, 2, 3):
        assert count[f"_geo_act_{act}_bcl"] == 870 and count[f"_geo_inn_act_{act}_bcl"] == 450
        assert count[f"_geo_act_{act}_bcl_gkr"] + count[f"_geo_act_{act}_bcl_gkr_I"] == 1740
        assert count[f"_geo_inn_act_{act}_bcl_I"] == 1800
    assert "v3" not in ic.VOLUNTEERS and len(ic.VOLUNTEERS) == 15
    assert len({(c.volunteer, c.pattern, c.innerindex, c.act) for c in cases}) == 6240
    same = Counter((c.volunteer, c.pattern, c.innerindex, c.act) for c in cases if c.act)
    assert set(same.values()) == {2, 6}


def test_the_sites_are_25_columns_of_three():
    assert len(ic.SITES) == len(set(ic.SITES)) == 75
    assert ic.SITES[:18] == (*(f"AHA{k:02d}" for k in range(1, 18)), "RV01")
    assert ic.SITES[30] == "EPI_AHA01" and ic.SITES[50] == "MID_AHA01" and ic.SITES[74] == "SEPTM_AHA14_RV13"
    assert set(Counter(ic.COLUMNS).values()) == {3} and len(set(ic.COLUMNS)) == 25
    column = dict(zip(ic.SITES, ic.COLUMNS, strict=True))
    assert column["RV05"] == column["SEPTM_AHA02_RV05"] == "AHA02" and column["MID_RV11"] == "RV11"


def test_a_smaller_draw_is_part_of_a_larger_one():
    small, large = ic.draw(20, seed=3), ic.draw(300, seed=3)
    assert set(small) < set(large) and small != ic.draw(20, seed=4)
    of_two = ic.draw(40, volunteers=("v2", "v9"), studies=["hearts_dd_0p2"])
    assert {c.volunteer for c in of_two} == {"v2", "v9"} and {c.study for c in of_two} == {"hearts_dd_0p2"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"volunteers": ["v3"]}, "no volunteer v3; known are v1, v2, v4"),
        ({"studies": ["hearts"]}, "no study hearts"),
        ({"volunteers": "v1"}, "sequence"),
        ({"n": 0}, "between 1 and the 16140"),
        ({"n": 30, "volunteers": ["v1"], "studies": ["hearts_dd_0p2"]}, "29 cases"),
    ],
)
def test_impossible_draws(options, message):
    with pytest.raises(ValueError, match=message):
        ic.draw(**options)


@pytest.mark.parametrize("seed", range(4))
def test_sites_lie_in_the_wall_they_are_named_after(seed):
    rng = np.random.default_rng(seed)
    heart = engine.Heart(engine.Anatomy.draw(rng))
    sites = ic.site_positions(heart.anatomy)
    distance, node = cKDTree(heart.points).query(sites)
    assert distance.max() < 3.5
    position = dict(zip(ic.SITES, sites, strict=True))
    node = dict(zip(ic.SITES, node, strict=True))
    for name, where in node.items():
        if name.startswith(("AHA", "EPI_AHA", "MID_AHA", "SEPTM")):
            assert heart.left[where], name
        if name.startswith(("EPI_RV", "MID_RV")):
            assert not heart.left[where], name
    assert all(heart.septum[node[name]] for name in ic.SITES[70:])
    for k in (1, 5, 10, 16, 17):
        triple = [heart.rho[node[f"{layer}AHA{k:02d}"]] for layer in ("", "MID_", "EPI_")]
        assert triple == sorted(triple) and triple[2] - triple[0] > 0.3
        middle = (position[f"AHA{k:02d}"] + position[f"EPI_AHA{k:02d}"]) / 2
        np.testing.assert_allclose(position[f"MID_AHA{k:02d}"], middle, atol=0.3)
    assert position["AHA01"][1] > 15 and position["AHA04"][1] < -15  # anterior, inferior
    assert position["RV02"][0] < position["AHA03"][0] < position["AHA05"][0]


def test_activation_begins_where_it_is_paced(subject):
    for index in (0, 16, 18, 22, 33, 47, 58, 72):
        nodes, sites = subject.activation(case(innerindex=index))
        assert sites.argmin() == index and sites[index] == pytest.approx(ic.LATENCY)
        # The muscle is activated no earlier than the fastest layer could carry the wave
        fastest = max(subject.heart.conduction.along, ic.FOCAL_LAYER * subject.heart.conduction.left)
        distance = np.linalg.norm(subject.positions - subject.positions[index], axis=1)
        assert np.all(sites - ic.LATENCY >= distance / fastest - 1e-6)
        assert 80 < sites.max() < 220 and np.isfinite(nodes).all()
        column = [k for k in range(75) if ic.COLUMNS[k] == ic.COLUMNS[index]]
        assert sites[column].max() < 35  # the wall is thin


def test_a_site_is_activated_when_the_muscle_around_it_is(subject):
    nodes, sites = subject.activation(case(pattern=1))
    _, near = cKDTree(subject.heart.points).query(subject.positions, k=4)
    assert np.all(sites >= nodes[near].min(1) - 15) and np.all(sites <= nodes[near].max(1) + 15)
    assert np.abs(sites - nodes[near].mean(1)).mean() < 4


def test_patterns(subject):
    sites = {p: subject.activation(case(pattern=p))[1] for p in range(ic.PATTERNS)}
    assert sites[0].max() < 30  # very synchronous
    left, right = slice(0, 17), slice(17, 30)
    assert sites[2][left].mean() > sites[1][left].mean() + 15  # left bundle branch block: the left side is late
    assert sites[3][right].mean() > sites[1][right].mean() + 5
    maps = np.stack(list(sites.values()))
    distance = np.abs(maps[:, None] - maps[None]).mean(-1) + 99 * np.eye(len(maps))
    assert distance.min() > 1  # no two patterns are the same
    _, other = subject.activation(case(pattern=1, act=3))
    np.testing.assert_allclose(other - ic.LATENCY, ic.SLOWING[3] * (sites[1] - ic.LATENCY))


def test_vm_crosses_zero_at_activation_and_rests_before(subject):
    for c in (case(pattern=1, bcl=1000.0, gkr=0.5), case(innerindex=40, bcl=600.0, gkr=0.0)):
        _, vm, activation = subject.potentials(c)
        assert vm.shape == (500, 75)
        first = (vm > 0).argmax(0)
        before, after = vm[first - 1, range(75)], vm[first, range(75)]
        np.testing.assert_allclose(first - after / (after - before), activation, atol=0.15)
        early = np.arange(500)[:, None] < activation - 10
        assert np.all(vm[early] < -84) and np.all(vm[early] > -87)
        assert np.all((vm > 0).argmin(0) == 0)
        assert 20 < vm.max(0).min() and vm.max() < 45 and vm.min() > -90


def test_slow_rates_and_less_kr_prolong_the_action_potential(subject):
    def duration(bcl, gkr):
        vm = subject.potentials(case(pattern=0, bcl=bcl, gkr=gkr))[1]
        return np.median((vm > -60).sum(0))

    assert duration(1000.0, 1.0) > duration(600.0, 1.0) + 4
    assert duration(600.0, 0.5) > duration(600.0, 1.0) + 10
    assert duration(600.0, 0.0) > duration(600.0, 0.5) + 10
    assert duration(NAN, NAN) == duration(ic.PERIOD, ic.KR)
    late, early = (subject.potentials(case(innerindex=0, bcl=b))[2] for b in (600.0, 1000.0))
    np.testing.assert_array_equal(late, early)  # rate changes repolarisation only


def test_electrodes_see_a_wave_that_goes_towards_them(subject):
    np.testing.assert_allclose(subject.field.sum(1), 0, atol=1e-9)
    potentials, _, _ = subject.potentials(case(innerindex=4))  # lateral wall: away from the left arm
    leads = dict(zip(physics.LEADS, physics.twelve_leads(potentials.T), strict=True))
    assert potentials.shape == (500, 10)
    assert leads["I"][:120].min() < -0.5 and abs(leads["I"][:120].min()) > leads["I"][:120].max()
    np.testing.assert_allclose(leads["I"] + leads["III"], leads["II"], atol=1e-9)
    np.testing.assert_allclose(leads["aVR"] + leads["aVL"] + leads["aVF"], 0, atol=1e-9)
    assert np.abs(potentials[-5:]).max() < 0.1 * np.abs(potentials).max()


def test_electrode_potentials_are_the_sum_over_the_muscle(subject):
    c = case(pattern=7, bcl=1000.0, gkr=1.0)
    nodes, _ = subject.activation(c)
    apd = subject.heart.durations(nodes, engine.action_potential(5.4, 1000.0, 1.0).apd90, **ic.DISPERSION)
    direct = (subject.field @ ic.transmembrane(nodes, apd, 1000.0, 1.0)).T
    found = subject.potentials(c)[0]
    assert np.corrcoef(direct.ravel(), found.ravel())[0, 1] > 0.99


def test_chunks_do_not_depend_on_what_else_is_simulated(monkeypatch):
    monkeypatch.setattr(ic, "_CHUNK", 3)
    cases = ic.draw(8, volunteers=("v2", "v5"), seed=1)

    def simulate(cases):
        rows, electrodes, vm = zip(*ic.chunks(cases), strict=True)
        assert max(map(len, rows)) <= 3
        order = np.concatenate(rows).argsort()
        return np.concatenate(electrodes)[order], np.concatenate(vm)[order]

    electrodes, vm = simulate(cases)
    assert electrodes.shape == (8, 500, 10) and vm.shape == (8, 500, 75) and vm.dtype == np.float32
    few = simulate(cases[2:5])
    np.testing.assert_array_equal(few[0], electrodes[2:5])
    np.testing.assert_array_equal(few[1], vm[2:5])


def test_hearts_differ_and_are_reproducible():
    sizes = {v: len(ic.subject(v).heart.points) for v in ("v1", "v2", "v4")}
    assert len(set(sizes.values())) == 3
    ic.subject.cache_clear()
    assert len(ic.subject("v1").heart.points) == sizes["v1"]
    assert len(ic.subject("v1", seed=1).heart.points) != sizes["v1"]
    with pytest.raises(ValueError, match="no volunteer v3"):
        ic.subject("v3")


def test_wrong_sites_are_refused(subject):
    with pytest.raises(ValueError, match="75 sites"):
        ic.Subject(subject.heart, subject.positions[:74], np.eye(3))
    far = subject.positions.copy()
    far[3] += 200
    with pytest.raises(ValueError, match=r"AHA04 is .* mm away"):
        ic.Subject(subject.heart, far, np.eye(3))


def test_the_templates_of_the_engine_follow_rate_and_kr():
    base = engine.action_potential()
    np.testing.assert_array_equal(base.voltage, engine.action_potential(5.4, 1000.0, 1.0).voltage)
    assert engine.action_potential(5.4, 600.0).apd90 < base.apd90 - 3
    assert engine.action_potential(5.4, 1000.0, 0.0).apd90 > base.apd90 + 20
