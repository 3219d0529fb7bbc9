//! Proof that the core and all it depends on link without std. A panic handler of one's own is an error beside std's, so
//! this crate cannot be built into a library for C as soon as anything below it links std:
//!
//! ```text
//! CARGO_PROFILE_DEV_PANIC=abort cargo rustc -p switchboard-no-std --lib --crate-type staticlib --features recording
//! ```
//!
//! `core/tests/no_std.rs` runs that. Built like any other crate, with panics that unwind, there is nothing in here.
#![no_std]
#![cfg(panic = "abort")]
// An allocator can only be had by unsafe code.
#![allow(unsafe_code)]

#[cfg(feature = "with-std")]
extern crate std;

use core::alloc::{GlobalAlloc, Layout};
use core::panic::PanicInfo;

use switchboard_core as _;

struct Nothing;

// SAFETY: null says that there is no memory, which is always allowed; so nothing is ever given back.
unsafe impl GlobalAlloc for Nothing {
    unsafe fn alloc(&self, _: Layout) -> *mut u8 {
        core::ptr::null_mut()
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
}

#[global_allocator]
static ALLOCATOR: Nothing = Nothing;

#[panic_handler]
fn panicked(_: &PanicInfo<'_>) -> ! {
    loop {
        core::hint::spin_loop();
    }
}
