"""Signs S3 requests, independently of the product: written from the AWS documentation alone.

Every stage takes overrides, so that a test can send what no honest client would.
"""

import base64
import hashlib
import hmac
from dataclasses import dataclass, field
from datetime import datetime, timezone
from urllib.parse import quote

ALGORITHM = "AWS4-HMAC-SHA256"
UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD"
EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()

# Sub-resources that a SigV2 signature covers.
SIGV2_RESOURCES = {
    "acl", "cors", "delete", "lifecycle", "location", "logging", "notification", "partNumber",
    "policy", "requestPayment", "tagging", "torrent", "uploadId", "uploads", "versionId",
    "versioning", "versions", "website", "response-cache-control",
    "response-content-disposition", "response-content-encoding", "response-content-language",
    "response-content-type", "response-expires",
}


def now():
    """The current time in whole seconds, as signatures carry it."""
    return datetime.now(timezone.utc).replace(microsecond=0)


def amz_date(time):
    return time.strftime("%Y%m%dT%H%M%SZ")


def encode(text):
    """Percent-encodes all but RFC 3986's unreserved characters."""
    return quote(text, safe="-_.~")


def encode_path(text):
    """The same, with `/` kept: how S3 writes a path, encoded once and never normalised."""
    return quote(text, safe="-_.~/")


def hmac_sha256(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def signing_key(secret, day, region="us-east-1", service="s3"):
    key = b"AWS4" + secret.encode()
    for part in (day, region, service, "aws4_request"):
        key = hmac_sha256(key, part)
    return key


def canonical_query(pairs):
    encoded = sorted((encode(name), encode(value)) for name, value in pairs)
    return "&".join(f"{name}={value}" for name, value in encoded)


def canonical_request(method, path, pairs, headers, signed_headers, payload):
    """`headers`: (lower-case name, value) pairs; those not named in `signed_headers` do not count."""
    lines = []
    for name in signed_headers:
        values = [" ".join(value.split()) for header, value in headers if header == name]
        lines.append(f"{name}:{','.join(values)}\n")
    return "\n".join(
        [method, path, canonical_query(pairs), "".join(lines), ";".join(signed_headers), payload]
    )


def string_to_sign(date, scope, canonical, algorithm=ALGORITHM):
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    return "\n".join([algorithm, date, scope, digest])


@dataclass(frozen=True)
class Key:
    """A long-term access key."""

    id: str
    secret: str


@dataclass
class Link:
    """A SigV4 link in the making. `target()` is what goes into the request line.

    The named fields override what is claimed; `drop` leaves parameters out after signing,
    `tail` appends pairs after signing.
    """

    key: Key
    host: str
    path: str
    method: str = "GET"
    query: list = field(default_factory=list)
    headers: list = field(default_factory=list)
    time: datetime = field(default_factory=now)
    expires: str = "3600"
    region: str = "us-east-1"
    service: str = "s3"
    terminal: str = "aws4_request"
    algorithm: str = ALGORITHM
    payload: str = UNSIGNED_PAYLOAD
    token: str | None = None
    date: str | None = None
    credential: str | None = None
    credential_day: str | None = None
    signed_headers: str | None = None
    signature: str | None = None
    drop: tuple = ()
    tail: list = field(default_factory=list)

    def signed(self):
        """(date, scope, pairs without the signature, canonical request, string to sign)."""
        date = self.date if self.date is not None else amz_date(self.time)
        day = self.credential_day if self.credential_day is not None else amz_date(self.time)[:8]
        scope = f"{day}/{self.region}/{self.service}/{self.terminal}"
        credential = self.credential if self.credential is not None else f"{self.key.id}/{scope}"
        headers = [("host", self.host), *((n.lower(), v) for n, v in self.headers)]
        names = (
            self.signed_headers.split(";")
            if self.signed_headers is not None
            else sorted({name for name, _ in headers})
        )
        pairs = [
            *self.query,
            ("X-Amz-Algorithm", self.algorithm),
            ("X-Amz-Credential", credential),
            ("X-Amz-Date", date),
            ("X-Amz-Expires", self.expires),
            *([("X-Amz-Security-Token", self.token)] if self.token is not None else []),
            ("X-Amz-SignedHeaders", ";".join(names)),
        ]
        pairs = [pair for pair in pairs if pair[0] not in self.drop]
        canonical = canonical_request(self.method, self.path, pairs, headers, names, self.payload)
        return date, scope, pairs, canonical, string_to_sign(date, scope, canonical)

    def target(self):
        _, _, pairs, _, to_sign = self.signed()
        if "X-Amz-Signature" not in self.drop:
            pairs = [*pairs, ("X-Amz-Signature", self.signature or self.sign(to_sign))]
        query = "&".join(f"{encode(n)}={encode(v)}" for n, v in [*pairs, *self.tail])
        return f"{self.path}?{query}"

    def sign(self, to_sign):
        day = self.credential_day if self.credential_day is not None else amz_date(self.time)[:8]
        key = signing_key(self.key.secret, day, self.region, self.service)
        return hmac_sha256(key, to_sign).hex()


def authorization(
    key,
    method,
    host,
    path,
    *,
    query=(),
    headers=(),
    body=b"",
    time=None,
    date=None,
    region="us-east-1",
    service="s3",
    payload=None,
):
    """The headers of a request signed in its Authorization header, as (name, value) pairs."""
    date = date if date is not None else amz_date(time or now())
    payload = payload if payload is not None else hashlib.sha256(body).hexdigest()
    signed = [
        ("host", host),
        ("x-amz-content-sha256", payload),
        ("x-amz-date", date),
        *((name.lower(), value) for name, value in headers),
    ]
    names = sorted({name for name, _ in signed})
    scope = f"{date[:8]}/{region}/{service}/aws4_request"
    canonical = canonical_request(method, path, list(query), signed, names, payload)
    signature = hmac_sha256(
        signing_key(key.secret, date[:8], region, service), string_to_sign(date, scope, canonical)
    ).hex()
    value = f"{ALGORITHM} Credential={key.id}/{scope}, SignedHeaders={';'.join(names)}, Signature={signature}"
    return [
        *((name, text) for name, text in signed if name != "host"),
        ("authorization", value),
    ]


def sigv2_string_to_sign(method, path, expires, *, query=(), content_md5="", content_type="", amz=()):
    """`path` includes the bucket; `amz`: the x-amz-* headers (or query parameters) covered."""
    covered = sorted((n, v) for n, v in query if n in SIGV2_RESOURCES)
    resource = path
    if covered:
        resource += "?" + "&".join(f"{n}={v}" if v else n for n, v in covered)
    headers = "".join(f"{n}:{v}\n" for n, v in sorted(amz))
    return f"{method}\n{content_md5}\n{content_type}\n{expires}\n{headers}{resource}"


def sigv2_target(key, method, path, expires, *, query=(), amz=(), signature=None, **signed):
    """A SigV2 link; what `amz` holds travels in the query, as boto3 writes it."""
    to_sign = sigv2_string_to_sign(method, path, expires, query=query, amz=amz, **signed)
    made = base64.b64encode(
        hmac.new(key.secret.encode(), to_sign.encode(), hashlib.sha1).digest()
    ).decode()
    pairs = [
        *query,
        *amz,
        ("AWSAccessKeyId", key.id),
        ("Expires", str(expires)),
        ("Signature", signature or made),
    ]
    return path + "?" + "&".join(f"{encode(n)}={encode(v)}" for n, v in pairs)
