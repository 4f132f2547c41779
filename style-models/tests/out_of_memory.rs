//! Running out of memory for weights is an error and does not abort the program: each large allocation on the way to a
//! network fails once. This is a single test, so that nothing else runs in the process.

use style_models::{LoadOptions, embedded, from_bytes, save};
use testkit::memory::{Failing, each};

/// Decoders allocate smaller pieces without handling failure.
#[global_allocator]
static ALLOCATOR: Failing = Failing::from(128 << 10);

#[test]
fn an_allocation_that_fails_is_an_error() {
    let mut failed = each("embedded", || Box::new(embedded));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("saved.safetensors");
    save(embedded().unwrap().model(), &path).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    failed += each("safetensors", || {
        let bytes = bytes.clone();
        Box::new(|| from_bytes("saved", bytes, &LoadOptions::default()))
    });
    println!("{failed} allocations failed, each once");
    assert!(failed > 15);
}
