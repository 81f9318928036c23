//! What is known about a finished link, and the forms in which it is printed.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use presign::Presigned;
use qrcode::render::unicode::Dense1x2;
use qrcode::{EcLevel, QrCode};
use serde::Serialize;
use server::disposition;

use crate::args::Method;
use crate::output::{self, TerminalSize, quoted};
use crate::presign::expiry::{Expiry, Limit, ToldMembers};
use crate::presign::link::Link;
use crate::transfer;

/// The light margin around a QR code that readers need: the sum of both sides.
const QUIET_MODULES: usize = 8;

/// A link, and when it really ends.
#[derive(Debug)]
pub(crate) struct Answer {
    presigned: Presigned,
    expiry: Expiry,
}

/// The answer as JSON: part of the command's contract.
#[derive(Serialize)]
struct Json<'a> {
    url: &'a str,
    method: &'a str,
    headers: BTreeMap<&'a str, &'a str>,
    requested_expires_at: String,
    effective_expires_at: Option<String>,
    limited_by: &'a [Limit],
    fingerprint: String,
    #[serde(flatten)]
    told: ToldMembers<'a>,
}

impl Answer {
    pub(crate) fn new(presigned: Presigned, expiry: Expiry) -> Self {
        Self { presigned, expiry }
    }

    pub(crate) fn url(&self) -> &str {
        &self.presigned.url
    }

    /// All that is known, on one line.
    pub(crate) fn json(&self) -> Result<String> {
        let Presigned { method, url, headers, fingerprint, .. } = &self.presigned;
        let Expiry { requested_end, effective_end, limited_by, works: _ } = &self.expiry;
        let json = Json {
            url,
            method,
            headers: headers.iter().map(|(name, value)| (&**name, &**value)).collect(),
            requested_expires_at: requested_end.to_string(),
            effective_expires_at: effective_end.map(|end| end.to_string()),
            limited_by,
            fingerprint: fingerprint.to_string(),
            told: self.expiry.told(),
        };
        output::json(&json)
    }

    /// A warning for a person: the link would be refused, or may end earlier than asked.
    pub(crate) fn caution(&self) -> Option<String> {
        self.expiry.caution()
    }

    /// The `curl` command that uses the link, ready to paste.
    pub(crate) fn curl(&self, link: &Link) -> String {
        let name = link.filename.as_deref().unwrap_or(link.uri.file_name());
        let file = quoted(&disposition::safe_name(name).unwrap_or_else(|| "object".to_owned()));
        let of_object = link.uri.key.is_some();
        let mut words = vec!["curl".to_owned()];
        if self.url().split('?').next().unwrap_or_default().split('/').any(transfer::is_folded) {
            words.push("--path-as-is".to_owned());
        }
        words.push(match link.method {
            // With `--output`, the body of an error would be written to the file.
            Method::Get if of_object => format!("--fail --output {file}"),
            Method::Get => "--fail-with-body".to_owned(),
            Method::Put if of_object => format!("--fail-with-body --upload-file {file}"),
            Method::Put => "--fail-with-body --request PUT".to_owned(),
            Method::Head => "--head".to_owned(),
            Method::Delete => "--fail-with-body --request DELETE".to_owned(),
        });
        for (name, value) in &self.presigned.headers {
            // `curl` sends a header without a value only if it is written with a semicolon.
            let header =
                if value.is_empty() { format!("{name};") } else { format!("{name}: {value}") };
            words.push(format!("--header {}", quoted(&header)));
        }
        words.push(quoted(self.url()));
        words.join(" ")
    }

    pub(crate) fn qr(&self, terminal: Option<TerminalSize>) -> Result<String> {
        qr_code(self.url(), terminal)
    }
}

/// A QR code for a terminal with a dark background, two modules in one character.
pub(crate) fn qr_code(url: &str, terminal: Option<TerminalSize>) -> Result<String> {
    let code = QrCode::with_error_correction_level(url, EcLevel::L)
        .context("the URL does not fit into a QR code")?;
    let mut drawing = code.render::<Dense1x2>();
    let drawing = drawing.dark_color(Dense1x2::Light).light_color(Dense1x2::Dark).build();
    if let Some(TerminalSize { columns, rows }) = terminal {
        let (width, height) = (code.width() + QUIET_MODULES, drawing.lines().count());
        ensure!(
            width <= columns && height < rows,
            "the QR code needs {width} columns and {} lines, and the terminal has {columns} and \
                 {rows}: make it larger, or its letters smaller",
            height + 1
        );
    }
    Ok(drawing)
}
