"""Remainders along a run, and directions that hold each other up."""

import numpy as np
import pytest
import xarray as xr

from descent.maths.emergence import delay
from descent.maths.remainder import of_neighbours


def test_a_remainder_is_the_largest_of_three_and_what_is_not_compared_counts_for_none():
    found = of_neighbours(np.array([[1.0, 0, 0, 5], [np.nan, 2, 0, np.nan]]))
    np.testing.assert_array_equal(found, [[1, 1, 5, 5], [2, 2, 2, 0]])


@pytest.mark.parametrize("cosine", [0.3, 0.5])
def test_a_later_row_holds_an_earlier_one_up_by_what_its_overlap_says(cosine):
    """Two rows of one eigenvalue that start at one length: U ← U − 4η(UUᵀ − X*)U, by its steps."""
    lam, eta, small = np.array([1.0, 0.98]), 1e-3, 1e-4

    def found(U):
        for t in range(20_000):
            if U[0] @ U[0] >= lam[0] / 2:
                return t
            U = U - 4 * eta * (U @ U.T - np.diag(lam)) @ U

    rows = np.array([[1.0, 0], [cosine, np.sqrt(1 - cosine**2)]])
    late = found(small * rows) - found(small * np.eye(2))
    coords = {"i": [1, 2]}
    eigenvalue = xr.DataArray(lam, coords, ("i",))
    t = np.log(np.sqrt(eigenvalue) / small) / np.log1p(4 * eta * eigenvalue)
    overlap = xr.DataArray([[0, cosine**2], [0, 0]], coords | {"j": [1, 2]}, ("i", "j"))
    expected = delay(t, eigenvalue, 4 * eta * eigenvalue, overlap)
    assert float(expected[1]) == 0
    assert late == pytest.approx(float(expected[0]), rel=0.3, abs=1.5)
