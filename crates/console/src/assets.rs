//! Styles and scripts, under names that change with their bytes.

use std::fmt::Write as _;
use std::sync::LazyLock;

use sha2::{Digest as _, Sha256};

/// How many bytes of the digest are in a name.
const DIGEST_BYTES: usize = 8;

/// A file that pages load.
#[derive(Clone, Copy, Debug)]
pub struct Asset {
    /// Its media type.
    pub content_type: &'static str,
    /// What it holds.
    pub text: &'static str,
}

struct Named {
    name: String,
    asset: Asset,
}

fn named(stem: &str, end: &str, asset: Asset) -> Named {
    let mut name = format!("{stem}-");
    for byte in Sha256::digest(asset.text).iter().take(DIGEST_BYTES) {
        // Writing to a `String` cannot fail.
        let _ = write!(name, "{byte:02x}");
    }
    name.push_str(end);
    Named { name, asset }
}

static STYLE: LazyLock<Named> = LazyLock::new(|| {
    let text = include_str!("../assets/console.css");
    named("console", ".css", Asset { content_type: "text/css; charset=utf-8", text })
});

static SCRIPT: LazyLock<Named> = LazyLock::new(|| {
    let text = include_str!("../assets/console.js");
    named("console", ".js", Asset { content_type: "text/javascript; charset=utf-8", text })
});

static ICON: LazyLock<Named> = LazyLock::new(|| {
    let text = include_str!("../assets/icon.svg");
    named("icon", ".svg", Asset { content_type: "image/svg+xml", text })
});

/// The file of a name; names of other versions of it are not known.
pub fn asset(name: &str) -> Option<Asset> {
    let all = [&*STYLE, &*SCRIPT, &*ICON];
    all.into_iter().find(|known| known.name == name).map(|known| known.asset)
}

pub(crate) fn style() -> &'static str {
    &STYLE.name
}

pub(crate) fn script() -> &'static str {
    &SCRIPT.name
}

pub(crate) fn icon() -> &'static str {
    &ICON.name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_change_with_the_bytes() {
        for (name, kind) in
            [(style(), "text/css"), (script(), "text/javascript"), (icon(), "image")]
        {
            assert!(asset(name).unwrap().content_type.starts_with(kind), "{name}");
            assert!(asset(&name.replace('-', "-0")).is_none());
        }
        assert!(asset("console.css").is_none());
        let one = named("a", ".css", Asset { content_type: "", text: "1" });
        let other = named("a", ".css", Asset { content_type: "", text: "2" });
        assert_ne!(one.name, other.name);
    }
}
