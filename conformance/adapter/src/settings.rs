//! How the connections under test behave.

use sockeye_tokio::Settings;

/// Largest message: what the suite sends.
const MESSAGE_BYTES_MAX: u64 = 16 << 20;

pub(crate) fn settings() -> Settings {
    let mut settings = Settings::default();
    settings.limits.frame_bytes_max = MESSAGE_BYTES_MAX;
    settings.limits.message_bytes_max = MESSAGE_BYTES_MAX;
    settings.limits.fragments_max = 1 << 17;
    settings.limits.overhead_bytes_max = 2 << 20;
    settings.whole_bytes_max = MESSAGE_BYTES_MAX;
    settings.close_ms = 2_000;
    // Every message that can be compressed is compressed, so that the suite sees many of them.
    settings.compressed_bytes_min = 0;
    settings
}
