//! The types that may move between threads, as the README says.

use sockeye_deflate::{Engine, Session};

#[test]
fn engines_and_sessions_may_change_threads() {
    fn is_send<T: Send>() {}
    is_send::<Engine>();
    is_send::<Session>();
}
