"""The report and the mixing board in a real browser."""

import os
import re
import shutil
from dataclasses import replace

import pytest
import torch
from analyses import CUTMIX, MIXUP, NONE, analysis
from PIL import Image

from vicinal.cli import run
from vicinal.data.samples import Samples, Split
from vicinal.methods import METHODS
from vicinal.study.analysis import Analysis
from vicinal.study.answer import answer
from vicinal.study.board import board_images
from vicinal.study.calibration import Reliability
from vicinal.study.page import BOARD_METHODS, render
from vicinal.study.report import write_report

HOSTILE = '<script>document.title="taken"</script>'
LONG = "a very long name of a class " * 12


@pytest.fixture(scope="module")
def browser():
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None and not os.environ.get("CI"):
        pytest.skip("there is no Chromium to open the pages in")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def opened(browser, tmp_path):
    """Opens a page, and checks that it has no errors and loads nothing."""
    pages, errors, loaded = [], [], []

    def open_page(text, **options):
        file = tmp_path / "page.html"
        file.write_text(text)
        page = browser.new_page(**options)
        page.on("console", lambda m: m.type == "error" and errors.append(m.text))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("request", lambda request: loaded.append(request.url))
        page.goto(file.as_uri())
        pages.append(page)
        return page

    yield open_page
    for page in pages:
        page.close()
    assert errors == []
    assert [url for url in loaded if not url.startswith(("file:", "data:"))] == []


def images(*names):
    """An image of one grey for each class: 0, 100, 200, …"""
    pixels = torch.stack([torch.full((3, 20, 20), 100 * i % 256) for i in range(len(names))])
    samples = Samples(pixels.to(torch.uint8), list(range(len(names))))
    return board_images(Split(samples, samples, list(names)))


def test_the_board_offers_the_methods_that_train_knows_and_it_can_draw():
    assert list(BOARD_METHODS) == ["mixup", "cutmix"]
    assert set(BOARD_METHODS) <= set(METHODS)
    page = render("show.html.j2", title="Mixing")
    assert re.findall(r'<option value="(.*)">', page) == list(BOARD_METHODS)


def board(*names, **shown):
    return render("show.html.j2", title="Mixing", images=images(*names), **shown)


def pixel(page, x, y):
    """The grey of a pixel of the mixed image."""
    script = (
        "([x, y]) => document.getElementById('mixed').getContext('2d').getImageData(x, y, 1, 1)"
    )
    return page.evaluate(script + ".data[0]", [x, y])


def bars(page):
    return page.locator("#bars li").all_inner_texts()


def histogram(page):
    """The heights of its bars."""
    script = "all => all.map(e => +e.getAttribute('height'))"
    return page.locator("#histogram rect").evaluate_all(script)


def move(page, control, value):
    """Set a slider as a user does."""
    script = "(e, value) => { e.value = value; e.dispatchEvent(new Event('input')); }"
    page.locator(control).evaluate(script, str(value))


class TestBoard:
    def test_it_starts_with_the_options(self, opened):
        page = opened(board("cat", "dog", method="cutmix", alpha=0.4))
        assert page.locator("#method").input_value() == "cutmix"
        assert page.locator("#alpha-text").inner_text() == "0.40"
        assert not page.locator("#folded").is_checked()
        usual = opened(board("cat", "dog"))
        assert usual.locator("#method").input_value() == "mixup"
        assert usual.locator("#alpha-text").inner_text() == "0.40"
        assert usual.locator("#folded").is_checked()
        assert opened(board("cat", "dog", alpha=8)).locator("#alpha-text").inner_text() == "8.0"

    def test_the_weight_mixes_images_and_targets(self, opened):
        page = opened(board("cat", "dog"))
        page.wait_for_function("document.getElementById('mixed').width == 20")
        assert pixel(page, 5, 5) == pytest.approx(30, abs=1)
        assert bars(page) == ["cat\n70 %", "dog\n30 %"]
        for weight in (0, 0.25, 1):
            move(page, "#weight", weight)
            assert pixel(page, 5, 5) == pytest.approx(100 * (1 - weight), abs=1)
            own = f"{100 * weight:.0f} %"
            assert bars(page) == [f"cat\n{own}", f"dog\n{100 * (1 - weight):.0f} %"]
            assert page.locator("#weight-text").inner_text() == f"{weight:.2f}"

    def test_a_box_has_its_share_and_is_dragged(self, opened):
        page = opened(board("cat", "dog"))
        page.select_option("#method", "cutmix")
        move(page, "#weight", 0.75)
        assert bars(page) == ["cat\n75 %", "dog\n25 %"]  # 10 x 10 of 20 x 20 pixels
        assert (pixel(page, 10, 10), pixel(page, 1, 1)) == (100, 0)
        frame = page.locator("#mixed").bounding_box()
        page.mouse.move(frame["x"] + frame["width"] / 2, frame["y"] + frame["height"] / 2)
        page.mouse.down()
        page.mouse.move(frame["x"] + 1, frame["y"] + 1, steps=4)
        page.mouse.up()
        assert (pixel(page, 1, 1), pixel(page, 12, 12)) == (100, 0)
        assert bars(page) == ["cat\n75 %", "dog\n25 %"]
        page.mouse.move(frame["x"] + frame["width"] - 2, frame["y"] + frame["height"] - 2)
        assert pixel(page, 1, 1) == 100  # the button was released

    def test_the_box_is_moved_by_keys(self, opened):
        page = opened(board("cat", "dog"))
        page.select_option("#method", "cutmix")
        move(page, "#weight", 0.75)
        page.locator("#mixed").focus()
        for _ in range(10):
            page.keyboard.press("ArrowRight")
        assert (pixel(page, 19, 10), pixel(page, 5, 10)) == (100, 0)

    @pytest.mark.parametrize("weight", [0, 0.3, 1])
    def test_a_box_of_any_size_mixes_by_its_area(self, opened, weight):
        page = opened(board("cat", "dog"))
        page.select_option("#method", "cutmix")
        move(page, "#weight", weight)
        script = """() => {
            const { data } = document.getElementById('mixed').getContext('2d')
              .getImageData(0, 0, 20, 20);
            let pasted = 0;
            for (let i = 0; i < data.length; i += 4) pasted += data[i] === 100;
            return pasted / 400;
        }"""
        share = page.evaluate(script)
        assert share == pytest.approx(1 - weight, abs=0.05)
        assert bars(page)[1] == f"dog\n{100 * share:.0f} %"

    def test_alpha_changes_the_draws(self, opened):
        page = opened(board("cat", "dog"))
        summary = page.locator("#histogram-text")

        def outer():
            return int(summary.inner_text().partition(": in ")[2].partition(" %")[0])

        move(page, "#alpha", -1)
        weak = outer()
        move(page, "#alpha", 1)
        strong = outer()
        assert page.locator("#alpha-text").inner_text() == "10"
        # Beta(0.1, 0.1) leaves 81 % of its mass beyond nine tenths, Beta(10, 10) nothing.
        assert weak > 65
        assert strong == 0
        heights = page.locator("#histogram rect").evaluate_all(
            "all => all.map(e => +e.getAttribute('height'))"
        )
        assert len(heights) == 25
        assert max(heights) == 100
        assert all(height == 0 for height in heights[:12])  # folded
        page.uncheck("#folded")
        heights = page.locator("#histogram rect").evaluate_all(
            "all => all.map(e => +e.getAttribute('height'))"
        )
        assert any(heights[:12])

    def test_a_draw_moves_the_weight(self, opened):
        page = opened(board("cat", "dog"))
        seen = set()
        for _ in range(8):
            page.click("#draw")
            seen.add(float(page.locator("#weight").input_value()))
        assert len(seen) > 3
        assert all(0.5 <= weight <= 1 for weight in seen)

    def test_other_images_are_chosen(self, opened):
        page = opened(board("cat", "dog", "owl"))
        page.select_option("#partner", label="owl")
        page.wait_for_function(
            "document.getElementById('partner-picture').getAttribute('aria-label') == 'owl'"
        )
        assert pixel(page, 5, 5) == pytest.approx(60, abs=1)
        page.select_option("#own", label="owl")
        page.wait_for_function("document.querySelectorAll('#bars li').length == 1")
        assert bars(page) == ["owl\n100 %"]

    def test_names_are_text(self, opened):
        page = opened(board(HOSTILE, LONG))
        page.wait_for_function("document.getElementById('mixed').width == 20")
        assert page.title() == "Mixing"
        assert bars(page)[0].startswith(HOSTILE)
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")

    def test_a_thousand_classes(self, opened):
        page = opened(board(*(f"class {i}" for i in range(1000))))
        page.wait_for_function("document.getElementById('mixed').width == 20")
        assert page.locator("#own option").count() == 12

    def test_images_of_different_sizes_are_resized_to_one(self, opened):
        pixels = [torch.full((3, side, side), 100 * i) for i, side in enumerate((20, 10))]
        files = [Image.fromarray(p.to(torch.uint8).permute(1, 2, 0).numpy()) for p in pixels]
        samples = Samples(files, [0, 1])
        found = board_images(Split(samples, samples, ["cat", "dog"]))
        page = opened(render("show.html.j2", title="Mixing", images=found))
        page.wait_for_function("document.getElementById('mixed').width == 20")
        move(page, "#weight", 0.5)
        assert [pixel(page, x, x) for x in (1, 10, 18)] == pytest.approx([50] * 3, abs=1)

    def test_images_of_one_class_are_mixed_with_each_other(self, opened):
        page = opened(render("show.html.j2", title="Mixing", images=2 * images("cat", "dog")[:1]))
        page.wait_for_function("document.querySelectorAll('#bars li').length == 1")
        assert bars(page) == ["cat\n100 %"]

    def test_photos_are_squares_of_the_same_size(self, opened, tmp_path):
        for name, size in (("cat", (300, 200)), ("dog", (120, 500))):
            (tmp_path / "photos" / name).mkdir(parents=True)
            for i in range(3):
                Image.new("RGB", size, (40 * i, 80, 120)).save(
                    tmp_path / "photos" / name / f"{i}.jpg"
                )
        out = tmp_path / "board.html"
        assert run(["show", str(tmp_path / "photos"), "--out", str(out)]) == 0
        page = opened(out.read_text())
        page.wait_for_function("document.getElementById('mixed').width > 20")
        sizes = page.locator("canvas").evaluate_all("all => all.map(e => [e.width, e.height])")
        assert all(width == height for width, height in sizes)


def reports(tmp_path, arms=(NONE, MIXUP, CUTMIX), **options):
    found = analysis({arm: [0.7 + 0.1 * i, 0.71 + 0.1 * i] for i, arm in enumerate(arms)})
    for result in found.results:
        probabilities = torch.rand(100, 2).softmax(1)
        reliability = Reliability.of(probabilities, torch.zeros(100, dtype=torch.int64))
        result.reliability.extend([reliability, reliability])
    write_report(tmp_path / "report.html", found, answer(found), **options)
    return (tmp_path / "report.html").read_text()


def test_the_measures_of_a_report_are_collected_once(tmp_path, monkeypatch):
    """However often the answer, the tables and the figures ask for them."""
    calls = []
    collect = vars(Analysis)["measures"]
    collecting = collect.func
    monkeypatch.setattr(collect, "func", lambda self: calls.append(1) or collecting(self))
    reports(tmp_path)
    assert len(calls) == 1


class TestReport:
    def test_it_has_the_answer_and_the_numbers(self, opened, tmp_path):
        page = opened(reports(tmp_path, images=images("cat", "dog"), command="vicinal compare x"))
        assert page.locator("h1").inner_text() == "Does mixing help?"
        headline = page.locator(".headline").inner_text()
        assert headline.startswith("cutmix α = 1 beats training without mixing by 20.0 points")
        assert page.locator("ul").first.locator("li").count() == 4
        row = page.locator("table").first.locator("tbody tr").first.inner_text()
        assert row.split("\t")[0] == "accuracy"
        assert "+20.0" in row
        assert "better" in row
        page.wait_for_function("document.getElementById('mixed').width == 20")
        assert page.locator("svg").count() == 5  # curves, three diagrams, the histogram

    def test_several_lengths_show_where_they_cross(self, opened, tmp_path):
        arms = [replace(arm, epochs=n) for n in (5, 20) for arm in (NONE, MIXUP)]
        page = opened(reports(tmp_path, arms))
        assert page.locator("figure").count() == 2 + 4
        assert "mixup α = 0.4 at 20 epochs" in page.locator("table").first.inner_text()

    def test_ids_are_unique(self, opened, tmp_path):
        page = opened(reports(tmp_path, images=images("cat", "dog")))
        ids = page.locator("[id]").evaluate_all("all => all.map(e => e.id)")
        assert len(ids) == len(set(ids)) > 20

    def test_it_is_readable_on_a_phone_and_in_the_dark(self, opened, tmp_path):
        text = reports(tmp_path, images=images(LONG, HOSTILE), title=f"Does it help on {HOSTILE}?")
        for scheme, paper in (("light", "rgb(255, 255, 255)"), ("dark", "rgb(20, 24, 28)")):
            options = {"viewport": {"width": 360, "height": 700}, "color_scheme": scheme}
            page = opened(text, **options)
            assert page.evaluate("getComputedStyle(document.body).backgroundColor") == paper
            assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
            assert HOSTILE in page.title()

    def test_it_is_printed_without_its_controls(self, opened, tmp_path):
        page = opened(reports(tmp_path, images=images("cat", "dog")))
        page.emulate_media(media="print")
        assert page.locator("#mixed").is_visible()
        assert not page.locator("#weight").is_visible()
        assert page.pdf().startswith(b"%PDF")

    def test_a_screen_reader_reads_all_of_it(self, opened, tmp_path):
        """Every control and picture has a name, every table its headers."""
        page = opened(reports(tmp_path, images=images("cat", "dog")))
        page.wait_for_function("document.getElementById('mixed').width == 20")
        named = "input, select, button, canvas, figure[role]"
        nameless = """named => [...document.querySelectorAll(named)]
            .filter(e => !(e.ariaLabel || e.labels?.length || e.textContent.trim()))
            .map(e => e.outerHTML)"""
        assert page.evaluate(nameless, named) == []
        assert page.locator("table:not(:has(th[scope]))").count() == 0
        assert page.locator("html[lang=en]").count() == 1
