"""A bucket of a million keys: what a page of its listing costs, and what listing does to memory."""

import measure
import servers

KEYS = 1_000_000
BUCKET = "many"
# The keys are FOLDER/NUMBER, so that a delimiter has something to fold.
FOLDERS = 1000
WRITE_CONNECTIONS = 64
WRITE_SECONDS = 20

# Whoever can reach the server may write while the bucket is filled: a million links would be the
# larger part of the work.
OPEN = """{
  "Version": "2012-10-17",
  "Statement": [{
    "Effect": "Allow",
    "Principal": "*",
    "Action": "s3:PutObject",
    "Resource": "arn:aws:s3:::%s/*"
  }]
}"""
PUT = """
wrk.method = "PUT"
wrk.body = "v"
local at = {first}
request = function()
  local number = at
  at = at + 1
  return wrk.format(nil, string.format("/{bucket}/%04d/%09d", number % {folders}, number))
end
"""

PAGES = {
    "1,000 keys from the start": {},
    "1,000 keys from the middle": {"start-after": "0500/"},
    "delimiter, 1,000 folders of 1,000 keys": {"delimiter": "/"},
    "delimiter, 1,000 keys of one folder": {"delimiter": "/", "prefix": "0500/"},
    "delimiter that folds 100,000 keys into one": {"delimiter": "/", "prefix": "0"},
    "1,000 versions from the middle": {"versions": "", "key-marker": "0500/"},
}


def run(server, arguments) -> dict:
    server.start({})
    try:
        fill(server, arguments)
        memory = [server.memory_kib()]
        pages = {}
        for name, query in PAGES.items():
            if "versions" not in query:
                query = {"list-type": "2", **query}
            url = server.presign_target("GET", f"s3://{BUCKET}", query)
            pages[name] = [
                measure.drive(
                    server, url, 0, seconds=arguments.seconds, arguments=arguments, connections=1
                )
                for _ in range(arguments.rounds)
            ]
            memory.append(server.memory_kib())
    finally:
        server.stop()
    return {"keys": KEYS, "pages": pages, "memory_kib": memory}


def fill(server, arguments) -> None:
    server.put(f"s3://{BUCKET}", b"")
    server.call("DELETE", f"s3://{BUCKET}", {"publicAccessBlock": ""})
    server.call("PUT", f"s3://{BUCKET}", {"policy": ""}, (OPEN % BUCKET).encode())
    written = 0
    while written < KEYS:
        sample = measure.drive(
            server,
            f"http://127.0.0.1:{server.port}/",
            1,
            seconds=WRITE_SECONDS,
            arguments=arguments,
            script=PUT.format(first=written, bucket=BUCKET, folders=FOLDERS),
            connections=WRITE_CONNECTIONS,
        )
        # Those that were under way at the end may not be written: they are written again.
        written += sample["requests"] - WRITE_CONNECTIONS
