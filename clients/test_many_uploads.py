"""Two hundred uploads at once, a third of them bad: each of those gets its exact refusal and leaves
nothing behind, and all others are whole.
"""

import base64
import collections
import hashlib
import http.client
import threading
import xml.etree.ElementTree as xml
import zlib
from dataclasses import dataclass, field

import sigv4
from answers import ANY, MISMATCH, UNSIGNED_HEADERS, check
from content import body
from harness import KIB, MIB, ROOT_KEY, Answer
from test_crash import count_files, files_of
from test_post import TYPE, encoded, policy, sign, wait_until

UPLOADS = 200
# Beside their record, and in files of their own; the last of them are sent in many pieces.
SIZES = [0, 1, 1000, 16 * KIB, 16 * KIB + 1, 100_000, MIB, 3 * MIB]
# A debug build over all of this at once; what must hold is in `test_limits.py`.
RESIDENT_MAX = 512 * MIB
PATIENCE_SECONDS = 120

INCOMPLETE = (400, "IncompleteBody", "The request body terminated unexpectedly")
CUT_FORM = (
    400, "MalformedPOSTRequest", "The body of your POST request is not well-formed multipart/form-data."
)
WRONG_MD5 = "The Content-MD5 you specified did not match what we received."
WRONG_HASH = "The provided 'x-amz-content-sha256' header does not match what was computed."
TRAILING = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
TRAILER = (
    "The request contained trailing data that was not well-formed or did not conform to our published"
    " schema."
)
TOO_LARGE = "Your proposed upload exceeds the maximum allowed size"
TOO_SMALL = "Your proposed upload is smaller than the minimum allowed size"


@dataclass
class Upload:
    """One of the two hundred. `refusal`: what is answered, or None where all is well."""

    key: str
    data: bytes
    method: str = "PUT"
    target: str = ""
    headers: list = field(default_factory=list)
    sent: bytes | None = None
    length: int | None = None
    refusal: tuple | None = None
    # Whether the sender waits for an answer, or is gone.
    gone: bool = False
    upload_id: str | None = None

    def head(self, host):
        length = len(self.sent) if self.length is None else self.length
        lines = [("Host", host), ("Content-Length", length), *self.headers]
        text = "".join(f"{name}: {value}\r\n" for name, value in lines)
        return f"{self.method} {self.target} HTTP/1.1\r\n{text}\r\n".encode()


# --- what an upload says of itself


def b64(raw):
    return base64.b64encode(raw).decode()


def md5(data):
    return b64(hashlib.md5(data).digest())


def sha256(data):
    return b64(hashlib.sha256(data).digest())


def crc32(data):
    return b64(zlib.crc32(data).to_bytes(4))


def wrong(data):
    """Of the same length, and other."""
    return bytes([data[0] ^ 1]) + data[1:] if data else b"x"


# --- ways to send an object or a part, each of them good


def path_of(upload):
    return f"/bucket/{upload.key}"


def query_of(upload):
    return [("partNumber", "1"), ("uploadId", upload.upload_id)] if upload.upload_id else []


def by_link(server, upload, headers=()):
    link = server.link(path_of(upload), method="PUT", query=query_of(upload), headers=list(headers))
    upload.target, upload.headers, upload.sent = link.target(), list(headers), upload.data


def by_header(server, upload, headers=(), **options):
    query = query_of(upload)
    upload.sent = upload.data
    upload.headers = sigv4.authorization(
        ROOT_KEY, "PUT", server.host, path_of(upload), query=query, headers=headers,
        **{"body": upload.data, **options},
    )
    upload.target = path_of(upload) + ("?" + sigv4.canonical_query(query) if query else "")


def with_md5(server, upload, md5_of=None):
    by_header(server, upload, [("content-md5", md5_of or md5(upload.data))])


def with_checksum(server, upload, checksum=None):
    by_header(server, upload, [("x-amz-checksum-sha256", checksum or sha256(upload.data))])


def with_trailer(server, upload, *, checksum=None, name="x-amz-checksum-crc32", decoded=None):
    """aws-chunked, as SDKs send over TLS."""
    length = len(upload.data) if decoded is None else decoded
    headers = [
        ("content-encoding", "aws-chunked"), ("x-amz-decoded-content-length", str(length)),
        ("x-amz-trailer", "x-amz-checksum-crc32"),
    ]
    by_header(server, upload, headers, payload=TRAILING)
    chunks = [upload.data[at : at + 64 * KIB] for at in range(0, len(upload.data), 64 * KIB)]
    upload.sent = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
    upload.sent += f"0\r\n{name}:{checksum or crc32(upload.data)}\r\n\r\n".encode()


def by_form(server, upload, least=0, most=None, v2=False):
    most = len(upload.data) if most is None else most
    conditions = [["starts-with", "$key", ""], ["content-length-range", least, most]]
    fields = {"key": upload.key, **sign(policy("bucket", *conditions), v2=v2)}
    upload.method, upload.target, upload.headers = "POST", "/bucket", [TYPE]
    upload.sent = encoded(fields, upload.data)


def by_old_form(server, upload):
    by_form(server, upload, v2=True)


GOOD = [by_link, with_md5, with_checksum, with_trailer, by_form, by_old_form]
GOOD_PARTS = [by_link, with_md5, with_trailer]


# --- ways to lie


def cut_off(way):
    """Half of the upload, and then the sender is gone."""

    def cut(server, upload):
        upload.data = upload.data or b"x"
        way(server, upload)
        upload.length = len(upload.sent)
        upload.sent = upload.sent[: len(upload.sent) // 2]
        upload.gone = True

    return cut


def cut_short(way):
    """More is announced than comes; the sender says that this is all, and listens."""

    def cut(server, upload):
        way(server, upload)
        upload.length = len(upload.sent) + 1
        upload.sent = upload.sent[: len(upload.sent) // 2]
        upload.refusal = INCOMPLETE

    return cut


def a_form_without_end(server, upload):
    by_form(server, upload)
    upload.sent = upload.sent[:-10]
    upload.refusal = CUT_FORM


def a_wrong_md5(way):
    def lie(server, upload):
        claimed = md5(wrong(upload.data))
        way(server, upload, claimed)
        upload.refusal = (
            400, "BadDigest", WRONG_MD5,
            ("ExpectedDigest", claimed), ("CalculatedDigest", md5(upload.data)),
        )

    return lie


def link_with_md5(server, upload, claimed):
    by_link(server, upload, [("content-md5", claimed)])


def bad_digest(algorithm):
    return 400, "BadDigest", f"The {algorithm} you specified did not match the calculated checksum."


def a_wrong_checksum(server, upload):
    with_checksum(server, upload, sha256(wrong(upload.data)))
    upload.refusal = bad_digest("SHA256")


def a_wrong_trailer(server, upload):
    with_trailer(server, upload, checksum=crc32(wrong(upload.data)))
    upload.refusal = bad_digest("CRC32")


def another_trailer(server, upload):
    with_trailer(server, upload, name="x-amz-checksum-crc32c")
    upload.refusal = (400, "MalformedTrailerError", TRAILER)


def less_than_it_says(server, upload):
    with_trailer(server, upload, decoded=len(upload.data) + 1)
    upload.refusal = INCOMPLETE


def more_than_it_says(server, upload):
    upload.data = upload.data or b"x"
    with_trailer(server, upload, decoded=len(upload.data) - 1)
    upload.refusal = INCOMPLETE


def another_body(server, upload):
    by_header(server, upload, body=wrong(upload.data))
    upload.refusal = (
        400, "XAmzContentSHA256Mismatch", WRONG_HASH,
        ("ClientComputedContentSHA256", hashlib.sha256(wrong(upload.data)).hexdigest()),
        ("S3ComputedContentSHA256", hashlib.sha256(upload.data).hexdigest()),
    )


def another_length(server, upload):
    """The link is for so many bytes; these are more."""
    signed = [("content-length", str(len(upload.data)))]
    by_link(server, upload, signed)
    upload.headers, upload.sent = [], upload.data + b"x"
    upload.refusal = (
        403, "SignatureDoesNotMatch", MISMATCH,
        *((name, ANY) for name in (
            "AWSAccessKeyId", "StringToSign", "SignatureProvided", "StringToSignBytes",
            "CanonicalRequest", "CanonicalRequestBytes",
        )),
    )


def an_unsigned_header(server, upload):
    by_link(server, upload)
    upload.headers = [("x-amz-storage-class", "STANDARD_IA")]
    upload.refusal = (403, "AccessDenied", UNSIGNED_HEADERS, ("HeadersNotSigned", "x-amz-storage-class"))


def over_the_most(server, upload):
    """More than one PUT may be, by its head."""
    by_link(server, upload)
    upload.length = 5 * 1024 * MIB + 1
    upload.refusal = (
        400, "EntityTooLarge", TOO_LARGE,
        ("ProposedSize", str(upload.length)), ("MaxSizeAllowed", str(5 * 1024 * MIB)),
    )


def over_the_form(server, upload):
    upload.data = upload.data or b"x"
    most = len(upload.data) - 1
    by_form(server, upload, most=most)
    upload.refusal = (
        400, "EntityTooLarge", TOO_LARGE,
        ("ProposedSize", str(len(upload.data))), ("MaxSizeAllowed", str(most)),
    )


def under_the_form(server, upload):
    least = len(upload.data) + 1
    by_form(server, upload, least=least, most=5 * MIB)
    upload.refusal = (
        400, "EntityTooSmall", TOO_SMALL,
        ("ProposedSize", str(len(upload.data))), ("MinSizeAllowed", str(least)),
    )


BAD = [
    cut_off(by_link), cut_short(by_link), a_wrong_md5(link_with_md5), another_length, an_unsigned_header,
    over_the_most, cut_off(by_header), a_wrong_md5(with_md5), a_wrong_checksum, another_body,
    cut_off(with_trailer), cut_short(with_trailer), a_wrong_trailer, another_trailer, less_than_it_says,
    more_than_it_says, cut_off(by_form), cut_short(by_form), a_form_without_end, over_the_form,
    under_the_form,
]
BAD_PARTS = [
    cut_off(by_link), cut_short(by_link), a_wrong_md5(with_md5), a_wrong_checksum, a_wrong_trailer,
    less_than_it_says, another_body,
]


# --- the two hundred


def planned():
    """(key, data, way, part or object, good or bad), every third bad; every fifth a part."""
    turns = collections.Counter()
    for number in range(UPLOADS):
        is_bad, is_part = number % 3 == 0, number % 5 == 0
        ways = (BAD_PARTS if is_part else BAD) if is_bad else (GOOD_PARTS if is_part else GOOD)
        turn, way = divmod(turns[is_bad, is_part], len(ways))
        turns[is_bad, is_part] += 1
        # Each way has small and large ones in turn.
        size = SIZES[(way + 4 * turn + turn // 2) % len(SIZES)]
        yield f"{number:03}", body(size, number), ways[way], is_part, is_bad


def old(upload):
    """What was there before: for every second bad object, and for every bad part."""
    return body(20_000, f"old {upload.key}")


class Sender(threading.Thread):
    """Sends one upload, the last half of it not before everybody has come so far."""

    def __init__(self, server, upload, all_begun):
        super().__init__(daemon=True)
        self.server, self.upload, self.all_begun = server, upload, all_begun
        self.answer = None
        self.failure = None

    def run(self):
        try:
            with self.server.connect(timeout=PATIENCE_SECONDS) as connection:
                self.exchange(connection)
        except Exception as failure:  # The test tells it, and nobody waits in vain.
            self.failure = failure
            self.all_begun.abort()

    def exchange(self, connection):
        upload = self.upload
        middle = len(upload.sent) // 2
        connection.sendall(upload.head(self.server.host) + upload.sent[:middle])
        self.all_begun.wait(PATIENCE_SECONDS)
        try:
            connection.sendall(upload.sent[middle:])
            announced = len(upload.sent) if upload.length is None else upload.length
            if announced > len(upload.sent) and not upload.gone:
                connection.shutdown(1)
        except (BrokenPipeError, ConnectionResetError):
            pass  # The answer may have come before.
        if upload.gone:
            return
        response = http.client.HTTPResponse(connection, method=upload.method)
        response.begin()
        self.answer = Answer(response.status, response.getheaders(), response.read())


def listed(server, query, element, names):
    """The texts of these members of each such element."""
    answer = server.get("/bucket", query=[(query, "")])
    assert answer.status == 200, answer
    found = xml.fromstring(answer.body).iterfind(f"{{*}}{element}")
    return sorted(tuple(each.findtext(f"{{*}}{name}") for name in names) for each in found)


def etag(data):
    return f'"{hashlib.md5(data).hexdigest()}"'


def test_two_hundred_uploads_at_once(start):
    server = start()
    server.make_bucket("bucket")
    versioning = b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"
    assert server.signed("PUT", "/bucket", query=[("versioning", "")], body=versioning).status == 200

    uploads, stored, parts = [], {}, {}
    for number, (key, data, way, is_part, is_bad) in enumerate(planned()):
        upload = Upload(key, data)
        if is_part:
            created = server.signed("POST", f"/bucket/{key}", query=[("uploads", "")])
            upload.upload_id = xml.fromstring(created.body).findtext("{*}UploadId")
            if is_bad:
                server.put(path_of(upload), old(upload), query=query_of(upload))
        elif is_bad and number % 2 == 0:
            server.put(path_of(upload), old(upload))
        way(server, upload)
        assert bool(upload.refusal or upload.gone) == is_bad, way
        if is_part:
            parts[key] = (upload.upload_id, old(upload) if is_bad else data)
        elif not is_bad:
            stored[key] = data
        elif number % 2 == 0:
            stored[key] = old(upload)
        uploads.append(upload)
    assert sum(bool(upload.refusal or upload.gone) for upload in uploads) * 3 >= UPLOADS

    # Staged files are seen when all have begun, so that to see none at the end means something.
    before = count_files(server.data_dir)
    all_begun = threading.Barrier(
        UPLOADS, action=lambda: wait_until(lambda: count_files(server.data_dir) > before + 10)
    )
    senders = [Sender(server, upload, all_begun) for upload in uploads]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join(PATIENCE_SECONDS)
        assert not sender.is_alive() and sender.failure is None, (sender.upload.key, sender.failure)

    for sender in senders:
        upload, answer = sender.upload, sender.answer
        if upload.refusal:
            check(answer, *upload.refusal)
        elif not upload.gone:
            expected = 204 if upload.method == "POST" else 200
            assert (answer.status, answer.header("etag")) == (expected, etag(upload.data)), answer

    # One version a key, of good ones alone.
    expected = sorted((key, etag(data), str(len(data))) for key, data in stored.items())
    assert server.keys("bucket") == sorted(stored)
    assert listed(server, "versions", "Version", ("Key", "ETag", "Size")) == expected
    assert listed(server, "versions", "DeleteMarker", ("Key",)) == []
    open_uploads = sorted((key, upload_id) for key, (upload_id, _) in parts.items())
    assert listed(server, "uploads", "Upload", ("Key", "UploadId")) == open_uploads

    # One file for each part and for each body that does not fit beside its record.
    files = len(parts) + sum(files_of(len(data)) for data in stored.values())
    wait_until(lambda: count_files(server.data_dir) == files)

    for key, (upload_id, data) in parts.items():
        complete(server, key, upload_id, etag(data))
        stored[key] = data
    assert listed(server, "uploads", "Upload", ("Key",)) == []
    for key, data in stored.items():
        answer = server.get(f"/bucket/{key}")
        assert (answer.status, answer.body == data) == (200, True), key
    wait_until(lambda: count_files(server.data_dir) == files)
    assert server.resident_max() < RESIDENT_MAX

    # And nothing that only a restart would remove, or lose.
    server.stop()
    again = start(data_dir=server.data_dir)
    assert again.keys("bucket") == sorted(stored)
    wait_until(lambda: count_files(again.data_dir) == files)


def complete(server, key, upload_id, part_etag):
    document = (
        "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber>"
        f"<ETag>{part_etag}</ETag></Part></CompleteMultipartUpload>"
    ).encode()
    answer = server.signed("POST", f"/bucket/{key}", query=[("uploadId", upload_id)], body=document)
    assert b"<CompleteMultipartUploadResult" in answer.body, (key, answer)
