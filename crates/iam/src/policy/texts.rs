//! The words of a policy in one allocation, and lists of them.

use std::marker::PhantomData;

use crate::policy::PolicyError;

/// Every word of a policy, in order.
#[derive(Debug)]
pub(super) struct Texts {
    all: Box<str>,
    /// For each word the byte at which it ends, which is where the next one begins.
    ends: Box<[u32]>,
}

/// A range of words that follow one another, by their numbers: from `first` to the one before `after`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) first: u32,
    pub(super) after: u32,
}

/// Words while they are gathered.
#[derive(Debug, Default)]
pub(super) struct Gathering {
    all: String,
    ends: Vec<u32>,
}

impl Gathering {
    /// Adds a word and says which one it is.
    pub(super) fn push(&mut self, word: &str) -> Result<u32, PolicyError> {
        let place = self.place()?;
        self.all.push_str(word);
        self.ends.push(number(self.all.len())?);
        Ok(place)
    }

    /// Adds words one after another, and returns the range of their numbers.
    pub(super) fn extend<'w>(
        &mut self,
        words: impl IntoIterator<Item = &'w str>,
    ) -> Result<Span, PolicyError> {
        let first = self.place()?;
        for word in words {
            self.push(word)?;
        }
        Ok(Span { first, after: self.place()? })
    }

    fn place(&self) -> Result<u32, PolicyError> {
        number(self.ends.len())
    }

    pub(super) fn finish(self) -> Texts {
        Texts { all: self.all.into_boxed_str(), ends: self.ends.into_boxed_slice() }
    }
}

/// A document is far too short for what does not fit.
fn number(number: usize) -> Result<u32, PolicyError> {
    u32::try_from(number).map_err(|_| PolicyError::TooLong { bytes: number })
}

impl Texts {
    /// A word by its place; there is nothing at a place that was never given.
    pub(super) fn get(&self, place: u32) -> &str {
        let place = usize::try_from(place).unwrap_or(usize::MAX);
        let end = |place: usize| self.ends.get(place).and_then(|end| usize::try_from(*end).ok());
        let start = place.checked_sub(1).map_or(Some(0), end);
        let word = start.zip(end(place)).and_then(|(start, end)| self.all.get(start..end));
        word.unwrap_or_default()
    }

    pub(super) fn weight_bytes(&self) -> usize {
        self.all.len().saturating_add(size_of_val(&*self.ends))
    }
}

/// What a word is in its list.
pub(crate) trait Entry<'p>: Sized {
    /// `variables`: whether the policy's language has them.
    fn of(word: &'p str, variables: bool) -> Self;
}

/// A list of a policy, its entries read as they are asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct List<'p, T> {
    texts: &'p Texts,
    span: Span,
    variables: bool,
    of: PhantomData<T>,
}

impl<'p, T: Entry<'p>> List<'p, T> {
    pub(super) fn new(texts: &'p Texts, span: Span, variables: bool) -> Self {
        Self { texts, span, variables, of: PhantomData }
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = T> + Clone {
        let Self { texts, span, variables, of: _ } = self;
        (span.first..span.after).map(move |place| T::of(texts.get(place), variables))
    }
}
