//! A list that stores a single item inline.

use std::ops::{Deref, DerefMut};

/// A list that allocates only for two items or more.
///
/// Most streams have one subscription, and most channels of a single user have one subscriber.
#[derive(Clone, Debug, Default)]
pub(crate) enum Few<T> {
    #[default]
    None,
    One(T),
    Many(Vec<T>),
}

impl<T> Few<T> {
    /// Appends an item.
    pub(crate) fn push(&mut self, item: T) {
        *self = match std::mem::take(self) {
            Self::None => Self::One(item),
            Self::One(first) => Self::Many(vec![first, item]),
            Self::Many(mut items) => {
                items.push(item);
                Self::Many(items)
            }
        };
    }

    /// Removes the item at `at` and moves the last item there.
    ///
    /// # Panics
    /// If there is none.
    pub(crate) fn swap_remove(&mut self, at: usize) -> T {
        let (removed, rest) = match std::mem::take(self) {
            Self::Many(mut items) => {
                let removed = items.swap_remove(at);
                (
                    Some(removed),
                    if items.len() > 1 { Self::Many(items) } else { items.pop().into() },
                )
            }
            Self::One(item) if at == 0 => (Some(item), Self::None),
            Self::One(_) | Self::None => (None, Self::None),
        };
        *self = rest;
        removed.expect("what is removed is there")
    }
}

impl<T> From<Option<T>> for Few<T> {
    fn from(item: Option<T>) -> Self {
        item.map_or(Self::None, Self::One)
    }
}

impl<T> Deref for Few<T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        match self {
            Self::None => &[],
            Self::One(item) => std::slice::from_ref(item),
            Self::Many(items) => items,
        }
    }
}

impl<T> DerefMut for Few<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [T] {
        match self {
            Self::None => &mut [],
            Self::One(item) => std::slice::from_mut(item),
            Self::Many(items) => items,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Few;

    #[test]
    fn agrees_with_a_vector() {
        let (mut few, mut vector) = (Few::default(), Vec::new());
        for step in 0_usize..200 {
            // It grows to seven and shrinks to nothing, again and again.
            if step % 14 < 7 {
                few.push(step);
                vector.push(step);
            } else {
                let at = step * 5 % vector.len();
                assert_eq!(few.swap_remove(at), vector.swap_remove(at));
            }
            few.iter_mut().chain(&mut vector).for_each(|it| *it += 1);
            assert_eq!(*few, vector[..]);
            assert_eq!(matches!(few, Few::Many(_)), vector.len() > 1, "one is kept without a list");
        }
    }
}
