//! All kernels, by module.

use std::sync::Arc;

use style_core::Result;

use super::{
    Kernel, Module, conv2d, cosine, gram, guide, history, loss, moments, nearest, pool2d, product, relu, sample,
    transport, tv, vector, window,
};
use crate::context::Context;

/// Modules and their kernels, with each kernel's argument type and number of threads per block.
macro_rules! kernels {
    ($(#[$doc:meta])* $set:ident { $($file:literal { $($kernel:ident($args:ty, $threads:literal)),* $(,)? })* }) => {
        $(#[$doc])*
        pub(crate) struct $set {
            $($(pub(crate) $kernel: Kernel<$args>,)*)*
            _modules: Vec<Module>,
        }

        impl $set {
            pub(crate) fn load(context: &Arc<Context>) -> Result<Self> {
                let mut modules = vec![];
                $(
                    let ptx = include_str!(concat!("../../kernels/", $file, ".ptx"));
                    let module = Module::load(context, $file, ptx)?;
                    $(let $kernel = module.kernel(stringify!($kernel), $threads)?;)*
                    modules.push(module);
                )*
                Ok(Self { $($($kernel,)*)* _modules: modules })
            }

            /// Each kernel with the size of its argument in bytes and its PTX.
            #[cfg(test)]
            fn sizes() -> Vec<(&'static str, usize, u32, &'static str)> {
                vec![$($((
                    stringify!($kernel),
                    size_of::<$args>(),
                    $threads,
                    include_str!(concat!("../../kernels/", $file, ".ptx")),
                ),)*)*]
            }
        }
    };
}

kernels! {
    /// The kernels that run on every device.
    Kernels {
        "conv2d" { conv2d(conv2d::Conv2dArgs, 128) }
        "conv2d_winograd" { conv2d_winograd(conv2d::Conv2dArgs, 256) }
        "conv2d_picture" {
            conv2d_from_picture(conv2d::PictureArgs, 128),
            conv2d_to_picture(conv2d::PictureArgs, 128),
            conv2d_fold_picture(conv2d::PictureArgs, 128),
        }
        "cosine" { cosine(cosine::CosineArgs, 256) }
        "gram" {
            gram(gram::GramArgs, 256),
            gram_finish(gram::FinishArgs, 256),
            gram_symmetric(gram::SymmetricArgs, 256),
        }
        "guide" { guide(guide::GuideArgs, 256), guide_few(guide::GuideArgs, 256) }
        "history" { convert(history::ConvertArgs, 256) }
        "loss" {
            half_squared_distance(loss::DistanceArgs, 256),
            half_squared_distance_bwd(loss::DistanceBwdArgs, 256),
        }
        "moments" {
            moments_sum(moments::SumArgs, 256),
            moments_finish(moments::FinishArgs, 256),
            moments_bwd(moments::MomentsBwdArgs, 256),
            moments_bwd_few(moments::MomentsBwdArgs, 256),
        }
        "nearest" {
            nearest(nearest::NearestArgs, 256),
            nearest_pick(nearest::PickArgs, 256),
            nearest_distance(nearest::NearestDistanceArgs, 256),
        }
        "pool2d" {
            pool2d_fwd(pool2d::PoolArgs, 256),
            pool2d_bwd(pool2d::PoolArgs, 256),
            pool2d_fwd_few(pool2d::PoolArgs, 256),
            pool2d_bwd_few(pool2d::PoolArgs, 256),
        }
        "product" { product_spread(product::SpreadArgs, 256), project(product::ProjectArgs, 256) }
        "relu" { rectify(relu::RectifyArgs, 256) }
        "sample" { sample(sample::SampleArgs, 256) }
        "transport" {
            transport_begin(transport::SortArgs, 256),
            transport_step(transport::SortArgs, 256),
            transport_merge(transport::SortArgs, 256),
            transport(transport::TransportArgs, 256),
        }
        "tv" { tv(tv::TvArgs, 256), tv_bwd(tv::TvArgs, 256) }
        "vector" {
            dots(vector::DotsArgs, 256),
            reduce(vector::ReduceArgs, 256),
            combine(vector::CombineArgs, 256),
            scale_by(vector::ScaleByArgs, 256),
            adam(vector::AdamArgs, 256),
        }
        "window" {
            window_fwd(window::WindowArgs, 256),
            window_bwd(window::WindowArgs, 256),
            window_fwd_few(window::WindowArgs, 256),
            window_bwd_few(window::WindowArgs, 256),
        }
    }
}

kernels! {
    /// The tensor core kernels, which need compute capability 8.0.
    TensorKernels {
        "conv2d_tensor" {
            conv2d_f16(conv2d::Conv2dArgs, 128),
            conv2d_f16_narrow(conv2d::Conv2dArgs, 128),
            conv2d_f16_small(conv2d::Conv2dArgs, 128),
            conv2d_bf16(conv2d::Conv2dArgs, 128),
            conv2d_bf16_narrow(conv2d::Conv2dArgs, 128),
            conv2d_bf16_small(conv2d::Conv2dArgs, 128),
        }
        "gram_tensor" {
            gram_f16(gram::GramTensorArgs, 128),
            gram_bf16(gram::GramTensorArgs, 128),
            gram_filters(gram::FiltersArgs, 256),
            gram_bwd_bf16(conv2d::Conv2dArgs, 128),
            gram_bwd_bf16_narrow(conv2d::Conv2dArgs, 128),
            gram_bwd_bf16_small(conv2d::Conv2dArgs, 128),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_as_large_as_the_kernels_take_them() {
        for (kernel, bytes, threads, ptx) in [Kernels::sizes(), TensorKernels::sizes()].concat() {
            let parameter = format!(".b8 {kernel}_param_0[{bytes}]\n");
            assert!(ptx.contains(&parameter), "{kernel} does not take {bytes} bytes");
            let entry = &ptx[ptx.find(&format!(".entry {kernel}(")).unwrap()..];
            let bounds = entry.find(".maxntid").unwrap();
            assert!(entry[bounds..].starts_with(&format!(".maxntid {threads}, 1, 1\n")), "{kernel}: {threads} threads");
        }
    }
}
