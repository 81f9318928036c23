"""Compares whole error answers: status, headers and every element in order."""

import re

ANY = object()


def check(answer, status, code, message, *extras, head=False):
    """`extras`: the (name, text) elements between Message and RequestId. A text may be ANY."""
    assert answer.status == status, (answer.status, answer.body.decode(errors="replace"))
    assert answer.header("content-type") == "application/xml", answer.headers
    assert answer.header("server") == "Valet"
    request_id = answer.header("x-amz-request-id")
    assert re.fullmatch(r"[0-9A-Z]{16}", request_id), request_id
    host_id = answer.header("x-amz-id-2")
    assert host_id
    if head:
        assert answer.body == b""
        return
    expected = [
        ("Code", code), ("Message", message), *extras,
        ("RequestId", request_id), ("HostId", host_id),
    ]
    found = answer.error()
    assert [name for name, _ in found] == [name for name, _ in expected], found
    for (name, text), (_, wanted) in zip(found, expected):
        if wanted is not ANY:
            assert text == wanted, f"{name}: {text!r}, not {wanted!r}"


def spaced_hex(text):
    """How S3 shows the bytes of what it signed."""
    return " ".join(f"{byte:02x}" for byte in text.encode())


MISMATCH = (
    "The request signature we calculated does not match the signature you provided."
    " Check your key and signing method."
)
NO_SUCH_KEY_ID = "The AWS Access Key Id you provided does not exist in our records."
UNSIGNED_HEADERS = "There were headers present in the request which were not signed"
EXPIRED = "Request has expired"
NOT_YET_VALID = "Request is not yet valid"
INVALID_TOKEN = "The provided token is malformed or otherwise invalid."
QUERY_PARAMETERS = "AuthorizationQueryParametersError"
TWO_MECHANISMS = (
    "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query"
    " string parameter or the Authorization header should be specified"
)


def iso(time):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")
