//! `valet cp`: one file or object, or all of a folder, in either direction or on the server.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use indicatif::HumanBytes;
use reqwest::Method;
use serde::Serialize;

use super::list::Pages;
use super::place::{End, as_folder, note_nothing_below};
use super::wire::{Operation, S3, Target};
use super::{content_type, download, upload};
use crate::args::objects::Cp;
use crate::failure::Failure;
use crate::location::S3Uri;
use crate::output::{self, Form};
use crate::{table, transfer};

/// The deepest nesting of folders. Anything deeper is taken for a loop.
const DEPTH_MAX: usize = 128;

pub(crate) fn run(arguments: &Cp) -> Result<(), Failure> {
    let ends = (End::parse(&arguments.source)?, End::parse(&arguments.target)?);
    let streams = matches!(ends, (End::Stream, _) | (_, End::Stream));
    if arguments.recursive && streams {
        return Err(Failure::usage(anyhow!("--recursive is for folders, and not for `-`")));
    }
    let target_is_file = matches!(ends, (End::Object(_), End::File(_) | End::Stream));
    if target_is_file && arguments.content_type.is_some() {
        let words = "--content-type is for what is stored: a file has no type";
        return Err(Failure::usage(anyhow!(words)));
    }
    if matches!(ends, (End::Object(_), End::Stream)) && arguments.remote.form() == Form::Json {
        return Err(Failure::usage(anyhow!("--json and `-` are both for standard output")));
    }
    transfer::block_on(async {
        let copy = Copy { s3: S3::connect(&arguments.remote.aws).await?, arguments };
        match ends {
            (End::Object(source), End::Object(target)) => copy.on_server(&source, &target).await,
            (End::Object(source), target) => copy.down(source, target).await,
            (source, End::Object(target)) => copy.up(source, &target).await,
            (End::File(_) | End::Stream, End::File(_) | End::Stream) => {
                Err(Failure::usage(anyhow!("one of the two is at the server: s3://bucket/key")))
            }
        }
    })
}

/// An object that the server copies.
#[derive(Clone, Copy)]
struct Origin<'o> {
    bucket: &'o str,
    key: &'o str,
    /// The size, if a listing told it.
    size: Option<u64>,
}

/// What was stored, as `--json` prints it.
#[derive(Serialize)]
struct Copied<'c> {
    uri: &'c str,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    etag: &'c str,
    #[serde(skip_serializing_if = "Option::is_none")]
    version_id: Option<String>,
    /// The checksums of the sent bytes that hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    verified: Option<&'c [&'c str]>,
}

struct Copy<'c> {
    s3: S3,
    arguments: &'c Cp,
}

impl Copy<'_> {
    async fn up(&self, source: End, target: &S3Uri) -> Result<(), Failure> {
        let prefix = target.key.as_deref().unwrap_or_default();
        let End::File(path) = source else {
            let key = named(prefix, None)?;
            return self.upload(None, &target.bucket, &key).await;
        };
        if !self.arguments.recursive {
            if path.is_dir() {
                let path = path.display();
                return Err(Failure::usage(anyhow!("{path} is a folder: add --recursive")));
            }
            let key = named(prefix, path.file_name().and_then(OsStr::to_str))?;
            return self.upload(Some(&path), &target.bucket, &key).await;
        }
        let mut files = Vec::new();
        walk(&path, DEPTH_MAX, &mut files)?;
        if files.is_empty() {
            output::note(format_args!("{} has no files", path.display()));
        }
        for file in files {
            let below = file.strip_prefix(&path).unwrap_or(&file);
            let name = key_of(below).ok_or_else(|| {
                anyhow!("{}: a key is UTF-8, and this name is not", file.display())
            })?;
            self.upload(Some(&file), &target.bucket, &(as_folder(prefix) + &name)).await?;
        }
        Ok(())
    }

    async fn upload(&self, path: Option<&Path>, bucket: &str, key: &str) -> Result<(), Failure> {
        let by_name = || content_type::of_name(path.unwrap_or(Path::new(key)));
        let content_type = self.arguments.content_type.as_deref().or_else(by_name);
        let goal = upload::UploadTarget { bucket, key, content_type };
        let stored = upload::run(&self.s3, path, goal, self.arguments.quiet).await?;
        let uri = format!("s3://{bucket}/{key}");
        if !self.arguments.quiet {
            output::note(format_args!("{} stored; {}", HumanBytes(stored.size), stored.words));
        }
        let upload::Stored { size, etag, version_id, words: _, verified } = stored;
        let (size, verified) = (Some(size), Some(verified));
        self.tell(&uri, &Copied { uri: &uri, size, etag: &etag, version_id, verified })
    }

    async fn down(&self, source: S3Uri, target: End) -> Result<(), Failure> {
        let End::File(path) = target else {
            return download::to_stream(&self.s3, source, self.arguments.quiet).await;
        };
        let prefix = source.key.clone().unwrap_or_default();
        if !self.arguments.recursive {
            let is_folder = path.is_dir() || path.as_os_str().as_encoded_bytes().ends_with(b"/");
            let path = if is_folder { path.join(source.file_name()) } else { path };
            if prefix.is_empty() || (is_folder && prefix.ends_with('/')) {
                let words = "name an object, s3://bucket/key, or add --recursive";
                return Err(Failure::usage(anyhow!(words)));
            }
            return self.download(source, path).await;
        }
        let (named, prefix) = (&*prefix, as_folder(&prefix));
        let (mut found, mut left_out) = (0, 0_u64);
        let mut pages = Pages::of_all(&self.s3, &source.bucket, &prefix);
        while let Some(page) = pages.next().await? {
            found += page.objects.len();
            for object in page.objects {
                let name = object.key.strip_prefix(&*prefix).unwrap_or(&object.key);
                let Some(below) = path_of(name) else {
                    // A key that ends in `/` stands for a folder, which is created with its files.
                    if !name.is_empty() && !name.ends_with('/') {
                        left_out += 1;
                        let key = table::shown(&object.key);
                        output::note(format_args!(
                            "`{key}` is left out: it cannot be a file's name"
                        ));
                    }
                    continue;
                };
                let from = S3Uri { bucket: source.bucket.clone(), key: Some(object.key.clone()) };
                self.download(from, path.join(below)).await?;
            }
        }
        if found == 0 {
            note_nothing_below(&source.bucket, named);
        }
        if left_out > 0 {
            let objects = if left_out == 1 { "object was" } else { "objects were" };
            return Err(Failure::failed(anyhow!("{left_out} {objects} left out")));
        }
        Ok(())
    }

    async fn download(&self, source: S3Uri, path: PathBuf) -> Result<(), Failure> {
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            let made = std::fs::create_dir_all(folder);
            made.with_context(|| folder.display().to_string())?;
        }
        let fetched =
            download::to_file(&self.s3, source, path.clone(), self.arguments.quiet).await?;
        let shown = path.display().to_string();
        self.tell(&shown, &fetched.told(&shown))
    }

    async fn on_server(&self, source: &S3Uri, target: &S3Uri) -> Result<(), Failure> {
        let target_prefix = target.key.as_deref().unwrap_or_default();
        let source_key = source.key.as_deref().unwrap_or_default();
        if !self.arguments.recursive {
            if source_key.is_empty() {
                return Err(Failure::usage(anyhow!("name an object, or add --recursive")));
            }
            let key = named(target_prefix, Some(source.file_name()))?;
            let from = Origin { bucket: &source.bucket, key: source_key, size: None };
            return self.copy(from, &target.bucket, &key).await;
        }
        let (from, to) = (as_folder(source_key), as_folder(target_prefix));
        let mut pages = Pages::of_all(&self.s3, &source.bucket, &from);
        let mut found = 0;
        while let Some(page) = pages.next().await? {
            found += page.objects.len();
            for object in page.objects {
                let name = object.key.strip_prefix(&*from).unwrap_or(&object.key);
                let key = format!("{to}{name}");
                let size = Some(object.size);
                let from = Origin { bucket: &source.bucket, key: &object.key, size };
                self.copy(from, &target.bucket, &key).await?;
            }
        }
        if found == 0 {
            note_nothing_below(&source.bucket, source_key);
        }
        Ok(())
    }

    async fn copy(&self, from: Origin<'_>, to: &str, key: &str) -> Result<(), Failure> {
        let source = format!("/{}/{}", from.bucket, presign::encode_path(from.key.as_bytes()));
        let mut headers = vec![("x-amz-copy-source", &*source)];
        if let Some(content_type) = &self.arguments.content_type {
            headers.extend([
                ("content-type", &**content_type),
                ("x-amz-metadata-directive", "REPLACE"),
            ]);
        }
        let put = Operation::new(&Method::PUT, Target::object(to, key)).headers(&headers);
        let (answer, version_id) = self.s3.ask_of_version(put, "").await?;
        // S3 may report an error in the body of an answer that began with 200.
        let upload::Tagged { etag } = super::wire::parse(&answer)?;
        let uri = format!("s3://{to}/{key}");
        let (size, etag) = (from.size, transfer::bare_etag(&etag));
        self.tell(&uri, &Copied { uri: &uri, size, etag, version_id, verified: None })
    }

    /// Prints one line for each file or object copied.
    fn tell(&self, what: &str, whole: &impl Serialize) -> Result<(), Failure> {
        match self.arguments.remote.form() {
            Form::Json => output::answer(Form::Json, whole, []),
            Form::Lines => output::result(&table::shown(what)),
        }
    }
}

/// The key for a copy to `s3://bucket/prefix`. If the prefix ends in `/`, the name is kept below it.
fn named(prefix: &str, name: Option<&str>) -> Result<String, Failure> {
    if !prefix.is_empty() && !prefix.ends_with('/') {
        return Ok(prefix.to_owned());
    }
    let nameless = || Failure::usage(anyhow!("name the object: s3://bucket/key"));
    Ok(prefix.to_owned() + name.ok_or_else(nameless)?)
}

/// All files below a folder, sorted by name. Links to files are followed, links to folders are not.
fn walk(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<(), Failure> {
    let named = || folder.display().to_string();
    let Some(depth) = depth.checked_sub(1) else {
        return Err(Failure::failed(anyhow!("{}: too deep", named())));
    };
    let entries = std::fs::read_dir(folder).with_context(named)?;
    let mut entries = entries.collect::<std::io::Result<Vec<_>>>().with_context(named)?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let (path, kind) = (entry.path(), entry.file_type().with_context(named)?);
        if kind.is_dir() {
            walk(&path, depth, files)?;
        } else if path.is_file() {
            files.push(path);
        } else {
            output::note(format_args!("{} is left out: it is no file", path.display()));
        }
    }
    Ok(())
}

/// A path below the folder as a key.
fn key_of(below: &Path) -> Option<String> {
    let names: Option<Vec<_>> = below.iter().map(OsStr::to_str).collect();
    Some(names?.join("/"))
}

/// The path below the folder for a key. `None` if the key could lead out of it, as `../x` would.
fn path_of(name: &str) -> Option<PathBuf> {
    let fits = |segment: &str| {
        !segment.is_empty() && !matches!(segment, "." | "..") && !segment.contains('\0')
    };
    name.split('/').all(fits).then(|| PathBuf::from(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_targets() {
        let check = |prefix: &str, name: Option<&str>, expected: Option<&str>| {
            assert_eq!(named(prefix, name).ok().as_deref(), expected, "{prefix} {name:?}");
        };
        check("", Some("a.txt"), Some("a.txt"));
        check("dir/", Some("a.txt"), Some("dir/a.txt"));
        check("dir", Some("a.txt"), Some("dir"));
        check("dir", None, Some("dir"));
        check("dir/", None, None);
        check("", None, None);
    }

    #[test]
    fn no_key_leads_out_of_the_folder() {
        let check = |name: &str, holds: bool| assert_eq!(path_of(name).is_some(), holds, "{name}");
        check("a/b.txt", true);
        check("..a/b", true);
        for name in ["", "/", "/a", "a/", "a//b", "..", "../a", "a/../b", "./a", "a/.", "a\0b"] {
            check(name, false);
        }
    }
}
