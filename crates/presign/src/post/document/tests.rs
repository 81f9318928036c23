//! Policies read and judged: a row a rule.

use super::*;

const NOW: &str = "2026-06-15T12:00:00Z";
const BUCKET_AND_KEY: &str = r#"{"bucket": "b"}, ["starts-with", "$key", "up/"]"#;

fn parse(json: &str) -> Result<PostPolicy, PostPolicyError> {
    PostPolicy::parse(&STANDARD.encode(json))
}

fn fields(pairs: &[(&str, &str)]) -> FormFields {
    pairs.iter().copied().collect()
}

/// What becomes of a form to `b` with these conditions and fields, in words.
fn judge(conditions: &str, pairs: &[(&str, &str)]) -> String {
    let json = format!(r#"{{"expiration": "2026-06-15T13:00:00Z", "conditions": [{conditions}]}}"#);
    match parse(&json).unwrap().judge(&fields(pairs), "b", NOW.parse().unwrap()) {
        Ok(range) => format!("{range:?}"),
        Err(PostRefusal::Expired { .. }) => "expired".to_owned(),
        Err(PostRefusal::ConditionFailed { condition }) => condition,
        Err(PostRefusal::ExtraField { name }) => format!("extra {name}"),
    }
}

const ANY: &str = "0..=18446744073709551615";

#[test]
fn what_is_no_policy() {
    use PostPolicyError as E;
    let check = |json: &str, expected: E| assert_eq!(parse(json), Err(expected), "{json}");
    let with = |condition: &str| {
        format!(r#"{{"expiration": "2026-06-15T13:00:00Z", "conditions": [{condition}]}}"#)
    };
    let condition = |text: &str, expected: E| check(&with(text), expected);
    assert_eq!(PostPolicy::parse("e30"), Err(E::Base64));
    assert_eq!(PostPolicy::parse("e30=\n"), Err(E::Base64));
    assert_eq!(PostPolicy::parse("/w=="), Err(E::Json));
    for text in ["", "x", "[]", "\"\"", "{}}", r#"{"expiration": ["2026"], "conditions": [{}]}"#] {
        check(text, E::Json);
    }
    let name = |name: &str| E::Unexpected { name: name.to_owned() };
    check(r#"{"Version": "2012-10-17"}"#, name("Version"));
    check(r#"{"Expiration": "2026-06-15T13:00:00Z"}"#, name("Expiration"));
    check(r#"{"expiration": "", "CONDITIONS": []}"#, name("CONDITIONS"));
    check(r#"{"conditions": [], "conditions": []}"#, name("conditions"));
    check(r#"{"expiration": "", "expiration": ""}"#, name("expiration"));
    check("{}", E::MissingExpiration);
    check(r#"{"conditions": [{}]}"#, E::MissingExpiration);
    check(r#"{"expiration": "2026-06-15T13:00:00Z"}"#, E::MissingConditions);
    check(&with(""), E::MissingConditions);
    check(r#"{"expiration": "2026-06-15T13:00:00Z", "conditions": {}}"#, E::ConditionsNotAList);
    condition("\"eq\"", E::ConditionType);
    condition("1", E::ConditionType);
    condition("[]", E::MissingOperation);
    condition("[[]]", E::MissingOperation);
    condition("[1, 2]", E::MissingOperation);
    let unknown = E::UnknownOperation { operation: "unknown-op".to_owned() };
    condition(r#"["unknown-op", "$key", "x"]"#, unknown);
    for (operation, shown) in [("eq", "Eq"), ("starts-with", "starts-with")] {
        for rest in ["", r#", "$key""#, r#", "$key", "x", "y""#] {
            let expected = E::Arguments { operation: shown };
            condition(&format!("[\"{operation}\"{rest}]"), expected);
        }
        condition(&format!("[\"{operation}\", \"$key\", 1]"), E::Json);
    }
    for rest in ["", "0", "0, 1, 2"] {
        let rest = if rest.is_empty() { String::new() } else { format!(", {rest}") };
        let expected = E::Arguments { operation: "content-length-range" };
        condition(&format!("[\"content-length-range\"{rest}]"), expected);
    }
    condition(r#"["content-length-range", 0, 512.0]"#, E::Json);
    condition(r#"["content-length-range", 0, []]"#, E::Json);
    condition(r#"["content-length-range", -1, 0]"#, E::Minus);
    condition("{}", E::SimpleConditionMembers);
    condition(r#"{"acl": "a", "acl": "a"}"#, E::SimpleConditionMembers);
    condition(r#"{"bucket": "b", "key": "k"}"#, E::SimpleConditionMembers);
    condition(r#"{"acl": 1}"#, E::SimpleConditionValue);
    condition(r#"{"acl": {"a": "b"}}"#, E::SimpleConditionValue);
    condition(r#"{"acl": null}"#, E::Json);
}

#[test]
fn expirations() {
    let check = |value: &str, expected: Option<&str>| {
        let json = format!(r#"{{"expiration": "{value}", "conditions": [{{"a": "b"}}]}}"#);
        let found = parse(&json).map(|policy| policy.expires_at().to_string());
        let malformed = PostPolicyError::MalformedExpiration { value: value.to_owned() };
        assert_eq!(found, expected.map(str::to_owned).ok_or(malformed), "{value}");
    };
    check("2026-06-15T13:00:00Z", Some("2026-06-15T13:00:00Z"));
    check("2015-12-30T12:00:00.000Z", Some("2015-12-30T12:00:00Z"));
    check("2015-12-30T12:00:00.125Z", Some("2015-12-30T12:00:00.125Z"));
    for value in [
        "",
        "2015-10-17 03:15:59 UTC",
        "2011-09-13T07:52:58+02:00",
        "2015-12-30T12:00:00",
        "2015-12-30T12:00:00z",
        "2015-12-30T12:00:00.0Z",
        "2015-12-30T12:00:00.0000Z",
        "2015-12-30T12:00:00.Z",
        "2015-12-30T12:00Z",
        "20151230T120000Z",
        "2015-02-29T12:00:00Z",
        "2015-12-30T25:00:00Z",
        "not-a-date",
        "1781528400",
    ] {
        check(value, None);
    }
}

#[test]
fn a_policy_holds_to_its_last_moment() {
    let json = r#"{"expiration": "2026-06-15T12:00:00.500Z", "conditions": [{"bucket": "b"}]}"#;
    let policy = parse(json).unwrap();
    let check = |now: &str, holds: bool| {
        let judged = policy.judge(&FormFields::default(), "b", now.parse().unwrap());
        assert_eq!(judged.is_ok(), holds, "{now}: {judged:?}");
    };
    check("2026-06-15T12:00:00Z", true);
    check("2026-06-15T12:00:00.5Z", true);
    check("2026-06-15T12:00:00.501Z", false);
    check("2026-06-16T00:00:00Z", false);
}

#[test]
fn conditions_on_fields() {
    let check = |condition: &str, pairs: &[(&str, &str)], expected: &str| {
        let conditions = format!("{BUCKET_AND_KEY}, {condition}");
        let pairs = [&[("key", "up/x")], pairs].concat();
        assert_eq!(judge(&conditions, &pairs), expected, "{condition}");
    };
    check(r#"{"acl": "private"}"#, &[("acl", "private")], ANY);
    check(r#"{"AcL": "private"}"#, &[("aCl", "private")], ANY);
    check(r#"["eq", "$ACL", "private"]"#, &[("acl", "private")], ANY);
    check(r#"["EQ", "$acl", "private"]"#, &[("acl", "private")], ANY);
    check(r#"["StArTs-WiTh", "$acl", "pri"]"#, &[("acl", "private")], ANY);
    check(r#"["starts-with", "$acl", ""]"#, &[("acl", "")], ANY);
    // Refusals are written anew, in one form.
    check(r#"{"acl":"private"}"#, &[("acl", "Private")], r#"["eq", "$acl", "private"]"#);
    check(r#"{"AcL":"private"}"#, &[], r#"["eq", "$AcL", "private"]"#);
    check(r#"["EQ","acl","private"]"#, &[("acl", "private")], r#"["eq", "acl", "private"]"#);
    check(r#"["starts-with","$acl",""]"#, &[], r#"["starts-with", "$acl", ""]"#);
    check(r#"["starts-with","$acl","x"]"#, &[("acl", "y")], r#"["starts-with", "$acl", "x"]"#);
    let name = r#"["eq","$x","filename=\"t\\ü\".png"]"#;
    check(name, &[], r#"["eq", "$x", "filename=\"t\\ü\".png"]"#);
    // A repeated field is its values joined.
    check(r#"{"acl": "a"}"#, &[("acl", "a"), ("acl", "a")], r#"["eq", "$acl", "a"]"#);
    check(r#"{"acl": "a,b"}"#, &[("acl", "a"), ("ACL", "b")], ANY);
}

#[test]
fn a_list_of_types_fits_entry_by_entry() {
    let check = |value: &str, holds: bool| {
        let conditions = format!(r#"{BUCKET_AND_KEY}, ["starts-with", "$Content-Type", "image/"]"#);
        let got = judge(&conditions, &[("key", "up/"), ("content-type", value)]);
        let failed = r#"["starts-with", "$Content-Type", "image/"]"#;
        assert_eq!(got, if holds { ANY } else { failed }, "{value}");
    };
    check("image/jpg", true);
    check("image/jpg,image/png, image/gif", true);
    check("image/jpg,text/plain", false);
    check("image/jpg,", false);
    check("", false);
    // Commas mean nothing elsewhere.
    let conditions = format!(r#"{BUCKET_AND_KEY}, ["starts-with", "$x-amz-meta-a", "i"]"#);
    assert_eq!(judge(&conditions, &[("key", "up/"), ("x-amz-meta-a", "i,j")]), ANY);
}

#[test]
fn every_field_is_covered() {
    let check = |pairs: &[(&str, &str)], expected: &str| {
        assert_eq!(judge(BUCKET_AND_KEY, pairs), expected, "{pairs:?}");
    };
    check(&[("key", "up/")], ANY);
    check(&[("KEY", "up/"), ("Policy", "p"), ("X-Amz-Signature", "s"), ("file", "f")], ANY);
    check(&[("key", "up/"), ("AWSAccessKeyId", "k"), ("Signature", "s")], ANY);
    check(&[("key", "up/"), ("X-Ignore-Me", "x")], ANY);
    check(&[("key", "up/"), ("Submit", "x")], "extra submit");
    for name in ["x-amz-algorithm", "x-amz-credential", "x-amz-date", "x-amz-security-token"] {
        check(&[("key", "up/"), (name, "x")], &format!("extra {name}"));
    }
    // The bucket must be named, and in small letters.
    let key = r#"["starts-with", "$key", ""]"#;
    assert_eq!(judge(key, &[("key", "k")]), "extra bucket");
    let capital = format!(r#"{key}, {{"Bucket": "b"}}"#);
    assert_eq!(judge(&capital, &[("key", "k")]), r#"["eq", "$Bucket", "b"]"#);
    assert_eq!(judge(&capital, &[("key", "k"), ("bucket", "b")]), "extra bucket");
}

#[test]
fn the_bucket_is_the_one_posted_to() {
    let check = |condition: &str, pairs: &[(&str, &str)], expected: &str| {
        assert_eq!(judge(condition, pairs), expected, "{condition} {pairs:?}");
    };
    check(r#"{"bucket": "b"}"#, &[], ANY);
    check(r#"["starts-with", "$bucket", ""]"#, &[], ANY);
    check(r#"{"bucket": "b"}"#, &[("bucket", "b")], ANY);
    let failed = r#"["eq", "$bucket", "other"]"#;
    check(r#"{"bucket": "other"}"#, &[], failed);
    check(r#"{"bucket": "other"}"#, &[("bucket", "other")], failed);
    check(r#"{"bucket": "b"}"#, &[("bucket", "other")], r#"["eq", "$bucket", "b"]"#);
}

#[test]
fn sizes() {
    let check = |ranges: &[&str], expected: &str| {
        let ranges: Vec<_> =
            ranges.iter().map(|range| format!(r#"["content-length-range", {range}]"#)).collect();
        let conditions = format!(r#"{{"bucket": "b"}}, {}"#, ranges.join(", "));
        assert_eq!(judge(&conditions, &[]), expected);
    };
    check(&["5, 10"], "5..=10");
    check(&[r#""5", "10""#], "5..=10");
    check(&["5, 10", "0, 7"], "5..=7");
    check(&["10, 5"], "10..=5");
    check(&["0, 99999999999999999999999"], ANY);
    check(&[r#""test", "10""#], r#"["content-length-range", "test", "10"]"#);
    check(&[r#""", 10"#], r#"["content-length-range", "", 10]"#);
    check(&[r#"0, "+10""#], r#"["content-length-range", 0, "+10"]"#);
}
