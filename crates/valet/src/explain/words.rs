//! An explanation for people: the verdict first, then what mends it, then what the link is.

use server::{ExplainedCause, ExplainedGrant, ExplainedLink, ExplainedVerdict};

/// The most characters of a fingerprint that people are shown; they name it well enough.
const FINGERPRINT_CHARS: usize = 16;

/// Who explained the link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// The server, which knows policies, revocations and what is stored.
    Server,
    /// This program, which knows the text and perhaps the secret.
    Here,
}

pub(super) fn lines(explained: &ExplainedLink, source: Source) -> Vec<String> {
    let mut lines = vec![verdict(explained, source)];
    for cause in &explained.causes {
        let ExplainedCause { code, text, mend } = cause;
        lines.push(format!("  {code}: {text}"));
        lines.push(format!("    {mend}"));
    }
    if let Some(grant) = &explained.allows {
        grant_lines(grant, &mut lines);
    }
    for (name, value) in &explained.conditions {
        lines.push(row("condition", &format!("{name}={value}")));
    }
    if !explained.unsigned.is_empty() {
        lines.push(row("unsigned", &explained.unsigned.join("; ")));
    }
    if let Some(fingerprint) = &explained.fingerprint {
        let short: String = fingerprint.chars().take(FINGERPRINT_CHARS).collect();
        lines.push(row("fingerprint", &short));
    }
    lines.extend(explained.notes.iter().map(|note| row("note", note)));
    lines
}

fn verdict(explained: &ExplainedLink, source: Source) -> String {
    match explained.works {
        ExplainedVerdict::Yes if source == Source::Here => {
            "The link is signed rightly and in its time; policies and what is stored were not asked.".to_owned()
        }
        ExplainedVerdict::Yes => "The link works.".to_owned(),
        ExplainedVerdict::No => "The link does not work.".to_owned(),
        ExplainedVerdict::Unknown if explained.missing.is_empty() => {
            "Whether the link works is not known.".to_owned()
        }
        ExplainedVerdict::Unknown => {
            format!(
                "Whether the link works is not known without: {}.",
                explained.missing.join(", ")
            )
        }
    }
}

fn grant_lines(grant: &ExplainedGrant, lines: &mut Vec<String>) {
    let ExplainedGrant {
        operation,
        method: _,
        bucket,
        key,
        signer,
        region,
        from,
        until,
        limited_by,
    } = grant;
    lines.push(row("allows", operation));
    let object =
        if key.is_empty() { format!("s3://{bucket}") } else { format!("s3://{bucket}/{key}") };
    lines.push(row("object", &object));
    let place = region.as_ref().map(|region| format!(", for {region}")).unwrap_or_default();
    lines.push(row("signed by", &format!("{signer}{place}")));
    if let Some(from) = from {
        lines.push(row("from", from));
    }
    if let Some(until) = until {
        lines.push(row("until", &format!("{until} ({})", limited_by.join(", "))));
    }
}

fn row(name: &str, value: &str) -> String {
    format!("{name:<12}{value}")
}
