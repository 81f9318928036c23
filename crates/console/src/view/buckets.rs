//! The list of buckets.

use jiff::Timestamp;
use maud::{Markup, html};

use super::notice::told;
use crate::frame::Frame;
use crate::words::{objects_at, time};

/// A bucket in the list.
#[derive(Clone, Debug)]
pub struct BucketRow {
    /// The name of the bucket.
    pub name: String,
    /// When it was made.
    pub created: Option<Timestamp>,
}

/// The buckets that somebody may see.
#[derive(Clone, Debug)]
pub struct Buckets<'b> {
    /// In the order of their names.
    pub rows: Vec<BucketRow>,
    /// What the last action has led to.
    pub told: Option<&'b str>,
    /// Why the last action was refused, or the list.
    pub refused: Option<&'b str>,
}

impl Buckets<'_> {
    /// The content of the page.
    pub fn content(&self, frame: &Frame<'_>) -> Markup {
        html! {
            div class="bar" { h1 { "Buckets" } }
            (told(self.refused, true))
            (told(self.told, false))
            @if self.rows.is_empty() {
                div class="empty" {
                    p { "There is no bucket here that you may see." }
                    p { "Make one below, or open one whose name you know." }
                }
            } @else {
                table {
                    thead { tr { th scope="col" { "Name" } th scope="col" { "Made" } } }
                    tbody {
                        @for BucketRow { name, created } in &self.rows {
                            tr {
                                td { a href=(objects_at(frame.base, name, "")) { (name) } }
                                td { @if let Some(created) = created { (time(*created)) } }
                            }
                        }
                    }
                }
            }
            h2 { "Create a bucket" }
            form method="post" action={ (frame.base) "/buckets" } class="row" {
                (frame.proof())
                div class="field" {
                    label for="name" { "Bucket name" }
                    input id="name" name="name" required minlength="3" maxlength="63" spellcheck="false" autocapitalize="off";
                }
                div class="field" { button { "Create bucket" } }
            }
            h2 { "Open a bucket" }
            form method="get" action={ (frame.base) "/open" } class="row" {
                div class="field" {
                    label for="open" { "Bucket and prefix" }
                    input id="open" name="place" required placeholder="bucket/prefix/" spellcheck="false" autocapitalize="off" aria-describedby="open-help";
                    small id="open-help" { "For those who may not list all buckets." }
                }
                div class="field" { button { "Open" } }
            }
        }
    }
}
