"""What befalls the tracking: `python tests/faults/track.py [--short]` does it, and counts what is left of it.

After every fault the door is run once more, and the store is then to have one finished run a result with all its
points, and no other. Every call is to end well, in time, with a line at most, and without a password.
"""

import contextlib
import io
import logging
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS), str(TESTS.parent / "src")]

from descent.lab import takes
from descent.lab.tracking import census, content, filling, mirror, store
from descent.lab.tracking.census import FINGERPRINT, PARENT
from descent.lab.tracking.patience import Watched
from store import free_port, lay_out, result, save, serving

DOOR = TESTS.parent / "stages/track.py"
SECRETS = ("pa/ss@wort", "pa%2Fss%40wort", "t0ken-of-mine")
KINDS = {}
RUNS = """
    SELECT runs.run_uuid, runs.status, f.value, p.value FROM tags AS f
    JOIN runs USING (run_uuid) JOIN experiments USING (experiment_id)
    LEFT JOIN tags AS p ON p.run_uuid = runs.run_uuid AND p.key = ?
    WHERE f.key = ? AND runs.lifecycle_stage = 'active' AND experiments.lifecycle_stage = 'active'
"""


toy = partial(result, points=3)  # short curves, which cost little


def kind(function):
    KINDS[function.__name__] = function
    return function


class Killed(BaseException):
    """The process is gone at this call of the store."""


def dying(call: int, after: bool, error: BaseException):
    """A client whose call of that number, counted from 1, ends so, after or before it did what it was to do."""
    calls = []

    class Dying(Watched):
        def __getattr__(self, name):
            real = super().__getattr__(name)

            def counted(*arguments, **named):
                calls.append(name)
                if len(calls) != call:
                    return real(*arguments, **named)
                if after:
                    real(*arguments, **named)
                raise error

            return counted

    return Dying, calls


def ailing(path: Path) -> Counter:
    """How many results have no finished run, or two; how many runs are not finished, or a point of nothing."""
    found = Counter(missing=0, doubles=0, zombies=0, orphans=0)
    with closing(sqlite3.connect(path)) as database:
        rows = database.execute(RUNS, (PARENT, FINGERPRINT)).fetchall()
    tops = {run: fingerprint for run, _, fingerprint, parent in rows if parent is None}
    finished = Counter(
        f for _, status, f, parent in rows if parent is None and status == "FINISHED"
    )
    points = Counter(parent for *_, parent in rows if parent)
    found["zombies"] = sum(status != "FINISHED" for _, status, *_ in rows)
    found["doubles"] = sum(count - 1 for count in finished.values())
    found["orphans"] = sum(parent not in tops for *_, parent in rows if parent)
    found["missing"] = sum(points[run] != 2 for run in tops)  # the toy has two points
    wanted = {one.fingerprint for one in mirror.Filling(mirror.Patience()).found}
    found["missing"] += len(wanted - finished.keys())
    return found


class Tally:
    """Attempts at one kind of fault, and what they left."""

    def __init__(self, name: str):
        self.name, self.counts, self.longest, self.bad = name, Counter(), 0.0, []

    def said(self, text: str, seconds: float, code: int = 0, lines: int = 1) -> None:
        """What a call of the door said, how long it took, and how it ended."""
        self.counts["attempts"] += 1
        self.longest = max(self.longest, seconds)
        self.counts["long"] += len(text.splitlines()) > lines
        self.counts["told"] += any(secret in text for secret in SECRETS)
        self.counts["failed"] += code not in (0, -signal.SIGKILL)
        if len(text.splitlines()) > lines or code not in (0, -signal.SIGKILL):
            self.bad.append(text[-2000:])

    def left(self, path: Path) -> None:
        """What is wrong in the store."""
        found = ailing(path)
        self.counts.update(found)
        if sum(found.values()):
            self.bad.append(f"{dict(found)}")

    def __str__(self) -> str:
        names = ("attempts", "missing", "doubles", "zombies", "orphans", "long", "told", "failed")
        counts = "  ".join(f"{self.counts[name]:>3} {name}" for name in names)
        return f"{self.name:<12} {counts}  {self.longest:6.1f} s"


def environment(uri: str = "", **more: str) -> dict[str, str]:
    own = {"DVC_ROOT": os.getcwd(), "MLFLOW_TRACKING_URI": uri, "MLFLOW_TRACKING_TOKEN": SECRETS[2]}
    return (
        os.environ
        | (own if "://" in uri and "@" not in uri else own | {"MLFLOW_TRACKING_TOKEN": ""})
        | more
    )


CLOCK = (
    "import time; real, door, ahead = time.time, sys.argv[1], int(sys.argv[2]); "
    "time.time = lambda: real() + ahead; "
)
PATIENT = (
    "sys.path.insert(0, door.replace('stages/track.py', 'src')); "
    "from descent.lab.tracking import mirror, patience; patience.SILENCE = 300.0; "
    "mirror.QUIET['MLFLOW_HTTP_REQUEST_TIMEOUT'] = '120'; "
)
RUN = "sys.argv = [door]; runpy.run_path(door, run_name='__main__')"  # the door takes no arguments


def start(uri: str = "", ahead: int = 0, ready: str = "", **more: str) -> subprocess.Popen:
    """The door in the current folder, with a clock that is so many seconds ahead."""
    command = [sys.executable, "-c", f"import runpy, sys; {CLOCK}{ready}{RUN}"]
    return subprocess.Popen(
        [*command, str(DOOR), str(ahead)],
        env=environment(uri, **more),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
    )


def call(tally: Tally, uri: str = "", lines: int = 1, ready: str = "", **more: str) -> str:
    """The door, to its end."""
    begun = time.perf_counter()
    door = start(uri, ready=ready, **more)
    try:
        text, _ = door.communicate(timeout=300)
    except subprocess.TimeoutExpired:
        door.kill()
        text, _ = door.communicate()
        tally.counts["failed"] += 1
    tally.said(text, time.perf_counter() - begun, door.returncode, lines)
    return text


def inside(tally: Tally | None = None) -> str:
    """The door in this process."""
    said, begun = io.StringIO(), time.perf_counter()
    with contextlib.redirect_stderr(said):
        mirror.main()
    if tally:
        tally.said(said.getvalue(), time.perf_counter() - begun)
    return said.getvalue()


@contextmanager
def patched(*changes):
    """(object, name, value), … while it lasts."""
    before = [(of, name, getattr(of, name)) for of, name, _ in changes]
    for of, name, value in changes:
        setattr(of, name, value)
    try:
        yield
    finally:
        for of, name, value in before:
            setattr(of, name, value)


def as_server():
    """A file of sqlite, treated as a server is: read by the client, and shared with others."""
    return patched((store, "database", lambda uri: None), (filling, "database", lambda uri: None))


def fresh(empty: Path) -> Path:
    """The database of the current folder, empty; the same file, which MLflow keeps open."""
    return Path(shutil.copy(empty, "mlflow.db"))


def at_every_call(tally: Tally, empty: Path, error: BaseException, every: int) -> None:
    """The error before and after every call to the store, or every so many of them."""
    call, more = 1, True
    while more:
        for after in (False, True):
            path = fresh(empty)
            client, calls = dying(call, after, error)
            with patched((store, "Watched", client)), contextlib.suppress(Killed):
                inside(tally)
            inside(tally)
            tally.left(path)
            more = len(calls) >= call
        call += every


@kind
def killed_anywhere(tally: Tally, empty: Path, short: bool) -> None:
    """Killed at every call of the store, as a file and as a server."""
    at_every_call(tally, empty, Killed(), 6 if short else 1)
    with as_server():
        at_every_call(tally, empty, Killed(), 6 if short else 1)


@kind
def lost_answers(tally: Tally, empty: Path, short: bool) -> None:
    """A call fails, or its answer is lost, once."""
    at_every_call(tally, empty, OSError("the connection is lost"), 6 if short else 1)
    with as_server():
        at_every_call(tally, empty, OSError("the connection is lost"), 6 if short else 1)


@kind
def overtaken(tally: Tally, empty: Path, short: bool) -> None:
    """Another machine does it all, in the midst of every call; nobody comes after the two."""
    overtake(tally, empty, 6 if short else 1)


def overtake(tally: Tally, empty: Path, every: int) -> None:
    """A whole door within every so manieth call of another, which the first takes for dead soon."""
    fresh(empty)
    client, calls = dying(0, False, Killed())
    with as_server(), patched((store, "Watched", client)):
        inside()
    for call in range(1, len(calls) + 1, every):
        path = fresh(empty)
        with as_server(), patched((store, "Watched", amid(call, tally))):
            inside(tally)
        tally.left(path)


def amid(call: int, tally: Tally):
    """A client within whose call of that number another machine does all."""
    calls = []

    class Overtaken(Watched):
        def __getattr__(self, name):
            real = super().__getattr__(name)

            def counted(*arguments, **named):
                calls.append(name)
                if len(calls) == call:
                    elsewhere(tally)
                return real(*arguments, **named)

            return counted

    return Overtaken


def elsewhere(tally: Tally) -> None:
    """The door on another machine, which has little patience."""

    def mark():
        return "elsewhere 1 2"

    short = ((filling, "GRACE", 0.02), (filling, "POLL", 0.01))
    with patched(
        (census, "attempt", mark), (content, "attempt", mark), (store, "Watched", Watched), *short
    ):
        inside(tally)


@kind
def killed(tally: Tally, empty: Path, short: bool) -> None:
    """Processes, killed after some seconds."""
    path = fresh(empty)
    for seconds in (3,) if short else (1, 2, 2.5, 3, 3.5, 4, 5, 6):
        door = start()
        time.sleep(seconds)
        door.kill()
        tally.said(door.communicate()[0], seconds, door.returncode)
    call(tally)
    tally.left(path)


def trash(client) -> str:
    """The experiment of the toys, with all that was ever deleted in it back."""
    identity = client.get_experiment_by_name("toy").experiment_id
    client.delete_experiment(identity)
    client.restore_experiment(identity)
    return identity


@kind
def restored(tally: Tally, empty: Path, short: bool) -> None:
    """Runs and experiments deleted, restored, renamed; the database lost, or an older one."""
    from mlflow import MlflowClient

    def top():
        identity = client.get_experiment_by_name("toy").experiment_id
        runs = client.search_runs([identity])
        first = next(run.info.run_id for run in runs if PARENT not in run.data.tags)
        return identity, first, [run.info.run_id for run in runs if PARENT in run.data.tags]

    def parent_deleted():
        _, first, _ = top()
        client.delete_run(first)
        inside(tally)
        client.restore_run(first)

    def point_deleted():
        client.delete_run(top()[2][0])

    def all_back():
        with patched((store, "Watched", dying(9, True, Killed())[0])), contextlib.suppress(Killed):
            save(toy(bad=4.0))
            inside(tally)
        inside(tally)
        trash(client)

    def experiment_deleted():
        client.delete_experiment(top()[0])

    def renamed():
        client.rename_experiment(top()[0], "ours")

    def older():
        shutil.copy("mlflow.db", "older.db")
        save(toy(bad=5.0))
        inside(tally)
        shutil.copy("older.db", "mlflow.db")

    def lost():
        fresh(empty)
        Path("artifacts/tracked.json").unlink()

    for way in (contextlib.nullcontext, as_server):
        for fault in (
            parent_deleted,
            point_deleted,
            all_back,
            experiment_deleted,
            older,
            lost,
            renamed,
        ):
            path = fresh(empty)
            client = MlflowClient(f"sqlite:///{path.absolute()}")
            with way():
                save(toy())
                inside(tally)
                fault()
                inside(tally)
                tally.left(path)


@kind
def at_once(tally: Tally, empty: Path, short: bool) -> None:
    """Doors at once on one server, with clocks that differ; some killed, one stopped."""
    for count in range(6):
        save(toy(), f"more{count}")
    params = Path("params.yaml").read_text(encoding="utf-8")
    block = params.split("one:")[1]
    Path("params.yaml").write_text(
        params + "".join(f"  more{k}:{block}" for k in range(6)), encoding="utf-8"
    )
    for count in range(6):
        shutil.copy("src/descent/toy/one.py", f"src/descent/toy/more{count}.py")
    with serving(Path.cwd(), "server.db") as uri:
        path = Path("server.db")
        call(tally, uri, 0, PATIENT)
        for ends in ("", "killed") if short else ("", "killed", "stopped", "", "killed", "stopped"):
            save(toy(bad=time.time()))
            with closing(sqlite3.connect(path)) as database:
                database.execute("UPDATE runs SET lifecycle_stage = 'deleted'")
                database.commit()
            doors = [
                start(uri, ahead, PATIENT) for ahead in ((0, -3600) if short else (0, 3600, -3600))
            ]
            wait_for_runs(path)
            begun = time.perf_counter()
            if ends == "killed":
                doors[0].kill()
            elif ends == "stopped":
                doors[0].send_signal(signal.SIGSTOP)
            for door in doors[1:]:
                text, _ = door.communicate()
                tally.said(text, time.perf_counter() - begun, door.returncode, lines=0)
            if ends == "killed":
                call(tally, uri, 0, PATIENT)
            if ends:
                tally.left(path)  # what is stopped has none under way any more
            doors[0].send_signal(signal.SIGCONT)
            tally.said(*(doors[0].communicate()[0], 0.0, doors[0].returncode))
            tally.left(path)


def wait_for_runs(path: Path) -> None:
    """Until somebody is at work."""
    for _ in range(600):
        with closing(sqlite3.connect(path)) as database:
            query = (
                "SELECT COUNT(*) FROM runs WHERE status = 'RUNNING' AND lifecycle_stage = 'active'"
            )
            if database.execute(query).fetchone()[0]:
                return
        time.sleep(0.05)


@contextmanager
def answering(how: str):
    """The address of a server that accepts, and then is silent, drips, talks nonsense, or fails."""
    listener = socket.create_server(("127.0.0.1", 0))
    head = b"HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"

    def serve():
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=speak, args=(listener.accept()[0],), daemon=True).start()

    def speak(connection):
        with contextlib.suppress(OSError), connection:
            connection.recv(65536)
            if how == "nonsense":
                connection.sendall(b"nonsense\r\n\r\n")
            elif how == "fails":
                connection.sendall(head % (b"500 No", 2) + b"{}")
            elif how == "page":
                connection.sendall(head % (b"200 OK", 13) + b"<html></html>")
            else:
                for byte in head % (b"200 OK", 90000) + b" " * 90000:
                    time.sleep(0.05 if how == "drips" else 3600)
                    connection.sendall(bytes([byte]))

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield f"127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.close()


@kind
def servers(tally: Tally, empty: Path, short: bool) -> None:
    """Servers that are none, with passwords in their addresses."""
    login = f"me:{SECRETS[1]}@"
    call(tally, f"http://{login}127.0.0.1:{free_port()}/?token={SECRETS[2]}")
    call(tally, f"http://127.0.0.1:{free_port()}")
    for how in ("nonsense", "drips") if short else ("nonsense", "fails", "page", "silent", "drips"):
        with answering(how) as place:
            call(tally, f"http://{login}{place}")
    for uri in (
        ()
        if short
        else (
            f"postgresql://me:{SECRETS[0]}@127.0.0.1:{free_port()}/runs?sslmode=disable",
            f"mysql+pymysql://{login}127.0.0.1:{free_port()}/runs",
            f"http://me:{SECRETS[0]}@127.0.0.1:{free_port()}",
            f"gopher://{login}127.0.0.1",
            f"me:{SECRETS[0]}@127.0.0.1",
            f"http://{login}[::1",
            f"http://127.0.0.1:{SECRETS[2]}@",
        )
    ):
        call(tally, uri)


@kind
def files(tally: Tally, empty: Path, short: bool) -> None:
    """Databases that are locked, damaged, on a full disk, or no files at all; and locks."""
    path = fresh(empty).absolute()
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("BEGIN EXCLUSIVE")
        call(tally)
    with holding(Path(".mlflow.lock")) as other:
        text = call(tally)
        tally.counts["failed"] += f"process {other}, which is stopped" not in text
    call(tally)
    tally.left(path)
    save(toy(bad=7.0))
    for way in ("nonsense", "cut", "folder", "null", "nowhere", "ro", "full", "memory", "locks"):
        with tempered(way, path) as uri:
            text = call(tally, uri)
            if way != "full":
                tally.counts["failed"] += "not tracked" not in text
        fresh(empty)
        if short and way == "folder":
            break
    call(tally)
    tally.left(path)


@contextmanager
def holding(lock: Path):
    """The number of a process that holds a lock, and is stopped."""
    hold = "import fcntl, sys, time; f = open(sys.argv[1], 'w'); fcntl.flock(f, 2); "
    command = [sys.executable, "-c", f"{hold}print(1, flush=True); time.sleep(600)", str(lock)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as other:
        other.stdout.readline()
        other.send_signal(signal.SIGSTOP)
        try:
            yield other.pid
        finally:
            other.kill()


@contextmanager
def tempered(way: str, path: Path):
    """The address of a database with which something is wrong."""
    whole, mounted = path.read_bytes(), None
    if way == "nonsense":
        path.write_bytes(b"no database" * 1000)
    elif way == "cut":
        path.write_bytes(whole[: len(whole) // 3])
    elif way == "folder":
        path.unlink()
        path.mkdir()
    elif way == "locks":
        Path(".mlflow.lock").unlink(missing_ok=True)
        Path(".mlflow.lock").mkdir()
    elif way in ("ro", "full"):
        mounted = Path("small").absolute()
        mounted.mkdir(exist_ok=True)
        options = f"size={len(whole) + 50_000}"
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(mounted)], check=True)
        shutil.copy(path, mounted)
        (mounted / "rest").write_bytes(b" " * 40_000)
        if way == "ro":
            subprocess.run(["mount", "-o", "remount,ro", str(mounted)], check=True)
    places = {"null": "sqlite:////dev/null", "nowhere": "sqlite:////proc/none/mlflow.db"}
    places |= {"memory": "sqlite://"}
    try:
        yield f"sqlite:///{mounted}/mlflow.db" if mounted else places.get(way, "")
    finally:
        if mounted:
            subprocess.run(["umount", str(mounted)], check=True)
        elif path.is_dir():
            path.rmdir()
        if not path.exists():
            path.write_bytes(whole)
        if way == "locks":
            Path(".mlflow.lock").rmdir()


@kind
def results_of_all_kinds(tally: Tally, empty: Path, short: bool) -> None:
    """A result that cannot be read, or described, beside two that can."""
    params = Path("params.yaml").read_text(encoding="utf-8")
    block = params.split("one:")[1]
    Path("params.yaml").write_text(f"{params}  two:{block}  six:{block}", encoding="utf-8")
    for name in ("two", "six"):
        save(toy(), name)
        shutil.copy("src/descent/toy/one.py", f"src/descent/toy/{name}.py")
    metrics, artifact = Path("metrics/toy/two.json"), Path("artifacts/toy/two.nc")
    text, data = metrics.read_text(encoding="utf-8"), artifact.read_bytes()
    changes = (
        (metrics, b"{"),
        (metrics, text.replace('"holds": true', '"holds": []').encode()),
        (metrics, text.replace('"exact"', "[1]").encode()),
        (metrics, text.replace('"slope"', '"' + "s" * 300 + '"').encode()),
        (metrics, text.replace('"checks"', '"cheques"').encode()),
        (artifact, data[:400]),
        (artifact, b""),
        (Path("src/descent/toy/two.py"), b"def ("),
        (Path("src/descent/toy/two.py"), b"\xff"),
    )
    for file, text in changes:
        path, before = fresh(empty), file.read_bytes()
        file.write_bytes(text)
        takes._parsed.cache_clear()
        said = inside(tally)
        with closing(sqlite3.connect(path)) as database:
            rows = database.execute(RUNS, (PARENT, FINGERPRINT)).fetchall()
        good = sum(parent is None and status == "FINISHED" for _, status, _, parent in rows)
        if good != 2 + (not said):
            tally.bad.append(f"{file} {text[:20]!r}: {good} tracked; {said}")
            tally.counts["missing"] += 1
        file.write_bytes(before)
        takes._parsed.cache_clear()
        inside(tally)
        tally.left(path)


def main(*arguments: str) -> int:
    from mlflow import MlflowClient

    short = "--short" in arguments
    chosen = [name for name in arguments if name in KINDS] or list(KINDS)
    home, bad = os.getcwd(), []
    os.environ.pop("MLFLOW_TRACKING_URI", None)
    logging.disable(logging.CRITICAL)
    with TemporaryDirectory() as folder:
        empty = Path(folder, "empty.db")
        MlflowClient(f"sqlite:///{empty}").search_experiments()
        for name in chosen:
            (root := Path(folder, name)).mkdir()
            os.chdir(root)
            mirror.ROOT = root
            lay_out()
            save(toy())
            tally = Tally(name)
            KINDS[name](tally, empty, short)
            print(tally, flush=True)
            bad += tally.bad
        os.chdir(home)
    print(*bad, sep="\n")
    return int(bool(bad))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
