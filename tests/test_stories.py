"""What leads a reader through the page: every experiment and erratum that it names is there, in plain words."""

import json
import re
from pathlib import Path

import pytest

from descent.lab.files import Damaged
from descent.lab.page.documents import erratum_anchor
from descent.lab.page.guide import confusions, grouped, meant, setups, stories
from descent.lab.page.links import linked, papers
from descent.lab.words import apart
from harness import experiments
from toy import ROOT

STORIES = stories().stories
SAID = [
    (story.key, text)
    for story in STORIES
    for text in (story.title, story.door, story.opens, *story.asks, *(s.says for s in story.steps))
]
SAID += [(name, text) for name, setup in setups().items() for text in (setup.problem, setup.asked)]
SAID += [(group.title, group.says) for group in confusions()]


def errata() -> list[dict]:
    """Every erratum of the committed results, with the path of its experiment."""
    found = []
    for path in sorted((ROOT / "metrics").glob("*/*.json")):
        report = json.loads(path.read_text(encoding="utf-8"))
        at = path.relative_to(ROOT / "metrics").with_suffix("").as_posix()
        found += [erratum | {"path": at} for erratum in report["errata"].values()]
    return found


def test_stories_and_families_are_those_of_the_lab():
    assert len(STORIES) == len({story.key for story in STORIES}) == 5
    for story in STORIES:
        named = [step.experiment for step in story.steps]
        assert 6 <= len(named) == len(set(named)) <= 10
        assert not set(named) - set(experiments())
    assert stories().hero.experiment in experiments()
    assert setups().keys() == {block.family for block in experiments().values()}


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.key)
def test_two_sentences_stand_before_a_figure(story):
    for step in story.steps:
        assert len(re.findall(r"[.?!](?:\s|$)", step.says)) == 2, step.experiment


def test_sentences_name_no_code_and_no_number_that_a_rerun_may_move():
    for where, text in SAID:
        assert not re.search(r"[@`]|\w\w_|_\w\w|\w\(|\d\.\d|\d{2}|\d ?%", text), (where, text)


def test_errata_have_one_group_at_most_nearly_all_have_one_and_every_pattern_is_of_use():
    groups, found = confusions(), errata()
    counts = [sum(meant(group, erratum) for group in groups) for erratum in found]
    assert max(counts) == 1
    assert counts.count(0) <= len(found) / 10
    for group in groups:
        for pattern in group.errata:
            alone = group.model_copy(update={"errata": (pattern,)})
            assert any(meant(alone, erratum) for erratum in found), pattern
    assert sum(len(group["errata"]) for group in grouped(found)) == len(found)


def test_an_erratum_has_a_place_of_its_own_that_a_link_can_name():
    places = [erratum_anchor(one["path"].replace("/", "-"), one["name"]) for one in errata()]
    assert len(set(places)) == len(places)
    assert not [place for place in places if re.search(r"[\s<>\"%`{}|\\^#]", place)]


def test_an_erratum_of_no_group_stands_at_the_end():
    other = {"path": "alpha/quick", "name": "printed_end"}
    assert [group["title"] for group in grouped([other])] == ["Other statements"]


def test_the_digits_of_an_erratum_tell_the_printed_from_the_right_number():
    for erratum in errata():
        printed, correct = (apart(float(erratum[name]), erratum) for name in ("printed", "correct"))
        assert float(printed) != float(correct), erratum["name"]
    close = {"printed": 0.30810780717887876, "correct": 0.30810780713141817}
    assert apart(close["correct"], close) == "0.308107807131"


def test_papers_and_other_experiments_are_links_and_other_words_are_not():
    text = 'arXiv 1712.09203, Theorem 1.1 & "2301.11500"; 0.0026, 2019, 12026.15013; a@b, x@y'
    shown = str(linked(text, {"a@b": "a-b"}))
    assert re.findall(r'href="([^"]*)"', shown) == [
        "https://arxiv.org/abs/1712.09203",
        "https://arxiv.org/abs/2301.11500",
        "#a-b",
    ]
    assert "&amp;" in shown
    assert shown.endswith("</a>, x@y")
    assert "href" not in str(linked("page 1712.09203", {}))
    cited = papers(
        [{"source": text, "stage": "a@b"}, {"source": "arXiv 1712.09203", "stage": "c@d"}]
    )
    assert [(p["number"], len(p["by"])) for p in cited] == [("1712.09203", 2), ("2301.11500", 1)]


@pytest.mark.parametrize(
    ("file", "text", "place", "read"),
    [
        ("stories.yaml", "hero: {experiment: a@b, says: c}\nstories: [{key: A}]", "stories.0.key", stories),
        ("families.yaml", "one: {title: a}", "one.problem", setups),
        ("errata.yaml", "- {title: a, says: b, errata: ['']}", "0.errata.0", confusions),
    ],
)  # fmt: skip
def test_a_file_of_another_form_is_refused_with_its_place(tmp_path: Path, file, text, place, read):
    (tmp_path / file).write_text(text, encoding="utf-8")
    with pytest.raises(Damaged, match=re.escape(f"{file}: {place}: ")):
        read(tmp_path)
