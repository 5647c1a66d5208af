//! What the programs of this directory share: a panic handler and the way in.
//!
//! Each program uses one of the crates that promise `no_std`, for real, and is linked without std
//! and without a C library, so that a hidden need for either is an error. `cargo xtask nostd`
//! builds them, looks into the binaries and runs them.

#![no_std]

/// There is nobody to tell: the run's deadline finds a program that panicked.
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {
        core::hint::spin_loop();
    }
}

/// Makes `$run`, a `fn() -> Option<()>`, the program; `None` is exit status 1.
#[macro_export]
macro_rules! program {
    ($run:path) => {
        // Exporting a symbol under its plain name is the one thing here that counts as unsafe:
        // runtime.c has to find it.
        #[allow(unsafe_code)]
        #[unsafe(no_mangle)]
        extern "C" fn check() -> i32 {
            i32::from($run().is_none())
        }
    };
}

/// Goes on only if `holds`.
#[must_use]
pub fn expect(holds: bool) -> Option<()> {
    holds.then_some(())
}
