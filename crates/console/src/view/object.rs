//! One object: what is known of it, what it looks like, and the links that are made of it here.

use jiff::Timestamp;
use maud::{Markup, html};

use super::notice::told;
use super::objects::crumbs;
use crate::frame::Frame;
use crate::words::{object_at, size, time};

/// What can be shown of an object without running it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Preview {
    /// It is of no kind that is shown.
    None,
    /// A picture, at an address.
    Image(String),
    /// Sound, at an address.
    Audio(String),
    /// A film, at an address.
    Video(String),
    /// The beginning of a text; whether that is all of it.
    Text {
        /// As it is stored.
        text: String,
        /// Nothing follows behind it.
        is_whole: bool,
    },
}

/// In what a life is counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ShareUnit {
    /// Minutes from now.
    Minutes,
    /// Hours from now.
    #[default]
    Hours,
    /// Until a time.
    Custom,
}

/// A link that was made a moment ago.
#[derive(Clone, Debug)]
pub struct Shared {
    /// The link itself.
    pub url: String,
    /// When it ends.
    pub ends_at: Timestamp,
    /// Why then, if it was asked to live longer.
    pub why: Option<String>,
    /// Why it will not work as things are.
    pub fails: Option<String>,
}

/// The dialog that makes a link.
#[derive(Clone, Debug, Default)]
pub struct ShareForm {
    /// In what the life is counted.
    pub unit: ShareUnit,
    /// How many of them.
    pub number: String,
    /// The end, if it is told as a time.
    pub until: String,
    /// Why no link was made.
    pub refused: Option<String>,
    /// The link that was made.
    pub made: Option<Shared>,
}

/// The page of an object.
#[derive(Clone, Debug)]
pub struct ObjectView<'o> {
    /// The bucket that it is in.
    pub bucket: &'o str,
    /// The key of it.
    pub key: &'o str,
    /// Its length in bytes.
    pub size: u64,
    /// When it was stored.
    pub modified: Option<Timestamp>,
    /// Its media type.
    pub content_type: &'o str,
    /// Its name for caches.
    pub etag: &'o str,
    /// What else its headers say, by name.
    pub metadata: Vec<(String, String)>,
    /// What it looks like.
    pub preview: Preview,
    /// The dialog, if it is open.
    pub share: Option<ShareForm>,
    /// What the last action has led to.
    pub told: Option<&'o str>,
    /// Why the last action was refused.
    pub refused: Option<&'o str>,
}

impl ObjectView<'_> {
    /// The content of the page.
    pub fn content(&self, frame: &Frame<'_>) -> Markup {
        let Self { bucket, key, .. } = *self;
        let here = object_at(frame.base, bucket, key);
        html! {
            div class="bar" {
                (crumbs(frame.base, bucket, key))
                div class="actions" {
                    a class="button" href={ (here) "&download" } { "Download" }
                    button type="button" popovertarget="object-actions" aria-haspopup="menu" { "Object actions" }
                    div id="object-actions" class="menu-list" popover role="menu" aria-label="Object actions" {
                        a role="menuitem" href={ (here) "&share" } data-opens="share" { "Share with a presigned URL" }
                        a role="menuitem" href={ (here) "&delete" } { "Delete" }
                    }
                }
            }
            (told(self.refused, true))
            (told(self.told, false))
            dl class="facts" {
                dt { "Size" } dd { (size(self.size)) " (" (self.size) " bytes)" }
                dt { "Type" } dd { (self.content_type) }
                @if let Some(modified) = self.modified { dt { "Modified" } dd { (time(modified)) } }
                dt { "ETag" } dd class="mono" { (self.etag) }
                @for (name, value) in &self.metadata { dt { (name) } dd { (value) } }
            }
            (self.shown())
            (self.dialog(frame))
        }
    }

    fn shown(&self) -> Markup {
        let name = self.key.rsplit('/').next().unwrap_or(self.key);
        html! {
            @match &self.preview {
                Preview::None => {}
                Preview::Image(address) => img class="preview" src=(address) alt={ "What " (name) " looks like" } loading="lazy";
                Preview::Audio(address) => audio class="preview" src=(address) controls preload="metadata" aria-label=(name) {}
                Preview::Video(address) => video class="preview" src=(address) controls preload="metadata" aria-label=(name) {}
                Preview::Text { text, is_whole } => {
                    pre tabindex="0" aria-label={ "The text of " (name) } { (text) }
                    @if !is_whole { p class="muted" { "This is only its beginning." } }
                }
            }
        }
    }

    fn dialog(&self, frame: &Frame<'_>) -> Markup {
        let Self { bucket, key, .. } = *self;
        let closed = ShareForm::default();
        let form = self.share.as_ref().unwrap_or(&closed);
        let name = key.rsplit('/').next().unwrap_or(key);
        html! {
            dialog id="share" aria-labelledby="share-title" open[self.share.is_some()] {
                h2 id="share-title" { "Share " (name) }
                (told(form.refused.as_deref(), true))
                @if let Some(made) = &form.made { (made.content()) }
                form method="post" action={ (frame.base) "/share" } {
                    (frame.proof())
                    input type="hidden" name="bucket" value=(bucket);
                    input type="hidden" name="key" value=(key);
                    fieldset {
                        legend { "The link works for" }
                        @for (unit, id, words) in [
                            (ShareUnit::Minutes, "minutes", "Minutes"),
                            (ShareUnit::Hours, "hours", "Hours"),
                            (ShareUnit::Custom, "custom", "Custom"),
                        ] {
                            label class="choice" { input type="radio" name="unit" value=(id) checked[form.unit == unit]; (words) }
                        }
                        div class="row" {
                            div class="field" data-for="number" {
                                label for="number" { "How many" }
                                input id="number" class="short" name="number" inputmode="numeric" value=(if form.number.is_empty() { "12" } else { &form.number }) autofocus;
                            }
                            div class="field" data-for="until" {
                                label for="until" { "Until" }
                                input id="until" name="until" type="datetime-local" value=(form.until);
                            }
                        }
                        input type="hidden" name="offset" value="0" data-offset;
                        small class="muted" { "From 1 minute to 12 hours, as long as your session lives. Whoever has the link can use it." }
                    }
                    div class="actions" {
                        button class="main" { "Create presigned URL" }
                        a class="button" href=(object_at(frame.base, bucket, key)) data-closes="share" { "Close" }
                    }
                }
            }
        }
    }
}

impl Shared {
    fn content(&self) -> Markup {
        let Self { url, ends_at, why, fails } = self;
        html! {
            div class="made" {
                input id="made-url" aria-label="Presigned URL" value=(url) readonly data-select;
                button type="button" class="main" data-copy="made-url" { "Copy" }
            }
            p role="status" {
                "Works until " (time(*ends_at))
                @if let Some(why) = why { ", because " (why) }
                "."
            }
            @if let Some(fails) = fails { div class="note bad" role="alert" { p { (fails) } } }
            details {
                summary { "As a command" }
                pre { "curl -fL -OJ '" (url) "'" }
                pre { "wget --content-disposition '" (url) "'" }
            }
        }
    }
}
