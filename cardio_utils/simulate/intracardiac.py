"""Beats of fifteen hearts, seen from ten electrodes and from seventy-five sites within the muscle.

The set has the design of the simulations published by Landajuela, Anirudh and Blake (2022): the same hearts by
name, 29 distributed activation patterns and focal pacing at each of the 75 recording sites, four levels of
conduction, two rates and two reduced levels of I_Kr; 16,140 cases in all, of 6,240 different activations. What is
behind the names is the engine of `cardio_utils.simulate.heart`, not the published solver: analytic ventricles,
activation by shortest travel times, one action potential model (ten Tusscher and Panfilov 2006) at each rate and
level of I_Kr, and electrodes on a sphere in an unbounded conductor. What the publication does not say (what the
levels ``act`` and ``gkr`` mean, where the electrodes are) is chosen here and named as a constant.

Times in ms, potentials in mV, lengths in mm, speeds in mm/ms. Every case is the same whichever others are asked
for, since all randomness belongs to a heart or to a pattern.

References
----------
Landajuela M, Anirudh R, Blake R (2022) Dataset of simulated intracardiac transmembrane voltage recordings and ECG
signals. UC San Diego Library Digital Collections. doi:10.6075/J0SN094N
Landajuela M et al. (2022) Comput Cardiol 49, doi:10.22489/CinC.2022.026
Cerqueira MD et al. (2002) Circulation 105:539-542 (the 17 segments).
ten Tusscher KHWJ, Panfilov AV (2006) Am J Physiol Heart Circ Physiol 291:H1088-H1100.
"""

from __future__ import annotations

from copy import copy
from dataclasses import astuple, replace
from functools import cache, lru_cache
from typing import NamedTuple

import numpy as np
from scipy import sparse
from scipy.ndimage import gaussian_filter1d
from scipy.sparse.csgraph import dijkstra
from scipy.spatial import cKDTree

from cardio_utils.simulate import heart as engine

__all__ = [
    "COLUMNS",
    "ELECTRODES",
    "PATTERNS",
    "SAMPLES",
    "SITES",
    "SLOWING",
    "VOLUNTEERS",
    "Case",
    "Subject",
    "chunks",
    "design",
    "draw",
    "site_positions",
    "subject",
    "transmembrane",
]

VOLUNTEERS = tuple(f"v{i}" for i in range(1, 17) if i != 3)
"""Names of the fifteen hearts; there is no v3."""

ELECTRODES = tuple(engine.ELECTRODES)
"""RA, LA, LL, RL, V1 to V6."""

_EPI_LV, _EPI_RV = (1, 4, 5, 6, 7, 10, 11, 12, 13, 15, 16, 17), (1, 2, 3, 6, 7, 8, 11, 12)
_SEPTAL = ((2, 5), (3, 4), (8, 10), (9, 9), (14, 13))  # left segment, the right one that it faces

SITES = (
    *(f"AHA{i:02d}" for i in range(1, 18)),
    *(f"RV{i:02d}" for i in range(1, 14)),
    *(
        f"{layer}_{side}{i:02d}"
        for layer in ("EPI", "MID")
        for side, few in (("AHA", _EPI_LV), ("RV", _EPI_RV))
        for i in few
    ),
    *(f"SEPTM_AHA{left:02d}_RV{right:02d}" for left, right in _SEPTAL),
)
"""Names of the 75 sites: sub-endocardium of the 17 left segments and of 13 right ones, sub-epicardium and mid-wall
of the free walls, middle of the septum."""

_FACING = {f"RV{right:02d}": f"AHA{left:02d}" for left, right in _SEPTAL}


def _column(name):
    segment = name.removeprefix("SEPTM_").removeprefix("EPI_").removeprefix("MID_").split("_")[0]
    return _FACING.get(segment, segment)


COLUMNS = tuple(_column(name) for name in SITES)
"""The segment through whose wall each site lies: three sites a segment, 25 segments (septal ones: the left name)."""

PATTERNS = 29
"""Number of distributed activation patterns."""

SLOWING = (1.0, 0.86, 0.92, 0.97)
"""Factor on all conduction times at the levels 0 (studies without ``act``) to 3."""

SAMPLES = 500
"""Length of a case; one sample a ms."""

PERIOD, KR = 600.0, 1.0
"""Pacing interval (ms) and factor on I_Kr where a case names none."""

FASTER = (1.2, 1.4, 0.9, 0.9)
"""Factors on the speeds of `heart.Conduction.draw`: along and across the fibre, left and right layer."""

FOCAL_LAYER = 0.9
"""Share of its speed that the sub-endocardial layer keeps when the muscle is paced."""

LATENCY = 1.5
"""From the stimulus to the first upstroke, ms."""

GAIN = 0.85
"""Factor on electrode potentials, on top of the coupling that `cardio_utils.physics.lead_field` assumes."""

RADIUS = 160.0
"""Radius of the sphere that the electrodes stand on, mm."""

DIRECTIONS = {
    "RA": (-0.64, 0.77, 0.0),
    "LA": (0.63, 0.0, 0.78),
    "LL": (0.52, -0.29, -0.8),
    "RL": (-0.3, 0.1, -0.95),
    "V1": (0.04, 0.95, 0.32),
    "V2": (0.3, 0.92, 0.28),
    "V3": (0.45, 0.87, 0.2),
    "V4": (0.6, 0.79, 0.07),
    "V5": (0.72, 0.63, -0.25),
    "V6": (0.88, 0.45, -0.1),
}
"""Directions of the electrodes from the middle of the heart, torso frame (left, front, head). Published are the
statistics of the leads and not the electrodes: these are near a chest's and give about those statistics."""

DISPERSION = {"transmural": 24.0, "apicobasal": 14.0, "coupling": 0.15}
"""How action potential durations differ within a heart, see `heart.Heart.durations`."""

_FRONT = 0.8  # ms, standard deviation of the wave front seen by an electrode within the muscle
_STEP = 0.1  # ms
_LEAD_IN = 100  # steps before the upstroke
_REACH = 5.5  # mm around a site within which nodes are its neighbours
_CHUNK = 256


class Case(NamedTuple):
    """What a case is made from.

    Attributes
    ----------
    study : str
        Name of the published group of cases that has this design.
    volunteer : str
        One of `VOLUNTEERS`.
    pattern, innerindex : int
        Distributed pattern (0 to 28), or index in `SITES` of the paced site; -1 for the other one.
    bcl : float
        Pacing interval (ms); NaN where the study does not vary it (`PERIOD`).
    gkr : float
        Factor on the conductance of I_Kr; NaN where the study does not vary it (`KR`).
    act : int
        Level of conduction, index in `SLOWING`.
    """

    study: str
    volunteer: str
    pattern: int
    innerindex: int
    bcl: float
    gkr: float
    act: int


@cache
def design():
    """All 16,140 planned cases, tuple of `Case`, in the order of studies, hearts, initiations, rates and I_Kr."""
    patterns, foci = [(p, -1) for p in range(PATTERNS)], [(-1, i) for i in range(len(SITES))]
    nan, rates, levels = float("nan"), (600.0, 1000.0), (0.0, 0.5)
    plans = [("", patterns, (nan,), (nan,), 0), ("_geo_inn", foci, (nan,), (nan,), 0)]
    for act in (1, 2, 3):
        plans += [
            (f"_geo_act_{act}_bcl", patterns, rates, (nan,), act),
            (f"_geo_act_{act}_bcl_gkr", patterns[:12], rates, levels, act),
            (f"_geo_act_{act}_bcl_gkr_I", patterns[12:], rates, levels, act),
            (f"_geo_inn_act_{act}_bcl", foci[:15], rates, (nan,), act),
            (f"_geo_inn_act_{act}_bcl_I", foci[15:], rates, (nan,), act),
        ]
    return tuple(
        Case(f"hearts_dd_0p2{suffix}", volunteer, *initiation, bcl, gkr, act)
        for suffix, initiations, bcls, gkrs, act in plans
        for volunteer in VOLUNTEERS
        for initiation in initiations
        for bcl in bcls
        for gkr in gkrs
    )


def draw(n=None, *, volunteers=None, studies=None, seed=0):
    """A random part of the design; a smaller part is contained in a larger one.

    Parameters
    ----------
    n : int, optional
        Number of cases; default all.
    volunteers, studies : sequence of str, optional
        Only these.
    seed : int

    Returns
    -------
    list of Case
        In the order of the design.

    Raises
    ------
    ValueError
        A volunteer or a study is unknown, or there are fewer than `n` such cases.
    """
    cases = design()
    for what, wanted, known in (
        ("volunteer", volunteers, VOLUNTEERS),
        ("study", studies, tuple(dict.fromkeys(case.study for case in cases))),
    ):
        if isinstance(wanted, str):
            raise ValueError(f"give names of the {what} kind as a sequence, not as the text {wanted!r}")
        if gone := sorted(set(wanted or ()) - set(known)):
            raise ValueError(f"there is no {what} {', '.join(map(str, gone))}; known are {', '.join(known)}")
    order = np.random.default_rng(seed).permutation(len(cases))
    keep = [
        i
        for i in order
        if (volunteers is None or cases[i].volunteer in volunteers) and (studies is None or cases[i].study in studies)
    ]
    n = len(keep) if n is None else n
    if not 1 <= n <= len(keep):
        raise ValueError(f"n is between 1 and the {len(keep)} cases of this design, not {n}")
    return [cases[i] for i in sorted(keep[:n])]


_HEIGHTS = (0.9, 0.67, 0.375)  # of base, middle and apex of the ventricles, from the apex
_LEFT_ANGLES = (90, 150, 210, 270, 330, 30, 90, 150, 210, 270, 330, 30, 90, 180, 270, 0)
_RIGHT_ANGLES = {1: 110, 2: 180, 3: 250, 6: 110, 7: 180, 8: 250, 11: 150, 12: 215}
_DEPTHS = {"ENDO": 0.19, "MID": 0.5, "EPI": 0.81}  # share of the wall, from the endocardium


def site_positions(anatomy):
    """Where the 75 sites are in analytic ventricles.

    Left segments follow Cerqueira (2002): anterior at 90 degrees, septum at 180. A septal site of the right
    ventricle lies across the wall from its left one.

    Parameters
    ----------
    anatomy : heart.Anatomy

    Returns
    -------
    ndarray, shape (75, 3)
        Heart frame, mm, in the order of `SITES`.
    """
    a = anatomy
    bottom = -(a.lv_length + a.lv_wall)

    def left(segment, depth):
        if segment == 17:
            return 0.0, 0.0, -(a.lv_length + depth * a.lv_wall)
        ring = 0 if segment < 7 else 1 if segment < 13 else 2
        z = bottom + _HEIGHTS[ring] * (a.base - bottom)
        inner = a.lv_radius * np.sqrt(1 - (z / a.lv_length) ** 2)
        outer = (a.lv_radius + a.lv_wall) * np.sqrt(1 - (z / bottom) ** 2)
        radius, angle = inner + depth * (outer - inner), np.deg2rad(_LEFT_ANGLES[segment - 1])
        return radius * np.cos(angle), radius * np.sin(angle), z

    def right(segment, depth):
        z = bottom + _HEIGHTS[0 if segment < 6 else 1 if segment < 11 else 2] * (a.base - bottom)
        axes = np.array(a.rv_axes) + depth * a.rv_wall
        flat, angle = np.sqrt(1 - (z / axes[2]) ** 2), np.deg2rad(_RIGHT_ANGLES[segment])
        return -a.rv_shift + axes[0] * flat * np.cos(angle), axes[1] * flat * np.sin(angle), z

    def place(name):
        if name.startswith("SEPTM"):
            return left(int(name[9:11]), _DEPTHS["MID"])
        if name in _FACING:
            return left(int(_FACING[name][-2:]), _DEPTHS["EPI"])
        depth = _DEPTHS[name[:3] if "_" in name else "ENDO"]
        return (right if "RV" in name else left)(int(name[-2:]), depth)

    return np.array([place(name) for name in SITES])


def _electrodes(centre):
    """Positions (10, 3) on the sphere around the middle of the heart (torso frame, mm)."""
    directions = np.array([DIRECTIONS[name] for name in ELECTRODES])
    return centre + RADIUS * directions / np.linalg.norm(directions, axis=1, keepdims=True)


class _Entry(NamedTuple):
    """Where a pattern enters the muscle: side, angle about the long axis (rad), height (0 to 1), time (ms)."""

    side: str
    angle: float
    height: float
    time: float


@cache
def _pattern(index):
    """Entries of one of the patterns from 6 on: the same in all hearts."""
    rng = np.random.default_rng(np.random.SeedSequence(29, spawn_key=(index,)))
    sides = ("left", "right") if index % 4 else (("left",), ("right",))[index // 4 % 2]
    count = int(rng.integers(2, 11))
    return [
        _Entry(str(rng.choice(sides)), rng.uniform(0, 2 * np.pi), rng.uniform(0.1, 0.9), rng.uniform(0, 20))
        for _ in range(count)
    ]


_BLOCKED = {
    1: (),
    2: tuple(name for name, root in engine.ROOTS.items() if root.side == "left"),
    3: tuple(name for name, root in engine.ROOTS.items() if root.side == "right"),
    4: ("left anterior", "left lateral"),
    5: ("left posterior", "left lateral"),
}
"""Roots of the conduction system that patterns 1 to 5 do without: none, a bundle branch, a fascicle."""


def _entries(heart, index):
    """Nodes at which a pattern begins, and their times (ms)."""
    if index == 0:  # the whole sub-endocardial layer at once
        nodes = np.flatnonzero(heart.layer_left | heart.layer_right)
        return nodes, np.zeros(len(nodes))
    if index in _BLOCKED:
        firing = {name: root.time for name, root in engine.ROOTS.items() if name not in _BLOCKED[index]}
        return np.array([heart.roots[name] for name in firing]), np.array(list(firing.values()))
    bottom, top = heart.points[:, 2].min(), heart.points[:, 2].max()
    layers = {"left": heart.layer_left, "right": heart.layer_right}
    centres = {side: heart.points[layer].mean(0) for side, layer in layers.items()}
    nodes = [
        _facing(heart, layers[e.side], centres[e.side], e.angle, bottom + e.height * (top - bottom))
        for e in _pattern(index)
    ]
    return np.array(nodes), np.array([e.time for e in _pattern(index)])


def _facing(heart, layer, centre, angle, z):
    """Node of a layer that is seen from the axis of its cavity in a direction, at a height."""
    nodes = np.flatnonzero(layer)
    arm = heart.points[nodes] - (*centre[:2], z)
    along = arm @ (np.cos(angle), np.sin(angle), 0.0)
    across = np.linalg.norm(arm - np.outer(along, (np.cos(angle), np.sin(angle), 0.0)), axis=1)
    return nodes[(across - 0.2 * along + 100 * (along < 0)).argmin()]


class Subject:
    """One heart with its sites and electrodes: from an initiation to activation, Vm and electrode potentials.

    Sites are extra nodes of the graph of travel times, tied to the muscle within 5.5 mm, so that a site between
    two voxels is activated, and can be paced, where it is.

    Parameters
    ----------
    heart : heart.Heart
        Or a subclass, such as `cardio_utils.data.heart_mesh.HeartMesh`.
    positions : ndarray, shape (75, 3)
        Sites in the heart frame, mm, in the order of `SITES`.
    rotation : ndarray, shape (3, 3)
        From the heart frame to the torso frame.

    Attributes
    ----------
    field : ndarray, shape (10, node)
        Lead field of `ELECTRODES`, mV per mV.
    rotation : ndarray, shape (3, 3)

    Raises
    ------
    ValueError
        There are not 75 sites, or one of them is not within the muscle.
    """

    def __init__(self, heart, positions, rotation):
        self.heart, self.positions = heart, np.asarray(positions, float)
        if self.positions.shape != (len(SITES), 3):
            raise ValueError(f"{len(SITES)} sites with three coordinates expected, got {self.positions.shape}")
        self.rotation = np.asarray(rotation)
        self.field = self._field()
        self._tie()
        self._graphs, self._activations = {}, {}
        gradient = heart.durations(np.full(len(heart.points), 40.0), 0.0, **DISPERSION)
        self._gradient = np.bincount(self._site, self._weight * gradient[self._node], len(SITES))

    def _field(self, steps=0.0):
        positions = _electrodes(self.rotation @ self.heart.points.mean(0)) + steps
        return GAIN * self.heart.lead_field(positions, self.rotation)

    def with_electrodes_moved(self, steps):
        """The same heart, its electrodes elsewhere.

        Parameters
        ----------
        steps : ndarray, shape (10, 3)
            How far each of `ELECTRODES` is moved, mm, torso frame.

        Returns
        -------
        Subject
        """
        other = copy(self)
        other.field = other._field(np.asarray(steps))
        return other

    def _tie(self):
        """Pairs of a site and a node of the muscle around it, and how far they are apart."""
        distance, node = cKDTree(self.heart.points).query(self.positions, k=16)
        if (lost := distance[:, 0] > _REACH).any():
            raise ValueError(f"site {SITES[lost.argmax()]} is {distance[lost.argmax(), 0]:.1f} mm away from the muscle")
        near = distance <= _REACH
        self._site, self._node = np.nonzero(near)[0], node[near]
        steps = self.positions[self._site] - self.heart.points[self._node]
        self._length2 = (steps**2).sum(1) + 1e-6
        self._along2 = np.minimum((self.heart.fibres[self._node] * steps).sum(1) ** 2, self._length2)
        self._closest = node[self._site, 0]
        weight = 1 / self._length2
        self._weight = weight / np.bincount(self._site, weight)[self._site]

    def _ties(self, conduction):
        """Travel times (ms) of the pairs, sparse, shape (75, node)."""
        c, heart = conduction, self.heart
        time = np.sqrt(self._along2 / c.along**2 + (self._length2 - self._along2) / c.across**2)
        for layer, speed in ((heart.layer_left, c.left), (heart.layer_right, c.right)):
            if speed > 0:
                inside = layer[self._node] & layer[self._closest]
                time[inside] = np.minimum(time[inside], np.sqrt(self._length2[inside]) / speed)
        return sparse.csr_matrix((time, (self._site, self._node)), (len(SITES), len(heart.points)))

    def _graph(self, share):
        """Travel times between nodes, then sites, then patterns, which lead to where they enter the muscle.

        The sub-endocardial layers have a share of their speed.
        """
        if share not in self._graphs:
            c = self.heart.conduction
            c = replace(c, left=share * c.left, right=share * c.right)
            ties, entries = self._ties(c), [_entries(self.heart, p) for p in range(PATTERNS)]
            index = np.repeat(np.arange(PATTERNS), [len(nodes) for nodes, _ in entries])
            nodes, times = (np.concatenate(parts) for parts in zip(*entries, strict=True))
            starts = sparse.csr_matrix((times + LATENCY, (index, nodes)), (PATTERNS, len(self.heart.points)))
            empty = [sparse.csr_matrix((k, k)) for k in (len(SITES), PATTERNS)]
            blocks = [[self.heart.edge_times(c), ties.T, None], [ties, empty[0], None], [starts, None, empty[1]]]
            self._graphs[share] = sparse.bmat(blocks, "csr")
        return self._graphs[share]

    def activation(self, case):
        """Activation times of a case, ms after the stimulus: ndarrays (node,) and (75,)."""
        key, n = (case.pattern, case.innerindex), len(self.heart.points)
        if key not in self._activations:
            if case.pattern >= 0:
                start = n + len(SITES) + case.pattern
                times = dijkstra(self._graph(1.0), indices=start) - LATENCY
            else:
                times = dijkstra(self._graph(FOCAL_LAYER), indices=n + case.innerindex)
            times = times[: n + len(SITES)]
            self._activations[key] = times - times.min()
        times = LATENCY + SLOWING[case.act] * self._activations[key]
        return times[:n], times[n:]

    def potentials(self, case):
        """What is recorded of a case.

        Returns
        -------
        potentials : ndarray, shape (500, 10)
            At the electrodes, mV.
        vm : ndarray, shape (500, 75)
            Transmembrane potential at the sites, mV.
        activation : ndarray, shape (75,)
            When Vm crosses 0 mV, ms.
        """
        period, kr = (d if np.isnan(v) else v for v, d in ((case.bcl, PERIOD), (case.gkr, KR)))
        apd = engine.action_potential(5.4, period, kr).apd90
        nodes, sites = self.activation(case)
        electrodes = engine.surface_potentials(
            self.field, nodes, self.heart.durations(nodes, apd, **DISPERSION), period=period, kr=kr
        )
        durations = apd + self._gradient - DISPERSION["coupling"] * (sites - 40.0)
        return electrodes[:, :SAMPLES].T, transmembrane(sites, durations, period, kr).T, sites


@cache
def _wave(period, kr):
    """Action potential every 0.1 ms as a front of finite thickness passes, 0 mV at `_LEAD_IN`; differences; APD90."""
    template = engine.action_potential(5.4, period, kr)
    voltage = np.pad(template.voltage, (2 * _LEAD_IN, _LEAD_IN)) + template.rest
    voltage = gaussian_filter1d(voltage, _FRONT / _STEP, mode="nearest")
    k = int((voltage > 0).argmax())
    crossing = k - voltage[k] / (voltage[k] - voltage[k - 1])
    grid = np.arange(len(voltage) - _LEAD_IN)
    voltage = np.interp(grid + crossing - _LEAD_IN, np.arange(len(voltage)), voltage)
    return voltage, np.diff(voltage, append=voltage[-1]), template.apd90


def transmembrane(activation, apd, period=PERIOD, kr=KR):
    """Transmembrane potentials at some sites.

    Parameters
    ----------
    activation, apd : ndarray, shape (site,)
        When Vm crosses 0 mV, and action potential durations, ms.
    period, kr : float
        Pacing interval (ms) and factor on I_Kr.

    Returns
    -------
    ndarray, shape (site, 500)
        mV, every ms from the stimulus on.
    """
    voltage, difference, apd90 = _wave(float(period), float(kr))
    stretch = apd90 / (_STEP * np.asarray(apd)[:, None])
    x = (np.arange(SAMPLES) - np.asarray(activation)[:, None]) * stretch + _LEAD_IN
    x = x.clip(0, len(voltage) - 1)
    whole = x.astype(np.int32)
    return voltage[whole] + (x - whole) * difference[whole]


@lru_cache(maxsize=2)
def subject(volunteer, *, seed=0, spacing=3.0):
    """One of the fifteen hearts.

    Parameters
    ----------
    volunteer : str
        Out of `VOLUNTEERS`.
    seed : int
        Another seed gives fifteen other hearts.
    spacing : float
        Edge of a voxel, mm.

    Returns
    -------
    Subject
    """
    if volunteer not in VOLUNTEERS:
        raise ValueError(f"there is no volunteer {volunteer}; known are {', '.join(VOLUNTEERS)}")
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(int(volunteer[1:]),)))
    anatomy = engine.Anatomy.draw(rng, spacing=spacing)
    drawn = engine.Conduction.draw(rng)
    heart = engine.Heart(
        anatomy,
        engine.Conduction(*(factor * speed for factor, speed in zip(FASTER, astuple(drawn), strict=True))),
    )
    return Subject(heart, site_positions(anatomy), engine.orientation(rng))


def _simulated(cases, seed, spacing):
    shape = len(cases), SAMPLES
    electrodes, vm = (np.empty((*shape, k), np.float32) for k in (len(ELECTRODES), len(SITES)))
    for i, case in enumerate(cases):
        electrodes[i], vm[i], _ = subject(case.volunteer, seed=seed, spacing=spacing).potentials(case)
    return electrodes, vm


def chunks(cases, *, seed=0, spacing=3.0):
    """Simulate cases, heart by heart, without holding more than a few hundred.

    Parameters
    ----------
    cases : sequence of Case
        From `draw` or `design`.
    seed : int
        Of the hearts.
    spacing : float
        Edge of a voxel, mm.

    Yields
    ------
    rows : ndarray of int, shape (k,)
        Positions in `cases`; k is at most 256.
    potentials : ndarray, shape (k, 500, 10), float32
    vm : ndarray, shape (k, 500, 75), float32
    """
    by_heart = {}
    for row, case in enumerate(cases):
        by_heart.setdefault(case.volunteer, []).append(row)
    parts = []
    for rows in by_heart.values():
        # Cases of one activation follow each other, so that it is computed once
        rows.sort(key=lambda row: (cases[row].pattern, cases[row].innerindex))
        parts += [rows[i : i + _CHUNK] for i in range(0, len(rows), _CHUNK)]
    for rows in parts:
        yield np.array(rows), *_simulated([cases[row] for row in rows], seed, spacing)
