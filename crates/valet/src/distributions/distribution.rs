//! `valet distribution`.

use anyhow::{Context as _, anyhow};
use quick_xml::Reader;
use quick_xml::events::Event;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::api::{self, Asked, Members, checked, document, element, elements};
use super::key;
use crate::args::distributions::CreateDistribution;
use crate::aws::Api;
use crate::failure::Failure;
use crate::output::{self, Form};
use crate::remote::Remote;
use crate::{bucket_policy, table};

/// The managed cache policy `CachingOptimized`: a day, unless the object says otherwise, and compressed.
const CACHING_OPTIMIZED: &str = "658327ea-f89d-4fab-a63d-7e88639e58f6";
/// The managed policy `SimpleCORS`: pages of any site may read the answers.
const SIMPLE_CORS: &str = "60669652-455b-4ae9-85a4-c4c02393f86c";
const BUCKET_SUFFIX: &str = ".s3.amazonaws.com";

/// An entry of the list.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Summary {
    id: String,
    #[serde(rename = "ARN")]
    arn: String,
    domain_name: String,
    last_modified_time: String,
    #[serde(default = "Members::default")]
    aliases: Members<String>,
    #[serde(default = "Members::default")]
    origins: Members<Origin>,
    default_cache_behavior: Behavior,
    #[serde(default)]
    comment: String,
    enabled: String,
}

/// A distribution by itself.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Whole {
    id: String,
    #[serde(rename = "ARN")]
    arn: String,
    domain_name: String,
    last_modified_time: String,
    distribution_config: Config,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Config {
    #[serde(default)]
    aliases: Members<String>,
    #[serde(default = "Members::default")]
    origins: Members<Origin>,
    default_cache_behavior: Behavior,
    #[serde(default)]
    default_root_object: String,
    #[serde(default)]
    comment: String,
    enabled: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Origin {
    domain_name: String,
    #[serde(rename = "OriginPath", default)]
    path: String,
    #[serde(rename = "OriginAccessControlId", default)]
    access_control: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Behavior {
    #[serde(default)]
    trusted_key_groups: Members<String>,
}

/// A distribution, as it is printed.
#[derive(Debug, Serialize)]
struct Distribution {
    id: String,
    address: String,
    domain_name: String,
    arn: String,
    changed_at: String,
    is_enabled: bool,
    aliases: Vec<String>,
    origins: Vec<String>,
    key_groups: Vec<String>,
    default_root_object: String,
    comment: String,
}

/// The address of a distribution: its own host, or a path of the server's.
fn address(remote: &Remote, id: &str, domain_name: &str) -> Result<String, Failure> {
    let endpoint = remote.endpoint(Api::CloudFront)?;
    let own = domain_name.to_ascii_lowercase();
    if !own.starts_with(&format!("{}.", id.to_ascii_lowercase())) {
        return Ok(format!("{endpoint}/_valet/cdn/{id}/"));
    }
    let endpoint_text = endpoint.to_string();
    let scheme = endpoint_text.split_once("://").map_or("https", |(scheme, _)| scheme);
    let port = endpoint.signed_host().rsplit_once(':').map(|(_, port)| port);
    let port = port.filter(|port| port.bytes().all(|byte| byte.is_ascii_digit()));
    let port = port.map(|port| format!(":{port}")).unwrap_or_default();
    Ok(format!("{scheme}://{own}{port}/"))
}

impl Distribution {
    fn of(remote: &Remote, whole: Whole) -> Result<Self, Failure> {
        let Whole { id, arn, domain_name, last_modified_time, distribution_config: config } = whole;
        let origin = |origin: Origin| format!("{}{}", origin.domain_name, origin.path);
        Ok(Self {
            address: address(remote, &id, &domain_name)?,
            id,
            domain_name,
            arn,
            changed_at: last_modified_time,
            is_enabled: config.enabled == "true",
            aliases: config.aliases.into_vec(),
            origins: config.origins.into_vec().into_iter().map(origin).collect(),
            key_groups: config.default_cache_behavior.trusted_key_groups.into_vec(),
            default_root_object: config.default_root_object,
            comment: config.comment,
        })
    }

    fn lines(&self) -> Vec<String> {
        let state = if self.is_enabled { "enabled" } else { "disabled" };
        let mut lines = vec![
            format!("distribution  {}", self.id),
            format!("address       {}", self.address),
            format!("state         {state}"),
            format!("arn           {}", self.arn),
            format!("changed       {}", self.changed_at),
        ];
        lines.extend(self.aliases.iter().map(|alias| format!("alias         {alias}")));
        lines.extend(self.origins.iter().map(|origin| format!("origin        {origin}")));
        if !self.default_root_object.is_empty() {
            lines.push(format!("root          {}", self.default_root_object));
        }
        if self.key_groups.is_empty() {
            lines.push("open to       everybody".to_owned());
        }
        lines.extend(self.key_groups.iter().map(|group| format!("key group     {group}")));
        lines
    }
}

async fn get(remote: &Remote, id: &str) -> Result<(Whole, String), Failure> {
    let path = format!("distribution/{}", checked(id, "a distribution")?);
    let found = Asked::get(&path).send(remote).await?;
    Ok((found.read()?, found.etag))
}

impl From<Summary> for Whole {
    fn from(summary: Summary) -> Self {
        let Summary { id, arn, domain_name, last_modified_time, .. } = summary;
        let Summary { aliases, origins, default_cache_behavior, comment, enabled, .. } = summary;
        let default_root_object = String::new();
        let distribution_config = Config {
            aliases,
            origins,
            default_cache_behavior,
            default_root_object,
            comment,
            enabled,
        };
        Self { id, arn, domain_name, last_modified_time, distribution_config }
    }
}

/// The folder that a prefix names: empty, or ends with `/`.
fn folder(prefix: &str) -> Result<String, Failure> {
    let prefix = prefix.trim_matches('/');
    if prefix.contains(['*', '?', '$']) {
        return Err(Failure::usage(anyhow!(
            "the prefix `{prefix}` cannot be named in a bucket policy: it has a *, ? or $"
        )));
    }
    Ok(if prefix.is_empty() { String::new() } else { format!("{prefix}/") })
}

/// The document of a new distribution.
fn config(
    arguments: &CreateDistribution,
    folder: &str,
    control: &str,
    groups: &[String],
) -> String {
    let bucket = &arguments.bucket;
    let path = folder.strip_suffix('/').map(|folder| format!("/{folder}")).unwrap_or_default();
    let origin = [
        element("Id", "bucket"),
        element("DomainName", &format!("{bucket}{BUCKET_SUFFIX}")),
        element("OriginPath", &path),
        "<S3OriginConfig><OriginAccessIdentity/></S3OriginConfig>".to_owned(),
        element("OriginAccessControlId", control),
    ];
    let trusted = elements("TrustedKeyGroups", "KeyGroup", groups);
    let enabled = element("Enabled", if groups.is_empty() { "false" } else { "true" });
    let trusted = trusted.replacen("<Quantity>", &format!("{enabled}<Quantity>"), 1);
    let behavior = [
        element("TargetOriginId", "bucket"),
        trusted,
        element("ViewerProtocolPolicy", "allow-all"),
        element("Compress", "true"),
        element("CachePolicyId", CACHING_OPTIMIZED),
        if arguments.cors {
            element("ResponseHeadersPolicyId", SIMPLE_CORS)
        } else {
            String::new()
        },
    ];
    let content = [
        element("CallerReference", &api::reference()),
        elements("Aliases", "CNAME", &arguments.alias),
        element("DefaultRootObject", &arguments.default_root_object),
        format!(
            "<Origins><Quantity>1</Quantity><Items><Origin>{}</Origin></Items></Origins>",
            origin.concat()
        ),
        format!("<DefaultCacheBehavior>{}</DefaultCacheBehavior>", behavior.concat()),
        element("Comment", &format!("s3://{bucket}/{folder}")),
        element("Enabled", "true"),
    ];
    document("DistributionConfig", &content.concat())
}

#[derive(Deserialize)]
struct Made {
    #[serde(rename = "Id")]
    id: String,
}

/// The name of the statement that lets a distribution read its bucket.
fn sid(distribution: &str) -> String {
    format!("ValetDistribution{distribution}")
}

/// Makes the distribution, and what lets it read its bucket.
pub(super) async fn create(
    remote: &Remote,
    arguments: &CreateDistribution,
    form: Form,
) -> Result<(), Failure> {
    let folder = folder(&arguments.prefix)?;
    let groups = match arguments.key_group.as_slice() {
        [] => Vec::new(),
        named => key::group_ids(named, &key::key_groups(remote).await?)?,
    };
    bucket_policy::check(remote, &arguments.bucket).await?;
    let control = [
        element("Name", &api::reference()),
        element("Description", &format!("s3://{}/{folder}", arguments.bucket)),
        element("SigningProtocol", "sigv4"),
        element("SigningBehavior", "always"),
        element("OriginAccessControlOriginType", "s3"),
    ];
    let control = document("OriginAccessControlConfig", &control.concat());
    let control: Made = Asked::post(CONTROL, &control).send(remote).await?.read()?;
    let config = config(arguments, &folder, &control.id, &groups);
    let made = match Asked::post("distribution", &config).send(remote).await {
        Ok(made) => made,
        Err(failure) => {
            // Nobody would look for what was made for a distribution that is not there.
            let removed = remove_control(remote, &control.id).await;
            return Err(match removed {
                Ok(()) => failure,
                Err(_) => failure.after(format!(
                    "the origin access control {} was made, and then this failed",
                    control.id
                )),
            });
        }
    };
    let made: Whole = made.read()?;
    let statement = json!({
        "Sid": sid(&made.id),
        "Effect": "Allow",
        "Principal": { "Service": "cloudfront.amazonaws.com" },
        "Action": "s3:GetObject",
        "Resource": format!("arn:aws:s3:::{}/{folder}*", arguments.bucket),
        "Condition": { "StringEquals": { "AWS:SourceArn": made.arn } },
    });
    let opened = bucket_policy::add(remote, &arguments.bucket, statement).await;
    opened.map_err(|failure| {
        failure.after(format!(
            "the distribution {id} was made, but the bucket policy does not let it read yet. Whoever may change \
             the policy lets it; `valet distribution rm {id}` takes it back. This failed",
            id = made.id
        ))
    })?;
    let made = Distribution::of(remote, made)?;
    if made.key_groups.is_empty() {
        output::note("without --key-group, everybody may read what the distribution serves");
    } else {
        output::note(format!(
            "sign its links: valet cloudfront sign-url --url {}KEY --key-pair-id KEYID \
             --private-key FILE.pem --date-less-than TIME",
            made.address
        ));
    }
    output::answer(form, &made, [format!("{}  {}", made.id, made.address)])
}

const CONTROL: &str = "origin-access-control";

async fn remove_control(remote: &Remote, id: &str) -> Result<(), Failure> {
    let path = format!("{CONTROL}/{}", checked(id, "an origin access control")?);
    let now = Asked::get(&path).send(remote).await?;
    Asked::delete(&path, &now.etag).send(remote).await.map(drop)
}

pub(super) async fn list(remote: &Remote, form: Form) -> Result<(), Failure> {
    let found: Vec<Summary> = api::list(remote, "distribution").await?;
    let all = found.into_iter().map(|summary| Distribution::of(remote, summary.into()));
    let all = all.collect::<Result<Vec<_>, _>>()?;
    let row = |one: &Distribution| {
        let state = if one.is_enabled { "enabled" } else { "disabled" };
        let aliases = one.aliases.join(" ");
        [one.id.clone(), state.to_owned(), one.address.clone(), one.origins.join(" "), aliases]
    };
    let rows: Vec<_> = all.iter().map(row).collect();
    let lines = table::lines(["ID", "STATE", "ADDRESS", "ORIGIN", "ALIASES"], &rows);
    output::answer(form, &json!({ "distributions": all }), lines)
}

pub(super) async fn show(remote: &Remote, id: &str, form: Form) -> Result<(), Failure> {
    let (whole, _) = get(remote, id).await?;
    let shown = Distribution::of(remote, whole)?;
    output::answer(form, &shown, shown.lines())
}

/// The document with another text in the `Enabled` of the distribution itself: others have one too.
fn disabled(config: &str) -> anyhow::Result<String> {
    let mut reader = Reader::from_str(config);
    let (mut depth, mut start) = (0_usize, None);
    loop {
        let before = usize::try_from(reader.buffer_position())?;
        match reader.read_event()? {
            Event::Start(tag) => {
                depth += 1;
                if depth == 2 && tag.local_name().as_ref() == "Enabled" {
                    start = Some(usize::try_from(reader.buffer_position())?);
                }
            }
            Event::End(_) => {
                if let (2, Some(start)) = (depth, start) {
                    let (head, rest) = (config.get(..start), config.get(before..));
                    let (head, rest) = head.zip(rest).context("the document is cut")?;
                    return Ok(format!("{head}false{rest}"));
                }
                depth = depth.saturating_sub(1);
            }
            Event::Eof => return Err(anyhow!("the document does not say whether it is enabled")),
            Event::Empty(_)
            | Event::Text(_)
            | Event::CData(_)
            | Event::Comment(_)
            | Event::Decl(_)
            | Event::PI(_)
            | Event::DocType(_)
            | Event::GeneralRef(_) => {}
        }
    }
}

/// Deletes a distribution, and what [`create`] made for it.
pub(super) async fn remove(remote: &Remote, id: &str) -> Result<(), Failure> {
    let (whole, mut etag) = get(remote, id).await?;
    let path = format!("distribution/{id}");
    let config_path = format!("{path}/config");
    if whole.distribution_config.enabled == "true" {
        let config = Asked::get(&config_path).send(remote).await?;
        let off = disabled(&config.text)?;
        etag = Asked::put(&config_path, &config.etag, &off).send(remote).await?.etag;
    }
    Asked::delete(&path, &etag).send(remote).await?;
    let clean = async {
        for origin in whole.distribution_config.origins.into_vec() {
            let bucket = origin.domain_name.split_once(".s3").map(|(bucket, _)| bucket);
            if let Some(bucket) = bucket {
                bucket_policy::remove(remote, bucket, &sid(id)).await?;
            }
            if !origin.access_control.is_empty() {
                remove_own_control(remote, &origin.access_control).await?;
            }
        }
        Ok::<(), Failure>(())
    };
    clean.await.map_err(|failure| {
        failure.after(format!(
            "the distribution {id} was deleted, but the statement `{}` of the bucket's policy or its origin access \
             control is still there, since this failed",
            sid(id)
        ))
    })
}

/// Deletes an origin access control that [`create`] made: it has a name that nobody else would give.
async fn remove_own_control(remote: &Remote, id: &str) -> Result<(), Failure> {
    #[derive(Deserialize)]
    struct Control {
        #[serde(rename = "OriginAccessControlConfig")]
        config: Named,
    }
    #[derive(Deserialize)]
    struct Named {
        #[serde(rename = "Name")]
        name: String,
    }
    let path = format!("{CONTROL}/{}", checked(id, "an origin access control")?);
    let found = Asked::get(&path).send(remote).await?;
    let control: Control = found.read()?;
    if control.config.name.starts_with(api::REFERENCE_BEGINS) {
        Asked::delete(&path, &found.etag).send(remote).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_distribution_itself_is_disabled() {
        let check = |before: &str, after: Option<&str>| {
            assert_eq!(disabled(before).ok().as_deref(), after, "{before}");
        };
        check(
            "<C><B><Enabled>true</Enabled></B><Enabled>true</Enabled><D><Enabled>true</Enabled></D></C>",
            Some(
                "<C><B><Enabled>true</Enabled></B><Enabled>false</Enabled><D><Enabled>true</Enabled></D></C>",
            ),
        );
        check(
            "<?xml version=\"1.0\"?>\n<C>\n <Enabled>true</Enabled></C>",
            Some("<?xml version=\"1.0\"?>\n<C>\n <Enabled>false</Enabled></C>"),
        );
        check("<C><B><Enabled>true</Enabled></B></C>", None);
        check("<C><Enabled>true", None);
    }

    #[test]
    fn folders() {
        for (prefix, expected) in [
            ("", Some("")),
            ("/", Some("")),
            ("a", Some("a/")),
            ("a/b/", Some("a/b/")),
            ("/a/", Some("a/")),
            ("a*", None),
            ("${aws:username}", None),
        ] {
            assert_eq!(folder(prefix).ok().as_deref(), expected, "{prefix}");
        }
    }
}
