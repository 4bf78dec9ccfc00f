#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs wheel_bench: every round runs each (workload, peer) once, in turn, each in a
process of its own; figures are medians over the rounds. Writes wheel.json (a list of
{metric, ours, peer, peer_name, unit, ratio, target, met, live, threads, rounds}),
wheel.md (the same as a table) and wheel.svg into --out.

    python3 bench/wheel/run.py --bench build/bin/wheel_bench --out bench/results
    python3 bench/wheel/run.py --quick --bench build/bin/wheel_bench --out /tmp/quick
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

K, M = 1000, 1000 * 1000
CURVE = [10 * K, 100 * K, M, 10 * M]
SINGLE = ["linked", "mutex", "heap", "tree", "libevent", "libuv", "asio"]


def jobs():
    """(workload, live, pairs, threads, peers)"""
    for live in CURVE:
        others = SINGLE if live == M else ["linked", "mutex"]
        # More pairs than live timers: compaction, which is ours alone, has set in.
        yield "churn", live, 2 * M if live <= M else 10 * M, 1, ["warden", "unlocked"] + others
        yield "pause", live, 0, 1, ["warden", "linked"]
    yield "hinted", 10 * M, 10 * M, 1, ["warden"]
    yield "batch", 10 * M, 10 * M, 1, ["warden", "linked"]
    yield "expire", M, 0, 1, ["warden", "linked", "heap", "tree"]
    yield "expire", 10 * M, 0, 1, ["warden", "linked"]
    yield "onetick", M, 0, 1, ["warden", "unlocked", "linked"]
    yield "churn", 10 * M, 4 * M, 2, ["warden", "mutex", "shard16"]
    yield "same", M, 4 * M, 2, ["warden", "mutex", "shard16"]
    yield "pause", 10 * M, 0, 2, ["warden", "mutex"]
    yield "hour", M, 4 * M, 1, ["warden"]
    yield "drain", 10 * M, 0, 1, ["warden"]


# metric, workload, field, live, threads, peer, target (limit of ours / peer), unit
RATIOS = [
    (
        "2 threads, churn, time of a pair, against the mutex wheel",
        "churn",
        "ns_pair",
        10 * M,
        2,
        "mutex",
        1 / 3.5,
        "ns",
    ),
    (
        "2 threads, churn, time of a pair, against 16 shards",
        "churn",
        "ns_pair",
        10 * M,
        2,
        "shard16",
        1 / 2.0,
        "ns",
    ),
    ("1 thread, single pair", "churn", "ns_pair", 10 * M, 1, "linked", 1.3, "ns"),
    (
        "1 thread, single pair, handle hinted a pair ahead",
        "hinted",
        "ns_pair",
        10 * M,
        1,
        "linked",
        None,
        "ns",
    ),
    (
        "1 thread, single pair, against the mutex wheel",
        "churn",
        "ns_pair",
        10 * M,
        1,
        "mutex",
        None,
        "ns",
    ),
    ("1 thread, batch of 16, a pair", "batch", "ns_pair", 10 * M, 1, "linked", 1.0, "ns"),
    ("expire, a timer", "expire", "ns_timer", 10 * M, 1, "linked", 0.4, "ns"),
    ("worst advance across a coarse slot", "pause", "worst_ms", 10 * M, 1, "linked", 1 / 100, "ms"),
    (
        "pair p99.9 while the other thread crosses",
        "pause",
        "p999_us",
        10 * M,
        2,
        "mutex",
        1 / 50,
        "us",
    ),
    ("one hot slot, 2 threads, time of a pair", "same", "ns_pair", M, 2, "mutex", 1 / 3, "ns"),
    ("1 M due in one tick", "onetick", "ms", M, 1, "linked", 1.5, "ms"),
    (
        "1 thread, single pair, against itself without atomicity",
        "churn",
        "ns_pair",
        10 * M,
        1,
        "unlocked",
        None,
        "ns",
    ),
    (
        "1 M due in one tick, against itself without atomicity",
        "onetick",
        "ms",
        M,
        1,
        "unlocked",
        None,
        "ms",
    ),
]
RATIOS += [
    ("1 thread, single pair, 1 M live", "churn", "ns_pair", M, 1, peer, None, "ns")
    for peer in SINGLE
]
RATIOS += [
    ("expire, a timer, 1 M", "expire", "ns_timer", M, 1, peer, None, "ns")
    for peer in ["linked", "heap", "tree"]
]


def run_all(bench, quick, rounds):
    figures = {}
    env = dict(os.environ)
    for number in range(rounds):
        for workload, live, pairs, threads, peers in jobs():
            if quick:
                live, pairs = max(1000, live // 1000), min(pairs, 20 * K)
            # Undisturbed threads where two must run at once; see undisturbed().
            env.pop("WARDEN_BENCH_FIFO", None)
            if threads > 1 and not quick:
                env["WARDEN_BENCH_FIFO"] = "1"
            for peer in peers:
                command = [bench, workload, peer, str(live), str(pairs), str(threads)]
                done = subprocess.run(command, env=env, capture_output=True, text=True)
                if done.returncode != 0:
                    sys.exit(
                        f"{' '.join(command)}: status {done.returncode}: {done.stderr.strip()}"
                    )
                key = (workload, live, threads, peer)
                answer = json.loads(done.stdout)
                if workload in ("expire", "onetick") and answer["check"] == 0:
                    sys.exit(f"{' '.join(command)}: not every timer fired once")
                figures.setdefault(key, []).append(answer)
        print(f"round {number + 1} of {rounds} done", file=sys.stderr)
    return figures


def table(figures, quick, rounds):
    def median(workload, field, live, threads, peer):
        live = max(1000, live // 1000) if quick else live
        return statistics.median(a[field] for a in figures[(workload, live, threads, peer)])

    rows = []

    def row(metric, ours, peer, peer_name, unit, target, live, threads):
        ratio = ours / peer if peer else None
        met = None if target is None or ratio is None else ratio <= target
        rows.append(
            dict(
                metric=metric,
                ours=ours,
                peer=peer,
                peer_name=peer_name,
                unit=unit,
                ratio=ratio,
                target=target,
                met=met,
                live=live,
                threads=threads,
                rounds=rounds,
            )
        )

    for metric, workload, field, live, threads, peer, target, unit in RATIOS:
        theirs = median("churn" if workload == "hinted" else workload, field, live, threads, peer)
        row(
            metric,
            median(workload, field, live, threads, "warden"),
            theirs,
            peer,
            unit,
            target,
            live,
            threads,
        )
    row(
        "growth: a pair at 10 M against 100 k",
        median("churn", "ns_pair", 10 * M, 1, "warden"),
        median("churn", "ns_pair", 100 * K, 1, "warden"),
        "itself at 100 k",
        "ns",
        2.0,
        10 * M,
        1,
    )
    for live in (M, 10 * M):
        row(
            "memory in churn, a timer (target: at most 44)",
            median("churn", "bytes_timer", live, 1, "warden"),
            44.0,
            "the target",
            "bytes",
            1.0,
            live,
            1,
        )
    row(
        "memory after an hour of cancel churn, against live-only (at most 1.5)",
        median("hour", "ratio", M, 1, "warden"),
        1.5,
        "the target",
        "times",
        1.0,
        M,
        1,
    )
    row(
        "resident memory a timer of the peak, when 1 % of it is left",
        median("drain", "after_bytes", 10 * M, 1, "warden"),
        median("drain", "peak_bytes", 10 * M, 1, "warden"),
        "itself at the peak",
        "bytes",
        None,
        10 * M,
        1,
    )
    return rows


def markdown(rows):
    out = [
        "| metric | live | threads | ours | peer | ratio | target | met |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for r in rows:
        target = "" if r["target"] is None else f"<= {r['target']:.3g}"
        met = {True: "yes", False: "no", None: ""}[r["met"]]
        out.append(
            f"| {r['metric']} | {r['live']:,} | {r['threads']} | {r['ours']:.4g} {r['unit']} | "
            f"{r['peer']:.4g} {r['unit']} ({r['peer_name']}) | "
            f"{r['ratio']:.3g} | {target} | {met} |"
        )
    return "\n".join(out) + "\n"


def svg(figures):
    """Two log-log panels: ns a pair, and the worst advance, against live timers."""
    import math

    panels = [
        (
            "churn",
            "ns_pair",
            "ns a pair (schedule + cancel), 1 thread",
            10,
            1000,
            ["warden", "linked", "mutex"],
        ),
        (
            "pause",
            "worst_ms",
            "worst advance across a coarse slot, ms",
            0.001,
            100,
            ["warden", "linked"],
        ),
    ]
    colour = {"warden": "#0a7d3c", "linked": "#b5521b", "mutex": "#3b5fa8"}
    out = [
        '<svg xmlns="http://www.w3.org/2000/svg" width="860" height="330" '
        'font-family="sans-serif" font-size="11">',
        '<rect width="860" height="330" fill="white"/>',
    ]
    for number, (workload, field, title, low, high, peers) in enumerate(panels):
        left, top, width, height = 60 + 430 * number, 40, 340, 230
        x = lambda live: left + width * (math.log10(live) - 4) / 3
        y = (
            lambda v: top
            + height
            - height
            * (math.log10(max(v, low)) - math.log10(low))
            / (math.log10(high) - math.log10(low))
        )
        out.append(f'<text x="{left}" y="{top - 14}" font-size="13">{title}</text>')
        decade = low
        while decade <= high * 1.001:
            out.append(
                f'<line x1="{left}" y1="{y(decade):.1f}" x2="{left + width}" '
                f'y2="{y(decade):.1f}" stroke="#ddd"/>'
            )
            out.append(
                f'<text x="{left - 6}" y="{y(decade) + 4:.1f}" text-anchor="end">{decade:g}</text>'
            )
            decade *= 10
        for live in CURVE:
            out.append(
                f'<text x="{x(live):.1f}" y="{top + height + 16}" '
                f'text-anchor="middle">{live:,}</text>'
            )
        for at, peer in enumerate(peers):
            points = [
                (
                    x(live),
                    y(statistics.median(a[field] for a in figures[(workload, live, 1, peer)])),
                )
                for live in CURVE
            ]
            path = " ".join(f"{a:.1f},{b:.1f}" for a, b in points)
            out.append(
                f'<polyline points="{path}" fill="none" stroke="{colour[peer]}" stroke-width="2"/>'
            )
            out += [
                f'<circle cx="{a:.1f}" cy="{b:.1f}" r="3" fill="{colour[peer]}"/>'
                for a, b in points
            ]
            out.append(
                f'<text x="{left + 90 * at}" y="{top + height + 38}" '
                f'fill="{colour[peer]}">{peer}</text>'
            )
    out.append("</svg>")
    return "\n".join(out) + "\n"


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bench", default="build/bin/wheel_bench")
    parser.add_argument("--out", default="bench/results")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--quick", action="store_true", help="small sizes, one round: that it runs, not how fast"
    )
    args = parser.parse_args()
    rounds = 1 if args.quick else args.rounds
    start = time.time()
    figures = run_all(args.bench, args.quick, rounds)
    rows = table(figures, args.quick, rounds)
    out = pathlib.Path(args.out)
    out.mkdir(parents=True, exist_ok=True)
    (out / "wheel.json").write_text(json.dumps(rows, indent=1) + "\n")
    (out / "wheel.md").write_text(markdown(rows))
    if not args.quick:
        (out / "wheel.svg").write_text(svg(figures))
    print(markdown(rows), end="")
    print(
        f"{rounds} rounds in {time.time() - start:.0f} s, load average {os.getloadavg()[0]:.1f}",
        file=sys.stderr,
    )


if __name__ == "__main__":
    main()
