// Nearest neighbours of patches: see style-core/src/backend/ops/nearest.rs. A norm below 1e-19, whose square is not a normal
// number, counts as zero.

struct Candidate { quotient: f32, patch_number: u32 }

struct Nearest {
    first: u32, count: u32, channels: u32, x_stride: u32, y_stride: u32, side: u32, x_width: u32, x_columns: u32, x_patches: u32,
    y_width: u32, y_columns: u32, y_patches: u32,
    // Tiles of the patches of y: of a part, and those of each part that this dispatch compares.
    part: u32, begin: u32, end: u32, tiles: u32,
}
@group(0) @binding(0) var<uniform> nearest_args: Nearest;
@group(0) @binding(1) var<storage, read> nearest_x: array<f32>;
@group(0) @binding(2) var<storage, read> nearest_y: array<f32>;
@group(0) @binding(3) var<storage, read_write> nearest_best: array<Candidate>; // [parts][patches of x]

const BATCH = 16u;
var<workgroup> nearest_left: array<vec4<f32>, 256>; // [16][64 / 4]
var<workgroup> nearest_right: array<vec4<f32>, 256>;
var<workgroup> nearest_candidates: array<Candidate, 256>;

// The first of those with the largest quotient.
fn nearest_better(a: Candidate, b: Candidate) -> Candidate {
    if b.quotient > a.quotient || (b.quotient == a.quotient && b.patch_number < a.patch_number) { return b; }
    return a;
}

// `v` with component `i` replaced: DirectX's older compiler rejects writes to components that it does not know.
fn nearest_with(v: vec4<f32>, i: u32, component: f32) -> vec4<f32> {
    return select(v, vec4(component), vec4(0u, 1u, 2u, 3u) == vec4(i));
}

// The best neighbours of 64 patches of x among some tiles of a part; a thread compares 4 with 4 at a time.
@compute @workgroup_size(256)
fn nearest(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let a = nearest_args;
    let number = shared_number(group, groups, a.first, a.count);
    if number == NO_GROUP { return; }
    let across = (a.x_patches + 63u) / 64u;
    let part = number / across;
    let first_patch = number % across * 64u;
    let own_row = lane / 16u;
    let own_column = lane % 16u;
    let end = min(min(part * a.part + a.end, (part + 1u) * a.part), a.tiles);
    let k = lane % 16u;
    let quad = lane / 16u;
    // Of four patches.
    var best_quotient = vec4(-3.4e38);
    var best_number = vec4(0u);
    for (var tile = part * a.part + a.begin; tile < end; tile++) {
        var sum: array<vec4<f32>, 4>;
        var squares = vec4<f32>();
        for (var offset = 0u; offset < a.side * a.side; offset++) {
            let r = offset / a.side;
            let c = offset % a.side;
            for (var first = 0u; first < a.channels; first += BATCH) {
                var left = vec4<f32>();
                var right = vec4<f32>();
                let channel = first + k;
                if channel < a.channels {
                    for (var i = 0u; i < 4u; i++) {
                        let p = first_patch + 4u * quad + i;
                        let q = tile * 64u + 4u * quad + i;
                        if p < a.x_patches {
                            let at = (p / a.x_columns + r) * a.x_width + p % a.x_columns + c;
                            left = nearest_with(left, i, nearest_x[at * a.x_stride + channel]);
                        }
                        if q < a.y_patches {
                            let at = (q / a.y_columns + r) * a.y_width + q % a.y_columns + c;
                            right = nearest_with(right, i, nearest_y[at * a.y_stride + channel]);
                        }
                    }
                }
                workgroupBarrier();
                nearest_left[k * 16u + quad] = left;
                nearest_right[k * 16u + quad] = right;
                workgroupBarrier();
                var batch: array<vec4<f32>, 4>;
                var batch_squares = vec4<f32>();
                for (var n = 0u; n < BATCH; n++) {
                    let l = nearest_left[n * 16u + own_row];
                    let v = nearest_right[n * 16u + own_column];
                    batch_squares += v * v;
                    batch[0] += l[0] * v;
                    batch[1] += l[1] * v;
                    batch[2] += l[2] * v;
                    batch[3] += l[3] * v;
                }
                squares += batch_squares;
                sum[0] += batch[0];
                sum[1] += batch[1];
                sum[2] += batch[2];
                sum[3] += batch[3];
            }
        }
        for (var j = 0u; j < 4u; j++) {
            let q = tile * 64u + 4u * own_column + j;
            if q >= a.y_patches { continue; }
            var inverse = 0.0;
            if squares[j] >= 1.17549435e-38 { inverse = 1.0 / sqrt(squares[j]); }
            // As `nearest_better`: later patches have larger numbers.
            let quotient = vec4(sum[0][j], sum[1][j], sum[2][j], sum[3][j]) * inverse;
            let better = quotient > best_quotient;
            best_quotient = select(best_quotient, quotient, better);
            best_number = select(best_number, vec4(q), better);
        }
    }
    for (var i = 0u; i < 4u; i++) {
        workgroupBarrier();
        nearest_candidates[lane] = Candidate(best_quotient[i], best_number[i]);
        workgroupBarrier();
        let p = first_patch + 4u * own_row + i;
        if own_column == 0u && p < a.x_patches {
            var found = Candidate(-3.4e38, 0u);
            // What the dispatches before this one found.
            if a.begin > 0u { found = nearest_best[part * a.x_patches + p]; }
            for (var n = 0u; n < 16u; n++) { found = nearest_better(found, nearest_candidates[lane + n]); }
            nearest_best[part * a.x_patches + p] = found;
        }
    }
}

struct Pick { parts: u32, patches: u32 }
@group(0) @binding(0) var<uniform> pick_args: Pick;
@group(0) @binding(1) var<storage, read> pick_best: array<Candidate>;
@group(0) @binding(2) var<storage, read_write> pick_found: array<f32>;

@compute @workgroup_size(256)
fn nearest_pick(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let p = group_number(group, groups) * 256u + lane;
    if p >= pick_args.patches { return; }
    var best = Candidate(-3.4e38, 0u);
    for (var part = 0u; part < pick_args.parts; part++) { best = nearest_better(best, pick_best[part * pick_args.patches + p]); }
    pick_found[p] = f32(best.patch_number);
}

struct NearestDistance {
    length: u32, channels: u32, stride: u32, y_stride: u32, side: u32, width: u32, rows: u32, columns: u32,
    y_width: u32, y_columns: u32, last: u32, parts: u32,
}
@group(0) @binding(0) var<uniform> nearest_distance_args: NearestDistance;
@group(0) @binding(1) var<storage, read> nearest_distance_x: array<f32>;
@group(0) @binding(2) var<storage, read> nearest_distance_y: array<f32>;
@group(0) @binding(3) var<storage, read> nearest_found: array<f32>;
@group(0) @binding(4) var<storage, read_write> nearest_d: array<f32>;
@group(0) @binding(5) var<storage, read_write> nearest_partial: array<Scaled>;

// d, and each workgroup's part of the sum of |x_p - y_q(p)|^2.
@compute @workgroup_size(256)
fn nearest_distance(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let a = nearest_distance_args;
    zero = groups.z - 1u;
    var sum = Pair();
    for (var i = group.x * 256u + lane; i < a.length; i += a.parts * 256u) {
        let channel = i % a.stride;
        let row = i / a.stride / a.width;
        let column = i / a.stride % a.width;
        var d = 0.0;
        if channel < a.channels {
            let x = nearest_distance_x[i];
            for (var r = 0u; r < min(a.side, row + 1u); r++) {
                for (var c = 0u; c < min(a.side, column + 1u); c++) {
                    if row - r >= a.rows || column - c >= a.columns { continue; }
                    let q = whole_number(nearest_found[(row - r) * a.columns + column - c], a.last);
                    let at = (q / a.y_columns + r) * a.y_width + q % a.y_columns + c;
                    let difference = hide(x - nearest_distance_y[at * a.y_stride + channel]);
                    d += difference;
                    sum = plus(sum, hide(difference * difference));
                }
            }
        }
        nearest_d[i] = d;
    }
    sum = group_sum(sum, lane);
    if lane == 0u { nearest_partial[group.x] = unscaled(sum); }
}
