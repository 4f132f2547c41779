//! Memory and threads, which every kernel stands on. They are compiled again here, because the unit tests of the library
//! would compile all kernels again.

#![allow(dead_code)]

#[path = "../src/memory.rs"]
mod memory;
#[path = "../src/parallel.rs"]
mod parallel;

#[cfg(feature = "ndarray")]
#[test]
fn arrays_of_any_strides_go_in_and_come_out() {
    use style_core::backend::Shape;

    for channels in [3, 17] {
        let array = ndarray::Array3::from_shape_fn((channels, 5, 4), |(c, h, w)| (100 * c + 10 * h + w) as f32);
        let turned = array.view().permuted_axes([0, 2, 1]);
        let tensor = style_cpu::Tensor::from_array(turned).unwrap();
        assert_eq!(tensor.shape(), Shape::new(channels, 4, 5));
        assert_eq!(tensor.to_array().unwrap(), turned);
    }
}
