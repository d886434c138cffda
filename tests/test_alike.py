"""Errata whose names differ in their last number alone are one row of the page."""

from descent.lab.page.alike import alike


def erratum(name: str, where: str = "question 1", path: str = "a/b", stands: bool = True) -> dict:
    return {"name": name, "where": where, "path": path, "stands": stands}


def test_neighbours_whose_names_differ_in_their_last_number_are_one_row():
    found = alike([erratum("norm_1"), erratum("norm_2", stands=False), erratum("norm_12")])
    assert [(one.title, one.short, one.stand) for one in found] == [
        ("norm 1, 2, 12", ("norm 1", "2", "12"), 2)
    ]


def test_another_name_place_or_experiment_is_another_row():
    rows = [
        erratum("norm_1"),
        erratum("norms_2"),
        erratum("norms_3", "question 2"),
        erratum("norms_4", "question 2", "a/c"),
        erratum("share"),
        erratum("share_of_1_in_all"),
        erratum("norm_1"),
    ]
    assert [len(one.errata) for one in alike(rows)] == [1] * 7
    assert [one.title for one in alike(rows)][-2:] == ["share of 1 in all", "norm 1"]
    assert alike([]) == []
