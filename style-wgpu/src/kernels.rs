//! The kernels: their sources in `kernels/`, their entry points and their buffers.

/// The most workgroups of a reduction.
pub(crate) const PARTS: usize = 256;

/// Bytes of the buffer for partial sums.
pub(crate) const PARTIAL_BYTES: usize = 4 << 20;

/// Bytes of a sum: a pair of `f32` and an exponent.
pub(crate) const SUM_BYTES: usize = 16;

/// Sums that the buffer for partial sums holds.
pub(crate) const MOST_SUMS: usize = PARTIAL_BYTES / SUM_BYTES;

const _: () = assert!(8 * PARTS <= MOST_SUMS);

/// How a kernel uses a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    Read,
    Write,
}

/// An entry point. Binding 0 has its parameters, 32-bit words; its buffers follow.
#[derive(Debug)]
pub(crate) struct Kernel {
    /// The name of the entry point.
    pub(crate) name: &'static str,
    /// The text of its file, and before it that of the file that it builds on.
    pub(crate) files: &'static [&'static str],
    /// The buffers, in the order of the bindings.
    pub(crate) operands: &'static [Access],
}

impl Kernel {
    /// The module with what it includes.
    pub(crate) fn source(&self) -> String {
        [&[include_str!("../kernels/pair.wgsl")], self.files].concat().concat()
    }
}

macro_rules! texts {
    ($file:literal) => { texts!(($file)) };
    (($($file:literal)*)) => { &[$(include_str!(concat!("../kernels/", $file, ".wgsl"))),*] };
}

macro_rules! kernels {
    ($($files:tt: $($constant:ident $name:literal [$($access:ident)*]),*;)*) => {
        $($(pub(crate) static $constant: Kernel = Kernel {
            name: $name,
            files: texts!($files),
            operands: &[$(Access::$access),*],
        };)*)*

        #[cfg(test)]
        static ALL: &[&Kernel] = &[$($(&$constant,)*)*];
    };
}

kernels! {
    "conv2d":
        CONV2D "conv2d" [Read Read Read Read Write Write],
        CONV2D_TO_PICTURE "conv2d_to_picture" [Read Read Read Read Write Write],
        CONV2D_FOLD "conv2d_fold" [Read Read Read Read Write Write];
    ("conv2d" "conv2d_winograd"):
        CONV2D_WINOGRAD_INPUT "conv2d_winograd_input" [Read Read Read Read Write Write Write],
        CONV2D_WINOGRAD_PRODUCT "conv2d_winograd_product" [Read Read Read Read Write Write Write],
        CONV2D_WINOGRAD_OUTPUT "conv2d_winograd_output" [Read Read Read Read Write Write Write];
    "cosine":
        COSINE "cosine" [Read Read Write Write];
    "gram":
        GRAM "gram" [Read Write],
        GRAM_FINISH "gram_finish" [Read Write];
    "guide":
        GUIDE "guide" [Read Read Write];
    "loss":
        HALF_SQUARED_DISTANCE "half_squared_distance" [Read Read Write],
        HALF_SQUARED_DISTANCE_BWD "half_squared_distance_bwd" [Read Read Write];
    "moments":
        MOMENTS_SUM "moments_sum" [Read Read Write],
        MOMENTS_FINISH "moments_finish" [Write Write],
        MOMENTS_BWD "moments_bwd" [Read Read Read Read Read Read Write];
    "nearest":
        NEAREST "nearest" [Read Read Write],
        NEAREST_PICK "nearest_pick" [Read Write],
        NEAREST_DISTANCE "nearest_distance" [Read Read Read Write Write];
    "pool2d":
        POOL2D_FWD "pool2d_fwd" [Read Write Write],
        POOL2D_BWD "pool2d_bwd" [Read Read Write];
    "product":
        PRODUCT "product" [Read Read Write];
    "relu":
        RECTIFY "rectify" [Write];
    "sample":
        SAMPLE "sample" [Read Read Read Read Write];
    "transport":
        TRANSPORT_BEGIN "transport_begin" [Read Write],
        TRANSPORT_STEP "transport_step" [Write],
        TRANSPORT_MERGE "transport_merge" [Write],
        TRANSPORT "transport" [Read Read Write Read Write];
    "tv":
        TV "tv" [Read Write],
        TV_BWD "tv_bwd" [Read Write];
    "vector":
        COPY "copy" [Read Write],
        DOTS "dots" [Write Read Read Read Read Read Read],
        REDUCE "reduce" [Read Write],
        COMBINE "combine" [Write Write Read Read Read Read Read Read],
        FACTOR "factor" [Read Write],
        SCALE "scale" [Read Read Write],
        ADAM "adam" [Read Write Write Write];
    ("vector" "vector_history"):
        HALVE "halve" [Read Write],
        RESTORE "restore" [Read Write],
        HALF_DOTS "half_dots" [Write Read Read Read Read Read Read],
        HALF_COMBINE "half_combine" [Write Write Read Read Read Read Read Read];
    "window":
        WINDOW_FWD "window_fwd" [Read Write],
        WINDOW_BWD "window_bwd" [Read Write];
}

#[cfg(test)]
mod tests {
    use naga::back::{hlsl, msl};
    use naga::valid::{Capabilities, FunctionInfo, ModuleInfo, ValidationFlags, Validator};
    use naga::{AddressSpace, Block, Expression, Function, Handle, Module, Statement, StorageAccess, TypeInner};

    use super::*;

    /// WebGPU's default limits.
    const MOST_INVOCATIONS: u32 = 256;
    const MOST_WORKGROUP_BYTES: u32 = 16_384;
    const MOST_BUFFERS: usize = 8;

    /// The module of a kernel, valid.
    fn module(kernel: &Kernel) -> (Module, ModuleInfo) {
        let name = kernel.name;
        let module = naga::front::wgsl::parse_str(&kernel.source())
            .unwrap_or_else(|e| panic!("{name}: {}", e.emit_to_string(&kernel.source())));
        let info = Validator::new(ValidationFlags::all(), Capabilities::empty())
            .validate(&module)
            .unwrap_or_else(|e| panic!("{name}: {}", e.emit_to_string(&kernel.source())));
        (module, info)
    }

    #[test]
    fn every_kernel_is_valid_within_the_limits_of_webgpu_and_uses_the_buffers_it_declares() {
        for kernel in ALL {
            let name = kernel.name;
            let (module, info) = module(kernel);
            let at = module.entry_points.iter().position(|e| e.name == name).unwrap_or_else(|| panic!("no {name}"));
            let uses = info.get_entry_point(at);
            let size: u32 = module.entry_points[at].workgroup_size.iter().product();
            assert!(size <= MOST_INVOCATIONS, "{name}");
            assert!(kernel.operands.len() <= MOST_BUFFERS, "{name}");
            let mut workgroup_bytes = 0;
            for (handle, variable) in module.global_variables.iter().filter(|(h, _)| !uses[*h].is_empty()) {
                match variable.space {
                    AddressSpace::WorkGroup => workgroup_bytes += module.types[variable.ty].inner.size(module.to_ctx()),
                    AddressSpace::Uniform => assert_eq!(variable.binding.map(|b| b.binding), Some(0), "{name}"),
                    AddressSpace::Storage { access } => {
                        let binding = variable.binding.unwrap().binding as usize;
                        let writes = access.contains(StorageAccess::STORE);
                        let declared = kernel.operands.get(binding - 1);
                        let expected = if writes { Access::Write } else { Access::Read };
                        assert_eq!(declared, Some(&expected), "{name}, binding {binding} of {handle:?}");
                    }
                    _ => {}
                }
            }
            assert!(workgroup_bytes <= MOST_WORKGROUP_BYTES, "{name} takes {workgroup_bytes} bytes");
        }
    }

    #[test]
    fn every_kernel_translates_for_directx_and_metal() {
        for kernel in ALL {
            let (module, info) = module(kernel);
            let entry_point = Some((naga::ShaderStage::Compute, kernel.name.to_string()));
            let (mut text, options) = (String::new(), hlsl::Options::default());
            let of_pipeline = hlsl::PipelineOptions { entry_point: entry_point.clone() };
            let written = hlsl::Writer::new(&mut text, &options, &of_pipeline).write(&module, &info, None);
            let names = written.unwrap_or_else(|e| panic!("{}: {e}", kernel.name)).entry_point_names;
            assert!(names.iter().all(Result::is_ok), "{}: {names:?}", kernel.name);
            let of_pipeline = msl::PipelineOptions { entry_point, ..Default::default() };
            let written = msl::write_string(&module, &info, &msl::Options::default(), &of_pipeline);
            let (_, names) = written.unwrap_or_else(|e| panic!("{}: {e}", kernel.name));
            let names = names.entry_point_names;
            assert!(names.iter().all(Result::is_ok), "{}: {names:?}", kernel.name);
        }
    }

    /// The targets of all assignments.
    fn targets(block: &Block, found: &mut Vec<Handle<Expression>>) {
        for statement in block {
            match statement {
                Statement::Store { pointer, .. } => found.push(*pointer),
                Statement::Block(block) => targets(block, found),
                Statement::If { accept, reject, .. } => [accept, reject].into_iter().for_each(|b| targets(b, found)),
                Statement::Switch { cases, .. } => cases.iter().for_each(|case| targets(&case.body, found)),
                Statement::Loop { body, continuing, .. } => {
                    [body, continuing].into_iter().for_each(|b| targets(b, found));
                }
                _ => {}
            }
        }
    }

    /// Assignments to components of vectors that some drivers do not support.
    fn partial_writes(module: &Module, function: &Function, info: &FunctionInfo) -> Vec<String> {
        let mut found = vec![];
        targets(&function.body, &mut found);
        let partial = found.into_iter().filter_map(|target| {
            let (base, dynamic) = match function.expressions[target] {
                Expression::Access { base, .. } => (base, true),
                Expression::AccessIndex { base, .. } => (base, false),
                _ => return None,
            };
            let space = match *info[base].ty.inner_with(&module.types) {
                TypeInner::ValuePointer { size: Some(_), space, .. } => space,
                TypeInner::Pointer { base, space } if matches!(module.types[base].inner, TypeInner::Vector { .. }) => {
                    space
                }
                _ => return None,
            };
            let shared = matches!(space, AddressSpace::Storage { .. } | AddressSpace::WorkGroup);
            (dynamic || shared).then(|| format!("{:?} in {space:?}, dynamic: {dynamic}", function.name))
        });
        partial.collect()
    }

    /// Metal reads and writes a whole vector of shared memory to write a component, which is a race with other threads; DirectX's
    /// older compiler rejects components of local vectors that it does not know when it compiles.
    #[test]
    fn no_kernel_writes_a_component_that_is_shared_or_unknown() {
        let check = |kernel: &Kernel| -> Vec<String> {
            let (module, info) = module(kernel);
            let functions = module.functions.iter().flat_map(|(handle, f)| partial_writes(&module, f, &info[handle]));
            let entries = module.entry_points.iter().enumerate();
            let entries = entries.flat_map(|(i, e)| partial_writes(&module, &e.function, info.get_entry_point(i)));
            functions.chain(entries).collect()
        };
        for kernel in ALL {
            let found = check(kernel);
            assert!(found.is_empty(), "{}: {found:?}", kernel.name);
        }
        // The check finds both.
        const FILE: &str = "@group(0) @binding(1) var<storage, read_write> to: array<vec4<f32>>;
            @compute @workgroup_size(64) fn bad(@builtin(local_invocation_index) lane: u32) {
                var v = vec4<f32>();
                v[lane % 4u] = 1.0;
                v.x = 2.0;
                to[lane].y = v.x;
            }";
        assert_eq!(check(&Kernel { name: "bad", files: &[FILE], operands: &[] }).len(), 2);
    }
}
