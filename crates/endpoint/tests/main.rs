//! The tests of this crate, as one program: each file is a module. What needs streams is tested by the adapters.

mod conversation;
