"""More coefficients than points: the setting of every experiment on which solution is found."""

import numpy as np
from jaxtyping import Float

from descent.config import Count, Number, experiment_config
from descent.polynomial import _problem


@experiment_config
class Config(_problem.Config):
    def __post_init__(self):
        super().__post_init__()
        if not 1e-100 <= self.amplitude <= 1e100:
            raise ValueError(
                f"amplitude {self.amplitude:g}: its square must stay in float64, 1e-100 … 1e100"
            )
        if self.degree + 1 <= self.points:
            raise ValueError(
                f"degree {self.degree} ≤ points − 1 = {self.points - 1}: there is one "
                "solution, nothing to choose"
            )

    @property
    def of_the_course(self) -> bool:
        """Whether what the course document prints is about this very problem."""
        return super().of_the_course and self.degree == 9


@experiment_config
class Compared(Config):
    """With intervals on which solutions are compared with the function."""

    outside: tuple[Number, Number]  # an interval beyond the points
    grid: Count  # points of the RMSE

    def __post_init__(self):
        super().__post_init__()
        if not self.outside[0] < self.outside[1]:
            raise ValueError(f"outside {list(self.outside)}: the lower end must come first")
        require_between(self.points, self.grid)

    @property
    def spaces(self) -> dict[str, tuple[float, float]]:
        return {"inside": self.interval, "outside": self.outside}


def require_between(points: int, grid: int) -> None:
    """Refuse a grid that may lie on the points alone, where every solution is right."""
    if grid <= points:
        raise ValueError(f"grid {grid} ≤ points {points}: it must see what is between the points")


def rmse(
    config: _problem.Points,
    theta: Float[np.ndarray, "*s p"],
    interval: tuple[float, float],
    grid: int,
) -> Float[np.ndarray, "*s"]:
    """Root mean square of m(·; θ) minus the function at `grid` equally spaced points of the interval."""
    x = np.linspace(*interval, grid)
    error = theta @ _problem.features(x, theta.shape[-1] - 1).T - config.truth(x)
    return np.sqrt(np.mean(error**2, -1))


def fits(
    config: Config,
    theta: Float[np.ndarray, "*s p"],
    interval: tuple[float, float],
    count: int = 201,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """x, the function, and m(x; θ), for a figure."""
    x = np.linspace(*interval, count)
    return x, config.truth(x), theta @ _problem.features(x, config.degree).T


def require_rational(points: int, degree: int, solutions: int) -> None:
    """Refuse so many solutions in rational arithmetic that they take minutes."""
    products = points**2 * (degree + 1) * solutions
    if products > 10**6:
        raise ValueError(
            f"points {points}, degree {degree}: {products:.1e} products of fractions > 1e6, minutes"
        )
