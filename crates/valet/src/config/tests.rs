//! Rows for what a configuration may say.

use super::*;

fn settings(toml: &str) -> Settings {
    toml::from_str(toml).unwrap()
}

/// `expected` is what stands in the debug output of the parsed configuration, or in the complaint.
fn check(toml: &str, expected: Result<&str, &str>) {
    let parsed = ServeConfig::parse(settings(toml), None);
    match (parsed, expected) {
        (Ok(config), Ok(part)) => {
            let text = format!("{config:?}");
            assert!(text.contains(part), "{toml}: {text}");
        }
        (Err(error), Err(part)) => assert_eq!(format!("{error:#}"), part, "{toml}"),
        (parsed, _) => panic!("{toml}: {parsed:?}"),
    }
}

#[test]
fn defaults() {
    check("", Ok("data_dir: \"./valet-data\", master_key_file: None, encryption: On"));
    check("", Ok("listen: [127.0.0.1:9000], metrics_listen: None, region: \"us-east-1\""));
    check("", Ok("account_id: \"000000000000\", public_urls: [], console_url: None"));
    check("", Ok("active_content: Sandbox, link_caching: Capped, domains: [\"localhost\"]"));
    check("", Ok("tls: None, sigv2: Allow, sse_c: Tls, "));
    check(
        "",
        Ok("connections_per_address: 256, ledger_days: 90, cache: CacheConfig { memory: 134217728"),
    );
}

#[test]
fn each_setting_is_parsed() {
    let address = "an address is IP:PORT, like 127.0.0.1:9000 or [::]:9000";
    check("listen = ['[::]:0', '10.0.0.1:80']", Ok("listen: [[::]:0, 10.0.0.1:80]"));
    check("listen = ['localhost:1']", Err(&format!("listen: `localhost:1`: {address}")));
    check("metrics-listen = '127.0.0.1:1'", Ok("metrics_listen: Some(127.0.0.1:1)"));
    check("metrics-listen = '1'", Err(&format!("metrics-listen: `1`: {address}")));
    check("region = 'eu-west-1'", Ok("region: \"eu-west-1\""));
    let region = "a region's name has lower-case letters, digits and hyphens";
    check("region = ''", Err(&format!("region: ``: {region}")));
    check("region = 'a/b'", Err(&format!("region: `a/b`: {region}")));
    check("account-id = '123456789012'", Ok("account_id: \"123456789012\""));
    check("account-id = '12345678901'", Err("account-id: `12345678901`: an account has 12 digits"));
    check("domain = ['S3.Example.com']", Ok("domains: [\"s3.example.com\"]"));
    check("listen = ['127.0.0.9:0', '[::1]:0']", Ok("domains: [\"localhost\"]"));
    check("listen = ['127.0.0.1:0', '0.0.0.0:0']", Ok("domains: []"));
    check("listen = ['[::]:0']", Ok("domains: []"));
    let domain = "a domain is a host name alone, like s3.example.com";
    check("domain = ['s3..com']", Err(&format!("domain: `s3..com`: {domain}")));
    check("domain = ['s3.com:80']", Err(&format!("domain: `s3.com:80`: {domain}")));
    check("trusted-proxy = ['10.0.0.0/8', '::1']", Ok("[10.0.0.0/8, ::1/128]"));
    let network = "a network is like 10.0.0.0/8, fd00::/8 or one address";
    check("trusted-proxy = ['10/8']", Err(&format!("trusted-proxy: `10/8`: {network}")));
    check("", Ok("smtp: None"));
    check("smtp-url = 'smtps://u:pw@h:465?from=a@b.test'", Ok("smtp: Some(SmtpUrl(..))"));
    let from = "smtp-url: the address that mail comes from is missing: ?from=valet@example.com";
    check("smtp-url = 'smtps://u:pw@h:465'", Err(from));
    check("", Ok("abort_uploads_after: Some(336h)"));
    check("abort-uploads-after = '8d'", Ok("abort_uploads_after: Some(192h)"));
    check("abort-uploads-after = 'never'", Ok("abort_uploads_after: None"));
    let idle = "8d at least, so that no link outlives its upload; or `never`";
    check("abort-uploads-after = '7d'", Err(&format!("abort-uploads-after: `7d`: {idle}")));
    let duration = "expected seconds or a duration such as 15m, 1h30m or 7d";
    check("abort-uploads-after = 'off'", Err(&format!("abort-uploads-after: `off`: {duration}")));
    check("tls-cert = 'c'\ntls-key = 'k'", Ok("TlsFiles { certificate: \"c\", key: \"k\" }"));
    check("ledger-days = 0", Ok("ledger_days: 0"));
    check("cache-memory = '2MiB'", Ok("cache: CacheConfig { memory: 2097152"));
    let least = "cache-memory: `1KiB`: 1MiB at least";
    check("cache-memory = '1KiB'", Err(least));
    check("", Ok("disk: 0, folder: None"));
    check("cache-disk = '1GiB'\ncache-dir = '/c'", Ok("disk: 1073741824, folder: Some(\"/c\")"));
    check("cache-disk = '1MiB'", Err("cache-disk: `1MiB`: 16MiB at least, or 0 for none"));
    check("connections-per-address = 0", Ok("connections_per_address: 0"));
    check("log-format = 'text'", Ok("log_format: Text"));
    check("tls-cert = 'c'", Err("tls-cert: is given without tls-key"));
    check("tls-key = 'k'", Err("tls-key: is given without tls-cert"));
    check("console-url = 'https://c.example'", Ok("console_url: Some(\"https://c.example\")"));
    check("active-content = 'as-stored'", Ok("active_content: AsStored"));
    check("active-content = 'sandbox'", Ok("active_content: Sandbox"));
    check("link-caching = 'as-stored'", Ok("link_caching: AsStored"));
    check("link-caching = 'capped'", Ok("link_caching: Capped"));
    check("encryption = 'off'", Ok("encryption: Off"));
    check("sigv2 = 'deny'", Ok("sigv2: Deny"));
    check("sse-c = 'any'", Ok("sse_c: Any"));
    assert!(toml::from_str::<Settings>("sse-c = 'http'").is_err());
    check("master-key-file = 'm'", Ok("master_key_file: Some(\"m\")"));
}

#[test]
fn settings_of_later_versions_are_refused() {
    for name in ["metadata", "blobs", "typo"] {
        assert!(toml::from_str::<Settings>(&format!("{name} = 'x'")).is_err(), "{name}");
        let variable = format!("VALET_{}", name.to_uppercase().replace('-', "_"));
        let refused = refuse_unknown(std::iter::once(variable.clone())).unwrap_err();
        assert_eq!(refused.to_string(), format!("{variable} is not a setting of this version"));
    }
    let known = ["VALET_LISTEN", "VALET_CONFIG", "VALET_PORT_9000_TCP", "VALET_SERVICE_HOST", "X"];
    refuse_unknown(known.into_iter().map(str::to_owned)).unwrap();
}

#[test]
fn what_was_typed_wins_over_the_file() {
    let check = |typed: &str, file: &str, expected: &str| {
        let merged = format!("{:?}", settings(typed).over(settings(file)));
        assert!(merged.contains(expected), "{merged}");
    };
    check("region = 'a'", "region = 'b'", "region: Some(\"a\")");
    check("region = ''", "region = 'b'", "region: Some(\"b\")");
    check("listen = ['a']", "listen = ['b', 'c']", "listen: [\"a\"]");
    check("listen = ['']", "listen = ['b', 'c']", "listen: [\"b\", \"c\"]");
    check("data-dir = ''", "data-dir = 'd'", "data_dir: Some(\"d\")");
    check("", "sigv2 = 'deny'", "sigv2: Some(Deny)");
    check("console-url = 'a'", "console-url = 'b'", "console_url: Some(\"a\")");
    check("", "console-url = 'b'", "console_url: Some(\"b\")");
    check("active-content = 'sandbox'", "active-content = 'as-stored'", "Some(Sandbox)");
    check("", "link-caching = 'as-stored'", "link_caching: Some(AsStored)");
    check("sse-c = 'tls'", "sse-c = 'any'", "sse_c: Some(Tls)");
    check("encryption = 'on'", "encryption = 'off'", "encryption: Some(On)");
}

#[test]
fn root_keys() {
    let check = |id: Option<&str>, secret: Option<&str>, expected: Result<bool, &str>| {
        let found = root_key(id.map(str::to_owned), secret.map(str::to_owned));
        let found = found.map(|key| key.is_some()).map_err(|error| error.to_string());
        assert_eq!(found, expected.map_err(str::to_owned), "{id:?}");
    };
    check(None, None, Ok(false));
    check(Some("root"), Some("long enough"), Ok(true));
    check(Some("root"), None, Err("VALET_ROOT_ACCESS_KEY_ID is set without its secret"));
    check(None, Some("s"), Err("VALET_ROOT_SECRET_ACCESS_KEY is set without its id"));
    let id = "VALET_ROOT_ACCESS_KEY_ID: 3 to 128 letters, digits, `-`, `_` and `.`";
    check(Some("a/b"), Some("long enough"), Err(id));
    check(Some("ab"), Some("long enough"), Err(id));
    check(Some("root"), Some("1234567"), Err("VALET_ROOT_SECRET_ACCESS_KEY: 8 to 256 bytes"));
}

#[test]
fn a_setting_of_another_kind_says_which_is_wanted() {
    let check = |line: &str, expected: &str| {
        let complaint = toml::from_str::<Settings>(line).unwrap_err().to_string();
        let said = complaint.lines().last().unwrap_or_default();
        assert_eq!(said, expected, "{line}: {complaint}");
    };
    let address = "an address, like \"127.0.0.1:9000\"";
    let addresses = format!("{address}, or a list of them");
    check("listen = 9000", &format!("invalid type: integer `9000`, expected {addresses}"));
    check("listen = [9000]", &format!("invalid type: integer `9000`, expected {address}"));
    check("metrics-listen = 1", &format!("invalid type: integer `1`, expected {address}"));
    check(
        "domain = 1",
        "invalid type: integer `1`, expected a text, like \"s3.example.com\", or a list of them",
    );
    check(
        "account-id = 123456789012",
        "invalid type: integer `123456789012`, expected a text, like \"000000000000\"",
    );
}

#[test]
fn a_list_of_one_may_be_the_one() {
    check("listen = '[::]:0'", Ok("listen: [[::]:0]"));
    check("trusted-proxy = '10.0.0.0/8'", Ok("[10.0.0.0/8]"));
}

#[test]
fn a_wrong_file_does_not_show_the_password_of_the_mail_server() {
    let check = |toml: &str, line: &str| {
        let error = format!("{:#}", secret::parse_file(toml).unwrap_err());
        assert!(error.starts_with(line) && !error.contains("pa55"), "{error}");
    };
    check("region = 'a'\nsmtp-url = 'smtps://u:pa55@h\n", "line 2: ");
    check("smtp-url = ['smtps://u:pa55@h']", "line 1: ");
    check("smtp-url = 'smtps://u:pa55@h'\nnothing = 1", "line 2: ");
    let settings = settings("smtp-url = 'smtps://u:pa55@h'");
    assert!(!format!("{settings:?}").contains("pa55"));
}
