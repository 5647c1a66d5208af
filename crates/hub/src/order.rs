//! Linked lists of slab indices, with O(1) for every operation.

const NONE: u32 = u32::MAX;

/// Lists of indices, each in the order in which `put_last` was called. An index is in at most one
/// list.
#[derive(Debug)]
pub(crate) struct Order {
    links: Vec<Link>,
    lists: Vec<List>,
    /// The next index of a walk from the end of a list to its beginning, or `NONE`.
    walker: u32,
}

impl Default for Order {
    fn default() -> Self {
        Self { links: Vec::new(), lists: Vec::new(), walker: NONE }
    }
}

#[derive(Clone, Copy, Debug)]
struct Link {
    previous: u32,
    next: u32,
    /// `NONE` if it is in no list.
    list: u32,
}

#[derive(Clone, Copy, Debug)]
struct List {
    first: u32,
    last: u32,
}

const UNLISTED: Link = Link { previous: NONE, next: NONE, list: NONE };

const EMPTY: List = List { first: NONE, last: NONE };

impl Order {
    /// The number of listed indices.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.links.iter().filter(|link| link.list != NONE).count()
    }

    pub(crate) fn first_of(&self, list: usize) -> Option<u32> {
        self.lists.get(list).map(|it| it.first).filter(|first| *first != NONE)
    }

    pub(crate) fn has(&self, index: u32) -> bool {
        self.links.get(index as usize).is_some_and(|link| link.list != NONE)
    }

    /// Moves `index` to the end of a list.
    #[inline]
    pub(crate) fn put_last_of(&mut self, list: usize, index: u32) {
        if self.lists.get(list).is_none_or(|it| it.last != index) {
            self.move_to_end_of(list, index);
        }
    }

    fn move_to_end_of(&mut self, list: usize, index: u32) {
        if self.lists.len() <= list {
            self.lists.resize(list + 1, EMPTY);
        }
        self.unlist(index);
        let ends = &mut self.lists[list];
        let of = u32::try_from(list).expect("lists are few");
        self.links[index as usize] = Link { previous: ends.last, next: NONE, list: of };
        match self.links.get_mut(ends.last as usize) {
            Some(link) => link.next = index,
            None => ends.first = index,
        }
        ends.last = index;
    }

    /// Moves `index` to the beginning of a list.
    fn put_first_of(&mut self, list: usize, index: u32) {
        if self.lists.len() <= list {
            self.lists.resize(list + 1, EMPTY);
        }
        self.unlist(index);
        let ends = &mut self.lists[list];
        let of = u32::try_from(list).expect("lists are few");
        self.links[index as usize] = Link { previous: NONE, next: ends.first, list: of };
        match self.links.get_mut(ends.first as usize) {
            Some(link) => link.previous = index,
            None => ends.last = index,
        }
        ends.first = index;
    }

    /// Takes `index` out of its list, and makes room for its link.
    fn unlist(&mut self, index: u32) {
        self.remove(index);
        if self.links.len() <= index as usize {
            self.links.resize(index as usize + 1, UNLISTED);
        }
    }

    /// Moves the indices of a list that belong to another one, from the last on, each to the beginning
    /// of that: they keep their order, and stay before those that were put there meanwhile. It takes
    /// at most `left` steps, and goes on where it has stopped if it was `begun`. True if that is done.
    /// One walk at a time.
    pub(crate) fn sort_out(
        &mut self,
        list: usize,
        begun: bool,
        belongs: impl Fn(u32) -> Option<usize>,
        left: &mut usize,
    ) -> bool {
        if !begun {
            self.walker = self.lists.get(list).map_or(NONE, |list| list.last);
        }
        while *left > 0 {
            let index = self.walker;
            let Some(link) = self.links.get(index as usize) else { return true };
            self.walker = link.previous;
            *left -= 1;
            if let Some(other) = belongs(index).filter(|other| *other != list) {
                self.put_first_of(other, index);
            }
        }
        false
    }

    pub(crate) fn remove(&mut self, index: u32) {
        if !self.has(index) {
            return;
        }
        let Link { previous, next, list } = self.links[index as usize];
        let ends = &mut self.lists[list as usize];
        match self.links.get_mut(previous as usize) {
            Some(link) => link.next = next,
            None => ends.first = next,
        }
        match self.links.get_mut(next as usize) {
            Some(link) => link.previous = previous,
            None => ends.last = previous,
        }
        if self.walker == index {
            self.walker = previous;
        }
        self.links[index as usize] = UNLISTED;
    }

    /// A list, from its end to its beginning.
    pub(crate) fn newest_first_of(&self, list: usize) -> impl Iterator<Item = u32> + '_ {
        let mut at = self.lists.get(list).map_or(NONE, |list| list.last);
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
    fn an_index_is_in_one_list() {
        let mut order = Order::default();
        for (list, index) in [(1, 4), (0, 2), (1, 3), (0, 4), (1, 3)] {
            order.put_last_of(list, index);
        }
        assert_eq!((order.first_of(0), order.first_of(1), order.len()), (Some(2), Some(3), 3));
        order.remove(3);
        assert_eq!((order.first_of(1), order.first_of(7), order.len()), (None, None, 2));
        assert!(order.newest_first_of(0).eq([4, 2]));
    }

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
                order.put_last_of(0, index);
                naive.push(index);
            } else {
                order.remove(index);
            }
            assert_eq!(order.first_of(0), naive.first().copied());
            assert!(order.newest_first_of(0).eq(naive.iter().rev().copied()));
            assert!((0..9).all(|it| order.has(it) == naive.contains(&it)));
        }
    }

    /// Indices are sorted into two lists in steps, while others are put to the end and taken out.
    #[test]
    fn what_is_sorted_out_keeps_its_order() {
        for seed in 0..200_u32 {
            let mut order = Order::default();
            // Even ones stay, odd ones belong to the other list.
            let list_of = |index: u32| (index % 2) as usize;
            (0..40).for_each(|index| order.put_last_of(0, index));
            let mut naive: Vec<u32> = (0..40).collect();
            let (mut state, mut begun) = (seed, false);
            while !order.sort_out(0, begun, |index| Some(list_of(index)), &mut 3) {
                begun = true;
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let index = (state >> 16) % 40;
                naive.retain(|it| *it != index);
                if state >> 31 == 0 {
                    order.put_last_of(list_of(index), index);
                    naive.push(index);
                } else {
                    order.remove(index);
                }
            }
            for list in [0, 1] {
                let wanted = naive.iter().rev().copied().filter(|index| list_of(*index) == list);
                assert!(order.newest_first_of(list).eq(wanted), "seed {seed}");
            }
        }
    }
}
