"""When, from which commit and on which machine a page was made."""

import os
import platform
import subprocess
from datetime import UTC, datetime


def git(*command: str) -> str:
    """What git says, or nothing where there is no repository or no git."""
    try:
        streams = {"capture_output": True, "encoding": "utf-8", "errors": "replace"}
        return subprocess.run(["git", *command], check=True, timeout=20, **streams).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""


def made() -> str:
    """`2026-11-28, commit 35ae265 of 2026-11-28 with changes since, on Linux x86_64 with 2 cores, Python 3.11.7.`"""
    commit = git("log", "-1", "--format=commit %h of %cs", "--", ".")
    sources = ("src", "stages", "params.yaml", "dvc.yaml")
    if commit and git("status", "--porcelain", "--untracked-files=no", "--", *sources):
        commit += " with changes since"
    count = os.cpu_count() or 1
    machine = (
        f"on {platform.system()} {platform.machine()} with {count} core{'s' if count > 1 else ''}"
    )
    parts = [
        f"{datetime.now(UTC):%Y-%m-%d}",
        commit,
        machine,
        f"Python {platform.python_version()}",
    ]
    return ", ".join(part for part in parts if part) + "."
