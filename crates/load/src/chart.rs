//! A histogram for the terminal: a bar for each step of 1, 2, 5, 10, as long as the logarithm of its
//! count, so that the few slow ones show beside the many fast ones.

use super::histogram::Histogram;
use super::report::Value;

/// Letters of the longest bar.
const WIDTH: usize = 40;
/// Parts of a letter, from an eighth to the whole.
const PARTS: [char; 8] = ['▏', '▎', '▍', '▌', '▋', '▊', '▉', '█'];

/// Draws the histogram of what is called `label`, a line each, with a line above it.
pub(super) fn draw(label: &str, histogram: &Histogram, colour: bool) -> String {
    let steps = steps(histogram);
    let most = steps.iter().map(|step| step.1).max().unwrap_or(0);
    let (begin, end) = if colour { ("\x1b[36m", "\x1b[0m") } else { ("", "") };
    let mut out = format!("  {label}, up to        (bars grow with the logarithm)\n");
    for (bound, count) in &steps {
        let bar = bar(*count, most);
        let gap = " ".repeat(WIDTH - bar.chars().count());
        let (bound, count) = (Value::Nanos(*bound).human(), Value::Count(*count).human());
        out.push_str(&format!("  {bound:>10} {begin}{bar}{end}{gap} {count:>13}\n"));
    }
    out
}

/// Counts by upper bounds, from the first step that has something to the last, without gaps.
fn steps(histogram: &Histogram) -> Vec<(u64, u64)> {
    let mut steps: Vec<(u64, u64)> = Vec::new();
    let mut bounds = bounds().peekable();
    for (nanos, count) in histogram.filled() {
        while let Some(bound) = bounds.next_if(|bound| *bound < nanos) {
            // The bound of the step before; steps without anything count once one has something.
            if steps.last().is_some_and(|last| last.0 < bound) {
                steps.push((bound, 0));
            }
        }
        let bound = bounds.peek().copied().unwrap_or(u64::MAX);
        match steps.last_mut() {
            Some(last) if last.0 == bound => last.1 += count,
            Some(_) | None => steps.push((bound, count)),
        }
    }
    steps
}

/// 100 ns, 200 ns, 500 ns and on.
fn bounds() -> impl Iterator<Item = u64> {
    (2..19).flat_map(|power| [1, 2, 5].map(|digit| digit * 10_u64.pow(power)))
}

/// One letter for one, all letters for `most`.
fn bar(count: u64, most: u64) -> String {
    if count == 0 {
        return String::new();
    }
    let part = ((count as f64).ln_1p() - 2_f64.ln()) / ((most as f64).ln_1p() - 2_f64.ln());
    let eighths = if part.is_finite() { part * ((WIDTH - 1) * 8) as f64 } else { 0.0 };
    #[expect(clippy::cast_possible_truncation, reason = "eighths of a bar")]
    let eighths = 8 + eighths as usize;
    let mut bar: String = core::iter::repeat_n('█', eighths / 8).collect();
    if !eighths.is_multiple_of(8) {
        bar.push(PARTS[eighths % 8 - 1]);
    }
    bar
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_grow_with_the_logarithm() {
        let lens = [0, 1, 10, 100, 1_000, 10_000].map(|count| bar(count, 10_000).chars().count());
        assert_eq!((lens[0], lens[1], lens[5]), (0, 1, WIDTH));
        assert!(lens.windows(2).all(|pair| pair[0] < pair[1]), "{lens:?}");
        assert_eq!(bar(1, 1), "█");
    }

    #[test]
    fn steps_are_counted_without_gaps() {
        let mut histogram = Histogram::new();
        for nanos in [90, 99, 101, 180, 990, 9_900] {
            histogram.record(nanos);
        }
        let expected =
            [(100, 2), (200, 2), (500, 0), (1_000, 1), (2_000, 0), (5_000, 0), (10_000, 1)];
        // A value is read back as the upper end of its bucket, so one at a bound may be counted above it.
        assert_eq!(steps(&histogram), expected);
        let drawing = draw("echo", &histogram, false);
        assert_eq!(drawing.lines().count(), 8);
        let end = drawing.lines().map(|line| line.chars().count()).skip(1).collect::<Vec<_>>();
        assert!(end.iter().all(|len| *len == end[0]), "{drawing}");
    }
}
