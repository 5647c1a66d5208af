//! Who gives way when a table that all namespaces share is full.

use crate::Config;

/// What is kept apart by namespace is a list with a slot for each that has settings of its own,
/// and one for the rest.
pub(crate) fn slots(config: &Config) -> usize {
    config.namespaces.len() + 1
}

/// The part of a table that is a namespace's own.
pub(crate) fn share(max: usize, config: &Config) -> usize {
    max / slots(config)
}

/// Which namespace loses its oldest: the one that has just taken more than its share, or else the
/// one that holds the most. So a flood in one forgets nothing of another that keeps to its share.
pub(crate) fn gives_way(
    held: impl Fn(usize) -> usize,
    own: usize,
    max: usize,
    config: &Config,
) -> usize {
    // [hub:shares]
    if held(own) > share(max, config) {
        return own;
    }
    largest(0..slots(config), held).unwrap_or(own)
}

/// The first of those that hold the most.
pub(crate) fn largest(
    slots: impl Iterator<Item = usize>,
    held: impl Fn(usize) -> usize,
) -> Option<usize> {
    slots.reduce(|most, it| if held(it) > held(most) { it } else { most })
}
