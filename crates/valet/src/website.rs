//! `valet website`: makes buckets websites, through S3's own calls.

use quick_xml::escape::escape;
use reqwest::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::args::website as args;
use crate::aws::Api;
use crate::failure::Failure;
use crate::output::{self, Form};
use crate::remote::{Call, Remote};
use crate::{bucket_policy, refusal, remote as answers, transfer};

/// The name of the statement that lets everybody read.
const PUBLIC_SID: &str = "ValetWebsite";
/// A policy may make the bucket public. ACLs stay without effect, as on any new bucket.
const PUBLIC_POLICY_ALLOWED: &str = "<PublicAccessBlockConfiguration><BlockPublicAcls>true</BlockPublicAcls><IgnorePublicAcls>true</IgnorePublicAcls><BlockPublicPolicy>false</BlockPublicPolicy><RestrictPublicBuckets>false</RestrictPublicBuckets></PublicAccessBlockConfiguration>";

pub(crate) fn run(arguments: &args::Website) -> Result<(), Failure> {
    let form = arguments.remote.form();
    transfer::block_on(async {
        let remote = &Remote::connect(&arguments.remote.aws).await?;
        match &arguments.command {
            args::WebsiteCommand::Enable(enable) => make(remote, enable, form).await,
            args::WebsiteCommand::Show { bucket } => show(remote, bucket, form).await,
            args::WebsiteCommand::Disable { bucket } => disable(remote, bucket).await,
        }
    })
}

/// A call about one setting of a bucket.
fn call<'c>(method: &'c Method, path: &'c str, query: &'c str, body: &'c str) -> Call<'c> {
    let content_type = (!body.is_empty()).then_some("application/xml");
    Call { method, path, query, content_type, body, api: Api::S3 }
}

fn address(remote: &Remote, bucket: &str) -> Result<String, Failure> {
    Ok(format!("{}/_valet/website/{bucket}/", remote.endpoint(Api::S3)?))
}

async fn make(remote: &Remote, enable: &args::Enable, form: Form) -> Result<(), Failure> {
    let args::Enable { bucket, index, error, public } = enable;
    let path = format!("/{bucket}");
    let before = before(remote, &path).await?;
    let known: Configuration = read(&before)?;
    let index = index.clone().or(known.index_document.map(|index| index.suffix));
    let index = index.unwrap_or_else(|| "index.html".to_owned());
    let error = error.clone().or(known.error_document.map(|page| page.key));
    if error.as_deref().is_some_and(|key| key.starts_with('/')) {
        output::note("the error page is an object whose key begins with a slash; most keys do not");
    }
    let error_page = error
        .as_deref()
        .map(|key| format!("<ErrorDocument><Key>{}</Key></ErrorDocument>", escape(key)));
    let document = format!(
        "<WebsiteConfiguration><IndexDocument><Suffix>{}</Suffix></IndexDocument>{}{}</WebsiteConfiguration>",
        escape(&index),
        error_page.unwrap_or_default(),
        rules_in(&before),
    );
    remote.send(call(&Method::PUT, &path, "website=", &document)).await?;
    if before.contains("<RedirectAllRequestsTo>") {
        output::note(format!(
            "`{bucket}` redirected all requests until now, and does not any more"
        ));
    }
    if *public {
        let opened = open(remote, bucket).await;
        opened.map_err(|failure| {
            let done = format!("`{bucket}` is a website, but not public, since this failed");
            failure.after(done)
        })?;
        output::note(format!("everybody can read every object of `{bucket}` now, by S3 too"));
    } else {
        match publicity(remote, bucket).await? {
            Publicity::All => {}
            Publicity::Part => output::note(format!(
                "only what everybody may read is served, and the policy of `{bucket}` does not say that of all objects"
            )),
            Publicity::None => output::note(format!(
                "only what everybody may read is served, and nothing of `{bucket}` is that: \
                 `valet website enable {bucket} --public`, or a bucket policy"
            )),
        }
    }
    let address = address(remote, bucket)?;
    let whole = json!({
        "bucket": bucket, "address": address, "index": index, "error": error,
    });
    output::answer(form, &whole, [address.clone()])
}

/// The website as it is configured now; empty: the bucket is none.
async fn before(remote: &Remote, path: &str) -> Result<String, Failure> {
    let response = remote.ask(call(&Method::GET, path, "website=", ""), &[]).await?;
    match response.status() {
        StatusCode::OK => answers::read(response).await,
        StatusCode::NOT_FOUND => Ok(String::new()),
        _ => Err(refusal::read_own(response).await),
    }
}

/// The routing rules of a website's document, as they stand there: they are not for this command to drop.
fn rules_in(document: &str) -> &str {
    let (begin, end) = ("<RoutingRules>", "</RoutingRules>");
    let from = document.find(begin);
    let to = document.find(end).map(|at| at + end.len());
    from.zip(to).and_then(|(from, to)| document.get(from..to)).unwrap_or_default()
}

/// Lets everybody read the bucket.
async fn open(remote: &Remote, bucket: &str) -> Result<(), Failure> {
    let path = format!("/{bucket}");
    remote.send(call(&Method::PUT, &path, "publicAccessBlock=", PUBLIC_POLICY_ALLOWED)).await?;
    let statement = json!({
        "Sid": PUBLIC_SID,
        "Effect": "Allow",
        "Principal": "*",
        "Action": "s3:GetObject",
        "Resource": format!("arn:aws:s3:::{bucket}/*"),
    });
    bucket_policy::add(remote, bucket, statement).await
}

/// How much of a bucket everybody may read, by its policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Publicity {
    All,
    /// Something, or all but something.
    Part,
    None,
}

async fn publicity(remote: &Remote, bucket: &str) -> Result<Publicity, Failure> {
    let path = format!("/{bucket}");
    let response = remote.ask(call(&Method::GET, &path, "policyStatus=", ""), &[]).await?;
    if !response.status().is_success()
        || !answers::read(response).await?.contains("<IsPublic>true</IsPublic>")
    {
        return Ok(Publicity::None);
    }
    let policy = bucket_policy::get(remote, &path).await?;
    let opens = policy.is_some_and(|policy| opens_all(&policy, bucket));
    Ok(if opens { Publicity::All } else { Publicity::Part })
}

/// Whether a policy lets everybody read every object, and denies nothing. What is not certain counts as not.
fn opens_all(policy: &Value, bucket: &str) -> bool {
    let list = |value: Option<&Value>| match value {
        Some(Value::Array(all)) => all.clone(),
        Some(one) => vec![one.clone()],
        None => Vec::new(),
    };
    let has = |statement: &Value, name: &str, wanted: &[&str]| {
        let all = list(statement.get(name));
        all.iter().filter_map(Value::as_str).any(|it| wanted.contains(&it))
    };
    let objects = format!("arn:aws:s3:::{bucket}/*");
    let opens = |statement: &Value| {
        let principal = statement.get("Principal");
        let everybody = principal.and_then(|it| it.get("AWS")).or(principal);
        let is_open = list(everybody).iter().any(|it| it == "*");
        is_open
            && has(statement, "Action", &["s3:GetObject", "s3:Get*", "s3:*", "*"])
            && has(statement, "Resource", &[&objects, "arn:aws:s3:::*", "*"])
            && statement.get("Condition").is_none()
    };
    let statements = list(policy.get("Statement"));
    let denies = statements.iter().any(|it| it.get("Effect").is_none_or(|it| it != "Allow"));
    !denies && statements.iter().any(opens)
}

fn read(document: &str) -> Result<Configuration, Failure> {
    let document = if document.is_empty() { "<WebsiteConfiguration/>" } else { document };
    quick_xml::de::from_str(document)
        .map_err(|error| Failure::failed(anyhow::Error::new(error).context("the answer")))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Configuration {
    index_document: Option<Index>,
    error_document: Option<ErrorPage>,
    redirect_all_requests_to: Option<Host>,
    routing_rules: Option<Rules>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Index {
    suffix: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ErrorPage {
    key: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Host {
    host_name: String,
}

#[derive(Debug, Deserialize)]
struct Rules {
    #[serde(rename = "RoutingRule", default)]
    rules: Vec<serde::de::IgnoredAny>,
}

async fn show(remote: &Remote, bucket: &str, form: Form) -> Result<(), Failure> {
    let path = format!("/{bucket}");
    let told = remote.send(call(&Method::GET, &path, "website=", "")).await?;
    let told = read(&told)?;
    let (address, public) = (address(remote, bucket)?, publicity(remote, bucket).await?);
    let index = told.index_document.map(|index| index.suffix);
    let error = told.error_document.map(|page| page.key);
    let redirect = told.redirect_all_requests_to.map(|host| host.host_name);
    let rules = told.routing_rules.map_or(0, |rules| rules.rules.len());
    let mut lines = vec![format!("website   {bucket}"), format!("address   {address}")];
    lines.extend(index.iter().map(|index| format!("index     {index}")));
    lines.extend(error.iter().map(|error| format!("error     {error}")));
    lines.extend(redirect.iter().map(|host| format!("redirect  {host}")));
    if rules > 0 {
        lines.push(format!("rules     {rules}"));
    }
    let word = match public {
        Publicity::All => "yes",
        Publicity::Part => "in part",
        Publicity::None => "no",
    };
    lines.push(format!("public    {word}"));
    let whole = json!({
        "bucket": bucket, "address": address, "index": index, "error": error, "redirect": redirect,
        "rules": rules, "is_public": public == Publicity::All, "public": word,
    });
    output::answer(form, &whole, lines)
}

/// Takes back what [`make`] set. What Block Public Access allows stays as it is: other statements may need it.
async fn disable(remote: &Remote, bucket: &str) -> Result<(), Failure> {
    let path = format!("/{bucket}");
    let response = remote.ask(call(&Method::DELETE, &path, "website=", ""), &[]).await?;
    if response.status() != StatusCode::NO_CONTENT {
        return Err(refusal::read_own(response).await);
    }
    bucket_policy::remove(remote, bucket, PUBLIC_SID).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_opens_all_objects() {
        let statement = |more: &str| {
            format!(
                r#"{{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*"{more}}}"#
            )
        };
        let check = |statements: &str, expected: bool| {
            let policy = serde_json::from_str(&format!(r#"{{"Statement":{statements}}}"#)).unwrap();
            assert_eq!(opens_all(&policy, "b"), expected, "{statements}");
        };
        let plain = statement("");
        check(&plain, true);
        check(&format!("[{plain}]"), true);
        check(&plain.replace("\"*\",", "{\"AWS\":[\"*\"]},"), true);
        check(&plain.replace("\"s3:GetObject\"", "[\"s3:ListBucket\",\"s3:*\"]"), true);
        check(&plain.replace("b/*", "b/pub/*"), false);
        check(&plain.replace("GetObject", "ListBucket"), false);
        check(&plain.replace("\"*\",", "{\"AWS\":\"000000000001\"},"), false);
        check(&statement(r#","Condition":{"StringLike":{"aws:Referer":"x"}}"#), false);
        let deny = plain.replace("Allow", "Deny");
        check(&format!("[{plain},{deny}]"), false);
        check("[]", false);
    }
}
