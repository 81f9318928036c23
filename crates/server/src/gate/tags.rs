//! Tags as policies see them: case does not matter in their names.

use std::borrow::Cow;

use iam::Values;
use store::Tag;

/// The value of a tag by its name, in any case of letters. If several tags have the name, all of their values.
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

/// The value of a tag, by the tag's name.
pub(crate) fn tag_named<'t>(tags: &'t [Tag], name: &str) -> Option<Values<'t>> {
    named(tags.iter().map(|tag| (tag.key.as_str(), tag.value.as_str())), name)
}

/// The condition keys of a request that sets tags: `PREFIX/<name>` is the value of one tag, and `keys` are the
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
