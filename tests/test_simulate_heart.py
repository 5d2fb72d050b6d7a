"""The whole heart: geometry, activation against analytic distances, and electrocardiograms as textbooks have them."""

import numpy as np
import pytest
from scipy import sparse
from scipy.sparse.csgraph import dijkstra

from cardio_utils import physics
from cardio_utils.simulate import heart as engine


@pytest.fixture(scope="module")
def heart():
    return engine.Heart()


@pytest.fixture(scope="module")
def field(heart):
    return heart.lead_field(engine.electrodes(), engine.orientation())


@pytest.fixture(scope="module")
def hearts():
    """Eight people: heart and lead field."""
    rng = np.random.default_rng(5)
    people = []
    for _ in range(8):
        h = engine.Heart(engine.Anatomy.draw(rng), engine.Conduction.draw(rng))
        people.append((h, h.lead_field(engine.electrodes(rng), engine.orientation(rng))))
    return people


def leads(heart, field, activation, **options):
    """Twelve leads of a beat as a dictionary, mV every ms."""
    potentials = engine.surface_potentials(field, activation, heart.durations(activation), **options)
    return dict(zip(physics.LEADS, physics.twelve_leads(potentials), strict=True))


def test_geometry(heart):
    n = len(heart.points)
    assert 5000 < n < 7500
    assert heart.rho.min() >= 0 and heart.rho.max() <= 1
    assert heart.height[heart.points[:, 2].argmin()] == 0 and heart.height.max() == 1
    assert 0.6 < heart.left.mean() < 0.85 and heart.septum.sum() > 300
    assert not np.any(heart.septum & ~heart.left)
    assert len(set(heart.roots.values())) == len(engine.ROOTS)
    assert len(engine.Heart(engine.Anatomy(lv_wall=14.0)).points) > 1.2 * n


def test_fibres_turn_through_the_wall(heart):
    np.testing.assert_allclose(np.linalg.norm(heart.fibres, axis=1), 1)
    angle = np.degrees(np.arcsin(heart.fibres[:, 2]))
    assert np.median(angle[heart.left & (heart.rho < 0.15)]) > 40
    assert abs(np.median(angle[heart.left & (abs(heart.rho - 0.5) < 0.1)])) < 12
    assert np.median(angle[heart.left & (heart.rho > 0.85)]) < -40


def test_travel_time_is_distance_over_speed_in_a_slab():
    index = np.stack(np.meshgrid(np.arange(40), np.arange(30), np.arange(6), indexing="ij"), -1).reshape(-1, 3)
    start, end, offsets = engine.neighbours(index)
    assert len(set(map(tuple, np.sort(np.c_[start, end], 1)))) == len(start)  # each pair once
    np.testing.assert_array_equal(index[end] - index[start], offsets)
    length = np.linalg.norm(offsets, axis=1)
    graph = sparse.csr_matrix((length, (start, end)), shape=(len(index),) * 2)
    source = (20 * 30 + 15) * 6 + 3
    exact = np.linalg.norm(index - index[source], axis=1)
    found = dijkstra(graph, directed=False, indices=source)
    assert np.all(found >= exact - 1e-9)
    assert np.mean(found - exact) / exact.mean() < 0.03
    assert np.all(found <= 1.055 * exact)


def test_no_edge_crosses_a_gap():
    index = np.array([[0, 0, 0], [2, 1, 0]])
    assert len(engine.neighbours(index)[0]) == 0
    assert len(engine.neighbours(np.array([[0, 0, 0], [1, 1, 0], [2, 1, 0]]))[0]) == 3


def test_activation_is_faster_along_the_fibre(heart):
    source = heart.nearest((29.0, 0.0, -15.0), heart.left & (abs(heart.rho - 0.5) < 0.2))
    muscle = engine.Conduction(left=0.0, right=0.0)
    times = heart.travel_times(source, muscle)[0]
    arm = heart.points - heart.points[source]
    distance = np.linalg.norm(arm, axis=1)
    along = np.abs(arm @ heart.fibres[source]) / np.maximum(distance, 1e-9)
    near = (distance > 5) & (distance < 12)
    speed = distance[near] / times[near]
    assert np.isfinite(times).all()
    assert speed[along[near] > 0.9].mean() > 1.4 * speed[along[near] < 0.3].mean()
    assert 0.25 < np.median(speed) < 0.6
    assert np.all(heart.travel_times(source)[0] <= times + 1e-9)  # the Purkinje layer only helps


def test_qrs_lasts_as_in_people(hearts):
    durations = {block: [h.sinus(block).max() for h, _ in hearts] for block in ("", "left", "right")}
    assert 70 <= min(durations[""]) and max(durations[""]) <= 110
    for block in ("left", "right"):
        assert 110 < min(durations[block]) and max(durations[block]) < 190


def test_normal_precordial_progression(hearts):
    for h, field in hearts:
        wave = leads(h, field, h.sinus())
        qrs = {name: lead[:120] for name, lead in wave.items()}
        assert qrs["V1"].max() < -qrs["V1"].min()
        assert qrs["V5"].max() > qrs["V2"].max() * 0.8
        assert qrs["aVR"].min() < -0.3 and qrs["aVR"].max() < 0.2
        assert 0.3 < qrs["II"].max() < 2.0
        assert wave["II"][200:].max() > 0.1  # an upright T wave
    mean = {name: np.mean([leads(h, f, h.sinus())[name][:120].max() for h, f in hearts]) for name in ("V2", "V5")}
    assert mean["V5"] > mean["V2"]


def test_bundle_branch_blocks_pull_v1_apart(hearts):
    for h, field in hearts:
        late = slice(70, 130)
        left, right = (leads(h, field, h.sinus(block))["V1"][late] for block in ("left", "right"))
        assert left.min() < -0.5 and abs(left.max()) < abs(left.min())
        assert right.max() > 0.3 and right.mean() > left.mean() + 0.5


def test_einthoven_and_uniform_potential(heart, field):
    wave = leads(heart, field, heart.sinus())
    np.testing.assert_allclose(wave["I"] + wave["III"], wave["II"], atol=1e-9)
    assert np.abs(field @ np.full(len(heart.points), -85.0)).max() < 1e-9


def anterior(heart):
    angle = np.degrees(np.arctan2(heart.points[:, 1], heart.points[:, 0]))
    return heart.left & ((np.abs(angle - 110) / 60) ** 2 + ((heart.points[:, 2] + 25) / 35) ** 2 < 1)


def test_injury_raises_st_over_itself_and_lowers_it_opposite(heart, field):
    activation = heart.sinus()
    injury = np.where(anterior(heart), 0.5, 1.0)
    normal, injured = leads(heart, field, activation), leads(heart, field, activation, amplitude=injury)
    st = {name: (injured[name] - normal[name])[130:150].mean() for name in physics.LEADS}
    assert min(st["V2"], st["V3"]) > 0.15
    assert st["III"] < -0.02
    endocardial = np.where(heart.left & (heart.rho < 0.4), 0.8, 1.0)
    diffuse = leads(heart, field, activation, amplitude=endocardial)
    assert all((diffuse[name] - normal[name])[140] < -0.02 for name in ("II", "V4", "V5"))
    assert (diffuse["aVR"] - normal["aVR"])[140] > 0.02


def test_scar_takes_r_away(heart, field):
    viable = (~anterior(heart)).astype(float)
    scar = heart.lead_field(engine.electrodes(), engine.orientation(), viable=viable)
    activation = heart.sinus()
    before, after = leads(heart, field, activation), leads(heart, scar, activation)
    assert after["V3"][:60].min() < before["V3"][:60].min() - 0.1
    assert after["V2"][:60].max() < before["V2"][:60].max() - 0.1


def test_histogram_and_fft_equal_the_direct_sum(heart, field):
    activation = heart.sinus()
    durations = heart.durations(activation)
    voltage = engine.transmembrane(activation, durations)
    assert voltage.shape == (len(heart.points), 600)
    assert -86 < voltage.min() and 35 < voltage.max() < 46
    lag = np.arange(-9, 10)
    front = np.exp(-0.5 * (lag / 2.5) ** 2)
    direct = np.apply_along_axis(np.convolve, 1, field @ voltage, front / front.sum(), "same")
    fast = engine.surface_potentials(field, activation, durations)
    inner = slice(10, 590)
    assert np.abs(direct - fast)[:, inner].max() < 0.05 * np.abs(direct).max()
    assert np.corrcoef(direct[:, inner].ravel(), fast[:, inner].ravel())[0, 1] > 0.998


def test_fusion_is_no_later_than_either_wave(heart):
    focus = heart.focus(heart.nearest((-55.0, 10.0, -20.0), heart.layer_right), layer=0.8)
    fused = engine.first_arrival(np.stack([focus, heart.sinus()]), [0.0, 30.0])
    assert np.all(fused <= focus) and np.all(fused <= heart.sinus() + 30)
    assert heart.sinus().max() < fused.max() < focus.max()
    assert 0.05 < np.mean(fused == focus) < 0.95  # both waves own a part of the muscle


def test_template_and_durations(heart):
    template = engine.action_potential()
    assert template is engine.action_potential()  # computed once
    assert 295 < template.apd90 < 315 and -86 < template.rest < -85
    assert engine.action_potential(7.0).rest > template.rest + 3
    durations = heart.durations(np.full(len(heart.points), 40.0), 280.0)
    wall = heart.left & (abs(heart.height - 0.5) < 0.1)
    assert durations[wall & (heart.rho < 0.2)].mean() > durations[wall & (heart.rho > 0.8)].mean() + 20
    assert engine.repolarisation(0.85) == 275.0 and engine.repolarisation(0.5) < 240


def test_p_wave_is_small_and_upright_in_ii():
    p = dict(zip(physics.LEADS, physics.twelve_leads(engine.atrial_potentials(engine.electrodes())), strict=True))
    assert 0.05 < p["II"].max() < 0.25 and p["II"].min() > -0.02
    assert p["aVR"].max() < 0.02


def test_orientation_is_a_rotation():
    for rotation in (engine.orientation(), engine.orientation(np.random.default_rng(3))):
        np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
        assert np.linalg.det(rotation) == pytest.approx(1)


def test_sinus_rhythm_breathes():
    rr = engine.sinus_rhythm(np.random.default_rng(0), 4000, 0.8, respiratory=0.05, breathing=0.25)
    assert rr.mean() == pytest.approx(0.8, rel=0.02)
    power = np.abs(np.fft.rfft(rr - rr.mean())) ** 2
    frequency = np.fft.rfftfreq(len(rr), 0.8)
    assert abs(frequency[power.argmax()] - 0.25) < 0.01


def test_wrong_side_is_refused(heart):
    with pytest.raises(ValueError, match="both"):
        heart.sinus("both")
