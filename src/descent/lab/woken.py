"""Numba and pydantic with what they would otherwise prepare at their first use: a quarter of a second.

This is for the process that commands are forked from (warm.py): there it is done once, and not in every command.
"""

import gc
from contextlib import suppress

from pydantic import TypeAdapter

TypeAdapter(int)  # has looked for plugins in all that is installed

# Where a Numba keeps them elsewhere, the commands do it.
with suppress(ImportError, AttributeError):
    from numba.core.registry import cpu_target

    cpu_target.typing_context.refresh()
    cpu_target.target_context.refresh()

gc.freeze()  # no command looks for dead cycles among what is loaded here
