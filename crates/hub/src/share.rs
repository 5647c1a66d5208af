//! Shares: which namespace loses an item when a table of all namespaces is full.

use crate::Config;

/// The length of lists by namespace: one slot for each namespace with own settings, and one for the
/// rest.
pub(crate) fn slots(config: &Config) -> usize {
    config.namespaces.len() + 1
}

/// The share of one namespace in a table.
pub(crate) fn share(max: usize, config: &Config) -> usize {
    max / slots(config)
}

/// The namespace that loses its oldest item: the incoming one if it is above its share, else the
/// largest. So a flood in one namespace evicts nothing from another within its share.
pub(crate) fn evicted_namespace(
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

/// The first of the largest namespaces.
pub(crate) fn largest(
    slots: impl Iterator<Item = usize>,
    held: impl Fn(usize) -> usize,
) -> Option<usize> {
    slots.reduce(|most, it| if held(it) > held(most) { it } else { most })
}
