//! CanonicalRequest and StringToSign, as S3 builds them.
