"""The built book in a browser without a network: every page, light and dark, on a desk and on a telephone."""

import functools
import http.server
import os
import re
import shutil
import threading
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
HTML = ROOT / "_build" / "html"
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
if CHROMIUM is None:
    pytest.skip("no Chromium on this machine: the pages are not looked at", allow_module_level=True)
if not (HTML / "index.html").is_file():
    pytest.skip("the book is not built: make book", allow_module_level=True)
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed: no page is looked at")
playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: no page is looked at")

CHAPTERS = sorted((ROOT / "notebooks").glob("[0-9]*.py"))
SHORT = [f"{path.stem.split('_')[0]}.html" for path in CHAPTERS]
BARE = ["index.html", "404.html", *SHORT]  # they lead elsewhere, or are read below the address of the book
PAGES = [p for p in sorted(HTML.rglob("*.html")) if "_static" not in p.parts and str(p.relative_to(HTML)) not in BARE]
PATIENCE = 120_000  # ms, for a busy machine
MADE = ("genindex.html", "search.html")  # by Sphinx, without a text to describe
# Of all pieces of text that look alike, axe is shown the first: a page of code has thousands in a dozen styles.
MARK_STYLES = """() => {
  document.querySelectorAll("[data-style]").forEach(e => e.removeAttribute("data-style"));
  const seen = new Set(), grounds = new Map([[null, ""]]);
  const ground = e => {  // what the element lies on
    if (!grounds.has(e)) grounds.set(e, ground(e.parentElement) + e.tagName + getComputedStyle(e).backgroundColor);
    return grounds.get(e);
  };
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const element = texts.currentNode.parentElement, style = getComputedStyle(element);
    const key = [style.color, style.fontSize, style.fontWeight, ground(element)].join();
    if (seen.has(key) || !texts.currentNode.data.trim() || !element.checkVisibility()) continue;
    seen.add(key);
    element.setAttribute("data-style", "");
  }
}"""
RULES = ["image-alt", "svg-img-alt", "role-img-alt", "object-alt", "link-name", "button-name", "frame-title", "label"]


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as driver:
        root = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=root)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def reader(browser):
    """Somebody who has the folder and no network."""
    context = browser.new_context(viewport={"width": 1300, "height": 900}, offline=True)
    context.set_default_timeout(PATIENCE)
    yield context
    context.close()


@pytest.fixture(scope="module", params=PAGES, ids=lambda path: str(path.relative_to(HTML)))
def seen(request, reader):
    """All that the tests ask of one page, from one visit to it."""
    page, facts = reader.new_page(), {"path": request.param, "errors": [], "requests": []}
    page.on("console", lambda message: message.type == "error" and facts["errors"].append(message.text))
    page.on("pageerror", lambda error: facts["errors"].append(str(error)))
    page.on("request", lambda sent: facts["requests"].append(sent.url))
    page.goto(request.param.as_uri())
    page.add_style_tag(content="* { transition: none !important }")
    facts["links"] = page.eval_on_selector_all("a[href]", "all => all.map(a => a.href)")
    facts["images"] = page.eval_on_selector_all("img", "all => all.map(i => [i.src, i.alt, i.naturalWidth])")
    facts["head"] = page.eval_on_selector_all(
        "meta[name], meta[property], link[rel=icon]",
        "all => Object.fromEntries(all.map(m => [m.rel || m.name || m.getAttribute('property'), m.content || m.href]))",
    )
    page.evaluate(axe.Axe().axe_script)
    page.evaluate("axe.configure({rules: [{id: 'color-contrast', selector: '[data-style]'}]})")
    facts["violations"] = violations(page, "light", [*RULES, "color-contrast"])
    facts["violations"] |= violations(page, "dark", ["color-contrast"])
    page.set_viewport_size({"width": 380, "height": 800})
    facts["width"] = page.evaluate("document.documentElement.scrollWidth")
    page.close()
    return facts


def violations(page, theme, rules):
    """What axe finds, by rule, theme and place."""
    page.evaluate("theme => { document.documentElement.dataset.theme = theme }", theme)
    page.evaluate(MARK_STYLES)
    wanted = {"runOnly": rules, "resultTypes": ["violations"]}
    found = page.evaluate("wanted => axe.run(wanted)", wanted)["violations"]
    return {f"{rule['id']}, {theme}: {n['html'][:200]}": n["failureSummary"] for rule in found for n in rule["nodes"]}


@functools.cache
def anchors(path):
    return set(re.findall(r'\bid="([^"]+)"', path.read_text()))


def test_a_page_has_no_error(seen):
    assert not seen["errors"]


def test_a_page_asks_nothing_of_another_machine(seen):
    assert not [url for url in seen["requests"] if not url.startswith(("file:", "data:", "blob:"))]


def test_links_inside_the_book_lead_somewhere(seen):
    broken = []
    for url in seen["links"]:
        parts = urlsplit(url)
        target = Path(unquote(parts.path))
        if parts.scheme == "file" and not (
            target.is_file()
            and (not parts.fragment or target.suffix != ".html" or unquote(parts.fragment) in anchors(target))
        ):
            broken.append(url)
    assert not broken


def test_images_are_there_and_have_alternative_text(seen):
    assert not [src for src, alt, width in seen["images"] if not width or not alt.strip()]


def test_text_has_contrast_and_all_has_names(seen):
    assert not seen["violations"]


def test_a_telephone_shows_the_page_without_sideways_scrolling(seen):
    assert seen["width"] <= 380


def test_a_page_with_its_pictures_is_under_3_mb(seen):
    """Scripts and styles, which all pages share, are not counted."""
    pictures = {Path(unquote(urlsplit(src).path)) for src, *_ in seen["images"] if src.startswith("file:")}
    assert sum(path.stat().st_size for path in [seen["path"], *pictures]) < 3e6


def test_a_page_tells_others_what_it_is(seen):
    assert Path(unquote(urlsplit(seen["head"]["icon"]).path)).is_file()
    if seen["path"].name in MADE:
        return
    description = seen["head"]["description"]
    assert len(description) > 20 and not description.startswith("Open in Colab")
    assert seen["head"]["og:image"].startswith("https://") and seen["head"]["og:title"]
    assert (HTML / "_static" / seen["head"]["og:image"].rsplit("/", 1)[1]).is_file()


def test_the_heart_turns(reader):
    page = reader.new_page()
    page.goto((HTML / "notebooks" / "09_transmembrane_potential.html").as_uri())
    heart = page.locator(".js-plotly-plot").first
    heart.scroll_into_view_if_needed()
    eye = "() => document.querySelector('.js-plotly-plot')._fullLayout?.scene?._scene?.getCamera().eye"
    page.wait_for_function(eye)
    before, box = page.evaluate(eye), heart.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 120, y + 40, steps=5)
    page.mouse.up()
    after = page.evaluate(eye)
    page.close()
    assert max(abs(after[axis] - before[axis]) for axis in "xyz") > 0.1


@pytest.fixture(scope="module")
def site():
    """The address of the book as a host of static pages serves it: below its name, its own page for what is missing."""
    name = yaml.safe_load((ROOT / "_config.yml").read_text())["repository"]["url"].rsplit("/", 1)[1]

    class Handler(http.server.SimpleHTTPRequestHandler):
        def translate_path(self, path):
            return super().translate_path(path.removeprefix(f"/{name}") if path.startswith(f"/{name}/") else "/nothing")

        def send_error(self, code, message=None, explain=None):
            self.send_response(code)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write((HTML / "404.html").read_bytes())

        def log_message(self, *words):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=HTML))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/{name}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def visitor(browser):
    """A page of somebody who reads the book on a server; `failed` collects what the server did not have."""
    context = browser.new_context()
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    page.failed = []
    page.on("response", lambda answer: answer.status >= 400 and page.failed.append(answer.url))
    yield page
    context.close()


@pytest.mark.parametrize("offline", [True, False], ids=["file", "server"])
def test_search_finds_a_term(visitor, site, offline):
    visitor.goto(f"{HTML.as_uri() if offline else site}/search.html?q=nanoelectrode")
    found = visitor.locator("#search-results li a")
    found.first.wait_for()
    assert any("01_nea_against_patch" in link for link in found.evaluate_all("all => all.map(a => a.href)"))
    assert not visitor.failed


def test_a_missing_page_says_so_and_leads_back(visitor, site):
    missing = f"{site}/somewhere/deep/nothing.html"
    visitor.goto(missing)
    assert visitor.failed == [missing]
    assert visitor.locator("article h1").inner_text().startswith("Page not found")
    start = visitor.locator("a.navbar-brand").first.evaluate("a => a.href")
    visitor.goto(start)
    assert visitor.failed == [missing] and visitor.url == f"{site}/book/index.html"


@pytest.mark.parametrize(
    "short, long", [("index.html", "book/index"), *zip(SHORT, [f"notebooks/{p.stem}" for p in CHAPTERS], strict=True)]
)
def test_short_addresses_lead_to_their_pages(visitor, short, long):
    visitor.goto((HTML / short).as_uri())
    visitor.wait_for_url(f"**/{long}.html")
