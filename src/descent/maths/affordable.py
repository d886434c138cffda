"""What many random networks may ask of the machine, said before anything is allocated: up to ten hours of a core.

Where `limits` names the fields of a Config and allows an hour, here whoever asks says what counts.
"""

from descent.config import Refusal
from descent.maths.limits import GIB, HOUR, ROOM, SPEED

MOST_GIB = ROOM / GIB  # held at once by one process
MOST_HOURS = 10.0


def require_affordable(counts: str, numbers: float, multiplications: float) -> None:
    """Refuse what does not fit into memory or takes days; `counts` names the fields with their values.

    Raises:
        Refusal: with the estimate and the limit.
    """
    needed, hours = 8 * float(numbers) / GIB, float(multiplications) / SPEED / HOUR
    if needed > MOST_GIB:
        raise Refusal(f"{counts}: needs {needed:.3g} GiB at once, more than {MOST_GIB:g}")
    if hours > MOST_HOURS:
        raise Refusal(
            f"{counts}: takes about {hours:.3g} hours on a core, more than {MOST_HOURS:g}"
        )
