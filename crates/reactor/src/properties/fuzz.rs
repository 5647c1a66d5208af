//! The properties as fuzz targets: bytes read as the arguments of each.

use super::{Step, outbox_keeps_order};

/// A name, which is also that of a corpus, and what is done to its inputs.
pub type Target = (&'static str, fn(&[u8]));

/// The targets for this crate.
pub const TARGETS: &[Target] = &[("outbox", outbox)];

/// The number of steps that are taken.
const STEPS_MAX: usize = 33;

/// Reads `data` as arguments: one byte for the most that the socket takes in a call, then three bytes
/// for each step (its kind, its length, its first value).
pub fn outbox(data: &[u8]) {
    let Some((gulp, steps)) = data.split_first() else { return };
    let steps: Vec<_> = steps.as_chunks().0.iter().take(STEPS_MAX).map(step).collect();
    outbox_keeps_order(&steps, usize::from(*gulp));
}

/// A length is stretched, so that segments pass the size of a buffer.
fn step([what, len, fill]: &[u8; 3]) -> Step {
    let len = usize::from(*len) << (what >> 4 & 3);
    let bytes = || (0..=u8::MAX).cycle().skip(usize::from(*fill)).take(len).collect();
    match what & 3 {
        0 => Step::Append(bytes()),
        1 => Step::Share(bytes()),
        _ => Step::Flush(len),
    }
}
