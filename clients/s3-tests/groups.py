"""Which case belongs to which group, which ones cannot pass and why, and the page of results."""

import re
from collections import defaultdict
from pathlib import Path

EXCLUSIONS = Path(__file__).resolve().parent / "exclusions.txt"

# What the reasons in `exclusions.txt` begin with.
KINDS = {
    "aws": "contrary to AWS",
    "ceph": "Ceph's own",
    "case": "the case itself cannot work",
    "acl": "needs ACLs, which are off on any new bucket",
    "sigv2": "signed with a SigV2 header, which Valet always refuses",
    "missing": "not built",
}

# Not run: no case of these is about what Valet serves.
LEFT_OUT = re.compile(
    "bucket_logging|object_lock|lifecycle|cloud|restore|read_through|torrent|object_acl|bucket_acl"
    "|access_bucket|acl_grants|bucket_recreate|acl_bucket_policy_status|delete_marker_expiration"
    "|ownership|owner_enforced|owner_preferred|object_writer|account_usage|head_bucket_usage|bucket_head_extended|sse_kms|-kms-|enc_kms|s3_kms"
    "|kms_s3|kms_noenc|c_kms|encryption_kms|public_acls|ignore_public|canned_acl"
)

# The first that fits.
GROUPS = [
    ("CORS", "cors"),
    ("POST forms", "post_object"),
    ("presigned links", "object_raw|presigned|expires_out|put_authenticated|object_anon"),
    ("conditional writes", "if_?(none)?_?match|if_?(un)?modified|conditional_write"),
    ("SSE-C and encryption", "enc_|encryption|encrypted|sse_"),
    ("tagging", "tag"),
    ("checksums and attributes", "checksum|cksum|attributes|bad_md5"),
    ("copies", "copy"),
    ("multipart uploads", "multipart|part_"),
    ("versioning", "version|delete_marker"),
    ("policies and public access", "policy|public|expected_bucket_owner"),
    ("listings", "list|key_count"),
    ("headers and dates", r"_bad_|amz_date|contentlength|_none$"),
    ("buckets and objects", ""),
]


def group(name):
    """The group of a case, or None when it is left out."""
    name = name.removeprefix("test_")
    if LEFT_OUT.search(name):
        return None
    return next(title for title, pattern in GROUPS if re.search(pattern, name))


def exclusions():
    """The reason, by name of the case."""
    reasons = {}
    for line in EXCLUSIONS.read_text().splitlines():
        if line and not line.startswith("#"):
            name, kind, reason = line.split(maxsplit=2)
            assert kind in KINDS and name not in reasons, line
            reasons[name] = (kind, reason)
    return reasons


# These are not the suite's own any more.
WEBSITES = """\
## Websites

The suite had cases for websites until it gave up boto 2 (its commit d665764): 29 functions, and 35 rows of routing rules. They
stand in `clients/test_websites.py`, where a policy opens what the suite opened by ACLs, and run with the other clients: 64 of 64 pass.
"""


def results(outcomes, commit, today):
    """The page of results, from the outcome by name of the case."""
    reasons, titles = exclusions(), defaultdict(list)
    for name in outcomes:
        titles[group(name)].append(name)
    lines = [
        "# The public S3 suite (Ceph's s3-tests)",
        "",
        f"Run on {today} at the suite's commit {commit}, over HTTPS. `clients/s3-tests/run` writes this page.",
        "",
        "| group | passed | of |",
        "|---|---|---|",
    ]
    for title, _ in GROUPS:
        passed = sum(outcomes[name] == "passed" for name in titles[title])
        lines.append(f"| {title} | {passed} | {len(titles[title])} |")
    passed = sum(outcome == "passed" for outcome in outcomes.values())
    lines += [f"| all | {passed} | {len(outcomes)} |", ""]
    for kind, meaning in KINDS.items():
        rows = [
            f"- `{name}`: {reasons[name][1]}"
            for name, outcome in outcomes.items()
            if outcome != "passed" and reasons.get(name, ("",))[0] == kind
        ]
        if rows:
            lines += [f"## {meaning[0].upper() + meaning[1:]}: {len(rows)}", "", *rows, ""]
    lines += WEBSITES.splitlines() + [""]
    unknown = [name for name, outcome in outcomes.items() if outcome != "passed" and name not in reasons]
    if unknown:
        lines += [f"## Failed without a reason: {len(unknown)}", ""]
        lines += [f"- `{name}`" for name in unknown] + [""]
    return "\n".join(lines)
