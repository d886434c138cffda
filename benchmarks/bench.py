"""Time the heavy computations against the plain way and the hardware's limit: `make bench`.

Writes benchmarks/results/DATE.json and prints the same as Markdown. `--quick` leaves out the runs of
the whole pipeline.
"""

import argparse
import json
import sys
from datetime import date
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))  # not what is installed

import cluster
import dynamics
import features
import implicit
import minima
import networks
import noise
import pipeline
import polynomial
import probe
import scaled
import sensing
import sharded
import training
import vjp
import wide_relu
from descent.figure import Axis, Figure, line, panel
from descent.lab.svg import save
from machine import description

RESULTS = Path(__file__).with_name("results")


def markdown(rows: list[dict]) -> str:
    """The rows as a table."""
    head = list(rows[0])
    lines = ["| " + " | ".join(name.replace("_", " ") for name in head) + " |"]
    lines.append("|" + " --- |" * len(head))
    for row in rows:
        cells = [f"{v:.4g}" if isinstance(v, float) else str(v) for v in row.values()]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def growth(rows: list[dict]) -> Figure:
    """Seconds a step against d, with the predicted slope."""
    sizes = [row["d"] for row in rows]
    return Figure(
        (
            panel(
                "a step of matrix sensing",
                Axis("size d, m = 10dr", "log"),
                Axis("seconds a step", "log"),
                line(sizes, [row["seconds"] for row in rows], "measured, 5 starts"),
                line(
                    sizes,
                    [row["predicted_seconds"] for row in rows],
                    "∝ p², p = d(d+1)/2",
                    role="predicted",
                ),
            ),
        )
    )


def main(quick: bool) -> None:
    machine = description()
    tables = {
        "sensing, d = 100, m = 5000": sensing.ways(),
        "sensing, growth with d": sensing.growth(),
        "MNIST, one epoch with norms, one thread": training.ways(),
        "polynomial, n = 9: 1e5 steps, 7e5 stochastic steps": polynomial.ways(),
        "polynomial, scaled: 5e5 steps": scaled.ways(),
        "small networks": networks.ways(),
        "rippled wells, 2000 steps": minima.ways(),
        "vector–Jacobian products": vjp.ways(),
        "averaged gradients: iterations over the (β, η) plane": dynamics.ways(),
        "noisy chains and random networks": noise.ways(),
        "Jacobian features": features.ways(),
        "wide ReLU networks, and their limit": wide_relu.ways(),
        "implicit bias of linear models": implicit.ways(),
        **cluster.tables(),
        f"one sensing job over processes of {sharded.LIMIT} GiB, d = 100, m = 32500": sharded.ways(),
        f"probe at every={probe.EVERY}, {probe.STEPS} steps": probe.ways(),
    }
    if not quick:
        tables["dvc repro"], tables["experiments, cold"] = pipeline.ways()
    print(", ".join(f"{key} {value}" for key, value in machine.items() if value))
    for title, rows in tables.items():
        print(f"\n**{title}**\n\n{markdown(rows)}")
    RESULTS.mkdir(exist_ok=True)
    save(growth(tables["sensing, growth with d"]), RESULTS / "growth.svg")
    out = RESULTS / f"{date.today().isoformat()}.json"
    out.write_text(json.dumps({"machine": machine, **tables}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="without runs of the whole pipeline")
    main(parser.parse_args().quick)
