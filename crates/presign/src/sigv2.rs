//! Signature Version 2 query authentication.
