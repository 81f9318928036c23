//! Something to say instead of a page, or above it.

use maud::{Markup, html};

/// What is said, and where to go on.
#[derive(Clone, Copy, Debug)]
pub struct Notice<'n> {
    /// What has happened, in a few words.
    pub title: &'n str,
    /// What it means, and what to do.
    pub text: &'n str,
    /// Where to go on, and in which words.
    pub next: Option<(&'n str, &'n str)>,
}

/// A page that only says something.
pub fn notice(notice: &Notice<'_>) -> Markup {
    html! {
        h1 { (notice.title) }
        p { (notice.text) }
        @if let Some((address, words)) = notice.next {
            p { a class="button" href=(address) { (words) } }
        }
    }
}

/// A box above a page.
pub(crate) fn told(text: Option<&str>, is_bad: bool) -> Markup {
    html! {
        @if let Some(text) = text {
            div class={ "note " (if is_bad { "bad" } else { "good" }) } role=(if is_bad { "alert" } else { "status" }) {
                p { (text) }
            }
        }
    }
}
