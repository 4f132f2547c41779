// Windows of tensors: see style-core/src/backend/ops/window.rs.

struct Window { length: u32, stride: u32, whole_width: u32, row: u32, column: u32, height: u32, width: u32, acc: u32 }
@group(0) @binding(0) var<uniform> window_args: Window;
@group(0) @binding(1) var<storage, read> window_x: array<u32>;
@group(0) @binding(2) var<storage, read_write> window_y: array<u32>;

// Where the window's value `i` is in the whole.
fn window_within(i: u32) -> u32 {
    let a = window_args;
    let position = i / a.stride;
    let at = (a.row + position / a.width) * a.whole_width + a.column + position % a.width;
    return at * a.stride + i % a.stride;
}

@compute @workgroup_size(256)
fn window_fwd(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = group_number(group, groups) * 256u + lane;
    if i >= window_args.length { return; }
    window_y[i] = window_x[window_within(i)];
}

@group(0) @binding(1) var<storage, read> window_dy: array<f32>;
@group(0) @binding(2) var<storage, read_write> window_dx: array<f32>;

// `Add` walks the window, `Store` the whole.
@compute @workgroup_size(256)
fn window_bwd(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = group_number(group, groups) * 256u + lane;
    let a = window_args;
    if i >= a.length { return; }
    if a.acc == 1u {
        window_dx[window_within(i)] += window_dy[i];
        return;
    }
    let position = i / a.stride;
    // Above or left of the window, the difference wraps around and is large.
    let row = position / a.whole_width - a.row;
    let column = position % a.whole_width - a.column;
    var v = 0.0;
    if row < a.height && column < a.width { v = window_dy[(row * a.width + column) * a.stride + i % a.stride]; }
    window_dx[i] = v;
}
