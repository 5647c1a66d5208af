//! The engine in memory passes the suite.

use std::sync::Arc;

use sockeye_backbone::memory::{Held, Hold, MemoryLimits, MemoryLog};
use sockeye_backbone::suite::{self, Rig};
use sockeye_backbone::{Engine, Full};

/// A log in memory.
struct MemoryRig {
    log: MemoryLog,
    engines: usize,
    unix_ms: u64,
}

impl MemoryRig {
    fn boxed(limits: MemoryLimits) -> Box<dyn Rig> {
        Box::new(Self { log: MemoryLog::new(limits), engines: 0, unix_ms: 1_000 })
    }
}

impl Rig for MemoryRig {
    fn open(&mut self) -> Box<dyn Engine> {
        self.engines += 1;
        Box::new(self.log.open())
    }

    fn pass(&mut self) {
        self.unix_ms += 1;
        self.log.set_unix_ms(self.unix_ms);
        self.log.ask_ends();
    }

    fn patience(&self) -> u32 {
        100
    }

    fn is_immediate(&self) -> bool {
        true
    }

    fn erase(&mut self) -> bool {
        self.log.erase();
        true
    }

    fn cut(&mut self) -> bool {
        (0..self.engines).for_each(|engine| self.log.cut(engine, Held::Lost));
        true
    }
}

#[test]
fn with_fences() {
    suite::run(|_| MemoryRig::boxed(MemoryLimits::default()));
}

#[test]
fn without_fences() {
    suite::run(|_| MemoryRig::boxed(MemoryLimits { has_fences: false, ..MemoryLimits::default() }));
}

#[test]
fn too_many_appends_are_refused() {
    let log = MemoryLog::new(MemoryLimits { appends_max: 2, ..MemoryLimits::default() });
    let mut engine = log.open();
    let entries: [Arc<[u8]>; 1] = [Arc::from(*b"x")];
    engine.begin_log(&entries[0]).expect("nothing waits");
    log.hold_writes(0, Hold::On);
    assert_eq!(engine.append(1, &entries), Ok(()));
    assert_eq!(engine.append(1, &entries), Ok(()));
    assert_eq!(engine.append(1, &entries), Err(Full));
    log.deliver(0, 1);
    assert_eq!(engine.append(1, &entries), Ok(()));
    log.hold_writes(0, Hold::Off);
    assert_eq!(log.entries().len(), 4);
}
