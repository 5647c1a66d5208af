//! Versions of nats-server.

/// The oldest version that is known to work.
const MIN: Version = (2, 9, 0);

/// The oldest one for a stream with copies. Before it, a server that starts again and finds a trim in its journal
/// purges all that it had of the stream (nats-server#4196).
const MIN_WITH_COPIES: Version = (2, 9, 18);

type Version = (u32, u32, u32);

/// Why a server of this version cannot keep a log with so many copies.
pub(crate) fn objection(text: &str, copies: u32) -> Option<String> {
    let version = read(text);
    let text = text.escape_debug();
    if version.is_none_or(|it| it < MIN) {
        return Some(format!("is nats-server {text}: {} is needed", show(MIN)));
    }
    (copies > 1 && version.is_none_or(|it| it < MIN_WITH_COPIES)).then(|| {
        format!(
            "is nats-server {text}, which forgets a stream with copies when it starts again: {} is needed, or a stream \
             without copies (replicas, num_replicas)",
            show(MIN_WITH_COPIES)
        )
    })
}

fn show((major, minor, patch): Version) -> String {
    format!("{major}.{minor}.{patch}")
}

/// The three numbers of a version. What comes behind them does not count.
fn read(text: &str) -> Option<Version> {
    let mut numbers = text.splitn(3, '.').map(|number| {
        let end = number.find(|it: char| !it.is_ascii_digit()).unwrap_or(number.len());
        number[..end].parse().ok()
    });
    Some((numbers.next()??, numbers.next()??, numbers.next()??))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_three_numbers() {
        assert_eq!(read("2.9.10"), Some((2, 9, 10)));
        assert_eq!(read("2.12.0-preview.1"), Some((2, 12, 0)));
        assert_eq!(read("2.9.18.1"), Some((2, 9, 18)));
        for text in ["", "2", "2.9", "2.x.1", "v2.9.1", "2.9.-1", "2..9", "99999999999.1.1"] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn old_versions_are_refused_and_copies_need_newer_ones() {
        for (text, copies, is_taken) in [
            ("2.8.4", 0, false),
            ("2.9.0", 0, true),
            ("2.9.10", 1, true),
            ("2.9.17", 3, false),
            ("2.9.18", 3, true),
            ("2.10.0", 3, true),
            ("3.0.0", 3, true),
            ("two", 0, false),
        ] {
            assert_eq!(objection(text, copies).is_none(), is_taken, "{text} with {copies}");
        }
        let text = objection("2.9.10\n", 3).expect("it is too old");
        assert!(text.contains("2.9.18 is needed") && !text.contains('\n'), "{text}");
    }
}
