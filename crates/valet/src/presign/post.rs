//! `valet presign-post`: makes browser forms and prints them.

mod page;

use jiff::Timestamp;
use presign::{Endpoint, FormFields, PostCondition, PresignPost, PresignedPost};
use serde::{Serialize, Serializer};
use server::disposition;

use crate::args::post::{FormOptions, SuccessStatus};
use crate::args::{self, Life};
use crate::failure::Failure;
use crate::location::S3Uri;
use crate::output::quoted;
use crate::{clock, output};

use super::Maker;
use super::ask::ExpiryQuestion;
use super::expiry::{Expiry, Limit};
use super::limits::SIZE_MAX;
use super::link::{EarlyDeath, LinkError, LinkSigner, borrowed, pair};

/// The placeholder in a key for the name of the chosen file.
const FILE_NAME: &str = "${filename}";
/// The form field in which the uploader names the type of the file.
const CONTENT_TYPE: &str = "Content-Type";

pub(crate) fn run(arguments: &args::post::PresignPost) -> Result<(), Failure> {
    let args::post::FormFormat { json: _, html, curl } = arguments.format;
    let mut options = arguments.form.clone();
    if html && options.redirect.is_none() {
        // With an empty answer, a browser would show nothing.
        options.success_status.get_or_insert(SuccessStatus::Created);
    }
    // Wrong usage is reported before anybody is asked for credentials.
    let form = Form::new(&arguments.target, &options)?;
    let mut maker = Maker::new(&arguments.aws, options.offline)?;
    let now = clock::now();
    let told = maker.ask(form.question(), form.early_death, now)?;
    let expiry = Expiry::of(form.life, maker.signer.session(), told.as_ref(), now);
    let made = maker.signer.sign_form(&form, &expiry, now)?;
    if let Some(caution) = expiry.caution() {
        output::note(caution);
    }
    if html || curl {
        let printed = if html { page::of(&made, &form, &expiry) } else { curl_line(&made, &form) };
        return output::result(&printed);
    }
    output::result(&Json::of(&made, &expiry).write()?)
}

/// A form that is to be made.
#[derive(Debug)]
struct Form {
    uri: S3Uri,
    life: Life,
    early_death: EarlyDeath,
    fields: Vec<(String, String)>,
    /// The beginning of the types that the uploader may choose.
    type_prefix: Option<String>,
    sizes: Option<(u64, u64)>,
    bucket_domain: Option<Endpoint>,
}

impl Form {
    fn new(uri: &str, options: &FormOptions) -> Result<Self, LinkError> {
        let mut uri = S3Uri::parse(uri)?;
        let key = uri.key.as_mut().ok_or(LinkError::FormNeedsObject)?;
        if key.ends_with('/') {
            key.push_str(FILE_NAME);
        }
        let mut fields = Vec::new();
        let type_prefix = options.content_type_starts_with.clone();
        if let Some(content_type) = options.content_type.as_ref().or(type_prefix.as_ref()) {
            fields.push(pair(CONTENT_TYPE, content_type));
        }
        for text in &options.field {
            let field = text.split_once('=').filter(|(name, _)| !name.is_empty());
            let (name, value) = field.ok_or_else(|| LinkError::Field(text.clone()))?;
            fields.push(pair(name, value));
        }
        if let Some(status) = options.success_status {
            fields.push(pair("success_action_status", status.as_str()));
        }
        if let Some(page) = &options.redirect {
            if !page.starts_with("http://") && !page.starts_with("https://") {
                return Err(LinkError::Redirect(page.clone()));
            }
            fields.push(pair("success_action_redirect", page));
        }
        let sizes = match (options.min_size, options.max_size) {
            (None, None) => None,
            (min, max) => Some((min.unwrap_or(0), max.unwrap_or(SIZE_MAX))),
        };
        if sizes.is_some_and(|(min, max)| min > max) {
            return Err(LinkError::Sizes);
        }
        let early_death = EarlyDeath::of(options.expires_in, options.strict, options.trim)?;
        Ok(Self {
            uri,
            life: options.expires_in,
            early_death,
            fields,
            type_prefix,
            sizes,
            bucket_domain: options.bucket_domain.clone(),
        })
    }

    fn key(&self) -> &str {
        self.uri.key.as_deref().unwrap_or_default()
    }

    fn question(&self) -> ExpiryQuestion<'_> {
        ExpiryQuestion { method: "POST", uri: &self.uri, version_id: None, life: self.life }
    }

    fn conditions(&self) -> Vec<PostCondition<'_>> {
        let prefix = self.type_prefix.as_deref();
        let of_type = prefix.map(|prefix| PostCondition::StartsWith(CONTENT_TYPE, prefix));
        let of_size = self.sizes.map(|(min, max)| PostCondition::ContentLengthRange(min, max));
        of_type.into_iter().chain(of_size).collect()
    }
}

impl LinkSigner {
    fn sign_form(
        &mut self,
        form: &Form,
        expiry: &Expiry,
        now: Timestamp,
    ) -> Result<PresignedPost, LinkError> {
        let expires_in = form.early_death.expires_in(form.life, expiry, now)?;
        let (endpoint, addressing) =
            self.service.at(&form.uri.bucket, form.bucket_domain.as_ref())?;
        let (fields, conditions) = (borrowed(&form.fields), form.conditions());
        let form = PresignPost::new(&endpoint, &form.uri.bucket, form.key(), expires_in)
            .with_addressing(addressing)
            .with_fields(&fields)
            .with_conditions(&conditions);
        Ok(self.presigner.presign_post(&form, now)?)
    }
}

/// The form as JSON: part of the command's contract.
#[derive(Serialize)]
struct Json<'a> {
    url: &'a str,
    fields: InOrder<'a>,
    requested_expires_at: String,
    effective_expires_at: Option<String>,
    limited_by: &'a [Limit],
    fingerprint: String,
}

impl<'a> Json<'a> {
    fn of(made: &'a PresignedPost, expiry: &'a Expiry) -> Self {
        let PresignedPost { url, fields, fingerprint, .. } = made;
        let Expiry { requested_end, effective_end, limited_by, works: _ } = expiry;
        Self {
            url,
            fields: InOrder(fields),
            requested_expires_at: requested_end.to_string(),
            effective_expires_at: effective_end.map(|end| end.to_string()),
            limited_by,
            fingerprint: fingerprint.to_string(),
        }
    }

    fn write(&self) -> anyhow::Result<String> {
        output::json(self)
    }
}

/// The fields as one JSON object, in the order in which they must be sent.
struct InOrder<'a>(&'a FormFields);

impl Serialize for InOrder<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter())
    }
}

/// The `curl` command that uploads a file, ready to paste. The file has the name of the object, or is `FILE` if
/// the object gets the name of the file.
fn curl_line(made: &PresignedPost, form: &Form) -> String {
    let mut words = vec!["curl --fail-with-body".to_owned()];
    for (name, value) in made.fields.iter() {
        // Unlike `--form`, this option interprets nothing in a value.
        words.push(format!("--form-string {}", quoted(&format!("{name}={value}"))));
    }
    let name = if form.key().contains(FILE_NAME) { "FILE" } else { form.uri.file_name() };
    let name = disposition::safe_name(name).unwrap_or_else(|| "object".to_owned());
    let name = name.replace('\\', "\\\\").replace('"', "\\\"");
    words.push(format!("--form {}", quoted(&format!("file=@\"{name}\""))));
    words.push(quoted(&made.url));
    words.join(" ")
}

#[cfg(test)]
mod tests;
