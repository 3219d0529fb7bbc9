//! Records what the server sees while it runs: `--record FILE`.
//!
//! The hub writes bytes to a bounded [`Spool`], which never blocks; a thread moves them to the
//! disk. If the disk is too slow, events are left out, and the recording continues with a new
//! segment that says how many. If writing fails, the recording stops, but the server does not.

mod disk;
mod spool;
#[cfg(test)]
mod tests;

use std::fs::{self, File, OpenOptions};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};

use switchboard_core::recording::file::{HEAD_BYTES, Layout, NoRecording};
use switchboard_core::recording::{Payloads, Recorder};

use crate::config::{Record, RecordPayloads};

use disk::Disk;
use spool::Spool;

/// Segments in the file. With more, less is lost when the oldest is overwritten, but the whole hub
/// is written more often.
const PLACES: u32 = 4;

const MEGABYTE: u64 = 1024 * 1024;

/// Bytes that a busy connection adds to the hub's state, with what its rooms keep and the message
/// ids remembered for it.
const CONNECTION_BYTES: u64 = 2_000;

/// Returns the size that leaves half of each segment for events, given the size of the hub's state.
fn megabytes_for(hub_bytes: u64) -> u64 {
    hub_bytes.saturating_mul(2 * u64::from(PLACES)).div_ceil(MEGABYTE).max(1)
}

/// Returns a warning if the recording may be too small for this many connections.
fn doubt(megabytes: usize, connections: Option<usize>) -> Option<String> {
    let connections = connections?;
    let needed = megabytes_for((connections as u64).saturating_mul(CONNECTION_BYTES));
    (needed > megabytes as u64).then(|| {
        format!(
            "with {connections} connections the state of the hub may outgrow a segment of the recording, which \
             would then stop: record.megabytes (--record-size) is {megabytes}, and should be {needed}"
        )
    })
}

/// A recording in progress.
pub(crate) struct Recording {
    spool: Spool,
    thread: JoinHandle<()>,
}

impl Recording {
    /// Starts recording a server of at most `connections`, if a file is configured. An earlier
    /// recording there is renamed and kept.
    ///
    /// # Errors
    /// If the file cannot be created, or exists and is not a recording.
    pub(crate) fn start(
        config: &Record,
        connections: Option<usize>,
    ) -> Result<Option<(Self, Recorder<Spool>)>, Problem> {
        let Some(path) = &config.file else { return Ok(None) };
        let problem = |what: String| Problem { path: path.clone(), what };
        keep_previous(path).map_err(problem)?;
        let file = create(path).map_err(|error| problem(format!("cannot be created: {error}")))?;

        let random = RandomState::new();
        let size = u64::try_from(config.megabytes).unwrap_or(u64::MAX).saturating_mul(MEGABYTE);
        let layout = Layout {
            recording: random.hash_one(0),
            places: PLACES,
            place_bytes: (size - HEAD_BYTES as u64) / u64::from(PLACES),
        };
        let spool = Spool::new(layout.place_bytes);
        let payloads = match config.payloads {
            RecordPayloads::Keep => Payloads::Kept,
            RecordPayloads::Hash => Payloads::Hashed {
                key: [RandomState::new().hash_one(1), RandomState::new().hash_one(2)],
            },
        };
        let disk = Disk::new(file, layout, path.clone());
        let for_thread = spool.clone();
        let thread = thread::Builder::new()
            .name("recorder".into())
            .spawn(move || disk.run(&for_thread))
            .map_err(|error| problem(format!("the thread that writes it cannot start: {error}")))?;
        tracing::info!(
            "recording to {}, at most {} MB, {}",
            path.display(),
            config.megabytes,
            match config.payloads {
                RecordPayloads::Keep => "with payloads",
                RecordPayloads::Hash => "payloads hashed",
            }
        );
        if let Some(doubt) = doubt(config.megabytes, connections) {
            tracing::warn!("{doubt}");
        }
        Ok(Some((Self { spool: spool.clone(), thread }, Recorder::new(payloads, spool))))
    }

    /// Writes the rest after the server has ended.
    pub(crate) fn finish(self) {
        self.spool.close();
        if self.thread.join().is_err() {
            tracing::warn!("the thread that writes the recording has failed");
        }
    }
}

/// Finds out whether recording would be impossible, without changing a file.
///
/// # Errors
/// If the folder does not exist, or the file exists and is not a recording.
pub(crate) fn check(config: &Record) -> Result<(), Problem> {
    let Some(path) = &config.file else { return Ok(()) };
    let problem = |what: String| Problem { path: path.clone(), what };
    holds_recording(path).map_err(problem)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    match folder {
        Some(folder) if !folder.is_dir() => {
            Err(problem(format!("cannot be created: there is no folder {}", folder.display())))
        }
        _ => Ok(()),
    }
}

/// Renames an earlier recording: a restart after a crash must not overwrite what led to it.
fn keep_previous(path: &Path) -> Result<(), String> {
    if !holds_recording(path)? {
        return Ok(());
    }
    let previous = previous(path);
    fs::rename(path, &previous)
        .map_err(|error| format!("cannot be renamed to {}: {error}", previous.display()))
}

/// Returns whether there is an earlier recording, as opposed to no file, an empty or a special one.
fn holds_recording(path: &Path) -> Result<bool, String> {
    let mut head = Vec::new();
    match File::open(path) {
        Ok(file) => {
            let is_file = file.metadata().is_ok_and(|metadata| metadata.is_file());
            if !is_file {
                return Ok(false);
            }
            let read = file.take(HEAD_BYTES as u64).read_to_end(&mut head);
            read.map_err(|error| format!("cannot be read: {error}"))?;
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(format!("cannot be read: {error}")),
    }
    match Layout::read(&head) {
        Err(NoRecording::Empty) => Ok(false),
        Err(NoRecording::Foreign) => {
            Err("exists and is not a recording: it is not overwritten".into())
        }
        Ok(_) | Err(NoRecording::Version(_) | NoRecording::Damaged) => Ok(true),
    }
}

/// Returns where the previous recording is kept.
fn previous(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".previous");
    name.into()
}

/// Creates the file, readable by its owner only: it holds the hub's secrets.
fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Why recording to a file is impossible.
#[derive(Debug)]
pub(crate) struct Problem {
    path: PathBuf,
    what: String,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "record.file: {} {}", self.path.display(), self.what)
    }
}
