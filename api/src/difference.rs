//! The lines that came and went between two listings.

/// The lines that only one of two sorted or unsorted listings has: `- ` then, `+ ` now.
pub(crate) fn differences(then: &str, now: &str) -> Vec<String> {
    let mut gone: Vec<&str> = Vec::new();
    let mut came: Vec<&str> = now.lines().collect();
    for line in then.lines() {
        match came.iter().position(|other| *other == line) {
            Some(place) => drop(came.remove(place)),
            None => gone.push(line),
        }
    }
    let gone = gone.iter().map(|line| format!("- {line}"));
    gone.chain(came.iter().map(|line| format!("+ {line}"))).collect()
}

#[cfg(test)]
mod tests {
    use super::differences;

    #[test]
    fn what_came_and_went_is_told() {
        assert_eq!(differences("a\nb\nc\n", "a\nc\nd\n"), ["- b", "+ d"]);
    }

    #[test]
    fn a_line_twice_is_two_lines() {
        assert_eq!(differences("a\na\n", "a\n"), ["- a"]);
        assert_eq!(differences("a\n", "a\na\n"), ["+ a"]);
    }

    #[test]
    fn order_is_no_difference() {
        assert_eq!(differences("a\nb\n", "b\na\n"), [] as [&str; 0]);
    }
}
