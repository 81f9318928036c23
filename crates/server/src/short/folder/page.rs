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

use super::listing::{FolderExtent, FolderFile, FolderPage};
use super::path::encoded_key;
use crate::disposition::is_deceptive;
use crate::error::{Code, S3Error};
use crate::gate::iso_time;
use crate::page::{self as pages, PagePowers, in_words};
use crate::respond::{Reply, ReplyBody};
use crate::short::object::{creator, size_in_words};

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
    /// Where the page begins; `None`: it is the first one.
    pub(super) after: Option<&'v str>,
    pub(super) listed: &'v FolderPage,
    /// All pages together, if there are several and people look.
    pub(super) extent: Option<FolderExtent>,
    /// How many uses the link has left, if they are counted.
    pub(super) uses_left: Option<u64>,
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
            expires_at: iso_time(self.link.expires_at),
            shared_by: self.link.names_creator.then(|| creator(self.link)),
            folders: (self.listed.folders.iter())
                .map(|name| ListedFolder { name, url: folder(name) })
                .collect(),
            files: (self.listed.files.iter())
                .map(|file| ListedFile {
                    name: &file.name,
                    size: file.size,
                    modified: iso_time(file.modified),
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
        let FolderPage { folders, files, .. } = self.listed;
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
            (self.pages("Pages"))
            @if is_empty && self.after.is_none() {
                p.empty { "There is nothing in this folder." }
            } @else if is_empty {
                p.empty { "There is no more." }
            } @else {
                ul.rows {
                    @for name in folders { (self.folder_row(name)) }
                    @for file in files { (self.file_row(file)) }
                }
            }
            (self.pages("Pages, below the list"))
            @if let Some((left, uses)) = self.uses_left.zip(self.link.conditions.uses) {
                footer {
                    "This link is good for " (counted(left, "download")) " more, of " (uses)
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

    /// The ways to the other pages, if there are any.
    fn pages(&self, label: &str) -> Markup {
        let number = self.extent.as_ref().and_then(|extent| extent.number(self.after));
        let before = number.and_then(|number| number.checked_sub(1));
        let start = |number: usize| self.extent.as_ref()?.starts.get(number)?.as_deref();
        let next = self.next();
        html! {
            @if next.is_some() || self.after.is_some() {
                nav.pages aria-label=(label) {
                    @if let Some((number, extent)) = number.zip(self.extent.as_ref()) {
                        span.soft { "Page " (number.saturating_add(1)) " of " (extent.pages_in_words()) }
                    }
                    @if self.after.is_some() {
                        a.button.plain href=(self.folder_target(self.path, None)) { "First page" }
                    }
                    @if let Some(before) = before {
                        a.button.plain rel="prev" href=(self.folder_target(self.path, start(before))) { "Previous" }
                    }
                    @if let Some(next) = next {
                        a.button.plain rel="next" href=(next) { "Next" }
                    }
                }
            }
        }
    }

    /// How much is in the folder, without what is in folders below it.
    fn count(&self) -> String {
        let on_page = || FolderExtent::of_page(self.listed);
        let FolderExtent { folders, files, bytes, is_whole, .. } =
            self.extent.clone().unwrap_or_else(on_page);
        let mut parts = Vec::new();
        if folders > 0 {
            parts.push(counted(folders, "folder"));
        }
        if files > 0 || folders == 0 {
            parts.push(counted(files, "file"));
        }
        if files > 0 {
            parts.push(size_in_words(bytes));
        }
        let text = parts.join(" \u{b7} ");
        if is_whole { text } else { format!("{text}, and more") }
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
    if many == 1 { format!("1 {noun}") } else { format!("{} {noun}s", grouped(many)) }
}

/// A number whose digits stand in groups of three.
fn grouped(many: u64) -> String {
    let digits = many.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && digits.len().saturating_sub(at) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn day(time: Timestamp) -> String {
    time.strftime("%-d %B %Y").to_string()
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
    fn numbers_are_grouped() {
        let check = |many: u64, expected: &str| assert_eq!(grouped(many), expected);
        check(0, "0");
        check(999, "999");
        check(1000, "1,000");
        check(1_234_567, "1,234,567");
    }

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
