//! Checks that the cases can fail: in the reference backend with one deliberate mistake, a case of the affected op must
//! fail.

mod cosine;
mod history;
mod mutant;
mod nearest;
mod ops;
mod product;
mod sample;
mod transport;
mod window;

use std::panic::{AssertUnwindSafe, catch_unwind};

use mutant::Mistake::*;
use mutant::{Mistake, Mutant, Prefix};
use testkit::cases;

/// The first case of `prefix` that fails, with its message.
fn detection(mistake: Mistake, prefix: Prefix) -> Option<String> {
    let mutant = Mutant::new(mistake);
    let of_prefix = cases::all::<Mutant>().into_iter().filter(|c| c.name().starts_with(prefix));
    of_prefix.into_iter().find_map(|case| match catch_unwind(AssertUnwindSafe(|| case.run(&mutant))) {
        Ok(Ok(())) => None,
        Ok(Err(failed)) => Some(format!("{}: {}", case.name(), failed.message().unwrap_or_default())),
        Err(_) => Some(format!("{}: panics", case.name())),
    })
}

#[track_caller]
fn must_detect(prefix: Prefix, mistakes: &[Mistake]) {
    for &mistake in mistakes {
        let by = detection(mistake, prefix);
        println!("{mistake:?} -> {by:?}");
        assert!(by.is_some(), "no case of {prefix} detects {mistake:?}");
    }
}

#[test]
fn the_mutant_without_mistake_passes() {
    assert_eq!(detection(Nothing, ""), None);
}

#[test]
fn storage() {
    must_detect("storage", &[NotZeroed, UploadOfAnyLength, ReshapeOfAnySize]);
    must_detect("storage/reshape-gate", &[ReshapeOfAnyMarks, ReshapeKeepsMarks]);
    must_detect("storage/reshape-switches", &[ReshapeOfAnyMarks, ReshapeKeepsMarks]);
}

#[test]
fn conv2d() {
    must_detect("conv2d/fwd", &[StaleMemoryLeaks("conv2d"), ConvTransposed, ConvRotated]);
    must_detect("conv2d/fwd", &[ConvNoBias, ConvNoRelu, ConvHalfPrecision, ConvEdgeLost]);
    must_detect("conv2d/bwd", &[AddStores("conv2d"), StoreAdds("conv2d"), ConvBackwardNotRotated]);
    must_detect("conv2d/adjoint", &[ConvBackwardNotRotated]);
    must_detect("conv2d/repeat", &[DifferentEveryTime("conv2d")]);
    must_detect("conv2d/misfit", &[ConvTakesTransposedInput, ConvPanics]);
    must_detect("conv2d/pooled", &[ConvPoolSums, ConvPoolSpreadWhole, ConvPoolGateClosed, ConvPoolGateOfAll]);
    must_detect("conv2d/parts", &[ConvPartAlone, ConvPartSpills]);
    must_detect("conv2d/fwd", &[ConvPaddingIgnored, ConvPaddingCornersLost]);
    must_detect("conv2d/constant", &[ConvPaddingIgnored, ConvPaddingCornersLost]);
    must_detect("conv2d/bwd", &[ConvPaddingNotFolded]);
    must_detect("conv2d/adjoint", &[ConvPaddingIgnored, ConvPaddingNotFolded, ConvPaddingCornersLost]);
    must_detect("conv2d/parts", &[ConvPartPaddingIgnored, ConvPaddingNotFolded]);
    must_detect("conv2d/misfit-padding", &[ConvPaddingOfFeatures]);
    must_detect("conv2d/fused", &[GateInverted, GateOpen]);
    must_detect("conv2d/closed-at-zero", &[GateOpenAtZero]);
}

#[test]
fn pool2d() {
    must_detect("pool2d", &[AddStores("pool2d"), StoreAdds("pool2d"), StaleMemoryLeaks("pool2d")]);
    must_detect("pool2d", &[DifferentEveryTime("pool2d"), PoolLastTie, PoolHalves, PoolDroppedUntouched]);
    must_detect("pool2d", &[PoolDroppedZeroed, PoolNeedsNoSwitches]);
}

#[test]
fn gram() {
    must_detect("gram", &[AddStores("gram"), StoreAdds("gram"), StaleMemoryLeaks("gram"), DifferentEveryTime("gram")]);
    must_detect("gram", &[GramScaleIgnored, GramOfAllRows, GramAsymmetric, GramInF32, GramLowerHalfIgnored]);
}

#[test]
fn relu() {
    must_detect("relu", &[StaleMemoryLeaks("relu"), DifferentEveryTime("relu")]);
    must_detect("relu", &[RectifyKeepsNegatives, RectifyMirrors, RectifyKeepsNan]);
}

#[test]
fn guide() {
    must_detect("guide", &[AddStores("guide"), StoreAdds("guide")]);
    must_detect("guide", &[StaleMemoryLeaks("guide"), DifferentEveryTime("guide")]);
    must_detect("guide", &[GuideMapIgnored, GuideScaleIgnored, GuideMapOfAnyShape]);
}

#[test]
fn moments() {
    must_detect("moments", &[AddStores("moments"), StoreAdds("moments")]);
    must_detect("moments", &[StaleMemoryLeaks("moments"), DifferentEveryTime("moments")]);
    must_detect("moments/weighted/fwd", &[MomentsUnweighted]);
    must_detect("moments/plain/fwd", &[MomentsVariance, MomentsOfSample]);
    must_detect("moments/plain/activations", &[MomentsInF32]);
    must_detect("moments/plain/far-from-zero", &[MomentsCancel]);
    must_detect("moments/constant", &[MomentsCancel]);
    must_detect("moments/weighted/bwd", &[MomentsGradientUnweighted]);
    must_detect("moments/plain/bwd", &[MomentsGradientUndivided, MomentsGradientDividesByZero]);
    must_detect("moments/plain/bwd", &[MomentsGradientOfMeanAlone]);
    must_detect("moments/plain/euler", &[MomentsGradientUndivided, MomentsGradientOfMeanAlone]);
    must_detect("moments/one-position", &[MomentsGradientDividesFirst]);
}

#[test]
fn loss() {
    must_detect("loss", &[AddStores("loss"), StoreAdds("loss"), StaleMemoryLeaks("loss"), DifferentEveryTime("loss")]);
    must_detect("loss", &[LossNotHalved, LossInF32, LossSign, LossSlot]);
}

#[test]
fn tv() {
    must_detect("tv", &[AddStores("tv"), StoreAdds("tv"), StaleMemoryLeaks("tv"), DifferentEveryTime("tv")]);
    must_detect("tv", &[TvNotHalved, TvSign, TvScaleIgnored]);
    must_detect("tv/absolute", &[TvKindIgnored, TvAbsoluteUnsigned]);
    must_detect("tv/absolute/ties", &[TvAbsoluteSlopesAtZero]);
    must_detect("tv/means", &[TvKindIgnored, TvMeansNotDivided, TvMeansOverPixels]);
    must_detect("tv/power-1.5", &[TvKindIgnored, TvPowerOfSquares]);
    must_detect("tv/power-2.5", &[TvKindIgnored, TvPowerOfSquares]);
    must_detect("tv/power-1/constant", &[TvPowerUndefinedAtZero]);
}

#[test]
fn vector() {
    must_detect("vector", &[StaleMemoryLeaks("vector"), DifferentEveryTime("vector"), DotsTransposed, DotsInF32]);
    must_detect("vector", &[CombineInF32, CombineDropsLast, CopyOfNothing, AdamUncorrected, AdamBetasSwapped]);
    must_detect("vector/scale-by", &[ScaleByPowerIgnored, ScaleByNegative]);
}

#[test]
fn history() {
    must_detect("history", &[StaleMemoryLeaks("history"), DifferentEveryTime("history")]);
    must_detect("history/zeros", &[HistoryNotZeroed, HistoryBytesOfOne]);
    must_detect("history/round", &[HistoryOfSevenBits, HistoryForgetsSign]);
    must_detect("history/nearest", &[HistoryTruncates]);
    must_detect("history/not-finite", &[HistoryHidesNan]);
    must_detect("history/dots", &[HistoryDotsInF32, HistoryDotsTransposed]);
    must_detect("history/combine", &[HistoryCombineDropsOne, HistoryCombineLastAlone]);
}

#[test]
fn product() {
    must_detect("product", &[AddStores("product"), StoreAdds("product")]);
    must_detect("product", &[StaleMemoryLeaks("product"), DifferentEveryTime("product")]);
    must_detect("product/value", &[ProductScaleIgnored, ProductTransposed]);
    must_detect("product/project", &[ProductScaleIgnored]);
    must_detect("product/adjoint", &[ProjectNotTransposed]);
}

#[test]
fn transport() {
    must_detect("transport", &[StaleMemoryLeaks("transport"), DifferentEveryTime("transport")]);
    must_detect("transport/value", &[TransportByMagnitude, TransportUnsorted, TransportNotHalved, TransportSign]);
    must_detect("transport/equals", &[TransportLastOfEqual]);
    must_detect("transport/zeros", &[TransportLastOfEqual, TransportZerosDiffer]);
}

#[test]
fn nearest() {
    must_detect("nearest", &[StaleMemoryLeaks("nearest"), DifferentEveryTime("nearest")]);
    must_detect("nearest/best", &[NearestFarthest, NearestByDotProduct]);
    must_detect("nearest/first-of-equal", &[NearestLastOfEqual]);
    must_detect("nearest/distance", &[NearestRoundsDown, NearestWraps, NearestMeans, NearestNotHalved]);
    must_detect("nearest/slope", &[NearestMeans, NearestNotHalved]);
}

#[test]
fn sample() {
    must_detect("sample", &[AddStores("sample"), StoreAdds("sample")]);
    must_detect("sample", &[StaleMemoryLeaks("sample"), DifferentEveryTime("sample")]);
    must_detect("sample/fwd", &[SampleScaleIgnored, SampleOffsetIgnored, SampleLastEntryLost]);
    must_detect("sample/bwd", &[SampleScaleIgnored, SampleGradientOffsetIgnored, SampleLastEntryLost]);
    must_detect("sample/adjoint", &[SampleGradientOffsetIgnored, SampleGradientNotTransposed]);
    must_detect("sample/permutation", &[SampleGradientNotTransposed]);
    must_detect("sample/outside", &[SampleFillingKept, SampleRestZeroed]);
    must_detect("sample/groups", &[SampleOffsetIgnored, SampleFillingKept, SampleRestZeroed]);
    must_detect("sample/no-numbers", &[SampleRoundsDown, SampleWraps]);
    must_detect("sample/unread", &[SampleReadsAll]);
}

#[test]
fn cosine() {
    must_detect("cosine", &[StaleMemoryLeaks("cosine"), DifferentEveryTime("cosine")]);
    must_detect("cosine/value", &[CosineTargetNotNormalised, CosineNotNormalised, CosineNotProjected]);
    must_detect("cosine/value", &[CosineNotDivided, CosineSign]);
    must_detect("cosine/orthogonal", &[CosineTargetNotNormalised, CosineNotProjected]);
    must_detect("cosine/slope", &[CosineNotProjected, CosineNotDivided, CosineSign]);
    must_detect("cosine/homogeneous", &[CosineTargetNotNormalised, CosineNotDivided]);
    must_detect("cosine/magnitudes", &[CosineInF32]);
    must_detect("cosine/zeros", &[CosineDividesByZero, CosineZerosAreNear]);
    must_detect("cosine/nan", &[CosineHidesNan]);
}

#[test]
fn window() {
    must_detect("window", &[AddStores("window"), StoreAdds("window")]);
    must_detect("window", &[StaleMemoryLeaks("window"), DifferentEveryTime("window")]);
    must_detect("window/both-ways", &[WindowAtOrigin, WindowPlaceTurned, WindowOffByARow]);
    must_detect("window/both-ways", &[WindowRestKept, WindowRestZeroed]);
    must_detect("window/outside", &[WindowRestKept, WindowRestZeroed, WindowRestAdded]);
    must_detect("window/tiles", &[WindowAtOrigin, WindowPlaceTurned, WindowOffByARow]);
    must_detect("window/misfit", &[WindowAnywhere]);
    must_detect("window/absurd", &[WindowAnywhere]);
}
