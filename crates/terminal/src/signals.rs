//! Catches SIGINT and SIGTERM for a client, which finishes its work and then ends by the same signal.
//!
//! Shells see 130 for SIGINT and 143 for SIGTERM, as of any program. Exiting with status 130 would not do: a shell
//! goes on with its script when a program handles Ctrl-C itself and then exits.

use std::io;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::{flag, low_level};

/// The signals that ask the program to end.
const ENDING: [i32; 2] = [SIGINT, SIGTERM];

/// The number of the signal that has asked for the end; 0 while none has.
static ASKED: LazyLock<Arc<AtomicUsize>> = LazyLock::new(Arc::default);

/// Catches the signals. The first one writes to `bell`, and [`end`] ends the program by it. A second one ends the
/// program at once.
pub fn catch(bell: &UnixStream) -> io::Result<()> {
    note()?;
    for signal in ENDING {
        low_level::pipe::register(signal, bell.try_clone()?)?;
    }
    Ok(())
}

/// Catches the signals without a bell, for a program that calls [`is_asked`] from time to time.
pub fn note() -> io::Result<()> {
    let is_second = Arc::new(AtomicBool::new(false));
    for signal in ENDING {
        // In this order, so that the first signal does not see its own mark.
        if is_first_process() {
            flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&is_second))?;
        } else {
            flag::register_conditional_default(signal, Arc::clone(&is_second))?;
        }
        flag::register(signal, Arc::clone(&is_second))?;
        flag::register_usize(signal, Arc::clone(&ASKED), signal.unsigned_abs() as usize)?;
    }
    Ok(())
}

/// Whether a signal has asked for the end.
pub fn is_asked() -> bool {
    ASKED.load(Ordering::SeqCst) != 0
}

/// Ends the program if a signal that was [caught](catch) has asked for it.
pub fn end() {
    let asked = ASKED.load(Ordering::SeqCst);
    if let Some(signal) = ENDING.into_iter().find(|signal| signal.unsigned_abs() as usize == asked)
    {
        end_by(signal);
    }
}

/// Ends the program by a signal that it had caught.
fn end_by(signal: i32) -> ! {
    if !is_first_process() {
        // It returns only for signals that it does not know.
        let _ = low_level::emulate_default_handler(signal);
    }
    std::process::exit(128 + signal)
}

/// Whether this is process 1, as in a container: the system does not deliver signals to it that it does not catch.
fn is_first_process() -> bool {
    std::process::id() == 1
}
