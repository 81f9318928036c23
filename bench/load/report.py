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


def markdown(results: dict) -> str:
    lines = ["| | |", "|---|---|"]
    lines += [f"| {name} | {value} |" for name, value in results["machine"].items()]
    for size, rounds in results["downloads"].items():
        lines += ["", f"### GET, {readable(int(size))}", "", *downloads(rounds)]
    memory = [f"{LABELS[name]}: {kib / 1024:.0f} MiB" for name, kib in results["memory"].items()]
    lines += ["", "Memory peak (VmHWM) after all downloads: " + "; ".join(memory) + "."]
    if results["uploads"]:
        lines += ["", "### PUT", "", *uploads(results["uploads"])]
    return "\n".join(lines) + "\n"


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


def readable(size: int) -> str:
    kib = size // 1024
    return f"{kib} KiB" if kib < 1024 else f"{kib // 1024} MiB"
