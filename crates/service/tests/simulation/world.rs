//! What a seed's world is like.

use sockeye_hub::{Config, OnGap, OnOverrun, PatternUse, Settings};
use sockeye_server::Level;
use sockeye_simnet::{Faults, Random};

pub(crate) fn faults(random: &mut Random) -> Faults {
    let rate = |random: &mut Random, max: usize| {
        if random.one_in(2) { 0 } else { 1 + random.below(max) }
    };
    Faults {
        one_byte: rate(random, 8),
        late_report: rate(random, 4),
        spurious_report: rate(random, 8),
        reset: if random.one_in(2) { 200 + random.below(2_000) } else { 0 },
        no_descriptors: rate(random, 4),
        no_register: 0,
        clock_jump: if random.one_in(4) { 50 + random.below(500) } else { 0 },
    }
}

pub(crate) fn server_limits(queue_bytes: usize, random: &mut Random) -> sockeye_server::Limits {
    let mut limits = sockeye_server::Limits::default();
    limits.read_bytes = [7, 100, 4_096, 4_096][random.below(4)];
    limits.turn_units_max = [150, 1_000, 20_000, 80_000][random.below(4)];
    limits.connection_units_max = [100, 1_000, 4_000][random.below(3)];
    limits.outbox_pause_bytes = queue_bytes * [1, 4, 100][random.below(3)];
    limits.outbox_refill_bytes = [0, queue_bytes / 8, queue_bytes / 2][random.below(3)];
    limits.hold_bytes_max = [1, 100, 16_384][random.below(3)];
    limits.gzip.text_bytes_min = [0, 40, 256][random.below(3)];
    limits.gzip.level = [Level::FASTEST, Level::SHARED][random.below(2)];
    limits.heartbeat_ms = [100, 400, 15_000][random.below(3)];
    limits.ping_ms = [200, 25_000][random.below(2)];
    limits.drain_accept_ms = [0, 50][random.below(2)];
    limits.drain_window_ms = [0, 300][random.below(2)];
    limits
}

pub(crate) fn service_limits(queue_bytes: usize, random: &mut Random) -> sockeye_service::Limits {
    let mut limits = sockeye_service::Limits::default();
    limits.queue_bytes_max = queue_bytes;
    limits.wait_ms_max = [20, 150, 1_000][random.below(3)];
    limits.poll_messages_max = [1, 3, 256][random.below(3)];
    limits.answer_bytes_max = [1, 1_000, 1 << 20][random.below(3)];
    limits.compression.answer_bytes_min = [0, 1_024][random.below(2)];
    limits.publishing_max = [2, 4_096, 4_096][random.below(3)];
    limits.archive_questions_max = [1, 2, 64][random.below(3)];
    limits.archive_requests_max = [1, 4_096, 4_096][random.below(3)];
    limits.archive_messages_max = [1, 3, 256][random.below(3)];
    limits.archive_ms_max = [20, 150, 10_000][random.below(3)];
    limits
}

/// With room for everything there is no gap but for a cursor that is none.
/// A log that is opened again has more than one run.
pub(crate) fn hub_config(roomy: bool, is_reopened: bool, random: &mut Random) -> Config {
    let mut config = Config { settings: settings(roomy, random), ..Config::default() };
    config.settings.patterns = PatternUse::Allowed;
    for namespace in ["a", "b"] {
        let mut settings = settings(roomy, random);
        settings.patterns = PatternUse::Allowed;
        config.namespaces.push((namespace.to_owned(), settings));
    }
    config.limits.fan_out_members_max = [0, 1, 2, 16_384][random.below(4)];
    config.limits.fan_outs_max = [1, 2, 16][random.below(3)];
    let mut quiet = settings(roomy, random);
    quiet.patterns = PatternUse::Refused;
    config.namespaces.push(("c".to_owned(), quiet));
    if roomy {
        return config;
    }
    let limits = &mut config.limits;
    limits.channels_max = [100, 100, 10][random.below(3)];
    limits.tombstones_max = [100, 100, 2, 0][random.below(4)];
    limits.history_bytes_max = [1 << 20, 1_500][random.below(2)];
    limits.pending_max = [1, 100, 100][random.below(3)];
    limits.pattern_steps_max = [16_384, 16_384, 12][random.below(3)];
    limits.runs_max = if is_reopened { 4_096 } else { [4_096, 4_096, 1][random.below(3)] };
    limits.pattern_gaps_max = [100, 0][random.below(2)];
    config
}

fn settings(roomy: bool, random: &mut Random) -> Settings {
    let mut settings = Settings::default();
    settings.key_ms = u64::MAX;
    if roomy {
        settings.history_ms = u64::MAX;
        return settings;
    }
    settings.history_messages_max = [100, 5, 2, 0][random.below(4)];
    settings.history_bytes_max = [1 << 20, 1 << 20, 600][random.below(3)];
    settings.history_ms = [u64::MAX, 1_000, 100][random.below(3)];
    settings.on_gap = [OnGap::Nothing, OnGap::Tail, OnGap::Latest][random.below(3)];
    settings.on_overrun = [OnOverrun::Close, OnOverrun::Gap, OnOverrun::Latest][random.below(3)];
    settings
}

/// All channels of a world.
pub(crate) fn channels() -> Vec<String> {
    ["a:1", "a:2", "b:1", "b:2:x", "c:1"].map(str::to_owned).to_vec()
}

/// What a subscriber wants: channels, and patterns where they are allowed.
pub(crate) fn targets(random: &mut Random) -> Vec<String> {
    let all = ["a:1", "a:2", "b:1", "b:2:x", "c:1", "a:*", "b:>"];
    let mut targets: Vec<String> = Vec::new();
    for _ in 0..1 + random.below(3) {
        let target = all[random.below(all.len())];
        if !targets.iter().any(|it| it == target) {
            targets.push(target.to_owned());
        }
    }
    targets
}
