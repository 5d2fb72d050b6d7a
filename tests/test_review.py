"""The review page: whole in one file, escaped, small, and its table comes back."""

import base64
import html
import json
import re
import shutil
import subprocess

import numpy as np
import pandas as pd
import pytest

from cardio_utils import events, review
from cardio_utils.simulate import mepp

FS = mepp.FS
DATA = mepp.simulate("normal", 1, 20.0, rate=2.0)
X = DATA.vm.values[0]
TABLE = events.event_table(X, FS, DATA.peak.values, scores=np.linspace(0.5, 1, DATA.sizes["event"]))


def data_of(page):
    return json.loads(re.search(r'<script id="data"[^>]*>(.*?)</script>', page, re.DOTALL)[1])


def numbers(text):
    return np.frombuffer(base64.b64decode(text), "<i2").astype(float)


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    path = tmp_path_factory.mktemp("review") / "cell.html"
    notes = ["the unit is mV, since the file does not say it", "<b>&"]
    return review.write(path, X, FS, TABLE, title="cell <1> & co", notes=notes)


def test_the_page_is_whole_escaped_and_asks_no_network(page):
    text = page.read_text()
    assert "cell &lt;1&gt; &amp; co" in text and "<li>&lt;b&gt;&amp;</li>" in text and "cell <1>" not in text
    assert not re.search(r"(src|href)\s*=|https?:|url\(|@import|fetch\(|XMLHttp", text.replace("link.href =", ""))
    assert "@TITLE@" not in text and "@DATA@" not in text


def test_words_of_the_table_cannot_leave_the_data(tmp_path):
    table = TABLE.assign(kind="</script><script>alert(1)</script>")
    text = review.write(tmp_path / "a.html", X, FS, table).read_text()
    assert text.count("<script") == 2 and data_of(text)["rows"][0][-1] == "</script><script>alert(1)</script>"


def test_the_data_are_the_table_and_the_trace(page):
    data = data_of(page.read_text())
    assert [name for name, _ in data["columns"]] == TABLE.columns.tolist()
    assert len(data["rows"]) == len(TABLE) and data["duration"] == 20.0
    assert data["rows"][0][TABLE.columns.get_loc("interval")] is None
    assert data["rows"][3][TABLE.columns.get_loc("peak")] == TABLE.peak.iloc[3]
    overview = data["overview"]
    values = overview["low"] + (numbers(overview["values"]) + 32767) / 65534 * (overview["high"] - overview["low"])
    assert values.max() == pytest.approx(X.max()) and values.min() == pytest.approx(X.min())
    snippets = data["snippets"]
    rows = numbers(snippets["values"]).reshape(len(TABLE), snippets["size"])
    k = 5
    found = snippets["low"][k] + (rows[k] + 32767) * snippets["scale"][k]
    first = round(snippets["start"][k] * FS)
    np.testing.assert_allclose(found, X[first : first + snippets["size"]], atol=0.003)


def test_ten_minutes_with_many_events_stay_below_3_mb(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.standard_normal(6_000_000).astype(np.float32)
    peaks = np.sort(rng.uniform(0, 600, 3600))
    table = pd.DataFrame(rng.standard_normal((3600, 15)), columns=[c for c in events.COLUMNS if c != "peak"])
    size = review.write(tmp_path / "a.html", x, FS, table.assign(peak=peaks)).stat().st_size
    assert 1e6 < size < 3e6


@pytest.mark.parametrize(
    ("x", "table", "reason"),
    [
        (np.array([0, np.nan, 1]), TABLE, "one finite trace"),
        (X, TABLE.drop(columns="peak"), "needs a column 'peak'; it has onset, amplitude"),
        (X[:100], TABLE, "outside of the trace, which ends at 0.01 s"),
    ],
)
def test_what_cannot_be_shown(tmp_path, x, table, reason):
    with pytest.raises(ValueError, match=reason):
        review.write(tmp_path / "a.html", x, FS, table)
    assert not list(tmp_path.iterdir())


def test_a_page_without_events(tmp_path):
    assert data_of(review.write(tmp_path / "a.html", X, FS, TABLE.iloc[:0]).read_text())["rows"] == []


def corrected(path, decisions, **how):
    TABLE.assign(keep=decisions, overlap=TABLE.overlap.astype(str).str.lower()).to_csv(path, index=False, **how)
    return path


def test_the_corrected_table_comes_back(tmp_path):
    decisions = ["reject", "keep", ""] + [""] * (len(TABLE) - 3)
    for how in ({}, {"sep": ";", "decimal": ","}):
        table = review.read_corrected(corrected(tmp_path / "a.csv", decisions, **how))
        pd.testing.assert_frame_equal(table[TABLE.columns], TABLE, check_exact=False, check_dtype=False)
        assert table.keep.tolist() == [False] + [True] * (len(TABLE) - 1)
        assert table.reviewed.sum() == 2 and table.overlap.dtype == bool


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("peak,keep\n1,maybe\n", "line 2: the column keep holds 'maybe'"),
        ("peak,amplitude\n1,2\n", "lacks the column keep"),
        ("", "is no table"),
    ],
)
def test_tables_that_are_not_corrected_ones(tmp_path, text, reason):
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(ValueError, match=rf"a\.csv.*{reason}"):
        review.read_corrected(tmp_path / "a.csv")
    with pytest.raises(ValueError, match="is no file"):
        review.read_corrected(tmp_path / "b.csv")


@pytest.mark.skipif(shutil.which("chromium") is None, reason="chromium is not installed")
def test_in_a_browser_keys_decide_and_the_table_comes_back(page, tmp_path):
    pressed = "".join(
        f'dispatchEvent(new KeyboardEvent("keydown",{{key:"{k}"}}));' for k in ["r", "k", "ArrowRight", "R", "u", "t"]
    )
    acted = page.read_text().replace("</body>", f"<script>{pressed}</script></body>")
    (tmp_path / "acted.html").write_text(acted)
    command = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}"]
    command += ["--dump-dom", (tmp_path / "acted.html").as_uri()]
    shown = subprocess.run(command, capture_output=True, text=True, timeout=120).stdout
    assert f"Event 4 of {len(TABLE)}: undecided." in shown
    assert f"{len(TABLE) - 1} of {len(TABLE)} events are kept" in shown
    text = html.unescape(re.search(r"<textarea[^>]*>(.*?)</textarea>", shown, re.DOTALL)[1])
    (tmp_path / "saved.csv").write_text(text)
    table = review.read_corrected(tmp_path / "saved.csv")
    pd.testing.assert_frame_equal(table[TABLE.columns], TABLE, check_dtype=False)
    assert table.keep.tolist() == [False] + [True] * (len(TABLE) - 1) and table.reviewed.sum() == 2
