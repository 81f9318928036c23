//! What refers to something leads there: `semantics 1.4.24a` to a clause of `docs/semantics.md`, a link
//! of a document to a file and a heading.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result};

use crate::sources::{self, SourceFile};

/// The page of the clauses.
const PAGE: &str = "docs/semantics.md";

/// How a clause is cited: this word, and then numbers.
const WORD: &str = "semantics";

/// Names of what is not in the repository, in pieces so that this file does not find itself.
const ELSEWHERE: [&str; 3] =
    [concat!("aws-", "semantics"), concat!("users-and-", "peers"), concat!("product", ".md")];

/// How a test of the clients begins whose name has the number of a clause.
const NUMBERED_TEST: &str = "def test_";

/// Everything that leads nowhere, as `path:line: what`.
pub(crate) fn violations() -> Result<Vec<String>> {
    let texts = sources::texts()?;
    let page = texts.iter().find(|source| source.path == PAGE).context(PAGE)?;
    let (clauses, mut violations) = clauses_of(page);
    let headings: BTreeMap<&str, BTreeSet<String>> =
        documents(&texts).map(|source| (source.path.as_str(), anchors(&source.text))).collect();
    for source in texts.iter().filter(|source| !source.path.ends_with("package-lock.json")) {
        violations.extend(lost(source, &clauses));
    }
    for source in documents(&texts) {
        violations.extend(broken_links(source, &headings));
    }
    Ok(violations)
}

fn documents(texts: &[SourceFile]) -> impl Iterator<Item = &SourceFile> {
    texts
        .iter()
        .filter(|source| source.path.rsplit_once('.').is_some_and(|(_, ending)| ending == "md"))
}

/// The numbers of the page's headings and clauses, and those that it gives twice.
fn clauses_of(page: &SourceFile) -> (BTreeSet<String>, Vec<String>) {
    let mut clauses = BTreeSet::new();
    let mut twice = Vec::new();
    for (line, number) in page.text.lines().zip(1..) {
        let line = line.trim_start().trim_start_matches("- ");
        let clause = match line.split_once(' ') {
            Some((mark, rest)) if mark.starts_with('#') => rest.split(' ').next(),
            Some(("|", rest)) => rest.split(' ').next(),
            _ => line.strip_prefix("**").and_then(|rest| rest.split("**").next()),
        };
        let clause = clause.filter(|clause| is_clause(clause) || *clause == "F");
        if let Some(clause) = clause.filter(|clause| !clauses.insert((*clause).to_owned())) {
            twice.push(format!("{}:{number}: there are two clauses {clause}", page.path));
        }
    }
    (clauses, twice)
}

/// Whether it is spelled as the number of a chapter, a section, a clause or a rule.
fn is_clause(text: &str) -> bool {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if let Some(rule) = text.strip_prefix('F') {
        return digits(rule);
    }
    let parts: Vec<&str> = text.split('.').collect();
    match parts.as_slice() {
        [first, second, third] => {
            digits(first)
                && digits(second)
                && digits(third.trim_end_matches(|letter: char| letter.is_ascii_lowercase()))
        }
        parts => parts.len() < 3 && parts.iter().all(|part| digits(part)),
    }
}

/// A word of a text, and the line where it stands.
type Word<'a> = (usize, &'a str);

/// References of one file that lead nowhere, and clauses that are cited in another spelling.
fn lost(source: &SourceFile, clauses: &BTreeSet<String>) -> Vec<String> {
    let mut found = Vec::new();
    for (line, number) in source.text.lines().zip(1..) {
        let named = ELSEWHERE.into_iter().filter(|name| line.contains(name));
        found.extend(named.map(|name| format!("{number}: {name} is not in the repository")));
        let clause = numbered_test(line).filter(|clause| !clauses.contains(clause));
        found.extend(clause.map(|clause| format!("{number}: there is no clause {clause}")));
    }
    let words = words(&source.text);
    let mut at = 0;
    while let Some((number, word)) = words.get(at).copied() {
        let (cited, behind) = citation(&words, at);
        let unknown = cited.iter().filter(|(_, clause)| !clauses.contains(*clause));
        found.extend(unknown.map(|(line, clause)| format!("{line}: there is no clause {clause}")));
        if cited.is_empty() && is_bare(&words, at, clauses) && is_comment(source, number) {
            found.push(format!("{number}: {word} is cited without the word {WORD}"));
        }
        at = behind;
    }
    found.iter().map(|what| format!("{}:{what}", source.path)).collect()
}

/// The words of a text without the marks of comments, so that a reference may go on in the next line.
fn words(text: &str) -> Vec<Word<'_>> {
    let lines = text.lines().zip(1..);
    lines
        .flat_map(|(line, number)| {
            let line = line.trim_start().trim_start_matches(['/', '!', '#']);
            line.split_whitespace().map(move |word| (number, word))
        })
        .collect()
}

/// Without what stands before and after it in a sentence.
fn trimmed(word: &str) -> &str {
    word.trim_matches(|mark: char| !mark.is_ascii_alphanumeric())
}

/// The numbers that are cited there, as a list with commas or as a range with `to`, and where what is behind
/// them begins.
fn citation<'a>(words: &[Word<'a>], at: usize) -> (Vec<Word<'a>>, usize) {
    let mut cited = Vec::new();
    let mut behind = at + 1;
    if words.get(at).is_none_or(|(_, word)| trimmed(word) != WORD) {
        return (cited, behind);
    }
    while let Some((line, word)) = words.get(behind).copied() {
        let clause = trimmed(word);
        if !is_clause(clause) {
            break;
        }
        cited.push((line, clause));
        behind += 1;
        match (word.strip_prefix(clause), words.get(behind)) {
            (Some(","), _) => {}
            (Some(""), Some((_, "to"))) => behind += 1,
            _ => break,
        }
    }
    (cited, behind)
}

/// Whether a number of a clause stands there alone: one of three parts anywhere, one of two only behind a
/// bracket, for there are other numbers of two parts.
fn is_bare(words: &[Word<'_>], at: usize, clauses: &BTreeSet<String>) -> bool {
    let Some((_, word)) = words.get(at) else { return false };
    let number = trimmed(word);
    let parts = number.split('.').count();
    let after_rfc = at.checked_sub(2).and_then(|before| words.get(before));
    let is_of_rfc = after_rfc.is_some_and(|(_, before)| trimmed(before) == "RFC");
    clauses.contains(number) && !is_of_rfc && (parts == 3 || parts == 2 && word.starts_with('('))
}

/// Whether a line is a comment of a language.
fn is_comment(source: &SourceFile, line: usize) -> bool {
    let line = source.text.lines().nth(line - 1).unwrap_or_default().trim_start();
    match source.path.rsplit('.').next() {
        Some("rs" | "js" | "mjs") => sources::is_comment(line),
        Some("py") => line.starts_with('#'),
        _ => false,
    }
}

/// The number in the name of a test of the clients: `def test_1_4_24a_the_region`; of `12_c` the 12.
fn numbered_test(line: &str) -> Option<String> {
    let name = line.strip_prefix(NUMBERED_TEST)?;
    let parts = name.split('_').take(3);
    let parts: Vec<&str> =
        parts.take_while(|part| part.starts_with(|digit: char| digit.is_ascii_digit())).collect();
    (parts.len() > 1).then(|| parts.join("."))
}

/// Links of a document to files and headings that are not there.
fn broken_links(source: &SourceFile, documents: &BTreeMap<&str, BTreeSet<String>>) -> Vec<String> {
    let mut found = Vec::new();
    for (number, target) in links(&source.text) {
        let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
        let path = if file.is_empty() { source.path.clone() } else { beside(&source.path, file) };
        let there = documents.get(path.as_str());
        if there.is_none() && !sources::root().join(&path).exists() {
            found.push(format!("{}:{number}: there is no {path}", source.path));
        } else if !anchor.is_empty() && !there.is_some_and(|anchors| anchors.contains(anchor)) {
            found.push(format!("{}:{number}: {path} has no heading #{anchor}", source.path));
        }
    }
    found
}

/// Where the links of a text go that are not of the web, outside of code.
fn links(text: &str) -> Vec<Word<'_>> {
    let mut found = Vec::new();
    let mut is_code = false;
    for (line, number) in text.lines().zip(1..) {
        is_code ^= line.trim_start().starts_with("```");
        if is_code {
            continue;
        }
        // Of the pieces between backquotes every other one is code.
        for piece in line.split('`').step_by(2) {
            let targets = piece.split("](").skip(1);
            found.extend(targets.filter_map(|rest| Some((number, rest.split_once(')')?.0))));
        }
    }
    found.retain(|(_, target)| !target.contains("://") && !target.starts_with("mailto:"));
    found
}

/// A path that stands in a document, from the root.
fn beside(document: &str, path: &str) -> String {
    let mut parts: Vec<&str> = document.split('/').collect();
    parts.pop();
    for part in path.split('/') {
        match part {
            "." | "" => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// The names under which GitHub shows the headings of a document.
fn anchors(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut is_code = false;
    for line in text.lines() {
        is_code ^= line.trim_start().starts_with("```");
        let heading = line.trim_start_matches('#');
        if is_code || heading.len() == line.len() || !heading.starts_with(' ') {
            continue;
        }
        let kept = heading.trim().chars().filter_map(|letter| match letter {
            ' ' => Some('-'),
            '-' | '_' => Some(letter),
            letter if letter.is_alphanumeric() => Some(letter),
            _ => None,
        });
        let anchor: String = kept.flat_map(char::to_lowercase).collect();
        let again = (1..).map(|number: u32| format!("{anchor}-{number}"));
        let mut names = std::iter::once(anchor.clone()).chain(again);
        found.extend(names.find(|name| !found.contains(name)));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reference_leads_somewhere() {
        assert_eq!(violations().unwrap(), Vec::<String>::new());
    }

    const CLAUSES: &str = "# Page\n\n## 1 One\n\n### 1.4 Four\n\n| 1.4.7 | seven |\n| ----- | - |\n\n\
                           **1.4.24a** Text.\n\n- **1.2.12f** Text. **3.1** is none.\n\n## F Rules\n\n\
                           | F10 | ten |\n";

    fn page(text: &str) -> SourceFile {
        SourceFile { path: PAGE.to_owned(), text: text.to_owned() }
    }

    #[test]
    fn the_page_gives_its_numbers_once() {
        let (clauses, twice) = clauses_of(&page(CLAUSES));
        let expected = ["1", "1.2.12f", "1.4", "1.4.24a", "1.4.7", "F", "F10"];
        assert_eq!(clauses.iter().map(String::as_str).collect::<Vec<_>>(), expected);
        assert_eq!(twice, Vec::<String>::new());
        let (_, twice) = clauses_of(&page(&format!("{CLAUSES}\n**1.4.7** Again.\n")));
        assert_eq!(twice, ["docs/semantics.md:18: there are two clauses 1.4.7"]);
    }

    /// `expected` are the complaints about a file of that text, without its path. In the text `§` is the
    /// word, so that this file does not find its rows.
    fn check(path: &str, text: &str, expected: &[&str]) {
        let (clauses, _) = clauses_of(&page(CLAUSES));
        let source = SourceFile { path: path.to_owned(), text: text.replace('§', WORD) };
        let expected: Vec<String> = expected.iter().map(|what| format!("{path}:{what}")).collect();
        assert_eq!(lost(&source, &clauses), expected, "{text}");
    }

    #[test]
    fn clauses_are_there() {
        let (rust, python) = ("crates/a/src/a.rs", "clients/test_a.py");
        for good in [
            "/// A rule (§ 1.4.24a).",
            "//! All of § 1.4, 1.4.7 and 2 others.",
            "/// Of § 1.2.12f to 1.4.7, 1.4.",
            "/// Semantics is a word, and § of a word too.",
            "/// Chapter (§ 1), and rule (§ F10)",
            "// (RFC 9110, 1.4.7), version (1.2.3) and factor 1.4.",
            "let address = (1.4.7, 3);",
        ] {
            check(rust, good, &[]);
        }
        check(rust, "// § 1.4.8", &["1: there is no clause 1.4.8"]);
        check(rust, "// § 1.4.24", &["1: there is no clause 1.4.24"]);
        check(rust, "\n// (§ 1.4, 1.5)", &["2: there is no clause 1.5"]);
        check(rust, "// § 1.4.7 to 1.4.9.", &["1: there is no clause 1.4.9"]);
        check(rust, "// § F11", &["1: there is no clause F11"]);
        check(rust, "// (semantics\n// 1.4.7,\n// 1.9)", &["3: there is no clause 1.9"]);
        check("docs/a.md", "as in § 2", &["1: there is no clause 2"]);
        check("a/b.json", "\"source\": \"§ 6.6\"", &["1: there is no clause 6.6"]);
        check(python, "# § 1.5", &["1: there is no clause 1.5"]);
        check(python, "def test_1_4_7_a_test(use):", &[]);
        check(python, "def test_1_4_24a_a_test(use):", &[]);
        check(python, "def test_100_mib(use):", &[]);
        check(python, "def test_1_4_8_a_test(use):", &["1: there is no clause 1.4.8"]);
        check(python, "def test_1_5_a_test(use):", &["1: there is no clause 1.5"]);
    }

    #[test]
    fn clauses_have_one_spelling() {
        let bare = |word: &str| format!("1: {word} is cited without the word semantics");
        let (rust, python) = ("crates/a/src/a.rs", "clients/test_a.py");
        check(rust, "/// A rule (1.4.24a).", &[&bare("(1.4.24a).")]);
        check(rust, "    // A chapter (1.4).", &[&bare("(1.4).")]);
        check(rust, "/// 1.4.7: a rule", &[&bare("1.4.7:")]);
        check(rust, "// § 1.4, 1.4.7 and 1.2.12f", &[&bare("1.2.12f")]);
        check(rust, "// § 1.4; 1.4.7", &[&bare("1.4.7")]);
        check(python, "    # 1.4.7", &[&bare("1.4.7")]);
        check(rust, "// factor 1.4", &[]);
        check("docs/a.md", "version (1.4.7)", &[]);
        for name in ELSEWHERE {
            let expected = format!("1: {name} is not in the repository");
            check(rust, &format!("// ({name} x)"), &[&expected]);
            check("docs/a.md", name, &[&expected]);
        }
    }

    /// `expected` are the complaints about the links of `docs/a.md`, without its path.
    fn check_links(text: &str, expected: &[&str]) {
        let source = SourceFile { path: "docs/a.md".to_owned(), text: text.to_owned() };
        let other =
            "# Other\n\n## What `it` says, twice\n\n## What it says twice\n\n```\n# Code\n```\n";
        let documents =
            BTreeMap::from([("docs/a.md", anchors(text)), ("docs/other.md", anchors(other))]);
        let expected: Vec<String> =
            expected.iter().map(|what| format!("docs/a.md:{what}")).collect();
        assert_eq!(broken_links(&source, &documents), expected, "{text}");
    }

    #[test]
    fn links_lead_to_files_and_headings() {
        for good in [
            "[a](other.md), [b](https://example.com/none.md#none) and [c](../README.md)",
            "[`a`](other.md#what-it-says-twice) and [b](other.md#what-it-says-twice-1)",
            "# It\n\n[here](#it), [there](../crates/xtask)",
            "`[a](none.md)`\n\n```\n[a](none.md)\n```",
        ] {
            check_links(good, &[]);
        }
        check_links("[a](none.md)", &["1: there is no docs/none.md"]);
        check_links("\n[`a` b](../none.md)", &["2: there is no none.md"]);
        check_links("[a](other.md#code)", &["1: docs/other.md has no heading #code"]);
        check_links(
            "[a](other.md#what-it-says-twice-2)",
            &["1: docs/other.md has no heading #what-it-says-twice-2"],
        );
        check_links("[a](#none)", &["1: docs/a.md has no heading #none"]);
        check_links(
            "[a](other.md) [b](./other.md#what)",
            &["1: docs/other.md has no heading #what"],
        );
    }
}
