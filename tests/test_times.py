"""Steps that are kept, and first crossings, against what a reader would count."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from descent.maths.times import evenly_spaced, first_above, first_below, log_spaced, upcrossing

counts = st.integers(1, 300)


@given(last=st.integers(0, 10**6), count=counts)
def test_kept_steps_begin_at_0_end_at_the_last_and_increase(last, count):
    for kept in (log_spaced(last, count), evenly_spaced(last, count)):
        assert kept[0] == 0
        assert kept[-1] == last
        assert (np.diff(kept) > 0).all()
        assert len(kept) <= count + 2


def test_log_spaced_steps_are_the_powers():
    assert log_spaced(1000, 4).tolist() == [0, 1, 10, 100, 1000]


def test_few_steps_are_all_kept():
    assert log_spaced(5, 200).tolist() == evenly_spaced(5, 200).tolist() == [0, 1, 2, 3, 4, 5]


def test_first_places_and_never():
    values = np.array([[3.0, 2.0, 1.0, 2.0], [np.nan, 5.0, 5.0, 5.0]])
    np.testing.assert_array_equal(first_below(values, 2.0), [1, np.nan])
    np.testing.assert_array_equal(first_above(values, 3.0), [0, 1])
    np.testing.assert_array_equal(first_below(values.T, np.array([1.0, 5.0]), axis=0), [2, 1])


def test_a_crossing_lies_on_the_chord():
    t = np.array([0, 10, 20])
    assert upcrossing(t, np.array([-1.0, -0.5, 0.5])) == 15
    assert upcrossing(t, np.array([0.0, 1.0, 2.0])) == 0
    assert np.isnan(upcrossing(t, np.array([-3.0, -2.0, -1.0])))
    assert upcrossing(t, -np.array([4.0, 2.0, 0.0]), -1.0) == 15
