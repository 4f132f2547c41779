// Cosine distances, position by position: see style-core/src/backend/ops/cosine.rs. Features are scaled by a power of two, so
// that their squares are numbers of f32.

struct Cosine { positions: u32, stride: u32, parts: u32 }
@group(0) @binding(0) var<uniform> cosine_args: Cosine;
@group(0) @binding(1) var<storage, read> cosine_x: array<f32>;
@group(0) @binding(2) var<storage, read> cosine_t: array<f32>;
@group(0) @binding(3) var<storage, read_write> cosine_d: array<f32>;
@group(0) @binding(4) var<storage, read_write> cosine_partial: array<Scaled>;

var<workgroup> cosine_most: array<vec2<u32>, 256>;
var<workgroup> cosine_xt: array<Pair, 256>;
var<workgroup> cosine_tt: array<Pair, 256>;

// Three sums over the 32 threads of a position: into the position's first places.
fn cosine_sums(xx: Pair, xt: Pair, tt: Pair, lane: u32) {
    workgroupBarrier();
    sums[lane] = xx;
    cosine_xt[lane] = xt;
    cosine_tt[lane] = tt;
    workgroupBarrier();
    for (var half = 16u; half > 0u; half /= 2u) {
        if lane % 32u < half {
            sums[lane] = plus_pair(sums[lane], sums[lane + half]);
            cosine_xt[lane] = plus_pair(cosine_xt[lane], cosine_xt[lane + half]);
            cosine_tt[lane] = plus_pair(cosine_tt[lane], cosine_tt[lane + half]);
        }
        workgroupBarrier();
    }
}

// The power of two that brings numbers of this size between 1 and 2.
fn cosine_scale(bits: u32) -> f32 {
    return bitcast<f32>((254u - clamp(bits >> 23u, 1u, 253u)) << 23u);
}

// d, and each workgroup's part of the sum of 1 - c. Eight positions at a time, 32 threads each.
@compute @workgroup_size(256)
fn cosine(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let a = cosine_args;
    zero = groups.z - 1u;
    var sum = Pair();
    for (var first = group.x * 8u; first < a.positions; first += a.parts * 8u) {
        let p = first + lane / 32u;
        let there = p < a.positions;
        let at = p * a.stride;
        // The bits of magnitudes have their order, and NaN is above all.
        var most = vec2<u32>();
        if there {
            for (var k = lane % 32u; k < a.stride; k += 32u) {
                most = max(most, vec2(bitcast<u32>(cosine_x[at + k]), bitcast<u32>(cosine_t[at + k])) & vec2(0x7fffffffu));
            }
        }
        workgroupBarrier();
        cosine_most[lane] = most;
        workgroupBarrier();
        for (var half = 16u; half > 0u; half /= 2u) {
            if lane % 32u < half { cosine_most[lane] = max(cosine_most[lane], cosine_most[lane + half]); }
            workgroupBarrier();
        }
        most = cosine_most[lane / 32u * 32u];
        let of_x = cosine_scale(most.x);
        let of_t = cosine_scale(most.y);
        var xx = Pair();
        var xt = Pair();
        var tt = Pair();
        if there {
            for (var k = lane % 32u; k < a.stride; k += 32u) {
                let x = of_x * cosine_x[at + k];
                let t = of_t * cosine_t[at + k];
                xx = plus(xx, hide(x * x));
                xt = plus(xt, hide(x * t));
                tt = plus(tt, hide(t * t));
            }
        }
        cosine_sums(xx, xt, tt, lane);
        let own = lane / 32u * 32u;
        let norm_x = root(sums[own]);
        let norm_t = root(cosine_tt[own]);
        xt = cosine_xt[own];
        // A norm below the smallest normal number counts as zero.
        let counts = most.x >= 0x00800000u && most.y >= 0x00800000u;
        var c = 0.0;
        if counts { c = (xt.x + xt.y) / (norm_x * norm_t); }
        if there && lane % 32u == 0u { sum = plus(sum, hide(1.0 - c)); }
        if there {
            for (var k = lane % 32u; k < a.stride; k += 32u) {
                var d = 0.0;
                if counts {
                    let x = of_x * cosine_x[at + k] / norm_x;
                    d = (c * x - of_t * cosine_t[at + k] / norm_t) / norm_x * of_x;
                }
                cosine_d[at + k] = d;
            }
        }
    }
    sum = group_sum(sum, lane);
    if lane == 0u { cosine_partial[group.x] = unscaled(sum); }
}
