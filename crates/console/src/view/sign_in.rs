//! The page on which one signs in.

use maud::{Markup, html};

use super::notice::told;
use crate::frame::Frame;

/// What the page says beside its fields.
#[derive(Clone, Copy, Debug)]
pub struct SignIn<'s> {
    /// Why the last attempt has failed.
    pub refused: Option<&'s str>,
    /// The access key id of the last attempt.
    pub access_key_id: &'s str,
    /// Where the person wanted to go.
    pub next: &'s str,
    /// The connection shows the secret to whoever listens.
    pub is_open: bool,
}

impl SignIn<'_> {
    /// The content of the page.
    pub fn content(&self, frame: &Frame<'_>) -> Markup {
        html! {
            div class="sign-in" {
                h1 { "Sign in to Valet" }
                (told(self.refused, true))
                @if self.is_open {
                    div class="note" {
                        p { "This connection is not encrypted: who listens on the way can read the secret. Use https:// wherever others may listen." }
                    }
                }
                form method="post" action={ (frame.base) "/sign-in" } {
                    input type="hidden" name="next" value=(self.next);
                    div class="field" {
                        label for="key" { "Access key ID" }
                        input id="key" name="access_key_id" value=(self.access_key_id) required autofocus autocomplete="username" spellcheck="false" autocapitalize="off";
                    }
                    div class="field" {
                        label for="secret" { "Secret access key" }
                        input id="secret" name="secret_access_key" type="password" required autocomplete="current-password";
                    }
                    div class="field" {
                        label for="session" { "Session token" }
                        input id="session" name="session_token" autocomplete="off" spellcheck="false" aria-describedby="session-help";
                        small id="session-help" { "Only with the temporary key of a session." }
                    }
                    button class="main" { "Sign in" }
                }
            }
        }
    }
}
