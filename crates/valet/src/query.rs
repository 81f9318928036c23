//! The AWS Query protocol, which IAM and STS speak: a form is sent, XML is answered.

use anyhow::{Context as _, anyhow};
use reqwest::{Method, Url};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::aws::Api;
use crate::failure::Failure;
use crate::remote::{Call, Remote};

const IAM_VERSION: &str = "2010-05-08";
const STS_VERSION: &str = "2011-06-15";
const FORM: &str = "application/x-www-form-urlencoded; charset=utf-8";
/// The most pages of a list. A list with more is taken for one without an end.
const PAGES_MAX: usize = 10_000;
/// The most entries that IAM puts on a page.
const PAGE_ITEMS: &str = "1000";

/// The parameters of a call, not encoded.
pub(crate) type Parameters<'p> = &'p [(&'p str, &'p str)];

/// A list in an answer.
#[derive(Debug, Deserialize)]
pub(crate) struct Members<T> {
    #[serde(default = "Vec::new")]
    pub(crate) member: Vec<T>,
}

impl<T> Default for Members<T> {
    fn default() -> Self {
        Self { member: Vec::new() }
    }
}

/// One page of a list, whatever the list is called.
pub(crate) trait Page: DeserializeOwned {
    type Item;
    /// The entries, and the marker of the next page if there is one.
    fn into_parts(self) -> (Vec<Self::Item>, Option<String>);
}

/// Calls an operation and reads its result.
pub(crate) async fn call<T: DeserializeOwned>(
    remote: &Remote,
    api: Api,
    action: &str,
    parameters: Parameters<'_>,
) -> Result<T, Failure> {
    let answer = send(remote, api, action, parameters).await?;
    let what = || format!("the answer to {action} cannot be read");
    let result = result_of(&answer, action).with_context(what)?;
    quick_xml::de::from_str(result).with_context(what).map_err(Failure::from)
}

/// Calls an operation whose result is empty or not needed.
pub(crate) async fn run(
    remote: &Remote,
    action: &str,
    parameters: Parameters<'_>,
) -> Result<(), Failure> {
    send(remote, Api::Iam, action, parameters).await.map(drop)
}

/// Calls an operation for each page of a list; returns the whole list.
pub(crate) async fn list<P: Page>(
    remote: &Remote,
    action: &str,
    parameters: Parameters<'_>,
) -> Result<Vec<P::Item>, Failure> {
    let mut items = Vec::new();
    let mut marker: Option<String> = None;
    for _ in 0..PAGES_MAX {
        let mut with_marker = parameters.to_vec();
        with_marker.push(("MaxItems", PAGE_ITEMS));
        if let Some(marker) = &marker {
            with_marker.push(("Marker", marker));
        }
        let page: P = call(remote, Api::Iam, action, &with_marker).await?;
        let (found, next) = page.into_parts();
        items.extend(found);
        if next.is_none() {
            return Ok(items);
        }
        marker = next;
    }
    Err(Failure::failed(anyhow!("the list that {action} gives does not end")))
}

async fn send(
    remote: &Remote,
    api: Api,
    action: &str,
    parameters: Parameters<'_>,
) -> Result<String, Failure> {
    let version = match api {
        Api::Sts => STS_VERSION,
        Api::Iam | Api::S3 | Api::CloudFront => IAM_VERSION,
    };
    let body = form(action, version, parameters)?;
    let content_type = Some(FORM);
    let call = Call { method: &Method::POST, path: "/", query: "", content_type, body: &body, api };
    remote.send(call).await
}

fn form(action: &str, version: &str, parameters: Parameters<'_>) -> anyhow::Result<String> {
    // The URL library is the only encoder of forms at hand.
    let mut url = Url::parse("form:/").context("cannot encode a form")?;
    let fixed = [("Action", action), ("Version", version)];
    url.query_pairs_mut().extend_pairs(fixed.iter().chain(parameters));
    Ok(url.query().unwrap_or_default().to_owned())
}

/// The `<ActionResult>…</ActionResult>` of an answer. A plain search is enough, since XML text contains no `<`.
fn result_of<'a>(answer: &'a str, action: &str) -> anyhow::Result<&'a str> {
    let none = || anyhow!("it holds no {action}Result");
    let (open, close) = (format!("<{action}Result"), format!("</{action}Result>"));
    let start = answer.find(&open).ok_or_else(none)?;
    let rest = answer.get(start..).ok_or_else(none)?;
    match rest.find(&close) {
        Some(end) => rest.get(..end + close.len()).ok_or_else(none),
        // An empty result may be a single tag.
        None => rest.find("/>").and_then(|end| rest.get(..end + 2)).ok_or_else(none),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Default, Deserialize, PartialEq)]
    #[serde(rename_all = "PascalCase", default)]
    struct Groups {
        groups: Members<String>,
        is_truncated: bool,
    }

    impl PartialEq for Members<String> {
        fn eq(&self, other: &Self) -> bool {
            self.member == other.member
        }
    }

    #[test]
    fn forms() {
        let check = |parameters: Parameters<'_>, expected: &str| {
            assert_eq!(form("CreateUser", IAM_VERSION, parameters).unwrap(), expected);
        };
        check(&[], "Action=CreateUser&Version=2010-05-08");
        check(
            &[("Path", "/a b/"), ("UserName", "é&=+")],
            "Action=CreateUser&Version=2010-05-08&Path=%2Fa+b%2F&UserName=%C3%A9%26%3D%2B",
        );
    }

    #[test]
    fn results() {
        let check = |answer: &str, expected: Option<(&[&str], bool)>| {
            let found = result_of(answer, "ListGroups")
                .and_then(|result| Ok(quick_xml::de::from_str::<Groups>(result)?));
            let expected = expected.map(|(groups, is_truncated)| Groups {
                groups: Members { member: groups.iter().map(ToString::to_string).collect() },
                is_truncated,
            });
            assert_eq!(found.ok(), expected, "{answer}");
        };
        check(
            "<ListGroupsResponse xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\">\n  \
             <ListGroupsResult>\n    <Groups>\n      <member>a&amp;b</member>\n      \
             <member>c</member>\n    </Groups>\n    <IsTruncated>true</IsTruncated>\n  \
             </ListGroupsResult>\n  <ResponseMetadata><RequestId>1</RequestId>\
             </ResponseMetadata>\n</ListGroupsResponse>\n",
            Some((&["a&b", "c"], true)),
        );
        check(
            "<R><ListGroupsResult><Groups/><IsTruncated>false</IsTruncated></ListGroupsResult></R>",
            Some((&[], false)),
        );
        check("<R><ListGroupsResult/></R>", Some((&[], false)));
        check("<R><ResponseMetadata/></R>", None);
        check("<R><ListGroupsResult><Groups>", None);
    }
}
