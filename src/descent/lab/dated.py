"""Whether a stage of DVC is out of date, and whether it may be run before DVC comes to it."""

from copy import copy


def may_run_ahead(stage) -> bool:
    """Whether DVC would only call its command: it removes no output first, and takes none from its cache of runs."""
    whole = isinstance(stage.cmd, str) and bool(stage.outs) and not stage.frozen
    return (
        whole and all(out.persist for out in stage.outs) and all(dep.exists for dep in stage.deps)
    )


def out_of_date(stage) -> bool:
    """`stage.changed()` without DVC's locks, which it gives back while a command runs."""
    return stage.changed_stage() or any(one.status() for one in (*stage.deps, *stage.outs))


def digests(stage) -> list:
    """Of what a stage depends on, as it is now; DVC's own books stay as they are."""
    found = []
    for dep in map(copy, stage.deps):
        dep.save()
        found.append(dep.hash_info)
    return found
