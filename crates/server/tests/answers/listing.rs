//! Listings: pages, prefixes and markers, over keys that a reader of XML would rather not see.

use crate::harness::{Answer, Ask, World, ask, get, invalid_argument, no_such_bucket, put, result};

const WRITTEN: &str = "2026-06-15T12:00:00.000Z";
/// MD5 of nothing.
const EMPTY: &str = "\"d41d8cd98f00b204e9800998ecf8427e\"";

fn owner() -> String {
    let id = presign::payload_hash(b"valet canonical user 000000000000");
    format!("<Owner><ID>{id}</ID></Owner>")
}

/// An empty object as a listing writes it; `owner` stands between size and class.
fn contents(key: &str, owner: &str) -> String {
    format!(
        "<Contents><Key>{key}</Key><LastModified>{WRITTEN}</LastModified><ETag>{EMPTY}</ETag><ChecksumAlgorithm>CRC64NVME</ChecksumAlgorithm><ChecksumType>FULL_OBJECT</ChecksumType><Size>0</Size>{owner}<StorageClass>STANDARD</StorageClass></Contents>"
    )
}

fn prefixes(names: &[&str]) -> String {
    let element = |name| format!("<CommonPrefixes><Prefix>{name}</Prefix></CommonPrefixes>");
    names.iter().map(element).collect::<Vec<_>>().concat()
}

async fn with_keys(keys: &[&str]) -> World {
    let world = World::with_bucket().await;
    for key in keys {
        let target = format!("/bucket/{}", presign::encode_path(key.as_bytes()));
        assert_eq!(world.send(put(&target, "")).await.status, 200, "{key}");
    }
    world
}

async fn list(world: &World, query: &str) -> Answer {
    world.send(get(&format!("/bucket?{query}"))).await
}

/// Keys and common prefixes of one page, in one line.
fn shown(answer: &Answer) -> String {
    assert_eq!(answer.status, 200, "{}", answer.text());
    let prefixes: Vec<String> = answer
        .elements("CommonPrefixes")
        .iter()
        .map(|element| element.replace("<Prefix>", "(").replace("</Prefix>", ")"))
        .collect();
    [answer.elements("Key"), prefixes].concat().join(" ")
}

/// Every page of a listing, and its pages one by one.
async fn all_pages(world: &World, query: &str, next: impl Fn(&Answer) -> String) -> Vec<String> {
    let (mut pages, mut marker) = (Vec::new(), String::new());
    loop {
        let page = list(world, &format!("{query}{marker}")).await;
        pages.push(shown(&page));
        if page.element("IsTruncated") == "false" {
            return pages;
        }
        assert!(pages.len() < 50, "{pages:?}");
        marker = next(&page);
    }
}

#[tokio::test]
async fn whole_documents_of_the_first_version() {
    let world = with_keys(&["a", "d/1", "d/2", "z"]).await;
    let answer = list(&world, "").await;
    let frame = "<Name>bucket</Name><Prefix></Prefix>";
    let all: String = ["a", "d/1", "d/2", "z"].map(|key| contents(key, &owner())).concat();
    assert_eq!(
        answer.text(),
        result(
            "ListBucketResult",
            &format!(
                "{frame}<Marker></Marker><MaxKeys>1000</MaxKeys><IsTruncated>false</IsTruncated>{all}"
            )
        )
    );
    assert_eq!(answer.header("content-type"), "application/xml");
    assert_eq!(answer.header("x-amz-bucket-region"), "us-east-1");
    assert_eq!(
        list(&world, "delimiter=/&max-keys=2").await.text(),
        result(
            "ListBucketResult",
            &format!(
                "{frame}<Marker></Marker><NextMarker>d/</NextMarker><MaxKeys>2</MaxKeys><Delimiter>/</Delimiter><IsTruncated>true</IsTruncated>{}{}",
                contents("a", &owner()),
                prefixes(&["d/"])
            )
        )
    );
}

#[tokio::test]
async fn whole_documents_of_the_second_version() {
    let world = with_keys(&["a", "d/1", "d/2", "z"]).await;
    let frame = "<Name>bucket</Name><Prefix></Prefix>";
    let all: String = ["a", "d/1", "d/2", "z"].map(|key| contents(key, "")).concat();
    assert_eq!(
        list(&world, "list-type=2").await.text(),
        result(
            "ListBucketResult",
            &format!(
                "{frame}<KeyCount>4</KeyCount><MaxKeys>1000</MaxKeys><IsTruncated>false</IsTruncated>{all}"
            )
        )
    );
    let page =
        list(&world, "list-type=2&delimiter=/&max-keys=2&start-after=A&fetch-owner=true").await;
    let token = page.element("NextContinuationToken");
    assert_eq!(
        page.text(),
        result(
            "ListBucketResult",
            &format!(
                "{frame}<NextContinuationToken>{token}</NextContinuationToken><StartAfter>A</StartAfter><KeyCount>2</KeyCount><MaxKeys>2</MaxKeys><Delimiter>/</Delimiter><IsTruncated>true</IsTruncated>{}{}",
                contents("a", &owner()),
                prefixes(&["d/"])
            )
        )
    );
    let query =
        format!("list-type=2&delimiter=/&max-keys=2&fetch-owner=false&continuation-token={token}");
    let last = list(&world, &query).await;
    assert_eq!(
        last.text(),
        result(
            "ListBucketResult",
            &format!(
                "{frame}<ContinuationToken>{token}</ContinuationToken><KeyCount>1</KeyCount><MaxKeys>2</MaxKeys><Delimiter>/</Delimiter><IsTruncated>false</IsTruncated>{}",
                contents("z", "")
            )
        )
    );
}

#[tokio::test]
async fn buckets_that_are_not_there() {
    let world = World::new().await;
    for query in ["", "list-type=2", "versions"] {
        assert_eq!(
            world.refused(get(&format!("/missing?{query}"))).await,
            no_such_bucket("missing")
        );
        assert_eq!(
            world.refused(get(&format!("/missing?{query}&max-keys=0"))).await,
            no_such_bucket("missing")
        );
    }
}

#[tokio::test]
async fn prefixes_and_delimiters() {
    let world =
        with_keys(&["a", "a/", "a/b", "a/b/c", "a//d", "ab", "b%20c", "photos/2026/06.jpg"]).await;
    for (query, expected) in [
        ("", "a a/ a//d a/b a/b/c ab b%20c photos/2026/06.jpg"),
        ("prefix=a", "a a/ a//d a/b a/b/c ab"),
        ("prefix=a/", "a/ a//d a/b a/b/c"),
        ("prefix=none", ""),
        ("prefix=b%2520", "b%20c"),
        ("prefix=b%20", ""),
        ("delimiter=/", "a ab b%20c (a/) (photos/)"),
        ("delimiter=/&prefix=a", "a ab (a/)"),
        ("delimiter=/&prefix=a/", "a/ a/b (a//) (a/b/)"),
        ("delimiter=/&prefix=a/b", "a/b (a/b/)"),
        ("delimiter=/&prefix=a/b/", "a/b/c"),
        ("delimiter=&prefix=a/b", "a/b a/b/c"),
        ("delimiter=b", "a a/ a//d photos/2026/06.jpg (a/b) (ab) (b)"),
        ("delimiter=2026/", "a a/ a//d a/b a/b/c ab b%20c (photos/2026/)"),
    ] {
        assert_eq!(shown(&list(&world, query).await), expected, "{query}");
        assert_eq!(
            shown(&list(&world, &format!("list-type=2&{query}")).await),
            expected,
            "{query}"
        );
        assert_eq!(shown(&list(&world, &format!("versions&{query}")).await), expected, "{query}");
    }
}

#[tokio::test]
async fn limits_of_a_page() {
    let world = with_keys(&["a", "b"]).await;
    for (value, max, shows, truncated) in [
        ("0", "0", "", "false"),
        ("1", "1", "a", "true"),
        ("2", "2", "a b", "false"),
        ("1000", "1000", "a b", "false"),
        ("1001", "1000", "a b", "false"),
        ("2147483647", "1000", "a b", "false"),
    ] {
        for kind in ["", "list-type=2&", "versions&"] {
            let page = list(&world, &format!("{kind}max-keys={value}")).await;
            let got = (shown(&page), page.element("MaxKeys"), page.element("IsTruncated"));
            assert_eq!(got, (shows.into(), max.into(), truncated.into()), "{kind}{value}");
        }
    }
    for value in ["-1", "abc", "2147483648", "1.5", "%201"] {
        for kind in ["", "list-type=2&", "versions&"] {
            let shown = value.replace("%20", " ");
            assert_eq!(
                list(&world, &format!("{kind}max-keys={value}")).await.refusal(),
                invalid_argument(
                    "Provided max-keys not an integer or within integer range",
                    "max-keys",
                    &shown
                )
            );
        }
    }
}

#[tokio::test]
async fn pages_meet_without_gap_or_overlap() {
    let keys = ["a", "d/1", "d/2", "d/e/3", "e", "f/1", "f/2", "g"];
    let world = with_keys(&keys).await;
    for limit in 1..=9 {
        let flat = keys.chunks(limit).map(|page| page.join(" ")).collect::<Vec<_>>();
        let grouped = ["a", "(d/)", "e", "(f/)", "g"];
        let grouped: Vec<String> = grouped
            .chunks(limit)
            .map(|page| {
                let (prefixes, keys): (Vec<&str>, Vec<&str>) =
                    page.iter().copied().partition(|name| name.starts_with('('));
                [keys, prefixes].concat().join(" ")
            })
            .collect();
        for (delimiter, expected) in [("", &flat), ("&delimiter=/", &grouped)] {
            let query = format!("max-keys={limit}{delimiter}");
            let pages = all_pages(&world, &format!("list-type=2&{query}"), |page| {
                format!("&continuation-token={}", page.element("NextContinuationToken"))
            })
            .await;
            assert_eq!(pages, *expected, "v2 {query}");
            let pages = all_pages(&world, &query, |page| {
                let next = page.element("NextMarker");
                let last = page.elements("Key").pop().unwrap_or_default();
                // Without a delimiter there is none, and the last key serves.
                format!("&marker={}", if delimiter.is_empty() { last } else { next })
            })
            .await;
            assert_eq!(pages, *expected, "v1 {query}");
            let pages = all_pages(&world, &format!("versions&{query}"), |page| {
                format!(
                    "&key-marker={}&version-id-marker={}",
                    page.element("NextKeyMarker"),
                    page.element("NextVersionIdMarker")
                )
            })
            .await;
            assert_eq!(pages, *expected, "versions {query}");
        }
    }
}

#[tokio::test]
async fn where_a_listing_begins() {
    let world = with_keys(&["a", "b/1", "b/2", "c"]).await;
    for (query, expected) in [
        ("marker=a", "b/1 b/2 c"),
        ("marker=aa", "b/1 b/2 c"),
        ("marker=b/1", "b/2 c"),
        ("marker=c", ""),
        ("marker=%F0%9F%9A%80", ""),
        ("marker=a&delimiter=/", "c (b/)"),
        ("marker=b/&delimiter=/", "c"),
        // One inside what is rolled up goes on behind it.
        ("marker=b/1&delimiter=/", "c"),
        ("marker=b/1&prefix=b&delimiter=/", ""),
        ("marker=b/1&prefix=b/&delimiter=/", "b/2"),
        ("marker=", "a b/1 b/2 c"),
        ("max-keys=", "a b/1 b/2 c"),
        ("versions&key-marker=b/1&delimiter=/", "c"),
        ("versions&key-marker=b/1&version-id-marker=null&delimiter=/", "c"),
        ("marker=b/&prefix=b/&delimiter=/", "b/1 b/2"),
        ("marker=b/1&prefix=b/", "b/2"),
        ("marker=z&prefix=b/", ""),
    ] {
        assert_eq!(shown(&list(&world, query).await), expected, "{query}");
    }
    for (query, expected) in [
        ("start-after=a", "b/1 b/2 c"),
        ("start-after=b/1", "b/2 c"),
        ("start-after=&prefix=b/", "b/1 b/2"),
        ("start-after=b/1&delimiter=/", "c (b/)"),
    ] {
        let answer = list(&world, &format!("list-type=2&{query}")).await;
        assert_eq!(shown(&answer), expected, "{query}");
    }
    // A token outweighs start-after, which is still told.
    let first = list(&world, "list-type=2&max-keys=1").await;
    let token = first.element("NextContinuationToken");
    let query = format!("list-type=2&start-after=b/2&continuation-token={token}");
    let second = list(&world, &query).await;
    assert_eq!(shown(&second), "b/1 b/2 c");
    assert_eq!(second.element("StartAfter"), "b/2");
}

#[tokio::test]
async fn tokens_that_nobody_gave() {
    let world = with_keys(&["a"]).await;
    let empty = list(&world, "list-type=2&continuation-token=").await;
    assert!(empty.text().contains("<ContinuationToken></ContinuationToken>"));
    assert_eq!(shown(&empty), "a");
    for token in ["garbage!", "AAAA", "a2s=", "%C3%BC", "_w"] {
        let shown = String::from_utf8(presign::decode_component(token).into_owned()).unwrap();
        assert_eq!(
            list(&world, &format!("list-type=2&continuation-token={token}")).await.refusal(),
            invalid_argument(
                "The continuation token provided is incorrect",
                "continuation-token",
                &shown
            )
        );
    }
    for (query, message, name, value) in [
        ("list-type=1", "Invalid List Type specified in Request", "list-type", "1"),
        ("list-type=", "Invalid List Type specified in Request", "list-type", ""),
        (
            "encoding-type=base64",
            "Invalid Encoding Method specified in Request",
            "encoding-type",
            "base64",
        ),
        ("encoding-type=", "Invalid Encoding Method specified in Request", "encoding-type", ""),
        (
            "uploads&encoding-type=",
            "Invalid Encoding Method specified in Request",
            "encoding-type",
            "",
        ),
        (
            "versions&version-id-marker=x",
            "A version-id marker cannot be specified without a key marker.",
            "version-id-marker",
            "x",
        ),
        (
            "versions&key-marker=k&version-id-marker=x",
            "Invalid version id specified",
            "version-id-marker",
            "x",
        ),
    ] {
        assert_eq!(list(&world, query).await.refusal(), invalid_argument(message, name, value));
    }
}

#[tokio::test]
async fn keys_that_xml_must_escape() {
    let keys = ["<a>&\"'", "]]>", "a\rb", "a\nb", "a\tb", "a\u{1}b", "a+b c", "ü€🚀", "a\u{7f}b"];
    let world = with_keys(&keys).await;
    let mut escaped = vec![
        "&lt;a&gt;&amp;\"'",
        "]]&gt;",
        "a&#13;b",
        "a\nb",
        "a\tb",
        "a&#x1;b",
        "a+b c",
        "ü€🚀",
        "a\u{7f}b",
    ];
    let mut encoded = vec![
        "%3Ca%3E%26%22%27",
        "%5D%5D%3E",
        "a%0Db",
        "a%0Ab",
        "a%09b",
        "a%01b",
        "a%2Bb%20c",
        "%C3%BC%E2%82%AC%F0%9F%9A%80",
        "a%7Fb",
    ];
    let mut order: Vec<usize> = (0..keys.len()).collect();
    order.sort_by_key(|&at| keys[at].as_bytes());
    escaped = order.iter().map(|&at| escaped[at]).collect();
    encoded = order.iter().map(|&at| encoded[at]).collect();
    for kind in ["", "list-type=2", "versions"] {
        assert_eq!(list(&world, kind).await.elements("Key"), escaped, "{kind}");
        let url = list(&world, &format!("{kind}&encoding-type=url")).await;
        assert_eq!(url.elements("Key"), encoded, "{kind}");
        assert_eq!(url.element("EncodingType"), "url");
    }
    // Prefix, delimiter and markers are encoded with the keys.
    let page = list(&world, "encoding-type=url&prefix=a%2B&delimiter=%20&marker=%26%3C").await;
    assert_eq!(page.element("Delimiter"), "%20");
    assert_eq!(page.element("Marker"), "%26%3C");
    assert!(page.text().contains("<Prefix>a%2B</Prefix>"));
    assert!(page.text().contains("<CommonPrefixes><Prefix>a%2Bb%20</Prefix></CommonPrefixes>"));
    let page = list(&world, "list-type=2&encoding-type=url&start-after=%C3%BC").await;
    assert_eq!(page.element("StartAfter"), "%C3%BC");
}

#[tokio::test]
async fn versions_newest_first() {
    let mut world = World::with_bucket().await;
    let id = |answer: &Answer| answer.header("x-amz-version-id").to_owned();
    world.send(put("/bucket/k", "")).await;
    world.versioning("Enabled").await;
    let one = id(&world.send(put("/bucket/k", "")).await);
    world.now = "2026-06-15T12:00:01.999Z".parse().unwrap();
    let marker = id(&world.send(ask("DELETE", "/bucket/k")).await);
    let other = id(&world.send(put("/bucket/l", "")).await);
    let version = |key: &str, id: &str, latest: bool, time: &str| {
        format!(
            "<Version><Key>{key}</Key><VersionId>{id}</VersionId><IsLatest>{latest}</IsLatest><LastModified>{time}</LastModified><ETag>{EMPTY}</ETag><ChecksumAlgorithm>CRC64NVME</ChecksumAlgorithm><ChecksumType>FULL_OBJECT</ChecksumType><Size>0</Size>{}<StorageClass>STANDARD</StorageClass></Version>",
            owner()
        )
    };
    let later = "2026-06-15T12:00:01.000Z";
    let deleted = format!(
        "<DeleteMarker><Key>k</Key><VersionId>{marker}</VersionId><IsLatest>true</IsLatest><LastModified>{later}</LastModified>{}</DeleteMarker>",
        owner()
    );
    let rows = [
        deleted,
        version("k", &one, false, WRITTEN),
        version("k", "null", false, WRITTEN),
        version("l", &other, true, later),
    ];
    let page = |frame: &str, rows: &[String]| {
        let rows = rows.concat();
        result("ListVersionsResult", &format!("<Name>bucket</Name><Prefix></Prefix>{frame}{rows}"))
    };
    assert_eq!(
        list(&world, "versions").await.text(),
        page(
            "<KeyMarker></KeyMarker><VersionIdMarker></VersionIdMarker><MaxKeys>1000</MaxKeys><IsTruncated>false</IsTruncated>",
            &rows
        )
    );
    assert_eq!(
        list(&world, "versions&max-keys=2").await.text(),
        page(
            &format!(
                "<KeyMarker></KeyMarker><VersionIdMarker></VersionIdMarker><NextKeyMarker>k</NextKeyMarker><NextVersionIdMarker>{one}</NextVersionIdMarker><MaxKeys>2</MaxKeys><IsTruncated>true</IsTruncated>"
            ),
            &rows[..2]
        )
    );
    assert_eq!(
        list(&world, &format!("versions&key-marker=k&version-id-marker={one}")).await.text(),
        page(
            &format!(
                "<KeyMarker>k</KeyMarker><VersionIdMarker>{one}</VersionIdMarker><MaxKeys>1000</MaxKeys><IsTruncated>false</IsTruncated>"
            ),
            &rows[2..]
        )
    );
    assert_eq!(
        list(&world, "versions&key-marker=k&version-id-marker=null").await.elements("Key"),
        ["l"]
    );
    assert_eq!(list(&world, "versions&key-marker=k").await.elements("Key"), ["l"]);
    // What is deleted is in no other listing.
    assert_eq!(shown(&list(&world, "").await), "l");
    assert_eq!(shown(&list(&world, "list-type=2").await), "l");
}

#[tokio::test]
async fn a_listing_by_link() {
    let world = with_keys(&["a", "b"]).await;
    let link = world.link_with("GET", "", &[], &[("list-type", "2"), ("prefix", "b")]);
    assert_eq!(shown(&world.send_raw(link.clone()).await), "b");
    let other: Ask = link.tamper("prefix=b", "prefix=a");
    assert!(
        world.send_raw(other).await.refusal().starts_with("403 <Code>SignatureDoesNotMatch</Code>")
    );
}
