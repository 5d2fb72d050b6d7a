"""Human stem-cell-derived cardiomyocytes on drugs: populations, blocks of currents, recordings of membrane potential.

The cell is that of Paci et al. (2018), `cardio_utils.physics.paci_2018`. A drug takes away a share of each current,
``c^h / (c^h + IC50^h)`` at the concentration c: pore block by one site, without dependence on voltage, use or
rate. Simulations of one cell, not of a layer of them: neighbours only share their pacing. Introduced in chapter 01.

The published tables differ, most of all for nifedipine: an IC50 of I_CaL of 60 nM with exponent 1 (Mirams et al.
2011) against 11.5 nM with 0.67 (FDA). `DRUGS` follows the first, so that half of I_CaL is left at 60 nM;
``block("nifedipine", c, ic50={"CaL": 11.49}, hill={"CaL": 0.666})`` is the second. Dofetilide blocks half of I_Kr at
5 nM in the first table and at 1.5 nM (exponent 0.63) in the second.

References
----------
Paci M et al. (2018) Front Physiol 9:709. Mirams GR et al. (2011) Cardiovasc Res 91:53-61.
FDA: table of the Comprehensive in vitro Proarrhythmia Assessment, github.com/FDA/CiPA, AP_simulation/data/newCiPA.csv.
Crumb WJ et al. (2016) J Pharmacol Toxicol Methods 81:251-262.
"""

from typing import NamedTuple

import numpy as np

from cardio_utils import physics

__all__ = ["CURRENTS", "DRUGS", "Drug", "Simulation", "block", "population", "simulate"]

CURRENTS = physics.PACI_CURRENTS
"""Names of the twelve columns of conductances and blocks."""


class Drug(NamedTuple):
    """What is known of a drug.

    Attributes
    ----------
    ic50 : dict of str to float
        Current -> concentration that blocks half of it (nM).
    hill : dict of str to float
        Current -> exponent; 1 for those not named.
    concentration : float
        Concentration that the simulated recordings use (nM).
    source : str
        Where the numbers come from.
    """

    ic50: dict
    hill: dict
    concentration: float
    source: str


class Simulation(NamedTuple):
    """A recording of membrane potentials.

    Attributes
    ----------
    vm : (cell, sample) float32
        Membrane potential (mV).
    state : (cell, 23) float64
        State at the end, columns as in `cardio_utils.physics.PACI_STATES`.
    """

    vm: np.ndarray
    state: np.ndarray


_MIRAMS = "Mirams et al. (2011), exponent 1"
DRUGS = {
    "dofetilide": Drug({"Kr": 5.0, "CaL": 60_000.0, "Na": 300_000.0}, {}, 4.0, _MIRAMS),
    "quinidine": Drug(
        {"Kr": 300.0, "CaL": 15_600.0, "Na": 16_600.0, "NaL": 9_417.0},
        {"NaL": 1.34},
        1_000.0,
        f"{_MIRAMS}; NaL: FDA CiPA table",
    ),
    "nifedipine": Drug({"Kr": 275_000.0, "CaL": 60.0, "Na": 37_000.0}, {}, 40.0, _MIRAMS),
    "flecainide": Drug(
        {"Kr": 692.0, "CaL": 25_599.0, "Na": 6_677.0, "NaL": 9_581.0},
        {"Kr": 0.837, "CaL": 1.382, "Na": 1.894, "NaL": 0.768},
        700.0,
        "FDA CiPA table",
    ),
    "propranolol": Drug({"Kr": 2_828.0, "CaL": 18_000.0, "Na": 2_100.0}, {}, 1_000.0, _MIRAMS),
    "lidocaine": Drug(
        {"Kr": 262_000.0, "Na": 10_800.0, "NaL": 10_800.0},
        {},
        8_000.0,
        "attributed to Crumb et al. (2016), not verified against the paper",
    ),
}
"""The drugs of the nanoelectrode recordings."""


def block(drug, nanomolar, *, ic50=None, hill=None):
    """Blocked share of each current at a concentration of a drug (Hill equation).

    Parameters
    ----------
    drug : str
        A name out of `DRUGS`.
    nanomolar : float or ndarray
        Concentration, nM; 0 for none.
    ic50, hill : dict of str to float, optional
        Current -> half-blocking concentration (nM) and exponent in place of those of the table.

    Returns
    -------
    ndarray, shape (..., 12)
        Shares between 0 and 1, columns as in `CURRENTS`, leading shape of `nanomolar`.

    Raises
    ------
    ValueError
        If the drug or a current is unknown, or a concentration, IC50 or exponent is impossible.
    """
    if drug not in DRUGS:
        raise ValueError(f"no drug named {drug!r}; known are {sorted(DRUGS)}")
    halves, exponents = DRUGS[drug].ic50 | (ic50 or {}), DRUGS[drug].hill | (hill or {})
    unknown = (set(halves) | set(exponents)) - set(CURRENTS)
    if unknown:
        raise ValueError(f"no current named {sorted(unknown)}; known are {list(CURRENTS)}")
    if not all(np.isfinite(x) and x > 0 for x in [*halves.values(), *exponents.values()]):
        raise ValueError(f"IC50 and exponents must be positive, got {halves} nM and {exponents}")
    nanomolar = np.asarray(nanomolar, float)
    if not (np.isfinite(nanomolar) & (nanomolar >= 0)).all():
        raise ValueError(f"a concentration must be finite and not negative, got {nanomolar.min():g} nM")
    shares = np.zeros((*nanomolar.shape, len(CURRENTS)))
    for name, half in halves.items():
        power = (nanomolar / half) ** exponents.get(name, 1.0)
        shares[..., CURRENTS.index(name)] = power / (1 + power)
    return shares


def population(n, spread=0.12, *, seed=0, centre=None):
    """Conductances of cells that differ from each other.

    Each factor is log-normal around its median. By default the medians of I_CaL and I_Kr are drawn for each cell,
    I_CaL from 1.3 to 1.5 and I_Kr from 0.40 to 0.70, and that of I_to is 0.3. Durations without drug are then near
    those that nanoelectrodes record: medians of APD10, APD50 and APD90 0.17, 0.55 and 0.68 s, 90 % of the cells
    between 0.12 and 0.20, 0.45 and 0.64, 0.57 and 0.79 s. All of 100 cells beat by themselves, every 1.4 to 2.3 s.

    Some cells stop beating on drugs: at the concentrations in `DRUGS`, 4 of 60 fail to repolarise on quinidine and
    2 of 60 no longer start by themselves on lidocaine; at twice of them, 2 to 5 of 60, and 14 on lidocaine.

    Parameters
    ----------
    n : int
        Number of cells. The first of many are the same as fewer.
    spread : float
        Standard deviation of the logarithm of each factor.
    seed : int or numpy.random.SeedSequence
        Each cell has a random stream of its own that is derived from it.
    centre : ndarray, shape (12,), optional
        Medians of all cells, for neighbours that resemble each other: ``population(16, 0.04, centre=one_cell)``.

    Returns
    -------
    ndarray, shape (n, 12)
        Factors, columns as in `CURRENTS`.

    Raises
    ------
    ValueError
        If `n` or `spread` is negative, or `centre` is not twelve factors.
    """
    if n < 0 or not (np.isfinite(spread) and spread >= 0):
        raise ValueError(f"n ({n}) and spread ({spread}) must not be negative")
    if centre is not None and np.shape(centre) != (len(CURRENTS),):
        raise ValueError(f"centre must have shape ({len(CURRENTS)},), got {np.shape(centre)}")
    entropy = seed.entropy if isinstance(seed, np.random.SeedSequence) else seed
    key = seed.spawn_key if isinstance(seed, np.random.SeedSequence) else ()
    cells = np.empty((n, len(CURRENTS)))
    for i in range(n):
        rng = np.random.default_rng(np.random.SeedSequence(entropy, spawn_key=(*key, i)))
        cells[i] = np.exp(spread * rng.standard_normal(len(CURRENTS)))
        cells[i] *= _median(rng) if centre is None else centre
    return cells


def _median(rng):
    """Medians of the conductances of one cell of the default population."""
    median = np.ones(len(CURRENTS))
    median[CURRENTS.index("Kr")] = rng.uniform(0.40, 0.70)
    median[CURRENTS.index("CaL")] = rng.uniform(1.3, 1.5)
    median[CURRENTS.index("to")] = 0.3
    return median


def simulate(conductances, duration, *, doses=(), wash_in=20.0, run_in=30.0, state=None, **options):
    """Recordings of membrane potential, with drugs washing in.

    Parameters
    ----------
    conductances : ndarray, shape (cell, 12)
        Factors on the currents, as `population` makes them.
    duration : float
        Length of the recording, s.
    doses : sequence of (onset, share)
        Times (s, one or one a cell) in ascending order, each with the share of the currents that is blocked from
        then on, (12,) or (cell, 12): an increasing sequence is a staircase, zeros are wash-out.
    wash_in : float or ndarray, shape (cell,)
        Time constant with which a block reaches its share, s.
    run_in : float
        Time before the recording that is simulated and left out, s; not used with `state`. It starts from the
        rhythm of a control cell. Sodium changes ten times as fast until 5 s before the recording: otherwise it
        would drift for minutes, and lengthen or shorten the action potential by a tenth or more. What is left
        is about 1 % in the first minute.
    state : ndarray, shape (cell, 23), optional
        State of an earlier recording that this one continues: pieces joined are the recording made at once,
        given the same doses.
    **options
        `fs`, `period`, `delay`, `stimulus`, `dt` of `cardio_utils.physics.paci_2018`.

    Returns
    -------
    Simulation
        Membrane potential from time 0 (or that of the state), and the state at the end.

    Raises
    ------
    ValueError
        As `cardio_utils.physics.paci_2018`, and if a dose does not fit the cells.
    """
    conductances = np.atleast_2d(conductances)
    cells = len(conductances)
    if not (np.isfinite(run_in) and run_in >= 0):
        raise ValueError(f"run_in must not be negative, got {run_in} s")
    options |= {"wash_in": wash_in}
    if doses:
        try:
            options["onset"] = [np.broadcast_to(onset, cells) for onset, _ in doses]
            options["block"] = [np.broadcast_to(share, (cells, len(CURRENTS))) for _, share in doses]
        except ValueError:
            shapes = [(np.shape(onset), np.shape(share)) for onset, share in doses]
            raise ValueError(f"a dose is an onset and shares ({len(CURRENTS)},), or one a cell; got {shapes}") from None
    if state is None:
        state = physics.paci_2018_state(cells, -run_in)
        hurried = max(run_in - 5.0, 0.0)
        for length, hurry in ((hurried, 10.0), (run_in - hurried, 1.0)):
            if length > 0:
                brief = {"start": length - 1 / options.get("fs", 5000.0), "hurry": hurry, "state": state}
                _, state = physics.paci_2018(conductances, length, **options | brief)
    return Simulation(*physics.paci_2018(conductances, duration, state=state, **options))
