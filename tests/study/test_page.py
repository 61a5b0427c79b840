"""The report and the mixing board in a real browser."""

import io
import os
import re
import shutil
from dataclasses import replace
from importlib.resources import files

import pypdfium2 as pdfium
import pytest
import torch
from analyses import CUTMIX, MIXUP, NONE, analysis
from PIL import Image

from vicinal.cli import run
from vicinal.data.samples import Samples, Split
from vicinal.methods import METHODS
from vicinal.plots.layout import COLOURS, GREY
from vicinal.study.analysis import Analysis
from vicinal.study.answer import answer
from vicinal.study.arms import Arm
from vicinal.study.board import board_images
from vicinal.study.calibration import Reliability
from vicinal.study.measure import Measure
from vicinal.study.page import BOARD_METHODS, render
from vicinal.study.report import write_report

STYLE = (files("vicinal.study.page") / "style.css").read_text(encoding="utf-8")
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

    @pytest.mark.parametrize("side", [20, 8])  # of 8 pixels, a twentieth is less than one
    def test_keys_move_the_box_from_where_it_was_dragged(self, opened, side):
        pixels = torch.stack([torch.full((3, side, side), 100 * i) for i in range(2)])
        samples = Samples(pixels.to(torch.uint8), [0, 1])
        found = board_images(Split(samples, samples, ["cat", "dog"]))
        page = opened(render("show.html.j2", title="Mixing", images=found, method="cutmix"))
        page.wait_for_function(f"document.getElementById('mixed').width == {side}")
        move(page, "#weight", 0.75)
        frame = page.locator("#mixed").bounding_box()
        page.mouse.move(frame["x"] + frame["width"] / 2, frame["y"] + frame["height"] / 2)
        page.mouse.down()
        page.mouse.move(frame["x"] + 1, frame["y"] + 1, steps=2)  # the centre of the box stays off
        page.mouse.up()
        assert pixel(page, 0, 0) == 100
        page.keyboard.press("ArrowRight")
        assert pixel(page, 0, 0) == 0
        assert pixel(page, side // 2, 0) == 100
        move(page, "#weight", 0.19)  # a larger box reaches the border from there
        corner = side - 1
        assert pixel(page, corner, 1) == 0
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowRight")
        assert pixel(page, corner, 1) == 100

    def test_the_box_is_moved_by_keys(self, opened):
        page = opened(board("cat", "dog"))
        page.select_option("#method", "cutmix")
        move(page, "#weight", 0.75)
        page.locator("#mixed").focus()
        for _ in range(10):
            page.keyboard.press("ArrowRight")
        assert (pixel(page, 19, 10), pixel(page, 5, 10)) == (100, 0)

    @pytest.mark.parametrize(
        "weight",
        [pytest.param(0, marks=pytest.mark.slow), 0.3, pytest.param(1, marks=pytest.mark.slow)],
    )
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

    @pytest.mark.slow
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

    def test_nine_tenths_are_counted(self, opened):
        """Of a uniform weight, 20 % of the draws are beyond; 16 % are beyond 0.92.

        Of 10,000 draws, the share is off by more than 2 points with a probability below 1e-6.
        """
        page = opened(board("cat", "dog", method="cutmix"))
        shares = []
        for _ in range(20):
            move(page, "#alpha", 0)
            text = page.locator("#histogram-text").inner_text()
            shares.append(int(text.partition(": in ")[2].partition(" %")[0]))
        assert sum(shares) / len(shares) == pytest.approx(20, abs=2)

    def test_a_screen_reader_says_alpha_itself(self, opened):
        page = opened(board("cat", "dog", alpha=0.4))
        for logarithm, alpha in ((None, "0.40"), (1, "10"), (-1, "0.10")):
            if logarithm is not None:
                move(page, "#alpha", logarithm)
            assert page.locator("#alpha").get_attribute("aria-valuetext") == alpha

    def test_what_keys_do_nothing_with_is_not_focused_by_them(self, opened):
        page = opened(board("cat", "dog"))
        page.wait_for_function("document.getElementById('mixed').width == 20")
        for method, focused, hint in (("mixup", -1, False), ("cutmix", 0, True)):
            page.select_option("#method", method)
            assert page.locator("#mixed").evaluate("e => e.tabIndex") == focused
            assert ("arrow keys" in page.locator("#mixed").get_attribute("aria-label")) == hint

    @pytest.mark.slow
    def test_a_draw_moves_the_weight(self, opened):
        page = opened(board("cat", "dog"))
        seen = set()
        for _ in range(8):
            page.click("#draw")
            seen.add(float(page.locator("#weight").input_value()))
        assert len(seen) > 3
        assert all(0.5 <= weight <= 1 for weight in seen)

    @pytest.mark.slow
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

    @pytest.mark.slow
    def test_images_of_one_class_are_mixed_with_each_other(self, opened):
        page = opened(render("show.html.j2", title="Mixing", images=2 * images("cat", "dog")[:1]))
        page.wait_for_function("document.querySelectorAll('#bars li').length == 1")
        assert bars(page) == ["cat\n100 %"]

    @pytest.mark.slow
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


def reports(tmp_path, arms=(NONE, MIXUP, CUTMIX), figures=True, **options):
    means = [0.7 + 0.1 * (i % 3) for i in range(len(arms))]
    found = analysis({arm: [mean, mean + 0.01] for arm, mean in zip(arms, means, strict=True)})
    for result in found.results if figures else ():
        probabilities = torch.rand(100, 2).softmax(1)
        reliability = Reliability.of(probabilities, torch.zeros(100, dtype=torch.int64))
        result.reliability.extend([reliability, reliability])
    write_report(tmp_path / "report.html", found, answer(found), **options)
    return (tmp_path / "report.html").read_text()


@pytest.fixture(scope="module")
def usual(tmp_path_factory):
    """A report of three arms, with a mixing board."""
    shown = {"images": images("cat", "dog"), "command": "vicinal compare x"}
    return reports(tmp_path_factory.mktemp("report"), **shown)


def test_the_measures_of_a_report_are_collected_once(tmp_path, monkeypatch):
    """However often the answer, the tables and the figures ask for them."""
    calls = []
    collect = vars(Analysis)["measures"]
    collecting = collect.func
    monkeypatch.setattr(collect, "func", lambda self: calls.append(1) or collecting(self))
    reports(tmp_path)
    assert len(calls) == 1


def test_tables_stand_below_the_headings_of_their_groups(tmp_path, monkeypatch):
    group = property(lambda measure: "shares" if measure.percent else "numbers")
    monkeypatch.setattr(Measure, "group", group, raising=False)
    text = reports(tmp_path, (NONE, MIXUP), figures=False)
    shown = re.findall(r"<h3>(.*?)</h3>|<caption title.*?>(.*?) <small>", text)
    headings = [(heading or "", title) for heading, title in shown]
    assert headings[:3] == [("Shares", ""), ("", "accuracy"), ("Numbers", "")]
    assert headings[-1] == ("Training", "")


def test_names_of_mixes_break_between_settings_and_methods_are_explained(tmp_path):
    arm = Arm("mixup:0.8+regmixup:10:eta=0.5", None, 5, is_text=True)
    text = reports(tmp_path, (NONE, arm), figures=False)
    assert "mixup:0.8+<wbr>regmixup:10:<wbr>eta=0.5</th>" in text
    assert "<em>regmixup</em>: adds the loss of the plain batch to that of mixup;" in text
    assert text.count("<em>mixup</em>") == 1


def test_the_union_of_labels_is_explained_where_it_was_compared(tmp_path):
    arm = Arm("mixup:labels=union", None, 5, is_text=True)
    said = "with <em>labels=union</em> a blend has all labels of both in full;"
    assert said in reports(tmp_path, (NONE, MIXUP, arm), figures=False)
    assert said not in reports(tmp_path, (NONE, MIXUP), figures=False)


class TestReport:
    def test_it_has_the_answer_and_the_numbers(self, opened, usual):
        page = opened(usual)
        assert page.locator("h1").inner_text() == "Does mixing help?"
        headline = page.locator(".headline").inner_text()
        assert headline.startswith("cutmix α = 1 beats training without mixing by 20.0 points")
        assert page.locator("ul").first.locator("li").count() == 4
        table = page.locator("table").first
        assert table.locator("caption").inner_text() == "accuracy (higher is better)"
        rows = table.locator("tbody tr").all_inner_texts()
        assert rows[0].split() == ["none", "70.5", "%"]
        assert rows[2].startswith("cutmix α = 1\t90.5 %\t+20.0 better")
        training = page.locator("table:has-text('seconds, median') tbody tr").first.inner_text()
        assert training.split() == ["none", "2", "10"]
        page.wait_for_function("document.getElementById('mixed').width == 20")
        assert page.locator("svg").count() == 5  # curves, three diagrams, the histogram

    @pytest.mark.slow
    def test_several_lengths_show_where_they_cross(self, opened, tmp_path):
        arms = [replace(arm, epochs=n) for n in (5, 20) for arm in (NONE, MIXUP)]
        page = opened(reports(tmp_path, arms))
        assert page.locator("figure").count() == 2 + 4
        assert "mixup α = 0.4 at 20 epochs" in page.locator("table").first.inner_text()

    def test_ids_are_unique(self, opened, usual):
        page = opened(usual)
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

    def test_it_is_printed_without_its_controls(self, opened, usual):
        page = opened(usual)
        page.emulate_media(media="print")
        assert page.locator("#mixed").is_visible()
        assert not page.locator("#weight").is_visible()
        assert page.pdf().startswith(b"%PDF")

    def test_a_screen_reader_reads_all_of_it(self, opened, usual):
        """Every control and picture has a name, every table its headers."""
        page = opened(usual)
        page.wait_for_function("document.getElementById('mixed').width == 20")
        named = "input, select, button, canvas, figure[role]"
        nameless = """named => [...document.querySelectorAll(named)]
            .filter(e => !(e.ariaLabel || e.labels?.length || e.textContent.trim()))
            .map(e => e.outerHTML)"""
        assert page.evaluate(nameless, named) == []
        assert page.locator("table:not(:has(th[scope]))").count() == 0
        assert page.locator("html[lang=en]").count() == 1


def colours():
    """The colours of the style sheet by their names: in light, in the dark, and on paper."""
    blocks = re.findall(r":root \{(.*?)\}", STYLE, re.DOTALL)
    found = [dict(re.findall(r"--([\w-]+): (#\w+)", block)) for block in blocks]
    assert len(found) == 3
    return [found[0] | own for own in found]


def luminance(colour):
    """The relative luminance of WCAG 2."""
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    shares = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    linear = [x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in shares]
    return sum(weight * x for weight, x in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one, other):
    dark, light = sorted(map(luminance, (one, other)))
    return (light + 0.05) / (dark + 0.05)


class TestContrast:
    def test_it_is_that_of_the_standard(self):
        assert contrast("#fff", "#000000") == pytest.approx(21)
        assert contrast("#ffffff", "#767676") == pytest.approx(4.54, abs=0.01)

    @pytest.mark.parametrize("shown", ["light", "dark", "paper"])
    def test_text_and_everything_else_can_be_seen(self, shown):
        """4.5 for text, and 3 for borders, controls and lines (WCAG 2.1, 1.4.3 and 1.4.11)."""
        named = colours()[["light", "dark", "paper"].index(shown)]
        needed = {"ink": 4.5, "soft": 4.5, "good": 4.5, "bad": 4.5, "rule": 3}
        needed |= {f"line-{number}": 3 for number in range(len(COLOURS))}
        assert set(named) == {*needed, "paper", "tint"}
        for name, ratio in needed.items():
            for behind in ("paper", "tint"):
                assert contrast(named[name], named[behind]) >= ratio, (name, behind)
        assert contrast(GREY, named["paper"]) >= 3  # the diagonal of the diagrams

    def test_there_are_no_other_colours(self):
        rules = re.sub(r":root \{.*?\}", "", STYLE, flags=re.DOTALL)
        assert re.findall(r"#[0-9a-fA-F]{3,8}\b(?=[^{]*\})|rgba?\(|\bopacity", rules) == []

    def test_a_slider_shows_its_track(self, opened):
        page = opened(board("cat", "dog"))
        move(page, "#weight", 1)
        box = page.locator("#weight").bounding_box()
        clip = {"x": box["x"] + 10, "y": box["y"] + box["height"] / 2, "width": 1, "height": 1}
        picture = Image.open(io.BytesIO(page.screenshot(clip=clip))).convert("RGB")
        assert "#{:02x}{:02x}{:02x}".format(*picture.getpixel((0, 0))) == colours()[0]["rule"]


class PrintedPage:
    """The text of a printed page, and where its contents lie, in points from its lower left."""

    def __init__(self, page):
        self.width, self.height = page.get_size()
        self.text = page.get_textpage().get_text_bounded()
        self.lines = [line.strip() for line in self.text.splitlines() if line.strip()]
        bounds = [thing.get_bounds() for thing in page.get_objects()]
        self.left, self.bottom = (min(each[i] for each in bounds) for i in (0, 1))
        self.right = max(each[2] for each in bounds)


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """A report of very many arms, whose names are long, too."""
    arms = [NONE, *(replace(MIXUP, alpha=0.01 * i) for i in range(1, 10)), CUTMIX]
    arms.append(replace(CUTMIX, mix="manifoldmixup+cutmix+gridmix"))
    shown = {"images": images("cat", LONG), "command": "vicinal compare " * 20}
    return reports(tmp_path_factory.mktemp("report"), arms, figures=False, **shown)


class TestManyArms:
    def test_they_fit_a_phone(self, opened, large):
        page = opened(large, viewport={"width": 320, "height": 700})
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")

    def test_nothing_is_cut_off_on_paper_and_no_heading_stands_alone(self, opened, large):
        page = opened(large)
        headings = page.locator("h1, h2, h3, caption").all_inner_texts()
        rows = page.locator(".measures tbody tr").count()
        pages = [PrintedPage(each) for each in pdfium.PdfDocument(page.pdf(format="A4"))]
        text = "\n".join(each.text for each in pages)
        assert len(re.findall(r"\([+-][\d.]+ to [+-][\d.]+\)", text)) == rows // 12 * 11 - 11
        for each in pages:
            assert each.left > 30
            assert each.right < each.width - 30
            below = [line for line in each.lines if line not in headings]
            assert each.lines[-1] == below[-1]
        for each in pages[:-1]:
            assert each.bottom < each.height / 2
