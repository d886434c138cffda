"""Every question of the sources has an answer in the lab, and every answer is there."""

import ast
import re
from functools import cache

import pytest

from descent.lab.files import Damaged
from descent.lab.page.documents import documents
from descent.lab.results import load_report
from descent.lab.words import cited, words
from harness import experiments
from toy import ROOT

READ = documents()
EVERY = [(key, q) for key, document in READ.items() for q in document.questions]
NAMES = [f"{key} {q.number}" for key, q in EVERY]


@cache
def errata() -> dict[str, dict]:
    """Every erratum of the committed results by EXPERIMENT/NAME."""
    return {
        f"{name}/{erratum}": found
        for name, block in experiments().items()
        for erratum, found in load_report(ROOT / f"metrics/{block.path}.json")["errata"].items()
    }


def source(name: str) -> str:
    return words(experiments()[name].docstring()).source


@pytest.mark.parametrize(("key", "question"), EVERY, ids=NAMES)
def test_a_question_is_answered_by_what_is_there(key, question):
    assert question.by or question.errata or question.tests
    assert not set(question.by) - set(experiments())
    assert not set(question.errata) - set(errata())
    for test in question.tests:
        path, _, function = test.partition("::")
        tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
        assert function in {getattr(node, "name", "") for node in tree.body}


def test_numbers_are_given_once():
    for document in READ.values():
        numbers = [q.number for q in document.questions]
        assert len(numbers) == len(set(numbers))


def test_a_source_that_an_experiment_names_lists_it_among_its_answers():
    unlisted = [
        (document.title, name)
        for name in experiments()
        for document in READ.values()
        if document.title in source(name)
        if name not in {one for question in document.questions for one in question.by}
    ]
    assert unlisted == []


def test_every_erratum_of_a_source_stands_at_one_of_its_questions():
    titles = {document.title: document for document in READ.values()}
    for name, erratum in errata().items():
        document = titles.get(cited(erratum["where"])["document"])
        assert document, f"{name}: {erratum['where']}: no such source"
        assert name in {one for q in document.questions for one in q.errata}, name


def test_a_file_of_another_form_is_refused_with_its_place(tmp_path):
    file = tmp_path / "one.yaml"
    good = "title: A 1\nabout: b\nquestions:\n- {number: 1a, asks: c, answer: d, by: [a@b]}\n"
    file.write_text(good, encoding="utf-8")
    assert documents(tmp_path)["one"].questions[0].by == ("a@b",)
    for change, place in (
        (("a@b", "ab"), "questions.0.by.0"),
        (("asks: c, ", ""), "questions.0.asks"),
        (("answer: d", "answer: ' '"), "questions.0.answer"),
        (("about: b\n", "about: b\nmore: c\n"), "more"),
    ):
        file.write_text(good.replace(*change), encoding="utf-8")
        with pytest.raises(Damaged, match=re.escape(f"one.yaml: {place}: ")):
            documents(tmp_path)
    file.write_text("title: [", encoding="utf-8")
    with pytest.raises(Damaged, match=r"one\.yaml: cannot be read: "):
        documents(tmp_path)
