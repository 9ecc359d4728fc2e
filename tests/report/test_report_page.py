import re
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest
from report_sample import MODELS, image, marked, photograph, sample, unchecked

from groundtune.errors import UserError
from groundtune.records import Span
from groundtune.report import ReportInput, render, write_report
from groundtune.report.charts import panels
from groundtune.report.curves import Curve, CurvePoint, CurveSeries
from groundtune.report.examples import Example, ExampleAnswer, Examples
from groundtune.report.model import BenchmarkSpec, Headline, ModelSpec, Subject
from groundtune.report.tables import strip

VOID = {"meta", "img", "br", "col", "link", "hr", "input"}


class Outline(HTMLParser):
    """Checks that every tag is closed by its own, and collects what the tests ask for."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.ids: list[str] = []
        self.headings: list[str] = []
        self.marks: list[tuple[str, str]] = []
        self.tags: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        found = dict(attrs)
        if found.get("id"):
            self.ids.append(str(found["id"]))
        if tag == "mark":
            self.marks.append((str(found.get("class")), ""))
        if tag in ("h1", "h2"):
            self.headings.append("")
        self.links += [str(found[name]) for name in ("href", "src") if found.get(name)]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag, f"</{tag}> closes another tag, line {self.getpos()[0]}"

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "mark":
            self.marks[-1] = (self.marks[-1][0], self.marks[-1][1] + data)
        if self.open and self.open[-1] in ("h1", "h2"):
            self.headings[-1] += data


def outline(html: str) -> Outline:
    parser = Outline()
    parser.feed(html)
    parser.close()
    assert parser.open == []
    return parser


@pytest.fixture(scope="module")
def page() -> str:
    return render(sample())


def one_answer(answer: ExampleAnswer, **example: object) -> ReportInput:
    shown = {"images": (), "prompt": "What is there?", "answers": (answer,), **example}
    models = (ModelSpec(name="base", label="Base"),)
    return ReportInput(
        title="One", models=models, examples=Examples(shown=(Example.model_validate(shown),))
    )


def test_the_parts_are_in_the_order_of_the_design(page: str) -> None:
    found = outline(page)
    assert found.headings == [
        "Answers with an invented object fell from 32.3% to 10.2% with DDPO",
        "Side by side",
        "What it cost",
        "At equal length",
        "The same in charts",
        "How it got there",
        "Where it helps, and where it doesn\u2019t",
        "Counted, not judged",
        "What they say",
        "How it was measured",
        "What this does not show",
    ]
    assert len(found.ids) == len(set(found.ids))
    assert found.tags.count("article") == 12
    assert found.tags.count("figure") == 11
    assert page.count("Data of this chart</summary>") == 6  # the others have no hidden figures


def test_no_heading_skips_a_level(page: str) -> None:
    levels = [int(level) for level in re.findall(r"<h([1-6])", page)]
    assert levels.count(1) == levels.index(1) + 1 == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_every_interval_of_a_chart_has_its_n(page: str) -> None:
    assert all("; n = " in chart.caption for chart in panels(sample(), "quality"))
    forest = page[page.index('class="forests"') : page.index("Each metric by itself")]
    rows = re.findall(r'<span class="name">(.*?)</span>', forest, re.S)
    assert rows
    assert all("n&nbsp;=&nbsp;" in row for row in rows)


def test_a_share_that_both_models_always_have_is_no_tile() -> None:
    report = sample()
    assert report.headline is not None
    high = {"value": 0.995, "low": 0.98, "high": 1.0}
    estimates = tuple(
        e.model_copy(update=high) if e.metric == "accuracy" else e for e in report.estimates
    )
    labels = [tile.label for tile in strip(report)]
    assert "Yes/no accuracy" in labels
    others = [label for label in labels if label != "Yes/no accuracy"]
    assert [t.label for t in strip(report.model_copy(update={"estimates": estimates}))] == others


def test_paper_has_what_is_open_on_the_screen_and_no_more(page: str) -> None:
    printed = page[page.index("@media print") :]
    assert "details:not([open]) { display: none; }" in printed
    assert "details-content" not in printed


def test_the_page_reaches_for_nothing_outside_itself(page: str) -> None:
    links = outline(page).links
    assert all(link.startswith(("#", "data:image/")) for link in links)
    assert not re.search(r"https?:|//[a-z]+\.|@import|url\(|<script|<link|<iframe|\son\w+=", page)
    assert "default-src 'none'" in page


def test_contents_links_lead_somewhere(page: str) -> None:
    found = outline(page)
    targets = [link[1:] for link in found.links if link.startswith("#")]
    assert set(targets) <= set(found.ids)
    assert len(targets) == 11


def test_a_report_with_a_dozen_images_is_small(page: str) -> None:
    assert len(page.encode()) < 1_000_000
    examples = tuple(
        Example(images=(photograph((900, 700)),), prompt="?", answers=(marked("base", "a"),))
        for _ in range(12)
    )
    photographs = render(sample().model_copy(update={"examples": Examples(shown=examples)}))
    assert len(photographs.encode()) < 3_000_000


def test_the_same_input_gives_the_same_page(page: str) -> None:
    assert render(sample()) == page


def test_answers_are_text_and_never_markup() -> None:
    bad = "<script>alert(1)</script> & <img src=x onerror=alert(2)> \"'"
    answer = ExampleAnswer(
        model="base",
        text=bad,
        spans=(Span(start=0, end=8, kind="object", replacement='"><script>'),),
        note="<em>note</em>",
    )
    report = one_answer(answer, truth="<i>true</i>", prompt="<u>?</u>", item="</style>")
    html = render(report.model_copy(update={"title": "</title><script>"}))
    found = outline(html)
    assert not {"script", "em", "i", "u"} & set(found.tags)
    assert found.tags.count("style") == found.tags.count("title") == 1
    assert found.marks == [("wrong object", "object"), ("wrong object", "<script>")]


def test_marks_are_on_the_right_words(page: str) -> None:
    answer = marked(
        "base", "\U0001f468\u200d\U0001f469 {object:a \u732b} e\u0301 {number:two=three}, ok"
    )
    found = outline(render(one_answer(answer)))
    words = [words for kind, words in found.marks if kind.startswith("wrong")]
    assert words == ["object", "number", "a \u732b", "two"]
    assert "should be \u201cthree\u201d" in page.replace("&#34;", '"')


def test_a_missing_word_has_a_caret_and_an_empty_answer_says_so() -> None:
    gap = ExampleAnswer(model="base", text="a cup", spans=(Span(start=2, end=2, kind="number"),))
    assert "&#8248;" in render(one_answer(gap))
    assert "An empty answer." in render(one_answer(ExampleAnswer(model="base", text="")))


def test_every_value_of_the_table_carries_its_model_for_small_screens(page: str) -> None:
    body = page[page.index('id="results"') : page.index('id="charts"')]
    cells = re.findall(r'<td class="num" data-label="([^"]+)"', body)
    assert (
        cells.count("Base") == cells.count("DPO") == cells.count("DDPO") == 25
    )  # 5 of 20 stand first


def test_a_model_keeps_its_colour_throughout(page: str) -> None:
    colours = {label: set() for label in ("Base", "DPO", "DDPO")}
    for colour, label in re.findall(r'class="who c(\d)">(?:<svg.*?</svg>)?\s*(\w+)<', page, re.S):
        colours[label].add(colour)
    assert colours == {"Base": {"0"}, "DPO": {"2"}, "DDPO": {"1"}}


def test_a_run_that_only_sampled_has_a_page() -> None:
    html = render(unchecked(3))
    found = outline(html)
    assert found.headings == [
        "3 answers by Tiny random LLaVA; nothing was checked",
        "What can be counted",
        "What it says",
        "How it was made",
    ]
    assert "They do not show whether an answer is true." in html
    assert "Nothing wrong found" not in html


def test_one_model_with_estimates_has_a_page() -> None:
    report = sample()
    base = MODELS[0].name
    alone = report.model_copy(
        update={
            "models": MODELS[:1],
            "headline": Headline(
                benchmark="captions/greedy", metric="chair_s", model=base, against=base
            ),
            "estimates": tuple(e for e in report.estimates if e.model == base),
            "differences": (),
            "length_control": None,
            "strata": (),
            "counts": (),
            "curves": (),
            "examples": Examples(),
        }
    )
    html = render(alone)
    assert outline(html).headings[:2] == [
        "Base: answers with an invented object, 32.3%",
        "Measured",
    ]
    assert "better</span>" not in html


def test_benchmarks_that_differ_in_decoding_alone_have_one_protocol(page: str) -> None:
    assert page.count("<h3>Captions, greedy</h3>") == 1  # it has a parser that the other hasn't
    same = {"prompt": "Describe it.", "rules": "1"}
    specs = tuple(
        BenchmarkSpec(
            name=f"captions/{name}",
            label=f"Captions, {how}",
            protocol={**same, "decoding": f"{how}, at most 96 tokens"},
        )
        for name, how in (("greedy", "greedy"), ("t1", "temperature 1"))
    )
    report = sample().model_copy(update={"subject": Subject(benchmarks=specs)})
    html = render(report)
    assert html.count("<h3>Captions</h3>") == 1
    assert "greedy, at most 96 tokens; temperature 1, at most 96 tokens" in html


def test_each_of_many_models_has_a_mark_and_colour_of_its_own() -> None:
    models = tuple(ModelSpec(name=str(i), label=f"Model {i}") for i in range(13))
    html = render(ReportInput(title="Many", models=models))
    keys = re.findall(r'<svg class="key".*?</svg>', html, re.S)
    assert len(set(keys)) == len(keys) == 13


def test_settings_are_flat_and_hashes_and_command_are_there(page: str) -> None:
    assert "<dt>method.beta</dt><dd>0.5</dd>" in page
    assert "<dt>lora.enabled</dt><dd>false</dd>" in page
    assert "<dt>lora.targets</dt><dd>q_proj, v_proj</dd>" in page
    assert "groundtune demo --out demo --seed 7" in page
    assert "9f2c4b1e" * 8 in page
    assert "<dt>together</dt><dd>3 min 53 s</dd>" in page


def test_a_model_without_a_name_for_readers_is_refused() -> None:
    with pytest.raises(ValueError, match="models without a ModelSpec: dpo"):
        one_answer(ExampleAnswer(model="dpo", text="a"))


def test_a_metric_that_could_not_be_computed_is_shown_as_not_measured() -> None:
    report = sample()
    nan = float("nan")
    rows = [
        e.model_copy(update={"value": nan}) if (e.model, e.metric) == ("dpo", "f1") else e
        for e in report.estimates
    ]
    html = render(ReportInput(title="t", models=MODELS, estimates=tuple(rows)))
    assert "not measured" in html
    assert "nan" not in html.lower().split("<main")[1]


def test_a_logarithmic_axis_refuses_zero() -> None:
    series = CurveSeries(label="a", points=(CurvePoint(x=0, y=1),))
    with pytest.raises(ValueError, match="logarithmic"):
        Curve(title="t", x_label="x", y_label="y", series=(series,), log_x=True)


def test_a_report_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    out = tmp_path / "deep"
    path = write_report(out, unchecked(1))
    assert path == out / "report.html"
    before = path.read_text(encoding="utf-8")
    answer = ExampleAnswer(model="base", text="a")
    with pytest.raises(UserError, match="example 1"):
        write_report(out, one_answer(answer, images=(b"broken",)))
    assert path.read_text(encoding="utf-8") == before
    assert [child.name for child in out.iterdir()] == ["report.html"]


def test_a_image_of_the_world_is_described_for_those_who_cannot_see_it() -> None:
    answer = ExampleAnswer(model="base", text="a")
    html = render(one_answer(answer, images=(image(0),), truth="a farm; 2 cows"))
    assert 'alt="The image that was asked about: a farm; 2 cows"' in html


def test_tables_are_not_printed_apart_from_their_headings_and_commands_are_wrapped() -> None:
    screen, _, printed = render(sample()).partition("</style>")[0].partition("@media print {")
    rules = dict(re.findall(r"^ *([^{}]+?) *\{ *([^{}]*?) *\}", printed, re.MULTILINE))
    with_next = next(names for names, rule in rules.items() if rule == "break-after: avoid;")
    assert {"h2", "h2 + p", "caption", "thead"} <= set(with_next.split(", "))
    assert rules["h2 + p"] == "break-inside: avoid;"
    (commands,) = re.findall(r"^pre \{([^}]*)\}", screen, re.MULTILINE)
    assert "white-space: pre-wrap" in commands
