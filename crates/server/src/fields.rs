//! The fields of a browser form whose signature was verified.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use presign::FormFields;

/// Fields whose names begin so are user metadata of the object.
pub(crate) const METADATA: &str = "x-amz-meta-";

/// A form whose signature was verified.
#[derive(Debug)]
pub(crate) struct Form {
    /// The fields, with `${filename}` replaced by the name of the file.
    pub(crate) fields: FormFields,
    /// The lengths that the policy allows for the file, in bytes.
    pub(crate) sizes: RangeInclusive<u64>,
    /// The approximate length of the file, as announced.
    pub(crate) file_size: Option<u64>,
}

impl Form {
    /// The value of a field; `None` if the form does not have it.
    pub(crate) fn field(&self, name: &str) -> Option<Cow<'_, str>> {
        self.fields.get(name)
    }

    /// User metadata of the object: names in lower case without the prefix, in their order. Values are text,
    /// unlike those of headers.
    pub(crate) fn metadata(&self) -> Vec<(String, String)> {
        let named =
            |field: &str| field.to_ascii_lowercase().strip_prefix(METADATA).map(str::to_owned);
        let names: BTreeSet<String> =
            self.fields.iter().filter_map(|(field, _)| named(field)).collect();
        let valued = |name: String| {
            let value = self.field(&format!("{METADATA}{name}")).unwrap_or_default().into_owned();
            (name, value)
        };
        names.into_iter().map(valued).collect()
    }
}
