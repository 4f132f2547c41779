//! Every conformance case on the reference backend.

fn main() {
    testkit::run(vec![("reference", Ok(testkit::Reference))]);
}
