//! Words the errors of a configuration file, in the terms of the file instead of the program's types.

use sockeye_terminal::values::ADDRESS;

use super::source;

/// The error message for an empty path.
pub(super) const EMPTY_PATH: &str = "the path is empty";

/// Says where and why a file cannot be read.
pub(super) fn problem(text: &str, error: &toml::de::Error) -> String {
    let start = error.span().map_or(0, |span| span.start);
    let line = source::line(text, start);
    let message = error.message().replace('\n', " ");
    let mut told = value(&message).unwrap_or(message);
    if let Some(hint) = namespace_hint(text, line, &told) {
        told.push_str(&hint);
    }
    let key = text.lines().nth(line - 1).and_then(|it| source::key_of(it.trim()));
    match key {
        Some(key) if !told.contains(&format!("`{key}`")) => format!("line {line}: {key}: {told}"),
        _ => format!("line {line}: {told}"),
    }
}

/// Where the settings of a namespace belong, if that is what the line or the table above it may be about.
fn namespace_hint(text: &str, line: usize, told: &str) -> Option<String> {
    let above = text.lines().take(line).map(str::trim);
    let header = above.filter(|it| it.starts_with('[')).last()?;
    let header = header.trim_start_matches('[');
    let header = header.split_once(']').map_or(header, |(header, _)| header);
    let (table, name) = header.split_once('.').unwrap_or((header, "NAME"));
    // [channels] itself is a table.
    let is_table = header == "channels";
    match table {
        "channel" | "channels" | "namespace" if told.starts_with("unknown field") && !is_table => {
            Some(format!("; the settings of a namespace stand in [namespaces.{name}]"))
        }
        "namespaces" if told.ends_with("expected a table") => {
            Some(format!(", as [namespaces.{name}]"))
        }
        _ => None,
    }
}

/// Whether an error names the range of numbers that it expects.
fn is_range(message: &str) -> bool {
    let range = message.split_once(", expected ").and_then(|(_, range)| range.split_once(" to "));
    range.is_some_and(|(first, last)| [first, last].iter().all(|it| it.parse::<u64>().is_ok()))
}

/// What is wrong with a value, if that is what is wrong.
fn value(message: &str) -> Option<String> {
    let is_bound = message.ends_with(", expected at least 1") || is_range(message);
    if message == EMPTY_PATH || is_bound {
        return Some(message.to_owned());
    }
    if message.strip_prefix("expected ") == Some(ADDRESS) {
        return Some(message.to_owned());
    }
    if let Some(unknown) = message.strip_prefix("unknown variant ") {
        let (found, expected) = unknown.rsplit_once(", expected ")?;
        let expected = expected.strip_prefix("one of ").unwrap_or(expected);
        let expected = expected.replace(" or ", ", ").replace('`', "\"");
        return Some(format!("{}, expected one of {expected}", found.replace('`', "\"")));
    }
    let odd = message.strip_prefix("invalid type: ");
    let odd = odd.or_else(|| message.strip_prefix("invalid value: "))?;
    let (found, expected) = odd.rsplit_once(", expected ")?;
    let (found, is_huge) = found.strip_suffix(" as i128").map_or((found, false), |it| (it, true));
    let expected = match expected {
        _ if is_huge => "a smaller number",
        "usize" | "u64" => "a whole number, 0 or more",
        "u32" => "a whole number, 0 to 4294967295",
        "path string" => "a path in quotes",
        "a string" | "string or map" => "a text in quotes",
        "a boolean" => "true or false",
        "a sequence" => "a list, as [\"a\", \"b\"]",
        "a map" => "a table",
        it if it.starts_with("struct ") => "a table",
        it => it,
    };
    let found = found
        .replace("floating point ", "")
        .replace("integer ", "")
        .replace("string ", "")
        .replace("boolean ", "")
        .replace('`', "");
    let found = match &*found {
        "map" => "a table",
        "sequence" => "a list",
        found => found,
    };
    Some(format!("{found}, expected {expected}"))
}
