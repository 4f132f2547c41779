//! The cases must be able to fail: the reference backend with one deliberate mistake, which some case of the room
//! where it is made has to notice.

mod mutant;
mod ops;
mod window;

use std::panic::{AssertUnwindSafe, catch_unwind};

use mutant::Mistake::*;
use mutant::{Mistake, Mutant, Room};
use testkit::cases;

/// The first case of `room` that fails, with what it says.
fn noticed(mistake: Mistake, room: Room) -> Option<String> {
    let mutant = Mutant::new(mistake);
    let of_room = cases::all::<Mutant>().into_iter().filter(|c| c.name().starts_with(room));
    of_room.into_iter().find_map(|case| match catch_unwind(AssertUnwindSafe(|| case.run(&mutant))) {
        Ok(Ok(())) => None,
        Ok(Err(failed)) => Some(format!("{}: {}", case.name(), failed.message().unwrap_or_default())),
        Err(_) => Some(format!("{}: panics", case.name())),
    })
}

#[track_caller]
fn must_notice(room: Room, mistakes: &[Mistake]) {
    for &mistake in mistakes {
        let by = noticed(mistake, room);
        println!("{mistake:?} -> {by:?}");
        assert!(by.is_some(), "no case of {room} notices {mistake:?}");
    }
}

#[test]
fn the_mutant_without_mistake_passes() {
    assert_eq!(noticed(Nothing, ""), None);
}

#[test]
fn storage() {
    must_notice("storage", &[NotZeroed, UploadOfAnyLength, ReshapeOfAnySize]);
    must_notice("storage/reshape-gate", &[ReshapeOfAnyMarks, ReshapeKeepsMarks]);
    must_notice("storage/reshape-switches", &[ReshapeOfAnyMarks, ReshapeKeepsMarks]);
}

#[test]
fn conv2d() {
    must_notice("conv2d/fwd", &[StaleMemoryLeaks("conv2d"), ConvTransposed, ConvRotated]);
    must_notice("conv2d/fwd", &[ConvNoBias, ConvNoRelu, ConvHalfPrecision, ConvEdgeLost]);
    must_notice("conv2d/bwd", &[AddStores("conv2d"), StoreAdds("conv2d"), ConvBackwardNotRotated]);
    must_notice("conv2d/adjoint", &[ConvBackwardNotRotated]);
    must_notice("conv2d/repeat", &[DifferentEveryTime("conv2d")]);
    must_notice("conv2d/misfit", &[ConvTakesTransposedInput, ConvPanics]);
    must_notice("conv2d/pooled", &[ConvPoolSums, ConvPoolSpreadWhole, ConvPoolGateClosed]);
    must_notice("conv2d/parts", &[ConvPartAlone, ConvPartSpills]);
    must_notice("conv2d/fwd", &[ConvPaddingIgnored, ConvPaddingCornersLost]);
    must_notice("conv2d/constant", &[ConvPaddingIgnored, ConvPaddingCornersLost]);
    must_notice("conv2d/bwd", &[ConvPaddingNotFolded]);
    must_notice("conv2d/adjoint", &[ConvPaddingIgnored, ConvPaddingNotFolded, ConvPaddingCornersLost]);
    must_notice("conv2d/parts", &[ConvPartPaddingIgnored, ConvPaddingNotFolded]);
    must_notice("conv2d/misfit-padding", &[ConvPaddingOfFeatures]);
    must_notice("conv2d/fused", &[GateInverted, GateOpen]);
    must_notice("conv2d/closed-at-zero", &[GateOpenAtZero]);
}

#[test]
fn pool2d() {
    must_notice("pool2d", &[AddStores("pool2d"), StoreAdds("pool2d"), StaleMemoryLeaks("pool2d")]);
    must_notice("pool2d", &[DifferentEveryTime("pool2d"), PoolLastTie, PoolHalves, PoolDroppedUntouched]);
    must_notice("pool2d", &[PoolDroppedZeroed, PoolNeedsNoSwitches]);
}

#[test]
fn gram() {
    must_notice("gram", &[AddStores("gram"), StoreAdds("gram"), StaleMemoryLeaks("gram"), DifferentEveryTime("gram")]);
    must_notice("gram", &[GramScaleIgnored, GramOfAllRows, GramAsymmetric, GramInF32, GramLowerHalfIgnored]);
}

#[test]
fn relu() {
    must_notice("relu", &[StaleMemoryLeaks("relu"), DifferentEveryTime("relu")]);
    must_notice("relu", &[RectifyKeepsNegatives, RectifyMirrors, RectifyKeepsNan]);
}

#[test]
fn guide() {
    must_notice("guide", &[AddStores("guide"), StoreAdds("guide")]);
    must_notice("guide", &[StaleMemoryLeaks("guide"), DifferentEveryTime("guide")]);
    must_notice("guide", &[GuideMapIgnored, GuideScaleIgnored, GuideMapOfAnyShape]);
}

#[test]
fn moments() {
    must_notice("moments", &[AddStores("moments"), StoreAdds("moments")]);
    must_notice("moments", &[StaleMemoryLeaks("moments"), DifferentEveryTime("moments")]);
    must_notice("moments/weighted/fwd", &[MomentsUnweighted]);
    must_notice("moments/plain/fwd", &[MomentsVariance, MomentsOfSample]);
    must_notice("moments/plain/activations", &[MomentsInF32]);
    must_notice("moments/plain/far-from-zero", &[MomentsCancel]);
    must_notice("moments/constant", &[MomentsCancel]);
    must_notice("moments/weighted/bwd", &[MomentsGradientUnweighted]);
    must_notice("moments/plain/bwd", &[MomentsGradientUndivided, MomentsGradientDividesByZero]);
    must_notice("moments/plain/bwd", &[MomentsGradientOfMeanAlone]);
    must_notice("moments/plain/euler", &[MomentsGradientUndivided, MomentsGradientOfMeanAlone]);
    must_notice("moments/one-position", &[MomentsGradientDividesFirst]);
}

#[test]
fn loss() {
    must_notice("loss", &[AddStores("loss"), StoreAdds("loss"), StaleMemoryLeaks("loss"), DifferentEveryTime("loss")]);
    must_notice("loss", &[LossNotHalved, LossInF32, LossSign, LossSlot]);
}

#[test]
fn tv() {
    must_notice("tv", &[AddStores("tv"), StoreAdds("tv"), StaleMemoryLeaks("tv"), DifferentEveryTime("tv")]);
    must_notice("tv", &[TvNotHalved, TvSign, TvScaleIgnored]);
    must_notice("tv/absolute", &[TvKindIgnored, TvAbsoluteUnsigned]);
    must_notice("tv/absolute/ties", &[TvAbsoluteSlopesAtZero]);
    must_notice("tv/means", &[TvKindIgnored, TvMeansNotDivided, TvMeansOverPixels]);
    must_notice("tv/power-1.5", &[TvKindIgnored, TvPowerOfSquares]);
    must_notice("tv/power-2.5", &[TvKindIgnored, TvPowerOfSquares]);
    must_notice("tv/power-1/constant", &[TvPowerUndefinedAtZero]);
}

#[test]
fn vector() {
    must_notice("vector", &[StaleMemoryLeaks("vector"), DifferentEveryTime("vector"), DotsTransposed, DotsInF32]);
    must_notice("vector", &[CombineInF32, CombineDropsLast, CopyOfNothing, AdamUncorrected, AdamBetasSwapped]);
}

#[test]
fn window() {
    must_notice("window", &[AddStores("window"), StoreAdds("window")]);
    must_notice("window", &[StaleMemoryLeaks("window"), DifferentEveryTime("window")]);
    must_notice("window/both-ways", &[WindowAtOrigin, WindowPlaceTurned, WindowOffByARow]);
    must_notice("window/both-ways", &[WindowRestKept, WindowRestZeroed]);
    must_notice("window/outside", &[WindowRestKept, WindowRestZeroed, WindowRestAdded]);
    must_notice("window/tiles", &[WindowAtOrigin, WindowPlaceTurned, WindowOffByARow]);
    must_notice("window/misfit", &[WindowAnywhere]);
    must_notice("window/absurd", &[WindowAnywhere]);
}
