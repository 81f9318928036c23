//! OIDC providers: issuers that roles may trust.

use std::sync::Arc;

use super::{DirectoryEdit, Edited, check_provider, free, missing, within};
use crate::{EntityKind, OidcProvider, Quota, Tag};

/// An OIDC provider to make.
#[derive(Clone, Debug)]
pub struct NewOidcProvider {
    /// The URL of the issuer, without its `https://`.
    pub url: String,
    /// The audiences that its tokens may be for.
    pub client_ids: Vec<String>,
    /// Thumbprints of its certificate, which are kept and not used.
    pub thumbprints: Vec<String>,
    /// At most 50 tags.
    pub tags: Vec<Tag>,
}

impl DirectoryEdit {
    /// Makes an OIDC provider.
    pub fn create_oidc_provider(&mut self, new: NewOidcProvider) -> Edited {
        let NewOidcProvider { url, client_ids, thumbprints, tags } = new;
        free(self.oidc_provider(&url).is_some(), EntityKind::OidcProvider, &url)?;
        within(self.parts().providers.len() + 1, Quota::OidcProviders, &url)?;
        let created_at = self.now;
        let provider = OidcProvider { url: url.clone(), created_at, client_ids, thumbprints, tags };
        check_provider(&provider)?;
        self.put(EntityKind::OidcProvider, &url, |parts, folded| {
            Arc::make_mut(&mut parts.providers).insert(folded.into(), Arc::new(provider));
        });
        Ok(())
    }

    /// Removes an OIDC provider.
    pub fn delete_oidc_provider(&mut self, url: &str) -> Edited {
        self.oidc_provider(url).ok_or_else(|| missing(EntityKind::OidcProvider, url))?;
        self.put(EntityKind::OidcProvider, url, |parts, folded| {
            Arc::make_mut(&mut parts.providers).remove(folded.as_str());
        });
        Ok(())
    }
}
