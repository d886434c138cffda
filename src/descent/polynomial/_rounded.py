"""The solution that is printed for n = 9, with rounded coefficients, of which the last is cut off by the page.

Source: FRTN50 assignment, exercise 4, before 4a.
"""

import numpy as np

from descent.polynomial._problem import Problem
from descent.result import Erratum

PRINTED = (0, 0.8, 0, -1.9, 0, -0.583957507, 0, 0.28, 0)
LAST = (0.6953, 0.6954)  # between which the last one lies


def refute(problem: Problem) -> tuple[Erratum, ...]:
    """Its loss, with the last coefficient that suits it best."""
    theta, column = np.array([*PRINTED, 0.0]), problem.X[:, 9]
    theta[9] = np.clip(column @ (problem.y - problem.X @ theta) / (column @ column), *LAST)
    found = float(np.mean((np.polyval(theta[::-1], problem.x) - problem.y) ** 2))
    correct = float(np.mean((problem.X @ (theta - problem.theta)) ** 2))
    name, where = "loss_of_the_rounded_solution", "FRTN50 assignment, exercise 4: one solution"
    return (Erratum(name, where, 0.0, correct, found, 1e-9 * correct),)
