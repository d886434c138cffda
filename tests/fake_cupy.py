"""A stand-in for CuPy and a CUDA device on a machine without either.

Arrays are wrapped, so that mixing them with NumPy's fails as it does with CuPy's. The kernels are the
project's own CUDA source, compiled by g++ behind a shim: the threads of a block are coroutines that
take turns at every barrier, forwards or backwards, and shared memory starts as nan. A barrier that
some threads miss, or a write beyond the shared memory asked for, is an error.
"""

import ctypes
import hashlib
import re
import subprocess
from functools import cache
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

SHARED_MEMORY = 64 * 1024

SHIM = r"""
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <vector>
#include <ucontext.h>
#define __global__
#define __device__
#define __shared__
#define __launch_bounds__(n)
#define __syncthreads() barrier(__LINE__)
#define __shfl_down_sync(mask, value, lanes) shuffle_down(mask, value, lanes, __LINE__)
struct Index { unsigned x; };
static Index threadIdx, blockIdx, blockDim, gridDim;
using std::sqrt; using std::log;
static void sincospi(double x, double* s, double* c) { *s = std::sin(M_PI * x); *c = std::cos(M_PI * x); }

struct Fibre { ucontext_t context; int line; bool done; };
static std::vector<Fibre> fibres;
static std::vector<double> slots;
static ucontext_t scheduler;
static std::function<void()> body;
static int failure;

static void barrier(int line) {
    Fibre& me = fibres[threadIdx.x];
    const unsigned t = threadIdx.x;
    me.line = line;
    swapcontext(&me.context, &scheduler);
    threadIdx.x = t;
}
static double shuffle_down(unsigned mask, double value, int lanes, int line) {
    const unsigned t = threadIdx.x;
    if (mask != 0xffffffffu) failure = 3;
    slots[t] = value;
    barrier(line);
    const double got = t % 32 + lanes < 32 ? slots[t + lanes] : value;
    barrier(-line);
    return got;
}
static void start() { body(); fibres[threadIdx.x].done = true; }

extern double shared[];
enum { DOUBLES = 1 << 15 };
static int emulate(int blocks, int threads, long bytes, int backwards) {
    const double nan = std::numeric_limits<double>::quiet_NaN();
    std::vector<char> stacks((size_t)threads << 16);
    failure = 0;
    gridDim.x = blocks; blockDim.x = threads;
    fibres.resize(threads); slots.resize(threads);
    for (int b = 0; b < blocks; ++b) {
        blockIdx.x = b;
        for (int i = 0; i < DOUBLES; ++i) shared[i] = nan;
        for (int t = 0; t < threads; ++t) {
            Fibre& f = fibres[t];
            f.done = false; f.line = 0;
            getcontext(&f.context);
            f.context.uc_stack.ss_sp = &stacks[(size_t)t << 16];
            f.context.uc_stack.ss_size = 1 << 16;
            f.context.uc_link = &scheduler;
            makecontext(&f.context, start, 0);
        }
        while (!fibres[0].done) {
            for (int k = 0; k < threads; ++k) {
                threadIdx.x = backwards ? threads - 1 - k : k;
                swapcontext(&scheduler, &fibres[threadIdx.x].context);
            }
            for (Fibre& f : fibres)  // a thread may not wait where another does not
                if (f.done != fibres[0].done || (!f.done && f.line != fibres[0].line)) return 1;
        }
        for (int i = bytes / 8; i < DOUBLES; ++i)
            if (shared[i] == shared[i]) return 2;
    }
    return failure;
}
"""


@cache
def compiled(source: str, folder: Path) -> ctypes.CDLL:
    """The kernels as functions launch_NAME(blocks, threads, shared, backwards, …) of a library."""
    code = SHIM + source + "\ndouble shared[DOUBLES];\n"
    for name, parameters in signatures(source).items():
        names = ", ".join(re.findall(r"(\w+)(?:,|$)", parameters))
        code += (
            f'extern "C" int launch_{name}(int blocks_, int threads_, long shared_, int backwards_, {parameters}) {{\n'
            f"    body = [=] {{ {name}({names}); }};\n"
            "    return emulate(blocks_, threads_, shared_, backwards_);\n}\n"
        )
    stem = folder / hashlib.sha256(code.encode()).hexdigest()[:12]
    stem.with_suffix(".cpp").write_text(code, encoding="utf-8")
    command = ["g++", "-std=c++17", "-O2", "-Wall", "-Werror", "-Wno-unknown-pragmas", "-shared"]
    command += ["-fPIC", "-o", str(stem.with_suffix(".so")), str(stem.with_suffix(".cpp"))]
    done = subprocess.run(command, capture_output=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr
    return ctypes.CDLL(str(stem.with_suffix(".so")))


def signatures(source: str) -> dict[str, str]:
    """The parameters of every kernel."""
    pattern = r'extern "C" __global__ void (?:__launch_bounds__\(\w+\) )?(\w+)\(([^)]*)\)'
    return {name: " ".join(given.split()) for name, given in re.findall(pattern, source)}


TYPES = {"i64": np.int64, "u64": np.uint64}


class Function:
    """A kernel as CuPy's RawKernel is called; strict about types, which the device would not be."""

    def __init__(self, source: str, name: str, folder: Path, backwards: bool):
        self.launch = getattr(compiled(source, folder), f"launch_{name}")
        self.types = [part.split()[:-1] for part in signatures(source)[name].split(", ")]
        self.backwards = backwards
        self.max_dynamic_shared_size_bytes = 48 * 1024

    def __call__(self, grid, block, arguments, shared_mem=0):
        assert shared_mem <= max(self.max_dynamic_shared_size_bytes, 48 * 1024)
        assert self.max_dynamic_shared_size_bytes <= SHARED_MEMORY
        given = []
        for words, value in zip(self.types, arguments, strict=True):
            if words[-1] == "double*":
                assert value.dtype == np.float64
                assert value.a.flags.c_contiguous
                given.append(ctypes.c_void_p(value.a.ctypes.data))
            else:
                assert type(value) is TYPES[words[-1]], (words, value)
                kind = ctypes.c_uint64 if words[-1] == "u64" else ctypes.c_int64
                given.append(kind(int(value)))
        shared = ctypes.c_long(shared_mem)
        status = self.launch(*grid, *block, shared, int(self.backwards), *given)
        assert status == 0, ["", "a barrier that some miss", "shared memory overrun", "mask"][
            status
        ]


class Array(NDArrayOperatorsMixin):
    """An array of the device: no NumPy array may meet it."""

    def __init__(self, a):
        self.a = np.asarray(a)

    shape, dtype, ndim, nbytes = (
        property(lambda self, k=k: getattr(self.a, k)) for k in ("shape", "dtype", "ndim", "nbytes")
    )
    T, mT = (property(lambda self, k=k: Array(getattr(self.a, k))) for k in ("T", "mT"))

    def __len__(self):
        return len(self.a)

    def __array__(self, *_, **__):
        raise TypeError("Implicit conversion to a NumPy array is not allowed.")

    def __array_ufunc__(self, ufunc, method, *inputs, **options):
        if ufunc.signature not in (None, np.matmul.signature) or method != "__call__":
            return NotImplemented  # CuPy has no vecdot
        options |= {"out": tuple(map(inner, options["out"]))} if "out" in options else {}
        made = ufunc(*map(inner, inputs), **options)
        return self if "out" in options else Array(made)

    def __array_function__(self, function, _, arguments, options):
        return Array(function(*map(inner, arguments), **options))

    def __getitem__(self, index):
        return Array(self.a[tuple(map(inner, index)) if isinstance(index, tuple) else index])

    def __setitem__(self, index, value):
        self.a[index] = inner(value)

    def sum(self, axis):
        return Array(self.a.sum(axis))


def inner(value):
    if isinstance(value, np.ndarray) and value.ndim:
        raise TypeError("Unsupported type <class 'numpy.ndarray'>")
    return value.a if isinstance(value, Array) else value


def fake_cupy(folder: Path, free: int = 2**34, backwards: bool = False) -> ModuleType:
    """What `descent.maths.device` uses of CuPy."""

    class RawModule:
        def __init__(self, code, options):
            assert options == ("--std=c++17",)  # for hexadecimal floats
            self.code = code

        def get_function(self, name):
            return Function(self.code, name, folder, backwards)

    fake = ModuleType("cupy")
    vars(fake).update(
        asarray=lambda x: x if isinstance(x, Array) else Array(np.array(x)),
        asnumpy=lambda x: x.a.copy(),
        ascontiguousarray=lambda x: Array(np.ascontiguousarray(x.a)),
        empty=lambda shape: Array(np.full(shape, np.nan)),
        RawModule=RawModule,
        get_default_memory_pool=lambda: SimpleNamespace(free_bytes=lambda: 0),
        cuda=SimpleNamespace(
            is_available=lambda: True,
            runtime=SimpleNamespace(
                memGetInfo=lambda: (free, 2**35),
                getDevice=lambda: 0,
                cudaDevAttrMaxSharedMemoryPerBlockOptin=97,
                deviceGetAttribute=lambda attribute, _: {97: SHARED_MEMORY}[attribute],
            ),
        ),
    )
    return fake
