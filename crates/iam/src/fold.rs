//! The one folding of letters' case for names of condition keys, and so for the names of tags in them.

/// A name as names are compared. Each letter by itself, in any alphabet: what a letter becomes must not depend
/// on those around it, which are others in a policy (`aws:ResourceTag/Name`) than in the tag itself.
pub fn fold_case(name: &str) -> String {
    name.chars().flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_folds_alike_wherever_it_stands() {
        for (one, other, same) in [
            ("Class", "class", true),
            ("\u{c9}tage", "\u{e9}TAGE", true),
            ("\u{39f}\u{394}\u{39f}\u{3a3}", "\u{3bf}\u{3b4}\u{3bf}\u{3c3}", true),
            ("a", "b", false),
        ] {
            assert_eq!(fold_case(one) == fold_case(other), same, "{one} {other}");
            let key = |tag: &str| fold_case(&format!("aws:ResourceTag/{tag}"));
            assert_eq!(key(one), format!("aws:resourcetag/{}", fold_case(one)));
        }
    }
}
