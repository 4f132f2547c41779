// Total variation: see style-core/src/backend/ops/tv.rs.

const SQUARES = 0u;
const ABSOLUTE = 1u;
const POWER = 2u;
const NINE_POINT = 3u;

// SQUARES: the sum of vertical v^2 + horizontal h^2. POWER: `vertical` is half the exponent. NINE_POINT: `vertical` is the weight
// of straight pairs, `horizontal` that of diagonal ones.
struct Tv {
    length: u32, width: u32, stride: u32, channels: u32, kind: u32, acc: u32, parts: u32,
    vertical: f32, horizontal: f32, scale: f32, exponent: Pair, less_one: Pair,
}
@group(0) @binding(0) var<uniform> tv_args: Tv;
@group(0) @binding(1) var<storage, read> tv_x: array<f32>;
@group(0) @binding(2) var<storage, read_write> tv_partial: array<Scaled>;
@group(0) @binding(2) var<storage, read_write> tv_dx: array<f32>;

fn tv_power(s: f32, p: Pair) -> f32 {
    if s < 1.17549435e-38 { return 0.0; }
    return power(Pair(s, 0.0), 0, p);
}

// The weight of a pair along a line of the picture: at an edge it is also the difference of two diagonals.
fn tv_along(before: bool, after: bool) -> f32 {
    return tv_args.vertical + 2.0 * tv_args.horizontal * (select(1.0, 0.0, before) + select(1.0, 0.0, after));
}

// A value contributes its differences with the values below it and to its right.
@compute @workgroup_size(256)
fn tv(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let a = tv_args;
    zero = groups.z - 1u;
    let line = a.width * a.stride;
    var sum = Pair();
    for (var i = group.x * 256u + lane; i < a.length; i += a.parts * 256u) {
        let below = i + line < a.length;
        let right = i % line + a.stride < line;
        let x = tv_x[i];
        var v = 0.0;
        var h = 0.0;
        if below { v = tv_x[i + line] - x; }
        if right { h = tv_x[i + a.stride] - x; }
        var term = 0.0;
        if a.kind == SQUARES {
            term = a.vertical * (v * v) + a.horizontal * (h * h);
        } else if a.kind == ABSOLUTE {
            term = abs(v) + abs(h);
        } else if a.kind == NINE_POINT {
            let above = i >= line;
            let left = i % line >= a.stride;
            var on = 0.0;
            var back = 0.0;
            if below && right { on = tv_x[i + line + a.stride] - x; }
            if below && left { back = tv_x[i + line - a.stride] - x; }
            term = tv_along(left, right) * (v * v) + tv_along(above, below) * (h * h) + a.horizontal * (on * on + back * back);
        } else if below && right {
            term = tv_power(v * v + h * h, a.exponent);
        }
        sum = plus(sum, hide(term));
    }
    sum = group_sum(sum, lane);
    if lane == 0u { tv_partial[group.x] = unscaled(sum); }
}

// The derivative of (v^2 + h^2)^p by v or h is 2 p (v^2 + h^2)^(p - 1) times v or h; this is the factor.
fn tv_slope(v: f32, h: f32) -> f32 {
    return 2.0 * tv_args.vertical * tv_power(v * v + h * h, tv_args.less_one);
}

@compute @workgroup_size(256)
fn tv_bwd(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let a = tv_args;
    zero = groups.z - 1u;
    let i = group_number(group, groups) * 256u + lane;
    if i >= a.length { return; }
    let line = a.width * a.stride;
    let above = i >= line;
    let below = i + line < a.length;
    let left = i % line >= a.stride;
    let right = i % line + a.stride < line;
    let x = tv_x[i];
    // x[p] - x[q] for each neighbour q that there is.
    var up = 0.0;
    var down = 0.0;
    var back = 0.0;
    var on = 0.0;
    if above { up = x - tv_x[i - line]; }
    if below { down = x - tv_x[i + line]; }
    if left { back = x - tv_x[i - a.stride]; }
    if right { on = x - tv_x[i + a.stride]; }
    var d = 0.0;
    if a.kind == SQUARES {
        d = 2.0 * (a.vertical * (up + down) + a.horizontal * (back + on));
    } else if a.kind == ABSOLUTE {
        d = sign(up) + sign(down) + sign(back) + sign(on);
    } else if a.kind == NINE_POINT {
        d = tv_along(left, right) * (up + down) + tv_along(above, below) * (back + on);
        if above && left { d += a.horizontal * (x - tv_x[i - line - a.stride]); }
        if above && right { d += a.horizontal * (x - tv_x[i - line + a.stride]); }
        if below && left { d += a.horizontal * (x - tv_x[i + line - a.stride]); }
        if below && right { d += a.horizontal * (x - tv_x[i + line + a.stride]); }
        d *= 2.0;
    } else {
        if below && right { d += tv_slope(down, on) * (down + on); }
        if above && right { d += tv_slope(up, tv_x[i - line + a.stride] - tv_x[i - line]) * up; }
        if left && below { d += tv_slope(back, tv_x[i + line - a.stride] - tv_x[i - a.stride]) * back; }
    }
    let v = a.scale * d;
    if a.acc == 1u { tv_dx[i] += v; } else { tv_dx[i] = v; }
}
