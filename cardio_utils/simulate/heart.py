"""A whole heart in milliseconds: voxel ventricles, activation along fibres, and the electrocardiogram.

The chain is short enough to be read in one sitting:

1. *Geometry.* Two truncated ellipsoidal shells on a voxel grid (`Anatomy`), with a transmural coordinate, an
   apico-basal coordinate and helical fibres (Streeter 1969).
2. *Activation.* Shortest travel times on a graph whose edges are faster along the fibre and in the
   sub-endocardial Purkinje layer (Wallman 2012), from the earliest sites of Durrer (1970), from an ectopic
   focus, or from both at once (a fusion beat). A bundle-branch block takes away one side's roots and some of
   the speed of its layer.
3. *Action potentials.* One epicardial action potential (ten Tusscher and Panfilov 2006), stretched to each
   node's own duration: shorter at the epicardium, at the apex and where activation comes late.
4. *Electrocardiogram.* A lead field (Gima and Rudy 2002): electrode potentials are a weighted sum over nodes,
   and since the action potentials come in few classes, the sum is a histogram of activation times convolved
   with a template.

Frames, mm. Heart: apex towards -z, right ventricle towards -x, origin in the left ventricular cavity. Torso:
x to the patient's left, y to the front, z to the head, same origin. Times are in ms, potentials in mV, speeds
in mm/ms (the same number as m/s). Sampling is 1 ms.

Limits: analytic anatomy, an unbounded homogeneous torso, no Purkinje tree, repolarisation by formula. V1
shows a taller T wave than most people have.

References
----------
Durrer D et al. (1970) Circulation 41:899-912. Franz MR et al. (1987) Circulation 75:379-386.
Streeter DD et al. (1969) Circ Res 24:339-347.
Wallman M, Smith NP, Rodriguez B (2012) IEEE Trans Biomed Eng 59:1739-1748.
Gima K, Rudy Y (2002) Circ Res 90:889-896. Pezzuto S et al. (2017) Front Physiol 8:265.
ten Tusscher KHWJ, Panfilov AV (2006) Am J Physiol Heart Circ Physiol 291:H1088-H1100.
McSharry PE et al. (2003) IEEE Trans Biomed Eng 50:289-294.
"""

from dataclasses import dataclass, replace
from functools import cache
from typing import NamedTuple

import numpy as np
from scipy import fft, sparse
from scipy.signal import lfilter
from scipy.sparse.csgraph import dijkstra

from cardio_utils import physics

__all__ = [
    "ELECTRODES",
    "ROOTS",
    "Anatomy",
    "Conduction",
    "Heart",
    "action_potential",
    "atrial_potentials",
    "electrodes",
    "first_arrival",
    "neighbours",
    "orientation",
    "repolarisation",
    "sinus_rhythm",
    "surface_potentials",
    "transmembrane",
]

ELECTRODES = {
    "RA": (-150.0, 60.0, 190.0),
    "LA": (190.0, 60.0, 190.0),
    "LL": (110.0, 50.0, -330.0),
    "RL": (-90.0, 50.0, -330.0),
    "V1": (-40.0, 142.0, 34.0),
    "V2": (30.0, 155.0, 34.0),
    "V3": (78.0, 146.0, 7.0),
    "V4": (124.0, 124.0, -20.0),
    "V5": (165.0, 61.0, -20.0),
    "V6": (178.0, -14.0, -20.0),
}
"""Electrode positions in the torso frame, mm. The precordial ones stand 1.35 times further out than on a
chest, since an unbounded conductor exaggerates how much the nearest muscle weighs."""


class Root(NamedTuple):
    """Where the Purkinje system first excites the muscle: side, position (heart frame, mm), time (ms)."""

    side: str
    position: tuple
    time: float


ROOTS = {
    "left septal": Root("left", (-24.0, 0.0, -15.0), 1.0),
    "left anterior": Root("left", (-5.0, 23.0, -10.0), 0.0),
    "left posterior": Root("left", (-3.0, -23.0, -22.0), 2.0),
    "left lateral": Root("left", (20.0, 10.0, -30.0), 9.0),
    "right anterior": Root("right", (-40.0, 25.0, -30.0), 6.0),
    "right free wall": Root("right", (-52.0, 0.0, -25.0), 8.0),
    "right basal": Root("right", (-40.0, -20.0, -15.0), 14.0),
    "right septal": Root("right", (-36.0, 8.0, -25.0), 6.0),
}
"""Earliest sites of ventricular activation, after Durrer (1970), with the time at which each one fires."""

ATRIAL_SITE = (-25.0, -10.0, 45.0)
SINUS_ATRIAL_WAVES = (
    ((1900.0, 1900.0, -3000.0), 45.0, 15.0),
    ((3000.0, -1200.0, -1350.0), 75.0, 17.0),
)
"""The P wave of sinus rhythm as two dipoles, right atrium then left: moment (mV mm^2, torso frame), time and
width (ms)."""

BEAT = 600
"""Length of a simulated ventricular beat, ms."""

_LATEST = 300
_APD_CLASSES = np.arange(150.0, 481.0, 4.0)
_SPECTRUM = 1024
_FRONT = 9  # ms on either side of activation over which the front's thickness smooths the template


@dataclass(frozen=True)
class Anatomy:
    """Shape of the ventricles; lengths in mm.

    Attributes
    ----------
    lv_radius, lv_length, lv_wall : float
        Short and long semi-axis of the left cavity, thickness of its wall (hypertrophy: 12 and more).
    rv_axes, rv_wall, rv_shift : tuple of float, float, float
        Semi-axes of the right cavity, thickness of its free wall, distance of its centre from the left one's.
    base : float
        Height at which the ventricles are cut off.
    helix : float
        Fibre angle at the endocardium, degrees; it turns to the opposite at the epicardium (Streeter 1969).
    spacing : float
        Edge of a voxel.
    """

    lv_radius: float = 24.0
    lv_length: float = 59.0
    lv_wall: float = 9.5
    rv_axes: tuple = (36.0, 34.0, 56.0)
    rv_wall: float = 4.4
    rv_shift: float = 23.5
    base: float = 18.0
    helix: float = 57.0
    spacing: float = 3.0

    @classmethod
    def draw(cls, rng, **fixed):
        """An anatomy from the normal range; keyword arguments fix what should not vary."""
        drawn = {
            "lv_radius": rng.uniform(21, 27),
            "lv_length": rng.uniform(54, 64),
            "lv_wall": rng.uniform(8, 11),
            "rv_wall": rng.uniform(3.8, 5.0),
            "rv_shift": rng.uniform(21, 26),
            "helix": rng.uniform(50, 65),
        }
        return cls(**(drawn | fixed))


@dataclass(frozen=True)
class Conduction:
    """Speeds of activation, mm/ms: along and across the fibre, and in the Purkinje layer of each side.

    A layer speed of 0 stands for a heart whose Purkinje system takes no part, as in an ectopic beat.
    """

    along: float = 0.58
    across: float = 0.28
    left: float = 1.1
    right: float = 1.1

    @classmethod
    def draw(cls, rng, **fixed):
        """Speeds from the normal range, both layers alike; keyword arguments fix what should not vary."""
        layer = 1.1 * rng.uniform(0.85, 1.15)
        drawn = {"along": 0.58 * rng.uniform(0.9, 1.1), "across": 0.28 * rng.uniform(0.9, 1.1)}
        return cls(**(drawn | {"left": layer, "right": layer} | fixed))


class Heart:
    """Two ventricles as voxels, ready to be activated.

    Attributes
    ----------
    points : ndarray, shape (node, 3)
        Voxel centres in the heart frame, mm; 5,000 to 7,000 nodes at 3 mm.
    rho : ndarray, shape (node,)
        Transmural coordinate, 0 at the endocardium, 1 at the epicardium (in the septum: at the right side).
    height : ndarray, shape (node,)
        Apico-basal coordinate, 0 at the apex and 1 at the base.
    left, septum : ndarray of bool, shape (node,)
        Left ventricular wall (with the septum), and the part of it that faces the right cavity.
    layer_left, layer_right : ndarray of bool, shape (node,)
        Sub-endocardial Purkinje layers; the right one includes the right side of the septum.
    fibres : ndarray, shape (node, 3)
        Unit vectors along the fibre.
    faces : sparse matrix, shape (node, node)
        1 where two voxels share a face.
    roots : dict of str to int
        Node of every site in `ROOTS`.

    Parameters
    ----------
    anatomy : Anatomy, optional
    conduction : Conduction, optional
    """

    def __init__(self, anatomy=None, conduction=None):
        self.anatomy = anatomy or Anatomy()
        self.conduction = conduction or Conduction()
        self._voxels()
        self._fibres()
        self._edges()
        self._times = {}
        self.roots = {
            name: self.nearest(root.position, self.layer_left if root.side == "left" else self.layer_right)
            for name, root in ROOTS.items()
        }

    def _voxels(self):
        a = self.anatomy
        x, y, z = self._grid()
        outer = a.lv_radius + a.lv_wall
        lv_in = np.sqrt((x**2 + y**2) / a.lv_radius**2 + (z / a.lv_length) ** 2)
        lv_out = np.sqrt((x**2 + y**2) / outer**2 + (z / (a.lv_length + a.lv_wall)) ** 2)
        rx, ry, rz = a.rv_axes
        rv_in = np.sqrt(((x + a.rv_shift) / rx) ** 2 + (y / ry) ** 2 + (z / rz) ** 2)
        w = a.rv_wall
        rv_out = np.sqrt(((x + a.rv_shift) / (rx + w)) ** 2 + (y / (ry + w)) ** 2 + (z / (rz + w)) ** 2)
        lv = (lv_in >= 1) & (lv_out <= 1)
        mask = lv | ((rv_in >= 1) & (rv_out <= 1) & (lv_out > 1))
        self._index = np.stack(np.nonzero(mask), 1)
        self.points = np.stack([np.broadcast_to(c, mask.shape)[mask] for c in (x, y, z)], 1)
        self.left = lv[mask]
        self.septum = self.left & (rv_in[mask] < 1)
        inner = np.where(self.left, lv_in[mask], rv_in[mask]) - 1
        rest = np.where(self.left, (1 - lv_out[mask]) * outer / a.lv_radius, 1 - rv_out[mask])
        self.rho = np.clip(inner / (inner + rest + 1e-6), 0, 1)
        self.height = (self.points[:, 2] - self.points[:, 2].min()) / np.ptp(self.points[:, 2])
        self.layer_left = self.left & (self.rho < 0.2)
        self.layer_right = (~self.left & (self.rho < 0.35)) | (self.septum & (self.rho > 0.8))

    def _grid(self):
        a, h = self.anatomy, self.anatomy.spacing
        side = max(a.lv_radius + a.lv_wall, a.rv_axes[1] + a.rv_wall)
        bottom = max(a.lv_length + a.lv_wall, a.rv_axes[2] + a.rv_wall)
        limits = ((-a.rv_shift - a.rv_axes[0] - a.rv_wall, side), (-side, side), (-bottom, a.base))
        axes = [np.arange(np.floor(low / h), np.floor(high / h) + 1) * h for low, high in limits]
        return np.meshgrid(*axes, indexing="ij", sparse=True)

    def _fibres(self):
        centre = np.where(self.left, 0.0, -self.anatomy.rv_shift)
        turn = np.arctan2(self.points[:, 1], self.points[:, 0] - centre)
        angle = np.deg2rad(self.anatomy.helix * (1 - 2 * self.rho))
        flat = np.cos(angle)
        self.fibres = np.stack([-np.sin(turn) * flat, np.cos(turn) * flat, np.sin(angle)], 1)

    def _edges(self):
        start, end, offsets = neighbours(self._index)
        self._connect(start, end, offsets * self.anatomy.spacing)
        self.faces = self._symmetric(((offsets**2).sum(1) == 1).astype(float))
        self.faces.eliminate_zeros()

    def _connect(self, start, end, steps):
        """Let activation travel between pairs of nodes, `steps` (edge, 3) apart, mm."""
        self._start, self._end = start, end
        self._length2 = (steps**2).sum(1)
        projections = [(self.fibres[nodes] * steps).sum(1) for nodes in (start, end)]
        self._along2 = 0.5 * (projections[0] ** 2 + projections[1] ** 2)

    def _symmetric(self, weight):
        i, j = np.r_[self._start, self._end], np.r_[self._end, self._start]
        n = len(self.points)
        return sparse.csr_matrix((np.r_[weight, weight], (i, j)), shape=(n, n))

    def nearest(self, position, within=None):
        """Node closest to a position in the heart frame (mm), optionally out of a boolean mask of nodes."""
        candidates = np.arange(len(self.points)) if within is None else np.flatnonzero(within)
        distance = ((self.points[candidates] - np.asarray(position)) ** 2).sum(1)
        return int(candidates[distance.argmin()])

    def edge_times(self, conduction=None):
        """Travel times between neighbours as a sparse symmetric matrix, ms."""
        c = conduction or self.conduction
        time = np.sqrt(self._along2 / c.along**2 + (self._length2 - self._along2) / c.across**2)
        for layer, speed in ((self.layer_left, c.left), (self.layer_right, c.right)):
            if speed > 0:
                inside = layer[self._start] & layer[self._end]
                time[inside] = np.minimum(time[inside], np.sqrt(self._length2[inside]) / speed)
        return self._symmetric(time)

    def travel_times(self, nodes, conduction=None):
        """Time from each of some nodes to all nodes, ms.

        Parameters
        ----------
        nodes : sequence of int, length k
        conduction : Conduction, optional
            Default: the heart's own.

        Returns
        -------
        ndarray, shape (k, node)
        """
        return dijkstra(self.edge_times(conduction), indices=np.atleast_1d(nodes))

    def sinus(self, block="", *, residual=0.8, offsets=0.0, slowing=1.0):
        """Activation by the conduction system.

        Parameters
        ----------
        block : {"", "left", "right"}
            Bundle-branch block: that side's roots do not fire, and its layer, which is then entered from the
            muscle, conducts at `residual` times its speed.
        residual : float
            See `block`. Without any residual layer the QRS complex becomes longer than in patients.
        offsets : float or ndarray, shape (root,)
            Added to the times of the roots that fire, ms: variation between patients or beats.
        slowing : float
            All travel times are multiplied by this.

        Returns
        -------
        ndarray, shape (node,)
            Activation times from the first root's, ms.
        """
        if block not in ("", "left", "right"):
            raise ValueError(f"block is '', 'left' or 'right', not {block!r}")
        firing = [name for name, root in ROOTS.items() if root.side != block]
        if (block, residual) not in self._times:
            slow = {block: residual * getattr(self.conduction, block)} if block else {}
            nodes = [self.roots[name] for name in firing]
            self._times[block, residual] = self.travel_times(nodes, replace(self.conduction, **slow))
        start = np.array([ROOTS[name].time for name in firing]) + offsets
        return first_arrival(self._times[block, residual] * slowing, start - start.min())

    def focus(self, node, *, layer=0.0, slowing=1.0):
        """Activation from one ectopic focus, ms, shape (node,).

        The impulse enters the Purkinje network late and against its direction, if at all: `layer` is the
        share of the normal speed that the sub-endocardial layers keep.
        """
        c = self.conduction
        return self.travel_times(node, replace(c, left=layer * c.left, right=layer * c.right))[0] * slowing

    def lead_field(self, positions, rotation, *, viable=None):
        """Weights from nodes to electrodes: `cardio_utils.physics.lead_field` for this heart in a torso.

        Parameters
        ----------
        positions : ndarray, shape (electrode, 3)
            Electrodes in the torso frame, mm.
        rotation : ndarray, shape (3, 3)
            From the heart frame to the torso frame (`orientation`).
        viable : ndarray, shape (node,), optional
            1 for tissue, 0 for scar.

        Returns
        -------
        ndarray, shape (electrode, node)
        """
        torso = self.points @ np.asarray(rotation).T
        return physics.lead_field(torso, self.faces, positions, spacing=self.anatomy.spacing, viable=viable)

    def durations(self, activation, apd=280.0, *, transmural=46.0, apicobasal=14.0, coupling=0.15):
        """Action potential duration (90 %) of every node, ms.

        ``apd - transmural (rho - 1/2) + apicobasal (height - 1/2) - coupling (activation - 40)``: shorter at
        the epicardium and the apex, and shorter where activation comes late (Franz 1987), so that T waves
        are upright. The thin right ventricular wall counts as sub-epicardial.

        Parameters
        ----------
        activation : ndarray, shape (node,)
            Activation times, ms.
        apd : float
            At mid-wall, half height and 40 ms of activation; `repolarisation` gives it for a heart rate.
        transmural, apicobasal : float
            Endocardium minus epicardium, base minus apex, ms.
        coupling : float
            ms of shortening per ms of later activation.
        """
        rho = np.where(self.left, self.rho, 0.6)
        gradient = apicobasal * (self.height - 0.5) - transmural * (rho - 0.5)
        return apd + gradient - coupling * (activation - 40.0)


def neighbours(index):
    """Edges between voxels that are close: the graph on which activation travels.

    Directions are the mutually prime ones of at most 2.5 voxels, 74 in all, of which a node in a wall as thin
    as the heart's has about 40. Paths along them are 3 % longer than straight lines on average and 5 % at
    worst; up to 2.3 voxels (50 directions) the worst is 12 %, and three voxels gain nothing.

    Parameters
    ----------
    index : ndarray of int, shape (node, 3)
        Places of the voxels in their grid.

    Returns
    -------
    start, end : ndarray of int, shape (edge,)
        Each pair once.
    offsets : ndarray of int, shape (edge, 3)
        From start to end, in voxels.
    """
    index = index - index.min(0) + 2
    lookup = np.full(index.max(0) + 3, -1)
    lookup[tuple(index.T)] = np.arange(len(index))
    edges = []
    for offset in _half_offsets():
        other = lookup[tuple((index + offset).T)]
        found = other >= 0
        if offset @ offset > 3:  # a long edge must not jump across a gap
            between = index + offset // 2, index - (-offset // 2)
            found &= (lookup[tuple(between[0].T)] >= 0) | (lookup[tuple(between[1].T)] >= 0)
        start = np.flatnonzero(found)
        edges.append((start, other[start], np.tile(offset, (len(start), 1))))
    return tuple(np.concatenate(parts) for parts in zip(*edges, strict=True))


@cache
def _half_offsets():
    steps = np.stack(np.meshgrid(*[np.arange(-2, 3)] * 3, indexing="ij"), -1).reshape(-1, 3)
    near = (np.square(steps).sum(1) <= 2.5**2) & (np.gcd.reduce(steps, axis=1) == 1)
    steps = steps[near]
    return steps[len(steps) // 2 :]  # the first half holds the same directions, reversed


def first_arrival(times, start=0.0):
    """Activation by several sources: at each node the earliest of the waves, at most 300 ms after the first.

    Parameters
    ----------
    times : ndarray, shape (source, node)
        Travel times, ms.
    start : float or ndarray, shape (source,)
        When each source fires, ms.

    Returns
    -------
    ndarray, shape (node,)
        ms.
    """
    start = np.broadcast_to(np.asarray(start, float), len(times))
    return np.minimum((times + start[:, None]).min(0), _LATEST)


def orientation(rng=None, sd=0.1):
    """Rotation from the heart frame to the torso frame, shape (3, 3).

    The apex points left, down and to the front. `rng` tilts the axes by normal deviates of `sd` (about
    radians); without it the mean orientation results.
    """
    tilt = rng.normal(0, sd, (2, 3)) if rng is not None else np.zeros((2, 3))
    z = -(np.array([0.66, 0.42, -0.62]) + tilt[0])
    z /= np.linalg.norm(z)
    x = np.array([0.72, -0.66, 0.20]) + tilt[1]
    x -= (x @ z) * z
    x /= np.linalg.norm(x)
    return np.stack([x, np.cross(z, x), z], 1)


def electrodes(rng=None, *, scale=(0.92, 1.10), jitter=9.0):
    """Electrode positions of one patient, shape (10, 3), mm, in the order of `ELECTRODES`.

    `rng` stretches the torso by a uniform factor out of `scale` and moves every electrode by normal deviates
    of `jitter` mm; without it the standard positions result.
    """
    standard = np.array(list(ELECTRODES.values()))
    if rng is None:
        return standard
    return standard * rng.uniform(*scale) + rng.normal(0, jitter, standard.shape)


class ActionPotential(NamedTuple):
    """One action potential from its upstroke on: mV above rest every 0.1 ms, rest (mV), APD90 (ms)."""

    voltage: np.ndarray
    rest: float
    apd90: float


@cache
def action_potential(potassium=5.4, period=1000.0, kr=1.0):
    """The epicardial template: tenth beat, computed once.

    At an extracellular potassium (mM), a pacing interval (ms) and a factor on the conductance of I_Kr.
    """
    trace = physics.ten_tusscher_2006(
        10 * period, start=9 * period, period=period, potassium=potassium, scale={"Kr": kr}
    )
    upstroke = int(np.diff(trace[:200]).argmax())
    voltage = trace[upstroke:] - trace[-1]
    peak = int(voltage.argmax())
    apd90 = 0.1 * (peak + int((voltage[peak:] < 0.1 * voltage[peak]).argmax()))
    return ActionPotential(voltage, float(trace[-1]), apd90)


def _stretched(apd, times, *cell):
    """mV above rest at `times` (ms after activation) of an action potential with another duration."""
    template = action_potential(*cell)
    grid = 0.1 * np.arange(len(template.voltage))
    return np.interp(times * template.apd90 / apd, grid, template.voltage, left=0.0, right=0.0)


@cache
def _template_spectra(*cell):
    """Spectra of the template at every duration class, smoothed as a wave front of finite thickness is."""
    lag = np.arange(-_FRONT, _FRONT + 1)
    front = np.exp(-0.5 * (lag / 2.5) ** 2)
    times = np.arange(-2 * _FRONT, BEAT + _FRONT)
    full = np.stack([_stretched(a, times, *cell) for a in _APD_CLASSES])
    smooth = np.apply_along_axis(np.convolve, 1, full, front / front.sum(), "valid")
    # Circular: what precedes the activation by a few ms stands at the end
    padded = np.pad(smooth, ((0, 0), (0, _SPECTRUM - smooth.shape[1])))
    return fft.rfft(np.roll(padded, -_FRONT, axis=1))


def surface_potentials(field, activation, apd, *, amplitude=None, potassium=5.4, period=1000.0, kr=1.0):
    """Potentials of one ventricular beat at the electrodes.

    ``phi(t) = sum_n field_n amplitude_n U_n(t - activation_n)``, with U the action potential of the node's
    duration. Durations are rounded to classes of 4 ms and activation to 1 ms, so the sum over nodes becomes a
    weighted histogram for each class, convolved with the class's template by FFT: about a millisecond a beat.

    Parameters
    ----------
    field : ndarray, shape (electrode, node)
        From `Heart.lead_field`; rows may be leads as well, since all of this is linear.
    activation, apd : ndarray, shape (node,)
        Activation times (0 to 300) and action potential durations (150 to 480), ms; clipped to these ranges.
    amplitude : ndarray, shape (node,), optional
        Factor on the action potential: below 1 in ischaemic tissue, which gives rise to injury currents.
    potassium, period, kr : float
        Of the template, see `action_potential`.

    Returns
    -------
    ndarray, shape (electrode, 600)
        mV, every ms, from 0.
    """
    weights = field if amplitude is None else field * amplitude
    size = _LATEST + 1
    nearest = np.rint((np.asarray(apd) - _APD_CLASSES[0]) / 4).astype(int).clip(0, len(_APD_CLASSES) - 1)
    used, group = np.unique(nearest, return_inverse=True)
    key = group * size + np.rint(activation).astype(int).clip(0, _LATEST)
    counts = np.stack([np.bincount(key, w, len(used) * size) for w in weights])
    spectra = fft.rfft(counts.reshape(len(weights), len(used), size), _SPECTRUM)
    total = np.einsum("ecf,cf->ef", spectra, _template_spectra(potassium, period, kr)[used])
    return fft.irfft(total, _SPECTRUM)[:, :BEAT]


def transmembrane(activation, apd, *, amplitude=None, potassium=5.4):
    """Transmembrane potentials of one beat at some nodes, mV, shape (node, 600), every ms from 0.

    `activation`, `apd` (ms) and `amplitude` have one value a node; see `surface_potentials`.
    """
    times = np.arange(BEAT) - np.asarray(activation, float)[:, None]
    voltage = np.stack([_stretched(a, t, potassium) for a, t in zip(apd, times, strict=True)])
    if amplitude is not None:
        voltage *= np.asarray(amplitude)[:, None]
    return voltage + action_potential(potassium).rest


def atrial_potentials(positions, waves=SINUS_ATRIAL_WAVES, *, duration=140):
    """Potentials of an atrial beat (the P wave): dipoles at the base of the heart, one after the other.

    Parameters
    ----------
    positions : ndarray, shape (electrode, 3)
        Electrodes in the torso frame, mm.
    waves : sequence of (moment, time, width)
        Dipole moment (mV mm^2, three components), time of its peak and standard deviation (ms) of its course.
    duration : int
        ms.

    Returns
    -------
    ndarray, shape (electrode, duration)
        mV, every ms.
    """
    arm = np.asarray(positions) - np.array(ATRIAL_SITE)
    field = arm / np.linalg.norm(arm, axis=1, keepdims=True) ** 3
    t = np.arange(duration)
    courses = [np.exp(-0.5 * ((t - time) / width) ** 2) for _, time, width in waves]
    return field @ np.stack([moment for moment, _, _ in waves], 1) @ np.stack(courses)


def repolarisation(rr, apd=275.0):
    """Action potential duration (ms) at a cycle length `rr` (s): `apd` at 0.85 s, with the power 0.35."""
    return apd * (np.asarray(rr) / 0.85) ** 0.35


def sinus_rhythm(rng, n, mean=0.85, *, respiratory=0.03, breathing=0.25, mayer=0.025, jitter=0.008, wander=0.03):
    """Intervals between sinus beats.

    Modulated by breathing and by Mayer waves of 0.1 Hz (McSharry 2003), with a slow autoregressive wander of
    time constant 40 beats and independent jitter.

    Parameters
    ----------
    rng : numpy.random.Generator
    n : int
        Number of intervals.
    mean : float
        s.
    respiratory, mayer, jitter, wander : float
        Amplitudes of the sines and standard deviations of the rest, relative to the mean.
    breathing : float
        Hz.

    Returns
    -------
    ndarray, shape (n,)
        s.
    """
    time = mean * np.arange(n)
    phase = rng.uniform(0, 2 * np.pi, 2)
    slow = np.exp(-1 / 40)
    drift = lfilter([np.sqrt(1 - slow**2)], [1, -slow], rng.normal(0, 1, n + 100))[100:]
    return mean * (
        1
        + respiratory * np.sin(2 * np.pi * breathing * time + phase[0])
        + mayer * np.sin(2 * np.pi * 0.1 * time + phase[1])
        + wander * drift
        + rng.normal(0, jitter, n)
    )
