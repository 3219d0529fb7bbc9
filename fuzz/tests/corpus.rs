//! Runs each input of the committed corpus through its target, without a fuzzer. A failure names
//! the file.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use switchboard_fuzz::targets::{self, Target};

/// A repository is not the place for all that a fuzzer finds: these bound the files and bytes of
/// one target.
const MAX_FILES: usize = 80;
const MAX_BYTES: usize = 60_000;

fn files(name: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name);
    let entries = fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("a file").path()).collect();
    files.sort();
    files
}

fn replay(name: &str, target: Target) {
    let files = files(name);
    let (mut bytes, mut failed) = (0, Vec::new());
    for file in &files {
        let input = fs::read(file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        bytes += input.len();
        if catch_unwind(AssertUnwindSafe(|| target(&input))).is_err() {
            failed.push(file);
        }
    }
    assert!(failed.is_empty(), "{name} fails with {failed:#?}");
    assert!(!files.is_empty(), "there is no corpus of {name}");
    let small = files.len() <= MAX_FILES && bytes <= MAX_BYTES;
    assert!(small, "the corpus of {name} has {} files of {bytes} bytes", files.len());
}

macro_rules! corpora {
    ($($name:ident,)*) => {
        $(#[test]
        fn $name() {
            replay(stringify!($name), targets::$name::run);
        })*

        #[test]
        fn every_target_is_here() {
            let names: Vec<&str> = targets::ALL.iter().map(|(name, _)| *name).collect();
            assert_eq!(names, [$(stringify!($name)),*]);
        }
    };
}

corpora! {
    binary_codec,
    client_events,
    config,
    http_upgrade,
    hub_and_client,
    hub_events,
    json_codec,
}
