//! A list of slab indices in an order of use, with O(1) for everything.

const NONE: u32 = u32::MAX;

/// Indices in the order in which they were last put to the end.
#[derive(Debug)]
pub(crate) struct Order {
    links: Vec<Link>,
    first: u32,
    last: u32,
}

#[derive(Clone, Copy, Debug)]
struct Link {
    previous: u32,
    next: u32,
    listed: bool,
}

const UNLISTED: Link = Link { previous: NONE, next: NONE, listed: false };

impl Default for Order {
    fn default() -> Self {
        Self { links: Vec::new(), first: NONE, last: NONE }
    }
}

impl Order {
    pub(crate) fn first(&self) -> Option<u32> {
        (self.first != NONE).then_some(self.first)
    }

    pub(crate) fn has(&self, index: u32) -> bool {
        self.links.get(index as usize).is_some_and(|link| link.listed)
    }

    /// Puts `index` to the end, wherever it was.
    pub(crate) fn put_last(&mut self, index: u32) {
        if self.last == index {
            return;
        }
        self.remove(index);
        if self.links.len() <= index as usize {
            self.links.resize(index as usize + 1, UNLISTED);
        }
        self.links[index as usize] = Link { previous: self.last, next: NONE, listed: true };
        match self.links.get_mut(self.last as usize) {
            Some(link) => link.next = index,
            None => self.first = index,
        }
        self.last = index;
    }

    pub(crate) fn remove(&mut self, index: u32) {
        if !self.has(index) {
            return;
        }
        let Link { previous, next, .. } = self.links[index as usize];
        match self.links.get_mut(previous as usize) {
            Some(link) => link.next = next,
            None => self.first = next,
        }
        match self.links.get_mut(next as usize) {
            Some(link) => link.previous = previous,
            None => self.last = previous,
        }
        self.links[index as usize] = UNLISTED;
    }

    /// From the end to the beginning.
    pub(crate) fn newest_first(&self) -> impl Iterator<Item = u32> + '_ {
        let mut at = self.last;
        std::iter::from_fn(move || {
            let link = self.links.get(at as usize)?;
            Some(std::mem::replace(&mut at, link.previous))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_a_vector() {
        let mut order = Order::default();
        let mut naive: Vec<u32> = Vec::new();
        let mut state = 7_u32;
        for _ in 0..10_000 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let index = (state >> 16) % 9;
            naive.retain(|it| *it != index);
            if state >> 31 == 0 {
                order.put_last(index);
                naive.push(index);
            } else {
                order.remove(index);
            }
            assert_eq!(order.first(), naive.first().copied());
            assert!(order.newest_first().eq(naive.iter().rev().copied()));
            assert!((0..9).all(|it| order.has(it) == naive.contains(&it)));
        }
    }
}
