//! A link whose text was escaped, decoded or broken as a whole.

use super::{Change, Original};
use crate::encode::decode_component;
use crate::explain::attempt::Attempt;
use crate::explain::cause::CauseCode;
use crate::explain::pasted::UrlParts;

const COPY_PLAIN: &str =
    "Take the link as it was made, not out of the page's or the message's source.";

pub(super) fn changes(original: &Original<'_>) -> Vec<Change> {
    let text = original.text;
    let mut changes = Vec::new();
    let mut add = |mended: String, code: CauseCode, words: &str, mend: &str| {
        if mended != text {
            let attempt = Attempt::of(&UrlParts::of(&mended), original.question);
            changes.push(Change::new(attempt, code, words, mend));
        }
    };
    add(
        without_html(text),
        CauseCode::HtmlEscaped,
        "The link was escaped for HTML: it has &amp; where it should have &.",
        COPY_PLAIN,
    );
    add(
        ["\\u0026", "\\u0026amp;", "\\/", "\\&", "\\?", "\\="]
            .into_iter()
            .zip(["&", "&", "/", "&", "?", "="])
            .fold(text.to_owned(), |text, (escape, plain)| text.replace(escape, plain)),
        CauseCode::HtmlEscaped,
        "The link was escaped for JSON or a shell: it has a backslash, as in \\u0026, where it should have &.",
        COPY_PLAIN,
    );
    add(
        text.replace("=3D", "="),
        CauseCode::HtmlEscaped,
        "The link was escaped for mail (quoted-printable): it has =3D where it should have =.",
        COPY_PLAIN,
    );
    add(
        decoded(text),
        CauseCode::PathEncoding,
        "The whole link was percent-encoded once more, as if it were a parameter of another one.",
        "Decode it once before it is used.",
    );
    add(
        text.split_whitespace().collect::<Vec<_>>().concat(),
        CauseCode::ParameterChanged,
        "The link has blanks in it that it did not have when it was signed.",
        "Copy it again, without line breaks.",
    );
    add(
        text.replacen('#', "%23", 1),
        CauseCode::PathEncoding,
        "The key has a bare #: what follows it is never sent, and with it the signature.",
        "Write # in a key as %23.",
    );
    add(
        second_question_mark(text),
        CauseCode::PathEncoding,
        "The key has a bare ?, which ends the path too early.",
        "Write ? in a key as %3F.",
    );
    add(
        text.replacen("??", "?", 1),
        CauseCode::ParameterChanged,
        "The query begins with two question marks.",
        "Write one.",
    );
    changes
}

fn without_html(text: &str) -> String {
    ["&amp;amp;", "&amp;", "&AMP;", "&#38;", "&#x26;", "&#038;", "&amp%3B", "%26amp%3B"]
        .into_iter()
        .fold(text.to_owned(), |text, escape| text.replace(escape, "&"))
        .replace("&#61;", "=")
        .replace("&#x3D;", "=")
        .replace("&#39;", "'")
}

/// Only where the text has no query of its own: `https%3A%2F%2F`, or a `%3F` before the signature.
fn decoded(text: &str) -> String {
    let begins_encoded = text.get(..7).is_some_and(|start| {
        start.eq_ignore_ascii_case("https%3") || start.eq_ignore_ascii_case("http%3A")
    });
    if begins_encoded || !text.contains('?') {
        return String::from_utf8_lossy(&decode_component(text)).into_owned();
    }
    text.to_owned()
}

/// With all question marks but the last one encoded.
fn second_question_mark(text: &str) -> String {
    match text.rsplit_once('?') {
        Some((before, query)) if query.contains("X-Amz-") || query.contains("AWSAccessKeyId=") => {
            [&before.replace('?', "%3F"), "?", query].concat()
        }
        Some(_) | None => text.to_owned(),
    }
}
