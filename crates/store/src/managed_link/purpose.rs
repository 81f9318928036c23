//! What a managed link is for.

use presign::Fingerprint;

use crate::{BucketName, ObjectKey, VersionId};

/// What a managed link is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkPurpose {
    /// To get one object.
    Object {
        /// The bucket of the object.
        bucket: BucketName,
        /// The key of the object.
        key: ObjectKey,
        /// This version of the object; `None`: the latest.
        version: Option<VersionId>,
        /// The name that it is saved under; `None`: the last part of its key.
        filename: Option<String>,
        /// Whether a browser may show it instead of saving it.
        inline: bool,
    },
    /// To see which objects are below a prefix, and get them.
    Folder {
        /// The bucket of the objects.
        bucket: BucketName,
        /// How their keys begin.
        prefix: String,
    },
    /// To send files, which are put below a prefix.
    Request {
        /// The bucket that they are put into.
        bucket: BucketName,
        /// How their keys begin.
        prefix: String,
        /// How many, how large, and which.
        limits: FileLimits,
    },
    /// A presigned URL that the link signer has signed for the creator.
    Presigned {
        /// The bucket of the object.
        bucket: BucketName,
        /// The key of the object.
        key: ObjectKey,
        /// The method that the URL is for.
        method: String,
        /// Of the URL's signature.
        signature: Fingerprint,
    },
}

/// What may be sent to a request for files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileLimits {
    /// The most bytes of one file.
    pub max_bytes: Option<u64>,
    /// The most files.
    pub max_files: Option<u64>,
    /// The most bytes of all files together.
    pub max_total_bytes: Option<u64>,
    /// The media types, such as `image/*` or `application/pdf`, and the endings, such as `.pdf`; empty: any.
    pub types: Vec<String>,
    /// Whether the sender has to give a name.
    pub ask_name: bool,
    /// Whether the sender is asked for a note.
    pub ask_note: bool,
}

/// Whether somebody who opens a managed link sees a page first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Landing {
    /// A browser that navigates does, everything else is sent on.
    #[default]
    Auto,
    /// Everybody sees a page.
    Always,
    /// Nobody sees a page.
    Never,
}

impl LinkPurpose {
    /// The bucket that the link leads into.
    pub fn bucket(&self) -> &BucketName {
        match self {
            Self::Object { bucket, .. }
            | Self::Folder { bucket, .. }
            | Self::Request { bucket, .. }
            | Self::Presigned { bucket, .. } => bucket,
        }
    }

    /// The key of its object, or how the keys begin that it is for.
    pub fn key_or_prefix(&self) -> &str {
        match self {
            Self::Object { key, .. } | Self::Presigned { key, .. } => key.as_str(),
            Self::Folder { prefix, .. } | Self::Request { prefix, .. } => prefix,
        }
    }
}
