//! The bytes of each form, exactly: clients are written against them.

mod samples;

use samples::{Sample, samples};

#[test]
fn every_form_is_what_the_documentation_shows() {
    for Sample { expected, written } in samples() {
        assert_eq!(written, expected);
    }
}
