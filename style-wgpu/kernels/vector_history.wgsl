// Vectors in half precision: see style-core/src/backend/ops/history.rs. Values are bf16, the upper half of an f32, two in a word:
// the first is the lower. A vector of odd length leaves the last half word unused.

struct Halve { length: u32 }
@group(0) @binding(0) var<uniform> halve_args: Halve;
@group(0) @binding(1) var<storage, read> halve_from: array<u32>;
@group(0) @binding(2) var<storage, read_write> halve_to: array<u32>;

// The nearest bf16, of two the even one. NaN stays NaN. All by the bits, because fast arithmetic may ignore NaN and small numbers.
fn nearest_half(bits: u32) -> u32 {
    let nearest = bits + 0x7fffu + ((bits >> 16u) & 1u);
    return select(nearest, bits | 0x400000u, (bits & 0x7fffffffu) > 0x7f800000u) >> 16u;
}

@compute @workgroup_size(256)
fn halve(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let k = group_number(group, groups) * 256u + lane;
    let i = 2u * k;
    if i >= halve_args.length { return; }
    var word = nearest_half(halve_from[i]);
    if i + 1u < halve_args.length { word |= nearest_half(halve_from[i + 1u]) << 16u; }
    halve_to[k] = word;
}

@compute @workgroup_size(256)
fn restore(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let k = group_number(group, groups) * 256u + lane;
    let i = 2u * k;
    if i >= halve_args.length { return; }
    let word = halve_from[k];
    halve_to[i] = word << 16u;
    if i + 1u < halve_args.length { halve_to[i + 1u] = word & 0xffff0000u; }
}

fn lower_halves(h: vec4<u32>) -> vec4<f32> {
    return bitcast<vec4<f32>>(h << vec4(16u));
}

fn upper_halves(h: vec4<u32>) -> vec4<f32> {
    return bitcast<vec4<f32>>(h & vec4(0xffff0000u));
}

// As `dots`, with the four vectors in half precision.
@group(0) @binding(2) var<storage, read> half_dots_a0: array<vec2<f32>>;
@group(0) @binding(3) var<storage, read> half_dots_a1: array<vec2<f32>>;
@group(0) @binding(4) var<storage, read> half_dots_h0: array<u32>;
@group(0) @binding(5) var<storage, read> half_dots_h1: array<u32>;
@group(0) @binding(6) var<storage, read> half_dots_h2: array<u32>;
@group(0) @binding(7) var<storage, read> half_dots_h3: array<u32>;

@compute @workgroup_size(256)
fn half_dots(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    zero = groups.z - 1u;
    var products = no_products();
    for (var k = group.x * 256u + lane; 2u * k < dots_args.length; k += dots_args.parts * 256u) {
        let a0 = half_dots_a0[k];
        let a1 = half_dots_a1[k];
        let h = vec4(half_dots_h0[k], half_dots_h1[k], half_dots_h2[k], half_dots_h3[k]);
        add_products(&products, vec2(a0.x, a1.x), lower_halves(h));
        // What lies behind a vector of odd length is not its own.
        if 2u * k + 1u < dots_args.length { add_products(&products, vec2(a0.y, a1.y), upper_halves(h)); }
    }
    store_products(products, group.x, lane);
}

// y + low += sum_i c_i h_i, as `combine` that has begun. Each thread has both values of a word.
@group(0) @binding(3) var<storage, read> half_combine_h0: array<u32>;
@group(0) @binding(4) var<storage, read> half_combine_h1: array<u32>;
@group(0) @binding(5) var<storage, read> half_combine_h2: array<u32>;
@group(0) @binding(6) var<storage, read> half_combine_h3: array<u32>;
@group(0) @binding(7) var<storage, read> half_combine_h4: array<u32>;
@group(0) @binding(8) var<storage, read> half_combine_h5: array<u32>;

// Products of 8 bits by 12 are exact.
fn half_term(sum: Pair, h: u32, c: vec4<f32>) -> Pair {
    let v = bitcast<f32>(h);
    var s = sum;
    for (var k = 0u; k < 4u; k++) { s = plus(s, hide(v * c[k])); }
    return s;
}

// The sums of a word's values.
struct Both { lower: Pair, upper: Pair }

fn half_terms(sums: Both, h: u32, c: vec4<f32>) -> Both {
    return Both(half_term(sums.lower, h << 16u, c), half_term(sums.upper, h & 0xffff0000u, c));
}

@compute @workgroup_size(256)
fn half_combine(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    zero = groups.z - 1u;
    let of_low = 2u * (group_number(group, groups) * 256u + lane);
    if of_low >= combine_args.count { return; }
    // A part begins at an even value.
    let i = combine_args.first + of_low;
    let k = i / 2u;
    let both = of_low + 1u < combine_args.count;
    var sums = Both(Pair(combine_y[i], combine_low[of_low]), Pair());
    if both { sums.upper = Pair(combine_y[i + 1u], combine_low[of_low + 1u]); }
    let terms = combine_args.terms;
    if terms > 0u { sums = half_terms(sums, half_combine_h0[k], combine_args.c[0]); }
    if terms > 1u { sums = half_terms(sums, half_combine_h1[k], combine_args.c[1]); }
    if terms > 2u { sums = half_terms(sums, half_combine_h2[k], combine_args.c[2]); }
    if terms > 3u { sums = half_terms(sums, half_combine_h3[k], combine_args.c[3]); }
    if terms > 4u { sums = half_terms(sums, half_combine_h4[k], combine_args.c[4]); }
    if terms > 5u { sums = half_terms(sums, half_combine_h5[k], combine_args.c[5]); }
    combine_y[i] = sums.lower.x;
    combine_low[of_low] = sums.lower.y;
    if both {
        combine_y[i + 1u] = sums.upper.x;
        combine_low[of_low + 1u] = sums.upper.y;
    }
}
