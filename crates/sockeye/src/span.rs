//! Lengths of time on the command line.

use core::str::FromStr;

/// A length of time: `90s`, `15m`, `1h`, `7d` or `500ms`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) ms: u64,
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

#[cfg(test)]
mod tests {
    use super::*;

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
