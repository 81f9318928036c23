//! The page on which somebody without an account drops files.

use maud::{PreEscaped, html};
use serde_json::json;
use store::{FileLimits, RequestTotals};

use super::super::object::{common_facts, size_in_words};
use super::RequestLink;
use super::offered::kinds_in_words;
use crate::page as pages;

const SCRIPT: &str = include_str!("page.js");
const STYLE: &str = include_str!("page.css");

/// The page, whose script has this nonce.
pub(super) fn page(link: &RequestLink<'_>, totals: RequestTotals, nonce: &str) -> String {
    let FileLimits { max_bytes, max_total_bytes, types, ask_name, ask_note, .. } = link.limits;
    let room = link.room();
    let files_left = room.files_max.saturating_sub(totals.files);
    let bytes_left = room.bytes_max.saturating_sub(totals.bytes);
    let label = link.link.conditions.label.as_ref().map(ToString::to_string);
    let title = label.unwrap_or_else(|| "Send files".to_owned());
    let accept = types.join(",");
    // What the script needs to know; it is data, and stands where no markup is read.
    let facts = json!({ "path": link.request.path_of(link.link), "maxBytes": max_bytes,
        "filesLeft": (room.files_max != u64::MAX).then_some(files_left),
        "bytesLeft": max_total_bytes.map(|_| bytes_left) });
    let content = html! {
        style { (PreEscaped(STYLE)) }
        h1 { (title) }
        dl {
            (common_facts(link.link))
            @if let Some(most) = max_bytes { dt { "One file" } dd { (size_in_words(*most)) " at most" } }
            @if room.files_max != u64::MAX { dt { "Files" } dd #files-left { @if files_left == 0 { "no more" } @else { (files_left) " more" } } }
            @if max_total_bytes.is_some() { dt { "In all" } dd #bytes-left { (size_in_words(bytes_left)) " more" } }
            @if !types.is_empty() { dt { "Kinds" } dd { (kinds_in_words(types)) } }
        }
        noscript { p.wrong { "This page needs JavaScript to send files." } }
        form #send {
            @if *ask_name {
                label for="sender" { "Your name" }
                input #sender name="sender" type="text" required maxlength="100" autocomplete="name";
            }
            @if *ask_note {
                label for="note" { "Note " span.soft { "(optional)" } }
                textarea #note name="note" rows="2" maxlength="500" {}
            }
            div #drop {
                label.button.choose for="files" { "Choose files" }
                input #files name="Files" type="file" multiple aria-label="Files" accept=[Some(accept).filter(|it| !it.is_empty())];
                p.soft { "or drop them here" }
            }
        }
        p #full hidden { "No more files can be sent by this link." }
        p #problem.wrong role="alert" hidden {}
        ul #list aria-label="Files being sent" {}
        p #summary.soft role="status" {}
        footer { "You can close this page when all files are sent. To go on after a break, open it again on this device and choose the same files." }
        script type="application/json" id="facts" { (PreEscaped(escaped_json(&facts.to_string()))) }
        script nonce=(nonce) { (PreEscaped(SCRIPT)) }
    };
    pages::document(&title, &content)
}

/// JSON that ends no element: `<` is written in another way.
fn escaped_json(json: &str) -> String {
    json.replace('<', "\\u003c")
}
