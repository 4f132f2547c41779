// Mean and standard deviation: see style-core/src/backend/ops/moments.rs.
//
// A buffer of pairs holds the channels' means, room for as many, then the partial sums, [groups][channels].

struct Moments { positions: u32, channels: u32, stride: u32, groups: u32, weighted: u32, centred: u32 }
@group(0) @binding(0) var<uniform> moments_args: Moments;
@group(0) @binding(1) var<storage, read> moments_x: array<f32>;
@group(0) @binding(2) var<storage, read> moments_t: array<f32>;
@group(0) @binding(3) var<storage, read_write> moments_partial: array<Pair>;

// The sums of t x, or of t (x - mean)^2: 32 channels, eight positions at a time.
@compute @workgroup_size(256)
fn moments_sum(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let a = moments_args;
    zero = groups.z - 1u;
    let number = group_number(group, groups);
    let part = number % a.groups;
    let channel = number / a.groups * 32u + lane % 32u;
    var sum = Pair();
    if channel < a.channels {
        var mean = Pair();
        if a.centred != 0u { mean = moments_partial[channel]; }
        for (var p = part * 8u + lane / 32u; p < a.positions; p += a.groups * 8u) {
            var v = moments_x[p * a.stride + channel];
            if a.centred != 0u {
                let d = hide(hide(v - mean.x) - mean.y);
                v = hide(d * d);
            }
            if a.weighted != 0u { v = hide(moments_t[p] * v); }
            sum = plus(sum, v);
        }
    }
    sums[lane] = sum;
    workgroupBarrier();
    if lane < 32u && channel < a.channels {
        for (var k = 1u; k < 8u; k++) { sum = plus_pair(sum, sums[k * 32u + lane]); }
        moments_partial[(2u + part) * a.channels + channel] = sum;
    }
}

struct Finish { channels: u32, groups: u32, root: u32, scale: Pair }
@group(0) @binding(0) var<uniform> finish_args: Finish;
@group(0) @binding(1) var<storage, read_write> finish_partial: array<Pair>;
@group(0) @binding(2) var<storage, read_write> finish_out: array<f32>;

@compute @workgroup_size(256)
fn moments_finish(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let a = finish_args;
    zero = groups.z - 1u;
    let channel = group_number(group, groups) * 256u + lane;
    if channel >= a.channels {
        // The padding of the last group of four channels.
        let padded = select((a.channels + 3u) / 4u * 4u, 1u, a.channels == 1u);
        if channel < padded { finish_out[channel] = 0.0; }
        return;
    }
    var sum = Pair();
    for (var k = 0u; k < a.groups; k++) { sum = plus_pair(sum, finish_partial[(2u + k) * a.channels + channel]); }
    sum = times_pair(sum, a.scale);
    if a.root != 0u {
        finish_out[channel] = root(sum);
    } else {
        finish_partial[channel] = sum;
        finish_out[channel] = sum.x;
    }
}

struct MomentsBwd { length: u32, channels: u32, stride: u32, weighted: u32, deviates: u32, acc: u32, even: f32 }
@group(0) @binding(0) var<uniform> moments_bwd_args: MomentsBwd;
@group(0) @binding(1) var<storage, read> moments_bwd_x: array<f32>;
@group(0) @binding(2) var<storage, read> moments_bwd_t: array<f32>;
@group(0) @binding(3) var<storage, read> moments_mean: array<f32>;
@group(0) @binding(4) var<storage, read> moments_dmean: array<f32>;
@group(0) @binding(5) var<storage, read> moments_deviation: array<f32>;
@group(0) @binding(6) var<storage, read> moments_ddeviation: array<f32>;
@group(0) @binding(7) var<storage, read_write> moments_dx: array<f32>;

@compute @workgroup_size(256)
fn moments_bwd(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let a = moments_bwd_args;
    let i = group_number(group, groups) * 256u + lane;
    if i >= a.length { return; }
    let channel = i % a.stride;
    if channel >= a.channels {
        moments_dx[i] = 0.0;
        return;
    }
    var t = a.even;
    if a.weighted != 0u { t = moments_bwd_t[i / a.stride]; }
    var v = t * moments_dmean[channel];
    if a.deviates != 0u {
        let deviation = moments_deviation[channel];
        // Weighted before divided: a position without weight may be far from the mean.
        if deviation >= 1.17549435e-38 {
            v += moments_ddeviation[channel] * (t * (moments_bwd_x[i] - moments_mean[channel]) / deviation);
        }
    }
    if a.acc == 1u { moments_dx[i] += v; } else { moments_dx[i] = v; }
}
