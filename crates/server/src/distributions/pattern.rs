//! Path patterns of behaviours, and paths of invalidations.

/// Whether a pattern fits a path, both decoded: `*` stands for any characters, `?` for one. A slash at the beginning may be
/// left out.
pub(super) fn fits(pattern: &str, path: &str) -> bool {
    let bare = |text: &str| text.strip_prefix('/').unwrap_or(text).chars().collect::<Vec<_>>();
    let (pattern, path) = (bare(pattern), bare(path));
    let (mut at, mut read) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while let Some(character) = path.get(read) {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, read));
                at += 1;
            }
            Some(wanted) if *wanted == '?' || wanted == character => {
                at += 1;
                read += 1;
            }
            Some(_) | None => {
                let Some((of_star, from)) = star else { return false };
                star = Some((of_star, from + 1));
                at = of_star + 1;
                read = from + 1;
            }
        }
    }
    pattern.get(at..).unwrap_or_default().iter().all(|wanted| *wanted == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit_whole_paths() {
        for (pattern, path, expected) in [
            ("*", "/a/b", true),
            ("/*", "/", true),
            ("images/*.jpg", "/images/a/b.jpg", true),
            ("/images/*.jpg", "/images/a.jpg", true),
            ("images/*.jpg", "/images/a.jpg.txt", false),
            ("images/*.jpg", "/Images/a.jpg", false),
            ("*.js", "/app.js", true),
            ("*.js", "/app.json", false),
            ("a??.jpg", "/ant.jpg", true),
            ("a??.jpg", "/anti.jpg", false),
            ("a*b*c", "/a-b-b-c", true),
            ("a*b*c", "/a-c-b", false),
            ("a", "/a/", false),
            ("a/", "/a/", true),
            ("//a", "//a", true),
            ("/a", "//a", false),
            ("\u{e9}?", "/\u{e9}\u{e9}", true),
        ] {
            assert_eq!(fits(pattern, path), expected, "{pattern} {path}");
        }
        assert!(!fits(&"*a".repeat(100), &"a".repeat(99).replace("aa", "ab")));
    }
}
