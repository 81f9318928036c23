"""A million requests that fail to authenticate: what they leave behind, and what good ones cost after them."""

import measure
import servers

FAILURES = 1_000_000
# How the rounds share them.
SECONDS = 10
CONNECTIONS = 64

# Unknown keys that are never the same, wrong signatures of the true key, sessions that nobody opened,
# and tokens of no sense beside a key that exists, in turns.
FAIL = """
local hex = "0123456789abcdef"
math.randomseed(os.time())
local function digits(count)
  local out = {{}}
  for i = 1, count do
    local at = math.random(16)
    out[i] = hex:sub(at, at)
  end
  return table.concat(out)
end
local path, scope, rest = "{path}", "{scope}", "{rest}"
local function link(id, token)
  return path .. "?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=" .. id .. scope .. rest
    .. token .. "&X-Amz-Signature=" .. digits(64)
end
local turn = 0
request = function()
  turn = turn + 1
  local kind = turn % 4
  if kind == 0 then return wrk.format(nil, link("AKIA" .. digits(16):upper(), "")) end
  if kind == 1 then return wrk.format(nil, link("{access_key_id}", "")) end
  if kind == 2 then
    return wrk.format(nil, link("ASIA" .. digits(16):upper(), "&X-Amz-Security-Token=" .. digits(400)))
  end
  return wrk.format(nil, link("{access_key_id}", "&X-Amz-Security-Token=" .. digits(400)))
end
"""


def run(server, body_size: int, arguments) -> dict:
    """The server is warm: what it costs to serve one link before and after, in turns of no length of note."""
    good = server.url(body_size)
    before = drive_good(server, good, body_size, arguments)
    memory = [server.memory_kib()]
    failed = 0
    failing = []
    while failed < FAILURES:
        sample = drive_failing(server, good, arguments)
        failed += sample["requests"]
        failing.append(sample["cpu_us"])
        memory.append(server.memory_kib())
    return {
        "failed": failed,
        "cpu_us": failing,
        "memory_kib": memory,
        "before": before,
        "after": drive_good(server, good, body_size, arguments),
    }


def drive_good(server, url: str, size: int, arguments) -> list[float]:
    return [
        measure.drive(server, url, size, seconds=arguments.seconds, arguments=arguments)["cpu_us"]
        for _ in range(arguments.rounds)
    ]


def drive_failing(server, good: str, arguments) -> dict:
    path, _, query = good.removeprefix(f"http://127.0.0.1:{server.port}").partition("?")
    fields = dict(field.split("=", 1) for field in query.split("&"))
    scope = fields["X-Amz-Credential"].removeprefix(servers.ACCESS_KEY_ID)
    rest = "".join(
        f"&{name}={fields[name]}" for name in ("X-Amz-Date", "X-Amz-Expires", "X-Amz-SignedHeaders")
    )
    script = FAIL.format(path=path, scope=scope, rest=rest, access_key_id=servers.ACCESS_KEY_ID)
    return measure.drive(
        server,
        f"http://127.0.0.1:{server.port}/",
        0,
        seconds=SECONDS,
        arguments=arguments,
        script=script,
        connections=CONNECTIONS,
        refused=True,
    )
