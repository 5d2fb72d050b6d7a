"""Residuals of the two-variable models: what an exact solution costs, and what the originals' loss prefers to it."""

import itertools

import numpy as np
import pytest
import torch
from scipy import sparse
from scipy.sparse.linalg import spsolve

from cardio_utils import action_potential as ap
from cardio_utils import residuals

FS = 5000.0
TIME = np.arange(8000)
UPSTROKE = 850
SETS = {
    "a": np.array([0.1, 0.02, 0.15, 0.1, 0.05]),
    "k": np.array([500.0, 250.0, 1000.0, 120.0, 700.0]),
    "x": np.array([0.6, 0.5, 0.8, 0.9, 0.45]),
    "time_scale": np.array([1.0, 0.7, 1.5, 1.0, 0.6]),
}


@pytest.fixture(scope="module")
def solution():
    """u, w and mask of five beats, (beat, time) each."""
    u, w = residuals.aliev_panfilov(**SETS)
    return u, w, residuals.beat_mask(u, FS)


def stretched(x, factor):
    """The traces, `factor` times as slow from the upstroke on."""
    at = UPSTROKE + (TIME - UPSTROKE) / factor
    return np.stack([np.interp(at, TIME, row) for row in x])


def best_recovery(u, row):
    """The recovery variable that leaves the smallest squared residuals, given u: they are linear in it."""
    a, k, x, time_scale = (SETS[name][row] for name in SETS)
    step = 10  # samples between the unknowns
    v, h = u[UPSTROKE::step], step / FS
    dv = np.gradient(v, h)
    rate = np.where(v >= a, x, 1 - x)
    n = len(v)
    first = sparse.diags(v) / 0.02
    known = (v * (1 - v) * (v - a) - time_scale / k * dv) / 0.02
    middle = sparse.diags([0.5, 0.5], [0, 1], shape=(n - 1, n))
    slope = sparse.diags([-1.0, 1.0], [0, 1], shape=(n - 1, n)) / h
    rate = (rate[1:] + rate[:-1]) / 2
    second = (time_scale * slope + sparse.diags(rate) @ middle) / 0.05
    wanted = rate * (v[1:] + v[:-1]) / 2 / 0.05
    both = sparse.vstack([first, second]).tocsc()
    best = spsolve((both.T @ both + 1e-9 * sparse.eye(n)).tocsc(), both.T @ np.concatenate([known, wanted]))
    return np.interp(TIME, UPSTROKE + step * np.arange(n), best)


def cost(u, w, mask, rows=slice(None), **options):
    own = {name: torch.tensor(values[rows]) for name, values in SETS.items()}
    tensors = (torch.tensor(np.ascontiguousarray(x[rows])) for x in (u, w))
    return residuals.physics_loss(*tensors, own, torch.tensor(mask[rows]), FS, **options).item()


def each_cost(u, w, mask):
    return np.array([cost(u, w, mask, slice(i, i + 1)) for i in range(len(u))])


def test_solver_gives_action_potentials_that_solve_the_equations(solution):
    u, w, _ = solution
    apd90 = ap.apd(u, FS, 90).apd[:, 0]
    assert ((apd90 > 350) & (apd90 < 1060)).all()
    assert (u[:, :UPSTROKE] == 0).all() and u.max() < 1 and w.min() >= 0 and w.max() < 1
    own = {name: torch.tensor(v) for name, v in SETS.items()}
    traces = torch.tensor(u[:, 1000:]), torch.tensor(w[:, 1000:])
    (fine_u, du, _), (fine_w, dw, _) = (residuals.derivative(x, FS, 0.0005, 5) for x in traces)
    excitation, recovery = residuals.aliev_panfilov_residual(fine_u, du, fine_w, dw, **own)
    assert excitation.abs().max() < 1e-3
    # The step of the recovery rate at u = a, smoothed by the kernel, is all that remains of the second.
    assert recovery.abs().median() < 1e-6 and recovery.abs().max() < 0.02


def test_time_scale_stretches_a_solution():
    slow = residuals.aliev_panfilov(k=400, time_scale=2.0, duration=1.6)[0][0]
    fast = residuals.aliev_panfilov(k=400, time_scale=1.0, duration=0.9)[0][0]
    np.testing.assert_allclose(slow[850:8000:2], fast[850 : 850 + 3575], atol=1e-6)


def test_exact_solution_costs_next_to_nothing_in_either_precision(solution):
    u, w, mask = solution
    assert each_cost(u, w, mask).max() < 2e-3
    assert each_cost(u.astype("float32"), w.astype("float32"), mask).max() < 2e-3


@pytest.mark.parametrize("level", [0.0, 0.1, 0.5, 1.0])
@pytest.mark.parametrize("recovery", ["solution's", "best", "zero"])
def test_exact_solution_costs_less_than_a_flat_line(solution, level, recovery):
    u, w, mask = solution
    flat = np.full_like(u, level)
    if recovery == "best":
        w = np.stack([best_recovery(row, i) for i, row in enumerate(flat)])
    elif recovery == "zero":
        w = np.zeros_like(w)
    assert (each_cost(flat, w, mask) > 0.5).all()
    assert (each_cost(u, solution[1], mask) < 2e-3).all()


@pytest.mark.parametrize("factor", [0.7, 0.85, 1.15, 1.4])
@pytest.mark.parametrize("recovery", ["stretched", "best"])
def test_exact_solution_costs_less_than_its_time_stretched_copy(solution, factor, recovery):
    u, w, mask = solution
    slow = stretched(u, factor)
    if recovery == "best":
        w = np.stack([best_recovery(row, i) for i, row in enumerate(slow)])
    else:
        w = stretched(w, factor)
    assert (each_cost(slow, w, mask) > 20 * each_cost(*solution)).all()


@pytest.mark.parametrize("recovery", ["solution's", "best", "rescaled"])
def test_exact_solution_costs_less_than_its_rescaled_copy(solution, recovery):
    u, w, mask = solution
    copy = 0.1 + 0.9 * u
    if recovery == "best":
        w = np.stack([best_recovery(row, i) for i, row in enumerate(copy)])
    elif recovery == "rescaled":
        w = 0.1 + 0.9 * w
    assert (each_cost(copy, w, mask) > 20 * each_cost(*solution)).all()


def test_cost_rises_with_the_distance_from_the_solution(solution):
    u, w, mask = solution
    costs = [cost(u + c * np.sin(TIME / 700), w, mask) for c in (0, 0.01, 0.03, 0.1, 0.3)]
    assert (np.diff(costs) > 0).all()
    r = torch.linspace(0, 50, 200)
    assert (residuals.log1p_cost(r, 0.05).diff() > 0).all() and residuals.log1p_cost(r, 0.05)[0] == 0


def test_the_originals_loss_prefers_a_flat_line_and_a_rescaled_copy_to_a_solution():
    """Their cost is smallest at |R| = 1, so a solution (R = 0) is what it punishes most."""
    own = {name: torch.tensor(SETS[name]) for name in ("k", "x")} | {"a": 0.1}
    u = torch.tensor(residuals.aliev_panfilov(a=0.1, k=SETS["k"], x=SETS["x"])[0])
    for row in range(len(u)):
        one = {name: v[row : row + 1] if name != "a" else v for name, v in own.items()}
        exact, flat, rescaled = (
            residuals.originals_loss(y, one).item()
            for y in (u[row : row + 1], torch.full((1, 8000), 0.1, dtype=u.dtype), 0.1 + 0.9 * u[row : row + 1])
        )
        assert exact > 8 and rescaled < exact / 2 and flat < exact / 2
    smallest = torch.tensor([0.0, 0.5, 1.0, 2.0])
    assert residuals.originals_cost(smallest).argmin() == 2
    assert residuals.originals_cost(smallest)[0].item() == pytest.approx(11.5, abs=0.02)


def test_eliminated_form_vanishes_on_a_solution_of_the_two_equations():
    u = residuals.aliev_panfilov(a=0.1, k=500, x=0.6, duration=0.6, fs=20000.0)[0]
    plateau = torch.tensor(u[:, 5000:11000])  # above a throughout
    left = residuals.eliminated_residual(plateau, 20000.0, 0.1, 500.0, 0.6)
    assert plateau.min() > 0.3 and left.abs().max() < 1e-3
    wrong = residuals.eliminated_residual(plateau, 20000.0, 0.1, 500.0, 0.7)
    assert wrong.abs().median() > 1


@pytest.mark.parametrize("equations", ["aliev_panfilov", "rogers_mcculloch"])
def test_every_parameter_receives_a_gradient(solution, equations):
    u, w, mask = solution
    names = [*residuals.RANGES[equations], "time_scale"]
    own = {}
    for name in names:
        low, high = residuals.RANGES[equations].get(name, (0.5, 2.0))
        own[name] = torch.full((len(u),), (low * high) ** 0.5, dtype=torch.float64, requires_grad=True)
    tensors = torch.tensor(0.02 + 0.95 * u), torch.tensor(w)
    residuals.physics_loss(*tensors, own, torch.tensor(mask), FS, equations=equations).backward()
    for name in names:
        assert own[name].grad.isfinite().all() and (own[name].grad != 0).all(), name


def test_true_parameters_are_where_the_loss_is_smallest(solution):
    u, w, mask = solution
    for name in SETS:
        true = SETS[name].copy()
        try:
            around = []
            for factor in (0.8, 1.0, 1.2):
                SETS[name] = true * factor
                around.append(cost(u, w, mask))
        finally:
            SETS[name] = true
        assert around[1] < min(around[0], around[2]), name


def test_published_rogers_mcculloch_ranges_cannot_repolarise_in_a_window():
    corners = np.array(list(itertools.product(*residuals.RANGES["rogers_mcculloch"].values())))
    u, _ = residuals.rogers_mcculloch(*corners.T, duration=1.8, start=0.1999)
    assert len(u) == 16 and u[:, 1500:].min() > 0.99
    # Not for want of a solver: with the parameters of 1994, in seconds, it repolarises.
    classic = residuals.rogers_mcculloch()[0]
    assert 150 < ap.apd(classic, FS, 90).apd.item() < 350


def test_rogers_mcculloch_residual_vanishes_on_its_solution_only():
    u, w = (torch.tensor(x) for x in residuals.rogers_mcculloch())
    own = {"a": 0.13, "k": 260.0, "e": 1300.0, "g": 0.01}
    mask = torch.tensor(residuals.beat_mask(u.numpy(), FS))
    options = {"equations": "rogers_mcculloch"}
    assert residuals.physics_loss(u, w, own, mask, FS, **options) < 2e-3
    assert residuals.physics_loss(u, w, own | {"e": 900.0}, mask, FS, **options) > 0.05
    published = {"a": 0.01, "k": 300.0, "e": 0.1, "g": 0.5}
    assert residuals.physics_loss(u, w, published, mask, FS, **options) > 0.05


def test_mask_leaves_out_the_upstroke_the_diastole_before_it_and_a_second_beat():
    one = residuals.aliev_panfilov(k=600.0, time_scale=0.6)[0][0]
    two = np.maximum(one, np.roll(one, 6500) * (TIME > 6500))
    mask = residuals.beat_mask(np.stack([one, two]), FS, after=0.02, before=0.05)
    assert abs(mask[0].argmax() - (UPSTROKE + 100)) < 20 and mask[0, -1]
    assert mask[1].argmax() == mask[0].argmax()
    end = len(TIME) - mask[1, ::-1].argmax()
    assert 7350 - 300 <= end <= 7350 - 250 + 25
    assert mask[1, mask[1].argmax() : end].all()


def test_mask_is_empty_where_there_is_no_beat_to_follow():
    beat = residuals.aliev_panfilov()[0][0]
    gap, flat = beat.copy(), np.zeros_like(beat)
    gap[3000] = np.nan
    mask = residuals.beat_mask(np.stack([beat, gap, flat]), FS)
    assert mask.any(axis=1).tolist() == [True, False, False]


def test_samples_outside_the_mask_have_no_part_not_even_as_nan(solution):
    u, w, mask = (x.copy() for x in solution)
    before = cost(u, w, mask)
    u[:, :800], u[2] = np.nan, np.nan
    mask[2] = False
    others = [0, 1, 3, 4]
    assert cost(u, w, mask) == pytest.approx(np.mean(each_cost(*solution)[others]), rel=1e-9)
    x = torch.tensor(u, requires_grad=True)
    own = {name: torch.tensor(v) for name, v in SETS.items()}
    residuals.physics_loss(x + 0.01, torch.tensor(w), own, torch.tensor(mask), FS).backward()
    assert x.grad[others][:, 1000:].isfinite().all()
    assert before < 2e-3
    assert cost(u, w, np.zeros_like(mask)) == 0
    w[0, 4000] = np.nan  # within the mask: a network that fails must not go unnoticed
    assert np.isnan(cost(u, w, mask))


def test_derivative_is_exact_on_lines_and_quiet_on_noise():
    line = torch.tensor(np.stack([3 + 2 * TIME / FS, 5 + 0 * TIME]))
    smooth, slope, places = residuals.derivative(line, FS)
    torch.testing.assert_close(smooth, line[:, places])
    torch.testing.assert_close(slope, torch.tensor([[2.0], [0.0]], dtype=slope.dtype).expand_as(slope))
    noise = torch.tensor(np.random.default_rng(0).standard_normal((4, 8000)))
    quiet = residuals.derivative(noise, FS)[1].std()
    assert quiet < (noise.diff() * FS).std() / 40


def test_bad_settings_are_refused(solution):
    u, w, mask = solution
    with pytest.raises(ValueError, match="equations='luo_rudy' is not known; one of aliev_panfilov"):
        cost(u, w, mask, equations="luo_rudy")
    with pytest.raises(ValueError, match="a window of 60 samples is shorter than the derivative's kernel of 81"):
        residuals.derivative(torch.zeros(1, 60), FS)
    with pytest.raises(ValueError, match="windows of 8000, not of 1600"):
        residuals.originals_loss(torch.zeros(1, 1600), {"a": 0.1, "k": 500.0, "x": 0.5})
    with pytest.raises(ValueError, match=r"stimulus at 2.0 s lies outside the 1.6 s"):
        residuals.aliev_panfilov(start=2.0)
    with pytest.raises(ValueError, match="are numbers or"):
        residuals.aliev_panfilov(a=[[0.1]])
