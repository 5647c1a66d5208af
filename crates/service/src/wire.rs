//! What goes over the line: pure functions between bytes and the hub's types, no I/O.
