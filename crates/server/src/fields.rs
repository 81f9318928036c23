//! The fields of a form that was proven.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use presign::FormFields;

/// How the names of fields begin that are metadata of the object.
pub(crate) const METADATA: &str = "x-amz-meta-";

/// What a form asks for, once it is proven.
#[derive(Debug)]
pub(crate) struct Form {
    /// With the name of the file put in.
    pub(crate) fields: FormFields,
    /// How many bytes the policy allows the file.
    pub(crate) sizes: RangeInclusive<u64>,
    /// About how many it has, by what was announced.
    pub(crate) file_size: Option<u64>,
}

impl Form {
    /// A field's value; nothing where it is not there.
    pub(crate) fn field(&self, name: &str) -> Option<Cow<'_, str>> {
        self.fields.get(name)
    }

    /// User metadata, which is text here: names without the prefix and in lower case, in their order.
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
