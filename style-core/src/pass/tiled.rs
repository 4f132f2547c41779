//! Passes of a picture through the network and back: whole, or [tile](crate::pass::tiles) by tile.

use std::ops::Range;
use std::sync::Arc;

use crate::backend::Backend;
use crate::backend::ops::conv2d::Padding;
use crate::backend::ops::pool2d::Pooling;
use crate::backend::ops::relu::ReluRule;
use crate::backend::shape::{Acc, Rows, Shape};
use crate::error::Result;
use crate::network::Network;
use crate::network::taps::Taps;
use crate::pass::cancel::Cancel;
use crate::pass::chain::{Chain, Tapped};
use crate::pass::plan::{ChainPlan, InBands, Parts};
use crate::pass::tiles::{Grid, Tile, Window, cut, parts_in_copies};

/// The requirements of passes, computed from shapes only.
pub(crate) struct PassesPlan {
    pub(crate) tiles: Vec<Tile>,
    /// The plan of each tile, shared by tiles of one size; then each distinct plan.
    of_tiles: Vec<Arc<ChainPlan>>,
    plans: Vec<Arc<ChainPlan>>,
    picture: Shape,
    taps: Vec<Layer>,
    backward: bool,
    seamless: bool,
    pub(crate) cancel: Cancel,
}

/// A tapped layer.
#[derive(Clone, Copy)]
struct Layer {
    channels: usize,
    /// Number of pools before it.
    pools: usize,
}

/// Settings of passes.
#[derive(Clone, Copy)]
pub(crate) struct PassesOptions<'a> {
    pub(crate) taps: &'a Taps,
    pub(crate) pooling: Pooling,
    pub(crate) padding: Padding,
    pub(crate) backward: bool,
    /// Where a tap accepts bands.
    pub(crate) in_bands: InBands<'a>,
    pub(crate) grid: Grid,
    /// Whether the picture repeats without end.
    pub(crate) seamless: bool,
    pub(crate) cancel: &'a Cancel,
}

impl PassesPlan {
    pub(crate) fn new<B: Backend>(network: &Network<B>, picture: Shape, options: PassesOptions<'_>) -> Result<Self> {
        let PassesOptions { taps, pooling, padding, backward, in_bands, grid, seamless, cancel } = options;
        let tiles = cut(network, picture, taps, grid, seamless);
        let whole = is_whole(&tiles, seamless);
        let (mut of_tiles, mut plans) = (vec![], vec![]);
        let mut kinds: Vec<(Shape, Vec<Window>)> = vec![];
        for tile in &tiles {
            let trims = if whole { vec![] } else { tile.trims() };
            let of_tile = (tile.region().shape(picture.channels), trims);
            let kind = kinds.iter().position(|kind| *kind == of_tile);
            if kind.is_none() {
                let parts = Parts { in_bands, trims: &of_tile.1 };
                let plan = ChainPlan::new(network, of_tile.0, taps, pooling, padding, backward, Some(parts))?;
                plans.push(Arc::new(plan));
                kinds.push(of_tile);
            }
            of_tiles.push(Arc::clone(&plans[kind.unwrap_or(plans.len() - 1)]));
        }
        let layer = |&at: &usize| Layer { channels: network.layers[at].channels, pools: network.pools_before(at) };
        let (taps, cancel) = (taps.positions().iter().map(layer).collect(), cancel.clone());
        Ok(Self { tiles, of_tiles, plans, picture, taps, backward, seamless, cancel })
    }

    /// Shape of the picture.
    pub(crate) fn picture(&self) -> Shape {
        self.picture
    }

    /// Whether the picture is a single tile, which is all that the network sees.
    pub(crate) fn is_whole(&self) -> bool {
        is_whole(&self.tiles, self.seamless)
    }

    /// The rectangle of all pixels that these tiles see; one pixel if there are none, all of a seamless picture.
    pub(crate) fn seen_by(&self, tiles: Range<usize>) -> Window {
        if self.seamless {
            return Window::all(self.picture);
        }
        let regions = self.tiles[tiles].iter().map(Tile::region);
        regions.reduce(Window::around).unwrap_or(Window::all(Shape::new(1, 1, 1)))
    }

    /// Shape of the whole picture's features at a tap.
    pub(crate) fn features(&self, tap: usize) -> Shape {
        let Layer { channels, pools } = self.taps[tap];
        Shape::new(channels, self.picture.height >> pools, self.picture.width >> pools)
    }

    /// The window of each tile's own features within those of the whole picture.
    pub(crate) fn own(&self, tap: usize) -> impl Iterator<Item = Window> {
        let pools = self.taps[tap].pools;
        self.tiles.iter().map(move |tile| tile.own(pools))
    }

    /// Shapes of each tile's own features at a tap.
    pub(crate) fn own_shapes(&self, tap: usize) -> impl Iterator<Item = Shape> {
        let channels = self.taps[tap].channels;
        self.own(tap).map(move |own| own.shape(channels))
    }

    /// The shapes in which each tile's own features are passed to a tap, each once: that of all of them, or those of bands,
    /// forward and backward.
    pub(crate) fn part_shapes(&self, tap: usize) -> impl Iterator<Item = Vec<Shape>> {
        let Layer { channels, pools } = self.taps[tap];
        let whole = self.is_whole();
        self.tiles.iter().zip(&self.of_tiles).map(move |(tile, plan)| {
            let (own, in_region) = (tile.own(pools).shape(channels), tile.own_in_region(pools));
            let mut shapes: Vec<Shape> = vec![];
            for [band, held] in plan.tapped_rows(tap) {
                let heights = match whole {
                    true => [held.len(); 2],
                    false => [band, held].map(|rows| in_region.in_rows(rows, held.start).rows.len()),
                };
                for shape in heights.map(|height| Shape { height, ..own }) {
                    if !shape.is_empty() && !shapes.contains(&shape) {
                        shapes.push(shape);
                    }
                }
            }
            shapes
        })
    }

    /// The largest map of one channel for a band at a tap, if it is in bands.
    pub(crate) fn band_map<B: Backend>(&self, backend: &B, tap: usize) -> Option<Shape> {
        let own = self.own_shapes(tap).zip(self.part_shapes(tap));
        let bands = own.flat_map(|(own, parts)| parts.into_iter().filter(move |&part| part != own));
        bands.map(|band| Shape { channels: 1, ..band }).max_by_key(|&map| backend.tensor_bytes(map))
    }

    /// The largest part of a tile's own features passed to a tap at once, if there are several tiles.
    pub(crate) fn room<B: Backend>(&self, backend: &B) -> Option<Shape> {
        let taps = (0..self.taps.len()).filter(|_| !self.is_whole());
        taps.flat_map(|tap| self.part_shapes(tap).flatten()).max_by_key(|&s| backend.features_bytes(s))
    }

    /// Room for a part of a region, if the picture is seamless.
    fn part(&self) -> Option<Shape> {
        self.seamless.then_some(self.picture)
    }

    /// The parts of a tile's region: where each is in the picture, and where in the region.
    fn parts(&self, tile: usize) -> impl Iterator<Item = (Window, [usize; 2])> {
        let (Window { rows, columns }, Shape { height, width, .. }) = (self.tiles[tile].region(), self.picture);
        let down = parts_in_copies(rows, height);
        down.flat_map(move |(rows, top)| {
            parts_in_copies(columns, width).map(move |(columns, left)| (Window { rows, columns }, [top, left]))
        })
    }

    /// The largest region, if there are several tiles.
    fn region<B: Backend>(&self, backend: &B) -> Option<Shape> {
        let regions = self.tiles.iter().filter(|_| !self.is_whole()).map(|t| t.region().shape(self.picture.channels));
        regions.max_by_key(|&s| backend.tensor_bytes(s))
    }

    /// Memory that [`Passes::new`] allocates, in bytes.
    pub(crate) fn bytes<B: Backend>(&self, backend: &B) -> usize {
        let region = self.region(backend).map_or(0, |s| backend.tensor_bytes(s));
        let part = self.part().map_or(0, |s| backend.tensor_bytes(s));
        let regions = region.saturating_mul(1 + usize::from(self.backward)).saturating_add(part);
        ChainPlan::bytes(&self.plans, backend).saturating_add(regions)
    }

    /// Workspace needed by the ops, and by the Gram matrices of tiles, in bytes.
    pub(crate) fn workspace<B: Backend>(&self, backend: &B) -> usize {
        let own = (0..self.taps.len()).filter(|_| !self.is_whole()).flat_map(|tap| self.own_shapes(tap));
        let of_chain = self.plans.iter().map(|p| p.workspace()).max().unwrap_or(0);
        own.map(|s| backend.gram_workspace(s)).fold(of_chain, usize::max)
    }

    /// Operations of the convolutions in one direction: for all tiles, and for the last one.
    pub(crate) fn flops(&self) -> [f64; 2] {
        let last = self.of_tiles.last().map_or(0.0, |p| p.flops());
        [self.of_tiles.iter().map(|p| p.flops()).sum(), last]
    }

    /// The plan of the first tile, for the algorithms of the convolutions.
    pub(crate) fn chain(&self) -> &ChainPlan {
        &self.plans[0]
    }

    /// The part of `rows`, among the rows passed to a tap, that belongs to the tile; `None` if there is none.
    fn seen<'a, B: Backend>(&self, tile: usize, tapped: &Tapped<'a, B>, rows: Rows) -> Option<Seen<'a, B>> {
        let &Tapped { tap, features, held, whole, .. } = tapped;
        let from_held = |r: Rows| Rows { start: r.start - held.start, end: r.end - held.start };
        let (first, top) = (rows.start == 0, held.start);
        let all = Seen { tap, tile, features, own: whole, first, top, rows: from_held(rows), window: None };
        if self.is_whole() {
            return Some(all);
        }
        let pools = self.taps[tap].pools;
        let own = self.tiles[tile].own_in_region(pools);
        let here = own.in_rows(rows, held.start);
        let window = Some(Part { here, whole: self.tiles[tile].own(pools) });
        let shape = here.shape(whole.channels);
        let (first, top) = (rows.start <= own.rows.start, rows.start.saturating_sub(own.rows.start));
        let seen = Seen { own: own.shape(whole.channels), first, top, rows: Rows::all(shape), window, ..all };
        (!shape.is_empty()).then_some(seen)
    }
}

/// The features passed to a tap of a tile.
pub(crate) struct Seen<'a, B: Backend> {
    pub(crate) tap: usize,
    pub(crate) tile: usize,
    pub(crate) features: &'a B::Tensor,
    /// Shape of all features owned by the tile (those of its bands together), and whether this is the first band.
    pub(crate) own: Shape,
    pub(crate) first: bool,
    /// The row of `own` that the first row of the features, or of the window, is.
    pub(crate) top: usize,
    /// The rows that count, of the features or of the window.
    pub(crate) rows: Rows,
    /// The window of its own features, if the tensor holds others too.
    pub(crate) window: Option<Part>,
}

/// A tile's own features among others.
#[derive(Clone, Copy)]
pub(crate) struct Part {
    /// Window within the tensor passed to a tap.
    pub(crate) here: Window,
    /// Window within the features of the whole picture.
    pub(crate) whole: Window,
}

/// Plans with their memory.
pub(crate) struct Passes<B: Backend> {
    pub(crate) plan: PassesPlan,
    chain: Chain<B>,
    /// The pixels of a region and their gradient, if there are several tiles.
    region: Vec<B::Tensor>,
    /// A part of the region, if the picture is seamless.
    part: Option<B::Tensor>,
    /// The tile of the last forward pass.
    tile: usize,
    /// The first row and column of the picture that the gradient has, if this process has some of the tiles only.
    pub(crate) origin: [usize; 2],
}

impl<B: Backend> Passes<B> {
    pub(crate) fn new(backend: &B, plan: PassesPlan) -> Result<Self> {
        let count = 1 + usize::from(plan.backward);
        let region = plan.region(backend).into_iter().flat_map(|s| vec![s; count]);
        let region = region.map(|s| backend.tensor(s)).collect::<Result<_>>()?;
        let part = plan.part().map(|s| backend.tensor(s)).transpose()?;
        Ok(Self { chain: Chain::new(backend, &plan.plans)?, plan, region, part, tile: 0, origin: [0, 0] })
    }

    /// Runs a tile of `image` through the network; calls `at_tap(seen, workspace)` with its own features.
    pub(crate) fn forward(
        &mut self,
        network: &Network<B>,
        image: &B::Tensor,
        tile: usize,
        workspace: &mut B::Workspace,
        mut at_tap: impl FnMut(&Seen<'_, B>, &mut B::Workspace) -> Result<()>,
    ) -> Result<()> {
        self.plan.cancel.check()?;
        self.tile = tile;
        let (backend, Self { plan, chain, region, part, .. }) = (network.backend(), self);
        let x = match region.first_mut() {
            None => image,
            Some(x) => {
                let from = plan.tiles[tile].region();
                chain.take(backend, &plan.of_tiles[tile])?;
                backend.reshape(x, from.shape(plan.picture.channels))?;
                match part {
                    None => backend.window(image, from.at(), x)?,
                    Some(part) => {
                        let mut acc = Acc::Store;
                        for (window, at) in plan.parts(tile) {
                            backend.reshape(part, window.shape(plan.picture.channels))?;
                            backend.window(image, window.at(), part)?;
                            backend.window_bwd(part, at, acc, x)?;
                            acc = Acc::Add;
                        }
                    }
                }
                &*x
            }
        };
        chain.forward(network, x, workspace, |tapped, workspace| {
            plan.cancel.check()?;
            plan.seen(tile, tapped, tapped.band).map_or(Ok(()), |seen| at_tap(&seen, workspace))
        })
    }

    /// The gradient of a loss on the own features of the tile of the last forward pass. With a single tile it is stored in
    /// `gradient`, otherwise added to it; from [`origin`](Self::origin) on, `gradient` must have all pixels that the tile sees.
    /// `add_tap(seen, acc, dfeatures, workspace)` computes `dfeatures (=|+=) dloss/dfeatures` for all rows of the tensor; with a
    /// window, rows outside it get zero under `Store`.
    pub(crate) fn backward(
        &mut self,
        network: &Network<B>,
        image: &B::Tensor,
        gradient: &mut B::Tensor,
        workspace: &mut B::Workspace,
        mut add_tap: impl FnMut(&Seen<'_, B>, Acc, &mut B::Tensor, &mut B::Workspace) -> Result<()>,
    ) -> Result<()> {
        let (backend, Self { plan, chain, region, part, tile, origin }) = (network.backend(), self);
        let add_tap = |tapped: &Tapped<'_, B>, acc, dfeatures: &mut B::Tensor, workspace: &mut B::Workspace| {
            plan.cancel.check()?;
            // A band without own features adds nothing; the whole features always have some.
            plan.seen(*tile, tapped, tapped.held).map_or(Ok(()), |seen| add_tap(&seen, acc, dfeatures, workspace))
        };
        match &mut region[..] {
            [x, dx, ..] => {
                let to = plan.tiles[*tile].region();
                backend.reshape(dx, to.shape(plan.picture.channels))?;
                chain.backward(network, ReluRule::Gradient, x, dx, workspace, add_tap)?;
                let Some(part) = part else {
                    let at = [to.rows.start - origin[0], to.columns.start - origin[1]];
                    return backend.window_bwd(dx, at, Acc::Add, gradient);
                };
                for (window, at) in plan.parts(*tile) {
                    backend.reshape(part, window.shape(plan.picture.channels))?;
                    backend.window(dx, at, part)?;
                    backend.window_bwd(part, window.at(), Acc::Add, gradient)?;
                }
                Ok(())
            }
            _ => chain.backward(network, ReluRule::Gradient, image, gradient, workspace, add_tap),
        }
    }
}

fn is_whole(tiles: &[Tile], seamless: bool) -> bool {
    tiles.len() == 1 && !seamless
}

/// Memory for passes over a picture, excluding the picture, in bytes.
pub(crate) fn look_bytes<B: Backend>(backend: &B, plan: &PassesPlan) -> usize {
    let own = plan.room(backend).map_or(0, |s| backend.features_bytes(s));
    [plan.bytes(backend), plan.workspace(backend), own].into_iter().fold(0, usize::saturating_add)
}
