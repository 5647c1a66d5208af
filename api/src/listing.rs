//! The listing of one library.

use std::collections::BTreeSet;
use std::path::Path;

use public_api::Builder;

use crate::Outcome;

/// Lists what a library makes public, an item a line, from what rustdoc says of it.
pub(crate) fn of(json: &Path) -> Outcome<String> {
    let builder = Builder::from_rustdoc_json(json).omit_blanket_impls(true);
    let written = builder.clone().omit_auto_derived_impls(true).build();
    let written = written.map_err(|why| format!("{}: {why}", json.display()))?;
    let written: Vec<String> = written.items().map(ToString::to_string).collect();
    let known: BTreeSet<&str> = written.iter().map(String::as_str).collect();
    let all = builder.build()?;
    let lines = all.items().map(ToString::to_string);
    let lines = lines.filter(|line| known.contains(line.as_str()) || line.starts_with("impl"));
    let lines = lines.filter(|line| !is_noise(line));
    Ok(lines.map(|line| line + "\n").collect())
}

/// Traits of the compiler itself, which no program names.
const INTERNAL: [&str; 3] =
    ["core::marker::Freeze", "core::marker::StructuralPartialEq", "core::marker::UnsafeUnpin"];

/// Traits that a type has unless one of its parts has not: a listing names the types without them.
const AUTOMATIC: [&str; 5] = [
    "core::marker::Send",
    "core::marker::Sync",
    "core::marker::Unpin",
    "core::panic::unwind_safe::RefUnwindSafe",
    "core::panic::unwind_safe::UnwindSafe",
];

/// Whether a line says nothing to a user.
fn is_noise(line: &str) -> bool {
    let Some((head, _)) = line.split_once(" for ") else { return false };
    let name = head.rsplit(' ').next().unwrap_or_default();
    let is_conditional = line.contains(" where ");
    INTERNAL.contains(&name.trim_start_matches('!')) || AUTOMATIC.contains(&name) && !is_conditional
}

#[cfg(test)]
mod tests {
    use super::is_noise;

    #[test]
    fn only_a_type_without_an_automatic_trait_is_listed() {
        assert!(is_noise("impl core::marker::Send for a::B"));
        assert!(is_noise("impl<T> !core::marker::Freeze for a::B<T>"));
        assert!(is_noise("impl core::marker::StructuralPartialEq for a::B"));
        assert!(is_noise("impl<'t> core::panic::unwind_safe::UnwindSafe for a::B<'t>"));
        for listed in [
            "impl !core::marker::Send for a::B",
            "impl<T> core::marker::Send for a::B<T> where T: core::marker::Send",
            "impl core::clone::Clone for a::B",
            "pub fn a::b()",
        ] {
            assert!(!is_noise(listed), "{listed}");
        }
    }
}
