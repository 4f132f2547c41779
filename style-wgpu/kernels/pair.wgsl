// Sums in pairs of f32, because WGSL has no f64: the value is high + low, 48 bits.
//
// Optimisers may take (a + b) - a for b, so every intermediate result passes through `hide`: it is xored with a zero that
// compilers do not know. Products are exact in parts of 12 bits, so it does not matter whether they are contracted with a sum.

alias Pair = vec2<f32>;

// Each kernel sets it to the third extent of its grid minus one, which is zero.
var<private> zero: u32;

fn hide(v: f32) -> f32 {
    return bitcast<f32>(bitcast<u32>(v) ^ zero);
}

// a + b, for any two.
fn two_sum(a: f32, b: f32) -> Pair {
    let s = hide(a + b);
    let of_b = hide(s - a);
    let of_a = hide(s - of_b);
    return Pair(s, hide(a - of_a) + hide(b - of_b));
}

// The same for |a| >= |b|.
fn quick_sum(a: f32, b: f32) -> Pair {
    let s = hide(a + b);
    return Pair(s, b - hide(s - a));
}

fn plus(p: Pair, v: f32) -> Pair {
    let s = two_sum(p.x, v);
    return quick_sum(s.x, hide(s.y + p.y));
}

fn plus_pair(p: Pair, q: Pair) -> Pair {
    let s = two_sum(p.x, q.x);
    let t = two_sum(p.y, q.y);
    let u = quick_sum(s.x, hide(s.y + t.x));
    return quick_sum(u.x, hide(u.y + t.y));
}

// The 12 leading bits.
fn leading(v: f32) -> f32 {
    return bitcast<f32>(bitcast<u32>(v) & 0xfffff000u);
}

// a b.
fn times(a: f32, b: f32) -> Pair {
    let p = hide(a * b);
    let ah = leading(a);
    let bh = leading(b);
    let al = hide(a - ah);
    let bl = hide(b - bh);
    let e = hide(hide(hide(ah * bh - p) + al * bh) + ah * bl);
    return Pair(p, e + al * bl);
}

fn times_pair(p: Pair, q: Pair) -> Pair {
    let m = times(p.x, q.x);
    return quick_sum(m.x, hide(m.y + (p.x * q.y + p.y * q.x)));
}

fn quotient(p: Pair, q: Pair) -> Pair {
    let first = hide(p.x / q.x);
    let taken = times_pair(q, Pair(first, 0.0));
    let rest = plus_pair(p, Pair(-taken.x, -taken.y));
    return quick_sum(first, hide(rest.x / q.x));
}

// The square root, rounded to f32.
fn root(p: Pair) -> f32 {
    let r = sqrt(max(p.x, 0.0));
    if !(r > 0.0) {
        // Zero, or NaN: by its bits, because fast arithmetic may ignore NaN.
        return select(0.0, p.x, (bitcast<u32>(p.x) & 0x7fffffffu) > 0x7f800000u);
    }
    let square = times(r, r);
    return r + (hide(p.x - square.x) + (p.y - square.y)) / (2.0 * r);
}

const LN2 = Pair(0.69314718, -1.9046543e-9);

fn power_of_two(exponent: i32) -> f32 {
    return bitcast<f32>(u32(clamp(exponent, -126, 127) + 127) << 23u);
}

// v 2^exponent.
fn scaled(v: Pair, exponent: i32) -> Pair {
    let half = exponent / 2;
    // Hidden, because the product of both powers may be infinite.
    let first = v * power_of_two(half);
    return Pair(hide(first.x), hide(first.y)) * power_of_two(exponent - half);
}

// (s 2^more)^p for normal positive s, to 2e-7 of its value: by the logarithm as a pair, because the built-in functions round too
// much.
fn power(s: Pair, more: i32, p: Pair) -> f32 {
    let own = i32(bitcast<u32>(s.x) >> 23u) - 127;
    var exponent = own + more;
    var m = Pair(bitcast<f32>((bitcast<u32>(s.x) & 0x007fffffu) | 0x3f800000u), s.y * power_of_two(-own));
    if m.x > 1.4142135 {
        m *= 0.5;
        exponent += 1;
    }
    // ln m = 2 atanh z.
    let z = quotient(plus(m, -1.0), plus(m, 1.0));
    let zz = z.x * z.x;
    let series = zz * (1.0 / 3.0 + zz * (1.0 / 5.0 + zz * (1.0 / 7.0 + zz * (1.0 / 9.0 + zz / 11.0))));
    let ln_m = plus(z, hide(z.x * series)) * 2.0;
    let ln = plus_pair(times_pair(LN2, Pair(f32(exponent), 0.0)), ln_m);
    let t = times_pair(ln, p);
    // e^t = 2^n e^r.
    let n = clamp(round(t.x * 1.442695), -200.0, 200.0);
    let rest = plus_pair(t, times_pair(LN2, Pair(-n, 0.0)));
    let r = rest.x + rest.y;
    let tail = r * r * (0.5 + r * (1.0 / 6.0 + r * (1.0 / 24.0 + r * (1.0 / 120.0 + r * (1.0 / 720.0 + r / 5040.0)))));
    let half = i32(n) / 2;
    return (1.0 + (r + tail)) * power_of_two(half) * power_of_two(i32(n) - half);
}

// The nearest whole number from 0 to `most`, which is at most 2^24; that of NaN is 0.
fn whole_number(v: f32, most: u32) -> u32 {
    if !(v > 0.0) { return 0u; }
    if v >= f32(most) { return most; }
    let whole = u32(v);
    return min(select(whole, whole + 1u, v - f32(whole) >= 0.5), most);
}

// A workgroup's number, in dispatches that are wider than one dimension allows.
fn group_number(group: vec3<u32>, groups: vec3<u32>) -> u32 {
    return group.y * groups.x + group.x;
}

// That of a kernel that several dispatches share: `first` is the number of this dispatch's first workgroup, `count` how many it
// needs. There may be more, because a grid is a whole rectangle; their number is NO_GROUP, and they end at once.
const NO_GROUP = 0xffffffffu;
fn shared_number(group: vec3<u32>, groups: vec3<u32>, first: u32, count: u32) -> u32 {
    let number = group_number(group, groups);
    return select(NO_GROUP, first + number, number < count);
}

var<workgroup> sums: array<Pair, 256>;

// The sum over a workgroup of 256 threads, in one order; every thread has the result. Four become one between two barriers.
fn group_sum(v: Pair, lane: u32) -> Pair {
    workgroupBarrier();
    sums[lane] = v;
    workgroupBarrier();
    for (var quarter = 64u; quarter > 0u; quarter /= 4u) {
        if lane < quarter {
            let even = plus_pair(sums[lane], sums[lane + 2u * quarter]);
            let odd = plus_pair(sums[lane + quarter], sums[lane + 3u * quarter]);
            sums[lane] = plus_pair(even, odd);
        }
        workgroupBarrier();
    }
    return sums[0];
}

// A sum beyond the range of f32: sum 2^exponent.
struct Scaled { sum: Pair, exponent: f32, spare: f32 }

fn unscaled(sum: Pair) -> Scaled {
    return Scaled(sum, 0.0, 0.0);
}
