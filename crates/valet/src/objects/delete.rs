//! `valet rm`, and what `valet rb --force` does first.

use anyhow::anyhow;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest as _, Md5};
use reqwest::{Method, StatusCode};
use serde::Deserialize;
use serde_json::json;

use super::list::{Object, Pages};
use super::place::{as_folder, note_nothing_below};
use super::wire::{Operation, S3, Target, parse};
use crate::args::objects::Rm;
use crate::failure::Failure;
use crate::location::S3Uri;
use crate::output::{self, Form};
use crate::{refusal, table};

/// The part of a `DeleteObjects` answer about objects that were not deleted.
#[derive(Debug, Deserialize)]
struct Outcome {
    #[serde(rename = "Error", default)]
    errors: Vec<Refused>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Refused {
    key: String,
    code: String,
    message: String,
}

pub(super) async fn run(s3: &S3, place: &S3Uri, arguments: &Rm, form: Form) -> Result<(), Failure> {
    let S3Uri { bucket, key } = place;
    let named = key.as_deref().unwrap_or_default();
    let folder = as_folder(named);
    let key = if arguments.recursive { &*folder } else { named };
    let mut deleted = Vec::new();
    let mut told = |key: &str| {
        let uri = format!("s3://{bucket}/{key}");
        if form == Form::Json {
            deleted.push(uri);
            return Ok(());
        }
        output::result(&table::shown(&uri))
    };
    let done = match (arguments.recursive, arguments.dry_run) {
        (true, true) => {
            let mut pages = Pages::of_all(s3, bucket, key);
            let mut found = 0;
            while let Some(page) = pages.next().await? {
                page.objects.iter().try_for_each(|object| told(&object.key))?;
                found += page.objects.len();
            }
            if found == 0 {
                note_nothing_below(bucket, named);
            }
            Ok(())
        }
        (true, false) => all(s3, bucket, key, told).await.map(|deleted| {
            if deleted == 0 {
                note_nothing_below(bucket, named);
            }
        }),
        (false, true) => match stored(s3, bucket, key).await {
            Ok(true) => told(key),
            Ok(false) => Ok(()),
            Err(failure) => Err(failure),
        },
        (false, false) => {
            s3.ask(Operation::new(&Method::DELETE, Target::object(bucket, key)), "").await?;
            told(key)
        }
    };
    if form == Form::Json {
        let name = if arguments.dry_run { "would_delete" } else { "deleted" };
        output::answer(form, &json!({ (name): deleted }), [])?;
    }
    done
}

/// Whether an object exists. If the caller may not look, it is taken to exist: whoever may delete need not be
/// allowed to read.
async fn stored(s3: &S3, bucket: &str, key: &str) -> Result<bool, Failure> {
    let head = Operation::new(&Method::HEAD, Target::object(bucket, key));
    let response = s3.answer(head, "").await?;
    match response.status() {
        StatusCode::NOT_FOUND => {
            let uri = table::shown(&format!("s3://{bucket}/{key}"));
            output::note(format_args!("nothing is stored under {uri}"));
            Ok(false)
        }
        StatusCode::FORBIDDEN => {
            output::note("whether it is stored is not known: you may not look it up");
            Ok(true)
        }
        status if status.is_success() => Ok(true),
        _ => Err(refusal::read_own(response).await),
    }
}

/// Deletes all objects whose keys begin with the prefix, one page of the listing at a time. Prints them, and
/// returns their number.
pub(super) async fn all(
    s3: &S3,
    bucket: &str,
    prefix: &str,
    mut told: impl FnMut(&str) -> Result<(), Failure>,
) -> Result<u64, Failure> {
    let mut deleted = 0;
    let mut refused = Vec::new();
    let mut pages = Pages::of_all(s3, bucket, prefix);
    while let Some(page) = pages.next().await? {
        if page.objects.is_empty() {
            continue;
        }
        let errors = delete(s3, bucket, &page.objects).await?;
        for Object { key, .. } in &page.objects {
            // An XML reader trims the text that it reads.
            if !errors.iter().any(|error| error.key.trim() == key.trim()) {
                deleted += 1;
                told(key)?;
            }
        }
        refused.extend(errors);
    }
    let Some(Refused { key, code, message }) = refused.first() else { return Ok(deleted) };
    let (key, said) =
        (table::shown(key), [code, message].map(|text| table::shown(text)).join(": "));
    let words = anyhow!("{} not deleted, the first of them `{key}`: {said}", refused.len());
    Err(if code == "AccessDenied" { Failure::denied(words) } else { Failure::failed(words) })
}

async fn delete(s3: &S3, bucket: &str, objects: &[Object]) -> Result<Vec<Refused>, Failure> {
    let (writable, unwritable): (Vec<_>, Vec<_>) =
        objects.iter().partition(|object| object.key.chars().all(is_writable));
    for Object { key, .. } in unwritable {
        s3.ask(Operation::new(&Method::DELETE, Target::object(bucket, key)), "").await?;
    }
    let named = writable.iter().fold(String::new(), |named, Object { key, .. }| {
        named + "<Object><Key>" + &text(key) + "</Key></Object>"
    });
    if named.is_empty() {
        return Ok(Vec::new());
    }
    let body = format!(
        "<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Quiet>true</Quiet>{named}</Delete>"
    );
    let md5 = STANDARD.encode(Md5::digest(body.as_bytes()));
    let headers = [("content-md5", &*md5)];
    let post = Operation::new(&Method::POST, Target::bucket(bucket));
    let answer = s3.ask(post.query(&[("delete", "")]).headers(&headers), &body).await?;
    Ok(parse::<Outcome>(&answer)?.errors)
}

/// Whether XML can contain the character at all.
fn is_writable(c: char) -> bool {
    !c.is_control() || matches!(c, '\t' | '\n' | '\r' | '\u{7f}'..='\u{9f}')
}

/// A key as XML text. Characters that an XML reader would change or trim are written as references.
fn text(key: &str) -> String {
    let escaped = quick_xml::escape::escape(key);
    escaped.chars().fold(String::with_capacity(escaped.len()), |text, c| match c {
        '\t' | '\n' | '\r' | ' ' => text + &format!("&#{};", u32::from(c)),
        _ => text + c.encode_utf8(&mut [0; 4]),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_as_text() {
        assert_eq!(text("a&b<c>"), "a&amp;b&lt;c&gt;");
        assert_eq!(text(" a\n"), "&#32;a&#10;");
    }

    #[test]
    fn outcomes() {
        let errors = |answer: &str| parse::<Outcome>(answer).unwrap().errors.len();
        assert_eq!(errors("<DeleteResult xmlns=\"x\"/>"), 0);
        let error = "<Error><Key>k</Key><Code>AccessDenied</Code><Message>No.</Message></Error>";
        assert_eq!(errors(&format!("<DeleteResult>{error}{error}</DeleteResult>")), 2);
    }
}
