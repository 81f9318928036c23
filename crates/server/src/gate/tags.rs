//! Tags as policies see them: by names whose letters' case does not matter.

use std::borrow::Cow;

use iam::Values;
use store::Tag;

/// The value that goes by a name, whose letters' case does not matter to policies; where several do,
/// each of them.
pub(crate) fn named<'t>(
    pairs: impl Iterator<Item = (&'t str, &'t str)>,
    name: &str,
) -> Option<Values<'t>> {
    let alike = pairs.filter(|(key, _)| iam::fold_case(key) == name);
    let mut values: Vec<Cow<'t, str>> = alike.map(|(_, value)| value.into()).collect();
    match values.len() {
        0 => None,
        1 => values.pop().map(Values::One),
        _ => Some(Values::Alike(values)),
    }
}

/// The value of a tag by its name.
pub(crate) fn tag_named<'t>(tags: &'t [Tag], name: &str) -> Option<Values<'t>> {
    named(tags.iter().map(|tag| (tag.key.as_str(), tag.value.as_str())), name)
}

/// The keys of a request that brings tags: `PREFIX/<name>` for the value of one, and `keys` for the
/// names of all.
pub(crate) fn request_tag<'t>(
    tags: &'t [Tag],
    key: &str,
    (prefix, keys): (&str, &str),
) -> Option<Values<'t>> {
    if key == keys {
        let names: Vec<_> = tags.iter().map(|tag| tag.key.as_str().into()).collect();
        return (!names.is_empty()).then_some(Values::Many(names));
    }
    tag_named(tags, key.strip_prefix(prefix)?)
}
