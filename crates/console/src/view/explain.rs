//! Why a link works, or does not.

use maud::{Markup, html};

use super::notice::told;
use crate::frame::Frame;

/// A cause, and what mends it.
#[derive(Clone, Debug)]
pub struct ToldCause {
    /// What is the case.
    pub what: String,
    /// What to do about it; empty: nothing is known.
    pub mend: String,
}

/// What was found out about a link.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// In one sentence: does it work?
    pub verdict: String,
    /// Whether it does, as far as is known.
    pub works: bool,
    /// What it is for and until when, by name.
    pub facts: Vec<(String, String)>,
    /// Why it does not work.
    pub causes: Vec<ToldCause>,
}

/// The page on which links are pasted.
#[derive(Clone, Debug, Default)]
pub struct ExplainView<'e> {
    /// What was pasted.
    pub link: &'e str,
    /// What was found out.
    pub told: Option<Explanation>,
    /// Why nothing was.
    pub refused: Option<&'e str>,
}

impl ExplainView<'_> {
    /// The content of the page.
    pub fn content(&self, frame: &Frame<'_>) -> Markup {
        html! {
            div class="bar" { h1 { "Explain a link" } }
            p class="muted" { "Paste a link, also from a mail or a chat: what it allows, until when, and why it does not work." }
            (told(self.refused, true))
            form method="post" action={ (frame.base) "/explain" } {
                (frame.proof())
                div class="field" {
                    label for="link" { "Link" }
                    textarea id="link" name="link" rows="4" required spellcheck="false" autofocus { (self.link) }
                }
                button class="main" { "Explain" }
            }
            @if let Some(explanation) = &self.told { (explanation.content()) }
        }
    }
}

impl Explanation {
    fn content(&self) -> Markup {
        html! {
            section aria-label="Explanation" {
                h2 { (self.verdict) }
                @for (number, cause) in self.causes.iter().enumerate() {
                    div class="note bad" {
                        p { (cause.what) }
                        @if !cause.mend.is_empty() {
                            p { strong { "What to do: " } span id={ "mend-" (number) } { (cause.mend) } }
                            p { button type="button" class="small" data-copy={ "mend-" (number) } { "Copy" } }
                        }
                    }
                }
                dl class="facts" {
                    @for (name, value) in &self.facts { dt { (name) } dd { (value) } }
                }
            }
        }
    }
}
