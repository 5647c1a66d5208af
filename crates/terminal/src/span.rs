//! Parses and prints lengths of time, as people write and read them.

use core::str::FromStr;

/// A length of time: `90s`, `15m`, `1h`, `7d` or `500ms`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Milliseconds.
    pub ms: u64,
}

impl FromStr for Span {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const EXPECTED: &str = "a number and a unit, like 500ms, 30s, 15m, 1h or 7d";
        let unit_at = text.find(|letter: char| !letter.is_ascii_digit()).ok_or(EXPECTED)?;
        let (number, unit) = text.split_at(unit_at);
        let unit_ms = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return Err(EXPECTED),
        };
        let number: u64 = number.parse().map_err(|_| EXPECTED)?;
        match number.checked_mul(unit_ms) {
            Some(0) => Err("no time at all; at least 1ms"),
            Some(ms) => Ok(Self { ms }),
            None => Err("longer than any time"),
        }
    }
}

/// Writes a length of time in words, rounded: `0.3 s`, `45 s`, `60 min` or `30 h`.
pub fn words(ms: u64) -> String {
    let rounded = |unit_ms: u64| ms / unit_ms + u64::from(ms % unit_ms >= unit_ms / 2);
    match ms {
        0..9_950 => format!("{}.{} s", rounded(100) / 10, rounded(100) % 10),
        9_950..119_500 => format!("{} s", rounded(1_000)),
        119_500..7_170_000 => format!("{} min", rounded(60_000)),
        _ => format!("{} h", rounded(3_600_000)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_for_people() {
        for (ms, text) in [
            (0, "0.0 s"),
            (49, "0.0 s"),
            (1_250, "1.3 s"),
            (9_949, "9.9 s"),
            (9_950, "10 s"),
            (119_499, "119 s"),
            (119_500, "2 min"),
            (3_600_000, "60 min"),
            (7_169_999, "119 min"),
            (7_170_000, "2 h"),
            (u64::MAX, "5124095576030 h"),
        ] {
            assert_eq!(words(ms), text, "{ms}");
        }
    }

    #[test]
    fn a_number_and_a_unit() {
        let read = |text: &str| text.parse::<Span>().ok().map(|span| span.ms);
        for (text, ms) in
            [("1ms", 1), ("30s", 30_000), ("15m", 900_000), ("1h", 3_600_000), ("7d", 604_800_000)]
        {
            assert_eq!(read(text), Some(ms));
        }
        for bad in ["", "1", "h", "1 h", "-1s", "+1s", "1.5h", "1H", "0s", "1w", "٣s"] {
            assert_eq!(read(bad), None, "{bad}");
        }
        assert_eq!(read("18446744073709551615d"), None);
    }
}
