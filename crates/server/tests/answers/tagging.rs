//! Tags of objects: how they are given, changed, told and asked for by policies.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::harness::{
    Ask, World, ask, get, invalid_argument, invalid_request, no_such_bucket, no_such_key, put,
    result, sha256,
};
use crate::people::{Key, policy, user_arn};

const MALFORMED_HEADER: &str = "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name duplicates.";
const MALFORMED: &str = "400 <Code>MalformedXML</Code><Message>The XML you provided was not well-formed or did not validate against our published schema</Message>";

fn tag_set(tags: &[(&str, &str)]) -> String {
    let one =
        |(key, value): &(&str, &str)| format!("<Tag><Key>{key}</Key><Value>{value}</Value></Tag>");
    format!("<TagSet>{}</TagSet>", tags.iter().map(one).collect::<Vec<_>>().concat())
}

/// With the digest that the call demands.
fn put_tags(target: &str, tags: &[(&str, &str)]) -> Ask {
    put_document(target, &format!("<Tagging>{}</Tagging>", tag_set(tags)))
}

fn put_document(target: &str, document: &str) -> Ask {
    let digest = STANDARD.encode(sha256(document.as_bytes()));
    put(target, document).header("x-amz-checksum-sha256", &digest)
}

fn tagged(target: &str, tags: &str) -> Ask {
    put(target, "hello").header("x-amz-tagging", tags)
}

/// The tags of `target`, as `GetObjectTagging` tells them.
async fn tags(world: &World, target: &str) -> String {
    let answer = world.send(get(&format!("{target}?tagging"))).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let pairs = answer.elements("Key").into_iter().zip(answer.elements("Value"));
    pairs.map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join("&")
}

fn invalid_tag(message: &str, key: &str, value: &str) -> String {
    format!(
        "400 <Code>InvalidTag</Code><Message>{message}</Message><TagKey>{key}</TagKey>{}",
        // Only where it is the value that is wrong is it told.
        if message.contains("TagValue") {
            format!("<TagValue>{value}</TagValue>")
        } else {
            String::new()
        }
    )
}

#[tokio::test]
async fn tags_come_with_a_write() {
    let world = World::with_bucket().await;
    assert_eq!(world.send(tagged("/bucket/k", "b=1&a=x%20y&c")).await.status, 200);
    assert_eq!(
        world.send(get("/bucket/k?tagging")).await.text(),
        result("Tagging", &tag_set(&[("a", "x y"), ("b", "1"), ("c", "")]))
    );
    for method in ["GET", "HEAD"] {
        let answer = world.send(ask(method, "/bucket/k")).await;
        assert_eq!(answer.header("x-amz-tagging-count"), "3");
    }
    // A write without them makes an object without them, and then there is nothing to count.
    world.send(put("/bucket/k", "hello")).await;
    assert_eq!(tags(&world, "/bucket/k").await, "");
    assert!(!world.send(get("/bucket/k")).await.headers.contains_key("x-amz-tagging-count"));
    // What a link's query says stands for the header.
    let link = world.link_with("PUT", "k", &[], &[("x-amz-tagging", "a=b&c=d")]).body("x");
    assert_eq!(world.send_raw(link).await.status, 200);
    assert_eq!(tags(&world, "/bucket/k").await, "a=b&c=d");
}

#[tokio::test]
async fn how_the_header_is_written() {
    let world = World::with_bucket().await;
    let long_key = "k".repeat(128);
    let long_value = "v".repeat(256);
    let ten = (0..10).map(|n| format!("{n}={n}")).collect::<Vec<_>>().join("&");
    for (written, read) in [
        ("", ""),
        ("a=b", "a=b"),
        ("a", "a="),
        ("a+b=c+d", "a b=c d"),
        ("a%2Bb=%3D%26", ""),
        ("%C3%BC=%C3%A9", "ü=é"),
        ("_.:/-@=1%2B2%3D3", "_.:/-@=1+2=3"),
        (&format!("{long_key}={long_value}"), &format!("{long_key}={long_value}")),
        (&ten, &ten),
    ] {
        let answer = world.send(tagged("/bucket/k", written)).await;
        if read.is_empty() && !written.is_empty() {
            // `&` is none of the characters that a tag may have.
            assert!(answer.refusal().starts_with("400 <Code>InvalidTag</Code>"));
            continue;
        }
        assert_eq!(answer.status, 200, "{written}");
        assert_eq!(tags(&world, "/bucket/k").await, read);
    }
    for written in ["a=b&a=c", "a=b=c", "a=%", "a=%2", "a=%zz", "%ff=a", "TagSet=[{Key=a}]"] {
        assert_eq!(
            world.refused(tagged("/bucket/new", written)).await,
            invalid_argument(MALFORMED_HEADER, "x-amz-tagging", &written.replace('&', "&amp;"))
        );
    }
    assert_eq!(world.send(get("/bucket/new")).await.status, 404);
}

#[tokio::test]
async fn tags_that_are_none() {
    let world = World::with_bucket().await;
    world.send(tagged("/bucket/k", "a=b")).await;
    let long_key = "k".repeat(129);
    let long_value = "v".repeat(257);
    let eleven: Vec<_> = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10"]
        .into_iter()
        .map(|key| (key, ""))
        .collect();
    let bad_key = "The TagKey you have provided is invalid";
    let bad_value = "The TagValue you have provided is invalid";
    for (set, expected) in [
        (vec![("", "v")], invalid_tag(bad_key, "", "v")),
        (vec![("a*", "v")], invalid_tag(bad_key, "a*", "v")),
        (vec![(&*long_key, "v")], invalid_tag(bad_key, &long_key, "v")),
        (vec![("a", &*long_value)], invalid_tag(bad_value, "a", &long_value)),
        (vec![("a", "{}")], invalid_tag(bad_value, "a", "{}")),
        (
            vec![("a", "1"), ("a", "2")],
            invalid_tag("Cannot provide multiple Tags with the same key", "a", "2"),
        ),
        (
            vec![("aws:a", "1")],
            invalid_tag("Your TagKey cannot be prefixed with aws:", "aws:a", "1"),
        ),
        (
            eleven,
            "400 <Code>BadRequest</Code><Message>Object tags cannot be greater than 10</Message>"
                .to_owned(),
        ),
    ] {
        assert_eq!(world.refused(put_tags("/bucket/k?tagging", &set)).await, expected);
        if !set[0].0.is_empty() && set[0].1 != "1" && set[0].1 != "{}" && set[0].0 != "a*" {
            let header: Vec<_> = set.iter().map(|(key, value)| format!("{key}={value}")).collect();
            let refused = world.refused(tagged("/bucket/new", &header.join("&"))).await;
            assert_eq!(refused, expected);
        }
    }
    // Ten characters of two UTF-16 units each count as twenty.
    let wide = "\u{20000}".repeat(65);
    let refused = world.refused(put_tags("/bucket/k?tagging", &[(&wide, "")])).await;
    assert_eq!(refused, invalid_tag(bad_key, &wide, ""));
    assert_eq!(tags(&world, "/bucket/k").await, "a=b");
}

#[tokio::test]
async fn tags_are_replaced_and_removed() {
    let world = World::with_bucket().await;
    let written = world.send(tagged("/bucket/k", "a=b")).await;
    let answer = world.send(put_tags("/bucket/k?tagging", &[("c", " d "), ("a", "")])).await;
    assert_eq!((answer.status, answer.body.len()), (200, 0));
    assert!(!answer.headers.contains_key("x-amz-version-id"));
    assert_eq!(tags(&world, "/bucket/k").await, "c= d &a=");
    let read = world.send(get("/bucket/k")).await;
    assert_eq!((read.text(), read.header("x-amz-tagging-count")), ("hello", "2"));
    assert_eq!(read.header("etag"), written.header("etag"));
    // An empty set removes them all, and so do none and DELETE.
    assert_eq!(world.send(put_tags("/bucket/k?tagging", &[])).await.status, 200);
    assert_eq!(tags(&world, "/bucket/k").await, "");
    world.send(put_tags("/bucket/k?tagging", &[("c", "d")])).await;
    assert_eq!(world.send(put_document("/bucket/k?tagging", "<Tagging/>")).await.status, 200);
    assert_eq!(tags(&world, "/bucket/k").await, "");
    world.send(put_tags("/bucket/k?tagging", &[("c", "d")])).await;
    for _ in 0..2 {
        let answer = world.send(ask("DELETE", "/bucket/k?tagging")).await;
        assert_eq!((answer.status, answer.body.len()), (204, 0));
        assert_eq!(tags(&world, "/bucket/k").await, "");
    }
    assert_eq!(world.send(get("/bucket/k")).await.text(), "hello");
}

#[tokio::test]
async fn tags_of_what_is_not_there() {
    let world = World::with_bucket().await;
    for (target, expected) in
        [("/bucket/none", no_such_key("none")), ("/missing/k", no_such_bucket("missing"))]
    {
        let target = format!("{target}?tagging");
        assert_eq!(world.refused(get(&target)).await, expected);
        assert_eq!(world.refused(put_tags(&target, &[("a", "b")])).await, expected);
        assert_eq!(world.refused(ask("DELETE", &target)).await, expected);
    }
}

#[tokio::test]
async fn the_document_must_be_one() {
    let world = World::with_bucket().await;
    world.send(tagged("/bucket/k", "a=b")).await;
    for target in ["/bucket/k?tagging", "/bucket?tagging"] {
        assert_eq!(
            world.refused(put(target, "<Tagging><TagSet></TagSet></Tagging>")).await,
            invalid_request(
                "Missing required header for this request: Content-MD5 OR x-amz-checksum-*"
            )
        );
        for document in [
            "<Tagging><TagSet/></Tagging><Tagging/>",
            "<TagSet/>",
            "<Tagging><TagSet><Tag><Key>a</Key></Tag></TagSet></Tagging>",
            "<Tagging><TagSet><Tag><Value>a</Value></Tag></TagSet></Tagging>",
            "not XML",
        ] {
            let refused = world.refused(put_document(target, document)).await;
            assert_eq!(refused, MALFORMED, "{document}");
        }
        let refused = world.refused(put_document(target, "")).await;
        assert!(refused.starts_with("400 <Code>MissingRequestBodyError</Code>"), "{refused}");
        let long = format!("<Tagging>{}</Tagging>", " ".repeat(163_840));
        assert_eq!(
            world.refused(put_document(target, &long)).await,
            "400 <Code>MaxMessageLengthExceeded</Code><Message>Your request was too big.</Message><MaxMessageLengthBytes>163840</MaxMessageLengthBytes>"
        );
        let other = put_tags(target, &[("a", "c")]).body("<Tagging><TagSet></TagSet></Tagging>");
        assert!(world.refused(other).await.starts_with("400 <Code>BadDigest</Code>"));
    }
    assert_eq!(tags(&world, "/bucket/k").await, "a=b");
}

#[tokio::test]
async fn each_version_has_its_own() {
    let world = World::with_bucket().await;
    world.versioning("Enabled").await;
    let first = world.send(tagged("/bucket/k", "n=1")).await.header("x-amz-version-id").to_owned();
    let second = world.send(tagged("/bucket/k", "n=2")).await.header("x-amz-version-id").to_owned();
    let of = |version: &str| format!("/bucket/k?tagging&versionId={version}");
    let answer = world.send(put_tags(&of(&first), &[("n", "one")])).await;
    assert_eq!((answer.status, answer.header("x-amz-version-id")), (200, &*first));
    for (target, version, value) in [
        (of(&first), &first, "one"),
        (of(&second), &second, "2"),
        ("/bucket/k?tagging".into(), &second, "2"),
    ] {
        let answer = world.send(get(&target)).await;
        assert_eq!(answer.header("x-amz-version-id"), version);
        assert_eq!(answer.elements("Value"), [value]);
    }
    world.send(ask("DELETE", "/bucket/k")).await;
    let answer = world.send(ask("DELETE", &of(&first))).await;
    assert_eq!((answer.status, answer.header("x-amz-version-id")), (204, &*first));
    assert_eq!(world.send(get(&of(&first))).await.elements("Value"), [""; 0]);
}

#[tokio::test]
async fn uploads_and_copies_bring_tags() {
    let world = World::with_bucket().await;
    let create = ask("POST", "/bucket/parts?uploads").header("x-amz-tagging", "up=load");
    let upload = world.send(create).await.element("UploadId");
    let part = put(&format!("/bucket/parts?partNumber=1&uploadId={upload}"), "part");
    let etag = world.send(part).await.header("etag").to_owned();
    let complete = format!(
        "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{etag}</ETag></Part></CompleteMultipartUpload>"
    );
    let complete = ask("POST", &format!("/bucket/parts?uploadId={upload}")).body(complete);
    assert_eq!(world.send(complete).await.status, 200);
    assert_eq!(tags(&world, "/bucket/parts").await, "up=load");

    let copy = || put("/bucket/copy", "").header("x-amz-copy-source", "/bucket/parts");
    for (directive, header, expected) in [
        (None, None, "up=load"),
        (Some("COPY"), Some("a=b"), "up=load"),
        (Some("REPLACE"), Some("a=b"), "a=b"),
        (Some("REPLACE"), None, ""),
    ] {
        let mut ask = copy();
        for (name, value) in [("x-amz-tagging-directive", directive), ("x-amz-tagging", header)] {
            if let Some(value) = value {
                ask = ask.header(name, value);
            }
        }
        assert_eq!(world.send(ask).await.status, 200);
        assert_eq!(tags(&world, "/bucket/copy").await, expected);
    }
    // The metadata are replaced without the tags, and the tags without the metadata.
    let replaced = copy().header("x-amz-metadata-directive", "REPLACE");
    world.send(replaced.header("content-type", "text/plain")).await;
    assert_eq!(tags(&world, "/bucket/copy").await, "up=load");
    let onto = || {
        let onto = put("/bucket/copy", "").header("x-amz-copy-source", "/bucket/copy");
        onto.header("x-amz-tagging-directive", "REPLACE").header("x-amz-tagging", "a=b")
    };
    // Tags are none of what a copy onto itself must change.
    assert!(world.refused(onto()).await.starts_with("400 <Code>InvalidRequest</Code>"));
    assert_eq!(world.send(onto().header("x-amz-storage-class", "GLACIER")).await.status, 200);
    assert_eq!(tags(&world, "/bucket/copy").await, "a=b");
    assert_eq!(world.send(get("/bucket/copy")).await.header("content-type"), "text/plain");
}

fn denied(action: &str, resource: &str) -> String {
    format!(
        "403 <Code>AccessDenied</Code><Message>User: {} is not authorized to perform: {action} on resource: \"arn:aws:s3:::{resource}\" because no identity-based policy allows the {action} action</Message>",
        user_arn("ann")
    )
}

#[tokio::test]
async fn tagging_needs_a_permission_of_its_own() {
    let world = World::with_bucket().await;
    world.send(tagged("/bucket/k", "a=b")).await;
    let allow = |actions: &str| {
        policy(&format!(
            r#"{{"Effect":"Allow","Action":[{actions}],"Resource":"arn:aws:s3:::bucket/*"}}"#
        ))
    };
    let ann = world.user("ann", &allow(r#""s3:PutObject","s3:GetObject""#)).await;
    assert_eq!(world.send_as(&ann, put("/bucket/own", "x")).await.status, 200);
    let copy = || put("/bucket/copy", "").header("x-amz-copy-source", "/bucket/k");
    let rows = || {
        [
            (tagged("/bucket/own", "a=b"), "s3:PutObjectTagging", "bucket/own"),
            (
                ask("POST", "/bucket/own?uploads").header("x-amz-tagging", "a=b"),
                "s3:PutObjectTagging",
                "bucket/own",
            ),
            (get("/bucket/k?tagging"), "s3:GetObjectTagging", "bucket/k"),
            (put_tags("/bucket/k?tagging", &[("a", "b")]), "s3:PutObjectTagging", "bucket/k"),
            (ask("DELETE", "/bucket/k?tagging"), "s3:DeleteObjectTagging", "bucket/k"),
            (copy(), "s3:GetObjectTagging", "bucket/k"),
            (
                copy().header("x-amz-tagging-directive", "REPLACE").header("x-amz-tagging", "a=b"),
                "s3:PutObjectTagging",
                "bucket/copy",
            ),
        ]
    };
    for (ask, action, resource) in rows() {
        assert_eq!(world.send_as(&ann, ask).await.refusal(), denied(action, resource));
    }
    // A copy that keeps no tags needs none of it.
    let bare = copy().header("x-amz-tagging-directive", "REPLACE");
    assert_eq!(world.send_as(&ann, bare).await.status, 200);
    world
        .put_user_policy("ann", &allow(r#""s3:PutObject","s3:GetObject","s3:GetObjectTagging""#))
        .await;
    assert_eq!(
        world.send_as(&ann, copy()).await.refusal(),
        denied("s3:PutObjectTagging", "bucket/copy")
    );
    world.put_user_policy("ann", &allow(r#""s3:*Object","s3:*ObjectTagging""#)).await;
    for (ask, ..) in rows() {
        let answer = world.send_as(&ann, ask).await;
        assert!((200..300).contains(&answer.status), "{}", answer.text());
    }
    // A version's tags are another action's.
    world.versioning("Enabled").await;
    let version = world.send(put("/bucket/k", "x")).await.header("x-amz-version-id").to_owned();
    let target = format!("/bucket/k?tagging&versionId={version}");
    for (ask, action) in [
        (get(&target), "s3:GetObjectVersionTagging"),
        (put_tags(&target, &[]), "s3:PutObjectVersionTagging"),
        (ask("DELETE", &target), "s3:DeleteObjectVersionTagging"),
    ] {
        assert_eq!(world.send_as(&ann, ask).await.refusal(), denied(action, "bucket/k"));
    }
    // Nobody is read for whom nothing could be admitted.
    assert_eq!(
        world.send_raw(put_tags("/bucket/k?tagging", &[])).await.refusal(),
        "403 <Code>AccessDenied</Code><Message>Access Denied</Message>"
    );
}

#[tokio::test]
async fn a_form_brings_tags_as_a_document() {
    let world = World::with_bucket().await;
    let allow = r#"{"Effect":"Allow","Action":["s3:PutObject","s3:PutObjectTagging"],"Resource":"*","Condition":{"StringEquals":{"s3:RequestObjectTag/team":"blue"}}}"#;
    let ann = world.user("ann", &policy(allow)).await;
    for (team, status) in [("blue", 204), ("red", 403)] {
        let document = format!("<Tagging>{}</Tagging>", tag_set(&[("team", team)]));
        let form = world.form_with(&ann, team, &[("tagging", &document)], &[]);
        assert_eq!(world.send_raw(form.ask()).await.status, status, "{team}");
    }
    assert_eq!(tags(&world, "/bucket/blue").await, "team=blue");
    let without = world.form_with(&ann, "k", &[], &[]);
    assert_eq!(world.send_raw(without.ask()).await.status, 403);
    let other = world.form_with(&ann, "k", &[("tagging", "<Other/>")], &[]);
    assert_eq!(world.send_raw(other.ask()).await.status, 403);
    // To tag takes its own permission in a form too.
    world.put_user_policy("ann", &policy(&allow.replace(",\"s3:PutObjectTagging\"", ""))).await;
    let document = format!("<Tagging>{}</Tagging>", tag_set(&[("team", "blue")]));
    let form = world.form_with(&ann, "k", &[("tagging", &document)], &[]);
    assert_eq!(
        world.send_raw(form.ask()).await.refusal(),
        denied("s3:PutObjectTagging", "bucket/k")
    );
}

#[tokio::test]
async fn documents_that_a_form_may_bring() {
    let world = World::with_bucket().await;
    let send = async |document: &str| {
        let form = world.form_with(&Key::root(), "k", &[("tagging", document)], &[]);
        world.send_raw(form.ask()).await
    };
    let tag = |key: &str, value: &str| tag_set(&[(key, value)]);
    let of = |inner: &str| format!("<Tagging>{inner}</Tagging>");
    // One that is about something else brings no tags, as on AWS.
    for (document, expected) in [
        (of(&tag("a", "b c")), "a=b c"),
        ("<InvalidXmlTagging></InvalidXmlTagging>".to_owned(), ""),
        (tag("a", "b"), ""),
        (of("<TagSet/>"), ""),
        ("<Tagging/>".to_owned(), ""),
    ] {
        assert_eq!(send(&document).await.status, 204, "{document}");
        assert_eq!(tags(&world, "/bucket/k").await, expected, "{document}");
    }
    world.send(ask("DELETE", "/bucket/k")).await;
    let twice = of(&tag_set(&[("a", "1"), ("a", "2")]));
    let message = "Cannot provide multiple Tags with the same key";
    assert_eq!(send(&twice).await.refusal(), invalid_tag(message, "a", "2"));
    let ends_early = of(&tag("a", "b")).replace("</Tagging>", "");
    for document in ["", "a=b", "<Other>", "<Other/><Other/>", ends_early.as_str()] {
        assert_eq!(send(document).await.refusal(), MALFORMED, "{document}");
    }
    assert_eq!(world.send(get("/bucket/k")).await.status, 404);
}

#[tokio::test]
async fn policies_ask_for_tags_that_are_there() {
    let world = World::with_bucket().await;
    world.versioning("Enabled").await;
    let old =
        world.send(tagged("/bucket/k", "Class=open")).await.header("x-amz-version-id").to_owned();
    world.send(tagged("/bucket/k", "Class=shut")).await;
    world.send(tagged("/bucket/o", "Class=open&x=y")).await;
    world.send(put("/bucket/none", "hello")).await;
    let ann = world
        .user(
            "ann",
            &policy(
                r#"{"Effect":"Allow","Action":["s3:GetObject*","s3:DeleteObject","s3:PutObject"],"Resource":"*","Condition":{"StringEquals":{"s3:ExistingObjectTag/Class":"open"}}}"#,
            ),
        )
        .await;
    for (ask, status) in [
        (get("/bucket/o"), 200),
        (ask("HEAD", "/bucket/o"), 200),
        (get("/bucket/o?tagging"), 200),
        (get("/bucket/k"), 403),
        (get(&format!("/bucket/k?versionId={old}")), 200),
        (get("/bucket/none"), 403),
        (get("/bucket/missing"), 403),
        // These actions do not see the tags of what is there.
        (put("/bucket/o", "x"), 403),
        (ask("DELETE", "/bucket/o"), 403),
    ] {
        let what = format!("{} {}", ask.method, ask.target);
        assert_eq!(world.send_as(&ann, ask).await.status, status, "{what}");
    }
    // The next request sees the tag that was changed.
    world.send(put_tags("/bucket/o?tagging", &[("Class", "shut")])).await;
    assert_eq!(world.send_as(&ann, get("/bucket/o")).await.status, 403);
    // A denial by tag holds for root too, by a bucket's policy.
    world
        .bucket_policy(&policy(
            r#"{"Effect":"Deny","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::bucket/*","Condition":{"StringEquals":{"s3:ExistingObjectTag/class":"shut"}}}"#,
        ))
        .await;
    assert_eq!(world.send(get("/bucket/k")).await.status, 403);
    assert_eq!(world.send(get("/bucket/none")).await.status, 200);
    // A copy reads its source.
    let copy = put("/bucket/copy", "").header("x-amz-copy-source", "/bucket/k");
    assert_eq!(world.send(copy).await.status, 403);
}

#[tokio::test]
async fn policies_ask_for_tags_that_are_brought() {
    let world = World::with_bucket().await;
    let allow = r#"{"Effect":"Allow","Action":["s3:PutObject","s3:PutObjectTagging"],"Resource":"*","Condition":{"StringEquals":{"s3:RequestObjectTag/team":"blue"},"ForAllValues:StringEquals":{"s3:RequestObjectTagKeys":["team","x"]}}}"#;
    let ann = world.user("ann", &policy(allow)).await;
    world.send(put("/bucket/there", "x")).await;
    for (tags, status) in [
        (&[("team", "blue")][..], 200),
        (&[("team", "blue"), ("x", "1")], 200),
        (&[("team", "blue"), ("y", "1")], 403),
        (&[("team", "red")], 403),
        (&[], 403),
    ] {
        let header: Vec<_> = tags.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let write = tagged("/bucket/k", &header.join("&"));
        assert_eq!(world.send_as(&ann, write).await.status, status, "{tags:?}");
        let create = ask("POST", "/bucket/k?uploads").header("x-amz-tagging", &header.join("&"));
        assert_eq!(world.send_as(&ann, create).await.status, status, "{tags:?}");
        let change = put_tags("/bucket/there?tagging", tags);
        assert_eq!(world.send_as(&ann, change).await.status, status, "{tags:?}");
    }
}

#[tokio::test]
async fn policies_ask_for_tags_of_buckets_that_are_brought() {
    let world = World::with_bucket().await;
    let allow = r#"{"Effect":"Allow","Action":"s3:PutBucketTagging","Resource":"arn:aws:s3:::bucket","Condition":{"StringEquals":{"aws:RequestTag/team":"blue"},"ForAnyValue:StringEquals":{"aws:TagKeys":"x"}}}"#;
    let ann = world.user("ann", &policy(allow)).await;
    for (tags, status) in [
        (&[("team", "blue"), ("x", "")][..], 204),
        (&[("team", "blue")], 403),
        (&[("team", "red"), ("x", "")], 403),
    ] {
        let change = put_tags("/bucket?tagging", tags);
        assert_eq!(world.send_as(&ann, change).await.status, status, "{tags:?}");
    }
    assert_eq!(world.send(get("/bucket?tagging")).await.elements("Key"), ["team", "x"]);
}

/// As recorded on AWS in 2026: 405 for the marker, named or the latest.
#[tokio::test]
async fn a_delete_marker_has_no_tags() {
    let world = World::with_bucket().await;
    world.versioning("Enabled").await;
    let version =
        world.send(tagged("/bucket/k", "a=b")).await.header("x-amz-version-id").to_owned();
    let marker = world.send(ask("DELETE", "/bucket/k")).await.header("x-amz-version-id").to_owned();
    for target in ["/bucket/k?tagging", &format!("/bucket/k?tagging&versionId={marker}")] {
        for (method, request) in [
            ("GET", get(target)),
            ("PUT", put_tags(target, &[("c", "d")])),
            ("DELETE", ask("DELETE", target)),
        ] {
            let answer = world.send(request).await;
            assert_eq!(
                answer.refusal(),
                format!(
                    "405 <Code>MethodNotAllowed</Code><Message>The specified method is not allowed against this resource.</Message><Method>{method}</Method><ResourceType>DeleteMarker</ResourceType>"
                )
            );
            assert_eq!(answer.header("x-amz-delete-marker"), "true");
        }
    }
    let old = get(&format!("/bucket/k?tagging&versionId={version}"));
    assert_eq!(world.send(old).await.elements("Key"), ["a"]);
}
