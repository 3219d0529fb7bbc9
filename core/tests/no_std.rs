//! That nothing which the core links has std in it. See `core/no-std/src/lib.rs`.

use std::process::Command;

fn build(features: &str) -> (bool, String) {
    let output = Command::new(env!("CARGO"))
        .args(["rustc", "-p", "switchboard-no-std", "--lib", "--crate-type", "staticlib"])
        .args(["--locked", "--features", features])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        // The one that runs this test may still hold its own.
        .env("CARGO_TARGET_DIR", concat!(env!("CARGO_TARGET_TMPDIR"), "/no-std"))
        .env("CARGO_PROFILE_DEV_PANIC", "abort")
        .env("CARGO_PROFILE_DEV_OPT_LEVEL", "0")
        .env("CARGO_PROFILE_DEV_DEBUG", "0")
        .output()
        .expect("cargo is there");
    (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn the_core_links_without_std() {
    let (built, messages) = build("recording");
    assert!(built, "{messages}");
    // A proof that cannot fail would be none.
    let (built, messages) = build("with-std");
    assert!(!built && messages.contains("panic_impl"), "{messages}");
}
