//! Shares: which namespace loses an item when a table of all namespaces is full.

use crate::spaces::Spaces;

/// The share of one namespace in a table.
pub(crate) fn share(max: usize, config: &Spaces) -> usize {
    max / (config.namespaces.len() + 1)
}

/// The namespace that loses its oldest item: the incoming one if it is above its share, else the
/// largest. So a flood in one namespace evicts nothing from another within its share.
pub(crate) fn evicted_namespace(
    held: impl Fn(usize) -> usize,
    own: usize,
    max: usize,
    config: &Spaces,
) -> usize {
    // [hub:shares]
    if held(own) > share(max, config) {
        return own;
    }
    largest(0..config.slots(), held).unwrap_or(own)
}

/// The first of the largest namespaces.
pub(crate) fn largest(
    slots: impl Iterator<Item = usize>,
    held: impl Fn(usize) -> usize,
) -> Option<usize> {
    slots.reduce(|most, it| if held(it) > held(most) { it } else { most })
}
