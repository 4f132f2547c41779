//! A kernel in executable form: labels are resolved, registers numbered, and each instruction is bound to the function
//! that computes it over the 32 lanes of a warp.
//!
//! Constants, addresses of symbols and special registers are registers, too, initialised before a warp starts, so every
//! operand is a register.

use std::sync::Arc;

/// A 16- or 32-bit register of a warp, one element per lane; 16 bits are zero-extended.
pub(crate) type L32 = [u32; 32];
/// A 64-bit register of a warp.
pub(crate) type L64 = [u64; 32];

/// The number of a 16- or 32-bit register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct R32(pub(crate) u16);
/// The number of a 64-bit register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct R64(pub(crate) u16);
/// The number of a predicate register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pred(pub(crate) u16);

/// Up to three 16- or 32-bit sources and a result of that width.
pub(crate) type F32 = fn(&L32, &L32, &L32) -> L32;
/// Up to three 64-bit sources and a 64-bit result.
pub(crate) type F64 = fn(&L64, &L64, &L64) -> L64;
/// Two narrow sources, a wide one and a wide result.
pub(crate) type Widen = fn(&L32, &L32, &L64) -> L64;
/// A wide source and a narrow result.
pub(crate) type Narrow = fn(&L64) -> L32;
/// A comparison of narrow registers, with one bit per lane.
pub(crate) type Test32 = fn(&L32, &L32) -> u32;
/// A comparison of wide registers.
pub(crate) type Test64 = fn(&L64, &L64) -> u32;

/// A register of any kind.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Reg {
    Pred(Pred),
    Half(R32),
    Word(R32),
    Wide(R64),
}

/// The initial value of a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Special {
    Tid(usize),
    Ntid(usize),
    Ctaid(usize),
    Nctaid(usize),
    LaneId,
    WarpId,
    WarpCount,
    /// The lanes equal to, below, up to, above or from this one.
    LaneMask(LaneMask),
}

/// The kind of `%lanemask_*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum LaneMask {
    Eq,
    Lt,
    Le,
    Gt,
    Ge,
}

/// The address space of a load or store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Space {
    Global,
    Shared,
    Param,
    /// Global or shared, depending on the address.
    Generic,
}

/// An address: a register and an offset. A narrow register holds a shared address.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Address {
    pub(crate) base: Base,
    pub(crate) offset: i64,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Base {
    Narrow(R32),
    Wide(R64),
}

/// The unit of a transfer between memory and registers: `count` elements of `bytes` each.
#[derive(Clone, Debug)]
pub(crate) struct Transfer {
    pub(crate) space: Space,
    pub(crate) address: Address,
    /// Bytes per element: 1, 2, 4 or 8.
    pub(crate) bytes: usize,
    /// Whether an element narrower than its register is sign-extended.
    pub(crate) signed: bool,
    /// `.nc`: the memory is constant throughout the launch.
    pub(crate) constant: bool,
    pub(crate) registers: Vec<Reg>,
}

impl Transfer {
    /// Bytes per lane, which is also the required alignment.
    pub(crate) fn size(&self) -> usize {
        self.bytes * self.registers.len()
    }
}

/// A third operand of `setp`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Combine {
    pub(crate) with: fn(u32, u32) -> u32,
    pub(crate) c: Pred,
    pub(crate) negated: bool,
}

/// The mode of `shfl.sync`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shuffle {
    Up,
    Down,
    Butterfly,
    Index,
}

/// The mode of `vote.sync`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Vote {
    All,
    Any,
    Uniform,
}

/// An operation.
#[derive(Clone, Debug)]
pub(crate) enum Op {
    Narrow3 {
        f: F32,
        d: R32,
        s: [R32; 3],
        flops: u8,
    },
    Wide3 {
        f: F64,
        d: R64,
        s: [R64; 3],
    },
    Widen {
        f: Widen,
        d: R64,
        a: R32,
        b: R32,
        c: R64,
    },
    Narrow {
        f: Narrow,
        d: R32,
        a: R64,
    },
    /// Division or remainder of integers: a divisor of zero is a fault.
    Divide32 {
        f: F32,
        d: R32,
        a: R32,
        b: R32,
    },
    Divide64 {
        f: F64,
        d: R64,
        a: R64,
        b: R64,
    },
    /// `bfi`: inserts a number of bits of the first source into the second at a position.
    Insert {
        d: R32,
        s: [R32; 4],
    },
    Test32 {
        f: Test32,
        d: Pred,
        q: Option<Pred>,
        a: R32,
        b: R32,
        combine: Option<Combine>,
    },
    Test64 {
        f: Test64,
        d: Pred,
        q: Option<Pred>,
        a: R64,
        b: R64,
        combine: Option<Combine>,
    },
    Select32 {
        d: R32,
        a: R32,
        b: R32,
        p: Pred,
    },
    Select64 {
        d: R64,
        a: R64,
        b: R64,
        p: Pred,
    },
    Logic {
        f: fn(u32, u32) -> u32,
        d: Pred,
        a: Pred,
        b: Pred,
    },
    /// Copies propagate uninitialised values without a fault.
    Copy32 {
        d: R32,
        a: R32,
    },
    Copy64 {
        d: R64,
        a: R64,
    },
    CopyPred {
        d: Pred,
        a: Pred,
    },
    /// `d = {low, high}`
    Pack32 {
        d: R32,
        a: [R32; 2],
    },
    Pack64 {
        d: R64,
        a: [R32; 2],
    },
    Unpack32 {
        d: [Option<R32>; 2],
        a: R32,
    },
    Unpack64 {
        d: [Option<R32>; 2],
        a: R64,
    },
    Load(Transfer),
    Store(Transfer),
    /// `%d[|%p] = shfl.sync a, lane, clamp, members`
    Shuffle {
        mode: Shuffle,
        d: R32,
        p: Option<Pred>,
        a: R32,
        lane: R32,
        clamp: R32,
        members: R32,
    },
    Vote {
        mode: Vote,
        d: Pred,
        a: Pred,
        negated: bool,
        members: R32,
    },
    Ballot {
        d: R32,
        a: Pred,
        negated: bool,
        members: R32,
    },
    ActiveMask {
        d: R32,
    },
    Barrier {
        id: u32,
    },
    WarpBarrier {
        members: R32,
    },
    Branch {
        target: u32,
    },
    Exit,
    Trap,
    /// `cp.async`: `size` bytes; those from `source_size` on are zeros.
    CopyAsync {
        to: Address,
        from: Address,
        size: u32,
        source_size: Option<R32>,
    },
    CommitGroup,
    /// Waits until at most this many groups are in flight; `None` waits for all.
    WaitGroup(Option<u32>),
    LoadMatrix {
        d: Vec<R32>,
        transposed: bool,
        address: Address,
    },
    Mma {
        bf16: bool,
        d: [R32; 4],
        a: [R32; 4],
        b: [R32; 2],
        c: [R32; 4],
    },
}

/// An instruction.
#[derive(Clone, Debug)]
pub(crate) struct Inst {
    pub(crate) op: Op,
    /// The predicate, and whether it is negated.
    pub(crate) guard: Option<(Pred, bool)>,
    pub(crate) line: u32,
}

/// A `__shared__` array.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SharedArray {
    pub(crate) name: String,
    pub(crate) start: u32,
    pub(crate) len: u32,
}

/// The numbers of registers of a warp, and the initial values of some of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Registers {
    pub(crate) narrow: u16,
    pub(crate) wide: u16,
    pub(crate) preds: u16,
    pub(crate) constants32: Vec<(R32, u32)>,
    pub(crate) constants64: Vec<(R64, u64)>,
    pub(crate) constant_preds: Vec<(Pred, bool)>,
    pub(crate) specials: Vec<(R32, Special)>,
}

/// A kernel, ready to run.
#[derive(Debug)]
pub struct Kernel {
    pub(crate) name: String,
    pub(crate) source: Arc<Vec<String>>,
    pub(crate) param_bytes: usize,
    pub(crate) params: Vec<(usize, usize)>,
    pub(crate) declared: usize,
    pub(crate) registers: Registers,
    pub(crate) shared: Vec<SharedArray>,
    /// The most threads per block, from `.maxntid` or `.reqntid`.
    pub(crate) max_threads: Option<u32>,
    pub(crate) code: Vec<Inst>,
    /// The smallest size, and therefore alignment, of the kernel's shared memory accesses: 1 to 16.
    pub(crate) granule: usize,
}

impl Kernel {
    /// The kernel's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The size of the parameters in bytes.
    pub fn param_bytes(&self) -> usize {
        self.param_bytes
    }

    /// The offset and size of each parameter, in order.
    pub fn params(&self) -> &[(usize, usize)] {
        &self.params
    }

    /// The size of the static shared memory in bytes.
    pub fn shared_bytes(&self) -> usize {
        self.shared.iter().map(|a| a.len as usize).sum()
    }

    /// The number of registers declared in the PTX. They are virtual: the device's compiler allocates another number.
    pub fn registers(&self) -> usize {
        self.declared
    }

    /// The most threads per block, if the kernel sets a limit.
    pub fn max_threads(&self) -> Option<u32> {
        self.max_threads
    }

    /// The text of a line of the module.
    pub(crate) fn text(&self, line: u32) -> &str {
        self.source.get(line as usize - 1).map_or("", |l| l.trim())
    }
}
