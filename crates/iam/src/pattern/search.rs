//! What stands between two `*`, and where a text has it first.

use super::Case;
use super::tokens::Token;
use crate::work::Steps;

/// Up to so many bytes, trying every place costs less than an automaton's tables.
const TRIED_BYTES_MAX: usize = 8;
const WORD_BITS: usize = 64;
/// Words of the tables for each word of states: one a byte.
const BYTES: usize = 256;

/// What stands between two `*`: text and `?`, no `*`.
#[derive(Default)]
pub(super) struct Segment<'t> {
    tokens: Vec<Token<'t>>,
    /// What it takes of a text at least, in bytes.
    bytes_min: usize,
    has_ones: bool,
}

impl<'t> Segment<'t> {
    pub(super) fn clear(&mut self) {
        self.tokens.clear();
        (self.bytes_min, self.has_ones) = (0, false);
    }

    pub(super) fn push(&mut self, token: Token<'t>) {
        let bytes = if let Token::Text(text) = token { text.len() } else { 1 };
        self.bytes_min = self.bytes_min.saturating_add(bytes);
        self.has_ones |= token == Token::One;
        self.tokens.push(token);
    }

    /// Whether a text ends in it.
    pub(super) fn ends(&self, text: &str, case: Case) -> bool {
        let stripped =
            self.tokens.iter().rev().try_fold(text, |rest, token| strip_end(rest, *token, case));
        stripped.is_some()
    }

    /// What follows the first place where a text has it.
    pub(super) fn find<'x>(&self, text: &'x str, case: Case, steps: &Steps) -> Option<&'x str> {
        if self.bytes_min > text.len() {
            return None;
        }
        let end = match self.tokens.as_slice() {
            [] => Some(0),
            [Token::Text(only)] if case == Case::Sensitive => find_text(text, only),
            several if case == Case::Sensitive && !self.has_ones => {
                let text_of =
                    |token: &Token<'t>| if let Token::Text(text) = token { *text } else { "" };
                find_text(text, &several.iter().map(text_of).collect::<String>())
            }
            _ if self.bytes_min <= TRIED_BYTES_MAX => {
                return self.find_by_trying(text, case, steps);
            }
            _ => Automaton::new(self, case).find(text, steps),
        };
        steps.spend(end.unwrap_or(text.len()));
        text.get(end?..)
    }

    fn find_by_trying<'x>(&self, text: &'x str, case: Case, steps: &Steps) -> Option<&'x str> {
        let mut from = text;
        while from.len() >= self.bytes_min {
            steps.spend(self.bytes_min);
            let found =
                self.tokens.iter().try_fold(from, |rest, token| strip_start(rest, *token, case));
            if found.is_some() {
                return found;
            }
            from = after_one(from)?;
        }
        None
    }
}

fn find_text(text: &str, wanted: &str) -> Option<usize> {
    text.find(wanted)?.checked_add(wanted.len())
}

/// The text without a token at its start.
pub(super) fn strip_start<'x>(text: &'x str, token: Token<'_>, case: Case) -> Option<&'x str> {
    match (token, case) {
        (Token::Text(start), Case::Sensitive) => text.strip_prefix(start),
        (Token::Text(start), Case::Ignored) => {
            let (own, rest) = text.split_at_checked(start.len())?;
            own.eq_ignore_ascii_case(start).then_some(rest)
        }
        (Token::One, _) => after_one(text),
        (Token::Any | Token::Variable(_) | Token::Broken, _) => None,
    }
}

fn strip_end<'x>(text: &'x str, token: Token<'_>, case: Case) -> Option<&'x str> {
    match (token, case) {
        (Token::Text(end), Case::Sensitive) => text.strip_suffix(end),
        (Token::Text(end), Case::Ignored) => {
            let (rest, own) = text.split_at_checked(text.len().checked_sub(end.len())?)?;
            own.eq_ignore_ascii_case(end).then_some(rest)
        }
        (Token::One, _) => {
            let mut characters = text.chars();
            characters.next_back()?;
            Some(characters.as_str())
        }
        (Token::Any | Token::Variable(_) | Token::Broken, _) => None,
    }
}

fn after_one(text: &str) -> Option<&str> {
    let mut characters = text.chars();
    characters.next()?;
    Some(characters.as_str())
}

/// Shift-And over bytes: bit `n` of the states says that the first `n + 1` bytes of the segment end
/// here. A `?` is one state, which a character's first byte enters and its others keep.
struct Automaton {
    words: usize,
    /// For each byte the states that it may enter, `words` words each.
    enters: Vec<u64>,
    /// The states that bytes within a character keep.
    stays: Vec<u64>,
    last: u64,
}

impl Automaton {
    fn new(segment: &Segment<'_>, case: Case) -> Self {
        let words = segment.bytes_min.div_ceil(WORD_BITS);
        let rest = segment.bytes_min.saturating_sub(1) % WORD_BITS;
        let last = 1_u64.rotate_left(u32::try_from(rest).unwrap_or(0));
        let enters = vec![0; words.saturating_mul(BYTES)];
        let mut automaton = Self { words, enters, stays: vec![0; words], last };
        let mut state = 0;
        for token in &segment.tokens {
            match token {
                Token::Text(text) => {
                    for byte in text.bytes() {
                        automaton.enter(state, byte);
                        if case == Case::Ignored {
                            automaton.enter(state, byte.to_ascii_lowercase());
                            automaton.enter(state, byte.to_ascii_uppercase());
                        }
                        state += 1;
                    }
                }
                Token::One => {
                    (0..=u8::MAX)
                        .filter(|byte| !continues(*byte))
                        .for_each(|byte| automaton.enter(state, byte));
                    let (word, bit) = place(state);
                    if let Some(stays) = automaton.stays.get_mut(word) {
                        *stays |= bit;
                    }
                    state += 1;
                }
                Token::Any | Token::Variable(_) | Token::Broken => {}
            }
        }
        automaton
    }

    fn enter(&mut self, state: usize, byte: u8) {
        let (word, bit) = place(state);
        let at = usize::from(byte).saturating_mul(self.words).saturating_add(word);
        if let Some(enters) = self.enters.get_mut(at) {
            *enters |= bit;
        }
    }

    /// Where the first match ends.
    fn find(&self, text: &str, steps: &Steps) -> Option<usize> {
        steps.spend(self.enters.len());
        let mut states = vec![0_u64; self.words];
        for (at, byte) in text.bytes().enumerate() {
            steps.spend(self.words);
            if steps.is_spent() {
                return None;
            }
            let from = usize::from(byte).saturating_mul(self.words);
            let enters = self.enters.get(from..from.saturating_add(self.words))?;
            // A match may begin at every byte: what cannot begin there is not entered.
            let mut carried = 1;
            for ((state, enters), stays) in states.iter_mut().zip(enters).zip(&self.stays) {
                let kept = if continues(byte) { *state & stays } else { 0 };
                let moved = state.rotate_left(1);
                let next = (((moved & !1) | carried) & enters) | kept;
                carried = moved & 1;
                *state = next;
            }
            if states.last().is_some_and(|state| state & self.last != 0) {
                // A `?` at the end has been entered by the first byte of its character.
                return (at + 1..=text.len()).find(|end| text.is_char_boundary(*end));
            }
        }
        None
    }
}

fn place(state: usize) -> (usize, u64) {
    let bit = u32::try_from(state % WORD_BITS).unwrap_or(0);
    (state / WORD_BITS, 1_u64.rotate_left(bit))
}

/// Whether a byte goes on with a character.
fn continues(byte: u8) -> bool {
    byte & 0b1100_0000 == 0b1000_0000
}
