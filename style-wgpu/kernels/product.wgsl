// Products in f32: see style-core/src/backend/ops/product.rs. Also the gradient of the Gram matrix.

// C (=|+=) scale A B, with A of `rows` rows and `inner` columns; `written` columns of C, zeros behind `columns`. `symmetric`: B + B^T.
struct Product {
    first: u32, count: u32, rows: u32, inner: u32, columns: u32, written: u32, a_step: u32, b_row: u32, b_column: u32, c_step: u32,
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

fn product_put(row: u32, column: u32, value: f32) {
    let a = product_args;
    if row >= a.rows || column >= a.written { return; }
    let at = row * a.c_step + column;
    if a.acc == 1u { product_c[at] += value; } else { product_c[at] = value; }
}

fn product_end(row: u32, column: u32, value: vec4<f32>) {
    product_put(row, column, value.x);
    product_put(row, column + 1u, value.y);
    product_put(row, column + 2u, value.z);
    product_put(row, column + 3u, value.w);
}

// A tile of 64 by 64; a thread has 4 by 4 of it.
@compute @workgroup_size(256)
fn product(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let a = product_args;
    let number = shared_number(group, groups, a.first, a.count);
    if number == NO_GROUP { return; }
    let row = number / a.tiles * 64u;
    let column = number % a.tiles * 64u;
    let own_row = lane / 16u;
    let own_column = lane % 16u;
    var sum: array<vec4<f32>, 4>;
    for (var first = 0u; first < a.inner; first += BATCH) {
        // Consecutive threads read consecutive values of A.
        let k = lane % 16u;
        let quad = lane / 16u;
        let r = row + 4u * quad;
        let left = vec4(
            product_operand(r, first + k), product_operand(r + 1u, first + k),
            product_operand(r + 2u, first + k), product_operand(r + 3u, first + k),
        );
        let c = column + 4u * (lane % 16u);
        let n = first + lane / 16u;
        let right = vec4(product_factor(n, c), product_factor(n, c + 1u), product_factor(n, c + 2u), product_factor(n, c + 3u));
        workgroupBarrier();
        product_left[k * 16u + quad] = left;
        product_right[lane] = right;
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
    let to = vec2(row + 4u * own_row, column + 4u * own_column);
    product_end(to.x, to.y, sum[0]);
    product_end(to.x + 1u, to.y, sum[1]);
    product_end(to.x + 2u, to.y, sum[2]);
    product_end(to.x + 3u, to.y, sum[3]);
}
