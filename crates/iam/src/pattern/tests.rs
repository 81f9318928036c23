//! Patterns against texts: what they mean, that a simpler reading means the same, and what they cost.

use proptest::prelude::*;

use super::*;
use crate::work::VALUE_BYTES_MAX;

struct Tags;

impl Context for Tags {
    fn values(&self, key: &str) -> Option<Values<'_>> {
        match key {
            "aws:username" => Some(Values::One("ann".into())),
            "aws:principaltag/star" => Some(Values::One("a*".into())),
            "aws:tagkeys" => Some(Values::Many(vec!["x".into()])),
            _ => None,
        }
    }
}

fn check(pattern: &str, text: &str, expected: Option<bool>) {
    let steps = Steps::new(1 << 20);
    let at = Circumstance {
        context: &Tags,
        steps: &steps,
        unknowns: &Unknowns::default(),
        shared: Shared::Nothing,
    };
    let read = Pattern::new(pattern, Syntax { variables: true, wildcards: true });
    assert_eq!(read.matches(text, at), expected, "{pattern} on {text}");
}

#[test]
fn wildcards_match_runs_and_single_characters() {
    for (pattern, text, expected) in [
        ("", "", true),
        ("", "a", false),
        ("*", "", true),
        ("a", "a", true),
        ("a", "ab", false),
        ("a*", "a", true),
        ("a*b", "a/x/b", true),
        ("a*b", "a/x/bc", false),
        ("*b*", "abc", true),
        ("a?c", "abc", true),
        ("a?c", "aéc", true),
        ("a?c", "ac", false),
        ("?", "", false),
        ("*?", "a", true),
        ("*?", "", false),
        ("a**c", "abc", true),
        ("*aab", "aaaab", true),
        ("*a*a*a*b", &"a".repeat(500), false),
        ("A", "a", false),
    ] {
        check(pattern, text, Some(expected));
    }
    let steps = Steps::new(1 << 20);
    for (pattern, text, expected) in [
        ("s3:get*", "S3:GetObject", true),
        ("s3:geté", "s3:getx", false),
        ("*GETobj*", "s3:GetObjectVersion", true),
        ("*get?bject*ion", "s3:GetObjectVERSION", true),
        ("*get?bject*?ionx", "s3:GetObjectVERSION", false),
    ] {
        let read = Pattern::wildcards(pattern);
        assert_eq!(read.matches_plain(text, Case::Ignored, &steps), expected, "{pattern} {text}");
    }
}

#[test]
fn variables_stand_for_plain_text() {
    for (pattern, text, expected) in [
        ("home/${aws:username}/*", "home/ann/x", Some(true)),
        ("home/${AWS:UserName}/*", "home/bob/x", Some(false)),
        ("${aws:PrincipalTag/star}", "a*", Some(true)),
        ("${aws:PrincipalTag/star}", "ab", Some(false)),
        ("${aws:PrincipalTag/none}", "", None),
        ("${aws:PrincipalTag/none, 'all'}", "all", Some(true)),
        ("${aws:PrincipalTag/none,'all'}", "all", Some(true)),
        ("${aws:username, 'all'}", "all", Some(false)),
        ("${aws:PrincipalTag/none, all}", "all", None),
        ("${aws:TagKeys}", "x", None),
        ("a${*}", "a*", Some(true)),
        ("a${*}", "ab", Some(false)),
        ("a${?}", "ab", Some(false)),
        ("${$}{x}", "${x}", Some(true)),
        ("${aws:username", "ann", None),
        ("$a", "$a", Some(true)),
    ] {
        check(pattern, text, expected);
    }
    let steps = Steps::new(1 << 20);
    let at = Circumstance {
        context: &Tags,
        steps: &steps,
        unknowns: &Unknowns::default(),
        shared: Shared::Nothing,
    };
    let plain = Pattern::new("${aws:username}", Syntax { variables: false, wildcards: true });
    assert_eq!(plain.matches("${aws:username}", at), Some(true));
}

/// The same question to somebody in no hurry: every way to read every `*` is tried.
fn naive(pattern: &[char], text: &[char]) -> bool {
    match (pattern.split_first(), text.split_first()) {
        (None, None) => true,
        (Some(('*', rest)), None) => naive(rest, text),
        (Some(('*', rest)), Some((_, after))) => naive(rest, text) || naive(pattern, after),
        (Some(('?', rest)), Some((_, after))) => naive(rest, after),
        (Some((own, rest)), Some((letter, after))) => own == letter && naive(rest, after),
        (None, Some(_)) | (Some(_), None) => false,
    }
}

fn letters(text: &str) -> Vec<char> {
    text.chars().collect()
}

fn same_as_naive(pattern: &str, text: &str) -> Result<(), TestCaseError> {
    let steps = Steps::new(1 << 30);
    let lower = |text: &str| letters(&text.to_ascii_lowercase());
    let read = Pattern::wildcards(pattern);
    let found = read.matches_plain(text, Case::Sensitive, &steps);
    prop_assert_eq!(found, naive(&letters(pattern), &letters(text)), "{} {}", pattern, text);
    let found = read.matches_plain(text, Case::Ignored, &steps);
    prop_assert_eq!(found, naive(&lower(pattern), &lower(text)), "{} {}", pattern, text);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn a_simpler_reading_means_the_same(
        pattern in "[aAbéß€*?]{0,8}",
        text in "[aAbéß€]{0,10}",
    ) {
        same_as_naive(&pattern, &text)?;
    }

    /// Long enough between two `*` for the automaton, over the edge of a word too.
    #[test]
    fn so_does_the_automaton(
        wanted in "[ab€?]{0,150}",
        before in "[ab€]{0,3}",
        after in "[ab€]{0,3}",
        other in "[ab€]{1}",
        fits in any::<bool>(),
    ) {
        let found = wanted.replace('?', &other);
        let found = if fits { found } else { found.replacen('a', "b", 1) };
        same_as_naive(&format!("*{wanted}*"), &format!("{before}{found}{after}"))?;
        same_as_naive(&format!("*{wanted}*a"), &format!("{before}{found}{after}"))?;
    }

    /// Variables are replaced first, and what they stand for is text.
    #[test]
    fn values_of_variables_are_text(before in "[a*?]{0,3}", after in "[n*?]{0,3}", text in "(a|n|a\\*){0,5}") {
        let steps = Steps::new(1 << 20);
        let at = Circumstance {
        context: &Tags,
        steps: &steps,
        unknowns: &Unknowns::default(),
        shared: Shared::Nothing,
    };
        let pattern = format!("{before}${{aws:PrincipalTag/star}}{after}");
        let read = Pattern::new(&pattern, Syntax { variables: true, wildcards: true });
        let plain = format!("{before}aS{after}");
        let text_of = text.replace("a*", "aS");
        let expected = naive(&letters(&plain), &letters(&text_of));
        prop_assert_eq!(read.matches(&text, at), Some(expected), "{} {}", pattern, text);
    }
}

/// The steps of a match are bounded by the lengths, whatever was thought up; trying each place anew takes
/// their product.
#[test]
fn the_cost_is_bounded_by_the_lengths() {
    const STEPS_A_BYTE_MAX: u64 = 64;
    let runs = |unit: &str, bytes: usize| unit.repeat(bytes / unit.len());
    let texts =
        [runs("a", VALUE_BYTES_MAX), runs("ab", VALUE_BYTES_MAX), runs("é", VALUE_BYTES_MAX)];
    let mut worst = 0;
    for unit in ["a?", "*a?", "?", "*?", "a", "*a", "a?a?a?a?a?", "*a?a?a?a?a?", "*éa", "*ab?ab"] {
        for bytes in [64, 512, 2048, VALUE_BYTES_MAX] {
            for pattern in [format!("*{}b", runs(unit, bytes)), format!("*{}*b", runs(unit, bytes))]
            {
                for text in &texts {
                    let steps = Steps::new(u64::MAX);
                    let read = Pattern::wildcards(&pattern);
                    for case in [Case::Sensitive, Case::Ignored] {
                        let _found = read.matches_plain(text, case, &steps);
                    }
                    let lengths = u64::try_from(2 * (pattern.len() + text.len())).unwrap();
                    let a_byte = steps.used() / lengths;
                    assert!(a_byte <= STEPS_A_BYTE_MAX, "{unit} of {bytes}: {a_byte} a byte");
                    worst = worst.max(a_byte);
                }
            }
        }
    }
    // The count counts: an automaton of 64 words was there.
    assert!(worst >= 16, "{worst}");
}
