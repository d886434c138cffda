"""What an experiment of this family may ask of the machine, said before anything is allocated."""

from descent.config import Refusal

GIB = 2**30
MOST_GIB = 4.0  # held at once by one process
MOST_HOURS = 10.0
SPEED = 1e9  # multiplications a second of one core, at the least


def require_affordable(counts: str, numbers: float, multiplications: float) -> None:
    """Refuse what does not fit into memory or takes days; `counts` names the fields with their values.

    Raises:
        Refusal: with the estimate and the limit.
    """
    needed, hours = 8 * float(numbers) / GIB, float(multiplications) / SPEED / 3600
    if needed > MOST_GIB:
        raise Refusal(f"{counts}: needs {needed:.3g} GiB at once, more than {MOST_GIB:g}")
    if hours > MOST_HOURS:
        raise Refusal(
            f"{counts}: takes about {hours:.3g} hours on a core, more than {MOST_HOURS:g}"
        )
