//! Short links to one object: a page with its name and a button, or straight on to its bytes.

use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderName};
use hyper::{Method, StatusCode};
use maud::{Markup, html};
use presign::LinkConditions;
use store::{Landing, ManagedLink, ObjectKey, VersionId};

use super::visit::{PassphraseProof, ShortRequest, form_field, lent_for, redirect};
use crate::body::RequestBody;
use crate::disposition::{self, Disposition};
use crate::error::{Code, S3Error};
use crate::gate::LentRequest;
use crate::page::{self, PagePowers, in_words};
use crate::respond::Reply;

/// By which a page is followed by another one.
const REFRESH: HeaderName = HeaderName::from_static("refresh");

/// The object of a short link.
#[derive(Clone, Copy, Debug)]
pub(super) struct ObjectLink<'l> {
    pub(super) key: &'l ObjectKey,
    pub(super) version: Option<&'l VersionId>,
    pub(super) filename: Option<&'l str>,
    pub(super) inline: bool,
}

/// What a page tells of the object.
struct ObjectFacts {
    size: u64,
    media_type: String,
}

impl ObjectLink<'_> {
    pub(super) async fn answer(
        &self,
        (request, link): (ShortRequest<'_>, &ManagedLink),
        body: &mut RequestBody,
    ) -> Result<Reply, S3Error> {
        let posts = *request.head.method() == Method::POST;
        let given = if posts {
            form_field(request, body, "passphrase").await?
        } else {
            request.passphrase_in_header()
        };
        let proof = request.knows_passphrase(link, given).await?;
        let navigates = page::navigates(&request.head.parts().headers);
        let lands = !posts
            && match link.landing {
                Landing::Auto => navigates,
                Landing::Always => true,
                Landing::Never => false,
            };
        let gate = &request.services.gate;
        let left = if lands { gate.uses_left(link, request.context).await? } else { None };
        match proof {
            PassphraseProof::Given if lands => self.landing_page((request, link), left).await,
            // A browser shows the page of the passphrase for as long as nothing follows it.
            PassphraseProof::Given
                if posts && navigates && link.passphrase.is_some() && !self.inline =>
            {
                let url = self.lent_url(request, link).await?;
                Ok(self.beginning_page(link, &url))
            }
            PassphraseProof::Given => {
                let status = if posts { StatusCode::SEE_OTHER } else { StatusCode::FOUND };
                Ok(redirect(status, &self.lent_url(request, link).await?))
            }
            PassphraseProof::Missing | PassphraseProof::Wrong if lands || navigates => {
                let is_wrong = proof == PassphraseProof::Wrong;
                Ok(passphrase_page(link, is_wrong, "Download"))
            }
            PassphraseProof::Missing => {
                let message = "Link needs a passphrase";
                Err(S3Error::with_message(Code::AccessDenied, message))
            }
            PassphraseProof::Wrong => {
                Err(S3Error::with_message(Code::AccessDenied, "Passphrase is wrong"))
            }
        }
    }

    /// The name that the object is saved under.
    fn name(&self) -> String {
        let name = self.filename.and_then(disposition::safe_name);
        name.or_else(|| disposition::safe_name(self.key.as_str()))
            .unwrap_or_else(|| "download".to_owned())
    }

    /// The presigned URL of the object, below the origin.
    async fn lent_url(
        &self,
        request: ShortRequest<'_>,
        link: &ManagedLink,
    ) -> Result<String, S3Error> {
        let kind = if self.inline { Disposition::Inline } else { Disposition::Attachment };
        let disposition = disposition::header(kind, Some(&self.name()));
        let version = self.version.map(ToString::to_string);
        let mut query = Vec::new();
        query.extend(version.as_deref().map(|version| ("versionId", version)));
        query.push(("response-content-disposition", disposition.as_str()));
        let mut conditions = LinkConditions::default();
        conditions.allow_head = true;
        let lent = LentRequest {
            method: "GET",
            key: self.key.as_str(),
            query: &query,
            headers: &[],
            expires_in: lent_for()?,
            conditions,
        };
        let endpoint = request.endpoint()?;
        let gate = &request.services.gate;
        let presigned = gate.lend(link, (&lent, &endpoint), request.context.now).await?;
        Ok(below_origin(&presigned.url).to_owned())
    }

    /// A page that is followed by the download at once, and stays.
    fn beginning_page(&self, link: &ManagedLink, url: &str) -> Reply {
        let name = self.name();
        let content = html! {
            h1 { (name) }
            p role="status" { "The download begins." }
            p { "If it does not, " a href=(url) { "download it here" } "." }
            footer { "The link works until " (in_words(link.expires_at)) "." }
        };
        let mut reply = Reply::new(StatusCode::OK);
        page::put(&mut reply, page::document(&name, &content), PagePowers::Reads);
        reply.set_text(REFRESH, &format!("0; url={url}"));
        reply
    }

    /// Asks for the object as whoever opens the link would, without a use.
    async fn facts(
        &self,
        request: ShortRequest<'_>,
        link: &ManagedLink,
    ) -> Result<ObjectFacts, S3Error> {
        let version = self.version.map(ToString::to_string);
        let query: Vec<_> =
            version.as_deref().map(|version| ("versionId", version)).into_iter().collect();
        let lent = LentRequest {
            method: "HEAD",
            key: self.key.as_str(),
            query: &query,
            headers: &[],
            expires_in: lent_for()?,
            conditions: LinkConditions::default(),
        };
        let reply = request.ask(link, &lent).await?;
        let text = |name: HeaderName| reply.headers.get(name).and_then(|value| value.to_str().ok());
        let size = text(CONTENT_LENGTH).and_then(|size| size.parse().ok());
        let media_type = text(CONTENT_TYPE).unwrap_or("application/octet-stream").to_owned();
        Ok(ObjectFacts { size: size.unwrap_or(0), media_type })
    }

    async fn landing_page(
        &self,
        (request, link): (ShortRequest<'_>, &ManagedLink),
        uses_left: Option<u64>,
    ) -> Result<Reply, S3Error> {
        let facts = self.facts(request, link).await?;
        let name = self.name();
        let content = html! {
            h1 { (name) }
            dl {
                dt { "Size" } dd { (size_in_words(facts.size)) }
                dt { "Type" } dd { (facts.media_type) }
                (common_facts(link))
            }
            form method="post" { button type="submit" { "Download" } }
            @if let Some((left, uses)) = uses_left.zip(link.conditions.uses) {
                footer {
                    "This link works " (more_times(left)) ", of " (uses)
                    " in all. To open this page counts for nothing."
                }
            }
        };
        let mut reply = Reply::new(StatusCode::OK);
        page::put(&mut reply, page::document(&name, &content), PagePowers::Submits);
        Ok(reply)
    }
}

const PROTECTED: &str = "A passphrase is needed";

/// The page that asks for the passphrase of a link.
pub(super) fn passphrase_page(link: &ManagedLink, is_wrong: bool, button: &str) -> Reply {
    let content = passphrase_form(link, is_wrong, button);
    let status = if is_wrong { StatusCode::FORBIDDEN } else { StatusCode::OK };
    let mut reply = Reply::new(status);
    page::put(&mut reply, page::document(PROTECTED, &content), PagePowers::Submits);
    reply
}

/// The form that asks for the passphrase of a link. It tells nothing of what the link leads to.
pub(super) fn passphrase_form(link: &ManagedLink, is_wrong: bool, button: &str) -> Markup {
    html! {
        h1 { (PROTECTED) }
        @if is_wrong {
            p.wrong role="alert" { "That was not the passphrase. Try again." }
        } @else {
            p { "Whoever sent you this link has a passphrase for you too." }
        }
        form method="post" {
            label for="passphrase" { "Passphrase" }
            input id="passphrase" name="passphrase" type="password" required autofocus autocomplete="off";
            button type="submit" { (button) }
        }
        footer { "The link works until " (in_words(link.expires_at)) "." }
    }
}

/// Who shares, and until when.
pub(super) fn common_facts(link: &ManagedLink) -> Markup {
    html! {
        @if link.names_creator { dt { "Shared by" } dd { (creator(link)) } }
        dt { "Until" } dd { (in_words(link.expires_at)) }
    }
}

/// Whoever made a link, by the last part of their ARN.
pub(super) fn creator(link: &ManagedLink) -> &str {
    let arn = link.creator.arn.as_str();
    arn.rsplit(['/', ':']).next().unwrap_or(arn)
}

fn more_times(uses: u64) -> String {
    if uses == 1 { "once more".to_owned() } else { format!("{uses} more times") }
}

/// A size for people: `1.5 GiB`.
pub(super) fn size_in_words(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return if bytes == 1 { "1 byte".to_owned() } else { format!("{bytes} bytes") };
    }
    // In tenths of the unit, so that no number is rounded twice.
    let (mut tenths, mut unit) = (u128::from(bytes) * 10 / 1024, 0_usize);
    while tenths >= 10_240 && unit + 1 < UNITS.len() {
        tenths /= 1024;
        unit += 1;
    }
    let name = UNITS.get(unit).copied().unwrap_or("EiB");
    if tenths >= 1000 {
        format!("{} {name}", tenths / 10)
    } else {
        format!("{}.{} {name}", tenths / 10, tenths % 10)
    }
}

/// A URL of this server without its scheme and host.
pub(super) fn below_origin(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_told_in_words() {
        let check = |bytes: u64, expected: &str| assert_eq!(size_in_words(bytes), expected);
        check(0, "0 bytes");
        check(1, "1 byte");
        check(1023, "1023 bytes");
        check(1024, "1.0 KiB");
        check(1536, "1.5 KiB");
        check(100 * 1024, "100 KiB");
        check(1024 * 1024 - 1, "1023 KiB");
        check(1024 * 1024, "1.0 MiB");
        check(5 * 1024 * 1024 * 1024, "5.0 GiB");
        check(u64::MAX, "15.9 EiB");
    }

    #[test]
    fn a_url_is_sent_on_to_without_its_origin() {
        assert_eq!(below_origin("https://h:1/a/b?c=://x"), "/a/b?c=://x");
        assert_eq!(below_origin("http://h"), "/");
    }
}
