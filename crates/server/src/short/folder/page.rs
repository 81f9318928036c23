//! What is in a folder, as a page for people and as JSON for programs.

use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::{
    CACHE_CONTROL, CONTENT_TYPE, HeaderValue, REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS,
};
use jiff::Timestamp;
use maud::{Markup, html};
use presign::encode_component;
use serde::Serialize;
use store::ManagedLink;

use super::listing::{FolderFile, FolderPage};
use super::path::encoded_key;
use crate::disposition::is_deceptive;
use crate::error::{Code, S3Error};
use crate::page::{self as pages, PagePowers};
use crate::respond::{Reply, ReplyBody};
use crate::short::object::{creator, in_words, size_in_words};

/// What is shown of a folder.
#[derive(Debug)]
pub(super) struct FolderView<'v> {
    pub(super) link: &'v ManagedLink,
    /// What the folder that is shown is called.
    pub(super) name: &'v str,
    /// What the folder of the link is called.
    pub(super) root_name: &'v str,
    /// The path of the link's URL.
    pub(super) link_path: &'v str,
    /// The folder that is shown, below that of the link.
    pub(super) path: &'v str,
    /// Whether it is another page than the first.
    pub(super) is_continued: bool,
    pub(super) listed: &'v FolderPage,
}

/// The list for programs.
#[derive(Debug, Serialize)]
struct FolderDocument<'v> {
    name: &'v str,
    path: &'v str,
    expires_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    shared_by: Option<&'v str>,
    folders: Vec<ListedFolder<'v>>,
    files: Vec<ListedFile<'v>>,
    /// The target of the next page.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
    /// The target of all files as a zip.
    zip: String,
}

#[derive(Debug, Serialize)]
struct ListedFolder<'v> {
    name: &'v str,
    url: String,
}

#[derive(Debug, Serialize)]
struct ListedFile<'v> {
    name: &'v str,
    size: u64,
    modified: String,
    url: String,
}

impl FolderView<'_> {
    pub(super) fn json(&self) -> Result<Reply, S3Error> {
        let folder = |name: &'_ String| self.folder_target(&format!("{}{name}", self.path), None);
        let document = FolderDocument {
            name: self.name,
            path: self.path,
            expires_at: self.link.expires_at.to_string(),
            shared_by: self.link.names_creator.then(|| creator(self.link)),
            folders: (self.listed.folders.iter())
                .map(|name| ListedFolder { name, url: folder(name) })
                .collect(),
            files: (self.listed.files.iter())
                .map(|file| ListedFile {
                    name: &file.name,
                    size: file.size,
                    modified: file.modified.to_string(),
                    url: self.file_target(file),
                })
                .collect(),
            next: self.next(),
            zip: self.zip_target(),
        };
        let document = serde_json::to_vec(&document)
            .map_err(|cause| S3Error::new(Code::InternalError).because(cause))?;
        let mut reply = Reply::new(StatusCode::OK);
        reply.set(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        reply.set(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        reply.set(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        reply.set(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        reply.headers.append(VARY, HeaderValue::from_static("Accept, Sec-Fetch-Mode"));
        reply.body = ReplyBody::Full(Bytes::from(document));
        Ok(reply)
    }

    pub(super) fn page(&self) -> Reply {
        let FolderPage { folders, files, next, .. } = self.listed;
        let is_empty = folders.is_empty() && files.is_empty();
        let content = html! {
            (icons())
            (self.crumbs())
            header {
                div {
                    h1 { (shown(self.name)) }
                    p { (self.count()) }
                    p.soft { (self.terms()) }
                }
                @if !is_empty {
                    form method="post" action=(self.zip_target()) {
                        button type="submit" { "Download all (zip)" }
                    }
                }
            }
            @if is_empty && !self.is_continued {
                p.empty { "There is nothing in this folder." }
            } @else if is_empty {
                p.empty { "There is no more." }
            } @else {
                ul.rows {
                    @for name in folders { (self.folder_row(name)) }
                    @for file in files { (self.file_row(file)) }
                }
            }
            @if next.is_some() || self.is_continued {
                nav.pages aria-label="Pages" {
                    @if self.is_continued {
                        a.button.plain href=(self.folder_target(self.path, None)) { "First page" }
                    }
                    @if let Some(next) = self.next() {
                        a.button.plain rel="next" href=(next) { "Next" }
                    }
                }
            }
            @if let Some(uses) = self.link.conditions.uses {
                footer {
                    "This link is good for " (counted(uses.get(), "download"))
                    " in all. Each file counts as one, and so does the zip; looking around counts for nothing."
                }
            }
        };
        let mut reply = Reply::new(StatusCode::OK);
        pages::put(
            &mut reply,
            pages::list_document(&shown(self.name), &content),
            PagePowers::Submits,
        );
        reply
    }

    /// The way from the folder of the link to the one that is shown.
    fn crumbs(&self) -> Markup {
        let parts: Vec<&str> = self.path.split_inclusive('/').collect();
        let Some((_, above)) = parts.split_last() else { return html! {} };
        let mut path = String::new();
        let links = above.iter().map(|part| {
            path.push_str(part);
            (shown(part.trim_end_matches('/')), self.folder_target(&path, None))
        });
        html! {
            nav.crumbs aria-label="Folders above" {
                a href=(self.folder_target("", None)) { (shown(self.root_name)) }
                @for (name, target) in links {
                    span aria-hidden="true" { "/" }
                    a href=(target) { (name) }
                }
                span aria-hidden="true" { "/" }
            }
        }
    }

    /// How much is in the folder, as far as one page tells.
    fn count(&self) -> String {
        let FolderPage { folders, files, next, .. } = self.listed;
        let number = |many: usize| u64::try_from(many).unwrap_or(u64::MAX);
        let bytes = files.iter().fold(0_u64, |sum, file| sum.saturating_add(file.size));
        let mut parts = Vec::new();
        if !folders.is_empty() {
            parts.push(counted(number(folders.len()), "folder"));
        }
        if !files.is_empty() || folders.is_empty() {
            parts.push(counted(number(files.len()), "file"));
        }
        if !files.is_empty() {
            parts.push(size_in_words(bytes));
        }
        let text = parts.join(" \u{b7} ");
        match (self.is_continued, next) {
            (false, None) => text,
            (false, Some(_)) => format!("{text} on this page, and more"),
            (true, Some(_)) => format!("{text} on this page, and more before and after"),
            (true, None) => format!("{text} on this page, and more before"),
        }
    }

    fn terms(&self) -> String {
        let until = format!("Until {}", in_words(self.link.expires_at));
        if self.link.names_creator {
            format!("Shared by {} \u{b7} {until}", shown(creator(self.link)))
        } else {
            until
        }
    }

    fn folder_row(&self, name: &str) -> Markup {
        html! {
            li {
                a href=(self.folder_target(&format!("{}{name}", self.path), None)) {
                    svg aria-hidden="true" { use href="#folder"; }
                    span.name { (shown(name.strip_suffix('/').unwrap_or(name))) } " "
                    span.kind { "Folder" }
                }
            }
        }
    }

    fn file_row(&self, file: &FolderFile) -> Markup {
        html! {
            li {
                a href=(self.file_target(file)) {
                    svg aria-hidden="true" { use href="#file"; }
                    span.name { (shown(&file.name)) } " "
                    span.size { (size_in_words(file.size)) } " "
                    time datetime=(file.modified) title=(in_words(file.modified)) { (day(file.modified)) }
                }
            }
        }
    }

    fn file_target(&self, file: &FolderFile) -> String {
        let key = format!("{}{}", self.path, file.name);
        // A client takes `/..` for the way up, but not `%2F..`.
        let slash = if matches!(key.as_str(), "." | "..") { "%2F" } else { "/" };
        format!("{}{slash}{}", self.link_path, encoded_key(&key))
    }

    fn folder_target(&self, path: &str, after: Option<&str>) -> String {
        let mut query = Vec::new();
        if !path.is_empty() {
            query.push(format!("path={}", encode_component(path.as_bytes())));
        }
        query.extend(after.map(|after| format!("after={}", encode_component(after.as_bytes()))));
        if query.is_empty() {
            return self.link_path.to_owned();
        }
        format!("{}?{}", self.link_path, query.join("&"))
    }

    fn next(&self) -> Option<String> {
        let next = self.listed.next.as_deref()?;
        Some(self.folder_target(self.path, Some(next)))
    }

    fn zip_target(&self) -> String {
        let path = match self.path {
            "" => String::new(),
            path => format!("&path={}", encode_component(path.as_bytes())),
        };
        format!("{}?zip{path}", self.link_path)
    }
}

/// A name without what makes it look like another.
fn shown(name: &str) -> String {
    let text: String = name.chars().filter(|c| !is_deceptive(*c)).collect();
    if text.trim().is_empty() { "(a name that cannot be shown)".to_owned() } else { text }
}

fn counted(many: u64, noun: &str) -> String {
    if many == 1 { format!("1 {noun}") } else { format!("{many} {noun}s") }
}

fn day(time: Timestamp) -> String {
    time.strftime("%-d %b %Y").to_string()
}

/// The pictures of the rows, which are drawn once.
fn icons() -> Markup {
    html! {
        svg.sprite width="0" height="0" aria-hidden="true" {
            symbol id="folder" viewBox="0 0 24 24" {
                path d="M3 6.5A1.5 1.5 0 0 1 4.5 5h4.6c.4 0 .8.2 1.1.5L11.7 7h7.8A1.5 1.5 0 0 1 21 8.5v9a1.5 1.5 0 0 1-1.5 1.5h-15A1.5 1.5 0 0 1 3 17.5z" {}
            }
            symbol id="file" viewBox="0 0 24 24" {
                path d="M6.5 3h7L19 8.5v11a1.5 1.5 0 0 1-1.5 1.5h-11A1.5 1.5 0 0 1 5 19.5v-15A1.5 1.5 0 0 1 6.5 3z" fill="none" stroke="currentColor" stroke-width="1.6" {}
                path d="M13.5 3v5.5H19" fill="none" stroke="currentColor" stroke-width="1.6" {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_look_like_what_they_are() {
        let check = |name: &str, expected: &str| assert_eq!(shown(name), expected, "{name:?}");
        check("a b.txt", "a b.txt");
        check("..", "..");
        check("invoice\u{202e}fdp.exe", "invoicefdp.exe");
        check("a\nb", "ab");
        check("\u{200b}", "(a name that cannot be shown)");
        check(" ", "(a name that cannot be shown)");
    }
}
