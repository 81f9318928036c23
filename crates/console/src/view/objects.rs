//! What is in a bucket, a folder at a time.

use jiff::Timestamp;
use maud::{Markup, html};

use super::notice::told;
use crate::frame::Frame;
use crate::words::{object_at, objects_at, size, time, value};

/// An object in a listing.
#[derive(Clone, Debug)]
pub struct ObjectRow {
    /// Its whole key.
    pub key: String,
    /// Its length in bytes.
    pub size: u64,
    /// When it was stored.
    pub modified: Option<Timestamp>,
}

/// One page of a listing.
#[derive(Clone, Debug)]
pub struct Objects<'o> {
    /// The bucket that is listed.
    pub bucket: &'o str,
    /// What all keys of the page begin with.
    pub prefix: &'o str,
    /// The folders, by their whole prefix.
    pub folders: Vec<String>,
    /// The objects beside them.
    pub objects: Vec<ObjectRow>,
    /// Where the next page begins, if there is one.
    pub next: Option<String>,
    /// Whether this is not the first page.
    pub is_later: bool,
    /// What the last action has led to.
    pub told: Option<&'o str>,
    /// Why the last action was refused, or the listing.
    pub refused: Option<&'o str>,
}

/// The way to a place, with a link to each step.
pub(crate) fn crumbs(base: &str, bucket: &str, path: &str) -> Markup {
    let folders: Vec<_> = path.match_indices('/').filter_map(|(at, _)| path.get(..=at)).collect();
    let last = path.rsplit('/').next().unwrap_or_default();
    html! {
        nav aria-label="Path" {
            ol class="crumbs" {
                li { a href={ (base) "/buckets" } { "Buckets" } }
                li { a href=(objects_at(base, bucket, "")) { (bucket) } }
                @for folder in folders {
                    li { a href=(objects_at(base, bucket, folder)) { (name_in(folder)) } }
                }
                @if !last.is_empty() { li aria-current="page" { (last) } }
            }
        }
    }
}

/// The last step of a key or prefix.
fn name_in(path: &str) -> &str {
    let path = path.strip_suffix('/').unwrap_or(path);
    let name = path.rsplit('/').next().unwrap_or(path);
    if name.is_empty() { "/" } else { name }
}

impl Objects<'_> {
    fn is_empty(&self) -> bool {
        self.folders.is_empty() && self.objects.is_empty()
    }

    /// The content of the page.
    pub fn content(&self, frame: &Frame<'_>) -> Markup {
        let (base, bucket, prefix) = (frame.base, self.bucket, self.prefix);
        html! {
            div class="bar" {
                (crumbs(base, bucket, prefix))
                div class="actions" {
                    input id="files" type="file" multiple aria-label="Files" data-upload-files;
                    button type="button" class="main" data-upload=(bucket) data-prefix=(prefix) { "Upload" }
                }
            }
            noscript { p class="note" { "Uploading from this page needs JavaScript; valet put and any S3 client do not." } }
            (told(self.refused, true))
            (told(self.told, false))
            form method="get" action=(objects_at(base, bucket, "")) class="row" role="search" {
                div class="field" {
                    label for="prefix" { "Prefix" }
                    input id="prefix" name="prefix" value=(prefix) spellcheck="false" autocapitalize="off";
                }
                div class="field" { button { "Show" } }
            }
            @if self.is_empty() && self.refused.is_none() {
                div class="empty" {
                    p { @if self.is_later { "There is no more." } @else { "There is nothing here yet." } }
                    p { "Drop files on this page, or choose them above and press Upload." }
                }
            } @else if !self.is_empty() {
                table data-drop {
                    thead { tr { th scope="col" { "Name" } th scope="col" class="number" { "Size" } th scope="col" { "Modified" } } }
                    tbody {
                        @for folder in &self.folders {
                            tr {
                                td { a href=(objects_at(base, bucket, folder)) { (name_in(folder)) "/" } }
                                td class="number" { "folder" }
                                td {}
                            }
                        }
                        @for ObjectRow { key, size: bytes, modified } in &self.objects {
                            tr {
                                td { a href=(object_at(base, bucket, key)) { (key.strip_prefix(prefix).filter(|it| !it.is_empty()).unwrap_or(key)) } }
                                td class="number" { (size(*bytes)) }
                                td { @if let Some(modified) = modified { (time(*modified)) } }
                            }
                        }
                    }
                }
            }
            @if self.is_later || self.next.is_some() {
                nav class="pages" aria-label="Pages" {
                    @if self.is_later { a href=(objects_at(base, bucket, prefix)) { "First page" } }
                    @if let Some(next) = &self.next {
                        a class="button" rel="next" href={ (base) "/buckets/" (bucket) "?prefix=" (value(prefix)) "&after=" (value(next)) } { "Next page" }
                    }
                }
            }
            section id="tray" class="tray" aria-label="Uploads" hidden {
                strong data-tray-title {}
                ul {}
            }
        }
    }
}
