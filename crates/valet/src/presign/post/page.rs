//! The page that uploads when it is opened, wherever it was saved. It is a plain form, which needs no CORS
//! permission, and a script that only makes it friendlier.

use presign::PresignedPost;

use super::{CONTENT_TYPE, Form};
use crate::presign::expiry::Expiry;

const TEMPLATE: &str = include_str!("page.html");

/// The whole page, with all values filled in.
pub(super) fn of(made: &PresignedPost, form: &Form, expiry: &Expiry) -> String {
    let fields: String = made.fields.iter().map(|(name, value)| hidden(name, value)).collect();
    let accept = match &form.type_prefix {
        Some(prefix) if prefix.ends_with('/') => format!(" accept=\"{}*\"", escaped(prefix)),
        Some(_) | None => String::new(),
    };
    let limits = form
        .sizes
        .map_or(String::new(), |(min, max)| format!(" data-min=\"{min}\" data-max=\"{max}\""));
    let target = format!("{}/{}", form.uri.bucket, form.key());
    let end = expiry.effective_end.unwrap_or(made.expires_at).to_string();
    // The values come last, so that none is taken for a placeholder.
    let parts = [
        ("{{url}}", escaped(&made.url)),
        ("{{type}}", form.type_prefix.as_deref().map(escaped).unwrap_or_default()),
        ("{{accept}}", accept),
        ("{{limits}}", limits),
        ("{{target}}", escaped(&target)),
        ("{{end}}", escaped(&end)),
        ("{{fields}}", fields),
    ];
    fill(TEMPLATE.trim_end(), &parts)
}

/// Replaces every placeholder with its value, in one pass.
fn fill(template: &str, parts: &[(&str, String)]) -> String {
    let mut page = String::with_capacity(template.len() + 4096);
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{") {
        let place = after.split_once("}}");
        let known = place.and_then(|(name, tail)| {
            let (_, value) = parts.iter().find(|(part, _)| *part == format!("{{{{{name}}}}}"))?;
            Some((value, tail))
        });
        page.push_str(before);
        let Some((value, tail)) = known else {
            page.push_str("{{");
            rest = after;
            continue;
        };
        page.push_str(value);
        rest = tail;
    }
    page.push_str(rest);
    page
}

fn hidden(name: &str, value: &str) -> String {
    let marked = if name == CONTENT_TYPE { " id=\"type\"" } else { "" };
    format!(
        "<input type=\"hidden\"{marked} name=\"{}\" value=\"{}\">\n",
        escaped(name),
        escaped(value)
    )
}

/// Escapes text for an attribute or element.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}
