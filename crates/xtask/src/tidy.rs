//! The conventions that a search of the text can check.

use std::path::Path;

use anyhow::{Context as _, Result};

use crate::sources::{self, SourceFile};

/// Lines a file may have before its unit tests.
const LINES_MAX: usize = 500;

/// Files that may be longer, each with the reason.
const LONGER: [(&str, &str); 0] = [];

/// Names that say nothing about what is inside.
const EMPTY_NAMES: [&str; 7] = ["common", "helpers", "manager", "types", "util", "utils", "v2"];

/// Unfinished work, in pieces so that this file does not find itself.
const UNFINISHED: [&str; 6] = [
    concat!("to", "do!("),
    concat!("unimple", "mented!("),
    concat!("unreach", "able!("),
    concat!("#[ign", "ore"),
    concat!("FIX", "ME"),
    concat!("XX", "X"),
];

/// The least number of words in a doc comment. Two words ("As sent.") leave out what was sent, and by whom.
const DOC_WORDS_MIN: usize = 3;

/// Where doc comments are the help texts of the command line, which are short on purpose.
const HELP_TEXTS: [&str; 2] = ["crates/valet/src/args.rs", "crates/valet/src/args/"];

/// How an attribute that silences a lint begins.
const ALLOW: &str = concat!("[al", "low(");

/// What the README must name: the two commands that a newcomer needs.
const README_COMMANDS: [&str; 2] = ["./dev up", "./dev test"];

/// Everything untidy, as `path:line: what`.
pub(crate) fn violations() -> Result<Vec<String>> {
    let mut violations: Vec<String> = sources::all()?.iter().flat_map(untidy).collect();
    let readme = std::fs::read_to_string(sources::root().join("README.md")).context("README.md")?;
    for command in README_COMMANDS.into_iter().filter(|command| !readme.contains(command)) {
        violations.push(format!("README.md: does not name `{command}`"));
    }
    Ok(violations)
}

/// What is untidy in one file.
fn untidy(source: &SourceFile) -> Vec<String> {
    let mut found = Vec::new();
    found.extend(bad_name(&source.path));
    found.extend(too_long(source));
    if !source.text.starts_with("//! ") {
        found.push("1: the first line must be `//! ` and say what the file is".to_owned());
    }
    for (number, line) in source.code_lines() {
        for word in UNFINISHED.iter().filter(|word| line.contains(**word)) {
            found.push(format!("{number}: unfinished: {word}"));
        }
    }
    found.extend(allows_without_reason(&source.text));
    found.extend(curt_comments(source));
    found.iter().map(|what| format!("{}:{what}", source.path)).collect()
}

fn bad_name(path: &str) -> Option<String> {
    let path = Path::new(path);
    if path.ends_with("mod.rs") {
        return Some("1: a module is `name.rs` beside `name/`".to_owned());
    }
    let parts = path.with_extension("");
    let empty =
        parts.iter().filter_map(|part| part.to_str()).find(|part| EMPTY_NAMES.contains(part))?;
    Some(format!("1: `{empty}` does not name an idea"))
}

fn too_long(source: &SourceFile) -> Option<String> {
    let lines = source.product_lines().count();
    let listed = LONGER.iter().any(|(path, _)| *path == source.path);
    (lines > LINES_MAX && !listed)
        .then(|| format!("1: {lines} lines without tests; the aim is {LINES_MAX}"))
}

/// Attributes that silence a lint without `reason = ".."`.
fn allows_without_reason(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut line = 1;
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(ALLOW) {
        line += before.matches('\n').count();
        let in_comment = sources::is_comment(before.rsplit('\n').next().unwrap_or_default());
        let attribute = after.split_once(")]").map_or(after, |(attribute, _)| attribute);
        if !in_comment && !attribute.contains("reason = ") {
            found.push(format!("{line}: a lint is allowed without a reason"));
        }
        rest = after;
    }
    found
}

/// Doc comments with too few words to say anything. Code in backticks, such as the route of an operation, may stand alone.
fn curt_comments(source: &SourceFile) -> Vec<String> {
    if HELP_TEXTS.iter().any(|help| source.path.starts_with(help)) {
        return Vec::new();
    }
    let mut found = Vec::new();
    let mut comment: Option<(usize, String)> = None;
    for (number, line) in source.product_lines().chain([(0, "")]) {
        if let Some(text) = line.trim_start().strip_prefix("///") {
            let (_, whole) = comment.get_or_insert((number, String::new()));
            whole.push_str(text);
        } else if let Some((number, whole)) = comment.take()
            && !whole.contains('`')
            && whole.split_whitespace().count() < DOC_WORDS_MIN
        {
            found.push(format!("{number}: too few words to understand:{whole}"));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sources_are_tidy() {
        assert_eq!(violations().unwrap(), Vec::<String>::new());
    }

    /// `expected` is the end of the one complaint about a file of that path and text.
    fn check(path: &str, text: &str, expected: Option<&str>) {
        let found = untidy(&SourceFile { path: path.to_owned(), text: text.to_owned() });
        match expected {
            None => assert_eq!(found, Vec::<String>::new(), "{path}"),
            Some(end) => {
                assert_eq!(found.len(), 1, "{found:?}");
                assert!(found[0].ends_with(end), "{found:?}");
            }
        }
    }

    #[test]
    fn each_rule_has_a_row() {
        let long = format!("//! Long.\n{}", "fn f() {}\n".repeat(LINES_MAX));
        check("crates/a/src/lib.rs", "//! A.\n", None);
        check("crates/a/src/lib.rs", "mod a;\n", Some("say what the file is"));
        check("crates/a/src/b/mod.rs", "//! B.\n", Some("`name.rs` beside `name/`"));
        check("crates/a/src/utils.rs", "//! U.\n", Some("`utils` does not name an idea"));
        check("crates/common/src/lib.rs", "//! C.\n", Some("`common` does not name an idea"));
        check("crates/a/src/long.rs", &long, Some("the aim is 500"));
        check("crates/a/tests/long.rs", &long, None);
        check("crates/a/src/long.rs", &format!("//! L.\n#[cfg(test)]\n{long}"), None);
        for word in UNFINISHED {
            check("crates/a/src/a.rs", &format!("//! A.\n    {word}\n"), Some(word));
            check("crates/a/src/a.rs", &format!("//! A.\n    // {word}\n"), None);
        }
        check(
            "crates/a/src/a.rs",
            "//! A.\n/// As sent.\nfn f() {}\n",
            Some("2: too few words to understand: As sent."),
        );
        check("crates/a/src/a.rs", "//! A.\n/// The value as\n/// it was sent.\nfn f() {}\n", None);
        check("crates/a/src/a.rs", "//! A.\n/// `GET /bucket`\nfn f() {}\n", None);
        check("crates/valet/src/args/a.rs", "//! A.\n/// Its name\nfn f() {}\n", None);
        let bare = format!("//! A.\n#{ALLOW}dead_code)]\n");
        check("crates/a/src/a.rs", &bare, Some("2: a lint is allowed without a reason"));
        let reasoned = format!("//! A.\n#!{ALLOW}\n  x,\n  reason = \"r\"\n)]\n");
        check("crates/a/src/a.rs", &reasoned, None);
    }
}
