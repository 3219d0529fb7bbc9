//! Proves that the core and all its dependencies work without std. A second panic handler beside
//! std's is an error, so this crate does not compile if any of them links std:
//!
//! ```text
//! CARGO_PROFILE_DEV_PANIC=abort cargo check --package switchboard-no-std --features recording
//! ```
//!
//! `scripts/lint` runs that. When checked with the rest of the workspace, whose crates enable std
//! in dependencies shared with the core, this crate is empty: there, panics unwind.
#![no_std]
#![cfg(panic = "abort")]

#[cfg(feature = "with-std")]
extern crate std;

use core::panic::PanicInfo;

use switchboard_core as _;

#[panic_handler]
fn panicked(_: &PanicInfo<'_>) -> ! {
    loop {
        core::hint::spin_loop();
    }
}
