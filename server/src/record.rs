//! Records what the server sees, beside its work: `--record FILE`.
//!
//! The hub leaves bytes in a [`Spool`], which is bounded and waits for nobody; a thread takes them from there to the disk. When the
//! disk is too slow, events are left out, and the recording goes on with a new segment that says how many. When it takes nothing
//! any more, recording stops, and the server does not.

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

/// Segments in the file. The more, the less is lost when the oldest is overwritten, and the more often the whole hub is written.
const PLACES: u32 = 4;

const MEGABYTE: u64 = 1024 * 1024;

/// What a busy connection adds to the bytes of the hub, with what its rooms keep and what is remembered of it.
const CONNECTION_BYTES: u64 = 2_000;

/// The size that leaves half of each segment to events, if the hub has so many bytes.
fn megabytes_for(hub_bytes: u64) -> u64 {
    hub_bytes.saturating_mul(2 * u64::from(PLACES)).div_ceil(MEGABYTE).max(1)
}

/// What to say when it may turn out too small for so many connections.
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

/// A recording under way.
pub(crate) struct Recording {
    spool: Spool,
    thread: JoinHandle<()>,
}

impl Recording {
    /// Begins to record, if there is a file to record to, what a server with so many connections sees. What was recorded there
    /// before is kept under another name.
    ///
    /// # Errors
    /// When the file cannot be made, or is there and is something else.
    pub(crate) fn start(
        config: &Record,
        connections: Option<usize>,
    ) -> Result<Option<(Self, Recorder<Spool>)>, Problem> {
        let Some(path) = &config.file else { return Ok(None) };
        let problem = |what: String| Problem { path: path.clone(), what };
        keep_previous(path).map_err(problem)?;
        let file = create(path).map_err(|error| problem(format!("cannot be made: {error}")))?;

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

    /// Writes what is left, after the server is gone.
    pub(crate) fn finish(self) {
        self.spool.close();
        if self.thread.join().is_err() {
            tracing::warn!("the thread that writes the recording has failed");
        }
    }
}

/// A restart after a crash must not overwrite what led to it.
fn keep_previous(path: &Path) -> Result<(), String> {
    let mut head = Vec::new();
    match File::open(path) {
        Ok(file) => {
            let is_file = file.metadata().is_ok_and(|metadata| metadata.is_file());
            if !is_file {
                return Ok(());
            }
            let read = file.take(HEAD_BYTES as u64).read_to_end(&mut head);
            read.map_err(|error| format!("cannot be read: {error}"))?;
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(format!("cannot be read: {error}")),
    }
    match Layout::read(&head) {
        Err(NoRecording::Empty) => Ok(()),
        Err(NoRecording::Foreign) => {
            Err("is there already, and is no recording: it is not overwritten".into())
        }
        Ok(_) | Err(NoRecording::Version(_) | NoRecording::Damaged) => {
            let previous = previous(path);
            fs::rename(path, &previous)
                .map_err(|error| format!("cannot be renamed to {}: {error}", previous.display()))
        }
    }
}

/// Where the recording before this one is.
fn previous(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".previous");
    name.into()
}

/// Only its owner may read it: it has the hub's secrets.
fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Why nothing can be recorded there.
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
