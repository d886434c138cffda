"""One sensing job over several processes: the same bits for any number of them, and whatever ends it is one line."""

import resource
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from math import fsum
from threading import Barrier, Event
from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr

from descent.config import Refusal
from descent.lab import ends, ranks, sharded, shares
from descent.lab.job import asked, parser
from descent.lab.ranks import Group, Place, place
from descent.maths.limits import GIB
from descent.result import Result
from descent.sensing import _philox, _shares
from descent.sensing._problem import unpack
from descent.sensing._rows import rows
from descent.sensing._sharded import BLOCKS, keeping, problem, split
from descent.sensing._tree import ALONE, Mesh, columns, nodes, owned, total
from store import free_port
from toy import ROOT, clean_environment

NUMBERS = {"size": 12, "rank": 2, "oversampling": 20, "held_out": 130, "alphas": "[1e-4,1e-2]"}
NUMBERS |= {"steps": 200, "milestones": "[0,200]", "snapshots": 2}
ROW = 8 * 78 / GIB  # p = 78


def words(**changes) -> list[str]:
    """The command line of a job of 480 measurements, eight blocks, and of 130 held out, three blocks."""
    given = NUMBERS | changes
    return [word for name, value in given.items() for word in ("-S", f"{name}={value}")]


def config(**changes):
    return asked(parser().parse_args([*words(**changes), "--root", str(ROOT)])).config


def job(*options: str, **changes):
    return asked(parser().parse_args([*words(**changes), "--root", str(ROOT), *options]))


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """What one process finds, which keeps all its rows: the arrays, and its file."""
    file = tmp_path_factory.mktemp("sharded") / "one.nc"
    assert sharded.main([*words(), "--root", str(ROOT), "--rows", "keep", "--out", str(file)]) == 0
    return xr.load_dataset(file)


# ---- Rows and sums.


@pytest.mark.parametrize(
    ("seed", "first", "count", "p"),
    [(0, 0, 70, 9), (3, 5, 4, 10), (2**64 - 1, 2**33 - 2, 4, 3), (2**40 + 7, 2**64 - 2, 2, 1)],
)
def test_compiled_rows_are_those_of_the_counter(seed, first, count, p):
    made = rows(seed, first, count, p)
    np.testing.assert_allclose(made, _philox.normals(seed, first, count, p), rtol=0, atol=1e-13)
    np.testing.assert_array_equal(made[-1:], rows(seed, first + count - 1, 1, p))


def threaded(count: int, work) -> list:
    """work(mesh) in as many threads, which exchange what they hand over."""
    barrier, handed = Barrier(count, timeout=20), [None] * count

    def exchanged(rank: int, given):
        handed[rank] = given
        barrier.wait()
        found = list(handed)
        barrier.wait()
        return found

    def process(rank: int):
        def scatter(given, counts):
            everyone = exchanged(rank, given)
            assert [len(one) for one in everyone] == counts
            ends = np.cumsum([0, *columns(given.shape[1], count)])
            return np.concatenate(everyone)[:, ends[rank] : ends[rank + 1]]

        def gather(column, width):
            found = np.concatenate(exchanged(rank, column))
            assert len(found) == width
            return found

        return work(Mesh(rank, count, scatter, gather))

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(process, range(count)))


@pytest.mark.parametrize("n", [1, 2, 3, 4, 7, 8, 13, BLOCKS])
@pytest.mark.parametrize("width", [1, 17])
def test_sums_over_blocks_have_the_same_bits_for_any_number_of_processes(n, width):
    rng = np.random.default_rng([n, width])
    parts = rng.standard_normal((n, width)) * 10.0 ** rng.integers(-8, 8, (n, width))
    one = total(n, width, lambda k: parts[k], ALONE)
    exact = [fsum(column) for column in parts.T]
    np.testing.assert_allclose(one, exact, rtol=0, atol=1e-14 * np.abs(parts).sum())
    for count in (2, 3, 5):
        asked_for = set()

        def work(mesh, asked_for=asked_for):
            def block(k: int) -> np.ndarray:
                assert k in owned(n, mesh.ranks, mesh.rank)
                asked_for.add(k)
                return parts[k]

            return total(n, width, block, mesh)

        for found in threaded(count, work):
            assert found.tobytes() == one.tobytes()
        assert asked_for == set(range(n))


def test_a_process_hands_over_few_nodes_which_are_its_own_blocks():
    for n in (1, 5, 200, BLOCKS):
        for count in (1, 2, 3, 5, 64):
            for rank in range(count):
                found = nodes(n, count, rank)
                blocks = [
                    k
                    for node in found
                    for k in range(node.first, node.first + (1 << node.level))
                    if k < n
                ]
                assert blocks == list(owned(n, count, rank))
                assert len(found) <= 2 * BLOCKS.bit_length()


@pytest.mark.parametrize("m", [1, 64, 65, 16_384, 16_385, 10**6])
def test_measurements_fall_into_few_blocks_of_whole_batches(m):
    blocks = split(7, m)
    assert blocks[0].first == 7
    assert [one.first + one.count for one in blocks][-1] == 7 + m
    assert all(a.first + a.count == b.first for a, b in pairwise(blocks))
    assert len(blocks) <= BLOCKS
    assert all(one.count % 64 == 0 for one in blocks[:-1])


# ---- The job.


@pytest.mark.long
def test_one_process_agrees_with_dense_matrices(alone):
    d, r, m, held, alphas, count = 12, 2, 480, 130, (1e-4, 1e-2), 200
    rng = np.random.default_rng([0, 0])
    factor = rng.standard_normal((d, r)) / np.sqrt(d)
    W = rng.standard_normal((d, d))
    S = _philox.normals(0, 0, m + held, d * (d + 1) // 2)
    A, fresh = unpack(S[:m]), unpack(S[m:])
    X = factor @ factor.T
    eta = 0.1 / np.linalg.eigvalsh(X)[-1]
    for alpha in alphas:
        U, distance = alpha * W, []
        for t in range(count + 1):
            E = U @ U.T - X
            distance.append(np.linalg.norm(E))
            residual = np.einsum("mij,ij->m", A, E)
            if t < count:
                U = U - eta * 2 * np.einsum("m,mij->ij", residual, A) / m @ U
        ours = alone.sel(alpha=alpha).isel(replicate=0)
        np.testing.assert_allclose(ours["U"], U, rtol=0, atol=1e-12)
        np.testing.assert_allclose(ours["distance"], distance, rtol=0, atol=1e-12)
        loss = np.square(np.einsum("mij,ij->m", fresh, E)).mean() / 2
        np.testing.assert_allclose(ours["held_out_loss"][-1], loss, rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(
            ours["training_loss"][-1], np.square(residual).mean() / 2, rtol=1e-10, atol=1e-12
        )


def same(found: xr.Dataset, alone: xr.Dataset) -> None:
    """All that was computed has the same bits."""
    for name in ("U", "distance", "training_loss", "held_out_loss"):
        assert found[name].values.tobytes() == alone[name].values.tobytes(), name


@pytest.mark.long
@pytest.mark.parametrize("options", [("--rows", "make"), ("--memory", str(300 * ROW))])
def test_rows_that_are_made_anew_change_no_bit(alone, tmp_path, options, capfd):
    file = tmp_path / "made.nc"
    line = [*words(), "--root", str(ROOT), *options, "--out", str(file)]
    assert sharded.main(line) == 0
    found = xr.load_dataset(file)
    same(found, alone)
    assert 0 <= found["rows_kept"] <= 300
    assert found["rows_kept"] < alone["rows_kept"] == 610
    assert f"1 rank: {found['rows_kept'].item():.0f} of 610 rows" in capfd.readouterr().out


@pytest.fixture
def called(capfd):
    """Call the job in this process: its exit code, what it printed, and the lines of what went wrong."""

    def call(*line: str):
        code = sharded.main(["--root", str(ROOT), *line])
        said = capfd.readouterr()
        return code, said.out, said.err.splitlines()

    return call


@pytest.mark.long
def test_the_job_states_its_claim_and_what_it_took(called, alone, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # another folder than the project's
    code, out, errors = called(*words(), "--rows", "keep", "--out", "here.nc")
    assert (code, errors) == (0, [])
    assert "1 rank: 610 of 610 rows" in out
    assert "sensing.overparam: With far too many factors" in out
    assert "changed: size: 100 → 12" in out
    assert "held out loss" in out
    assert "MiB a rank" in out
    found = xr.load_dataset("here.nc")
    same(found, alone)
    assert found.attrs["ranks"] == 1
    assert "size=12" in found.attrs["parameters"]
    assert '"verdict": ' in found.attrs["report"]
    assert found["rows_kept"].values.tolist() == [610]
    assert [path.name for path in tmp_path.iterdir()] == ["here.nc"]


BAD = {
    "an unknown option": (["--row", "make"], "--row"),
    "an unknown choice": (["--rows", "some"], "'some'"),
    "no number": (["--memory", "much"], "--memory"),
    "a negative number": (["--memory", "-1"], "--memory"),
    "nan": (["--hours", "nan"], "--hours"),
    "no time": (["--timeout", "0"], "--timeout"),
    "a word too many": (["sensing"], "sensing"),
    "an unknown parameter": (["-S", "sizes=3"], "no parameter 'sizes'"),
    "a size that is none": (["-S", "size=-3"], "size"),
    "no value": (["-S", "size"], "size"),
    "replicates": (["-S", "replicates=3"], "a job is one problem"),
    "another ending": (["--out", "here.txt"], "must end in .nc"),
    "no such folder": (["--out", "nowhere/here.nc"], "no such folder"),
    "a folder": (["--out", "folder.nc"], "cannot be written"),
    "no project": (["--root", "nowhere"], "nowhere"),
    "too long": (["--hours", "1e-4", *words(steps=10**6)], "at most 0.0001 (--hours)"),
    "no memory for that": (["--memory", "1e6", *words()], "--memory 1e+06: rank 0 has"),
    "rows that do not fit": (
        ["--rows", "keep", "--memory", str(600 * ROW), *words()],
        "--rows keep: rank 0 of 1 has",
    ),
    "a size that does not fit": (words(size=100_000, alphas="[1e-9]"), "beside the measurements"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_done_is_refused_in_a_line(called, case, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.nc").mkdir()
    line, rule = BAD[case]
    code, out, errors = called(*line)
    assert code == 2
    assert len(errors) == 1
    assert rule in errors[0]
    assert out == ""
    assert [path.name for path in tmp_path.iterdir()] == ["folder.nc"]


def test_help_names_every_option_and_is_no_error(called):
    code, out, errors = called("--help")
    assert (code, errors) == (0, [])
    for option in ("--rows", "--memory", "--hours", "--timeout", "--out", "--root", "-S"):
        assert option in out


@pytest.mark.long
def test_a_full_disk_is_one_line_and_leaves_what_was_there(called, tmp_path):
    file = tmp_path / "here.nc"
    file.write_bytes(b"as it was")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, hard))
    try:
        code, _, errors = called(*words(), "--rows", "make", "--out", str(file))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert code == 1
    assert len(errors) == 1
    assert "here.nc" in errors[0]
    assert "cannot be written" in errors[0]
    assert file.read_bytes() == b"as it was"
    assert len(list(tmp_path.iterdir())) == 1


# ---- What the ranks agree on before they begin.


def group(count: int, rank: int = 0, answers=None) -> Group:
    """A rank as if there were others, all of which say the same as this one, or `answers`."""

    def send(numbers, to, of):
        return numbers if answers is None else np.array(answers, float).ravel()

    return Group(Place(rank, count, rank, count), send, ends.ALONE, "gloo")


def test_ranks_that_were_asked_for_different_things_are_refused():
    sharded.require_one_job(job(), group(2))
    with pytest.raises(Refusal, match="the ranks have different settings"):
        sharded.require_one_job(job(), group(2, answers=[[1], [2]]))


def test_more_ranks_than_blocks_are_refused():
    _shares.require_blocks(config(), 8)
    with pytest.raises(Refusal, match="9 ranks > 8: so many blocks of at least 64 rows"):
        _shares.require_blocks(config(), 9)


@pytest.mark.parametrize(
    ("changes", "took"),
    [  # seconds a step on two ranks: README's example, and its benchmark
        ({"size": 60, "oversampling": 20, "alphas": "[1e-5,1e-4,1e-3,1e-2,1e-1]"}, 0.0233),
        ({"size": 100, "oversampling": 65, "alphas": "[1e-3]"}, 0.189),
    ],
)
def test_the_estimate_is_within_a_factor_2_of_what_was_measured(changes, took):
    chosen = config(rank=5, held_out=1000, **changes)
    rows = _shares.own_rows(chosen, 2, 0)
    each = _shares.seconds(chosen, 2, 0, rows) - rows * _shares.packed(chosen) / _shares.MADE
    assert took / 2 < each / (chosen.steps + 1) < took * 2


OWN = np.array([300, 310])


@pytest.mark.parametrize(
    ("options", "spare", "expected"),
    [
        ((), (1e9, 1e9), (300, 310)),
        ((), (100.5, 1e9), (100, 310)),
        (("--rows", "make"), (1e9, 1e9), (0, 0)),
        (("--rows", "keep"), (300, 310), (300, 310)),
        (("--memory", str(200 * ROW)), (1e9, 1e9), (200, 200)),
        (("--memory", "0"), (1e9, 1e9), (0, 0)),
    ],
)
def test_a_rank_keeps_what_it_has_room_for(options, spare, expected):
    room = np.array(spare) * ROW * GIB
    assert tuple(shares.kept(job(*options), OWN, room, round(ROW * GIB))) == expected


@pytest.mark.parametrize(
    ("options", "spare", "rule"),
    [
        (("--memory", str(400 * ROW)), (1e9, 399), "--memory .*: rank 1 has"),
        (("--rows", "keep"), (1e9, 309), "--rows keep: rank 1 of 2 has"),
        (("--rows", "keep"), (299, 305), "--rows keep: rank 1 of 2 has"),
        (("--rows", "keep", "--memory", str(305 * ROW)), (1e9, 1e9), "rank 1 of 2 .*: more ranks"),
    ],
)
def test_what_a_rank_has_no_room_for_is_refused(options, spare, rule):
    with pytest.raises(Refusal, match=rule):
        shares.kept(job(*options), OWN, np.array(spare) * ROW * GIB, round(ROW * GIB))


def test_a_cuda_device_keeps_no_rows(monkeypatch):
    monkeypatch.setattr(shares.device, "name", lambda: "cuda")
    room = np.full(2, 1e12)
    assert tuple(shares.kept(job(), OWN, room, 624)) == (0, 0)
    with pytest.raises(Refusal, match="--rows keep: a CUDA device makes its rows anew"):
        shares.kept(job("--rows", "keep"), OWN, room, 624)


def test_rows_that_fit_are_kept_and_counted():
    chosen = config()
    shared, _ = problem(chosen)
    for rows_ in (0, 63, 64, 200, 10**6):
        for mesh in (ALONE, ALONE._replace(rank=1, ranks=2)):
            found = keeping(shared, mesh, rows_ * 8 * 78)
            own = _shares.own_rows(chosen, mesh.ranks, mesh.rank)
            assert found.kept <= min(rows_, own)
            assert found.kept > min(rows_, own) - 64
            for block in found.blocks + found.fresh:
                if block.S is not None:
                    np.testing.assert_array_equal(block.S, rows(0, block.first, block.count, 78))


@pytest.mark.parametrize("limit", ["RLIMIT_AS", "RLIMIT_DATA"])
def test_the_limits_of_the_process_are_room_too(monkeypatch, limit):
    before = shares.room(1)
    assert shares.room(2) <= before * 0.6 + 2**30
    own = shares.psutil.Process().memory_info()
    used = own.vms if limit == "RLIMIT_AS" else own.data
    number = getattr(resource, limit)
    real = resource.getrlimit
    asked_for = SimpleNamespace(memory=used + 2**24)
    monkeypatch.setattr(
        resource,
        "getrlimit",
        lambda one: (asked_for.memory, -1) if one == number else real(one),
    )
    assert abs(shares.room(1) - 2**24) < 2**23
    asked_for.memory = 0
    assert shares.room(1) == 0


def test_ranks_that_end_apart_fail_a_check():
    facts = np.array([[1, 0.1, 50, 7, 8], [2, 0.2, 60, 7, 8]])
    result = Result(xr.Dataset(), {}, ())
    found = shares.told(result, facts)
    assert found.metrics["ranks"] == 2
    assert found.data["peak_mib"].values.tolist() == [50, 60]
    assert [check.holds for check in found.checks] == [True]
    facts[1, 4] = 9
    assert [check.holds for check in shares.told(result, facts).checks] == [False]
    one, other = np.ones((2, 3)), np.ones((2, 3))
    other[1, 1] = np.nextafter(1, 2)
    assert shares.fingerprint(one) == shares.fingerprint(one.copy())
    assert shares.fingerprint(one) != shares.fingerprint(other)


RANK = {"RANK": "1", "WORLD_SIZE": "4", "LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "2"}


def test_torchrun_s_variables_say_who_a_process_is(monkeypatch):
    for name in RANK:
        monkeypatch.delenv(name, raising=False)
    assert place() == Place(0, 1, 0, 1)
    for name, value in RANK.items():
        monkeypatch.setenv(name, value)
    assert place() == Place(1, 4, 0, 2)
    monkeypatch.delenv("LOCAL_RANK")
    monkeypatch.delenv("LOCAL_WORLD_SIZE")
    assert place() == Place(1, 4, 1, 4)


@pytest.mark.parametrize(
    ("name", "value"),
    [("RANK", "x"), ("RANK", ""), ("RANK", "4"), ("RANK", "-1"), ("RANK", "²"), ("RANK", None),
     ("WORLD_SIZE", "0"), ("WORLD_SIZE", None), ("LOCAL_RANK", "2"), ("LOCAL_WORLD_SIZE", "1e3")],
)  # fmt: skip
def test_variables_that_make_no_sense_are_refused(monkeypatch, name, value):
    for one, usual in (RANK | {name: value}).items():
        monkeypatch.delenv(one, raising=False) if usual is None else monkeypatch.setenv(one, usual)
    with pytest.raises(Refusal, match="start the job by torchrun"):
        place()


def test_without_an_address_to_meet_at_the_ranks_are_refused(monkeypatch):
    monkeypatch.delenv("MASTER_ADDR", raising=False)
    with (
        pytest.raises(Refusal, match="MASTER_ADDR is not set"),
        ranks.joined(Place(1, 2, 1, 2), 1.0),
    ):
        pass


# ---- Processes.


@pytest.mark.long
def test_what_one_process_has_no_room_for_is_refused_and_rows_made_anew_fit(called, tmp_path):
    """70 MB of rows where 48 MiB more may be taken."""
    large = words(size=60, oversampling=40, steps=2, milestones="[0,2]", alphas="[1e-5]")
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    limit = shares.psutil.Process().memory_info().vms + 48 * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
    try:
        code, _, errors = called(*large, "--rows", "keep")
        assert code == 2
        assert len(errors) == 1
        assert "--rows keep: rank 0 of 1 has" in errors[0]
        code, out, errors = called(*large)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
    assert (code, errors) == (0, [])
    assert ", the others are made anew at every step" in out


ENVIRONMENT = clean_environment() | {"PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"}
MODULE = "descent.sensing.sharded"


@pytest.mark.long
def test_two_ranks_keep_what_one_has_no_room_for_and_find_the_same_bits(called, alone, tmp_path):
    line = [*words(), "--root", str(ROOT), "--rows", "keep", "--memory", str(400 * ROW)]
    code, _, errors = called(*line)
    assert code == 2
    assert len(errors) == 1
    start = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    done = subprocess.run(
        [*start, "-m", MODULE, *line, "--out", "two.nc"],
        cwd=tmp_path, env=ENVIRONMENT, capture_output=True, encoding="utf-8", timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("2 ranks: 610 of 610 rows are kept") == 1
    assert done.stdout.count("two.nc is written") == 1
    found = xr.load_dataset(tmp_path / "two.nc")
    same(found, alone)
    assert (found.attrs["ranks"], found.attrs["backend"]) == (2, "gloo")
    assert found["rows_kept"].values.tolist() == [320, 290]
    assert '"ends_of_the_ranks"' in found.attrs["report"]
    assert [path.name for path in tmp_path.iterdir()] == ["two.nc"]


def started(folder, *lines: list[str]) -> list[subprocess.Popen]:
    """Two ranks started by hand, so that nothing but the job speaks; torchrun adds a report of its own."""
    meet, found = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}, []
    for rank, line in enumerate(lines):
        who = {"RANK": str(rank), "WORLD_SIZE": str(len(lines))} | meet
        found.append(
            subprocess.Popen(
                [sys.executable, "-m", MODULE, *line], cwd=folder, env=ENVIRONMENT | who,
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8",
            )
        )  # fmt: skip
    return found


@pytest.mark.long
def test_a_rank_that_is_killed_is_named_and_nothing_is_written(tmp_path):
    line = [*words(steps=200_000), "--rows", "make", "--root", str(ROOT), "--out", "two.nc"]
    first, second = ranks_ = started(tmp_path, line, line)
    try:
        assert first.stdout.readline().startswith("2 ranks: 0 of 610 rows are kept")
        second.send_signal(signal.SIGKILL)
        _, errors = first.communicate(timeout=120)
    finally:
        for one in ranks_:
            one.kill()
            one.communicate()
    assert first.returncode == 1
    assert errors.splitlines() == ["rank 1 has ended: nothing was written"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.long
def test_what_rank_0_alone_refuses_is_said_once(tmp_path):
    out = tmp_path / "none/two.nc"
    line = [*words(), "--root", str(ROOT), "--out", str(out)]
    first, second = ranks_ = started(tmp_path, line, line)
    try:
        errors = [one.communicate(timeout=240)[1] for one in ranks_]
    finally:
        for one in ranks_:
            one.kill()
    assert (first.returncode, second.returncode) == (2, 1)
    assert errors == [f"--out {out}: cannot be written: no such folder, or not yours\n", ""]


def test_a_store_whose_process_is_stopped_holds_nobody_up(monkeypatch):
    monkeypatch.setattr(ends, "ANSWER", 0.05)
    over = Event()

    def never(*_):
        over.wait(20)

    stopped = SimpleNamespace(set=never, add=never, check=never)
    try:
        for rank in (1, 2):
            found = ends.ends(stopped, rank, 3)
            assert not found.over()
            assert not found.over()  # while the first glance is not answered
            assert found.first() == (rank == 1)
            assert found.missing() == [0]
    finally:
        over.set()
