"""Every door in many environments: python tests/faults/environments.py [--short] [NAME …]

The toy project (tests/toy.py) is reproduced once; then each door, and `stages/repro.py` with nothing to do, is called
again under the variables of every environment below. None may end in a traceback; each leaves every result as it was
to the bit, or refuses in one line (REFUSED says which).
"""

import os
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2] / "src")]

from ruamel.yaml import YAML

from toy import ROOT, Project, clean_environment, toy_params

DOORS = (
    *("digests", "download mnist", "run descent.alpha.swept alpha/swept", "draw alpha", "curves"),
    *("report", "track", "gate", "verify", "params --check", "repro"),
)
RESULTS = ("metrics", "plots", "curves", "artifacts", "data")
NOWHERE, CLOSED = "/nowhere/at/all", "/proc"  # nobody, not even root, can write there
GONE = None  # the variable is not set

ENVIRONMENTS: dict[str, dict[str, str | None]] = {
    "no JIT": {"NUMBA_DISABLE_JIT": "1"},
    "numba's threads are no number": {"NUMBA_NUM_THREADS": "many"},
    "another processor for numba": {"NUMBA_CPU_NAME": "generic", "NUMBA_OPT": "0"},
    "numba's cache is closed": {"NUMBA_CACHE_DIR": CLOSED},
    "safe path": {"PYTHONSAFEPATH": "1"},
    "optimised": {"PYTHONOPTIMIZE": "2"},
    "no bytecode": {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1"},
    "warnings are errors": {"PYTHONWARNINGS": "error"},
    "developer mode": {"PYTHONDEVMODE": "1"},
    "hashes": {"PYTHONHASHSEED": "7", "PYTHONMALLOC": "debug"},
    "latin streams": {"PYTHONIOENCODING": "latin-1"},
    "a closed user base": {"PYTHONUSERBASE": CLOSED, "PYTHONPYCACHEPREFIX": CLOSED},
    "fewer features for NumPy": {"NPY_DISABLE_CPU_FEATURES": "AVX2 FMA3 AVX512F AVX512_SKX"},
    "old promotion": {"NPY_PROMOTION_STATE": "legacy"},
    "one thread": {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
    "seven threads": {"OMP_NUM_THREADS": "7", "MKL_NUM_THREADS": "7", "NUMBA_NUM_THREADS": "7"},
    "threads are no number": {"OMP_NUM_THREADS": "x", "OPENBLAS_NUM_THREADS": "x"},
    "another processor for BLAS": {"OPENBLAS_CORETYPE": "Nehalem", "MKL_CBWR": "COMPATIBLE"},
    "one process": {"LOKY_MAX_CPU_COUNT": "1"},
    "joblib elsewhere": {"JOBLIB_TEMP_FOLDER": NOWHERE, "JOBLIB_START_METHOD": "spawn"},
    "no joblib": {"JOBLIB_MULTIPROCESSING": "0"},
    "no temporary folder": {"TMPDIR": NOWHERE},
    "a closed temporary folder": {"TMPDIR": CLOSED, "TEMP": CLOSED, "TMP": CLOSED},
    "no home": {"HOME": GONE, "USER": GONE, "LOGNAME": GONE, "XDG_CONFIG_HOME": GONE},
    "home is nowhere": {"HOME": NOWHERE},
    "home is closed": {"HOME": CLOSED, "XDG_CACHE_HOME": CLOSED, "XDG_CONFIG_HOME": CLOSED},
    "the C locale": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "a Turkish locale": {"LC_ALL": "tr_TR.UTF-8", "LANG": "tr_TR.UTF-8", "LANGUAGE": "tr"},
    "no such locale": {"LC_ALL": "xx_YY.KOI8", "LANG": "xx"},
    "a narrow terminal": {"COLUMNS": "1", "LINES": "1", "TERM": "dumb"},
    "no terminal": {"COLUMNS": "wide", "TERM": GONE, "NO_COLOR": "1", "PAGER": "false"},
    "colours": {"FORCE_COLOR": "1", "CLICOLOR_FORCE": "1", "TERM": "xterm-256color"},
    "a shell that runs nothing": {"SHELL": "/bin/false"},
    "Kathmandu": {"TZ": "Asia/Kathmandu"},
    "no such time": {"TZ": "Nowhere/Never"},
    "a closed mask": {"UMASK": "077"},
    "an open mask": {"UMASK": "000"},
    "a hook": {"GIT_DIR": NOWHERE, "GIT_WORK_TREE": NOWHERE, "GIT_INDEX_FILE": NOWHERE},
    "git's own settings": {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "core.bare"}
    | {"GIT_CONFIG_VALUE_0": "true", "GIT_CEILING_DIRECTORIES": CLOSED},
    "DVC's names": {"DVC_EXP_NAME": "x", "DVC_STAGE": "y", "DVC_NO_ANALYTICS": "1"},
    "DVC's folders": {"DVC_GLOBAL_CONFIG_DIR": CLOSED, "DVC_SITE_CACHE_DIR": NOWHERE},
    "DVC's root is elsewhere": {"DVC_ROOT": NOWHERE},
    "DVC's folder is closed": {"DVC_SITE_CACHE_DIR": CLOSED},
    "MLflow's names": {"MLFLOW_EXPERIMENT_NAME": "x", "MLFLOW_RUN_ID": "y", "MLFLOW_RUN_NAME": "z"},
    "no MLflow server": {"MLFLOW_TRACKING_URI": "http://user:secret@127.0.0.1:9"},
    "a store of another kind": {"MLFLOW_TRACKING_URI": "nonsense://x"},
    "another backend": {"MPLBACKEND": "no_such_backend"},
    "Matplotlib's folder is closed": {"MPLCONFIGDIR": CLOSED},
    "the user's Matplotlib": {"MATPLOTLIBRC": "matplotlibrc"},
    "no programs": {"PATH": NOWHERE},
    "proxies": {"HTTP_PROXY": "http://127.0.0.1:9", "HTTPS_PROXY": "::", "ALL_PROXY": "x://y"},
    "no certificates": {"SSL_CERT_FILE": NOWHERE, "REQUESTS_CA_BUNDLE": NOWHERE},
    "no data": {"DESCENT_DATA": NOWHERE},
    "no such device": {"DESCENT_DEVICE": "abacus"},
}
ENVIRONMENTS["many at once"] = {
    key: value
    for name in (
        *("no JIT", "numba's threads are no number", "safe path", "optimised", "no bytecode"),
        *("warnings are errors", "latin streams", "fewer features for NumPy", "one thread"),
        *("joblib elsewhere", "no temporary folder", "home is closed", "the C locale", "Kathmandu"),
        *("no terminal", "a closed mask", "a hook", "DVC's names", "MLflow's names", "no data"),
        *("another backend", "the user's Matplotlib", "a shell that runs nothing"),
    )
    for key, value in ENVIRONMENTS[name].items()
}
ENVIRONMENTS["kernels"] = {
    **{"NUMBA_DISABLE_JIT": "1", "NUMBA_NUM_THREADS": "x", "OMP_NUM_THREADS": "x"},
    **{"NPY_DISABLE_CPU_FEATURES": "AVX2 FMA3", "OPENBLAS_CORETYPE": "Nehalem"},
    **{"PYTHONWARNINGS": "error", "PYTHONSAFEPATH": "1", "PYTHONOPTIMIZE": "2"},
}
COMPILED = ("polynomial/gd", "sensing/exact", "minima/flat_sharp", "dynamics/polyak")
REFUSED = {  # (environment, door): what the line says
    ("no programs", "gate"): "git cannot be called",
    ("no programs", "repro"): "git cannot be called",
    ("DVC's folder is closed", "repro"): "No such file or directory: '/proc/repo'",  # by DVC
}
MATPLOTLIBRC = """
text.usetex: True
savefig.bbox: tight
font.family: serif
lines.marker: o
axes.prop_cycle: cycler('color', ['k'])
figure.facecolor: red
svg.hashsalt: mine
axes.formatter.use_locale: True
figure.dpi: 33
"""
SHORT = ("many at once",)


def called(project: Project, door: str, variables: dict[str, str | None]):
    """A door under these variables."""
    given = project.environment | {k: v for k, v in variables.items() if v is not GONE}
    environment = {k: v for k, v in given.items() if variables.get(k, v) is not GONE}
    mask = environment.pop("UMASK", None)
    name, *arguments = door.split()
    return subprocess.run(
        [sys.executable, f"stages/{name}.py", *arguments],
        cwd=project.root,
        env=environment,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        timeout=300,
        umask=-1 if mask is None else int(mask, 8),
    )


def of_the_kernels(folder: Path, variables: dict, blocks=COMPILED) -> dict[str, bytes | str]:
    """What experiments of the project write at toy size, with params.yaml in this folder."""
    found: dict[str, bytes | str] = {}
    for block in blocks:
        command = [ROOT / "stages/run.py", f"descent.{block.replace('/', '.')}", block]
        done = subprocess.run(
            [sys.executable, *command],
            cwd=folder,
            env=clean_environment() | variables,
            capture_output=True,
            encoding="utf-8",
        )
        found[f"{block} said"] = f"{done.returncode} {done.stderr}"
        for path in (f"metrics/{block}.json", f"artifacts/{block}.nc"):
            found[path] = Path(folder, path).read_bytes() if Path(folder, path).exists() else b""
            Path(folder, path).unlink(missing_ok=True)
    return found


def results(project: Project) -> dict[str, bytes]:
    files = project.files(*RESULTS)
    return {path: data for path, data in files.items() if not path.startswith("artifacts/cost/")}


def faults(project: Project, name: str, door: str, before: dict[str, bytes]):
    """What is wrong with one door in one environment."""
    done = called(project, door, ENVIRONMENTS[name])
    said = done.stdout + done.stderr
    if "Traceback" in said:
        yield f"traceback: {said[-400:]}"
    if "secret" in said:
        yield f"password: {said[-400:]}"
    expected = REFUSED.get((name, door.split()[0]))
    if expected and not (done.returncode and expected in done.stderr):
        yield f"not refused: {done.returncode} {said[-300:]}"
    if expected is None and done.returncode:
        yield f"refused: {done.returncode} {said[-300:]}"
    if door == "repro" and "Running stage" in said:
        yield f"ran: {said[-300:]}"
    if (now := results(project)) != before:
        paths = [p for p in now.keys() | before.keys() if now.get(p) != before.get(p)]
        yield f"differs: {paths}"
        for path in paths:
            if path in before:
                (project.root / path).write_bytes(before[path])


def main(project: Project, names, doors=DOORS) -> Counter:
    """Counts of what went wrong."""
    (project.root / "matplotlibrc").write_text(MATPLOTLIBRC, encoding="utf-8")
    before, counts = results(project), Counter()
    for name in names:
        for door in doors:
            counts["calls"] += 1
            if door.startswith("draw"):  # what is as it was is not drawn again
                (project.root / "plots/alpha/swept.svg").unlink(missing_ok=True)
            spent = project.files("artifacts/cost")  # which the page shows
            found = list(faults(project, name, door, before))
            for path, data in spent.items():
                (project.root / path).write_bytes(data)
            for fault in found:
                counts[fault.partition(":")[0]] += 1
                print(f"{name}, {door}: {fault}", flush=True)
    return counts


def program(*arguments: str) -> int:
    names = [one for one in arguments if one != "--short"] or list(ENVIRONMENTS)
    with tempfile.TemporaryDirectory() as folder:
        project = Project(Path(folder, "a toy"))
        project.repro()
        project.commit("results")
        chosen = SHORT if "--short" in arguments else names
        counts = main(project, chosen)
        if "kernels" in chosen:
            YAML().dump(toy_params(), Path(folder, "params.yaml"))
            usual = of_the_kernels(Path(folder), {})
            counts["differs"] += of_the_kernels(Path(folder), ENVIRONMENTS["kernels"]) != usual
    print(f"{len(chosen)} environments,", ", ".join(f"{k} {n}" for k, n in counts.items()))
    counts = +counts  # without zeros
    return int(counts.keys() != {"calls"})


if __name__ == "__main__":
    os.umask(0o022)
    sys.exit(program(*sys.argv[1:]))
