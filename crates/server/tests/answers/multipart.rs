//! Objects uploaded in parts. The checksums are those of Python's hashlib and zlib, and of a bitwise CRC.

use crate::harness::{
    Answer, Ask, HOST, World, ask, get, invalid_argument, invalid_request, no_such_bucket,
    no_such_key, put, result,
};
use crate::people::{policy, trusts, user_arn};

const MIB5: usize = 5 * 1024 * 1024;
const WRITTEN: &str = "2026-06-15T12:00:00.000Z";
/// MD5 of 5 MiB of `a`, of `tail`, and of both MD5s.
const FIRST_ETAG: &str = "79b281060d337b9b2b84ccf390adcf74";
const TAIL_ETAG: &str = "7aea2552dfe7eb84b9443b6fc9ba6e01";
const ETAG: &str = "30dcfd3901d1c613b7fb532281748544-2";
/// CRC-64/NVME of the first part, of the second, and of the whole.
const FIRST_CRC64: &str = "PbvLEkWUSgg=";
const TAIL_CRC64: &str = "sAra2CkCEgw=";
const WHOLE_CRC64: &str = "b4bnuwQ4s4A=";
const MALFORMED: &str = "400 <Code>MalformedXML</Code><Message>The XML you provided was not well-formed or did not validate against our published schema</Message>";

fn post(target: &str) -> Ask {
    ask("POST", target)
}

fn first() -> String {
    "a".repeat(MIB5)
}

fn owner() -> String {
    presign::payload_hash(b"valet canonical user 000000000000")
}

fn no_such_upload(id: &str) -> String {
    format!(
        "404 <Code>NoSuchUpload</Code><Message>The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.</Message><UploadId>{id}</UploadId>"
    )
}

fn invalid_part(id: &str, number: u32, etag: &str) -> String {
    format!(
        "400 <Code>InvalidPart</Code><Message>One or more of the specified parts could not be found.  The part may not have been uploaded, or the specified entity tag may not match the part's entity tag.</Message><UploadId>{id}</UploadId><PartNumber>{number}</PartNumber><ETag>{etag}</ETag>"
    )
}

fn part(number: u32, etag: &str) -> String {
    format!("<Part><PartNumber>{number}</PartNumber><ETag>\"{etag}\"</ETag></Part>")
}

fn both_parts() -> String {
    [part(1, FIRST_ETAG), part(2, TAIL_ETAG)].concat()
}

/// One upload of `/bucket/k`.
struct Upload<'w> {
    world: &'w World,
    id: String,
}

impl<'w> Upload<'w> {
    async fn new(world: &'w World, headers: &[(&str, &str)]) -> Self {
        let create = headers.iter().fold(post("/bucket/k?uploads"), |ask, (n, v)| ask.header(n, v));
        let answer = world.send(create).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        Self { world, id: answer.element("UploadId") }
    }

    fn part(&self, number: u32, body: &str) -> Ask {
        put(&format!("/bucket/k?partNumber={number}&uploadId={}", self.id), body)
    }

    async fn put(&self, number: u32, body: &str) -> Answer {
        self.world.send(self.part(number, body)).await
    }

    /// The two parts that the constants describe.
    async fn put_both(&self) {
        assert_eq!(self.put(1, &first()).await.header("etag"), format!("\"{FIRST_ETAG}\""));
        assert_eq!(self.put(2, "tail").await.header("etag"), format!("\"{TAIL_ETAG}\""));
    }

    fn completion(&self, parts: &str) -> Ask {
        let document = format!(
            "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{parts}</CompleteMultipartUpload>"
        );
        post(&format!("/bucket/k?uploadId={}", self.id)).body(document)
    }

    async fn complete(&self, parts: &str) -> Answer {
        self.world.send(self.completion(parts)).await
    }

    async fn list(&self, query: &str) -> Answer {
        self.world.send(get(&format!("/bucket/k?uploadId={}{query}", self.id))).await
    }
}

#[tokio::test]
async fn from_creation_to_completion() {
    let world = World::with_bucket().await;
    let said = [
        ("content-type", "text/plain"),
        ("x-amz-meta-colour", "blue"),
        ("x-amz-storage-class", "STANDARD_IA"),
    ];
    let create = said.iter().fold(post("/bucket/k?uploads"), |ask, (n, v)| ask.header(n, v));
    let created = world.send(create).await;
    let id = created.element("UploadId");
    assert_eq!(
        created.text(),
        result(
            "InitiateMultipartUploadResult",
            &format!("<Bucket>bucket</Bucket><Key>k</Key><UploadId>{id}</UploadId>")
        )
    );
    assert_eq!(created.header("x-amz-server-side-encryption"), "AES256");
    let upload = Upload { world: &world, id };
    let answer = upload.put(1, &first()).await;
    assert_eq!((answer.status, answer.body.len()), (200, 0));
    assert_eq!(answer.header("etag"), format!("\"{FIRST_ETAG}\""));
    // What nobody asked for is not told.
    assert_eq!(answer.header("x-amz-checksum-crc64nvme"), "");
    assert_eq!(answer.header("x-amz-server-side-encryption"), "AES256");
    upload.put(2, "tail").await;
    // Nothing is visible before the end.
    assert_eq!(world.refused(get("/bucket/k")).await, no_such_key("k"));
    let done = upload.complete(&both_parts()).await;
    assert_eq!(
        done.text(),
        result(
            "CompleteMultipartUploadResult",
            &format!(
                "<Location>http://{HOST}/bucket/k</Location><Bucket>bucket</Bucket><Key>k</Key><ETag>\"{ETAG}\"</ETag><ChecksumCRC64NVME>{WHOLE_CRC64}</ChecksumCRC64NVME><ChecksumType>FULL_OBJECT</ChecksumType>"
            )
        )
    );
    assert_eq!(done.header("x-amz-server-side-encryption"), "AES256");
    let read = world.send(get("/bucket/k").header("x-amz-checksum-mode", "ENABLED")).await;
    assert_eq!(read.body, [first(), "tail".into()].concat());
    assert_eq!(read.header("etag"), format!("\"{ETAG}\""));
    assert_eq!(read.header("x-amz-checksum-crc64nvme"), WHOLE_CRC64);
    for (name, value) in said {
        assert_eq!(read.header(name), value);
    }
    assert!(!read.headers.contains_key("x-amz-mp-parts-count"));
    assert_eq!(upload.list("").await.refusal(), no_such_upload(&upload.id));
}

#[tokio::test]
async fn parts_of_the_finished_object() {
    let world = World::with_bucket().await;
    let upload = Upload::new(&world, &[]).await;
    upload.put_both().await;
    // Numbers need not be neighbours.
    upload.put(7, "last").await;
    let parts = [part(2, TAIL_ETAG), part(7, "98bd1c45684cf587ac2347a92dd7bb51")].concat();
    let small = upload.complete(&parts).await.refusal();
    assert!(small.starts_with("400 <Code>EntityTooSmall</Code>"), "{small}");
    assert_eq!(upload.complete(&both_parts()).await.status, 200);
    for (number, range, body) in [
        (1, "bytes 0-5242879/5242884", first()),
        (2, "bytes 5242880-5242883/5242884", "tail".into()),
    ] {
        let answer = world.send(get(&format!("/bucket/k?partNumber={number}"))).await;
        assert_eq!((answer.status, answer.header("content-range")), (206, range));
        assert_eq!(answer.header("x-amz-mp-parts-count"), "2");
        assert_eq!(answer.body, body);
        let head = world.send(ask("HEAD", &format!("/bucket/k?partNumber={number}"))).await;
        assert_eq!((head.status, head.header("content-length")), (206, &*body.len().to_string()));
    }
    assert_eq!(
        world.refused(get("/bucket/k?partNumber=3")).await,
        "416 <Code>InvalidPartNumber</Code><Message>The requested partnumber is not satisfiable</Message><ActualPartCount>2</ActualPartCount><PartNumberRequested>3</PartNumberRequested>"
    );
    // A range over the border of two parts.
    let answer = world.send(get("/bucket/k").header("range", "bytes=5242878-5242881")).await;
    assert_eq!((answer.status, answer.text()), (206, "aata"));
    let attributes = get("/bucket/k?attributes").header("x-amz-object-attributes", "ObjectParts");
    assert_eq!(
        world.send(attributes).await.text(),
        result(
            "GetObjectAttributesResponse",
            "<ObjectParts><PartsCount>2</PartsCount></ObjectParts>"
        )
    );
}

#[tokio::test]
async fn parts_that_do_not_make_an_object() {
    let world = World::with_bucket().await;
    let upload = Upload::new(&world, &[]).await;
    upload.put_both().await;
    upload.put(3, "tail").await;
    let id = &upload.id;
    let none = "0".repeat(32);
    let order = format!(
        "400 <Code>InvalidPartOrder</Code><Message>The list of parts was not in ascending order. Parts must be ordered by part number.</Message><UploadId>{id}</UploadId>"
    );
    let no_parts = invalid_request("You must specify at least one part");
    let small = format!(
        "400 <Code>EntityTooSmall</Code><Message>Your proposed upload is smaller than the minimum allowed size</Message><ProposedSize>4</ProposedSize><MinSizeAllowed>5242880</MinSizeAllowed><PartNumber>2</PartNumber><ETag>{TAIL_ETAG}</ETag>"
    );
    let three = [both_parts(), part(3, TAIL_ETAG)].concat();
    let rows = [
        (three, small),
        ([part(2, TAIL_ETAG), part(1, FIRST_ETAG)].concat(), order.clone()),
        ([part(1, FIRST_ETAG), part(1, FIRST_ETAG)].concat(), order),
        (part(4, TAIL_ETAG), invalid_part(id, 4, TAIL_ETAG)),
        (part(2, &none), invalid_part(id, 2, &none)),
        (part(2, "nonsense"), invalid_part(id, 2, "nonsense")),
        (String::new(), no_parts.clone()),
        (part(0, TAIL_ETAG), MALFORMED.to_owned()),
        (part(10_001, TAIL_ETAG), MALFORMED.to_owned()),
        ("<Part><PartNumber>x</PartNumber><ETag>y</ETag></Part>".to_owned(), MALFORMED.to_owned()),
        ("<Part><PartNumber>1</PartNumber></Part>".to_owned(), MALFORMED.to_owned()),
        ("<Part>".to_owned(), MALFORMED.to_owned()),
    ];
    for (parts, expected) in rows {
        assert_eq!(upload.complete(&parts).await.refusal(), expected, "{parts}");
    }
    assert_eq!(world.refused(upload.completion("").body("")).await, no_parts);
    // Of an upload that is not there nothing else is said.
    for gone in ["fakeid", &"A".repeat(32)] {
        for document in ["", "<CompleteMultipartUpload>", "<CompleteMultipartUpload/>"] {
            let completion = post(&format!("/bucket/k?uploadId={gone}")).body(document);
            assert_eq!(world.refused(completion).await, no_such_upload(gone), "{document}");
        }
    }
    assert_eq!(world.send(get("/bucket/k")).await.status, 404);
    // The upload is still there to be completed, quotes or none.
    let bare = both_parts().replace('"', "");
    assert_eq!(upload.complete(&bare).await.status, 200);
}

#[tokio::test]
async fn a_document_that_is_too_long() {
    let world = World::with_bucket().await;
    let upload = Upload::new(&world, &[]).await;
    assert_eq!(
        upload.complete(&" ".repeat(2_621_440)).await.refusal(),
        "400 <Code>MaxMessageLengthExceeded</Code><Message>Your request was too big.</Message><MaxMessageLengthBytes>2621440</MaxMessageLengthBytes>"
    );
}

#[tokio::test]
async fn a_completion_that_is_sent_again() {
    let world = World::with_bucket().await;
    let upload = Upload::new(&world, &[]).await;
    upload.put_both().await;
    let done = upload.complete(&both_parts()).await;
    assert_eq!(done.status, 200);
    // Its answer may have been lost.
    assert_eq!(upload.complete(&both_parts()).await.text(), done.text());
    let conditional = upload.completion(&both_parts()).header("if-none-match", "*");
    assert_eq!(world.send(conditional).await.text(), done.text(), "its condition held then");
    // Once the object is another, there is nothing to repeat.
    world.send(put("/bucket/k", "other")).await;
    assert_eq!(upload.complete(&both_parts()).await.refusal(), no_such_upload(&upload.id));
    assert_eq!(world.send(get("/bucket/k")).await.text(), "other");
}

#[tokio::test]
async fn a_part_may_be_sent_again() {
    let world = World::with_bucket().await;
    let upload = Upload::new(&world, &[]).await;
    upload.put(1, "other").await;
    upload.put(1, "tail").await;
    assert_eq!(upload.list("").await.elements("ETag"), [format!("\"{TAIL_ETAG}\"")]);
    let stale = "795f3202b17cb6bc3d4b771d8c6c9eaf";
    assert_eq!(
        upload.complete(&part(1, stale)).await.refusal(),
        invalid_part(&upload.id, 1, stale)
    );
    assert_eq!(upload.complete(&part(1, TAIL_ETAG)).await.status, 200);
    assert_eq!(world.send(get("/bucket/k")).await.text(), "tail");
}

#[tokio::test]
async fn aborted_uploads() {
    let world = World::with_bucket().await;
    let upload = Upload::new(&world, &[]).await;
    upload.put(1, "tail").await;
    let abort = || ask("DELETE", &format!("/bucket/k?uploadId={}", upload.id));
    let answer = world.send(abort()).await;
    assert_eq!((answer.status, answer.body.len()), (204, 0));
    assert_eq!(world.refused(abort()).await, no_such_upload(&upload.id));
    assert_eq!(upload.put(1, "tail").await.refusal(), no_such_upload(&upload.id));
    assert_eq!(upload.list("").await.refusal(), no_such_upload(&upload.id));
    assert_eq!(upload.complete(&part(1, TAIL_ETAG)).await.refusal(), no_such_upload(&upload.id));
    assert_eq!(world.send(get("/bucket?uploads")).await.elements("UploadId"), [""; 0]);
}

#[tokio::test]
async fn uploads_that_are_not_there() {
    let world = World::with_bucket().await;
    let upload = Upload::new(&world, &[]).await;
    let unknown = "A".repeat(32);
    for id in ["nonsense", "", &unknown] {
        for method in ["GET", "PUT", "DELETE", "POST"] {
            let query = if method == "PUT" { "partNumber=1&" } else { "" };
            let body = if method == "POST" {
                upload.completion(&part(1, TAIL_ETAG)).body
            } else {
                "".into()
            };
            let ask = ask(method, &format!("/bucket/k?{query}uploadId={id}")).body(body);
            assert_eq!(world.refused(ask).await, no_such_upload(id), "{method} {id}");
        }
    }
    // It is of one key.
    let other = put(&format!("/bucket/other?partNumber=1&uploadId={}", upload.id), "x");
    assert_eq!(world.refused(other).await, no_such_upload(&upload.id));
    for method in ["GET", "PUT", "DELETE", "POST"] {
        let ask = ask(method, &format!("/missing/k?partNumber=1&uploadId={unknown}"));
        assert_eq!(world.refused(ask).await, no_such_bucket("missing"), "{method}");
    }
    assert_eq!(world.refused(post("/missing/k?uploads")).await, no_such_bucket("missing"));
    assert_eq!(world.refused(get("/missing?uploads")).await, no_such_bucket("missing"));
}

#[tokio::test]
async fn numbers_of_parts() {
    let world = World::with_bucket().await;
    let upload = Upload::new(&world, &[]).await;
    let id = &upload.id;
    for number in ["0", "10001", "x", "", "-1"] {
        let ask = put(&format!("/bucket/k?partNumber={number}&uploadId={id}"), "x");
        assert_eq!(
            world.refused(ask).await,
            invalid_argument(
                "Part number must be an integer between 1 and 10000, inclusive",
                "partNumber",
                number
            )
        );
    }
    assert_eq!(
        world.refused(put(&format!("/bucket/k?uploadId={id}"), "x")).await,
        invalid_argument(
            "This operation does not accept a query-string without partNumber.",
            "partNumber",
            ""
        )
    );
    assert_eq!(upload.put(10_000, "x").await.status, 200);
    // Without its upload a part must not become the object.
    assert_eq!(
        world.refused(put("/bucket/k?partNumber=1", "x")).await,
        invalid_argument(
            "This operation does not accept a part number without an upload id.",
            "partNumber",
            "1"
        )
    );
    assert_eq!(world.send(get("/bucket/k")).await.status, 404);
}

#[tokio::test]
async fn lists_of_parts() {
    let world = World::with_bucket().await;
    let upload = Upload::new(&world, &[("x-amz-storage-class", "GLACIER")]).await;
    let id = &upload.id;
    let page = |marker: &str, frame: &str, parts: &str| {
        result(
            "ListPartsResult",
            &format!(
                "<Bucket>bucket</Bucket><Key>k</Key><UploadId>{id}</UploadId><PartNumberMarker>{marker}</PartNumberMarker>{frame}{parts}<Initiator><ID>{0}</ID><DisplayName>000000000000</DisplayName></Initiator><Owner><ID>{0}</ID></Owner><StorageClass>GLACIER</StorageClass>",
                owner()
            ),
        )
    };
    let frame = |next: u32, max: u32, more: bool| {
        format!(
            "<NextPartNumberMarker>{next}</NextPartNumberMarker><MaxParts>{max}</MaxParts><IsTruncated>{more}</IsTruncated>"
        )
    };
    let entry = |number: u32| {
        format!(
            "<Part><PartNumber>{number}</PartNumber><LastModified>{WRITTEN}</LastModified><ETag>\"{TAIL_ETAG}\"</ETag><Size>4</Size></Part>"
        )
    };
    assert_eq!(upload.list("").await.text(), page("0", &frame(0, 1000, false), ""));
    for number in [3, 1, 20] {
        upload.put(number, "tail").await;
    }
    let all = [entry(1), entry(3), entry(20)].concat();
    for (query, marker, frame, parts) in [
        ("", "0", frame(20, 1000, false), all.clone()),
        ("&max-parts=2", "0", frame(3, 2, true), [entry(1), entry(3)].concat()),
        ("&max-parts=2&part-number-marker=3", "3", frame(20, 2, false), entry(20)),
        ("&max-parts=3", "0", frame(20, 3, false), all.clone()),
        ("&part-number-marker=2", "2", frame(20, 1000, false), [entry(3), entry(20)].concat()),
        ("&part-number-marker=20", "20", frame(0, 1000, false), String::new()),
        ("&part-number-marker=2147483647", "2147483647", frame(0, 1000, false), String::new()),
        ("&max-parts=0", "0", frame(0, 0, false), String::new()),
        ("&max-parts=5000", "0", frame(20, 1000, false), all.clone()),
    ] {
        assert_eq!(upload.list(query).await.text(), page(marker, &frame, &parts), "{query}");
    }
    for name in ["max-parts", "part-number-marker"] {
        for value in ["-1", "x", "2147483648"] {
            assert_eq!(
                upload.list(&format!("&{name}={value}")).await.refusal(),
                invalid_argument(
                    &format!("Provided {name} not an integer or within integer range"),
                    name,
                    value
                )
            );
        }
    }
}

#[tokio::test]
async fn lists_of_uploads() {
    let world = World::with_bucket().await;
    let mut ids = Vec::new();
    for key in ["a/1", "a/2", "b", "b"] {
        ids.push(world.send(post(&format!("/bucket/{key}?uploads"))).await.element("UploadId"));
    }
    // Two that began in the same millisecond stand in the order of their ids.
    ids[2..].sort();
    let entry = |n: usize, key: &str| {
        format!(
            "<Upload><Key>{key}</Key><UploadId>{}</UploadId><Initiator><ID>{1}</ID><DisplayName>000000000000</DisplayName></Initiator><Owner><ID>{1}</ID></Owner><StorageClass>STANDARD</StorageClass><Initiated>{WRITTEN}</Initiated></Upload>",
            ids[n],
            owner()
        )
    };
    let page = |content: &str| {
        result("ListMultipartUploadsResult", &format!("<Bucket>bucket</Bucket>{content}"))
    };
    let list = async |query: &str| world.send(get(&format!("/bucket?uploads{query}"))).await;
    let (a1, a2, b1, b2) = (entry(0, "a/1"), entry(1, "a/2"), entry(2, "b"), entry(3, "b"));
    let mut listed = list("").await.elements("UploadId");
    listed[2..].sort();
    assert_eq!(listed, ids);
    if list("").await.elements("UploadId") == ids {
        assert_eq!(
            list("").await.text(),
            page(&format!(
                "<KeyMarker></KeyMarker><UploadIdMarker></UploadIdMarker><Prefix></Prefix><MaxUploads>1000</MaxUploads><IsTruncated>false</IsTruncated>{a1}{a2}{b1}{b2}"
            ))
        );
    }
    assert_eq!(
        list("&prefix=a/&max-uploads=1").await.text(),
        page(&format!(
            "<KeyMarker></KeyMarker><UploadIdMarker></UploadIdMarker><NextKeyMarker>a/1</NextKeyMarker><NextUploadIdMarker>{}</NextUploadIdMarker><Prefix>a/</Prefix><MaxUploads>1</MaxUploads><IsTruncated>true</IsTruncated>{a1}",
            ids[0]
        ))
    );
    assert_eq!(
        list(&format!("&prefix=a/&key-marker=a/1&upload-id-marker={}", ids[0])).await.text(),
        page(&format!(
            "<KeyMarker>a/1</KeyMarker><UploadIdMarker>{}</UploadIdMarker><Prefix>a/</Prefix><MaxUploads>1000</MaxUploads><IsTruncated>false</IsTruncated>{a2}",
            ids[0]
        ))
    );
    assert_eq!(
        list("&delimiter=/&max-uploads=1").await.text(),
        page(
            "<KeyMarker></KeyMarker><UploadIdMarker></UploadIdMarker><NextKeyMarker>a/</NextKeyMarker><Delimiter>/</Delimiter><Prefix></Prefix><MaxUploads>1</MaxUploads><IsTruncated>true</IsTruncated><CommonPrefixes><Prefix>a/</Prefix></CommonPrefixes>"
        )
    );
    // The page after a common prefix does not begin with it again, and two uploads of one key may
    // stand on two pages.
    let mut seen = Vec::new();
    let (mut key, mut id) = ("a/".to_owned(), String::new());
    loop {
        let page =
            list(&format!("&delimiter=/&max-uploads=1&key-marker={key}&upload-id-marker={id}"))
                .await;
        seen.extend(page.elements("UploadId"));
        if page.element("IsTruncated") == "false" {
            break;
        }
        (key, id) = (page.element("NextKeyMarker"), page.element("NextUploadIdMarker"));
    }
    seen.sort();
    assert_eq!(seen, ids[2..]);
    assert_eq!(list("&key-marker=b").await.elements("UploadId"), [""; 0]);
    assert_eq!(list("&max-uploads=0").await.element("IsTruncated"), "false");
    assert_eq!(
        list("&key-marker=b&upload-id-marker=bad").await.refusal(),
        invalid_argument("Invalid uploadId marker", "upload-id-marker", "bad")
    );
}

/// What is asked of an upload, each part's checksum, and the object's.
const SUMMED: [(&str, &str, &str, &str, &str); 12] = [
    ("CRC32", "COMPOSITE", "r/zBbw==", "fDe0XQ==", "4fn9rQ==-2"),
    ("CRC32", "FULL_OBJECT", "r/zBbw==", "fDe0XQ==", "cX+/tw=="),
    ("CRC32C", "COMPOSITE", "WpuOeg==", "B21LrQ==", "KYE/qQ==-2"),
    ("CRC32C", "FULL_OBJECT", "WpuOeg==", "B21LrQ==", "7lzcuA=="),
    ("CRC64NVME", "FULL_OBJECT", FIRST_CRC64, TAIL_CRC64, WHOLE_CRC64),
    (
        "SHA1",
        "COMPOSITE",
        "YbjWYArJTZEodPVpqTQRIPaAyfg=",
        "+/XyoodbO7Zbjjsj5swB1YyjBEc=",
        "Qyv/f/RIptWDQybtl/rI6fgUldk=-2",
    ),
    (
        "SHA256",
        "COMPOSITE",
        "oplo+tLngqqfIECjXwWtuX7Yl56x9XLIyOp4Y34nXzw=",
        "DGL4du8d6oMN6fMsL0tG3W101Q0ViW4J71ovzUrH4dc=",
        "02fcpk5/QKJNsvzEdkeBlFeIWeYNwKJOAWPjbe9fHIs=-2",
    ),
    (
        "SHA512",
        "COMPOSITE",
        "dG/apTY4zOym1QXc+SnT+n6yiLzvGpvzC+vzf3jfumP2uDUBPETzj+18ptxibqHPpNa7fYUMWQ+MkqZiZAcs+g==",
        "EDoGM/yYqF9lxDFTcgPM6kEJeQ8mvDqlIAnAFaabzsT5Xn5j7GBUwHCz673pgkG3bUrTG7S2MjjyNZLZcSjObQ==",
        "nUKfyICyxMWs9t7yeX3yDtNXvEcUqOOV0Ru6BS9aLmPO0gDPH1/yveBEB/qYFHLvkkG6SDh/S4wvOYcxkn+nvw==-2",
    ),
    (
        "MD5",
        "COMPOSITE",
        "ebKBBg0ze5srhMzzkK3PdA==",
        "euolUt/n64S5RDtvybpuAQ==",
        "MNz9OQHRxhO3+1MigXSFRA==-2",
    ),
    ("XXHASH64", "COMPOSITE", "SrGuhw/sEV4=", "1rzIcMv6K90=", "5N1kNjA/Ddw=-2"),
    ("XXHASH3", "COMPOSITE", "IYg8Ke7DmeQ=", "FDsZRYDKD3c=", "sV3xlXF8WU8=-2"),
    (
        "XXHASH128",
        "COMPOSITE",
        "fq8v9rMrjkMhiDwp7sOZ5A==",
        "+Mog7nPRwmfi1xxfXYQbfw==",
        "geVi04dK/CDhMYiAoia8sQ==-2",
    ),
];

#[tokio::test]
async fn checksums_of_uploads() {
    let world = World::with_bucket().await;
    for (algorithm, kind, one, two, whole) in SUMMED {
        let asked = [("x-amz-checksum-algorithm", algorithm), ("x-amz-checksum-type", kind)];
        let upload = Upload::new(&world, &asked).await;
        let header = format!("x-amz-checksum-{}", algorithm.to_lowercase());
        let answer = world.send(upload.part(1, &first()).header(&header, one)).await;
        assert_eq!((answer.status, answer.header(&header)), (200, one), "{algorithm} {kind}");
        // A part that brings none is summed all the same.
        assert_eq!(upload.put(2, "tail").await.status, 200);
        let named = |number: u32, etag: &str, value: &str| {
            format!(
                "<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag><Checksum{algorithm}>{value}</Checksum{algorithm}></Part>"
            )
        };
        assert_eq!(
            upload
                .complete(&[named(1, FIRST_ETAG, two), named(2, TAIL_ETAG, two)].concat())
                .await
                .refusal(),
            invalid_part(&upload.id, 1, FIRST_ETAG)
        );
        if kind == "COMPOSITE" {
            assert_eq!(
                upload.complete(&both_parts()).await.refusal(),
                invalid_request(&format!(
                    "The upload was created using a {} checksum. The complete request must include the checksum for each part. It was missing for part 1 in the request.",
                    algorithm.to_lowercase()
                ))
            );
        }
        let right = [named(1, FIRST_ETAG, one), named(2, TAIL_ETAG, two)].concat();
        if kind == "COMPOSITE" {
            claim_the_whole(&upload, &right, algorithm, one, whole).await;
        }
        let done = upload.complete(&right).await;
        assert_eq!(done.element(&format!("Checksum{algorithm}")), whole, "{algorithm} {kind}");
        assert_eq!(done.element("ChecksumType"), kind);
        assert_eq!(upload.complete(&right).await.text(), done.text(), "sent again");
        let read =
            world.send(ask("HEAD", "/bucket/k").header("x-amz-checksum-mode", "ENABLED")).await;
        assert_eq!((read.header(&header), read.header("x-amz-checksum-type")), (whole, kind));
        let listed = world.send(get("/bucket?list-type=2")).await;
        assert_eq!(listed.element("ChecksumAlgorithm"), algorithm);
        assert_eq!(listed.element("ChecksumType"), kind);
        if kind == "COMPOSITE" {
            let names = "ObjectParts,Checksum";
            let ask = get("/bucket/k?attributes").header("x-amz-object-attributes", names);
            let element = format!("Checksum{algorithm}");
            let part = |number: u32, size: usize, value: &str| {
                format!(
                    "<Part><PartNumber>{number}</PartNumber><Size>{size}</Size><{element}>{value}</{element}></Part>"
                )
            };
            assert_eq!(
                world.send(ask).await.text(),
                result(
                    "GetObjectAttributesResponse",
                    &format!(
                        "<Checksum><{element}>{}</{element}><ChecksumType>COMPOSITE</ChecksumType></Checksum><ObjectParts><PartsCount>2</PartsCount><PartNumberMarker>0</PartNumberMarker><NextPartNumberMarker>2</NextPartNumberMarker><MaxParts>1000</MaxParts><IsTruncated>false</IsTruncated>{}{}</ObjectParts>",
                        whole.trim_end_matches("-2"),
                        part(1, MIB5, one),
                        part(2, 4, two)
                    )
                )
            );
        }
    }
}

/// A completion that says the checksum of the parts' checksums: with the right count or with none.
async fn claim_the_whole(
    upload: &Upload<'_>,
    parts: &str,
    algorithm: &str,
    one: &str,
    whole: &str,
) {
    let header = format!("x-amz-checksum-{}", algorithm.to_lowercase());
    let claim = |value: &str| upload.completion(parts).header(&header, value);
    let bare = whole.split_once('-').unwrap().0;
    for wrong in [format!("{bare}-3"), format!("{one}-2")] {
        assert_eq!(
            upload.world.refused(claim(&wrong)).await,
            format!(
                "400 <Code>BadDigest</Code><Message>The {} you specified did not match the calculated checksum.</Message>",
                algorithm.to_lowercase()
            )
        );
    }
    for unreadable in ["bad", "bad-2", &format!("{bare}-x"), &format!("{bare}-2-2")] {
        assert_eq!(
            upload.world.refused(claim(unreadable)).await,
            invalid_request(&format!("Value for {header} header is invalid."))
        );
    }
    assert_eq!(upload.world.send(claim(whole)).await.status, 200, "{algorithm}");
}

#[tokio::test]
async fn the_checksum_of_the_whole_object() {
    let world = World::with_bucket().await;
    for (algorithm, kind, _, _, whole) in SUMMED.into_iter().filter(|row| row.1 == "FULL_OBJECT") {
        let asked = [("x-amz-checksum-algorithm", algorithm), ("x-amz-checksum-type", kind)];
        let upload = Upload::new(&world, &asked).await;
        upload.put_both().await;
        let header = format!("x-amz-checksum-{}", algorithm.to_lowercase());
        let wrong = if algorithm == "CRC64NVME" { "AAAAAAAAAAA=" } else { "AAAAAA==" };
        let with = |value: &str| upload.completion(&both_parts()).header(&header, value);
        assert_eq!(
            world.refused(with(wrong)).await,
            format!(
                "400 <Code>BadDigest</Code><Message>The {} you specified did not match the calculated checksum.</Message>",
                algorithm.to_lowercase()
            )
        );
        assert_eq!(world.send(with(whole)).await.status, 200, "{algorithm}");
    }
}

#[tokio::test]
async fn checksums_that_no_upload_has() {
    let world = World::with_bucket().await;
    let algorithm = "x-amz-checksum-algorithm";
    let kind = "x-amz-checksum-type";
    let rows: &[(&[(&str, &str)], &str)] = &[
        (
            &[(algorithm, "CRC16")],
            "Checksum algorithm provided is unsupported. Please try again with any of the valid types: [CRC32, CRC32C, CRC64NVME, MD5, SHA1, SHA256, SHA512, XXHASH128, XXHASH3, XXHASH64]",
        ),
        (
            &[(kind, "COMPOSITE")],
            "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.",
        ),
        (
            &[(algorithm, "SHA256"), (kind, "FULL_OBJECT")],
            "The FULL_OBJECT checksum type cannot be used with the sha256 checksum algorithm.",
        ),
        (
            &[(algorithm, "CRC64NVME"), (kind, "COMPOSITE")],
            "The COMPOSITE checksum type cannot be used with the crc64nvme checksum algorithm.",
        ),
        (
            &[(algorithm, "MD5"), (kind, "FULL_OBJECT")],
            "The FULL_OBJECT checksum type cannot be used with the md5 checksum algorithm.",
        ),
        (
            &[(algorithm, "XXHASH3"), (kind, "FULL_OBJECT")],
            "The FULL_OBJECT checksum type cannot be used with the xxhash3 checksum algorithm.",
        ),
        (
            &[(algorithm, "CRC32"), (kind, "PARTIAL")],
            "Value for x-amz-checksum-type header is invalid.",
        ),
    ];
    for (headers, message) in rows {
        let create = headers.iter().fold(post("/bucket/k?uploads"), |ask, (n, v)| ask.header(n, v));
        assert_eq!(world.refused(create).await, invalid_request(message));
    }
    assert_eq!(world.send(get("/bucket?uploads")).await.elements("UploadId"), [""; 0]);
    // What was asked is told; what goes without saying is not.
    let create = post("/bucket/k?uploads").header(algorithm, "sha256");
    let answer = world.send(create).await;
    assert_eq!((answer.header(algorithm), answer.header(kind)), ("SHA256", "COMPOSITE"));
    assert!(!world.send(post("/bucket/k?uploads")).await.headers.contains_key(algorithm));
}

#[tokio::test]
async fn checksums_other_than_their_uploads() {
    let world = World::with_bucket().await;
    let upload = Upload::new(&world, &[("x-amz-checksum-algorithm", "SHA256")]).await;
    assert_eq!(
        world.refused(upload.part(1, "tail").header("x-amz-checksum-crc32", "fDe0XQ==")).await,
        invalid_request(
            "Checksum Type mismatch occurred, expected checksum Type: sha256, actual checksum Type: crc32"
        )
    );
    assert_eq!(
        world
            .refused(
                upload.part(1, "tail").header(
                    "x-amz-checksum-sha256",
                    "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
                )
            )
            .await,
        "400 <Code>BadDigest</Code><Message>The SHA256 you specified did not match the calculated checksum.</Message>"
    );
    let listed = upload.list("").await;
    assert_eq!(listed.elements("Part"), [""; 0]);
    for listed in [listed, world.send(get("/bucket?uploads")).await] {
        assert_eq!(listed.elements("ChecksumAlgorithm"), ["SHA256"]);
        assert_eq!(listed.elements("ChecksumType"), ["COMPOSITE"]);
    }
    let other = "<Part><PartNumber>1</PartNumber><ETag>7aea2552dfe7eb84b9443b6fc9ba6e01</ETag><ChecksumCRC32>fDe0XQ==</ChecksumCRC32></Part>";
    assert_eq!(
        upload.complete(other).await.refusal(),
        "400 <Code>BadDigest</Code><Message>The crc32 you specified for part 1 did not match what we received.</Message>"
    );
    // An upload that asked for none takes parts with any, and is completed without.
    let upload = Upload::new(&world, &[]).await;
    let part = upload.part(1, "tail").header("x-amz-checksum-crc32", "fDe0XQ==");
    let answer = world.send(part).await;
    assert_eq!((answer.status, answer.header("x-amz-checksum-crc32")), (200, "fDe0XQ=="));
    assert!(!upload.list("").await.text().contains("Checksum"));
    assert_eq!(upload.complete(other).await.refusal(), invalid_part(&upload.id, 1, TAIL_ETAG));
}

/// A completion that says of what kind the checksum is must say that of its upload.
#[tokio::test]
async fn the_kind_of_checksum_that_a_completion_says() {
    let world = World::with_bucket().await;
    let algorithm = ("x-amz-checksum-algorithm", "CRC32");
    let full = ("x-amz-checksum-type", "FULL_OBJECT");
    for (asked, right, wrong, mode) in [
        (&[algorithm, full][..], Some("FULL_OBJECT"), "COMPOSITE", "FULL_OBJECT"),
        (&[algorithm], Some("COMPOSITE"), "FULL_OBJECT", "COMPOSITE"),
        (&[], None, "FULL_OBJECT", "null"),
        (&[], None, "COMPOSITE", "null"),
    ] {
        let upload = Upload::new(&world, asked).await;
        upload.put(1, "tail").await;
        let saying =
            |kind: &str, parts: &str| upload.completion(parts).header("x-amz-checksum-type", kind);
        assert_eq!(
            world.refused(saying(wrong, &part(1, TAIL_ETAG))).await,
            invalid_request(&format!(
                "The upload was created using the {mode} checksum mode. The complete request must use the same checksum mode."
            ))
        );
        assert_eq!(
            world.refused(saying("PARTIAL", &part(1, TAIL_ETAG))).await,
            invalid_request("Value for x-amz-checksum-type header is invalid.")
        );
        let summed = format!(
            "<Part><PartNumber>1</PartNumber><ETag>{TAIL_ETAG}</ETag><ChecksumCRC32>fDe0XQ==</ChecksumCRC32></Part>"
        );
        if let Some(right) = right {
            assert_eq!(world.send(saying(right, &summed)).await.status, 200, "{right}");
        }
    }
}

/// What stands in an answer that carries the whole, by range or by part, and what does not.
#[tokio::test]
async fn checksums_of_ranges_and_parts() {
    let world = World::with_bucket().await;
    let sum = |answer: &Answer| (answer.status, answer.header("x-amz-checksum-crc32c").to_owned());
    let read = |uri: &str, range: &str| {
        let ask = get(uri).header("x-amz-checksum-mode", "ENABLED");
        if range.is_empty() { ask } else { ask.header("range", range) }
    };
    world.send(put("/bucket/k", "tail").header("x-amz-checksum-crc32c", "B21LrQ==")).await;
    for (uri, range, status, expected) in [
        ("/bucket/k", "", 200, "B21LrQ=="),
        ("/bucket/k", "bytes=0-", 206, "B21LrQ=="),
        ("/bucket/k", "bytes=0-3", 206, "B21LrQ=="),
        ("/bucket/k", "bytes=-9", 206, "B21LrQ=="),
        ("/bucket/k", "bytes=0-2", 206, ""),
        ("/bucket/k", "bytes=1-", 206, ""),
        ("/bucket/k?partNumber=1", "", 206, "B21LrQ=="),
    ] {
        assert_eq!(
            sum(&world.send(read(uri, range)).await),
            (status, expected.to_owned()),
            "{uri} {range}"
        );
    }
    for (kind, one, two, whole) in
        [("COMPOSITE", "WpuOeg==", "B21LrQ==", "KYE/qQ==-2"), ("FULL_OBJECT", "", "", "7lzcuA==")]
    {
        let asked = [("x-amz-checksum-algorithm", "CRC32C"), ("x-amz-checksum-type", kind)];
        let upload = Upload::new(&world, &asked).await;
        upload.put_both().await;
        let named = |number: u32, etag: &str, value: &str| {
            format!(
                "<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag><ChecksumCRC32C>{value}</ChecksumCRC32C></Part>"
            )
        };
        let parts = [named(1, FIRST_ETAG, "WpuOeg=="), named(2, TAIL_ETAG, "B21LrQ==")].concat();
        assert_eq!(upload.complete(&parts).await.status, 200);
        for (uri, range, status, expected) in [
            ("/bucket/k", "bytes=0-", 206, whole),
            ("/bucket/k", "bytes=1-", 206, ""),
            ("/bucket/k?partNumber=1", "", 206, one),
            ("/bucket/k?partNumber=2", "", 206, two),
        ] {
            let answer = world.send(read(uri, range)).await;
            assert_eq!(sum(&answer), (status, expected.to_owned()), "{kind} {uri} {range}");
        }
    }
}

#[tokio::test]
async fn the_size_that_its_client_knows() {
    let world = World::with_bucket().await;
    let upload = Upload::new(&world, &[]).await;
    upload.put_both().await;
    let with = |value: &str| upload.completion(&both_parts()).header("x-amz-mp-object-size", value);
    assert_eq!(
        world.refused(with("5242885")).await,
        invalid_request(
            "The provided 'x-amz-mp-object-size' header value does not match what was computed."
        )
    );
    assert_eq!(
        world.refused(with("-1")).await,
        invalid_request("Value for x-amz-mp-object-size header is invalid.")
    );
    assert_eq!(world.send(with("5242884")).await.status, 200);
}

#[tokio::test]
async fn conditions_of_a_completion() {
    let world = World::with_bucket().await;
    let failed = |condition: &str| {
        format!(
            "412 <Code>PreconditionFailed</Code><Message>At least one of the pre-conditions you specified did not hold</Message><Condition>{condition}</Condition>"
        )
    };
    let upload = Upload::new(&world, &[]).await;
    upload.put(1, "tail").await;
    let with = |name: &str, value: &str| upload.completion(&part(1, TAIL_ETAG)).header(name, value);
    let etag = "\"5d41402abc4b2a76b9719d911017c592\"";
    assert_eq!(world.refused(with("if-match", etag)).await, no_such_key("k"));
    world.send(put("/bucket/k", "hello")).await;
    assert_eq!(world.refused(with("if-none-match", "*")).await, failed("If-None-Match"));
    assert_eq!(
        world.refused(with("if-match", "\"00000000000000000000000000000000\"")).await,
        failed("If-Match")
    );
    assert_eq!(world.send(get("/bucket/k")).await.text(), "hello");
    assert_eq!(world.send(with("if-match", etag)).await.status, 200);
    assert_eq!(world.send(get("/bucket/k")).await.text(), "tail");
}

#[tokio::test]
async fn a_completion_conflicts_with_what_came_after_its_beginning() {
    let mut world = World::with_bucket().await;
    let upload = Upload::new(&world, &[]).await;
    upload.put(1, "tail").await;
    let completion = upload.completion(&part(1, TAIL_ETAG));
    world.now += jiff::SignedDuration::from_secs(1);
    let etag = world.send(put("/bucket/k", "hello")).await.header("etag").to_owned();
    assert_eq!(
        world.refused(completion.clone().header("if-match", &etag)).await,
        "409 <Code>ConditionalRequestConflict</Code><Message>The conditional request cannot succeed due to a conflicting operation against this resource.</Message><Condition>If-Match</Condition><Key>k</Key>"
    );
    assert_eq!(world.send(get("/bucket/k")).await.text(), "hello");
    assert_eq!(world.send(completion).await.status, 200);
}

#[tokio::test]
async fn a_completion_conflicts_with_a_delete_after_its_beginning() {
    let mut world = World::with_bucket().await;
    world.send(put("/bucket/k", "hello")).await;
    let upload = Upload::new(&world, &[]).await;
    upload.put(1, "tail").await;
    let completion = upload.completion(&part(1, TAIL_ETAG));
    world.now += jiff::SignedDuration::from_secs(1);
    assert_eq!(world.send(ask("DELETE", "/bucket/k")).await.status, 204);
    // Of what is gone no tag can match: there is no such key (AWS's guide to conditional writes).
    let tag = "\"5d41402abc4b2a76b9719d911017c592\"";
    assert_eq!(world.refused(completion.clone().header("if-match", tag)).await, no_such_key("k"));
    let wanting = completion.clone().header("if-none-match", "*");
    assert_eq!(
        world.refused(wanting).await,
        "409 <Code>ConditionalRequestConflict</Code><Message>The conditional request cannot succeed due to a conflicting operation against this resource.</Message><Condition>If-None-Match</Condition><Key>k</Key>"
    );
    assert_eq!(world.send(get("/bucket/k")).await.status, 404);
    assert_eq!(world.send(completion).await.status, 200);
}

#[tokio::test]
async fn a_completion_makes_a_version() {
    let world = World::with_bucket().await;
    world.versioning("Enabled").await;
    let old = world.send(put("/bucket/k", "old")).await.header("x-amz-version-id").to_owned();
    let upload = Upload::new(&world, &[]).await;
    assert!(!upload.put(1, "tail").await.headers.contains_key("x-amz-version-id"));
    let done = upload.complete(&part(1, TAIL_ETAG)).await;
    let version = done.header("x-amz-version-id").to_owned();
    assert_eq!(version.len(), 32);
    assert_eq!(world.send(get(&format!("/bucket/k?versionId={version}"))).await.text(), "tail");
    assert_eq!(world.send(get(&format!("/bucket/k?versionId={old}"))).await.text(), "old");
    // One part still makes an entity tag of parts.
    assert_eq!(done.element("ETag"), "\"3852e84091b5460a137b271a5e8a9b57-1\"");
    assert_eq!(upload.complete(&part(1, TAIL_ETAG)).await.header("x-amz-version-id"), version);
}

#[tokio::test]
async fn parts_copied_from_objects() {
    let world = World::with_bucket().await;
    world.send(put("/bucket/source", "0123tail89")).await;
    let upload = Upload::new(&world, &[]).await;
    let copy =
        |number: u32, source: &str| upload.part(number, "").header("x-amz-copy-source", source);
    let ranged = |number: u32, range: &str| {
        copy(number, "/bucket/source").header("x-amz-copy-source-range", range)
    };
    let answer = world.send(ranged(2, "bytes=4-7")).await;
    assert_eq!(
        answer.text(),
        result(
            "CopyPartResult",
            &format!("<ETag>\"{TAIL_ETAG}\"</ETag><LastModified>{WRITTEN}</LastModified>")
        )
    );
    assert_eq!(answer.header("x-amz-server-side-encryption"), "AES256");
    world.send(copy(3, "/bucket/source")).await;
    assert_eq!(upload.list("").await.elements("Size"), ["4", "10"]);

    let form = "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy";
    for range in ["bytes=4-", "bytes=-4", "4-7", "bytes=7-4", "bytes=0-1,2-3", "bytes=x-y", ""] {
        assert_eq!(
            world.refused(ranged(4, range)).await,
            invalid_argument(form, "x-amz-copy-source-range", range)
        );
    }
    assert_eq!(
        world.refused(ranged(4, "bytes=4-10")).await,
        invalid_argument(
            "Range specified is not valid for source object of size: 10",
            "x-amz-copy-source-range",
            "bytes=4-10"
        )
    );
    let condition = copy(4, "/bucket/source").header("x-amz-copy-source-if-none-match", "*");
    assert_eq!(world.send(condition).await.status, 412);
    assert_eq!(world.refused(copy(4, "/bucket/none")).await, no_such_key("none"));
    let gone = put(&format!("/bucket/k?partNumber=1&uploadId={}", "A".repeat(32)), "")
        .header("x-amz-copy-source", "/bucket/source");
    assert_eq!(world.refused(gone).await, no_such_upload(&"A".repeat(32)));
    assert_eq!(upload.list("").await.elements("PartNumber"), ["2", "3"]);
    assert_eq!(upload.complete(&part(2, TAIL_ETAG)).await.status, 200);
    assert_eq!(world.send(get("/bucket/k")).await.text(), "tail");
}

#[tokio::test]
async fn a_part_is_uploaded_by_link() {
    let world = World::with_bucket().await;
    let upload = Upload::new(&world, &[]).await;
    let query = [("partNumber", "1"), ("uploadId", upload.id.as_str())];
    let link = world.link_with("PUT", "k", &[], &query);
    assert_eq!(world.send_raw(link.clone().body("tail")).await.status, 200);
    let other = link.tamper("partNumber=1", "partNumber=2").body("tail");
    assert!(
        world.send_raw(other).await.refusal().starts_with("403 <Code>SignatureDoesNotMatch</Code>")
    );
    let complete = world.link_with("POST", "k", &[], &query[1..]);
    let document = upload.completion(&part(1, TAIL_ETAG)).body;
    assert_eq!(world.send_raw(complete.body(document)).await.status, 200);
    assert_eq!(world.send(get("/bucket/k")).await.text(), "tail");
}

/// Who began an upload is told by ARN, a root by its account.
#[tokio::test]
async fn who_began_an_upload_is_told() {
    let world = World::with_bucket().await;
    let all = policy(r#"{"Effect":"Allow","Action":["s3:*","sts:*"],"Resource":"*"}"#);
    let ann = world.user("ann", &all).await;
    world.role("loader", &trusts(&user_arn("ann")), &all).await;
    let session = world.assume(&ann, "loader", &[]).await;
    let rows = [
        (&ann, "arn:aws:iam::000000000000:user/ann", "ann"),
        (&session, "arn:aws:sts::000000000000:assumed-role/loader/ses", "loader/ses"),
    ];
    for (key, id, name) in rows {
        let begun = world.send_as(key, ask("POST", "/bucket/k?uploads")).await;
        let upload = begun.element("UploadId");
        let parts = world.send_as(key, get(&format!("/bucket/k?uploadId={upload}"))).await;
        let initiator = parts.element("Initiator");
        assert_eq!(initiator, format!("<ID>{id}</ID><DisplayName>{name}</DisplayName>"));
        assert!(!parts.element("Owner").contains("DisplayName"));
    }
}
