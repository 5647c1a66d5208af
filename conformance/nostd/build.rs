//! Compiles `runtime.c` and has the programs linked against that and nothing else.

use std::env;
use std::path::PathBuf;
use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=runtime.c");
    let object =
        PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR")).join("runtime.o");
    let status = Command::new("cc")
        .args(["-c", "-Os", "-Wall", "-Wextra", "-Werror", "-ffreestanding", "-fno-pic"])
        .args(["-fno-stack-protector", "-fno-tree-loop-distribute-patterns", "runtime.c", "-o"])
        .arg(&object)
        .status()
        .expect("a C compiler named cc");
    assert!(status.success(), "runtime.c does not compile");
    println!("cargo:rustc-link-arg-bins={}", object.display());
    for argument in ["-nostartfiles", "-nostdlib", "-static", "-no-pie"] {
        println!("cargo:rustc-link-arg-bins={argument}");
    }
}
