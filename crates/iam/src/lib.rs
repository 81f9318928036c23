//! Who may do what. In this version: the envelope that keeps secrets sealed at rest.
//!
//! Pure: no clock, I/O, randomness or environment. Keys and nonces come in as arguments.

mod seal;

pub use seal::{
    MasterKey, MasterKeyId, NONCE_BYTES, Purpose, SEALED_OVERHEAD_BYTES, Sealer, UnsealError,
};
