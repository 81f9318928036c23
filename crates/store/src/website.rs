//! What a bucket answers as a website. The store keeps the configuration as it was given and judges none of it.

/// The configuration of a website.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Website {
    /// Every request is sent on to another host.
    Redirect(WebsiteHost),
    /// Objects are answered as pages.
    Pages(WebsitePages),
}

/// The host that all requests are sent on to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebsiteHost {
    /// Its name, perhaps with a port.
    pub name: String,
    /// `http` or `https`; `None`: that of the request.
    pub protocol: Option<WebProtocol>,
}

/// The protocol of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WebProtocol {
    /// `http`
    Http,
    /// `https`
    Https,
}

impl WebProtocol {
    /// As configurations and addresses write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// Reads what [`WebProtocol::as_str`] writes.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Http, Self::Https].into_iter().find(|protocol| protocol.as_str() == text)
    }
}

/// A website made of objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebsitePages {
    /// What is appended to a path that ends with `/`.
    pub index_suffix: String,
    /// The key of the page that is answered in the place of errors.
    pub error_key: Option<String>,
    /// The first rule that fits sends a request elsewhere.
    pub rules: Vec<RoutingRule>,
}

/// Sends requests elsewhere.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoutingRule {
    /// How the key must begin.
    pub key_prefix: Option<String>,
    /// The status of the error that there must be; `None`: the object is not looked at.
    pub error_status: Option<u16>,
    /// Where the request is sent.
    pub redirect: RoutingRedirect,
}

/// Where a request is sent. What is not said is as in the request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoutingRedirect {
    /// `http` or `https`.
    pub protocol: Option<WebProtocol>,
    /// The host, perhaps with a port.
    pub host: Option<String>,
    /// What becomes of the key.
    pub key: Option<KeyReplacement>,
    /// The status of the answer, 301 unless it is said.
    pub status: Option<u16>,
}

/// What becomes of the key of a request that is sent elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyReplacement {
    /// The rule's prefix is replaced.
    Prefix(String),
    /// The whole key is replaced.
    Whole(String),
}

impl KeyReplacement {
    /// The text that stands in the place of the key or of its beginning.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Prefix(text) | Self::Whole(text) => text,
        }
    }
}

impl Website {
    /// How much memory the texts of the configuration take, about.
    pub(crate) fn weight_bytes(&self) -> usize {
        let length = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        match self {
            Self::Redirect(host) => host.name.len() + 64,
            Self::Pages(pages) => {
                let rules = pages.rules.iter().map(|rule| {
                    let key = rule.redirect.key.as_ref().map_or(0, |key| key.as_str().len());
                    length(&rule.key_prefix) + length(&rule.redirect.host) + key + 192
                });
                pages.index_suffix.len() + length(&pages.error_key) + rules.sum::<usize>() + 128
            }
        }
    }
}
