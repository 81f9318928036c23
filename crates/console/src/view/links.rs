//! The links that were made, and what became of them.

use jiff::Timestamp;
use maud::{Markup, html};

use super::notice::told;
use crate::frame::Frame;
use crate::words::{object_at, time};

/// How a link stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkState {
    /// It works now.
    Alive,
    /// It was taken back.
    Revoked,
    /// Its time is over, or its uses are used up.
    Ended,
    /// It does not work yet, or not any more, in a way that has a word of its own.
    Other,
}

/// A link in the list.
#[derive(Clone, Debug)]
pub struct LinkRow {
    /// What the link is found by.
    pub id: String,
    /// What its maker called it.
    pub label: String,
    /// What it is to.
    pub bucket: String,
    /// The key or the prefix.
    pub key: String,
    /// How it stands.
    pub state: LinkState,
    /// The word for that.
    pub word: String,
    /// Who made it.
    pub creator: String,
    /// When it ends.
    pub ends_at: Option<Timestamp>,
    /// How often it was used, and how often it may be.
    pub uses: String,
    /// The revocation that can be taken back.
    pub undo: Option<String>,
}

/// A page of links.
#[derive(Clone, Debug, Default)]
pub struct Links<'l> {
    /// The newest first.
    pub rows: Vec<LinkRow>,
    /// Where the next page begins, if there is one.
    pub next: Option<String>,
    /// What the last action has led to, and the revocation that takes it back.
    pub told: Option<&'l str>,
    /// The revocation that was made a moment ago.
    pub undo: Option<&'l str>,
    /// Why the last action was refused, or the list.
    pub refused: Option<&'l str>,
}

impl Links<'_> {
    /// The content of the page.
    pub fn content(&self, frame: &Frame<'_>) -> Markup {
        let base = frame.base;
        html! {
            div class="bar" { h1 { "Links" } }
            (told(self.refused, true))
            (told(self.told, false))
            @if let Some(revocation) = self.undo { (undo(frame, revocation, "Undo")) }
            @if self.rows.is_empty() && self.refused.is_none() {
                div class="empty" {
                    p { "No managed link was made yet." }
                    p { "A managed link can be counted, changed and taken back: " code { "valet share s3://bucket/key" } }
                }
            } @else if !self.rows.is_empty() {
                table {
                    thead { tr {
                        th scope="col" { "Link" } th scope="col" { "To" } th scope="col" { "State" }
                        th scope="col" { "Ends" } th scope="col" class="number" { "Uses" } th scope="col" { "Made by" }
                        th scope="col" { "Action" }
                    } }
                    tbody {
                        @for row in &self.rows { (row.content(frame)) }
                    }
                }
            }
            @if let Some(next) = &self.next {
                nav class="pages" aria-label="Pages" { a class="button" rel="next" href={ (base) "/links?after=" (next) } { "Next page" } }
            }
            h2 { "Take back a presigned URL" }
            p class="muted" { "Paste it. Whoever signed it, or who may revoke for others, takes it back from the next request on." }
            form method="post" action={ (base) "/revoke" } class="row" {
                (frame.proof())
                div class="field" {
                    label for="url" { "Presigned URL" }
                    input id="url" name="url" required spellcheck="false" autocomplete="off";
                }
                div class="field" { button { "Revoke" } }
            }
        }
    }
}

impl LinkRow {
    fn content(&self, frame: &Frame<'_>) -> Markup {
        let state = match self.state {
            LinkState::Alive => "good",
            LinkState::Revoked => "bad",
            LinkState::Ended | LinkState::Other => "warn",
        };
        html! {
            tr {
                td { (if self.label.is_empty() { &self.id } else { &self.label }) }
                td { a href=(object_at(frame.base, &self.bucket, &self.key)) { (self.bucket) "/" (self.key) } }
                td { span class={ "state " (state) } { (self.word) } }
                td { @if let Some(ends_at) = self.ends_at { (time(ends_at)) } }
                td class="number" { (self.uses) }
                td { (self.creator) }
                td {
                    @if let Some(revocation) = &self.undo {
                        (undo(frame, revocation, "Undo"))
                    } @else if self.state != LinkState::Revoked && self.state != LinkState::Ended {
                        form method="post" action={ (frame.base) "/revoke" } {
                            (frame.proof())
                            input type="hidden" name="id" value=(self.id);
                            button class="small" { "Revoke" }
                        }
                    }
                }
            }
        }
    }
}

fn undo(frame: &Frame<'_>, revocation: &str, words: &str) -> Markup {
    html! {
        form method="post" action={ (frame.base) "/undo" } {
            (frame.proof())
            input type="hidden" name="revocation" value=(revocation);
            button class="small" { (words) }
        }
    }
}
