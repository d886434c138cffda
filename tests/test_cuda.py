"""The CUDA kernels: compiled wherever a compiler is, run on the CPU against their NumPy twins, and on a device."""

import shutil
import subprocess
from importlib.util import find_spec

import numpy as np
import pytest
from scipy import stats

import oracles
from descent.maths import device
from descent.sensing import _cuda, _operators, _problem, _trajectories, exact
from descent.sensing._cuda import BLOCKS, ROWS, SOURCE, VECTORS
from descent.sensing._operators import Dense, Regenerated, Stored, by_blocks, operator
from descent.sensing._philox import normals, philox
from fake_cupy import Array, fake_cupy

WORD = 0xFFFFFFFF


# --- the generator ---


@pytest.mark.parametrize(
    ("counter", "key", "words"),
    [
        ((0,) * 4, (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        ((WORD,) * 4, (WORD, WORD), (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
        (
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
            (0xA4093822, 0x299F31D0),
            (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
        ),
    ],
)
def test_philox_gives_the_published_words(counter, key, words):
    """The known answers of Philox4x32-10 in the authors' library Random123."""
    made = philox(tuple(np.array([c], np.uint64) for c in counter), key)
    assert tuple(int(word[0]) for word in made) == words


def test_the_rows_are_standard_normal():
    """Each statistic within 4.5 of its standard errors, each P ≥ 1e-5: one false alarm in 10⁴ seeds."""
    z = normals(11, 5, 400, 2001)
    n = z.size
    for k, mean, variance in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)):
        assert abs(np.mean(z**k) - mean) < 4.5 * np.sqrt(variance / n)
    assert stats.kstest(z.ravel(), "norm").pvalue > 1e-5
    # The two halves of a Box–Muller pair, their squares, neighbours in a row and in a column.
    pairs = z[:, :2000].reshape(-1, 2)
    neighbours = (pairs, pairs**2 - 1, np.stack([z[:, 1:-1:2], z[:, 2::2]], -1).reshape(-1, 2))
    for x, y in (*(pair.T for pair in neighbours), (z[1:].ravel(), z[:-1].ravel())):
        scale = np.sqrt(np.mean(x**2) * np.mean(y**2))
        assert abs(np.mean(x * y)) < 4.5 * scale / np.sqrt(len(x))
    # Correlations of all pairs of rows are N(0, 1/p): 79800 of them, level 1e-5 for their maximum.
    correlation = np.corrcoef(z)[np.triu_indices(400, 1)] * np.sqrt(z.shape[1])
    assert np.abs(correlation).max() < stats.norm.isf(1e-5 / 2 / len(correlation)) * 1.02
    assert abs(np.mean(correlation**2) - 1) < 4.5 * np.sqrt(2 / len(correlation))


def test_any_part_of_the_rows_can_be_made_alone():
    whole = normals(3, 0, 9, 7)
    np.testing.assert_array_equal(normals(3, 4, 3, 7), whole[4:7])
    np.testing.assert_array_equal(normals(3, 0, 9, 4), whole[:, :4])
    for seed, first in ((4, 0), (3 + 2**32, 0), (3, 2**32)):
        assert not np.isclose(normals(seed, first, 9, 7), whole).any()


# --- the forms of the operator ---


def gram(S, x):
    return x @ S.T @ S / len(S)


def assert_equal_up_to_rounding(y, expected):
    np.testing.assert_allclose(y, expected, rtol=0, atol=1e-12 * np.abs(expected).max())


@pytest.mark.parametrize("m", [1, _operators.BLOCK, _operators.BLOCK + 1, 200])
def test_every_form_is_the_same_operator(m):
    S, x = normals(1, 2, m, 15), np.random.default_rng(0).standard_normal((3, 15))
    for form in (Dense(S.T @ S / m), Stored(S), Regenerated(seed=1, first=2, m=m)):
        assert_equal_up_to_rounding(form.apply(x), gram(S, x))


def test_the_form_is_chosen_by_the_memory_that_is_free(monkeypatch):
    S = normals(0, 0, 20, 10)
    needed = 8 * 10 * 10 * _operators.SHARE
    for free, form in ((needed, Dense), (needed - 1, Stored)):
        monkeypatch.setattr(device, "free_memory", lambda xp, free=free: free)
        assert type(operator(S)) is form


# --- the CUDA source on the CPU ---

needs_compiler = pytest.mark.skipif(shutil.which("g++") is None, reason="no g++")


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("cuda")


@pytest.fixture
def emulated(monkeypatch, folder):
    """Make the stand-in the device; its free memory and the order of its threads can be chosen."""

    def use(**options):
        monkeypatch.setattr(device, "cupy", lambda: fake)
        monkeypatch.setenv("DESCENT_DEVICE", "cuda")
        device.launcher.cache_clear()
        fake = fake_cupy(folder, **options)
        return fake

    yield use
    device.launcher.cache_clear()


SHAPES = [  # rows, columns, vectors: fewer than a block takes, exactly, more; odd and even columns
    (1, 1, 1),
    (ROWS, 2, VECTORS),
    (ROWS + 1, 45, VECTORS + 1),
    (3 * ROWS, 2 * _cuda.THREADS + 3, 2),
    (2, 1500, 1),  # more columns than shared memory holds
]


@pytest.mark.long
@needs_compiler
@pytest.mark.parametrize(("m", "p", "a"), SHAPES)
def test_the_kernels_are_their_twins(emulated, m, p, a):
    x = np.random.default_rng(p).standard_normal((a, p))
    S, seed, first = normals(2**40 + 7, 2**33, m, p), 2**40 + 7, 2**33
    made = {}
    for backwards in (False, True):
        xp = emulated(backwards=backwards)
        drawn = _cuda.normals(seed, first, m, p)
        np.testing.assert_allclose(xp.asnumpy(drawn), S, rtol=0, atol=1e-13)
        for form in (Stored(xp.asarray(S)), Regenerated(seed, first, m)):
            y = form.apply(xp.asarray(x))
            assert isinstance(y, Array)
            assert_equal_up_to_rounding(xp.asnumpy(y), gram(S, x))
            made.setdefault(type(form), []).append(xp.asnumpy(y))
            np.testing.assert_array_equal(form.apply(x), xp.asnumpy(y))  # from and to the CPU
    for first_run, second_run in made.values():
        np.testing.assert_array_equal(first_run, second_run)


@pytest.mark.long
@needs_compiler
def test_blocks_of_threads_take_several_groups_of_rows(emulated, monkeypatch):
    monkeypatch.setattr(_cuda, "BLOCKS", 3)
    xp = emulated()
    S, x = normals(0, 0, 8 * ROWS + 3, 21), np.random.default_rng(0).standard_normal((2, 21))
    for form in (Stored(xp.asarray(S)), Regenerated(0, 0, len(S))):
        assert_equal_up_to_rounding(form.apply(x), gram(S, x))


@pytest.mark.long
@needs_compiler
@pytest.mark.parametrize(
    "planted",
    [
        (
            "residual[t] = all;\n        }\n        __syncthreads();",
            "residual[t] = all;\n        }",
        ),
        ("residual[r * VECTORS + v] * s1;", "residual[r * VECTORS + v] * s0;"),
        ("stage[2 * (r * kept + j) + 1] = s1;", "stage[2 * (r * kept + j)] = s1;"),
        ("k0 += 0x9E3779B9u;", "k0 += 0x9E3779B8u;"),
    ],
    ids=["a barrier less", "a wrong column", "a wrong place in shared memory", "a wrong key"],
)
def test_a_planted_fault_is_seen(emulated, monkeypatch, planted):
    assert SOURCE.count(planted[0]) == 1
    monkeypatch.setattr(_cuda, "SOURCE", SOURCE.replace(*planted))
    S, x = normals(0, 0, 20, 45), np.random.default_rng(0).standard_normal((2, 45))
    wrong = []
    for backwards in (False, True):
        xp = emulated(backwards=backwards)
        for form in (Stored(xp.asarray(S)), Regenerated(0, 0, 20)):
            wrong.append(not np.allclose(form.apply(x), gram(S, x), rtol=1e-9, atol=1e-9))
    assert any(wrong)


# --- descent on the device ---

# 40 measurements of 55 numbers: S is smaller than G.
TINY = {"seed": 2, "replicates": 2, "size": 10, "rank": 2, "oversampling": 2, "held_out": 40}
TINY |= {"step": 0.1, "steps": 12, "milestones": [0, 10], "snapshots": 5, "target": []}


def descents(*devices):
    """The same problem and starts on each of these, and on the CPU."""
    config = _problem.Config(**TINY)
    for use in (lambda: None, *devices):
        use()
        yield _trajectories.from_random_starts(
            np.random.default_rng(0), config, width=10, alphas=(0.01, 0.5)
        )


def assert_same_descent(one, other):
    for name, x, y in zip(one._fields, one, other, strict=True):
        assert type(y) is np.ndarray
        np.testing.assert_allclose(y, x, rtol=1e-9, atol=1e-13, err_msg=name)


@pytest.mark.long
@needs_compiler
@pytest.mark.parametrize(("free", "form"), [(2**34, Dense), (8 * 20_000, Stored)])
def test_descent_on_the_device_is_descent_on_the_cpu(emulated, monkeypatch, free, form):
    monkeypatch.setenv("DESCENT_DEVICE", "cpu")
    (on_cpu, expected), (on_device, found) = descents(lambda: emulated(free=free))
    assert type(on_cpu.gram) is np.ndarray
    assert type(on_device.gram) is form
    assert_same_descent(expected, found)
    U = np.random.default_rng(1).standard_normal((2, 10, 3))
    there, here = oracles.step_of(on_device, U), oracles.step_of(on_cpu, U)
    np.testing.assert_allclose(there, here, rtol=1e-12, atol=1e-12)


def test_an_experiment_on_the_device_reports_what_it_does_on_the_cpu(emulated, monkeypatch):
    monkeypatch.setattr("descent.maths.replicates.cpu_count", lambda: 1)
    block = TINY | {"oversampling": 10, "steps": 300}
    config = exact.Config(**block, start=0.01, fit=[1e-12, 1e-5], matrices=())
    monkeypatch.setenv("DESCENT_DEVICE", "cpu")
    on_cpu = exact.run(config)
    emulated()
    on_device = exact.run(config)
    for name, value in on_cpu.data.data_vars.items():
        np.testing.assert_allclose(on_device.data[name], value, rtol=1e-6, atol=1e-12)
    assert [c.holds for c in on_device.checks] == [c.holds for c in on_cpu.checks]


# --- a compiler for devices, without one ---


@pytest.mark.long
def test_nvcc_compiles_the_source(tmp_path):
    if shutil.which("nvcc") is None:
        pytest.skip("no nvcc")
    (tmp_path / "kernels.cu").write_text(SOURCE, encoding="utf-8")
    command = ["nvcc", "-std=c++17", "-arch=sm_90", "-Werror", "all-warnings", "-Xptxas", "-v"]
    command += ["-cubin", "-o", str(tmp_path / "kernels.cubin"), str(tmp_path / "kernels.cu")]
    done = subprocess.run(command, capture_output=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr
    spilled = [line for line in done.stderr.splitlines() if "spill" in line]
    assert len(spilled) == 4
    assert all("0 bytes spill stores, 0 bytes spill loads" in line for line in spilled)


@pytest.mark.long
def test_nvrtc_compiles_the_source():
    if find_spec("cuda") is None or find_spec("cuda.bindings") is None:
        pytest.skip("no NVRTC")
    from cuda.bindings import nvrtc

    made, program = nvrtc.nvrtcCreateProgram(SOURCE.encode(), b"kernels.cu", 0, [], [])
    options = [b"--std=c++17", b"--gpu-architecture=sm_90"]
    (status,) = nvrtc.nvrtcCompileProgram(program, len(options), options)
    size = nvrtc.nvrtcGetProgramLogSize(program)[1]
    log = b" " * max(size, 2)  # written into; Python has one object for b" " in all of the process
    nvrtc.nvrtcGetProgramLog(program, log)
    assert made == status == nvrtc.nvrtcResult.NVRTC_SUCCESS, log.decode()


# --- a device ---


@pytest.fixture
def on_cuda(monkeypatch):
    if device.cupy() is None:
        pytest.skip("no CUDA device")
    monkeypatch.setenv("DESCENT_DEVICE", "cuda")
    return device.cupy()


@pytest.mark.gpu
@pytest.mark.parametrize(("m", "p", "a"), [*SHAPES, (3000, 5050, 5), (BLOCKS * ROWS + 5, 1001, 9)])
def test_the_forms_on_a_device_are_their_twins(on_cuda, m, p, a):
    x = np.random.default_rng(p).standard_normal((a, p))
    S = normals(7, 3, m, p)
    np.testing.assert_allclose(on_cuda.asnumpy(_cuda.normals(7, 3, m, p)), S, rtol=0, atol=1e-13)
    for form in (
        Dense(on_cuda.asarray(S.T @ S / m)),
        Stored(on_cuda.asarray(S)),
        Regenerated(7, 3, m),
    ):
        y = form.apply(x)
        assert_equal_up_to_rounding(y, by_blocks(lambda i, n: S[i : i + n], m, x))
        np.testing.assert_array_equal(form.apply(x), y)


@pytest.mark.gpu
def test_descent_on_a_cuda_device_is_descent_on_the_cpu(on_cuda, monkeypatch):
    monkeypatch.setenv("DESCENT_DEVICE", "cpu")
    (_, expected), (_, found) = descents(lambda: monkeypatch.setenv("DESCENT_DEVICE", "cuda"))
    assert_same_descent(expected, found)
