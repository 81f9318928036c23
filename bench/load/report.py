"""The numbers as tables of Markdown."""

import statistics

BASELINE = "nginx"
LABELS = {
    "nginx": "nginx, bare file, no log",
    "nginx-log": "nginx, bare file, access log",
    "valet": "valet, `--encryption on`",
    "valet-plain": "valet, `--encryption off`",
    "s3s-fs": "s3s-fs",
    "garage": "Garage",
}


def markdown(results: dict) -> dict[str, str]:
    """The tables of what was measured, by the name of their place in RESULTS.md."""
    tables = {}
    if "downloads" in results or "uploads" in results:
        tables["load"] = [*machine(results), *transfers(results)]
    if "refusals" in results:
        tables["refusals"] = refusals(results["refusals"])
    if "listing" in results:
        tables["listing"] = listing(results["listing"])
    if "distributions" in results:
        tables["distributions"] = distributions(results["distributions"])
    return {name: "\n".join(lines) + "\n" for name, lines in tables.items()}


def machine(results: dict) -> list[str]:
    facts = results["machine"].items()
    return ["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in facts)]


def transfers(results: dict) -> list[str]:
    lines = []
    for size, rounds in results.get("downloads", {}).items():
        lines += ["", f"### GET, {readable(int(size))}", "", *downloads(rounds)]
    if "memory" in results:
        memory = [f"{LABELS[name]}: {mib(kib)}" for name, kib in results["memory"].items()]
        lines += ["", "Memory peak (VmHWM) after all downloads: " + "; ".join(memory) + "."]
    if "uploads" in results:
        lines += ["", "### PUT", "", *uploads(results["uploads"])]
    return lines


def refusals(results: dict) -> list[str]:
    before, after = (statistics.median(results[when]) for when in ("before", "after"))
    memory = results["memory_kib"]
    return [
        "| | |",
        "|---|---|",
        f"| requests that failed to authenticate | {results['failed']:,} |",
        f"| CPU of one | {statistics.median(results['cpu_us']):.1f} µs |",
        f"| memory in use before, most between, after | {', '.join(map(mib, (memory[0], max(memory), memory[-1])))} |",
        f"| CPU of a good GET of 1 KiB before and after | {before:.1f} µs, {after:.1f} µs |",
    ]


def distributions(results: dict) -> list[str]:
    rounds = results["rounds"]
    labels = {
        "secure-link-log": ("nginx, `secure_link`", None),
        "secure-link": ("nginx, `secure_link`, without a log", "secure-link-log"),
        "hit": ("valet, a signed URL, from the cache", "secure-link-log"),
        "presigned": ("valet, presigned URLs of 2,000 objects", None),
        "miss": ("valet, signed URLs of 2,000 objects, past a small cache", "presigned"),
    }
    lines = ["| GET of 64 KiB | requests a second | CPU µs a request | CPU against |", "|---|---:|---:|---|"]
    for name, (label, baseline) in labels.items():
        samples = rounds[name]
        against = ""
        if baseline:
            against = f"{ratio(samples, rounds[baseline])} of {labels[baseline][0]}"
        per_second, cpu = median(samples, "per_second"), median(samples, "cpu_us")
        lines.append(f"| {label} | {per_second:,.0f} | {cpu:,.1f} | {against} |")
    lines += ["", "| the cache holds | Zipf's exponent | hit rate | of the objects asked for most |", "|---|---:|---:|---:|"]
    for row in results["zipf"]:
        lines.append(f"| {row['share']:.0%} of all | {row['exponent']} | {row['rate']:.1%} | {row['best']:.1%} |")
    return lines


def listing(results: dict) -> list[str]:
    memory = results["memory_kib"]
    lines = [
        f"A bucket of {results['keys']:,} keys; one connection.",
        "",
        "| page | answered within | CPU of the server |",
        "|---|---:|---:|",
    ]
    for name, samples in results["pages"].items():
        elapsed = 1000 / median(samples, "per_second")
        lines.append(f"| {name} | {elapsed:.1f} ms | {median(samples, 'cpu_us') / 1000:.1f} ms |")
    return [
        *lines,
        "",
        f"Memory in use when the bucket is filled {mib(memory[0])}, after all pages {mib(memory[-1])}.",
    ]


def downloads(rounds: dict) -> list[str]:
    lines = [
        "| server | requests/s | CPU µs a request | requests per CPU second, of nginx's"
        " | of nginx's with access log |",
        "|---|---:|---:|---:|---:|",
    ]
    for name, samples in rounds.items():
        against = [ratio(samples, rounds.get(other)) for other in (BASELINE, "nginx-log")]
        per_second, cpu = median(samples, "per_second"), median(samples, "cpu_us")
        lines.append(
            f"| {LABELS[name]} | {per_second:,.0f} | {cpu:,.1f} | {against[0]} | {against[1]} |"
        )
    return lines


def ratio(samples: list[dict], baseline: list[dict] | None) -> str:
    """The median of the ratios within each round, with the lowest and the highest."""
    if baseline is None:
        return ""
    if samples is baseline:
        return "1"
    each = [theirs["cpu_us"] / ours["cpu_us"] for ours, theirs in zip(samples, baseline)]
    return f"**{statistics.median(each):.2f}** ({min(each):.2f} to {max(each):.2f})"


def uploads(results: dict) -> list[str]:
    lines = [
        "| server | 1 KiB, 64 connections | CPU µs a request | 64 MiB, 4 connections"
        " | CPU s a GB | memory peak: idle, after 1 KiB, after 64 MiB |",
        "|---|---:|---:|---:|---:|---|",
    ]
    for name, result in results.items():
        small, large, memory = result["small"], result["large"], result["memory"]
        peaks = ", ".join(f"{memory[when] / 1024:.0f}" for when in ("idle", "small", "large"))
        lines.append(
            f"| {LABELS[name]} | {median(small, 'per_second'):,.0f}/s |"
            f" {median(small, 'cpu_us'):,.0f} | {large['mb_per_second']:,.0f} MB/s |"
            f" {large['cpu_s_per_gb']:.1f} | {peaks} MiB |"
        )
    return lines


def median(samples: list[dict], field: str) -> float:
    return statistics.median(sample[field] for sample in samples)


def mib(kib: int) -> str:
    return f"{kib / 1024:.0f} MiB"


def readable(size: int) -> str:
    kib = size // 1024
    return f"{kib} KiB" if kib < 1024 else f"{kib // 1024} MiB"
