//! Every conformance case of the CPU backend, on a `Device`.

use style_transfer::Device;

fn main() {
    testkit::run(vec![("device", Device::by_name("cpu"))]);
}
