//! What all pages have around them: the head, the bar, the navigation, who is signed in.

use maud::{DOCTYPE, Markup, html};

use crate::assets;

/// The main parts of the console, in the order of the navigation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    /// Buckets and what is in them.
    Buckets,
    /// Links that were made.
    Links,
    /// Why a link works or does not.
    Explain,
    /// Users, groups, roles and policies.
    Identities,
    /// Distributions, and keys of their signers.
    Distributions,
    /// What is going on.
    Overview,
}

impl Section {
    const ALL: [Self; 6] = [
        Self::Buckets,
        Self::Links,
        Self::Explain,
        Self::Identities,
        Self::Distributions,
        Self::Overview,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Buckets => "Buckets",
            Self::Links => "Links",
            Self::Explain => "Explain",
            Self::Identities => "Identities",
            Self::Distributions => "Distributions",
            Self::Overview => "Overview",
        }
    }

    fn path(self) -> String {
        self.name().to_ascii_lowercase()
    }
}

/// What a page is framed in.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'f> {
    /// The path of the console as the browser sees it, without a slash at its end.
    pub base: &'f str,
    /// Who is signed in; `None`: nobody is, and there is no navigation.
    pub who: Option<&'f str>,
    /// What forms send, so that no other site's page can send them.
    pub token: &'f str,
    /// The part that the page belongs to.
    pub section: Option<Section>,
}

impl Frame<'_> {
    /// The field of a form that proves that a page of the console sends it.
    pub(crate) fn proof(&self) -> Markup {
        html! { input type="hidden" name="token" value=(self.token); }
    }
}

/// A whole page.
pub fn page(frame: &Frame<'_>, title: &str, content: &Markup) -> String {
    let Frame { base, who, section, .. } = frame;
    let whole = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                title { (title) " · Valet" }
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="robots" content="noindex";
                meta name="color-scheme" content="light dark";
                link rel="icon" type="image/svg+xml" href={ (base) "/assets/" (assets::icon()) };
                link rel="stylesheet" href={ (base) "/assets/" (assets::style()) };
                script type="module" src={ (base) "/assets/" (assets::script()) } {}
            }
            body data-base=(base) data-token=(frame.token) {
                a class="skip" href="#content" { "Skip to the content" }
                @if let Some(who) = who {
                    header class="top" {
                        a class="brand" href={ (base) "/" } { "Valet" }
                        nav aria-label="Main" {
                            @for part in Section::ALL {
                                a href={ (base) "/" (part.path()) } aria-current=[(Some(part) == *section).then_some("page")] {
                                    (part.name())
                                }
                            }
                        }
                        div class="who" {
                            span title=(who) { (who) }
                            form method="post" action={ (base) "/sign-out" } {
                                (frame.proof())
                                button class="link" { "Sign out" }
                            }
                        }
                    }
                }
                main id="content" tabindex="-1" { (content) }
            }
        }
    };
    whole.into_string()
}
