//! Buckets against what they stand for, counted out millisecond by millisecond.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

/// A bucket as one would explain it: something drips into it each millisecond.
struct Naive {
    thousandths: u64,
    at_ms: u64,
}

impl Naive {
    fn new(rate: Rate, now_ms: u64) -> Self {
        Self { thousandths: u64::from(rate.burst) * 1_000, at_ms: now_ms }
    }

    fn look(&mut self, rate: Rate, now_ms: u64) {
        while self.at_ms < now_ms {
            self.at_ms += 1;
            self.thousandths += u64::from(rate.per_second);
            self.thousandths = self.thousandths.min(u64::from(rate.burst) * 1_000);
        }
    }

    fn take(&mut self, rate: Rate, now_ms: u64) -> Result<Before, u64> {
        self.look(rate, now_ms);
        let full = self.thousandths == u64::from(rate.burst) * 1_000;
        if self.thousandths < 1_000 {
            let (mut later, mut wait_ms) = (self.thousandths, 0);
            while later < 1_000 {
                later += u64::from(rate.per_second);
                wait_ms += 1;
            }
            return Err(wait_ms);
        }
        self.thousandths -= 1_000;
        Ok(if full { Before::Full } else { Before::Used })
    }
}

/// Rates of every kind: some whose tokens are no whole number of milliseconds.
fn rate() -> impl Strategy<Value = Rate> {
    let per_second = prop_oneof![1..10_u32, Just(333), Just(1_000), 1..5_000_u32];
    (per_second, 1..20_u32).prop_map(|(per_second, burst)| Rate::new(per_second, burst))
}

/// Pauses, mostly none: what matters happens at once.
fn pauses(count: usize) -> impl Strategy<Value = Vec<u64>> {
    proptest::collection::vec(
        prop_oneof![4 => Just(0_u64), 3 => 0..20_u64, 1 => 0..3_000_u64],
        count,
    )
}

proptest! {
    /// [service:bound-rate] The same answers, at any place in time.
    #[test]
    fn a_bucket_is_what_drips_into_it(rate in rate(), start in 0..=1_u64, pauses in pauses(200)) {
        let mut now_ms = start * 1_795_000_000_123;
        let (mut bucket, mut naive) = (Bucket::default(), Naive::new(rate, now_ms));
        for pause in pauses {
            now_ms += pause;
            prop_assert_eq!(bucket.take(rate, now_ms), naive.take(rate, now_ms));
        }
    }

    /// [service:bound-rate] In no stretch of time more than the burst and what came in it; and
    /// exactly that for who never pauses, however long: nothing drifts.
    #[test]
    fn never_more_than_the_burst_and_the_rate(rate in rate(), pauses in pauses(300)) {
        let (mut now_ms, mut bucket, mut taken) = (0, Bucket::default(), Vec::new());
        for pause in pauses {
            now_ms += pause;
            if bucket.take(rate, now_ms).is_ok() {
                taken.push(now_ms);
            }
        }
        for (at, first) in taken.iter().enumerate() {
            for (until, last) in taken.iter().enumerate().skip(at) {
                let came = (last - first) * u64::from(rate.per_second);
                let most = u64::from(rate.burst) * 1_000 + came;
                prop_assert!((until - at + 1) as u64 * 1_000 <= most, "{rate:?} {taken:?}");
            }
        }
    }

    /// Each has its own bucket, as long as there is room for all.
    #[test]
    fn many_do_not_touch_each_other(
        rate in rate(),
        takes in proptest::collection::vec((0..6_u8, prop_oneof![Just(0_u64), 0..50_u64]), 200),
    ) {
        let (mut rates, mut naive, mut now_ms) = (Rates::new(rate), BTreeMap::new(), 7);
        for (key, pause) in takes {
            now_ms += pause;
            let expected =
                naive.entry(key).or_insert_with(|| Naive::new(rate, now_ms)).take(rate, now_ms);
            prop_assert_eq!(rates.take(&key, rate, 6, now_ms), expected);
            prop_assert!(rates.entries.len() <= 6);
            prop_assert_eq!(rates.entries.len(), rates.by_until.len());
        }
    }

    /// [service:bound-rated] Too many: who is forgotten lacked no more than any who is not, and
    /// the table keeps its bound.
    #[test]
    fn the_fullest_is_forgotten(
        rate in rate(),
        entries_max in 1..8_usize,
        takes in proptest::collection::vec((0..30_u8, 0..3_u64), 200),
    ) {
        let (mut rates, mut now_ms) = (Rates::new(rate), 7);
        for (key, pause) in takes {
            now_ms += pause;
            let mut before: BTreeMap<u8, u128> =
                rates.entries.iter().map(|(key, it)| (*key, it.bucket.full_at)).collect();
            let mut bucket = Bucket { full_at: before.get(&key).copied().unwrap_or_default() };
            let expected = bucket.take(rate, now_ms);
            before.insert(key, bucket.full_at);
            prop_assert_eq!(rates.take(&key, rate, entries_max, now_ms), expected);
            prop_assert!(rates.entries.len() <= entries_max);
            prop_assert_eq!(rates.entries.len(), rates.by_until.len());
            let stays = |key: &u8| rates.entries.contains_key(key);
            let emptiest_gone = before.iter().filter(|(key, _)| !stays(key)).map(|it| *it.1).max();
            let fullest_kept = before.iter().filter(|(key, _)| stays(key)).map(|it| *it.1).min();
            if let (Some(gone), Some(kept)) = (emptiest_gone, fullest_kept) {
                prop_assert!(gone <= kept);
            }
        }
    }
}

/// [service:bound-rated] Names are cheap; what it would take is that each of them is as busy.
#[test]
fn strangers_do_not_make_a_bucket_forgotten() {
    let (rate, mut rates) = (Rate::new(100, 500), Rates::new(Rate::new(100, 500)));
    while rates.take(&0, rate, 100, 1_000).is_ok() {}
    for stranger in 1..10_000 {
        assert_eq!(rates.take(&stranger, rate, 100, 1_000), Ok(Before::Full));
        assert!(rates.entries.len() <= 100);
        assert_eq!(rates.take(&0, rate, 100, 1_000), Err(10), "after {stranger} others");
    }
}

#[test]
fn what_is_full_again_is_forgotten() {
    let (rate, mut rates) = (Rate::new(10, 5), Rates::new(Rate::new(10, 5)));
    for key in 0..1_000 {
        let _ = rates.take(&key, rate, 10_000, 0);
    }
    assert_eq!(rates.entries.len(), 1_000);
    for _ in 0..1_000 {
        let _ = rates.take(&0, rate, 10_000, 60_000);
    }
    assert_eq!(rates.entries.len(), 1, "all but the one that is used");
}

#[test]
fn a_clock_that_goes_back_and_another_rate_lock_nobody_out() {
    let (rate, mut bucket) = (Rate::new(10, 5), Bucket::default());
    while bucket.take(rate, 1_000_000).is_ok() {}
    assert_eq!(bucket.take(rate, 500), Err(100), "as empty as empty gets");
    assert!(bucket.take(rate, 600).is_ok());
    let slower = Rate::new(1, 5);
    let _ = bucket.take(slower, 600);
    assert!(bucket.take(slower, 1_600 + 5_000).is_ok());

    let mut rates = Rates::new(rate);
    while rates.take(&1, rate, 10, 1_000).is_ok() {}
    assert_eq!(rates.take(&1, slower, 10, 1_000), Ok(Before::Full));
    assert!(Bucket::default().take(Rate::new(0, 0), 0).is_ok(), "one at least");
    assert!(Bucket::default().take(Rate::new(u32::MAX, u32::MAX), u64::MAX).is_ok());
}

/// [service:bound-handshakes] A crowd is spread as wide as it is.
#[test]
fn who_is_turned_away_comes_back_in_turn() {
    let (rate, mut queue) = (Rate::new(2_000, 10_000), Queue::default());
    let mut waits = BTreeMap::<u64, usize>::new();
    for _ in 0..60_000 {
        *waits.entry(queue.wait_ms(rate, 60_000, 5) / 1_000).or_default() += 1;
    }
    assert_eq!(waits.len(), 31, "30 s for 60,000");
    assert!(waits.values().all(|count| *count <= 2_000), "{waits:?}");
    // Once they have had their turn, the next one need not wait for them.
    assert_eq!(queue.wait_ms(rate, 60_000, 40_005), 1);
    // Nobody waits longer than the longest wait.
    let slow = Rate::new(1, 1);
    let waits: Vec<u64> = (0..6).map(|_| queue.wait_ms(slow, 3_000, 90_000_000)).collect();
    assert_eq!(waits, [1_000, 2_000, 3_000, 1_000, 2_000, 3_000]);
}

/// The more an account is above its rate, the longer it is to wait; a client a little above it waits for the next
/// token. [service:rates-wait]
#[test]
fn those_above_a_rate_wait_for_each_other() {
    let (rate, mut rates) = (Rate::new(10, 2), Rates::new(Rate::new(10, 2)));
    let mut take = |key: u8, now_ms| rates.take_or_wait(&key, rate, 10, now_ms);
    let tried: Vec<_> = (0..5).map(|_| take(1, 0)).collect();
    assert_eq!(tried, [Ok(Before::Full), Ok(Before::Used), Err(100), Err(200), Err(300)]);
    assert_eq!(take(2, 0), Ok(Before::Full), "another account");
    // Time has passed, and somebody who did not wait has got the token.
    assert_eq!((take(1, 100), take(1, 100)), (Ok(Before::Used), Err(300)));
    assert_eq!(
        (take(1, 700), take(1, 700), take(1, 700)),
        (Ok(Before::Full), Ok(Before::Used), Err(100))
    );
    let waits = (0..1_000).map(|_| take(1, 700).expect_err("it is above its rate"));
    assert_eq!(waits.max(), Some(WAIT_MS_MAX));
}
