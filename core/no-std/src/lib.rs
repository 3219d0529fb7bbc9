//! Proof that the core and everything it depends on do without std. A panic handler beside std's is
//! an error, so this crate does not compile if anything below it brings std in:
//!
//! ```text
//! CARGO_PROFILE_DEV_PANIC=abort cargo check --package switchboard-no-std --features recording
//! ```
//!
//! `scripts/lint` runs that. Checked together with the rest of the workspace, whose crates turn std
//! on in dependencies that they share with the core, this crate is empty: there, panics unwind.
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
