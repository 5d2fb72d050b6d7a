"""Draw a strip of a simulated record, each beat in the colour of its class: ``start.png`` and the social ``card.png``.

python -m pipeline.start_picture
"""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np

from cardio_utils import ecg, plots
from cardio_utils.simulate.heartbeats import simulate
from pipeline import chapters

SECONDS = 9.0


def best_window(recording):
    """Start (sample) of the stretch with most kinds of beats, then with most beats that are not normal."""
    label, length = ecg.aami_class(recording.symbols), int(SECONDS * recording.fs)
    scores = {}
    for start in recording.samples[:-1] - int(0.5 * recording.fs):
        inside = label[(recording.samples > start) & (recording.samples < start + length - 0.6 * recording.fs)]
        if start >= 0 and start + length < len(recording.signal):
            scores[int(start)] = (len(set(inside)), (inside != "N").sum() <= len(inside) / 2, (inside != "N").sum())
    return max(scores, key=scores.get), max(scores.values())


def draw(ax):
    """Draw the most varied stretch of a few simulated patients."""
    recording = max(simulate(n_patients=32, beats=120, seed=0), key=lambda r: best_window(r)[1])
    start, fs = best_window(recording)[0], recording.fs
    stop = start + int(SECONDS * fs)
    time = np.arange(stop - start) / fs
    ax.plot(time, recording.signal[start:stop], color="#B9BEC6", linewidth=1.6)
    for sample, name in zip(recording.samples, ecg.aami_class(recording.symbols), strict=True):
        if start + 0.1 * fs < sample < stop - 0.45 * fs:
            part = slice(max(start, sample - int(0.1 * fs)), sample + int(0.42 * fs))
            colour, seconds = plots.class_colour(name), (np.arange(part.start, part.stop) - start) / fs
            ax.plot(seconds, recording.signal[part], color=colour, linewidth=2.4)
            ax.text((sample - start) / fs, 1.02, name, color=colour, transform=ax.get_xaxis_transform(),
                    ha="center", fontsize=14, fontweight="bold")  # fmt: skip
    ax.set(xlabel="time (s)", ylabel="lead II (mV)", xlim=(0, SECONDS))


def main(folder):
    """The picture of the start page, and the same under the title in the size that social media show."""
    plots.use()
    fig, ax = plt.subplots(figsize=(10, 2.5))
    draw(ax)
    fig.savefig(folder / "start.png", dpi=120, bbox_inches="tight", facecolor="white")
    fig = plt.figure(figsize=(12, 6.3), layout="none")
    fig.text(0.06, 0.72, "Machine learning for\ncardiac electrophysiology", fontsize=40, fontweight="bold")
    fig.text(0.06, 0.62, "A book that runs: questions, baselines, networks, and how sure the answer is", fontsize=18)
    draw(fig.add_axes((0.08, 0.12, 0.86, 0.38)))
    fig.savefig(folder / "card.png", dpi=100, facecolor="white")


if __name__ == "__main__":
    main(chapters.ROOT / "book" / "_static")
