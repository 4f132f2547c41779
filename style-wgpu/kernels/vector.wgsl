// Vector operations: see style-core/src/backend/ops/vector.rs.

struct Copy { length: u32 }
@group(0) @binding(0) var<uniform> copy_args: Copy;
@group(0) @binding(1) var<storage, read> copy_from: array<u32>;
@group(0) @binding(2) var<storage, read_write> copy_to: array<u32>;

@compute @workgroup_size(256)
fn copy(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = group_number(group, groups) * 256u + lane;
    if i < copy_args.length { copy_to[i] = copy_from[i]; }
}

// Each workgroup's part of the products of two vectors with four. Each thread scales a vector by the exponent of its largest value
// so far, so that no product leaves the range of f32, however large or small the vectors are.
struct Dots { length: u32, parts: u32 }
@group(0) @binding(0) var<uniform> dots_args: Dots;
@group(0) @binding(1) var<storage, read_write> dots_partial: array<Scaled>; // [8][parts]
@group(0) @binding(2) var<storage, read> dots_a0: array<f32>;
@group(0) @binding(3) var<storage, read> dots_a1: array<f32>;
@group(0) @binding(4) var<storage, read> dots_b0: array<f32>;
@group(0) @binding(5) var<storage, read> dots_b1: array<f32>;
@group(0) @binding(6) var<storage, read> dots_b2: array<f32>;
@group(0) @binding(7) var<storage, read> dots_b3: array<f32>;

var<workgroup> dots_exponents: array<atomic<i32>, 6>;

// Four sums.
struct Four { high: vec4<f32>, low: vec4<f32> }

fn hide_four(v: vec4<f32>) -> vec4<f32> {
    return bitcast<vec4<f32>>(bitcast<vec4<u32>>(v) ^ vec4(zero));
}

// As `plus`.
fn plus_four(p: Four, v: vec4<f32>) -> Four {
    let s = hide_four(p.high + v);
    let of_v = hide_four(s - p.high);
    let of_p = hide_four(s - of_v);
    let rest = hide_four(hide_four(p.high - of_p) + hide_four(v - of_v) + p.low);
    let high = hide_four(s + rest);
    return Four(high, rest - hide_four(high - s));
}

fn powers(exponent: vec4<i32>) -> vec4<f32> {
    return vec4(power_of_two(exponent.x), power_of_two(exponent.y), power_of_two(exponent.z), power_of_two(exponent.w));
}

// As `scaled`.
fn scaled_four(p: Four, exponent: vec4<i32>) -> Four {
    let half = exponent / 2;
    let by = powers(half);
    let rest = powers(exponent - half);
    return Four(hide_four(p.high * by) * rest, hide_four(p.low * by) * rest);
}

fn dots_exponent(v: f32) -> i32 {
    return clamp(i32((bitcast<u32>(v) >> 23u) & 255u) - 127, -126, 126);
}

fn two_sum_four(a: vec4<f32>, b: vec4<f32>) -> Four {
    let s = hide_four(a + b);
    let of_b = hide_four(s - a);
    let of_a = hide_four(s - of_b);
    return Four(s, hide_four(a - of_a) + hide_four(b - of_b));
}

fn quick_sum_four(a: vec4<f32>, b: vec4<f32>) -> Four {
    let s = hide_four(a + b);
    return Four(s, b - hide_four(s - a));
}

// As `plus_pair`.
fn plus_fours(p: Four, q: Four) -> Four {
    let s = two_sum_four(p.high, q.high);
    let t = two_sum_four(p.low, q.low);
    let u = quick_sum_four(s.high, hide_four(s.low + t.high));
    return quick_sum_four(u.high, hide_four(u.low + t.low));
}

var<workgroup> dots_high: array<vec4<f32>, 256>;
var<workgroup> dots_low: array<vec4<f32>, 256>;

fn dots_of(lane: u32) -> Four {
    return Four(dots_high[lane], dots_low[lane]);
}

// As `group_sum`; the first thread has the result.
fn dots_sum(v: Four, lane: u32) -> Four {
    var sum = v;
    workgroupBarrier();
    dots_high[lane] = sum.high;
    dots_low[lane] = sum.low;
    workgroupBarrier();
    for (var quarter = 64u; quarter > 0u; quarter /= 4u) {
        if lane < quarter {
            let even = plus_fours(dots_of(lane), dots_of(lane + 2u * quarter));
            let odd = plus_fours(dots_of(lane + quarter), dots_of(lane + 3u * quarter));
            sum = plus_fours(even, odd);
            dots_high[lane] = sum.high;
            dots_low[lane] = sum.low;
        }
        workgroupBarrier();
    }
    return sum;
}

// The sums of four products, with the exponents that all threads scale them by.
fn dots_row(at: u32, p: Four, exponents: vec4<i32>, lane: u32) {
    let sum = dots_sum(p, lane);
    let e = vec4<f32>(exponents);
    if lane == 0u {
        dots_partial[at] = Scaled(Pair(sum.high.x, sum.low.x), e.x, 0.0);
        dots_partial[at + dots_args.parts] = Scaled(Pair(sum.high.y, sum.low.y), e.y, 0.0);
        dots_partial[at + 2u * dots_args.parts] = Scaled(Pair(sum.high.z, sum.low.z), e.z, 0.0);
        dots_partial[at + 3u * dots_args.parts] = Scaled(Pair(sum.high.w, sum.low.w), e.w, 0.0);
    }
}

// A thread's sums of products: of the first vector and of the second, with the exponents of all vectors and the powers of two that
// they are scaled by.
struct Products { first: Four, second: Four, of_a: vec2<i32>, of_b: vec4<i32>, by_a: vec2<f32>, by_b: vec4<f32> }

fn no_products() -> Products {
    return Products(Four(), Four(), vec2(-126), vec4(-126), vec2(power_of_two(126)), vec4(power_of_two(126)));
}

fn add_products(p: ptr<function, Products>, a: vec2<f32>, b: vec4<f32>) {
    let of_a = (*p).of_a;
    let of_b = (*p).of_b;
    let next_a = max(of_a, vec2(dots_exponent(a.x), dots_exponent(a.y)));
    let next_b = max(of_b, vec4(dots_exponent(b.x), dots_exponent(b.y), dots_exponent(b.z), dots_exponent(b.w)));
    if any(next_a != of_a) || any(next_b != of_b) {
        (*p).first = scaled_four((*p).first, vec4(of_a.x - next_a.x) + of_b - next_b);
        (*p).second = scaled_four((*p).second, vec4(of_a.y - next_a.y) + of_b - next_b);
        (*p).of_a = next_a;
        (*p).of_b = next_b;
        (*p).by_a = vec2(power_of_two(-next_a.x), power_of_two(-next_a.y));
        (*p).by_b = powers(-next_b);
    }
    let u = a * (*p).by_a;
    let v = b * (*p).by_b;
    (*p).first = plus_four((*p).first, hide_four(u.x * v));
    (*p).second = plus_four((*p).second, hide_four(u.y * v));
}

// The sums of all threads, as a workgroup's part.
fn store_products(p: Products, part: u32, lane: u32) {
    // All threads scale their sums alike.
    if lane < 6u { atomicStore(&dots_exponents[lane], -126); }
    workgroupBarrier();
    atomicMax(&dots_exponents[0], p.of_a.x);
    atomicMax(&dots_exponents[1], p.of_a.y);
    atomicMax(&dots_exponents[2], p.of_b.x);
    atomicMax(&dots_exponents[3], p.of_b.y);
    atomicMax(&dots_exponents[4], p.of_b.z);
    atomicMax(&dots_exponents[5], p.of_b.w);
    workgroupBarrier();
    let all_b = vec4(
        atomicLoad(&dots_exponents[2]), atomicLoad(&dots_exponents[3]), atomicLoad(&dots_exponents[4]),
        atomicLoad(&dots_exponents[5]),
    );
    let of_first = vec4(atomicLoad(&dots_exponents[0])) + all_b;
    let of_second = vec4(atomicLoad(&dots_exponents[1])) + all_b;
    dots_row(part, scaled_four(p.first, vec4(p.of_a.x) + p.of_b - of_first), of_first, lane);
    dots_row(part + 4u * dots_args.parts, scaled_four(p.second, vec4(p.of_a.y) + p.of_b - of_second), of_second, lane);
}

@compute @workgroup_size(256)
fn dots(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    zero = groups.z - 1u;
    var products = no_products();
    for (var i = group.x * 256u + lane; i < dots_args.length; i += dots_args.parts * 256u) {
        let b = vec4(dots_b0[i], dots_b1[i], dots_b2[i], dots_b3[i]);
        add_products(&products, vec2(dots_a0[i], dots_a1[i]), b);
    }
    store_products(products, group.x, lane);
}

// out[first + row row_step + column] = scale times the sum of `count` partial sums, in a workgroup each.
struct Reduce { count: u32, columns: u32, from_step: u32, first: u32, row_step: u32, scale: Pair }
@group(0) @binding(0) var<uniform> reduce_args: Reduce;
@group(0) @binding(1) var<storage, read> reduce_partial: array<Scaled>;
@group(0) @binding(2) var<storage, read_write> reduce_out: array<Scaled>;

var<workgroup> reduce_exponent: atomic<i32>;

@compute @workgroup_size(256)
fn reduce(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    zero = groups.z - 1u;
    let row = group.x / reduce_args.columns;
    let column = group.x % reduce_args.columns;
    let start = (row * reduce_args.from_step + column) * reduce_args.count;
    if lane == 0u { atomicStore(&reduce_exponent, -1000); }
    workgroupBarrier();
    for (var i = lane; i < reduce_args.count; i += 256u) {
        // Not that of zero, which would hide small sums.
        let partial = reduce_partial[start + i];
        if (bitcast<u32>(partial.sum.x) & 0x7fffffffu) != 0u { atomicMax(&reduce_exponent, i32(partial.exponent)); }
    }
    workgroupBarrier();
    let exponent = atomicLoad(&reduce_exponent);
    var sum = Pair();
    for (var i = lane; i < reduce_args.count; i += 256u) {
        let partial = reduce_partial[start + i];
        // Only that of zero may be above.
        sum = plus_pair(sum, scaled(partial.sum, min(i32(partial.exponent) - exponent, 0)));
    }
    sum = group_sum(sum, lane);
    if lane == 0u {
        let to = reduce_args.first + row * reduce_args.row_step + column;
        reduce_out[to] = Scaled(times_pair(sum, reduce_args.scale), f32(exponent), 0.0);
    }
}

// y + low = sum_i c_i x_i, plus y + low if `begun`, for a part of the values; each factor in four parts of 12 bits.
struct Combine { first: u32, count: u32, terms: u32, begun: u32, c: array<vec4<f32>, 6> }
@group(0) @binding(0) var<uniform> combine_args: Combine;
@group(0) @binding(1) var<storage, read_write> combine_y: array<f32>;
@group(0) @binding(2) var<storage, read_write> combine_low: array<f32>;
@group(0) @binding(3) var<storage, read> combine_x0: array<f32>;
@group(0) @binding(4) var<storage, read> combine_x1: array<f32>;
@group(0) @binding(5) var<storage, read> combine_x2: array<f32>;
@group(0) @binding(6) var<storage, read> combine_x3: array<f32>;
@group(0) @binding(7) var<storage, read> combine_x4: array<f32>;
@group(0) @binding(8) var<storage, read> combine_x5: array<f32>;

fn combine_term(sum: Pair, x: f32, c: vec4<f32>) -> Pair {
    let high = leading(x);
    let low = hide(x - high);
    var s = sum;
    for (var k = 0u; k < 4u; k++) {
        s = plus(s, hide(high * c[k]));
        s = plus(s, hide(low * c[k]));
    }
    return s;
}

@compute @workgroup_size(256)
fn combine(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    zero = groups.z - 1u;
    let k = group_number(group, groups) * 256u + lane;
    if k >= combine_args.count { return; }
    let i = combine_args.first + k;
    var sum = Pair();
    if combine_args.begun != 0u { sum = Pair(combine_y[i], combine_low[k]); }
    let terms = combine_args.terms;
    if terms > 0u { sum = combine_term(sum, combine_x0[i], combine_args.c[0]); }
    if terms > 1u { sum = combine_term(sum, combine_x1[i], combine_args.c[1]); }
    if terms > 2u { sum = combine_term(sum, combine_x2[i], combine_args.c[2]); }
    if terms > 3u { sum = combine_term(sum, combine_x3[i], combine_args.c[3]); }
    if terms > 4u { sum = combine_term(sum, combine_x4[i], combine_args.c[4]); }
    if terms > 5u { sum = combine_term(sum, combine_x5[i], combine_args.c[5]); }
    combine_y[i] = sum.x;
    combine_low[k] = sum.y;
}

// The factor of `scale`: s^power, or 0; and whether s is positive.
struct Factor { slot: u32, power: Pair }
@group(0) @binding(0) var<uniform> factor_args: Factor;
@group(0) @binding(1) var<storage, read> factor_scalars: array<Scaled>;
@group(0) @binding(2) var<storage, read_write> factor_to: array<f32>;

@compute @workgroup_size(1)
fn factor(@builtin(num_workgroups) groups: vec3<u32>) {
    zero = groups.z - 1u;
    let s = factor_scalars[factor_args.slot];
    let positive = s.sum.x > 0.0;
    var f = 0.0;
    if positive { f = power(s.sum, i32(s.exponent), factor_args.power); }
    factor_to[0] = f;
    factor_to[1] = select(0.0, 1.0, positive);
}

struct Scale { length: u32 }
@group(0) @binding(0) var<uniform> scale_args: Scale;
@group(0) @binding(1) var<storage, read> scale_x: array<f32>;
@group(0) @binding(2) var<storage, read> scale_factor: array<f32>;
@group(0) @binding(3) var<storage, read_write> scale_y: array<f32>;

@compute @workgroup_size(256)
fn scale(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = group_number(group, groups) * 256u + lane;
    if i >= scale_args.length { return; }
    scale_y[i] = select(0.0, scale_factor[0] * scale_x[i], scale_factor[1] > 0.0);
}

struct Adam { length: u32, rate: f32, beta1: f32, rest1: f32, beta2: f32, rest2: f32, correction2: f32, epsilon: f32 }
@group(0) @binding(0) var<uniform> adam_args: Adam;
@group(0) @binding(1) var<storage, read> adam_g: array<f32>;
@group(0) @binding(2) var<storage, read_write> adam_m: array<f32>;
@group(0) @binding(3) var<storage, read_write> adam_v: array<f32>;
@group(0) @binding(4) var<storage, read_write> adam_x: array<f32>;

@compute @workgroup_size(256)
fn adam(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = group_number(group, groups) * 256u + lane;
    if i >= adam_args.length { return; }
    let g = adam_g[i];
    let m = adam_args.beta1 * adam_m[i] + adam_args.rest1 * g;
    let v = adam_args.beta2 * adam_v[i] + adam_args.rest2 * (g * g);
    adam_m[i] = m;
    adam_v[i] = v;
    adam_x[i] -= adam_args.rate * m / (sqrt(v / adam_args.correction2) + adam_args.epsilon);
}
