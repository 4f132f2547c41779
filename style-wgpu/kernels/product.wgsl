// Products in f32: see style-core/src/backend/ops/product.rs. Also the gradient of the Gram matrix.

// C (=|+=) scale A B, with A of `rows` rows and `inner` columns; `written` columns of C, zeros behind `columns`. `symmetric`: B + B^T.
struct Product {
    zero: u32, rows: u32, inner: u32, columns: u32, written: u32, a_step: u32, b_row: u32, b_column: u32, c_step: u32,
    symmetric: u32, acc: u32, scale: f32, tiles: u32,
}
@group(0) @binding(0) var<uniform> product_args: Product;
@group(0) @binding(1) var<storage, read> product_a: array<f32>;
@group(0) @binding(2) var<storage, read> product_b: array<f32>;
@group(0) @binding(3) var<storage, read_write> product_c: array<f32>;

const BATCH = 16u;
var<workgroup> product_left: array<vec4<f32>, 256>; // [16][64 / 4]
var<workgroup> product_right: array<vec4<f32>, 256>;

fn product_factor(row: u32, column: u32) -> f32 {
    let a = product_args;
    if row >= a.inner || column >= a.columns { return 0.0; }
    var v = product_b[row * a.b_row + column * a.b_column];
    if a.symmetric != 0u { v += product_b[column * a.b_row + row * a.b_column]; }
    return a.scale * v;
}

fn product_operand(row: u32, column: u32) -> f32 {
    let a = product_args;
    if row >= a.rows || column >= a.inner { return 0.0; }
    return product_a[row * a.a_step + column];
}

// A tile of 64 by 64; a thread has 4 by 4 of it.
@compute @workgroup_size(256)
fn product(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let a = product_args;
    let number = group_number(group, groups);
    let row = number / a.tiles * 64u;
    let column = number % a.tiles * 64u;
    let own_row = lane / 16u;
    let own_column = lane % 16u;
    var sum: array<vec4<f32>, 4>;
    for (var first = 0u; first < a.inner; first += BATCH) {
        // Consecutive threads read consecutive values of A.
        let k = lane % 16u;
        let quad = lane / 16u;
        var v = vec4<f32>();
        for (var i = 0u; i < 4u; i++) { v[i] = product_operand(row + 4u * quad + i, first + k); }
        let left = v;
        for (var i = 0u; i < 4u; i++) { v[i] = product_factor(first + lane / 16u, column + 4u * (lane % 16u) + i); }
        workgroupBarrier();
        product_left[k * 16u + quad] = left;
        product_right[lane] = v;
        workgroupBarrier();
        for (var n = 0u; n < BATCH; n++) {
            let l = product_left[n * 16u + own_row];
            let r = product_right[n * 16u + own_column];
            sum[0] += l[0] * r;
            sum[1] += l[1] * r;
            sum[2] += l[2] * r;
            sum[3] += l[3] * r;
        }
    }
    for (var i = 0u; i < 4u; i++) {
        let r = row + 4u * own_row + i;
        if r >= a.rows { continue; }
        for (var j = 0u; j < 4u; j++) {
            let c = column + 4u * own_column + j;
            if c >= a.written { continue; }
            let at = r * a.c_step + c;
            if a.acc == 1u { product_c[at] += sum[i][j]; } else { product_c[at] = sum[i][j]; }
        }
    }
}
