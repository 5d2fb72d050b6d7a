"""The table of chapters in README.md, between two comments, from what the chapters recorded.

python -m pipeline.readme
"""

import json
import re
from dataclasses import dataclass

import yaml

from cardio_utils.notebook import format_number
from pipeline import chapters, pages, repository

BEGIN, END = "<!-- chapters: made by pipeline.readme -->", "<!-- end of chapters -->"
BADGE = "https://colab.research.google.com/assets/colab-badge.svg"


@dataclass(frozen=True)
class Entry:
    """What the README says of one chapter.

    `number` holds names of metrics in braces, all of one run. `seconds` is how long the defaults took on one core of a
    two-core machine; a time that every build measured anew would change the README with every build.
    """

    question: str
    data: str
    number: str
    seconds: int


ENTRIES = {
    "00a_regression": Entry(
        "Which currents make a beat long, and how does one compare models?",
        "simulated",
        "line with squares off by {test/line_with_squares/mae}, forest by {test/forest/mae}",
        20,
    ),
    "00b_pictures_of_beats": Entry(
        "Does it help to turn heartbeats into pictures?",
        "simulated",
        "best picture minus plain wave: {test/best_picture_minus_wave/macro_f1} macro F1",
        49,
    ),
    "01_nea_against_patch": Entry(
        "How far can durations be believed that an electrode under the cell reports?",
        "simulated, optical recordings",
        "APD90 off by {patch/nea/apd90_mae}, APD50 by {patch/nea/apd50_mae}",
        22,
    ),
    "02_neighbouring_sites": Entry(
        "May the action potential at one electrode stand for that at the next?",
        "simulated",
        "APD90 of neighbours differs by {neighbours/noise_floor/apd90}",
        34,
    ),
    "03_eap_features": Entry(
        "How much of the duration inside is written in the signal outside?",
        "simulated, published table",
        "durations of new recordings off by {recording/line_on_td/mae} (line), {recording/boosting/mae} (boosting)",
        48,
    ),
    "04_pia_unet": Entry(
        "Can a network draw the action potential inside from the signal outside, and do equations help it?",
        "simulated",
        "error under a drug, in parts of the amplitude: {test/network/mae/dofetilide},"
        " boosting {test/boosted_components/mae/dofetilide}",
        74,
    ),
    "05_qpia_unet": Entry(
        "Does a 90 % band hold, and what does a drug do in 51 channels?",
        "simulated",
        "the 90 % band holds {test/network/coverage/calibrated} of the samples",
        76,
    ),
    "06_healthy_or_irregular": Entry(
        "Is this heartbeat normal, and is this record?",
        "simulated, MIT-BIH",
        "AUROC {patients_held_out/boosting/auroc} (boosting), {patients_held_out/ours/auroc} (network)",
        58,
    ),
    "07_five_classes": Entry(
        "Which of the five AAMI classes, and what did the network look at?",
        "simulated, MIT-BIH",
        "macro F1 of new patients: {patients_held_out/ours/macro_f1/NSVF} by the window,"
        " {new_patients/record-relative/macro_f1/NSVF} beside the record",
        66,
    ),
    "08_activation_map": Entry(
        "When does each of 75 places of the ventricles fire, by twelve leads?",
        "simulated",
        "activation of new hearts off by {heart/ours/mae}, look-up by {heart/nearest_neighbour/mae}",
        72,
    ),
    "09_transmembrane_potential": Entry(
        "And what does each of them do in each millisecond?",
        "simulated",
        "potential of new hearts off by {heart/parametric/mae}, look-up by {heart/nearest_neighbour/mae}",
        74,
    ),
    "10_twelve_lead_data": Entry(
        "Which records may be used, and what do their labels mean?",
        "simulated, PTB-XL",
        "macro AUROC of a plain classifier, five classes: {by_patient/plain/auroc/macro}",
        40,
    ),
    "11_twelve_leads_from_three": Entry(
        "Can hidden leads be drawn, and is the drawing good for a diagnosis?",
        "simulated, PTB-XL",
        "correlation with hidden leads from I, II, V3: {test/multi/r/I+II+V3}, FIR ridge {test/fir_ridge/r/I+II+V3}",
        80,
    ),
    "12_potassium": Entry(
        "What does ten seconds of ECG say about potassium, and what is a positive answer worth?",
        "simulated, morphed PTB-XL",
        "AUROC of high potassium {test/ours/auc_high}, ridge {test/ridge/auc_high}; no clinical evidence",
        69,
    ),
    "13_mepp_detection": Entry(
        "When does it take a network to find half a millivolt in noise?",
        "simulated, two published recordings",
        "F1 at SNR 3: network {hard/network/f1/snr_3}, learnt filter {hard/learned_filter/f1/snr_3},"
        " matched filter {hard/matched_filter/f1/snr_3}",
        66,
    ),
}


def metrics(template):
    """Names of the metrics in an entry's `number`."""
    return re.findall(r"{(.+?)}", template)


def headline(name, template):
    """The numbers of `template` from the committed run that says most: real before simulated, full before fast."""
    wanted = metrics(template)
    files = [p for p in pages.RESULTS.glob(f"{name}.*.json") if not p.name.endswith(".run.json")]
    for path in sorted(files, key=lambda p: (".simulated." in p.name, p.name.endswith(".fast.json"), p.name)):
        content = json.loads(path.read_text())
        shown = {m["name"]: format_number(m["value"], None, m["unit"]) for m in content["metrics"]}
        if set(wanted) <= set(shown):
            text = template
            for metric in wanted:
                text = text.replace(f"{{{metric}}}", shown[metric])
            run = path.with_suffix(".run.json")
            size = f", {json.loads(run.read_text())['seconds'] / 60:.0f}-minute run" if run.is_file() else ""
            return f"{text} ({pages.SOURCES[content['source']]}{size})"
    raise SystemExit(f"{name}: no file of {pages.RESULTS} holds all of {', '.join(wanted)}; choose others in ENTRIES")


def table():
    """The table, one row a chapter, as lines of Markdown."""
    branch = yaml.safe_load((chapters.ROOT / "_config.yml").read_text())["repository"]["branch"]
    slug = repository.current().removeprefix("https://github.com/")
    lines = ["| Chapter | Question | Data | A number, and the data it is of | Minutes | |", "|---|---|---|---|--:|---|"]
    for chapter in chapters.find():
        if chapter.name not in ENTRIES:
            raise SystemExit(f"{chapter.name} has no entry in pipeline/readme.py: add its question and its number")
        entry = ENTRIES[chapter.name]
        title = chapter.title if chapter.name.startswith("00") else f"{chapter.name[:2]} {chapter.title}"
        colab = f"https://colab.research.google.com/github/{slug}/blob/{branch}/notebooks/{chapter.name}.ipynb"
        cells = [f"[{title}](notebooks/{chapter.name}.ipynb)", entry.question, entry.data]
        cells += [headline(chapter.name, entry.number), f"{entry.seconds / 60:.1f}", f"[![Colab]({BADGE})]({colab})"]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def write():
    """Put the table between the two comments of README.md."""
    path = chapters.ROOT / "README.md"
    before, _, rest = path.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        raise SystemExit(f"README.md: the table of chapters belongs between {BEGIN!r} and {END!r}; put them back")
    path.write_text("\n".join([before + BEGIN, "", *table(), "", end + after]))


if __name__ == "__main__":
    write()
