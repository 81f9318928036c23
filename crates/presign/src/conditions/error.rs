//! Why the conditions of a link cannot be kept.

/// Why the conditions of a link cannot be kept. A verifier that meets one refuses the link.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConditionError {
    /// A condition that this version does not know, or one that is not written in lower case.
    #[error("{name} is not a condition of a link that is known here")]
    Unknown {
        /// The parameter's name as it was given.
        name: String,
        /// The value of that parameter.
        value: String,
    },
    /// One condition twice: which of them counts would be a guess.
    #[error("{name} is given twice")]
    Repeated {
        /// The parameter's name.
        name: String,
        /// The second value.
        value: String,
    },
    /// A value that the condition cannot have.
    #[error("{name} must be {expected}")]
    Malformed {
        /// The parameter's name.
        name: String,
        /// Its value as it was given.
        value: String,
        /// What a value has to be, in words.
        expected: &'static str,
    },
}

impl ConditionError {
    /// The name of the parameter, and its value as it was given.
    pub fn parameter(&self) -> (&str, &str) {
        match self {
            Self::Unknown { name, value }
            | Self::Repeated { name, value }
            | Self::Malformed { name, value, expected: _ } => (name, value),
        }
    }
}
