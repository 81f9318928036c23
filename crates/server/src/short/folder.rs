//! Short links to a folder: a page that lists what is below a prefix, each of its files, and all of them as a zip.

pub(super) mod listing;
mod page;
mod path;

use hyper::header::{ACCEPT, SET_COOKIE};
use hyper::{Method, StatusCode};
use presign::{
    LinkConditions, LinkLabel, QueryPairs, decode_component, decode_query_component, encode_path,
};
use store::{ManagedLink, ObjectKey};

use super::object::{below_origin, passphrase_page};
use super::visit::{PassphraseProof, ShortRequest, lent_for, redirect};
use super::zip::{self, ZipJob};
use crate::body::RequestBody;
use crate::disposition::{self, Disposition};
use crate::error::{Code, S3Error};
use crate::gate::LentRequest;
use crate::notes::RequestNotes;
use crate::page as pages;
use crate::respond::Reply;
use listing::Place;
use page::FolderView;
use path::kept_as_key;

/// The operation in the log and the ledger of a folder that is sent as a zip.
const SEND_ZIP: &str = "SendZip";

/// A link to a folder, as somebody opens it.
#[derive(Clone, Copy, Debug)]
pub(super) struct FolderLink<'r> {
    pub(super) request: ShortRequest<'r>,
    pub(super) link: &'r ManagedLink,
    /// How the keys of all its files begin.
    pub(super) prefix: &'r str,
}

/// What is wanted of a folder.
#[derive(Debug, PartialEq, Eq)]
enum Wanted {
    /// The list of what is in it.
    List,
    /// The file of this key, below the prefix.
    File(String),
    Zip,
}

/// The query of a short link to a folder.
#[derive(Debug, Default)]
struct FolderQuery {
    /// A folder below that of the link: empty, or it ends with a slash.
    path: String,
    /// Where an earlier page ended.
    after: Option<String>,
    is_zip: bool,
}

impl FolderQuery {
    fn read(query: &str) -> Result<Self, S3Error> {
        let text = |value: &str| {
            let value = String::from_utf8(decode_query_component(value).into_owned());
            value.map_err(|cause| S3Error::new(Code::InvalidUri).because(cause))
        };
        let mut read = Self::default();
        for (name, value) in QueryPairs::new(query) {
            match name {
                "path" => read.path = text(value)?,
                "after" => read.after = Some(text(value)?).filter(|after| !after.is_empty()),
                "zip" => read.is_zip = true,
                // Mailers and networks add parameters of their own.
                _ => {}
            }
        }
        if read.path.is_empty() || read.path.ends_with('/') {
            return Ok(read);
        }
        Err(S3Error::invalid_argument("A folder ends with a slash.", "path", &read.path))
    }
}

impl FolderLink<'_> {
    /// Answers a request for the folder. `rest` is what follows the link's path and a slash, still encoded.
    pub(super) async fn answer(
        &self,
        rest: Option<&str>,
        body: &mut RequestBody,
        notes: &mut RequestNotes,
    ) -> Result<Reply, S3Error> {
        let query = FolderQuery::read(self.request.head.query())?;
        let posts = *self.request.head.method() == Method::POST;
        let rest = rest.filter(|rest| !rest.is_empty());
        let uses_left = if rest.is_none() && !query.is_zip {
            self.request.services.gate.uses_left(self.link, self.request.context).await?
        } else {
            None
        };
        let (proof, is_new) = self.request.prove(self.link, posts, body).await?;
        if proof != PassphraseProof::Given {
            return self.without_proof(proof);
        }
        let wanted = match rest {
            Some(key) => Wanted::File(decoded_key(key)?),
            None if query.is_zip => Wanted::Zip,
            None => Wanted::List,
        };
        let mut reply = match wanted {
            // The page that asked for the passphrase goes on to what it stood before.
            _ if posts && (is_new || wanted != Wanted::Zip) => {
                redirect(StatusCode::SEE_OTHER, &self.same(rest))
            }
            Wanted::List => self.list(&query, uses_left).await?,
            Wanted::File(key) => self.send_on(&key, notes).await?,
            Wanted::Zip => {
                let zip = self.zip(&query).await?;
                // A use of itself: nothing else is asked for by whoever takes it.
                notes.operation = SEND_ZIP;
                zip
            }
        };
        if is_new {
            let (keys, path) = (&self.request.services.proof_key, self.path());
            let cookie = keys.cookie(self.link, &path, self.request.context)?;
            reply.headers.append(SET_COOKIE, cookie);
        }
        Ok(reply)
    }

    fn without_proof(&self, proof: PassphraseProof) -> Result<Reply, S3Error> {
        let is_wrong = proof == PassphraseProof::Wrong;
        if !pages::navigates(&self.request.head.parts().headers) {
            let message = if is_wrong { "Passphrase is wrong" } else { "Link needs a passphrase" };
            return Err(S3Error::with_message(Code::AccessDenied, message));
        }
        Ok(passphrase_page(self.link, is_wrong, "Open"))
    }

    /// The path of the link, as the client sees it.
    fn path(&self) -> String {
        self.request.path_of(self.link)
    }

    /// The target of this very request.
    fn same(&self, rest: Option<&str>) -> String {
        let rest = rest.map(|rest| format!("/{rest}")).unwrap_or_default();
        match self.request.head.query() {
            "" => format!("{}{rest}", self.path()),
            query => format!("{}{rest}?{query}", self.path()),
        }
    }

    fn place(&self, query: &FolderQuery) -> Place {
        Place { prefix: self.prefix.to_owned(), path: query.path.clone() }
    }

    /// What the folder is called: as its link is, or by its own name.
    fn name(&self, path: &str) -> String {
        let label = self.link.conditions.label.as_ref().map(LinkLabel::as_str);
        let of_path = last_part(path);
        let own = of_path.or(label).or_else(|| last_part(self.prefix));
        own.unwrap_or(self.link.purpose.bucket().as_str()).to_owned()
    }

    async fn list(&self, query: &FolderQuery, uses_left: Option<u64>) -> Result<Reply, S3Error> {
        let requests = self.request.own_requests_within_a_use();
        let place = self.place(query);
        let listed = place.list_one_level(&requests, self.link, query.after.as_deref()).await?;
        let wants_json = self.wants_json();
        let is_one_of_many = listed.next.is_some() || query.after.is_some();
        let extent = if is_one_of_many && !wants_json {
            Some(place.extent(&requests, self.link).await?)
        } else {
            None
        };
        let view = FolderView {
            link: self.link,
            name: &self.name(&query.path),
            root_name: &self.name(""),
            link_path: &self.path(),
            path: &query.path,
            after: query.after.as_deref(),
            listed: &listed,
            extent,
            uses_left,
        };
        Ok(if wants_json { view.json()? } else { view.page() })
    }

    /// Whether a program asks for the list as JSON.
    fn wants_json(&self) -> bool {
        let headers = &self.request.head.parts().headers;
        let accepted = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
        let mut kinds = accepted.flat_map(|value| value.split(',')).filter_map(|range| {
            let kind = range.split(';').next()?.trim();
            (!kind.is_empty()).then_some(kind)
        });
        kinds.any(|kind| kind.eq_ignore_ascii_case("application/json"))
            && !pages::navigates(headers)
    }

    /// Sends on to a file, as a short link to that file would.
    async fn send_on(&self, relative: &str, notes: &mut RequestNotes) -> Result<Reply, S3Error> {
        let Self { request, link, prefix } = *self;
        let key = ObjectKey::parse(&format!("{prefix}{relative}"))
            .map_err(|cause| S3Error::new(Code::NoSuchKey).because(cause))?;
        let name = disposition::safe_name(key.as_str()).unwrap_or_else(|| "download".to_owned());
        let disposition = disposition::header(Disposition::Attachment, Some(&name));
        let mut conditions = LinkConditions::default();
        conditions.allow_head = true;
        let lent = LentRequest {
            method: "GET",
            key: key.as_str(),
            query: &[("response-content-disposition", disposition.as_str())],
            headers: &[],
            expires_in: lent_for()?,
            conditions,
        };
        let endpoint = request.endpoint()?;
        let gate = &request.services.gate;
        let presigned = gate.lend(link, (&lent, &endpoint), request.context.now).await?;
        let target = below_origin(&presigned.url);
        let object = format!("/{}/{}", link.purpose.bucket(), encode_path(key.as_str().as_bytes()));
        let reply = redirect(StatusCode::FOUND, &kept_as_key(target, &object, key.as_str()));
        notes.key = Some(key);
        Ok(reply)
    }

    async fn zip(&self, query: &FolderQuery) -> Result<Reply, S3Error> {
        let Self { request, link, .. } = *self;
        let name = self.name(&query.path);
        let name = disposition::safe_name(&name).unwrap_or_else(|| "folder".to_owned());
        let name = disposition::header(Disposition::Attachment, Some(&format!("{name}.zip")));
        let mut reply = zip::head(&name);
        if *request.head.method() == Method::HEAD {
            return Ok(reply);
        }
        let places = &request.services.zips;
        let place = places.take(request.context.client).ok_or_else(zip::too_many)?;
        let job = ZipJob {
            requests: request.own_requests_within_a_use(),
            link: link.clone(),
            folder: self.place(query),
        };
        let using = request.services.gate.begin_managed_use(link).await?;
        reply.body = match job.begin(place).await {
            Ok(begun) => begun.send(using),
            Err(refused) => {
                if let Some(using) = using {
                    using.settle(false).await;
                }
                return Err(refused);
            }
        };
        Ok(reply)
    }
}

/// The last part of a path, without what may stand around it.
fn last_part(path: &str) -> Option<&str> {
    path.rsplit('/').find(|part| !part.trim().is_empty())
}

/// A key below the prefix, decoded once. It is a name, no path: whatever it says, the prefix stands before it.
fn decoded_key(rest: &str) -> Result<String, S3Error> {
    String::from_utf8(decode_component(rest).into_owned())
        .map_err(|cause| S3Error::new(Code::InvalidUri).because(cause))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_names_a_folder() {
        let check = |query: &str, expected: Option<(&str, Option<&str>, bool)>| {
            let read = FolderQuery::read(query).ok();
            let read = read.as_ref().map(|it| (it.path.as_str(), it.after.as_deref(), it.is_zip));
            assert_eq!(read, expected, "{query}");
        };
        check("", Some(("", None, false)));
        check("zip", Some(("", None, true)));
        check("zip=1&path=a%2Fb%2F", Some(("a/b/", None, true)));
        check("path=a+b/&after=x", Some(("a b/", Some("x"), false)));
        check("after=&utm_source=mail", Some(("", None, false)));
        check("path=a", None);
        check("path=%FF/", None);
        check("path=../", Some(("../", None, false)));
    }
}
