"""The environment that a door hands to the programs it calls."""

import os


def without_git() -> dict[str, str]:
    """Without git's own variables: a hook sets GIT_DIR, and git would then work on the hook's repository."""
    return {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
