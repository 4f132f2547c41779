//! The mistakes, the backend that makes one of them, and its storage.

use std::sync::atomic::{AtomicU32, Ordering};

use style_core::backend::{Acc, Shape, Storage};
use style_core::{Error, ErrorKind, Result};
use testkit::Reference;

/// The backend that is modified.
pub(crate) const R: Reference = Reference;
pub(crate) type Inner = <Reference as Storage>::Tensor;

/// The op with the mistake, as the prefix of the case names.
pub(crate) type Prefix = &'static str;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Mistake {
    Nothing,
    AddStores(Prefix),
    StoreAdds(Prefix),
    StaleMemoryLeaks(Prefix),
    DifferentEveryTime(Prefix),
    NotZeroed,
    UploadOfAnyLength,
    ReshapeOfAnySize,
    ReshapeOfAnyMarks,
    ReshapeKeepsMarks,
    ConvTransposed,
    ConvRotated,
    ConvBackwardNotRotated,
    ConvNoBias,
    ConvNoRelu,
    ConvHalfPrecision,
    ConvEdgeLost,
    ConvTakesTransposedInput,
    ConvPanics,
    ConvPoolSums,
    ConvPoolSpreadWhole,
    ConvPoolGateClosed,
    ConvPoolGateOfAll,
    ConvPartAlone,
    ConvPartSpills,
    ConvPaddingIgnored,
    ConvPaddingNotFolded,
    ConvPaddingCornersLost,
    ConvPaddingOfFeatures,
    ConvPartPaddingIgnored,
    GateInverted,
    GateOpen,
    GateOpenAtZero,
    PoolLastTie,
    PoolHalves,
    PoolDroppedUntouched,
    PoolDroppedZeroed,
    PoolNeedsNoSwitches,
    GramScaleIgnored,
    GramOfAllRows,
    GramAsymmetric,
    GramInF32,
    GramLowerHalfIgnored,
    GuideMapIgnored,
    GuideScaleIgnored,
    GuideMapOfAnyShape,
    MomentsUnweighted,
    MomentsInF32,
    MomentsVariance,
    MomentsOfSample,
    MomentsCancel,
    MomentsGradientUnweighted,
    MomentsGradientUndivided,
    MomentsGradientDividesByZero,
    MomentsGradientOfMeanAlone,
    MomentsGradientDividesFirst,
    RectifyKeepsNegatives,
    RectifyMirrors,
    RectifyKeepsNan,
    LossNotHalved,
    LossInF32,
    LossSign,
    LossSlot,
    TvNotHalved,
    TvSign,
    TvScaleIgnored,
    TvKindIgnored,
    TvAbsoluteUnsigned,
    TvAbsoluteSlopesAtZero,
    TvMeansNotDivided,
    TvMeansOverPixels,
    TvPowerOfSquares,
    TvPowerUndefinedAtZero,
    DotsTransposed,
    DotsInF32,
    CombineInF32,
    CombineDropsLast,
    CopyOfNothing,
    AdamUncorrected,
    AdamBetasSwapped,
    ScaleByPowerIgnored,
    ScaleByNegative,
    HistoryNotZeroed,
    HistoryBytesOfOne,
    HistoryTruncates,
    HistoryOfSevenBits,
    HistoryHidesNan,
    HistoryForgetsSign,
    HistoryDotsInF32,
    HistoryDotsTransposed,
    HistoryCombineDropsOne,
    HistoryCombineLastAlone,
    ProductScaleIgnored,
    ProductTransposed,
    ProjectNotTransposed,
    TransportLastOfEqual,
    TransportByMagnitude,
    TransportZerosDiffer,
    TransportUnsorted,
    TransportNotHalved,
    TransportSign,
    NearestLastOfEqual,
    NearestFarthest,
    NearestByDotProduct,
    NearestRoundsDown,
    NearestWraps,
    NearestMeans,
    NearestNotHalved,
    SampleScaleIgnored,
    SampleOffsetIgnored,
    SampleGradientOffsetIgnored,
    SampleGradientNotTransposed,
    SampleFillingKept,
    SampleRestZeroed,
    SampleRoundsDown,
    SampleWraps,
    SampleLastEntryLost,
    SampleReadsAll,
    CosineTargetNotNormalised,
    CosineNotNormalised,
    CosineNotProjected,
    CosineNotDivided,
    CosineSign,
    CosineInF32,
    CosineDividesByZero,
    CosineZerosAreNear,
    CosineHidesNan,
    WindowAtOrigin,
    WindowPlaceTurned,
    WindowOffByARow,
    WindowAnywhere,
    WindowRestKept,
    WindowRestZeroed,
    WindowRestAdded,
}
use Mistake::*;

/// The reference backend with a mistake.
pub(crate) struct Mutant {
    pub(crate) mistake: Mistake,
    calls: AtomicU32,
}

impl Mutant {
    pub(crate) fn new(mistake: Mistake) -> Self {
        Self { mistake, calls: AtomicU32::new(0) }
    }

    pub(crate) fn makes(&self, mistake: Mistake) -> bool {
        self.mistake == mistake
    }

    pub(crate) fn acc(&self, prefix: Prefix, acc: Acc) -> Acc {
        match acc {
            Acc::Add if self.makes(AddStores(prefix)) => Acc::Store,
            Acc::Store if self.makes(StoreAdds(prefix)) => Acc::Add,
            acc => acc,
        }
    }

    /// Makes a result depend on stale memory or on the number of calls.
    pub(crate) fn spoil(&self, prefix: Prefix, operand: &Tensor, out: &mut Tensor) {
        if operand.stale && self.makes(StaleMemoryLeaks(prefix)) {
            change(&mut out.inner, |_, v| v * 1.001 + 1e-3);
        }
        if self.makes(DifferentEveryTime(prefix)) {
            // 0 1 1 0 1 0 0 1 ...: no two adjacent blocks of calls are equal.
            let bit = self.calls.fetch_add(1, Ordering::Relaxed).count_ones() % 2;
            change(&mut out.inner, |_, v| f32::from_bits(v.to_bits() ^ bit));
        }
    }
}

/// A tensor that records whether it was reshaped.
pub(crate) struct Tensor {
    pub(crate) inner: Inner,
    pub(crate) stale: bool,
}

/// Gates and switches with public contents.
pub(crate) struct Marks {
    pub(crate) shape: Shape,
    pub(crate) capacity: usize,
    pub(crate) marks: Vec<u8>,
}

pub(crate) fn read(tensor: &Inner) -> Vec<f32> {
    let mut values = vec![0.0; R.shape(tensor).len()];
    R.download(tensor, &mut values).unwrap();
    values
}

pub(crate) fn change(tensor: &mut Inner, f: impl Fn(usize, f32) -> f32) {
    let values: Vec<_> = read(tensor).into_iter().enumerate().map(|(i, v)| f(i, v)).collect();
    R.upload(&values, tensor).unwrap();
}

pub(crate) fn made(shape: Shape, values: &[f32]) -> Result<Inner> {
    let mut tensor = R.tensor(shape)?;
    R.upload(values, &mut tensor)?;
    Ok(tensor)
}

pub(crate) fn inners<'a>(tensors: &[&'a Tensor]) -> Vec<&'a Inner> {
    tensors.iter().map(|t| &t.inner).collect()
}

pub(crate) fn sum_in_f32(terms: impl Iterator<Item = f32>) -> f64 {
    f64::from(terms.fold(0.0, |sum, term| sum + term))
}

impl Storage for Mutant {
    type Tensor = Tensor;
    type Gate = Marks;
    type Switches = Marks;
    type Scalars = Vec<f64>;
    type Workspace = ();
    type Recording = ();

    fn description(&self) -> String {
        format!("{:?}", self.mistake)
    }

    fn tensor(&self, shape: Shape) -> Result<Tensor> {
        let mut inner = R.tensor(shape)?;
        if self.makes(NotZeroed) {
            change(&mut inner, |_, _| 7.0);
        }
        Ok(Tensor { inner, stale: false })
    }

    fn shape(&self, tensor: &Tensor) -> Shape {
        R.shape(&tensor.inner)
    }

    fn reshape(&self, tensor: &mut Tensor, shape: Shape) -> Result<()> {
        if self.makes(ReshapeOfAnySize) && shape.len() < 1 << 20 {
            tensor.inner = R.tensor(shape)?;
        }
        R.reshape(&mut tensor.inner, shape)?;
        tensor.stale = true;
        Ok(())
    }

    fn gate(&self, shape: Shape) -> Result<Marks> {
        R.gate(shape)?;
        Ok(Marks { shape, capacity: shape.len(), marks: vec![0; shape.len()] })
    }

    fn switches(&self, shape: Shape) -> Result<Marks> {
        self.gate(shape)
    }

    fn reshape_gate(&self, gate: &mut Marks, shape: Shape) -> Result<()> {
        let most = if self.makes(ReshapeOfAnyMarks) { 1 << 20 } else { gate.capacity };
        if shape.len() > most {
            return Err(Error::new(ErrorKind::Shape, "a shape larger than its memory"));
        }
        gate.shape = if self.makes(ReshapeKeepsMarks) { gate.shape } else { shape };
        gate.marks = vec![u8::MAX; shape.len()];
        Ok(())
    }

    fn reshape_switches(&self, switches: &mut Marks, shape: Shape) -> Result<()> {
        self.reshape_gate(switches, shape)
    }

    fn scalars(&self, count: usize) -> Result<Vec<f64>> {
        R.scalars(count)
    }

    fn workspace(&self, bytes: usize) -> Result<()> {
        R.workspace(bytes)
    }

    fn tensor_bytes(&self, shape: Shape) -> usize {
        R.tensor_bytes(shape)
    }

    fn gate_bytes(&self, shape: Shape) -> usize {
        R.gate_bytes(shape)
    }

    fn switches_bytes(&self, shape: Shape) -> usize {
        R.switches_bytes(shape)
    }

    fn upload(&self, src: &[f32], dst: &mut Tensor) -> Result<()> {
        let len = self.shape(dst).len();
        if self.makes(UploadOfAnyLength) && src.len() >= len {
            return R.upload(&src[..len], &mut dst.inner);
        }
        R.upload(src, &mut dst.inner)
    }

    fn download(&self, src: &Tensor, dst: &mut [f32]) -> Result<()> {
        R.download(&src.inner, dst)
    }

    fn read_scalars(&self, src: &Vec<f64>, dst: &mut [f64]) -> Result<()> {
        R.read_scalars(src, dst)
    }
}
