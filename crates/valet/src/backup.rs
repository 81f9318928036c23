//! `valet backup DEST` and `valet restore SRC`: copies of the store on this machine.

use anyhow::anyhow;
use indicatif::{HumanBytes, ProgressBar};
use serde::Serialize;
use store::{BackupError, Copied, CopyProgress, KeyInCopy, WithMasterKey};

use crate::args::{Backup, CopyOutput, Restore};
use crate::failure::Failure;
use crate::output::{self, Form};
use crate::transfer;

pub(crate) fn run(arguments: &Backup) -> Result<(), Failure> {
    let Backup { to, store, with_master_key, master_key_file, output } = arguments;
    let key = if *with_master_key {
        WithMasterKey::From(master_key_file.as_deref())
    } else {
        WithMasterKey::No
    };
    let copied = with_bar(output, |progress| store::backup(&store.data_dir, to, key, progress))?;
    match copied.master_key {
        KeyInCopy::Copied => {}
        KeyInCopy::No => output::note(
            "the master key is not in the backup: without it nothing in there can be read",
        ),
        KeyInCopy::OfBefore => output::note(format!(
            "the backup still has the master key of an earlier run, so whoever has the backup can read it. If it is \
             not to have the key, keep a copy of {} elsewhere, and remove it",
            to.join("master.key").display()
        )),
    }
    tell(output, &copied, &to.display().to_string())
}

pub(crate) fn restore(arguments: &Restore) -> Result<(), Failure> {
    let Restore { from, store, output } = arguments;
    let to = &store.data_dir;
    let copied = with_bar(output, |progress| match store::restore(from, to, progress) {
        // The target of a backup may hold an earlier backup of the same store. The target of a restore must be
        // empty.
        Err(BackupError::NotEmpty { dir }) => Ok(Err(dir)),
        other => other.map(Ok),
    })?;
    let copied = copied.map_err(|dir| {
        let dir = dir.display();
        Failure::usage(anyhow!(
            "{dir} is not empty: a backup is put back into a directory that is new or empty"
        ))
    })?;
    if copied.master_key == KeyInCopy::No {
        let place = to.join("master.key");
        output::note(format!(
            "the backup has no master key: put it to {}, or name it with --master-key-file",
            place.display()
        ));
    }
    tell(output, &copied, &to.display().to_string())
}

fn with_bar<T>(
    output: &CopyOutput,
    copy: impl FnOnce(&mut dyn FnMut(CopyProgress)) -> Result<T, BackupError>,
) -> Result<T, Failure> {
    let mut bar = ProgressBar::hidden();
    let copied = copy(&mut |CopyProgress { total, done }| {
        if done == 0 {
            bar = transfer::progress(output.quiet, Some(total));
        }
        bar.set_position(done);
    });
    bar.finish_and_clear();
    copied.map_err(failure)
}

fn failure(error: BackupError) -> Failure {
    match &error {
        BackupError::NoStore { .. }
        | BackupError::NoBackup { .. }
        | BackupError::NotEmpty { .. }
        | BackupError::Nested { .. }
        | BackupError::OtherStore { .. }
        | BackupError::OtherKey => Failure::usage(error),
        BackupError::Damaged { .. }
        | BackupError::Io { .. }
        | BackupError::Open(_)
        | BackupError::Store(_) => Failure::failed(error),
    }
}

#[derive(Serialize)]
struct Json<'a> {
    path: &'a str,
    objects: u64,
    files: u64,
    files_copied: u64,
    bytes_copied: u64,
    database_bytes: u64,
    master_key: bool,
}

fn tell(output: &CopyOutput, copied: &Copied, path: &str) -> Result<(), Failure> {
    let Copied { objects, files, files_copied, bytes_copied, database_bytes, master_key } = *copied;
    let master_key = master_key != KeyInCopy::No;
    let json =
        Json { path, objects, files, files_copied, bytes_copied, database_bytes, master_key };
    if !output.json && !output.quiet {
        output::note(format!(
            "{objects} objects; {files_copied} of {files} files copied, {}; database {}",
            HumanBytes(bytes_copied),
            HumanBytes(database_bytes)
        ));
    }
    let form = if output.json { Form::Json } else { Form::Lines };
    output::answer(form, &json, [path.to_owned()])
}
